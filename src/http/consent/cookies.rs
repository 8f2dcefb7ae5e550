//! [`CookiePolicy`]: which cookies may pass.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use http::{HeaderMap, HeaderValue, header};

use super::removal::Removals;
use crate::{
    error::{Error, ErrorKind, Result},
    http::fetch_metadata::FetchMetadata,
    model::consent::{Mode, PurposeCookie, PurposeId, Purposes, Regime, is_cookie_domain},
    request::RequestContext,
};

/// What becomes of cookies that no purpose declares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UndeclaredCookies {
    /// They are kept out, both ways, and a warning names them: nobody has said that they are allowed. The default.
    #[default]
    Remove,
    /// They pass.
    Pass,
}

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
    cookie: PurposeCookie,
    /// `None`: always allowed.
    purpose: Option<PurposeId>,
}

/// The cookies of a request that depend on what somebody decided, each name once.
#[derive(Debug, Default)]
pub(super) struct OptionalCookies {
    cookies: Vec<OptionalCookie>,
    /// Read only if it counts.
    fetch: FetchMetadata,
}

#[derive(Debug)]
struct OptionalCookie {
    name: Box<[u8]>,
    was_allowed: bool,
}

/// What a cookie is, for one visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CookieStatus {
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

/// So many names of a request are remembered until its response; a program that makes up names gets no more removed. The others
/// are kept out all the same.
const MAX_CARRIED: usize = 64;

impl CookiePolicy {
    pub(super) fn new(
        purposes: &Purposes,
        own: [String; 2],
        undeclared: UndeclaredCookies,
        domains: Vec<String>,
    ) -> Result<Self> {
        if !domains.iter().all(|domain| is_cookie_domain(domain)) {
            return Err(Error::new(ErrorKind::Configuration, "cookie_domains() are host names"));
        }
        let declared = purposes.iter().flat_map(|(id, purpose)| {
            let purpose_id = (purpose.mode_under(Regime::Strictest) != Mode::Necessary).then(|| id.clone());
            let declared =
                move |cookie: &PurposeCookie| Declared { cookie: cookie.clone(), purpose: purpose_id.clone() };
            purpose.declared_cookies().iter().map(declared)
        });
        Ok(Self { own, declared: declared.collect(), undeclared, domains, warned: Mutex::default() })
    }

    /// Takes cookies that must not pass out of a request. Those that are there because of a decision, or in spite of one.
    pub(super) fn clean_request(&self, headers: &mut HeaderMap, context: Option<&RequestContext>) -> OptionalCookies {
        let mut carried = OptionalCookies::default();
        let mut removed = false;
        for line in headers.get_all(header::COOKIE) {
            for pair in pairs(line.as_bytes()) {
                match self.kind(name(pair), context) {
                    CookieStatus::Exempt => {}
                    CookieStatus::Allowed => carried.add(name(pair), true),
                    CookieStatus::Unallowed => {
                        carried.add(name(pair), false);
                        removed = true;
                    }
                    CookieStatus::Undeclared => removed |= !self.passes_undeclared(name(pair), "request"),
                }
            }
        }
        if removed {
            carried.fetch = FetchMetadata::of(headers);
            self.remove_from_request(headers, context);
        }
        carried
    }

