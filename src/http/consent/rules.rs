//! [`ConsentRules`]: the purposes of an application, and how they are enforced.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    consent_request::ConsentRequest,
    cookie_policy::{CookiePolicy, UndeclaredCookies},
    enforcement::ConsentEnforcement,
    jurisdictions::Jurisdictions,
};
use crate::{
    engine::{
        consents::{ConsentSettings, Consents, Controller, DisallowedActivity},
        rate::RateLimit,
    },
    error::{Error, ErrorKind, Result},
    http::{SessionCookie, first_time::FirstTime, local_path},
    model::{
        activity::EventType,
        consent::{MergePolicy, Notice, PurposeId, Purposes},
    },
};

/// The purposes of an application, their notices, and how decisions are enforced.
///
/// Passed to [`GuestbookBuilder::consent`](crate::GuestbookBuilder::consent), which checks them in
/// [`build`](crate::GuestbookBuilder::build). Every default is the safe choice.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_guestbook::{
///     ErrorKind, Guestbook,
///     consent::{
///         Category, ConsentRules, Jurisdiction, Mode, Notice, Purpose, PurposeId, Purposes, Regime,
///     },
///     http::RequestHead,
///     store::MemoryStore,
/// };
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let half_a_year = Duration::from_secs(180 * 86_400);
/// let purposes = Purposes::builder()
///     .purpose(Purpose::new(PurposeId::NECESSARY, Category::Necessary).cookies(["csrf"]))
///     .purpose(Purpose::new(PurposeId::ANALYTICS, Category::Analytics).expiry(half_a_year))
///     .purpose(
///         Purpose::new(PurposeId::MARKETING, Category::Marketing)
///             .mode_in_opt_out_regime(Mode::OptOut)
///             .sells_or_shares(true)
///             .cookies(["ads", "ads_*"])
///             .expiry(half_a_year),
///     )
///     .build()?;
/// let analytics = Notice::new(PurposeId::ANALYTICS, 1, "en", "We count which pages are read.")?;
/// let marketing = Notice::new(PurposeId::MARKETING, 1, "en", "We show you advertisements that fit you.")?;
/// let rules = ConsentRules::new(purposes)
///     .notice(analytics)
///     .notice(marketing)
///     .consent_page("/privacy")
///     // Only if your proxy sets this header and removes it from requests of clients.
///     .jurisdictions(|request: RequestHead<'_>| match request.headers.get("x-country")?.to_str().ok()? {
///         "US" => Some(Jurisdiction::new("US", Regime::OptOut)),
///         place => Some(Jurisdiction::new(place, Regime::Strictest)),
///     });
/// let guestbook = Guestbook::builder(MemoryStore::new()).consent(rules.clone()).build()?;
/// assert_eq!(guestbook.consents().unwrap().purposes().iter().count(), 3);
///
/// // build() checks the rules.
/// let wrong = rules.consent_page("https://example.com/privacy");
/// let error = Guestbook::builder(MemoryStore::new()).consent(wrong).build().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Configuration);
/// # Ok(()) }
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

/// How long the cookie of a visitor lasts if no purpose has an expiry.
const COOKIE_AGE: Duration = Duration::from_secs(180 * 24 * 60 * 60);

impl ConsentRules {
    /// Creates rules with the defaults. Activity is recorded under [`PurposeId::ANALYTICS`], if
    /// that is declared.
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

    /// Adds the notice of a purpose in one language. Its version is that of the purpose.
    ///
    /// Prompts are in the language that fits the visitor best; without a match, in the language of
    /// the first notice.
    pub fn notice(mut self, notice: Notice) -> Self {
        self.settings.notices.push(notice);
        self
    }

    /// Accepts grants that come without the snapshot of a prompt. They do not prove which notice
    /// was shown. Default: such grants are refused with [`Conflict`](ErrorKind::Conflict).
    pub fn accept_grants_without_notice(mut self) -> Self {
        self.settings.grants_need_a_notice = false;
        self
    }

    /// Sets how long a prompt can be answered. Default: 24 hours.
    pub fn snapshot_lifetime(mut self, lifetime: Duration) -> Self {
        self.settings.snapshot_lifetime = lifetime;
        self
    }

    /// Limits how many decisions are recorded for one visitor, and for all visitors of one network
    /// (/24 or /48).
    ///
    /// Default: 60 at once and 60 an hour for a visitor, 1,000 at once and 1,000 an hour for a
    /// network.
    ///
    /// A decision beyond a limit fails with [`RateLimited`](ErrorKind::RateLimited). Repetitions
    /// that add no record do not count. Refusals that end processing, of a granted purpose or of one
    /// that is allowed until an objection, do not count and are never refused.
    /// Decisions of logged-in users are not limited. The limit of networks needs the address of the
    /// client; without it, visitors who send no cookie are not limited. Each process counts
    /// separately.
    pub fn visitor_decisions(mut self, per_visitor: RateLimit, per_network: RateLimit) -> Self {
        (self.settings.visitor_limit, self.settings.network_limit) = (per_visitor, per_network);
        self
    }

