//! What users may do about their own data over HTTP: who may, how often, and what is answered.

mod audit;
mod bodies;
mod consent;
mod correcting;
mod doors;
mod failing;
mod limits;
mod methods;
mod objecting;
#[cfg(feature = "sqlite")]
mod plain;
mod requests;
mod restricting;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use serde_json::{Value, json};
use tower_guestbook::{
    Clock, Error, ErrorKind, Guestbook, UserId,
    consent::{Category, ConsentRules, Mode, Purpose, PurposeId, Purposes},
    preferences::{PreferenceRules, StandardPreferences},
    privacy::{
        ConfirmationToken, ExportedPage, PersonalData, PersonalDataFuture, PrivacyRules, RateLimit, RequestId,
        RequestKind, RestrictionReason,
    },
    store::{MemoryStore, RequestQuery, Store},
};

use crate::support::{
    self, Answer, TestClient, builder,
    faulty_store::{Fault, FaultyStore},
    minutes,
};

const JSON: (&str, &str) = ("content-type", "application/json");

fn user(name: &str) -> UserId {
    UserId::try_from(name).unwrap()
}

/// A table of the application that users may correct. It takes an address, refuses one that is no
/// text, and else understands nothing.
#[derive(Clone, Default)]
struct Addresses(Arc<Mutex<HashMap<UserId, String>>>);

impl PersonalData for Addresses {
    fn name(&self) -> &str {
        "addresses"
    }

    fn export(&self, user: UserId, _page: usize) -> PersonalDataFuture<'_, ExportedPage> {
        let rows = self.0.lock().unwrap().get(&user).map(|address| address.as_str().into());
        Box::pin(async move { Ok(ExportedPage::last(rows.into_iter().collect())) })
    }

    fn erase(&self, user: UserId) -> PersonalDataFuture<'_, u64> {
        let erased = self.0.lock().unwrap().remove(&user).is_some();
        Box::pin(async move { Ok(u64::from(erased)) })
    }

    fn rectify(&self, user: UserId, patch: Value) -> PersonalDataFuture<'_, bool> {
        Box::pin(async move {
            match &patch["address"] {
                Value::Null => Ok(false),
                Value::String(address) => {
                    self.0.lock().unwrap().insert(user, address.clone());
                    Ok(true)
                }
                _ => Err(Error::new(ErrorKind::InvalidInput, "an address is a text")),
            }
        })
    }
}

/// One that users may not correct, though it could be.
struct Roles;

impl PersonalData for Roles {
    fn name(&self) -> &str {
        "roles"
    }

    fn export(&self, _: UserId, _: usize) -> PersonalDataFuture<'_, ExportedPage> {
        Box::pin(async { Ok(ExportedPage::last(Vec::new())) })
    }

    fn erase(&self, _: UserId) -> PersonalDataFuture<'_, u64> {
        Box::pin(async { Ok(0) })
    }

    fn rectify(&self, _: UserId, _: Value) -> PersonalDataFuture<'_, bool> {
        panic!("nobody corrects this by themselves")
    }
}

/// The tokens that went out.
#[derive(Clone, Default)]
struct Mail(Arc<Mutex<Vec<(UserId, RequestId, String)>>>);

impl Mail {
    fn last(&self) -> (UserId, RequestId, String) {
        self.0.lock().unwrap().last().unwrap().clone()
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    async fn send(self, user: UserId, request: RequestId, token: ConfirmationToken) -> tower_guestbook::Result<()> {
        self.0.lock().unwrap().push((user, request, token.expose_secret().to_string()));
        Ok(())
    }
}

/// An application in which everything is configured.
struct Site {
    app: Router,
    guestbook: Guestbook,
    clock: Clock,
    addresses: Addresses,
    mail: Mail,
}

impl Site {
    fn new<S: Store>(store: S) -> Self {
        let mail = Mail::default();
        let sent = mail.clone();
        Self::with(store, mail, rules().confirm_erasures_by(move |user, id, token| sent.clone().send(user, id, token)))
    }

    /// One that sends no tokens.
    fn without_mail<S: Store>(store: S) -> Self {
        Self::with(store, Mail::default(), rules())
    }