    /// Takes cookies that must not be set out of a response, and has those of `carried` removed that are not allowed any more.
    pub(super) fn clean_response(
        &self,
        headers: &mut HeaderMap,
        context: Option<&RequestContext>,
        carried: &OptionalCookies,
    ) {
        let mut depends = !carried.cookies.is_empty();
        if headers.contains_key(header::SET_COOKIE) {
            let all: Vec<HeaderValue> = headers.get_all(header::SET_COOKIE).iter().cloned().collect();
            let before = all.len();
            let passes = |cookie: &HeaderValue| {
                let name = name(cookie.as_bytes());
                match self.kind(name, context) {
                    CookieStatus::Exempt => (true, false),
                    CookieStatus::Allowed => (true, true),
                    CookieStatus::Unallowed => (false, true),
                    CookieStatus::Undeclared => (self.passes_undeclared(name, "response"), false),
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
        if let Some(context) = context {
            depends |= self.remove_from_browser(headers, context, carried);
        }
        if let Some(context) = context.filter(|_| depends) {
            context.depends_on_consent();
        }
    }

    /// Has the browser remove cookies that are not allowed any more. Whether there were any.
    ///
    /// Those that this request took the permission from go with its response. Those that came although they were not allowed go
    /// when a person opens a page: a late answer to a script would take away what was allowed and set meanwhile, and a cookie
    /// that does not go, because of a domain that nobody declared, would make every response uncacheable.
    fn remove_from_browser(
        &self,
        headers: &mut HeaderMap,
        context: &RequestContext,
        carried: &OptionalCookies,
    ) -> bool {
        let has_changed = context.has_changed_consent();
        // While nobody can say what was decided, cookies are kept out and not removed: whoever agreed keeps them.
        if carried.cookies.is_empty() && !has_changed || context.is_consent_unknown() {
            return false;
        }
        let mut removals = Removals::new(&self.domains);
        for cookie in &carried.cookies {
            let is_due = |declared: &Declared| {
                let in_frames = carried.fetch.is_navigation && declared.cookie.is_partitioned();
                cookie.was_allowed || carried.fetch.is_top_level_navigation || in_frames
            };
            if self.kind(&cookie.name, Some(context)) == CookieStatus::Unallowed {
                for declared in self.declarations(&cookie.name).filter(|declared| is_due(declared)) {
                    removals.add(&cookie.name, &declared.cookie);
                }
            }
        }
        // A request does not carry the cookies of other paths.
        if has_changed {
            for Declared { cookie, purpose } in &self.declared {
                let Some(purpose) = purpose else { continue };
                let is_elsewhere = cookie.paths().any(|path| path != "/") && !cookie.name().ends_with('*');
                let name = cookie.name().as_bytes();
                if is_elsewhere
                    && context.has_lost(purpose)
                    && self.kind(name, Some(context)) == CookieStatus::Unallowed
                {
                    removals.add(name, cookie);
                }
            }
        }
        removals.write(headers)
    }

    fn kind(&self, name: &[u8], context: Option<&RequestContext>) -> CookieStatus {
        if self.own.iter().any(|own| own.as_bytes() == name) {
            return CookieStatus::Exempt;
        }
        let mut kind = CookieStatus::Undeclared;
        for declared in self.declarations(name) {
            let Some(purpose) = &declared.purpose else { return CookieStatus::Exempt };
            let verdict = context.and_then(|context| context.verdict(purpose));
            if verdict.is_some_and(|verdict| verdict.is_allowed()) {
                return CookieStatus::Allowed;
            }
            kind = CookieStatus::Unallowed;
        }
        kind
    }

    fn declarations(&self, name: &[u8]) -> impl Iterator<Item = &Declared> {
        self.declared.iter().filter(move |declared| {
            let known = declared.cookie.name().as_bytes();
            known.strip_suffix(b"*").map_or(known == name, |start| name.starts_with(start))
        })
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

    fn remove_from_request(&self, headers: &mut HeaderMap, context: Option<&RequestContext>) {
        let mut kept: Vec<u8> = Vec::new();
        for line in headers.get_all(header::COOKIE) {
            for pair in pairs(line.as_bytes()) {
                let passes = match self.kind(name(pair), context) {
                    CookieStatus::Exempt | CookieStatus::Allowed => true,
                    CookieStatus::Unallowed => false,
                    CookieStatus::Undeclared => self.undeclared == UndeclaredCookies::Pass,
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
}

impl OptionalCookies {
    fn add(&mut self, name: &[u8], was_allowed: bool) {
        if self.cookies.len() < MAX_CARRIED && !self.cookies.iter().any(|known| *known.name == *name) {
            self.cookies.push(OptionalCookie { name: name.into(), was_allowed });
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
