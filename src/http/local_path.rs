//! [`local_path`]: a check against open redirects.

/// Returns `path` if it is a path of the same origin, as a guard against open redirects.
///
/// Use it on parameters that say where to go next, which anybody can set: `next` of a [login
/// page](super::RequireLogin::login_page), `return` of a [consent
/// page](crate::consent::ConsentRules::consent_page). A local path begins with exactly one slash,
/// has at most 2,048 bytes, and contains no backslash after the slash, no dot segment, no control
/// character and no white space: browsers remove some of these and may take the rest as another
/// host.
///
/// # Examples
///
/// ```
/// use tower_guestbook::http::local_path;
///
/// assert_eq!(local_path("/shop?page=2"), Some("/shop?page=2"));
/// for elsewhere in ["", "shop", "//evil.example", "/\\evil.example", "/.//evil.example", "https://evil.example"] {
///     assert_eq!(local_path(elsewhere), None);
/// }
/// ```
pub fn local_path(path: &str) -> Option<&str> {
    let rest = path.strip_prefix('/')?;
    let is_local = !rest.starts_with(['/', '\\'])
        && path.len() <= MAX_BYTES
        && !path.contains(is_ignored)
        && !has_dot_segment(rest);
    is_local.then_some(path)
}

/// The longest path, in bytes.
const MAX_BYTES: usize = 2_048;

/// Browsers remove some of these characters before they parse the slashes.
fn is_ignored(character: char) -> bool {
    character.is_control() || character.is_whitespace()
}

/// Browsers remove dot segments (URL standard, path state), so that `/x/..//host` becomes `//host`.
fn has_dot_segment(path: &str) -> bool {
    let end = path.find(['?', '#']).unwrap_or(path.len());
    path[..end].split(['/', '\\']).any(|segment| {
        let segment = segment.to_ascii_lowercase().replace("%2e", ".");
        segment == "." || segment == ".."
    })
}

#[cfg(test)]
mod tests {
    use super::local_path;

    #[test]
    fn local_path_refuses_what_a_browser_takes_to_another_host() {
        for local in ["/", "/a/b?c=//d", "/a//b", "/.well-known/x", "/a...b", "/?next=/../x", "/%2e%2ex"] {
            assert_eq!(local_path(local), Some(local));
        }
        for elsewhere in [
            "//h",
            "/\\h",
            "/.//h",
            "/..//h",
            "/x/..//h",
            "/%2e//h",
            "/%2E%2e//h",
            "/.%2E/x",
            "/./\\h",
            "/x/..\\h",
            "/\t/h",
            "/a b",
            "h",
            "",
        ] {
            assert_eq!(local_path(elsewhere), None, "{elsewhere}");
        }
    }
}
