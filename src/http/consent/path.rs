//! [`local_path`]: a way back that leads nowhere else.

/// `path` if it is a path of this very origin: it begins with one slash, and no browser takes it for another host's address.
/// For the way back from a consent page, which comes from outside.
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
    let is_local = !matches!(second, Some(b'/' | b'\\')) && path.len() <= MAX_BYTES && !path.contains(is_odd);
    is_local.then_some(path)
}

/// Longer ones are not worth keeping.
const MAX_BYTES: usize = 2_048;

/// Browsers remove some of these before they look at the slashes.
fn is_odd(character: char) -> bool {
    character.is_control() || character.is_whitespace()
}
