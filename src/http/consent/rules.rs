//! [`ConsentRules`]: the purposes of an application, and how they are enforced.

use std::{fmt, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};

use super::cookies::{CookiePolicy, UndeclaredCookies};
use crate::{
    engine::{
        consents::{ConsentSettings, Consents, Controller, DisallowedActivity},
        rate::RateLimit,
    },
    error::{Error, ErrorKind, Result},
    http::{RequestHead, SessionCookie, cookie::CookieFormat, first_time::FirstTime, local_path},
    id::VisitorToken,
    model::{
        activity::EventType,
        consent::{Jurisdiction, MergePolicy, Notice, PurposeId, Purposes, Signals},
    },
    request::{Client, VisitorCookie},
};

/// The purposes of an application, and how they are enforced. Everything has a default that is safe.
///
/// ```
/// use std::time::Duration;
/// use tower_guestbook::{
///     consent::{
///         Category, ConsentRules, Jurisdiction, Mode, Notice, Purpose, PurposeId, Purposes,
///         Regime,
///     },
///     http::RequestHead,
/// };
///
/// let half_a_year = Duration::from_secs(180 * 86_400);
/// let purposes = Purposes::builder()
///     .purpose(Purpose::new("necessary", Category::Necessary).cookies(["csrf"]))
///     .purpose(Purpose::new("analytics", Category::Analytics).expiry(half_a_year))
///     .purpose(
///         Purpose::new("marketing", Category::Marketing)
///             .mode_in_opt_out_regime(Mode::OptOut)
///             .sells_or_shares(true)
///             .cookies(["ads", "ads_*"])
///             .expiry(half_a_year),
///     )
///     .build()?;
/// let rules = ConsentRules::new(purposes)
///     .notice(Notice::new(PurposeId::ANALYTICS, 1, "en", "We count which pages are read.")?)
///     .consent_page("/privacy")
///     // Only if your proxy sets this header and removes it where a client sends it.
///     .jurisdictions(|request: RequestHead<'_>| match request.headers.get("x-country")?.to_str().ok()? {
///         "US" => Some(Jurisdiction::new("US", Regime::OptOut)),
///         place => Some(Jurisdiction::new(place, Regime::Strictest)),
///     });
/// # let _ = rules; Ok::<(), tower_guestbook::Error>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct ConsentRules {
    settings: ConsentSettings,
    jurisdictions: Option<Arc<dyn Jurisdictions>>,
    follows_dnt: bool,
    page: Option<String>,
    cookie_name: Option<String>,
    cookie_domains: Vec<String>,
    undeclared: UndeclaredCookies,
}

/// Says which law holds for a request. Implemented by functions; it must not block.
pub trait Jurisdictions: Send + Sync + 'static {
    /// The law; `None` if nobody knows, and then the strictest holds.
    fn jurisdiction(&self, request: RequestHead<'_>) -> Option<Jurisdiction>;
}

/// What the session layer needs to know of consent.
pub(crate) struct ConsentRequest {
    pub(crate) consents: Consents,
    pub(crate) cookie: CookieFormat,
    pub(crate) cookie_age: Duration,
    jurisdictions: Option<Arc<dyn Jurisdictions>>,
    follows_dnt: bool,
    /// Gates send browsers to a page.
    has_page: bool,
}

/// What the consent layer and the gate need to know.
#[derive(Debug)]
pub(crate) struct ConsentEnforcement {
    pub(crate) consents: Consents,
    pub(crate) page: Option<String>,
    pub(super) cookies: CookiePolicy,
    pub(super) twice: FirstTime,
    pub(super) no_session: FirstTime,
}

/// How long the cookie of a visitor lasts where no purpose says how long a decision does.
const COOKIE_AGE: Duration = Duration::from_secs(180 * 24 * 60 * 60);

const SEC_GPC: HeaderName = HeaderName::from_static("sec-gpc");
const DNT: HeaderName = HeaderName::from_static("dnt");

impl ConsentRules {
    /// The defaults for these purposes. Activity falls under `analytics`, if that is declared.
    pub fn new(purposes: Purposes) -> Self {
        Self {
            settings: ConsentSettings::new(purposes),
            jurisdictions: None,
            follows_dnt: false,
            page: None,
            cookie_name: None,
            cookie_domains: Vec::new(),
            undeclared: UndeclaredCookies::default(),
        }
    }

