//! The application's own users: loading, gates, roles, stamps of credentials.

use std::{
    collections::HashMap,
    future::pending,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    body::Body,
    http::{Method, Request, StatusCode, header},
    routing::get,
};
use tower_guestbook::{
    Clock, CurrentUser, ErrorKind, Guestbook, GuestbookBuilder, Permitted, Session, UserId,
    session::{CredentialStamp, Login, Permission, UserLoader},
    store::{MemoryStore, Store},
};

use crate::support::{self, TestClient, builder, minutes, send};

#[derive(Clone, Debug, PartialEq)]
struct Account {
    name: String,
    password: String,
    role: &'static str,
}

/// The application's table of users, which several processes share.
#[derive(Clone, Default)]
struct Accounts {
    table: Arc<Mutex<HashMap<String, Account>>>,
    loads: Arc<AtomicUsize>,
    fault: Arc<Mutex<Option<Trouble>>>,
}

#[derive(Clone, Copy)]
enum Trouble {
    Fails,
    Hangs,
}

impl Accounts {
    fn with(names: &[(&str, &'static str)]) -> Self {
        let accounts = Self::default();
        for (name, role) in names {
            let account = Account { name: (*name).to_owned(), password: "first".to_owned(), role };
            accounts.table.lock().unwrap().insert((*name).to_owned(), account);
        }
        accounts
    }

    fn set_password(&self, name: &str, password: &str) {
        self.table.lock().unwrap().get_mut(name).unwrap().password = password.to_owned();
    }

    fn disable(&self, name: &str) {
        self.table.lock().unwrap().remove(name);
    }

    fn set_fault(&self, fault: Option<Trouble>) {
        *self.fault.lock().unwrap() = fault;
    }

    fn loads(&self) -> usize {
        self.loads.load(Ordering::SeqCst)
    }

    fn stamp_of(&self, name: &str) -> CredentialStamp {
        CredentialStamp::of(&self.table.lock().unwrap()[name].password)
    }
}

impl UserLoader for Accounts {
    type User = Account;
    type Error = io::Error;

    async fn load(&self, id: &UserId) -> Result<Option<Account>, io::Error> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        let fault = *self.fault.lock().unwrap();
        match fault {
            Some(Trouble::Fails) => return Err(io::Error::other("the table of accounts is locked")),
            Some(Trouble::Hangs) => pending().await,
            None => {}
        }
        Ok(self.table.lock().unwrap().get(id.as_str()).cloned())
    }

    fn stamp(&self, user: &Account) -> Option<CredentialStamp> {
        Some(CredentialStamp::of(&user.password))
    }

    fn has_role(&self, user: &Account, role: &str) -> bool {
        user.role == role
    }
}

struct Admin;

impl Permission for Admin {
    type User = Account;

