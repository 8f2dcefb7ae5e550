//! [`normalize_path`]: a name for a path that stays the same when the things in it change.

/// A path in which only the segments stand that are words of the application; every other segment
/// is `:id`.
///
/// For servers whose router does not tell the template. What is in a path may be anything: a
/// number, a name, the token of a link that sets a password. How a segment looks does not tell a
/// token from a word, so nothing is kept by its looks. At most 8 segments and 200 bytes are kept.
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
    fn normalize_path_keeps_words_and_the_form_of_the_path_alone() {
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
