//! [`local_path`]: a check against open redirects.

/// Returns `path` if it is a path of the same origin, as a guard against open redirects.
///
/// Use it on the `return` parameter of a [consent
/// page](crate::consent::ConsentRules::consent_page), which anybody can set. A local path begins
/// with exactly one slash, has at most 2,048 bytes, and contains no backslash after the slash, no
/// control character and no white space: browsers ignore some of these and take the rest as another
/// host.
///
/// # Examples
///
/// ```
/// use tower_guestbook::http::local_path;
///
/// assert_eq!(local_path("/shop?page=2"), Some("/shop?page=2"));
/// for elsewhere in ["", "shop", "//evil.example", "/\\evil.example", "/\t/evil.example", "https://evil.example"] {
///     assert_eq!(local_path(elsewhere), None);
/// }
/// ```
pub fn local_path(path: &str) -> Option<&str> {
    let second = path.strip_prefix('/')?.bytes().next();
    let is_local = !matches!(second, Some(b'/' | b'\\')) && path.len() <= MAX_BYTES && !path.contains(is_ignored);
    is_local.then_some(path)
}

/// The longest path, in bytes.
const MAX_BYTES: usize = 2_048;

/// Browsers remove some of these characters before they parse the slashes.
fn is_ignored(character: char) -> bool {
    character.is_control() || character.is_whitespace()
}