    fn is_granted(user: &Account) -> bool {
        user.role == "admin"
    }
}

fn app_of(guestbook: &Guestbook) -> Router {
    let whole = async |CurrentUser(user): CurrentUser<Account>, Permitted(_): Permitted<Admin>| user.name.clone();
    let guarded = |gate| Router::new().route("/whole", get(whole)).layer(gate);
    Router::new()
        .route("/me", get(async |CurrentUser(user): CurrentUser<Account>| user.name.clone()))
        .route(
            "/maybe-me",
            get(async |user: Option<CurrentUser<Account>>| Json(user.map(|CurrentUser(user)| user.name.clone()))),
        )
        .route("/admin-only", get(async |Permitted(user): Permitted<Admin>| user.name.clone()))
        .route("/text", get(async |CurrentUser(user): CurrentUser<String>| user.to_string()))
        .route(
            "/changed",
            get(async |session: Session| {
                Ok::<_, tower_guestbook::Error>(session.credentials_changed().await?.to_string())
            }),
        )
        .merge(guarded(guestbook.require_role("admin").unwrap()))
        .nest(
            "/inner",
            Router::new()
                .route("/page", get(async || "in"))
                .layer(guestbook.require_login().login_page("/login").unwrap()),
        )
        .route("/plain", get(async || "in").layer(guestbook.require_login()))
        .route("/editors", get(async || "in").layer(guestbook.require(|user: &Account| user.role == "editor").unwrap()))
        .merge(support::routes())
        .layer(guestbook.session_layer())
}

fn site(accounts: &Accounts) -> (Router, Guestbook, Clock) {
    site_of(builder(MemoryStore::new()), accounts)
}

fn site_of<S: Store>(
    (builder, clock): (GuestbookBuilder<S>, Clock),
    accounts: &Accounts,
) -> (Router, Guestbook, Clock) {
    let guestbook = builder.users(accounts.clone()).build().unwrap();
    (app_of(&guestbook), guestbook, clock)
}

async fn session_count(guestbook: &Guestbook, name: &str) -> usize {
    guestbook.sessions().list(&UserId::try_from(name).unwrap()).await.unwrap().len()
}

#[tokio::test]
async fn require_login_redirects_browsers_and_answers_programs_with_401() {
    let (app, _guestbook, _) = site(&Accounts::with(&[("ada", "reader")]));
    let ask = async |method: Method, headers: &[(&str, &str)]| {
        let mut request = Request::builder().method(method).uri("/inner/page?a=1&b=%2F");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        send(&app, request.body(Body::empty()).unwrap()).await
    };
    for headers in [&[("sec-fetch-mode", "navigate")][..], &[("accept", "text/html,application/xml;q=0.9")]] {
        let answer = ask(Method::GET, headers).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        assert_eq!(
            answer.header(header::LOCATION),
            Some("/login?next=%2Finner%2Fpage%3Fa%3D1%26b%3D%252F"),
            "the whole path, also of a nested router"
        );
        assert_eq!(answer.header(header::CACHE_CONTROL), Some("private, no-store"));
        assert!(answer.header(header::VARY).unwrap().contains("cookie"));
    }
    for (method, headers) in [
        (Method::GET, &[("accept", "application/json")][..]),
        (Method::GET, &[("sec-fetch-mode", "cors"), ("accept", "text/html")]),
        (Method::POST, &[("sec-fetch-mode", "navigate")]),
    ] {
        let answer = ask(method, headers).await;
        assert_eq!(answer.problem(), "401 Login required", "{headers:?}");
        assert!(answer.header(header::WWW_AUTHENTICATE).is_some());
        assert_eq!(answer.header(header::CACHE_CONTROL), Some("private, no-store"));
        assert!(answer.header(header::VARY).unwrap().contains("cookie"));
    }
    let mut ada = TestClient::new(&app);
    ada.ok("/set/a/1").await;
    assert_eq!(ada.get("/plain").await.problem(), "401 Login required", "a session is no login");
    ada.ok("/login/ada").await;
    assert_eq!(ada.ok("/inner/page").await.body, "in");
}

#[tokio::test]
async fn login_page_must_be_a_path_of_this_origin() {
    let guestbook = builder(MemoryStore::new()).0.build().unwrap();
    for page in
        ["https://evil.example/login", "//evil.example", "login", "/.//evil.example", "/login#x", "/l\u{f6}gin", ""]
    {
        let error = guestbook.require_login().login_page(page).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{page}");
    }
    assert!(guestbook.require_login().login_page("/login?kind=admin").is_ok());
}

#[tokio::test]
async fn gates_without_a_loader_look_at_the_session_only() {
    let (builder, _) = builder(MemoryStore::new());
    let guestbook = builder.build().unwrap();
    for error in [guestbook.require_role("admin").unwrap_err(), guestbook.require(|_: &Account| true).unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains(".users(loader)"), "{error}");
    }
    let app = Router::new()
        .route("/plain", get(async || "in").layer(guestbook.require_login()))
        .route("/me", get(async |CurrentUser(user): CurrentUser<Account>| user.name.clone()))
        .merge(support::routes())
        .layer(guestbook.session_layer());
    let mut client = TestClient::new(&app);
    client.ok("/login/anybody").await;
    assert_eq!(client.ok("/plain").await.body, "in");
    let answer = client.get("/me").await;
    assert_eq!(answer.problem(), "500 Users are not configured");
    assert!(answer.json()["detail"].as_str().unwrap().contains(".users(loader)"), "{}", answer.body);
}

#[tokio::test]
async fn current_user_and_permissions_decide_by_the_loaded_user() {
    let (app, guestbook, _) = site(&Accounts::with(&[("ada", "admin"), ("bob", "editor")]));
    let mut stranger = TestClient::new(&app);
    for path in ["/me", "/admin-only", "/whole", "/editors"] {
        assert_eq!(stranger.get(path).await.problem(), "401 Login required", "{path}");
    }
    assert_eq!(stranger.ok("/maybe-me").await.body, "null");
    let (mut ada, mut bob) = (TestClient::new(&app), TestClient::new(&app));
    ada.ok("/login/ada").await;
    bob.ok("/login/bob").await;
    for path in ["/me", "/admin-only", "/whole"] {
        assert_eq!(ada.ok(path).await.body, "ada", "{path}");
    }
    assert_eq!(bob.ok("/me").await.body, "bob");
    assert_eq!(bob.ok("/maybe-me").await.body, "\"bob\"");
    assert_eq!(bob.ok("/editors").await.body, "in");
    for path in ["/admin-only", "/whole"] {
        assert_eq!(bob.get(path).await.problem(), "403 Not permitted", "{path}");
    }
    let refused = ada.get("/editors").await;
    assert_eq!(refused.problem(), "403 Not permitted");
    assert_eq!(refused.header(header::CACHE_CONTROL), Some("private, no-store"));
    assert_eq!(ada.get("/text").await.problem(), "500 Users are not configured", "the loader has another type");
    let error = guestbook.require(|_: &String| true).unwrap_err();
    assert!(error.to_string().contains("Account") && error.to_string().contains("String"), "{error}");
}

