//! [`CookiePolicy`]: which cookies may pass.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use http::{HeaderMap, HeaderValue, header};

use super::rules::UndeclaredCookies;
use crate::{
    consent::{Mode, PurposeId, Purposes, Regime},
    error::{Error, ErrorKind, Result},
    visit::Visit,
};

/// Which cookies may pass: those of this crate, and those of purposes that are allowed.
#[derive(Debug)]
pub(super) struct CookiePolicy {
    own: [String; 2],
    declared: Vec<Declared>,
    undeclared: UndeclaredCookies,
    domains: Vec<String>,
    /// Undeclared cookies that a warning has named.
    warned: Mutex<BTreeSet<String>>,
}

#[derive(Debug)]
struct Declared {
    name: String,
    /// The name is the beginning of the names that are meant.
    is_prefix: bool,
    /// `None`: always allowed.
    purpose: Option<PurposeId>,
}

/// What a cookie is, for one visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It passes for everybody.
    Exempt,
    /// It passes because of what somebody decided.
    Allowed,
    /// It does not pass because of what somebody decided, or did not.
    Unallowed,
    /// Nobody has said what it is for.
    Undeclared,
}

/// A warning for each of so many names; a program that makes up names gets no more.
const MAX_WARNED: usize = 64;

impl CookiePolicy {
    pub(super) fn new(
        purposes: &Purposes,
        own: [String; 2],
        undeclared: UndeclaredCookies,
        domains: Vec<String>,
    ) -> Result<Self> {
        let is_host = |domain: &String| {
            !domain.is_empty() && domain.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
        };
        if !domains.iter().all(is_host) {
            return Err(Error::new(ErrorKind::Configuration, "cookie_domains() are host names"));
        }
        let declared = purposes.iter().flat_map(|(id, purpose)| {
            let purpose_id = (purpose.mode_under(Regime::Strictest) != Mode::Necessary).then(|| id.clone());
            purpose.cookie_names().iter().map(move |name| Declared {
                name: name.strip_suffix('*').unwrap_or(name).to_owned(),
                is_prefix: name.ends_with('*'),
                purpose: purpose_id.clone(),
            })
        });
        Ok(Self { own, declared: declared.collect(), undeclared, domains, warned: Mutex::default() })
    }

    /// Takes cookies that must not pass out of a request. The names of those that are there because of a decision, or in spite
    /// of one.
    pub(super) fn clean_request(&self, headers: &mut HeaderMap, visit: Option<&Visit>) -> Vec<Box<[u8]>> {
        let mut optional = Vec::new();
        let mut removed = false;
        for line in headers.get_all(header::COOKIE) {
            for pair in pairs(line.as_bytes()) {
                match self.kind(name(pair), visit) {
                    Kind::Exempt => {}
                    Kind::Allowed => optional.push(name(pair).into()),
                    Kind::Unallowed => {
                        optional.push(name(pair).into());
                        removed = true;
                    }
                    Kind::Undeclared => removed |= !self.passes_undeclared(name(pair), "request"),
                }
            }
        }
        if removed {
            self.remove_from_request(headers, visit);
        }
        optional
    }

    /// Takes cookies that must not be set out of a response, and has those of `carried` removed that are not allowed any more.
    pub(super) fn clean_response(&self, headers: &mut HeaderMap, visit: Option<&Visit>, carried: &[Box<[u8]>]) {
        let mut depends = !carried.is_empty();
        if headers.contains_key(header::SET_COOKIE) {
            let all: Vec<HeaderValue> = headers.get_all(header::SET_COOKIE).iter().cloned().collect();
            let before = all.len();
            let passes = |cookie: &HeaderValue| {
                let name = name(cookie.as_bytes());
                match self.kind(name, visit) {
                    Kind::Exempt => (true, false),
                    Kind::Allowed => (true, true),
                    Kind::Unallowed => (false, true),
                    Kind::Undeclared => (self.passes_undeclared(name, "response"), false),
                }
            };
            let mut kept = Vec::with_capacity(before);
            for cookie in all {
                let (passes, is_optional) = passes(&cookie);
                depends |= is_optional;
                if passes {
                    kept.push(cookie);
                }
            }
            if kept.len() < before {
                headers.remove(header::SET_COOKIE);
                for cookie in kept {
                    headers.append(header::SET_COOKIE, cookie);
                }
            }
        }
        // While nobody can say what was decided, cookies are kept out and not removed: whoever agreed keeps them.
        if !visit.is_some_and(Visit::is_consent_unknown) {
            for name in carried.iter().filter(|name| self.kind(name, visit) == Kind::Unallowed) {
                self.remove(headers, name);
            }
        }
        if let Some(visit) = visit.filter(|_| depends) {
            visit.depends_on_consent();
        }
    }

