//! No session made with the old password outlives its change.

mod races;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    body::Body,
    extract::Path,
    http::{Request, StatusCode},
    routing::get,
};
use serde_json::{Value, json};
use tower_guestbook::{
    Clock, Consent, Error, ErrorKind, Guestbook, Session, UserId,
    consent::{Category, Choices, ConsentRules, DecisionMethod, Purpose, PurposeId, Purposes},
    session::{CredentialEpoch, Lifetime, Login, Realm, Sessions},
    store::{CredentialStore, EpochRule, MemoryStore, Revocation, SessionStore, SplitStore, Store},
};

use crate::support::{
    self, START, TestClient,
    faulty_store::{Fault, FaultyStore},
    minutes, on_each_store,
};

/// An application with one user, whose password is kept in clear: only the order of steps matters
/// here.
struct Site {
    guestbook: Guestbook,
    app: Router,
    password: Arc<Mutex<String>>,
    clock: Clock,
}

fn ada() -> UserId {
    UserId::try_from("ada").unwrap()
}

impl Site {
    fn new<S: Store>(store: S) -> Self {
        let (builder, clock) = support::builder(store);
        let guestbook = builder.build().unwrap();
        let password = Arc::new(Mutex::new("old".to_owned()));
        let sessions = guestbook.sessions().clone();
        let own = Router::new()
            .route("/epoch", get(read_epoch))
            .route("/verify/{password}", get(verify))
            .route("/finish", get(finish))
            .route("/at-once/{password}", get(at_once))
            .route("/changed", get(async |session: Session| session.credentials_changed().await.map(Json)))
            .with_state((sessions, password.clone()));
        let app = support::routes().merge(own).layer(guestbook.session_layer());
        Self { guestbook, app, password, clock }
    }

    fn client(&self) -> TestClient {
        TestClient::new(&self.app)
    }

    /// A logged-in client.
    async fn user(&self) -> TestClient {
        let mut client = self.client();
        client.ok("/login/ada").await;
        client
    }

    async fn epoch(&self) -> CredentialEpoch {
        self.guestbook.sessions().credential_epoch(&ada()).await.unwrap()
    }

    async fn count(&self) -> usize {
        self.guestbook.sessions().list(&ada()).await.unwrap().len()
    }
}

type State = axum::extract::State<(Sessions, Arc<Mutex<String>>)>;

/// The first step of a login in several steps.
async fn read_epoch(session: Session, axum::extract::State((sessions, _)): State) -> Result<(), Error> {
    session.insert("epoch", &sessions.credential_epoch(&ada()).await?)
}

async fn verify(session: Session, Path(given): Path<String>, state: State) -> Result<StatusCode, Error> {
    if *state.0.1.lock().unwrap() != given {
        return Ok(StatusCode::FORBIDDEN);
    }
    session.insert("verified", &true)?;
    Ok(StatusCode::OK)
}

async fn finish(session: Session) -> Result<StatusCode, Error> {
    let epoch = session.get::<CredentialEpoch>("epoch")?.unwrap();
    if session.get::<bool>("verified")? != Some(true) {
        return Ok(StatusCode::FORBIDDEN);
    }
    session.log_in(Login::new(ada()).epoch(epoch)).await?;
    Ok(StatusCode::OK)
}

/// All steps in one request, as in most applications.
async fn at_once(session: Session, Path(given): Path<String>, state: State) -> Result<StatusCode, Error> {
    let (sessions, password) = &*state;
    let epoch = sessions.credential_epoch(&ada()).await?;
    tokio::task::yield_now().await;
    let is_right = *password.lock().unwrap() == given;
    tokio::task::yield_now().await;
    if !is_right {
        return Ok(StatusCode::FORBIDDEN);
    }
    session.log_in(Login::new(ada()).epoch(epoch)).await?;
    Ok(StatusCode::OK)
}

