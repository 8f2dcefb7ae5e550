//! Consent through HTTP: an application with four purposes, and a browser that keeps several
//! cookies.

mod activity;
mod cookies;
mod decisions;
mod gate;
mod histories;
#[cfg(feature = "sqlite")]
mod instances;
mod login;
mod notices;
mod refusals;
mod repeats;
mod routes;
mod signals;
#[cfg(feature = "sqlite")]
mod store;
mod trips;

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Method, Request, StatusCode, header},
    routing::get,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tower_guestbook::{
    Clock, Guestbook, GuestbookBuilder, UserId, VisitorId,
    consent::{
        Category, ConsentRecord, ConsentRules, Consents, Decision, Jurisdiction, LegalBasis, Mode, Notice, Purpose,
        PurposeId, Purposes, Regime, Subject,
    },
    http::{PeerAddress, RequestHead},
    store::Store,
};

pub(crate) use self::routes::routes;
use crate::support::{Answer, FIREFOX, builder, send};

pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What is shown for analytics in English.
pub(crate) const WE_COUNT: &str = "We count which pages are read.";

pub(crate) fn purposes() -> Purposes {
    Purposes::builder()
        .purpose(Purpose::new("necessary", Category::Necessary).cookies(["csrf"]))
        .purpose(Purpose::new("analytics", Category::Analytics).expiry(180 * DAY))
        .purpose(
            Purpose::new("measurement", Category::Own("audience".into()))
                .mode(Mode::ExemptWithObjection)
                .basis(LegalBasis::LegitimateInterests),
        )
        .purpose(
            Purpose::new("marketing", Category::Marketing)
                .mode_in_opt_out_regime(Mode::OptOut)
                .sells_or_shares(true)
                .cookies(["ads", "ads_*"])
                .expiry(90 * DAY),
        )
        .build()
        .unwrap()
}

/// Four purposes, three of them with notices, and three kinds of places, which a header names.
pub(crate) fn rules() -> ConsentRules {
    let notice = |purpose: &str, language: &str, text: &str| Notice::new(id(purpose), 1, language, text).unwrap();
    ConsentRules::new(purposes())
        .notice(notice("analytics", "en", WE_COUNT))
        .notice(notice("analytics", "de", "Wir zählen, welche Seiten gelesen werden."))
        .notice(notice("marketing", "en", "We sell what you look at."))
        .notice(notice("marketing", "de", "Wir verkaufen, was Sie ansehen."))
        .notice(notice("measurement", "en", "We count how many came."))
        .consent_page("/privacy")
        .jurisdictions(|request: RequestHead<'_>| match request.headers.get("x-country")?.to_str().ok()? {
            "US-CA" => Some(Jurisdiction::new("US-CA", Regime::OptOut)),
            "XX" => Some(Jurisdiction::blocked("XX")),
            "DE" => Some(Jurisdiction::new("DE", Regime::Strictest)),
            _ => None,
        })
}

/// An application on a guestbook.
pub(crate) struct Site {
    pub(crate) app: Router,
    pub(crate) guestbook: Guestbook,
    pub(crate) clock: Clock,
}

impl Site {
    pub(crate) fn new<S: Store>(store: S, rules: ConsentRules) -> Self {
        let (builder, clock) = builder(store);
        Self::of(builder, clock, rules)
    }

    pub(crate) fn of<S: Store>(builder: GuestbookBuilder<S>, clock: Clock, rules: ConsentRules) -> Self {
        let guestbook = builder.consent(rules).build().unwrap();
        let gated = get(async || "for you").post(async || "for you");
        let gated =
            Router::new().route("/offers", gated).layer(guestbook.require_consent(PurposeId::MARKETING).unwrap());
        let app = routes().merge(gated).layer(guestbook.layer());
        Self { app, guestbook, clock }
    }

    pub(crate) fn browser(&self) -> Browser {
        Browser { app: self.app.clone(), cookies: BTreeMap::new(), headers: BTreeMap::new() }
    }

    pub(crate) fn consents(&self) -> &Consents {
        self.guestbook.consents().unwrap()
    }

    /// All records of somebody, the oldest first, when what runs in the background is done.
    pub(crate) async fn records(&self, subject: &Subject) -> Vec<ConsentRecord> {
        let mut records = self.consents().history(subject, 1_000, None).await.unwrap();
        records.reverse();
        records
    }

