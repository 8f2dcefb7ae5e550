//! [`normalize_path`]: a stable name for a path without a route template.

/// Returns a path in which only declared words of the application remain; every other segment
/// becomes `:id`.
///
/// It is for servers whose router does not report a route template. A path segment may be anything:
/// a number, a name, a password reset token. A token cannot be told from a word by its form, so
/// only declared words are kept. The result has at most 8 segments and 200 bytes.
///
/// # Examples
///
/// ```
/// use tower_guestbook::activity::normalize_path;
///
/// let normalize = |path| normalize_path(path, |segment| ["users", "posts", "reset"].contains(&segment));
/// assert_eq!(normalize("/users/42/posts"), "/users/:id/posts");
/// assert_eq!(normalize("/reset/uQkWmZrTbnHsJxPdLcVfYa/"), "/reset/:id/");
/// assert_eq!(normalize("/Users/ada%40example.org"), "/:id/:id");
/// ```
pub fn normalize_path(path: &str, is_word: impl Fn(&str) -> bool) -> String {
    let mut normal = String::with_capacity(path.len().min(MAX_BYTES));
    for (index, segment) in path.split('/').skip(usize::from(path.starts_with('/'))).enumerate() {
        let name = if segment.is_empty() || is_word(segment) { segment } else { ":id" };
        if index == MAX_SEGMENTS || normal.len() + name.len() > MAX_BYTES {
            normal.push_str("/:more");
            break;
        }
        normal.push('/');
        normal.push_str(name);
    }
    normal
}

const MAX_SEGMENTS: usize = 8;
const MAX_BYTES: usize = 190;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalize_path_keeps_only_declared_words() {
        let normalize = |path: &str| normalize_path(path, |segment| ["a", "wiki", "abcdefghij"].contains(&segment));
        for (path, expected) in [
            ("", "/"),
            ("/", "/"),
            ("/a", "/a"),
            ("a/b", "/a/:id"),
            ("/a//wiki/", "/a//wiki/"),
            ("/A", "/:id"),
            ("/%61", "/:id"),
            ("/about-us", "/:id"),
            ("/wiki/Rust_(language)", "/wiki/:id"),
            ("/a/:id", "/a/:id"),
            ("/1/2/3/4/5/6/7/8/9/10", "/:id/:id/:id/:id/:id/:id/:id/:id/:more"),
        ] {
            assert_eq!(normalize(path), expected, "{path}");
        }
        assert!(normalize_path(&"/abcdefghij".repeat(1_000), |_| true).len() <= 200);
        assert!(normalize_path(&format!("/{}", "é".repeat(1_000)), |_| true).len() <= 200);
    }
}