on_each_store! {
    a_change_keeps_its_session_under_a_new_token_and_ends_the_others => change;
    each_end_of_all_sessions_refuses_logins_that_are_under_way => ends;
    a_refused_login_leaves_the_session_and_its_data_as_they_were => refused;
    a_change_in_a_session_that_is_over_ends_all_others_all_the_same => over;
    sessions_go_on_being_used_and_rotated_after_a_change => afterwards;
}

async fn change<S: Store>(store: S) {
    let site = Site::new(store);
    let (mut own, mut phone, mut bob) = (site.user().await, site.user().await, site.client());
    bob.ok("/login/bob").await;
    own.ok("/set/cart/book").await;
    let (before, old) = (own.ok("/session").await.json(), own.cookie.clone().unwrap());
    assert_eq!(own.ok("/changed").await.json(), json!(1), "one other session");
    assert_eq!(site.epoch().await.number(), 1);

    assert_ne!(own.cookie.as_ref(), Some(&old), "a new token");
    let after = own.ok("/session").await.json();
    assert_eq!((&after["id"], &after["keys"], &after["user"]), (&before["id"], &json!(["cart"]), &json!("ada")));
    assert_eq!(TestClient::with_cookie(&site.app, old).user().await, None);
    assert_eq!((phone.user().await, bob.user().await.as_deref(), site.count().await), (None, Some("bob"), 1));
    site.clock.advance(minutes(1));
    assert_eq!(own.user().await.as_deref(), Some("ada"), "also when the store is asked again");
}

async fn ends<S: Store>(store: S) {
    let site = Site::new(store);
    let sessions = site.guestbook.sessions();
    for way in ["everybody", "password reset", "disabled", "/everywhere"] {
        let (mut user, mut late) = (site.user().await, site.client());
        late.ok("/epoch").await;
        late.ok("/verify/old").await;
        let before = site.epoch().await;
        let ended = match way {
            "everybody" => sessions.revoke_all().await.unwrap(),
            "password reset" => sessions.credentials_changed(&ada()).await.unwrap(),
            "disabled" => sessions.revoke_user(&ada()).await.unwrap(),
            path => user.ok(path).await.json().as_u64().unwrap(),
        };
        assert_eq!((user.user().await, site.count().await), (None, 0), "{way}");
        assert_ne!(site.epoch().await, before, "{way}");
        if way == "everybody" {
            assert_eq!(ended, 2, "and the anonymous session in which the first steps were kept");
        } else {
            assert_eq!((ended, late.get("/finish").await.status), (1, StatusCode::CONFLICT), "{way}");
            assert_eq!(site.count().await, 0, "{way}");
        }
    }
    // Ending some sessions refuses no login.
    for path in ["/logout", "/others", "/rotate"] {
        let (mut user, mut late) = (site.user().await, site.client());
        late.ok("/epoch").await;
        late.ok("/verify/old").await;
        user.ok(path).await;
        late.ok("/finish").await;
        assert_eq!(late.user().await.as_deref(), Some("ada"), "{path}");
    }
}

async fn refused<S: Store>(store: S) {
    let site = Site::new(store);
    let mut client = site.client();
    client.ok("/set/cart/book").await;
    client.ok("/epoch").await;
    client.ok("/verify/old").await;
    let (before, cookie) = (client.ok("/session").await.json(), client.cookie.clone());
    site.guestbook.sessions().credentials_changed(&ada()).await.unwrap();
    let answer = client.get("/finish").await;
    assert_eq!((answer.status, answer.set_cookie()), (StatusCode::CONFLICT, None));
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("log in again") && !detail.contains("ada"), "{detail}");
    assert_eq!((client.ok("/session").await.json(), client.cookie.clone()), (before, cookie));
    assert_eq!((client.value("cart").await, site.count().await), (json!("book"), 0));
    // A retry works.
    for path in ["/epoch", "/verify/old", "/finish"] {
        client.ok(path).await;
    }
    assert_eq!(client.user().await.as_deref(), Some("ada"));
    assert_eq!(client.value("cart").await, json!("book"));
}