    fn with<S: Store>(store: S, mail: Mail, rules: PrivacyRules) -> Self {
        let purposes = Purposes::builder()
            .purpose(Purpose::new("necessary", Category::Necessary))
            .purpose(Purpose::new("analytics", Category::Analytics).mode(Mode::ExemptWithObjection))
            .purpose(Purpose::new("marketing", Category::Marketing).expiry(Duration::from_secs(180 * 86_400)));
        let addresses = Addresses::default();
        let (builder, clock) = builder(store);
        let guestbook = builder
            .consent(ConsentRules::new(purposes.build().unwrap()))
            .preferences(PreferenceRules::standard().unwrap())
            .personal_data(addresses.clone())
            .personal_data(Roles)
            .privacy(rules)
            .build()
            .unwrap();
        Self { app: app(&guestbook), guestbook, clock, addresses, mail }
    }

    async fn login(&self, name: &str) -> Caller {
        let mut client = TestClient::new(&self.app);
        client.ok(&format!("/login/{name}")).await;
        Caller { app: self.app.clone(), cookie: client.cookie, origin: None }
    }

    fn stranger(&self) -> Caller {
        Caller { app: self.app.clone(), cookie: None, origin: None }
    }

    /// What is kept of two users, as far as somebody could have changed it. Whatever is noted in
    /// the audit trail shows as well.
    async fn state(&self) -> Value {
        let mut all = json!({ "trail": self.guestbook.audit().head().await.unwrap() });
        for name in ["ada", "bob"] {
            let (user, rights) = (user(name), self.guestbook.rights());
            let preferences = self.guestbook.preferences::<StandardPreferences>().unwrap();
            let history = self.guestbook.consents().unwrap().history(&user.clone().into(), 100, None).await.unwrap();
            all[name] = json!({
                "requests": rights.requests(RequestQuery::new().user(user.clone())).await.unwrap(),
                "restriction": rights.restriction_of(&user).await.unwrap(),
                "consent": history,
                "preferences": preferences.get(&user).await.unwrap().version,
                "address": self.addresses.0.lock().unwrap().get(&user),
                "erased": rights.erasure_of(&user).await.unwrap().is_some(),
            });
        }
        all["mails"] = self.mail.count().into();
        all
    }
}

fn app(guestbook: &Guestbook) -> Router {
    support::routes().nest("/privacy", guestbook.privacy_router()).layer(guestbook.layer())
}

fn rules() -> PrivacyRules {
    PrivacyRules::new().correctable_sources(["addresses"])
}

/// Somebody who asks.
#[derive(Clone)]
struct Caller {
    app: Router,
    cookie: Option<String>,
    origin: Option<&'static str>,
}

impl Caller {
    async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, &[], "").await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.ask(Method::DELETE, path, &[], "").await
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Answer {
        self.ask(method, path, &[JSON], body.to_string()).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, body).await
    }

    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("/privacy{path}")).header(header::HOST, "a");
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, format!("__Host-session={cookie}"));
        }
        for (name, value) in headers.iter().chain(&self.origin.map(|origin| ("origin", origin))) {
            request = request.header(*name, *value);
        }
        support::send(&self.app, request.body(body.into()).unwrap()).await
    }
}

/// The answer is a refusal as it should be: a problem with this status that nobody keeps.
fn assert_problem(answer: &Answer, status: u16, what: &str) -> Value {
    assert_eq!(answer.status.as_u16(), status, "{what}: {}", answer.body);
    let expected = (Some("application/problem+json"), Some("no-store"));
    let found = (answer.header(header::CONTENT_TYPE), answer.header(header::CACHE_CONTROL));
    assert_eq!(found, expected, "{what}");
    let problem = answer.json();
    assert_eq!(problem["status"], status, "{what}");
    assert!(problem["title"].is_string() && problem["detail"].is_string(), "{what}: {problem}");
    problem
}

/// A refusal that names what is wrong.
fn assert_names(answer: &Answer, status: u16, field: &str, what: &str) {
    let problem = assert_problem(answer, status, what);
    assert_eq!(problem["field"], field, "{what}: {problem}");
}

/// The answer says something that nobody keeps.
fn assert_ok(answer: &Answer, status: StatusCode, what: &str) -> Value {
    assert_eq!(answer.status, status, "{what}: {}", answer.body);
    let found = (answer.header(header::CONTENT_TYPE), answer.header(header::CACHE_CONTROL));
    assert_eq!(found, (Some("application/json"), Some("no-store")), "{what}");
    answer.json()
}
