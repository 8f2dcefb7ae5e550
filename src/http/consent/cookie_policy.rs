//! [`CookiePolicy`]: which cookies pass the consent layer.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use http::{HeaderMap, HeaderValue, header};

use super::cookie_removals::CookieRemovals;
use crate::{
    error::{Error, ErrorKind, Result},
    http::fetch_metadata::FetchMetadata,
    model::consent::{Mode, PurposeCookie, PurposeId, Purposes, Regime, is_cookie_domain},
    request::RequestContext,
};

/// What to do with cookies that no purpose declares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UndeclaredCookies {
    /// Removes them from requests and responses, with a warning that names them. The default.
    #[default]
    Remove,
    /// Lets them pass.
    Pass,
}

/// Which cookies pass: those of this crate, and those of allowed purposes.
#[derive(Debug)]
pub(super) struct CookiePolicy {
    own: [String; 2],
    declared: Vec<Declared>,
    undeclared: UndeclaredCookies,
    domains: Vec<String>,
    /// Undeclared cookies that a warning has named already.
    warned: Mutex<BTreeSet<String>>,
}

#[derive(Debug)]
struct Declared {
    cookie: PurposeCookie,
    /// `None` for cookies that are always allowed.
    purpose: Option<PurposeId>,
}

/// The cookies of a request that depend on decisions, each name once.
#[derive(Debug, Default)]
pub(super) struct OptionalCookies {
    cookies: Vec<OptionalCookie>,
    /// Read only if a cookie was removed from the request.
    fetch: FetchMetadata,
}

#[derive(Debug)]
struct OptionalCookie {
    name: Box<[u8]>,
    was_allowed: bool,
}

/// The status of a cookie for one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CookieStatus {
    /// It always passes.
    Exempt,
    /// It passes because its purpose is allowed.
    Allowed,
    /// It does not pass because its purpose is not allowed.
    Disallowed,
    /// No purpose declares it.
    Undeclared,
}

/// The number of names to warn of, as a client can make up any number.
const MAX_WARNED: usize = 64;

/// The number of cookies of a request that its response can remove, as a client can make up any
/// number. All are removed from the request.
const MAX_CARRIED: usize = 64;

impl CookiePolicy {
    pub(super) fn new(
        purposes: &Purposes,
        own: [String; 2],
        undeclared: UndeclaredCookies,
        domains: Vec<String>,
    ) -> Result<Self> {
        if !domains.iter().all(|domain| is_cookie_domain(domain)) {
            return Err(Error::new(ErrorKind::Configuration, "cookie_domains() must be host names"));
        }
        let declared = purposes.iter().flat_map(|(id, purpose)| {
            let purpose_id = (purpose.mode_under(Regime::Strictest) != Mode::Necessary).then(|| id.clone());
            let declared =
                move |cookie: &PurposeCookie| Declared { cookie: cookie.clone(), purpose: purpose_id.clone() };
            purpose.declared_cookies().iter().map(declared)
        });
        Ok(Self { own, declared: declared.collect(), undeclared, domains, warned: Mutex::default() })
    }

    /// Removes disallowed cookies from a request. Returns the cookies that depend on decisions.
    pub(super) fn clean_request(&self, headers: &mut HeaderMap, context: Option<&RequestContext>) -> OptionalCookies {
        let mut carried = OptionalCookies::default();
        let mut removed = false;
        for line in headers.get_all(header::COOKIE) {
            for pair in pairs(line.as_bytes()) {
                match self.status(name(pair), context) {
                    CookieStatus::Exempt => {}
                    CookieStatus::Allowed => carried.add(name(pair), true),
                    CookieStatus::Disallowed => {
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

    /// Removes disallowed cookies from a response, and removes those of `carried` from the browser
    /// that are no longer allowed.
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
                match self.status(name, context) {
                    CookieStatus::Exempt => (true, false),
                    CookieStatus::Allowed => (true, true),
                    CookieStatus::Disallowed => (false, true),
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

    /// Removes cookies from the browser that are no longer allowed. Returns whether there were any.
    ///
    /// If this request withdrew the permission, its response removes the cookies. Cookies that were
    /// disallowed before are removed when a person opens a page: a late response to a script could
    /// remove a cookie that was allowed and set in the meantime, and a cookie that stays, because
    /// its domain is not declared, would make every response uncacheable.
    fn remove_from_browser(
        &self,
        headers: &mut HeaderMap,
        context: &RequestContext,
        carried: &OptionalCookies,
    ) -> bool {
        let has_changed = context.has_changed_consent();
        // While decisions are unknown, cookies are blocked but not removed: the person may have
        // agreed.
        if carried.cookies.is_empty() && !has_changed || context.is_consent_unknown() {
            return false;
        }
        let mut removals = CookieRemovals::new(&self.domains);
        for cookie in &carried.cookies {
            let is_due = |declared: &Declared| {
                let in_frames = carried.fetch.is_navigation && declared.cookie.is_partitioned();
                cookie.was_allowed || carried.fetch.is_top_level_navigation || in_frames
            };
            if self.status(&cookie.name, Some(context)) == CookieStatus::Disallowed {
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
                    && self.status(name, Some(context)) == CookieStatus::Disallowed
                {
                    removals.add(name, cookie);
                }
            }
        }
        removals.write(headers)
    }

    fn status(&self, name: &[u8], context: Option<&RequestContext>) -> CookieStatus {
        if self.own.iter().any(|own| own.as_bytes() == name) {
            return CookieStatus::Exempt;
        }
        let mut status = CookieStatus::Undeclared;
        for declared in self.declarations(name) {
            let Some(purpose) = &declared.purpose else { return CookieStatus::Exempt };
            let verdict = context.and_then(|context| context.verdict(purpose));
            if verdict.is_some_and(|verdict| verdict.is_allowed()) {
                return CookieStatus::Allowed;
            }
            status = CookieStatus::Disallowed;
        }
        status
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
            tracing::warn!(%name, of, "removed a cookie that no purpose declares: declare it, or set UndeclaredCookies::Pass");
        }
        false
    }

    fn remove_from_request(&self, headers: &mut HeaderMap, context: Option<&RequestContext>) {
        let mut kept: Vec<u8> = Vec::new();
        for line in headers.get_all(header::COOKIE) {
            for pair in pairs(line.as_bytes()) {
                let passes = match self.status(name(pair), context) {
                    CookieStatus::Exempt | CookieStatus::Allowed => true,
                    CookieStatus::Disallowed => false,
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

/// Returns the part before the first equals sign, of a `Cookie` pair or a `Set-Cookie` line.
fn name(pair: &[u8]) -> &[u8] {
    let end = pair.iter().position(|byte| matches!(byte, b'=' | b';')).unwrap_or(pair.len());
    pair[..end].trim_ascii()
}
