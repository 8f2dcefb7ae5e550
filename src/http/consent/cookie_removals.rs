//! [`CookieRemovals`]: `Set-Cookie` lines that remove cookies from a browser.

use cookie::{Cookie, SameSite};
use http::{HeaderMap, HeaderValue, header};

use crate::model::consent::{PurposeCookie, is_host_prefixed, is_secure_prefixed};

/// The cookies that a response removes, each with the attributes that identify it, without
/// duplicates.
#[derive(Debug)]
pub(super) struct CookieRemovals<'a> {
    /// The domains for cookies whose declaration names none.
    domains: &'a [String],
    lines: Vec<String>,
    bytes: usize,
}

/// The most bytes to add to a response, as proxies accept heads of 4 to 8 KiB. A later response
/// removes the rest.
const MAX_BYTES: usize = 4_096;

impl<'a> CookieRemovals<'a> {
    pub(super) fn new(domains: &'a [String]) -> Self {
        Self { domains, lines: Vec::new(), bytes: 0 }
    }

    /// Adds the cookie `name` with the attributes of `declared`. Browsers identify a cookie by
    /// name, domain, path and partition.
    pub(super) fn add(&mut self, name: &[u8], declared: &PurposeCookie) {
        // A name that is not UTF-8 cannot be repeated exactly.
        let Ok(text) = std::str::from_utf8(name) else { return };
        let mut removal = Cookie::new(text, "");
        removal.set_max_age(cookie::time::Duration::ZERO);
        if declared.is_partitioned() {
            // Without SameSite=None browsers assume Lax, and refuse the cookie in a frame of
            // another site.
            removal.set_same_site(SameSite::None);
            removal.set_partitioned(true);
        }
        if declared.is_partitioned() || is_secure_prefixed(name) {
            removal.set_secure(true);
        }
        if is_host_prefixed(name) {
            removal.set_path("/");
            return self.push(removal.to_string());
        }
        let declared_domains: Vec<&str> = declared.domains().collect();
        let domains = match declared_domains.is_empty() {
            true => std::iter::once(None).chain(self.domains.iter().map(|domain| Some(domain.as_str()))).collect(),
            false => declared_domains.into_iter().map(Some).collect::<Vec<_>>(),
        };
        let declared_paths: Vec<&str> = declared.paths().collect();
        let paths = if declared_paths.is_empty() { &["/"][..] } else { &declared_paths };
        for path in paths {
            for domain in &domains {
                match domain {
                    Some(domain) => removal.set_domain(*domain),
                    None => removal.unset_domain(),
                }
                removal.set_path(*path);
                self.push(removal.to_string());
            }
        }
    }

    /// Adds the lines to the headers of a response. Returns whether there are any.
    pub(super) fn write(self, headers: &mut HeaderMap) -> bool {
        let is_any = !self.lines.is_empty();
        for line in self.lines {
            if let Ok(removal) = HeaderValue::try_from(line) {
                headers.append(header::SET_COOKIE, removal);
            }
        }
        is_any
    }

    fn push(&mut self, line: String) {
        if self.bytes + line.len() <= MAX_BYTES && !self.lines.contains(&line) {
            self.bytes += line.len();
            self.lines.push(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn removed(declared: PurposeCookie, names: &[&str], domains: &[&str]) -> Vec<String> {
        let domains: Vec<String> = domains.iter().map(|domain| (*domain).to_owned()).collect();
        let mut removals = CookieRemovals::new(&domains);
        names.iter().for_each(|name| removals.add(name.as_bytes(), &declared));
        let mut headers = HeaderMap::new();
        removals.write(&mut headers);
        headers
            .get_all(header::SET_COOKIE)
            .iter()
            .map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned())
            .collect()
    }

    #[test]
    fn add_repeats_path_domain_and_partition_of_the_declaration() {
        let cookie = |name| PurposeCookie::new(name);
        assert_eq!(removed(cookie("a"), &["a", "a"], &[]), ["a=; Path=/; Max-Age=0"]);
        assert_eq!(
            removed(cookie("a"), &["a"], &["example.com"]),
            ["a=; Path=/; Max-Age=0", "a=; Path=/; Domain=example.com; Max-Age=0"]
        );
        assert_eq!(
            removed(cookie("a").path("/shop").path("/").domain(".b.example"), &["a"], &["example.com"]),
            ["a=; Path=/shop; Domain=b.example; Max-Age=0", "a=; Path=/; Domain=b.example; Max-Age=0"]
        );
        assert_eq!(
            removed(cookie("a").partitioned(), &["a"], &[]),
            ["a=; SameSite=None; Partitioned; Secure; Path=/; Max-Age=0"]
        );
    }

    #[test]
    fn add_follows_the_rules_of_host_and_secure_prefixes() {
        let all = PurposeCookie::new("__*").path("/shop");
        let names = ["__Host-a", "__host-b", "__Secure-c", "__SECURE-d", "__utma", "__Host_e"];
        assert_eq!(
            removed(all, &names, &["example.com"])
                .into_iter()
                .filter(|line| !line.contains("Domain"))
                .collect::<Vec<_>>(),
            [
                "__Host-a=; Secure; Path=/; Max-Age=0",
                "__host-b=; Secure; Path=/; Max-Age=0",
                "__Secure-c=; Secure; Path=/shop; Max-Age=0",
                "__SECURE-d=; Secure; Path=/shop; Max-Age=0",
                "__utma=; Path=/shop; Max-Age=0",
                "__Host_e=; Path=/shop; Max-Age=0",
            ]
        );
        let host = removed(PurposeCookie::new("__Host-*"), &["__Host-a"], &["example.com"]);
        assert_eq!(host, ["__Host-a=; Secure; Path=/; Max-Age=0"], "it has no domain");
    }

    #[test]
    fn add_limits_the_bytes_of_a_response() {
        let names: Vec<String> = (0..200).map(|number| format!("ads_{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let long = "x".repeat(5_000);
        let lines = removed(PurposeCookie::new("*"), &[&[long.as_str(), "\u{e9}"], &names[..]].concat(), &[]);
        let bytes: usize = lines.iter().map(String::len).sum();
        assert!((3_900..=MAX_BYTES).contains(&bytes), "{bytes}");
    }
}
