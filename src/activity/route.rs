//! [`normalize_path`]: a name for a path that stays the same when the things in it change.

/// A path with its variable parts replaced by `:id`: numbers, UUIDs, long hexadecimal and other long or odd segments.
///
/// For servers whose router does not tell the template. It also keeps out of the history what should not be in a path
/// but is: tokens, e-mail addresses. At most 8 segments and 200 bytes are kept.
///
/// ```
/// use tower_guestbook::activity::normalize_path;
///
/// assert_eq!(normalize_path("/users/42/posts"), "/users/:id/posts");
/// assert_eq!(normalize_path("/o/0190163d-8694-739b-aea5-966c26f8ad91/"), "/o/:id/");
/// assert_eq!(normalize_path("/reset/ada%40example.org"), "/reset/:id");
/// assert_eq!(normalize_path("/v2/about-us"), "/v2/about-us");
/// ```
pub fn normalize_path(path: &str) -> String {
    let mut normal = String::with_capacity(path.len().min(MAX_BYTES));
    for (index, segment) in path.split('/').skip(usize::from(path.starts_with('/'))).enumerate() {
        if index == MAX_SEGMENTS || normal.len() + segment.len().min(4) > MAX_BYTES {
            normal.push_str("/:more");
            break;
        }
        normal.push('/');
        normal.push_str(if is_variable(segment) { ":id" } else { segment });
    }
    normal
}

const MAX_SEGMENTS: usize = 8;
const MAX_BYTES: usize = 190;

/// The longest segment that can be a name.
const MAX_NAME: usize = 32;

fn is_variable(segment: &str) -> bool {
    let bytes = segment.as_bytes();
    let digits = bytes.iter().filter(|byte| byte.is_ascii_digit()).count();
    let named = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(byte);
    if bytes.is_empty() {
        return false;
    }
    // "v2" and "2024-report" are names; "42", "4f3a…" and "a8Fk29xQ" are not.
    digits == bytes.len()
        || bytes.len() > MAX_NAME
        || !bytes.iter().all(named)
        || (bytes.len() >= 8 && digits > 0 && bytes.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-'))
        || (bytes.len() >= 8 && digits >= 2 && bytes.iter().any(u8::is_ascii_uppercase))
        || (bytes.len() >= 12 && digits * 4 >= bytes.len() && bytes.iter().all(u8::is_ascii_alphanumeric))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_varies_becomes_an_id_and_names_stay() {
        for (path, expected) in [
            ("", "/"),
            ("/", "/"),
            ("/a//b", "/a//b"),
            ("/deadbeef42", "/:id"),
            ("/files/0123456789abcdef0123456789abcdef", "/files/:id"),
            ("/t/eyJhbGciOiJIUzI1NiJ9.e30.ZRrHA1JJJW8opsbCGfG_HACGpVUMN_a9IV7pAx_Zmeo", "/t/:id"),
            ("/t/dGhpc2lzYTE5c2VjcmV0", "/t/:id"),
            ("/i/a8fk29xqz1mm", "/i/:id"),
            ("/o/0190163d-8694-739b-aea5", "/o/:id"),
            ("/a/b%00c", "/a/:id"),
            ("/wiki/Rust_(language)", "/wiki/:id"),
            ("/2024-report.html", "/2024-report.html"),
            ("/api/v1/sign-in", "/api/v1/sign-in"),
            ("/1/2/3/4/5/6/7/8/9/10", "/:id/:id/:id/:id/:id/:id/:id/:id/:more"),
        ] {
            assert_eq!(normalize_path(path), expected, "{path}");
        }
        assert!(normalize_path(&"/abcdefghij".repeat(1_000)).len() <= 200);
        assert!(normalize_path(&format!("/{}", "é".repeat(1_000))).len() <= 200);
    }
}