async fn over<S: Store>(store: S) {
    let site = Site::new(store);
    let sessions = site.guestbook.sessions().clone();
    // The session of the request ends while the password is changed.
    let changing = get(async move |session: Session| {
        let id = session.id().unwrap();
        assert!(sessions.revoke(&ada(), id).await.unwrap());
        session.credentials_changed().await.map(Json)
    });
    let app = site.app.clone().merge(Router::new().route("/late", changing).layer(site.guestbook.session_layer()));
    let (mut own, mut phone) = (site.user().await, site.user().await);
    let mut late = TestClient { app, ..own.clone() };
    let before = site.epoch().await;
    assert_eq!(late.get("/late").await.status, StatusCode::UNAUTHORIZED);
    assert_ne!(site.epoch().await, before);
    assert_eq!((own.user().await, phone.user().await, site.count().await), (None, None, 0));
    // Nobody is logged in: the user is unknown.
    let epoch = site.epoch().await;
    assert_eq!(site.client().get("/changed").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(site.epoch().await, epoch);
}

async fn afterwards<S: Store>(store: S) {
    let site = Site::new(store);
    let mut own = site.user().await;
    for round in 1..4 {
        own.ok("/changed").await;
        own.ok("/rotate").await;
        own.ok(&format!("/set/round/{round}")).await;
        site.clock.advance(minutes(2));
        assert_eq!(own.value("round").await, json!(round.to_string()));
        let mut again = site.client();
        again.ok("/at-once/old").await;
        assert_eq!((again.user().await.as_deref(), site.count().await), (Some("ada"), 2));
    }
    assert_eq!(site.epoch().await.number(), 3);
}

#[tokio::test]
async fn split_store_serves_no_session_after_an_incomplete_revocation() {
    let (sessions, records) = (MemoryStore::new(), MemoryStore::new());
    let site = Site::new(SplitStore::new(sessions.clone(), records.clone()));
    let (mut client, mut other) = (site.user().await, site.client());
    other.ok("/login/bob").await;
    assert_eq!(client.user().await.as_deref(), Some("ada"), "now it is in the cache");
    // The process dies between the two steps of a revocation.
    records.raise_credential_epoch(Realm::default(), Some(ada())).await.unwrap();
    assert_eq!(client.user().await.as_deref(), Some("ada"), "within the age of the cache");
    site.clock.advance(Duration::from_secs(1));
    assert_eq!(client.user().await, None);
    assert_eq!(site.count().await, 0, "nor is it listed");
    assert_eq!(client.get("/save/a/1").await.status, StatusCode::UNAUTHORIZED, "it has ended");
    assert_eq!(other.user().await.as_deref(), Some("bob"));

    // The session store is restored from a copy made before the revocation.
    let mut client = site.user().await;
    let key = tower_guestbook::SessionToken::parse(client.cookie.as_ref().unwrap().as_bytes()).unwrap().key();
    let copy = match sessions.load(key, Realm::default()).await.unwrap() {
        tower_guestbook::store::Loaded::Found(record) => record,
        nothing => panic!("{nothing:?}"),
    };
    site.guestbook.sessions().revoke_user(&ada()).await.unwrap();
    let cap = tower_guestbook::session::SessionCap::default();
    sessions.insert(key, copy, cap, EpochRule::Keep, START).await.unwrap();
    assert_eq!(sessions.list(ada(), None, 10, START).await.unwrap().len(), 1, "it is there");
    assert_eq!((client.user().await, site.count().await), (None, 0));
    assert_eq!(sessions.revoke(Revocation::Erased(ada()), START).await.unwrap(), 1);
}

#[tokio::test]
async fn credentials_changed_can_be_repeated_after_a_store_error() {
    let store = FaultyStore::default();
    let site = Site::new(store.clone());
    let (mut own, mut phone) = (site.user().await, site.user().await);
    own.ok("/session").await;
    store.set(Fault::Failing);
    assert_eq!(own.get("/changed").await.status, StatusCode::SERVICE_UNAVAILABLE);
    let error = site.guestbook.sessions().credential_epoch(&ada()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "no epoch is made up");
    store.set(Fault::Good);
    assert_eq!(site.epoch().await.number(), 0);
    assert_eq!(own.ok("/changed").await.json(), json!(1));
    assert_eq!((own.user().await.as_deref(), phone.user().await), (Some("ada"), None));
}

#[tokio::test]
async fn refused_login_links_no_visitor() {
    let marketing = Purpose::new("marketing", Category::Marketing).expiry(Duration::from_secs(90 * 86_400));
    let rules = ConsentRules::new(Purposes::builder().purpose(marketing).build().unwrap());
    let guestbook = support::builder(MemoryStore::new()).0.consent(rules).build().unwrap();
    let login = get(async |session: Session, consent: Consent, Path(epoch): Path<u64>| {
        consent.decide(Choices::new(DecisionMethod::Custom).decline(PurposeId::MARKETING)).await?;
        session.log_in(Login::new(ada()).epoch(CredentialEpoch::from_number(epoch))).await
    });
    let app = Router::new().route("/login/{epoch}", login).layer(guestbook.session_layer());
    for (epoch, status, records) in [(1, StatusCode::CONFLICT, 0), (0, StatusCode::OK, 2)] {
        let request = Request::get(format!("/login/{epoch}")).body(Body::empty()).unwrap();
        assert_eq!(support::send(&app, request).await.status, status);
        let history = guestbook.consents().unwrap().history(&ada().into(), 10, None).await.unwrap();
        assert_eq!(history.len(), records, "the visitor's and what the account took over");
    }
}

#[tokio::test]
async fn login_refuses_each_lifetime_that_build_refuses() {
    let second = Duration::from_secs(1);
    let lifetimes = [
        (Lifetime::new(second, second), true),
        (Lifetime::new(Duration::from_millis(1), Duration::from_millis(1)), true),
        (Lifetime::remembered(), true),
        (Lifetime::new(Duration::ZERO, second), false),
        (Lifetime::new(Duration::ZERO, Duration::ZERO), false),
        (Lifetime::new(Duration::from_nanos(999_999), second), false),
        (Lifetime::new(2 * second, second), false),
        (Lifetime::new(second, Duration::ZERO).persistent(), false),
    ];
    for (lifetime, is_possible) in lifetimes {
        let built = support::builder(MemoryStore::new()).0.session_lifetime(lifetime).build();
        assert_eq!(built.is_ok(), is_possible, "{lifetime:?}");
        let site = Site::new(MemoryStore::new());
        let with = get(async move |session: Session| session.login_with(ada(), lifetime).await);
        let terms = get(async move |session: Session| session.log_in(Login::new(ada()).lifetime(lifetime)).await);
        let app = Router::new().route("/with", with).route("/terms", terms).layer(site.guestbook.session_layer());
        for path in ["/with", "/terms"] {
            let answer = TestClient::new(&app).get(path).await;
            let expected = if is_possible { StatusCode::OK } else { ErrorKind::InvalidInput.status() };
            assert_eq!((answer.status, answer.set_cookie().is_some()), (expected, is_possible), "{lifetime:?}");
        }
        assert_eq!(site.count().await, if is_possible { 2 } else { 0 }, "{lifetime:?}");
    }
}

#[tokio::test]
async fn login_refuses_an_invalid_user_id() {
    let site = Site::new(MemoryStore::new());
    let login = get(async |session: Session| session.log_in(Login::new("a\nb").lifetime(Lifetime::remembered())).await);
    let app = Router::new().route("/login", login).layer(site.guestbook.session_layer());
    let answer = TestClient::new(&app).get("/login").await;
    assert_eq!((answer.status, answer.set_cookie()), (StatusCode::BAD_REQUEST, None));
    assert!(!format!("{:?}", Login::new("ada")).contains("ada"), "a user id is personal data");
}

#[test]
fn credential_epoch_serializes_as_a_number() {
    let epoch = CredentialEpoch::from_number(7);
    let value = serde_json::to_value(epoch).unwrap();
    assert_eq!((&value, serde_json::from_value::<CredentialEpoch>(value.clone()).unwrap()), (&Value::from(7), epoch));
}