#[tokio::test]
async fn user_is_loaded_at_most_once_a_request_and_only_where_it_is_asked_for() {
    let accounts = Accounts::with(&[("ada", "admin")]);
    let (app, _guestbook, _) = site(&accounts);
    let mut ada = TestClient::new(&app);
    ada.ok("/login/ada").await;
    assert_eq!(accounts.loads(), 1, "the login asks for the stamp");
    ada.ok("/set/a/1").await;
    ada.ok("/user").await;
    assert_eq!(accounts.loads(), 1);
    ada.ok("/whole").await;
    assert_eq!(accounts.loads(), 2, "a gate and two extractors");
    TestClient::new(&app).get("/whole").await;
    assert_eq!(accounts.loads(), 2, "without a login there is nobody to load");
}

#[tokio::test]
async fn user_who_is_disabled_is_logged_out() {
    let accounts = Accounts::with(&[("ada", "admin")]);
    let (app, guestbook, _) = site(&accounts);
    for path in ["/me", "/plain", "/whole", "/maybe-me"] {
        accounts.table.lock().unwrap().extend(Accounts::with(&[("ada", "admin")]).table.lock().unwrap().drain());
        let mut ada = TestClient::new(&app);
        ada.ok("/login/ada").await;
        let copy = ada.clone();
        ada.ok(path).await;
        accounts.disable("ada");
        let answer = ada.get(path).await;
        if path == "/maybe-me" {
            assert_eq!(answer.body, "null");
        } else {
            assert_eq!(answer.problem(), "401 Login required", "{path}");
        }
        assert!(answer.removes_cookie(), "{path}");
        assert_eq!(session_count(&guestbook, "ada").await, 0, "{path}: the session has ended");
        assert_eq!(copy.clone().user().await, None, "{path}: for all who have its token");
        let refused = ada.get("/login/ada").await;
        assert_eq!((refused.status, refused.set_cookie()), (StatusCode::BAD_REQUEST, None), "{}", refused.body);
        assert_eq!(session_count(&guestbook, "ada").await, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn loader_that_fails_or_is_slow_lets_nobody_pass_and_logs_nobody_out() {
    let accounts = Accounts::with(&[("ada", "admin")]);
    let (app, guestbook, _) = site(&accounts);
    let mut ada = TestClient::new(&app);
    ada.ok("/login/ada").await;
    for fault in [Trouble::Fails, Trouble::Hangs] {
        accounts.set_fault(Some(fault));
        for path in ["/me", "/maybe-me", "/plain", "/whole"] {
            let answer = ada.get(path).await;
            assert_eq!(answer.problem(), "503 Users are unavailable", "{path}");
            assert_eq!(answer.header(header::RETRY_AFTER), Some("1"));
            assert!(!answer.body.contains("locked"), "the reason is for the log");
        }
        assert_eq!(ada.user().await.as_deref(), Some("ada"), "the session goes on");
        let refused = TestClient::new(&app).get("/login/ada").await;
        assert_eq!((refused.status, refused.set_cookie()), (StatusCode::SERVICE_UNAVAILABLE, None));
        accounts.set_fault(None);
        assert_eq!(ada.ok("/whole").await.body, "ada");
    }
    assert_eq!(session_count(&guestbook, "ada").await, 1);
}

#[tokio::test]
async fn password_changed_without_the_library_ends_the_sessions_that_began_before() {
    let accounts = Accounts::with(&[("ada", "admin")]);
    let (app, guestbook, _) = site(&accounts);
    let (mut before, mut after) = (TestClient::new(&app), TestClient::new(&app));
    before.ok("/login/ada").await;
    before.ok("/rotate").await;
    before.ok("/me").await;
    accounts.set_password("ada", "second");
    after.ok("/login/ada").await;
    assert_eq!(after.ok("/me").await.body, "ada");
    let refused = before.get("/me").await;
    assert_eq!(refused.problem(), "401 Login required");
    assert!(refused.removes_cookie());
    assert_eq!(session_count(&guestbook, "ada").await, 1);
    assert_eq!(after.ok("/whole").await.body, "ada");
}

#[tokio::test]
async fn login_with_the_stamp_of_an_old_password_is_worth_nothing() {
    let accounts = Accounts::with(&[("ada", "admin")]);
    let (builder, _) = builder(MemoryStore::new());
    let guestbook = builder.users(accounts.clone()).build().unwrap();
    let verified = accounts.stamp_of("ada");
    let login = get(async move |session: Session| session.log_in(Login::new("ada").stamp(verified)).await);
    let app = Router::new().route("/verified", login).merge(app_of(&guestbook)).layer(guestbook.session_layer());
    let mut client = TestClient::new(&app);
    client.ok("/verified").await;
    assert_eq!(accounts.loads(), 0, "the stamp is given");
    assert_eq!(client.ok("/me").await.body, "ada");
    // Between the verification and the login somebody changes the password in the table.
    accounts.set_password("ada", "second");
    let mut late = TestClient::new(&app);
    late.ok("/verified").await;
    assert_eq!(late.get("/me").await.problem(), "401 Login required");
}

#[tokio::test]
async fn credentials_changed_keeps_this_session_with_the_new_stamp() {
    let accounts = Accounts::with(&[("ada", "admin")]);
    let (app, guestbook, _) = site(&accounts);
    let (mut here, mut there) = (TestClient::new(&app), TestClient::new(&app));
    here.ok("/login/ada").await;
    there.ok("/login/ada").await;
    accounts.set_password("ada", "second");
    assert_eq!(here.ok("/changed").await.body, "1", "one other session has ended");
    assert_eq!(here.ok("/me").await.body, "ada");
    assert_eq!(there.get("/me").await.problem(), "401 Login required");

    // If the new credentials cannot be looked up, no session goes on with the old ones.
    there.ok("/login/ada").await;
    accounts.set_password("ada", "third");
    accounts.set_fault(Some(Trouble::Fails));
    assert_eq!(here.get("/changed").await.status, StatusCode::SERVICE_UNAVAILABLE);
    accounts.set_fault(None);
    assert_eq!(session_count(&guestbook, "ada").await, 0);
    assert_eq!(here.get("/me").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn cached_user_is_used_for_its_age_and_never_ends_a_newer_login() {
    let accounts = Accounts::with(&[("ada", "admin")]);
    let age = minutes(1);
    let (builder, clock) = builder(MemoryStore::new());
    let (app, _guestbook, clock) = site_of((builder.user_cache_age(age), clock), &accounts);
    let mut ada = TestClient::new(&app);
    ada.ok("/login/ada").await;
    let loads = accounts.loads();
    for _ in 0..10 {
        ada.ok("/whole").await;
    }
    assert_eq!(accounts.loads(), loads, "the login has loaded it");
    accounts.disable("ada");
    clock.advance(age - Duration::from_millis(1));
    ada.ok("/whole").await;
    clock.advance(Duration::from_millis(1));
    assert_eq!(ada.get("/whole").await.problem(), "401 Login required", "out within the age of the cache");

    // Two processes with caches of their own, one table and one store.
    let accounts = Accounts::with(&[("ada", "admin")]);
    let store = MemoryStore::new();
    let process = || {
        let clock = clock.clone();
        site_of((Guestbook::builder(store.clone()).clock(clock.clone()).user_cache_age(age), clock), &accounts)
    };
    let ((one, _guestbook_one, _), (two, _guestbook_two, _)) = (process(), process());
    let mut here = TestClient::new(&one);
    here.ok("/login/ada").await;
    here.ok("/me").await;
    accounts.set_password("ada", "second");
    let mut there = TestClient::new(&two);
    there.ok("/login/ada").await;
    let mut moved = TestClient::with_cookie(&one, there.cookie.clone().unwrap());
    assert_eq!(moved.ok("/me").await.body, "ada", "the user in the first process's cache is older than the session");
    assert_eq!(here.get("/me").await.problem(), "401 Login required", "and now it knows of the change");
}

#[tokio::test]
async fn services_without_axum_load_the_user_from_the_extensions() {
    let accounts = Accounts::with(&[("ada", "admin")]);
    let (app, guestbook, _) = site(&accounts);
    let mut ada = TestClient::new(&app);
    ada.ok("/login/ada").await;
    let service = tower::service_fn(async |request: Request<Body>| {
        let user = CurrentUser::<Account>::from_extensions(request.extensions()).await;
        let text = match user {
            Ok(user) => user.map_or_else(|| "nobody".to_owned(), |CurrentUser(user)| user.name.clone()),
            Err(error) => error.to_string(),
        };
        Ok::<_, std::convert::Infallible>(axum::response::Response::new(Body::from(text)))
    });
    let around =
        Router::new().fallback_service(tower::ServiceBuilder::new().layer(guestbook.session_layer()).service(service));
    assert_eq!(TestClient::new(&around).ok("/").await.body, "nobody");
    assert_eq!(TestClient::with_cookie(&around, ada.cookie.clone().unwrap()).ok("/").await.body, "ada");
    let bare = Router::new().fallback_service(service);
    assert!(TestClient::new(&bare).ok("/").await.body.contains("guestbook.layer()"));
}