    /// Adds the text that is shown for a purpose, in one language and in the version that the purpose has. The languages of the
    /// notices are those that a visitor can have; the first one added is for all others.
    pub fn notice(mut self, notice: Notice) -> Self {
        self.settings.notices.push(notice);
        self
    }

    /// Stores grants that name no notice: what they are worth as a proof is for you to say. Default: refused with
    /// [`Conflict`](ErrorKind::Conflict).
    pub fn accept_grants_without_notice(mut self) -> Self {
        self.settings.grants_need_a_notice = false;
        self
    }

    /// How long after it was shown a notice can be answered. Default: 24 hours.
    pub fn snapshot_lifetime(mut self, lifetime: Duration) -> Self {
        self.settings.snapshot_lifetime = lifetime;
        self
    }

    /// How many decisions of one visitor, and of all visitors in one network (/24 or /48), are recorded. Default: 60 at once and
    /// 60 an hour, 1,000 at once and 1,000 an hour.
    ///
    /// A decision that would exceed a limit fails with [`RateLimited`](ErrorKind::RateLimited). Repetitions that add no record do
    /// not count. A withdrawal of a grant does not count either and is never refused. The limit of networks applies where the
    /// address of the client is known: without one, visitors who send no cookie are not limited. Each process counts for itself.
    /// Decisions of users are not limited here.
    pub fn visitor_decisions(mut self, per_visitor: RateLimit, per_network: RateLimit) -> Self {
        (self.settings.visitor_limit, self.settings.network_limit) = (per_visitor, per_network);
        self
    }

    /// Which of a visitor's decisions an account takes over at login. Default: refusals, and no grants.
    pub fn merge(mut self, policy: MergePolicy) -> Self {
        self.settings.merge = policy;
        self
    }

    /// Under which purpose activity is recorded; `None`: under none, always. Default: `analytics`, if it is declared.
    pub fn activity_purpose(mut self, purpose: Option<PurposeId>) -> Self {
        self.settings.activity = purpose;
        self
    }

    /// Under which purpose events of this type are recorded; `None`: under none, always. Default: that of
    /// [`activity_purpose`](Self::activity_purpose); logins and logouts under none, as they keep accounts safe.
    pub fn event_purpose(mut self, event_type: EventType, purpose: Option<PurposeId>) -> Self {
        self.settings.event_purposes.push((event_type, purpose));
        self
    }

    /// What becomes of activity that is not allowed. Default: it is not written.
    pub fn disallowed_activity(mut self, disallowed: DisallowedActivity) -> Self {
        self.settings.disallowed = disallowed;
        self
    }

    /// Who is responsible, for receipts.
    pub fn controller(mut self, controller: Controller) -> Self {
        self.settings.controller = Some(controller);
        self
    }

    /// Which law holds for a request. Default: the strictest for all.
    ///
    /// A header that says where a client is can be sent by any client: use one that your proxy overwrites.
    pub fn jurisdictions(mut self, jurisdictions: impl Jurisdictions) -> Self {
        self.jurisdictions = Some(Arc::new(jurisdictions));
        self
    }

    /// Takes `DNT: 1` for a no to analytics. Default: ignored, as it is deprecated.
    pub fn follow_do_not_track(mut self) -> Self {
        self.follows_dnt = true;
        self
    }

    /// Where a person decides: a path of this origin. [Gates](crate::Guestbook::require_consent) send browsers there, with the way back
    /// in `return`, which the page is to check with [`local_path`]. The way back is the path that the session layer saw: put that
    /// outside nested routers. Default: none; browsers get the same 403 as programs.
    pub fn consent_page(mut self, path: impl Into<String>) -> Self {
        self.page = Some(path.into());
        self
    }

    /// The name of the visitor's cookie. Default: `__Host-consent`, or `consent` where the session's cookie has no prefix. Its
    /// other attributes are those of the session's cookie.
    pub fn cookie_name(mut self, name: impl Into<String>) -> Self {
        self.cookie_name = Some(name.into());
        self
    }

    /// With which `Domain` attributes declared cookies may have been set, beside none: to remove them, browsers want to be told.
    pub fn cookie_domains<D: Into<String>>(mut self, domains: impl IntoIterator<Item = D>) -> Self {
        self.cookie_domains = domains.into_iter().map(Into::into).collect();
        self
    }