    /// The decisions of somebody about a purpose, the oldest first.
    pub(crate) async fn decisions(&self, subject: &Subject, purpose: &str) -> Vec<Decision> {
        let records = self.records(subject).await.into_iter().filter(|record| record.purpose == id(purpose));
        records.map(|record| record.consent_state.decision).collect()
    }
}

/// A browser: it keeps the cookies of this very host, and sends some headers with every request.
#[derive(Clone)]
pub(crate) struct Browser {
    pub(crate) app: Router,
    pub(crate) cookies: BTreeMap<String, String>,
    pub(crate) headers: BTreeMap<&'static str, String>,
}

impl Browser {
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(name, value.to_owned());
        self
    }

    /// A browser whose requests all open a page in a window of its own.
    pub(crate) fn opening_pages(self) -> Self {
        self.with("sec-fetch-mode", "navigate").with("sec-fetch-dest", "document")
    }

    pub(crate) async fn send(&mut self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header(header::USER_AGENT, FIREFOX);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        if !self.cookies.is_empty() {
            let pairs: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header(header::COOKIE, pairs.join("; "));
        }
        let request = match body {
            Some(json) => request.header(header::CONTENT_TYPE, "application/json").body(json.to_string().into()),
            None => request.body(Body::empty()),
        };
        let mut request = request.unwrap();
        request.extensions_mut().insert(PeerAddress(SocketAddr::from(([203, 0, 113, 77], 40_000))));
        let answer = send(&self.app, request).await;
        for cookie in set_cookies(&answer).iter().filter(|cookie| !cookie.contains("Domain=")) {
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            if cookie.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn post(&mut self, path: &str) -> Answer {
        self.send(Method::POST, path, None).await
    }

    pub(crate) async fn decide(&mut self, wanted: Value) -> Answer {
        self.send(Method::POST, "/decide", Some(wanted)).await
    }

    /// Agrees to the notice that is shown now.
    pub(crate) async fn grant(&mut self, purpose: &str) -> Answer {
        let prompt = ok(self.get("/offer").await).json();
        ok(self.decide(json!({ "made": [[purpose, "grant"]], "snapshot": prompt["snapshot"] })).await)
    }

    pub(crate) async fn decline(&mut self, purpose: &str) -> Answer {
        ok(self.decide(json!({ "made": [[purpose, "decline"]] })).await)
    }

    pub(crate) async fn login(&mut self, user: &str) -> Answer {
        ok(self.post(&format!("/login/{user}")).await)
    }

    pub(crate) async fn allows(&mut self, purpose: &str) -> bool {
        ok(self.get(&format!("/allows/{purpose}")).await).body == "true"
    }

    /// Why a purpose is allowed or not.
    pub(crate) async fn why(&mut self, purpose: &str) -> String {
        let states = ok(self.get("/states").await).json();
        of(&states, purpose)["why"].as_str().unwrap().to_owned()
    }

    /// As which visitor the browser is known.
    pub(crate) fn visitor(&self) -> Subject {
        visitor(self.cookies.get("__Host-consent").expect("a visitor has decided"))
    }
}

/// Which visitor has this cookie: who knows the visitor does not know the cookie.
pub(crate) fn visitor(cookie: &str) -> Subject {
    let digest = Sha256::digest(uuid::Uuid::parse_str(cookie).unwrap().as_bytes());
    let id = uuid::Builder::from_custom_bytes(*digest.first_chunk().unwrap()).into_uuid();
    VisitorId::from(id).into()
}

pub(crate) fn id(purpose: &str) -> PurposeId {
    PurposeId::new(purpose).unwrap()
}

pub(crate) fn user(name: &str) -> Subject {
    UserId::try_from(name).unwrap().into()
}

/// What a list says of a purpose.
pub(crate) fn of<'a>(list: &'a Value, purpose: &str) -> &'a Value {
    list.as_array().unwrap().iter().find(|one| one["id"] == purpose).unwrap()
}

/// What the request must answer when it goes well.
pub(crate) fn ok(answer: Answer) -> Answer {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    answer
}

pub(crate) fn set_cookies(answer: &Answer) -> Vec<&str> {
    answer.headers.get_all(header::SET_COOKIE).iter().map(|cookie| cookie.to_str().unwrap()).collect()
}

/// The names of the cookies that a response sets or removes.
pub(crate) fn names(answer: &Answer) -> Vec<&str> {
    set_cookies(answer).iter().map(|cookie| cookie.split('=').next().unwrap()).collect()
}

/// All values of a header.
pub(crate) fn all(headers: &HeaderMap, name: header::HeaderName) -> Vec<String> {
    headers.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
}
