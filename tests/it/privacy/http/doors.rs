//! Every endpoint, and everybody who may ask there or not.

use super::*;

/// Method, path, body, status for who may, and whether the login must be recent. `{open}` is a
/// request of the user, `{erasure}` one to be erased, `{token}` what confirms it.
const ENDPOINTS: &[(&str, &str, &str, u16, bool)] = &[
    ("GET", "/export", "", 200, false),
    ("DELETE", "/delete", "", 200, true),
    ("POST", "/delete", "", 200, true),
    ("GET", "/requests", "", 200, false),
    ("HEAD", "/requests", "", 200, false),
    ("GET", "/requests/access", "", 200, false),
    ("POST", "/requests/access", r#"{"message":"All of it, please."}"#, 201, false),
    ("POST", "/requests/rectification", "{}", 200, false),
    ("POST", "/requests/restriction", "", 201, false),
    ("POST", "/requests/portability", "", 201, false),
    ("POST", "/requests/objection", "", 201, false),
    ("POST", "/requests/erasure", "", 200, true),
    ("GET", "/requests/{open}", "", 200, false),
    ("DELETE", "/requests/{open}", "", 200, false),
    ("POST", "/requests/{erasure}/confirmation", r#"{"token":"{token}"}"#, 200, true),
    ("GET", "/restriction", "", 200, false),
    ("POST", "/restriction", r#"{"reason":"claims"}"#, 200, false),
    ("DELETE", "/restriction", "", 200, false),
    ("GET", "/objection", "", 200, false),
    ("POST", "/objection/analytics", "", 200, false),
    ("DELETE", "/objection/marketing", "", 200, false),
    ("PATCH", "/rectification", r#"{"preferences":{"theme":"dark"}}"#, 200, false),
    ("PATCH", "/rectification", r#"{"sources":{"addresses":{"address":"Ockham"}}}"#, 200, false),
    ("GET", "/consent", "", 200, false),
    ("POST", "/consent", r#"{"choices":{"marketing":false},"method":"custom"}"#, 200, false),
    ("DELETE", "/consent/analytics", "", 200, false),
    ("GET", "/consent/receipt", "", 200, false),
    ("GET", "/audit", "", 200, false),
];

/// A site where ada has something of each kind.
async fn furnished<S: Store>(store: S) -> (Site, [(&'static str, String); 3]) {
    let site = Site::new(store);
    let (ada, rights) = (user("ada"), site.guestbook.rights());
    let open = rights.file_request(&ada, RequestKind::Rectification, None).await.unwrap().request.id;
    let erasure = rights.request_erasure(&ada).await.unwrap();
    let token = erasure.token.unwrap().expose_secret().to_string();
    rights.restrict(&ada, RestrictionReason::Unlawful).await.unwrap();
    rights.object(&ada, [PurposeId::MARKETING]).await.unwrap();
    let words = [("{open}", open.to_string()), ("{erasure}", erasure.request.id.to_string()), ("{token}", token)];
    (site, words)
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

async fn each_endpoint<S: Store>(store: impl Fn() -> S, callers: &[&str]) {
    for (method, path, body, status, recent) in ENDPOINTS {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        for caller in callers {
            let what = format!("{method} {path} by {caller}");
            let (site, words) = furnished(store()).await;
            let fill = |text: &str| words.iter().fold(text.to_owned(), |text, (word, value)| text.replace(word, value));
            let mut asking = match *caller {
                "nobody" => site.stranger(),
                "forged" => Caller { cookie: Some("A".repeat(43)), ..site.stranger() },
                "anonymous" => {
                    let mut client = TestClient::new(&site.app);
                    client.ok("/set/key/value").await;
                    Caller { cookie: client.cookie, ..site.stranger() }
                }
                _ => site.login("ada").await,
            };
            if *caller == "old" {
                site.clock.advance(minutes(5) + Duration::from_millis(1));
            }
            if *caller == "foreign" {
                asking.origin = Some("https://evil.example");
            }
            let before = site.state().await;
            let headers: &[_] = if body.is_empty() { &[] } else { &[JSON] };
            let answer = asking.ask(method.clone(), &fill(path), headers, fill(body)).await;
            let refusal = match *caller {
                "user" => None,
                "old" => recent.then_some((401, "Recent login required")),
                "foreign" => (!is_safe(&method)).then_some((403, "Cross-origin request refused")),
                _ => Some((401, "Login required")),
            };
            let Some((refused, title)) = refusal else {
                assert_eq!(answer.status.as_u16(), *status, "{what}: {}", answer.body);
                assert_eq!(answer.header(header::CACHE_CONTROL), Some("no-store"), "{what}");
                assert_eq!(answer.header(header::CONTENT_TYPE), Some("application/json"), "{what}");
                continue;
            };
            if method == Method::HEAD {
                assert_eq!(answer.status.as_u16(), refused, "{what}");
            } else {
                assert_eq!(assert_problem(&answer, refused, &what)["title"], title, "{what}");
            }
            assert_eq!(answer.header(header::WWW_AUTHENTICATE).is_some(), refused == 401, "{what}");
            assert_eq!(site.state().await, before, "{what}: nothing has changed");
        }
    }
}

#[tokio::test]
async fn each_endpoint_needs_a_login_and_the_own_origin_in_memory() {
    each_endpoint(MemoryStore::new, &["nobody", "forged", "anonymous", "foreign", "old", "user"]).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn each_endpoint_needs_a_login_and_the_own_origin_in_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    let number = std::cell::Cell::new(0);
    let store = || {
        number.set(number.get() + 1);
        tower_guestbook::store::SqliteStore::open(directory.path().join(format!("{}.db", number.get()))).unwrap()
    };
    // The others do not come as far as the store.
    each_endpoint(store, &["old", "user"]).await;
}

#[tokio::test]
async fn allowed_origin_may_change_data() {
    let guard = tower_guestbook::http::CrossOriginGuardLayer::new().allow_origin("https://app.example").unwrap();
    let site = Site::with(MemoryStore::new(), Mail::default(), rules().cross_origin(guard));
    let mut ada = site.login("ada").await;
    ada.origin = Some("https://app.example");
    assert_ok(&ada.post("/restriction", &json!({})).await, StatusCode::OK, "a friend");
    ada.origin = Some("https://evil.example");
    assert_problem(&ada.delete("/restriction").await, 403, "a stranger");
}

#[tokio::test]
async fn privacy_service_without_a_session_layer_gets_401() {
    let site = Site::new(MemoryStore::new());
    let bare = Router::new().nest("/privacy", site.guestbook.privacy_router());
    let ada = Caller { app: bare, ..site.login("ada").await };
    assert_problem(&ada.get("/requests").await, 401, "no layer");
    assert_problem(&ada.delete("/delete").await, 401, "no layer");
}

#[tokio::test]
async fn erased_user_gets_401() {
    let site = Site::new(MemoryStore::new());
    let ada = site.login("ada").await;
    let erased = ada.delete("/delete").await;
    assert_eq!(assert_ok(&erased, StatusCode::OK, "erased")["user_id"], "ada");
    assert!(erased.removes_cookie() && erased.headers.contains_key("clear-site-data"));
    for (method, path, body) in [("GET", "/requests", ""), ("POST", "/requests/access", "{}"), ("GET", "/export", "")] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        assert_problem(&ada.ask(method, path, &[JSON], body).await, 401, path);
    }
}

#[tokio::test]
async fn user_erased_in_another_process_gets_401() {
    let store = FaultyStore::default();
    let site = Site::new(store.clone());
    let ada = site.login("ada").await;
    assert_ok(&ada.get("/restriction").await, StatusCode::OK, "known");
    let elsewhere = Guestbook::builder(store).clock(site.clock.clone()).build().unwrap();
    elsewhere.rights().erase(&user("ada")).await.unwrap();
    let before = site.state().await;
    for (path, body) in
        [("/requests/access", json!({})), ("/restriction", json!({})), ("/objection/analytics", json!({}))]
    {
        assert_problem(&ada.post(path, &body).await, 401, path);
    }
    assert_eq!(site.state().await, before, "nothing of them is kept");
}