    /// What becomes of cookies that no purpose declares. Default: they are removed.
    pub fn undeclared_cookies(mut self, undeclared: UndeclaredCookies) -> Self {
        self.undeclared = undeclared;
        self
    }

    pub(crate) fn settings(&self) -> &ConsentSettings {
        &self.settings
    }

    /// Checks the rules and takes them apart for those who apply them.
    pub(crate) fn check(
        self,
        session: &SessionCookie,
        consents: Consents,
    ) -> Result<(ConsentRequest, ConsentEnforcement)> {
        let wrong = |problem: &str| Error::new(ErrorKind::Configuration, problem);
        if self.page.as_ref().is_some_and(|page| local_path(page).is_none() || page.contains('#')) {
            return Err(wrong("consent_page() is a path of this origin, such as \"/privacy\""));
        }
        let cookie = session.sibling(self.cookie_name.as_deref().unwrap_or("consent"), self.cookie_name.is_none());
        if cookie.as_name() == session.as_name() {
            return Err(wrong("cookie_name() is the name of the session's cookie"));
        }
        let cookie_age = consents.purposes().iter().filter_map(|(_, purpose)| purpose.duration()).max();
        let own = [session.as_name().to_owned(), cookie.as_name().to_owned()];
        let cookies = CookiePolicy::new(consents.purposes(), own, self.undeclared, self.cookie_domains)?;
        let consent = ConsentRequest {
            consents: consents.clone(),
            cookie: cookie.build()?,
            cookie_age: cookie_age.unwrap_or(COOKIE_AGE),
            jurisdictions: self.jurisdictions,
            follows_dnt: self.follows_dnt,
            has_page: self.page.is_some(),
        };
        Ok((
            consent,
            ConsentEnforcement {
                consents,
                page: self.page,
                cookies,
                twice: FirstTime::new(),
                no_session: FirstTime::new(),
            },
        ))
    }
}

impl ConsentRequest {
    /// Adds to `client` what the request says about consent.
    pub(crate) fn look(&self, request: RequestHead<'_>, client: &mut Client) {
        let values = |name: HeaderName| request.headers.get_all(name).into_iter().map(|value| value.as_bytes());
        client.signals = Signals::default().with_gpc(values(SEC_GPC));
        if self.follows_dnt {
            client.signals = client.signals.with_dnt(values(DNT).any(|value| value == b"1"));
        }
        client.target = request.uri.path_and_query().filter(|_| self.has_page).cloned();
        if let Some(jurisdictions) = &self.jurisdictions {
            client.jurisdiction = jurisdictions.jurisdiction(request).unwrap_or_default();
        }
    }

    /// Which visitor the request says it is, and what is to become of its cookie.
    pub(crate) fn visitor(&self, headers: &HeaderMap) -> (Option<VisitorToken>, VisitorCookie) {
        let mut cookie = VisitorCookie::Keep;
        for value in self.cookie.values(headers) {
            match VisitorToken::parse(value) {
                Some(visitor) => return (Some(visitor), VisitorCookie::Keep),
                None => cookie = VisitorCookie::Remove,
            }
        }
        (None, cookie)
    }

    /// What the client is told about the cookie of its visitor.
    pub(crate) fn cookie(&self, visitor: VisitorCookie) -> Option<HeaderValue> {
        match visitor {
            VisitorCookie::Keep => None,
            VisitorCookie::Set(token) => Some(self.cookie.set_text(&token.expose_secret(), Some(self.cookie_age))),
            VisitorCookie::Remove => Some(self.cookie.remove()),
        }
    }
}

impl<F> Jurisdictions for F
where
    F: Fn(RequestHead<'_>) -> Option<Jurisdiction> + Send + Sync + 'static,
{
    fn jurisdiction(&self, request: RequestHead<'_>) -> Option<Jurisdiction> {
        self(request)
    }
}

impl fmt::Debug for ConsentRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsentRules")
            .field("settings", &self.settings)
            .field("page", &self.page)
            .field("undeclared", &self.undeclared)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ConsentRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsentRequest").field("cookie", &self.cookie).finish_non_exhaustive()
    }
}