    fn kind(&self, name: &[u8], visit: Option<&Visit>) -> Kind {
        if self.own.iter().any(|own| own.as_bytes() == name) {
            return Kind::Exempt;
        }
        let matches = |declared: &&Declared| {
            let known = declared.name.as_bytes();
            if declared.is_prefix { name.starts_with(known) } else { name == known }
        };
        let mut kind = Kind::Undeclared;
        for declared in self.declared.iter().filter(matches) {
            let Some(purpose) = &declared.purpose else { return Kind::Exempt };
            let verdict = visit.and_then(|visit| visit.verdict(purpose));
            if verdict.is_some_and(|verdict| verdict.is_allowed()) {
                return Kind::Allowed;
            }
            kind = Kind::Unallowed;
        }
        kind
    }

    fn passes_undeclared(&self, name: &[u8], of: &str) -> bool {
        if self.undeclared == UndeclaredCookies::Pass {
            return true;
        }
        let name = String::from_utf8_lossy(name);
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.len() < MAX_WARNED && warned.insert(name.chars().take(64).collect()) {
            tracing::warn!(%name, of, "a cookie that no purpose declares is removed: declare it, or let such cookies pass");
        }
        false
    }

    fn remove_from_request(&self, headers: &mut HeaderMap, visit: Option<&Visit>) {
        let mut kept: Vec<u8> = Vec::new();
        for line in headers.get_all(header::COOKIE) {
            for pair in pairs(line.as_bytes()) {
                let passes = match self.kind(name(pair), visit) {
                    Kind::Exempt | Kind::Allowed => true,
                    Kind::Unallowed => false,
                    Kind::Undeclared => self.undeclared == UndeclaredCookies::Pass,
                };
                if passes {
                    if !kept.is_empty() {
                        kept.extend_from_slice(b"; ");
                    }
                    kept.extend_from_slice(pair);
                }
            }
        }
        headers.remove(header::COOKIE);
        if let Ok(mut kept) = HeaderValue::from_maybe_shared(bytes::Bytes::from(kept))
            && !kept.is_empty()
        {
            kept.set_sensitive(true);
            headers.insert(header::COOKIE, kept);
        }
    }

    /// Has the browser remove a cookie, with each domain that it may have been set with.
    fn remove(&self, headers: &mut HeaderMap, name: &[u8]) {
        let name = String::from_utf8_lossy(name);
        let secure = if name.starts_with("__") { "; Secure" } else { "" };
        let domains =
            std::iter::once(String::new()).chain(self.domains.iter().map(|domain| format!("; Domain={domain}")));
        for domain in domains {
            let removal = format!("{name}=; Path=/{domain}; Max-Age=0{secure}");
            if let Ok(removal) = HeaderValue::try_from(removal) {
                headers.append(header::SET_COOKIE, removal);
            }
        }
    }
}

fn pairs(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| *byte == b';').map(<[u8]>::trim_ascii).filter(|pair| !pair.is_empty())
}

/// What stands before the first equals sign, in a `Cookie` as in a `Set-Cookie`.
fn name(pair: &[u8]) -> &[u8] {
    let end = pair.iter().position(|byte| matches!(byte, b'=' | b';')).unwrap_or(pair.len());
    pair[..end].trim_ascii()
}