    /// Sets which decisions of the visitor the user takes over at login. Default: refusals, but no
    /// grants.
    pub fn merge(mut self, policy: MergePolicy) -> Self {
        self.settings.merge = policy;
        self
    }

    /// Sets the purpose that activity is recorded under. `None` records it regardless of decisions.
    /// Default: [`PurposeId::ANALYTICS`], if that is declared.
    pub fn activity_purpose(mut self, purpose: Option<PurposeId>) -> Self {
        self.settings.activity = purpose;
        self
    }

    /// Sets the purpose that events of this type are recorded under. `None` records them regardless
    /// of decisions.
    ///
    /// Default: the purpose of [`activity_purpose`](Self::activity_purpose); none for logins and
    /// logouts, which account security needs.
    pub fn event_purpose(mut self, event_type: EventType, purpose: Option<PurposeId>) -> Self {
        self.settings.event_purposes.push((event_type, purpose));
        self
    }

    /// Sets what is recorded of activity that is not allowed. Default: nothing.
    pub fn disallowed_activity(mut self, disallowed: DisallowedActivity) -> Self {
        self.settings.disallowed = disallowed;
        self
    }

    /// Sets the controller, for receipts, exports and records of processing. Default: none is
    /// named.
    pub fn controller(mut self, controller: Controller) -> Self {
        self.settings.controller = Some(controller);
        self
    }

    /// Sets how to determine which law applies to a request. Default: the strictest regime for all
    /// requests.
    ///
    /// Any client can send a header with a country: use one that your proxy overwrites.
    pub fn jurisdictions(mut self, jurisdictions: impl Jurisdictions) -> Self {
        self.jurisdictions = Some(Arc::new(jurisdictions));
        self
    }

    /// Treats `DNT: 1` as a refusal of purposes of
    /// [`Category::Analytics`](crate::consent::Category::Analytics). Default: the header is
    /// ignored, as it is deprecated.
    pub fn follow_do_not_track(mut self) -> Self {
        self.follows_dnt = true;
        self
    }

    /// Sets the page where people decide: a path of this origin.
    ///
    /// [Gates](crate::Guestbook::require_consent) redirect browsers to it, with the path to return
    /// to in the query parameter `return`. The page must check that parameter with [`local_path`].
    /// The path is the one that the session layer saw: place that layer outside nested routers.
    /// Default: none; browsers get the same 403 as other clients.
    pub fn consent_page(mut self, path: impl Into<String>) -> Self {
        self.page = Some(path.into());
        self
    }

    /// Sets the name of the visitor's cookie. Default: `__Host-consent`, or `consent` if the
    /// session cookie has no prefix.
    ///
    /// Its other attributes are those of the session cookie.
    pub fn cookie_name(mut self, name: impl Into<String>) -> Self {
        self.cookie_name = Some(name.into());
        self
    }

    /// Sets the `Domain` attributes that declared cookies may have been set with. Browsers need
    /// them to remove a cookie. Default: none; cookies are removed without a `Domain`.
    pub fn cookie_domains<D: Into<String>>(mut self, domains: impl IntoIterator<Item = D>) -> Self {
        self.cookie_domains = domains.into_iter().map(Into::into).collect();
        self
    }

    /// Sets what to do with cookies that no purpose declares. Default: they are removed.
    pub fn undeclared_cookies(mut self, undeclared: UndeclaredCookies) -> Self {
        self.undeclared = undeclared;
        self
    }

    pub(crate) fn settings(&self) -> &ConsentSettings {
        &self.settings
    }

    /// Checks the rules and splits them for the layers.
    pub(crate) fn check(
        self,
        session: &SessionCookie,
        consents: Consents,
    ) -> Result<(ConsentRequest, ConsentEnforcement)> {
        let wrong = |problem: &str| Error::new(ErrorKind::Configuration, problem);
        if self.page.as_ref().is_some_and(|page| local_path(page).is_none() || page.contains('#')) {
            return Err(wrong("consent_page() must be a path of this origin, such as \"/privacy\""));
        }
        let cookie = session.sibling(self.cookie_name.as_deref().unwrap_or("consent"), self.cookie_name.is_none());
        if cookie.as_name() == session.as_name() {
            return Err(wrong("cookie_name() must differ from the name of the session cookie"));
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
                warned_of_two_layers: FirstTime::new(),
                warned_of_no_session: FirstTime::new(),
            },
        ))
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
