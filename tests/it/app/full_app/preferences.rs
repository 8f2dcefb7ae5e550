//! What somebody likes.

use super::*;

const PATH: &str = "/api/preferences";
const MERGE: (&str, &str) = ("content-type", "application/merge-patch+json");

impl TestClient<'_> {
    async fn preferences(&mut self) -> Value {
        let reply = self.get(PATH).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.json);
        reply.json
    }

    pub(super) async fn patch(&mut self, patch: Value) {
        let reply = self.ask(Method::PATCH, PATH, &[MERGE], &patch.to_string()).await;
        assert_updated(&reply);
    }
}

fn assert_updated(reply: &Reply) {
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.json);
    assert_eq!(reply.json, json!({ "status": "success", "message": "Preferences updated" }));
    assert!(etag(reply).starts_with('"'));
}

fn etag(reply: &Reply) -> String {
    reply.headers[header::ETAG].to_str().unwrap().to_owned()
}

fn defaults() -> Value {
    json!({
        "theme": "light",
        "language": "en",
        "notifications": { "email": true, "push": false, "sms": false },
        "privacy": { "profile_public": false, "show_activity": true, "allow_analytics": true },
    })
}

#[tokio::test]
async fn full_app_starts_everybody_with_the_defaults_and_keeps_what_they_change() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let (mut visitor, mut user) = (TestClient::new(&server), TestClient::new(&server));
    user.login("user1", "user123").await;
    for guest in [&mut visitor, &mut user] {
        assert_eq!(guest.preferences().await, defaults());
        let whole = json!({
            "theme": "dark",
            "language": "de",
            "notifications": { "email": false, "push": true, "sms": true },
            "privacy": { "profile_public": true, "show_activity": false, "allow_analytics": false },
        });
        assert_updated(&guest.send(Method::PUT, PATH, &whole).await);
        assert_eq!(guest.preferences().await, whole);
        guest.patch(json!({ "notifications": { "sms": false }, "theme": "system" })).await;
        let mut expected = whole.clone();
        expected["theme"] = json!("system");
        expected["notifications"]["sms"] = json!(false);
        assert_eq!(guest.preferences().await, expected, "a PATCH changes what it names");

        assert_updated(&guest.send(Method::PUT, PATH, &json!({ "notifications": { "sms": true } })).await);
        expected["notifications"] = json!({ "email": true, "push": false, "sms": true });
        assert_eq!(guest.preferences().await, expected, "a PUT replaces the category that it names");
        assert_updated(&guest.send(Method::PUT, PATH, &json!({ "privacy": { "profile_public": true } })).await);
        expected["privacy"]["show_activity"] = json!(true);
        assert_eq!(guest.preferences().await, expected, "and no decision is forgotten by the way");
    }
    let mut device = TestClient::new(&server);
    device.login("user1", "user123").await;
    assert_eq!(device.preferences().await, user.preferences().await, "on every device");
    assert_eq!(TestClient::new(&server).preferences().await, defaults(), "others have their own");
}

#[tokio::test]
async fn full_app_resets_a_key_or_a_category() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let mut guest = TestClient::new(&server);
    guest.login("user1", "user123").await;
    let changed = json!({ "theme": "dark", "notifications": { "email": false, "push": true, "sms": true } });
    guest.patch(changed).await;
    let mut expected = defaults();
    expected["theme"] = json!("dark");
    expected["notifications"] = json!({ "email": true, "push": true, "sms": true });
    let reset = guest.ask(Method::DELETE, "/api/preferences/notifications.email", &[], "").await;
    assert_eq!(reset.json, json!({ "status": "success", "message": "Preferences reset" }));
    assert_eq!(guest.preferences().await, expected);
    guest.ask(Method::DELETE, "/api/preferences/notifications", &[], "").await;
    expected["notifications"] = defaults()["notifications"].clone();
    assert_eq!(guest.preferences().await, expected);
    guest.patch(json!({ "theme": null })).await;
    assert_eq!(guest.preferences().await, defaults(), "null resets (RFC 7396)");
    guest.patch(json!({ "notifications": { "sms": true } })).await;
    guest.patch(json!({ "notifications": {} })).await;
    assert_eq!(guest.preferences().await["notifications"]["sms"], true, "and an empty object changes nothing");
    guest.send(Method::PUT, PATH, &json!({ "notifications": {} })).await;
    assert_eq!(guest.preferences().await, defaults(), "unless it is to replace what is there");

    for unknown in ["colour", "notifications.pigeon", "theme.shade", "notifications.", ".", "notifications%2Femail"] {
        let refused = guest.ask(Method::DELETE, &format!("/api/preferences/{unknown}"), &[], "").await;
        assert_error(&refused, StatusCode::NOT_FOUND, unknown);
    }
    let decision = guest.ask(Method::DELETE, "/api/preferences/privacy.allow_analytics", &[], "").await;
    assert_error(&decision, StatusCode::UNPROCESSABLE_ENTITY, "a decision can be changed, not forgotten");
    guest.patch(json!({ "privacy": { "profile_public": true, "allow_analytics": false } })).await;
    let category = guest.ask(Method::DELETE, "/api/preferences/privacy", &[], "").await;
    assert_eq!(category.status, StatusCode::OK);
    expected = defaults();
    expected["privacy"]["allow_analytics"] = json!(false);
    assert_eq!(guest.preferences().await, expected);
}

#[tokio::test]
async fn full_app_refuses_what_is_wrong_with_preferences_and_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let (mut visitor, mut user) = (TestClient::new(&server), TestClient::new(&server));
    user.login("user1", "user123").await;
    for guest in [&mut visitor, &mut user] {
        for method in [Method::PUT, Method::PATCH] {
            for body in ["", "{}", "[]", "null", "7", "\"dark\"", "[{\"theme\":\"dark\"}]", "no json", "{", "\u{0}"] {
                let refused = guest.ask(method.clone(), PATH, &[JSON], body).await;
                assert_error(&refused, StatusCode::BAD_REQUEST, body);
            }
            for (body, name) in [
                (json!({ "colour": "red" }), "colour"),
                (json!({ "theme": "needle" }), "theme"),
                (json!({ "theme": true }), "theme"),
                (json!({ "theme": ["dark"] }), "theme"),
                (json!({ "theme": {} }), "theme"),
                (json!({ "theme": { "shade": null } }), "theme"),
                (json!({ "theme": "dark", "language": 7 }), "language"),
                (json!({ "language": "not a tag" }), "language"),
                (json!({ "language": "\"><script>" }), "language"),
                (json!({ "notifications": true }), "notifications"),
                (json!({ "notifications": { "email": "needle" } }), "notifications.email"),
                (json!({ "notifications": { "email": 1 } }), "notifications.email"),
                (json!({ "notifications": { "pigeon": true } }), "notifications.pigeon"),
                (json!({ "privacy": { "allow_analytics": "needle" } }), "privacy.allow_analytics"),
                (json!({ "privacy": { "allow_analytics": null } }), "privacy.allow_analytics"),
                (json!({ "privacy": { "allow_analytics": false, "profile_public": 7 } }), "privacy.profile_public"),
                (json!({ "colour": "x".repeat(10_000) }), "colour"),
            ] {
                let refused = guest.ask(method.clone(), PATH, &[JSON], &body.to_string()).await;
                assert_error(&refused, StatusCode::UNPROCESSABLE_ENTITY, &body.to_string());
                let error = refused.json["error"].as_str().unwrap();
                assert!(error.contains(name) && !error.contains("needle"), "{body}: {error}");
            }
            for large in [16 * 1024, 1 << 20] {
                let body = json!({ "colour": "x".repeat(large) }).to_string();
                let refused = guest.ask(method.clone(), PATH, &[JSON], &body).await;
                assert_error(&refused, StatusCode::PAYLOAD_TOO_LARGE, "large");
            }
        }
        for (method, content_type) in [
            (Method::PUT, "application/merge-patch+json"),
            (Method::PUT, "text/plain"),
            (Method::PATCH, "application/json-patch+json"),
            (Method::PATCH, "application/x-www-form-urlencoded"),
            (Method::PATCH, ""),
        ] {
            let headers = [("content-type", content_type)];
            let refused = guest.ask(method, PATH, &headers, r#"{"theme":"dark"}"#).await;
            assert_error(&refused, StatusCode::UNSUPPORTED_MEDIA_TYPE, content_type);
        }
        let typeless = guest.ask(Method::PUT, PATH, &[], r#"{"theme":"dark"}"#).await;
        assert_error(&typeless, StatusCode::UNSUPPORTED_MEDIA_TYPE, "no type");
        assert_eq!(guest.preferences().await, defaults(), "nothing of all that was kept");
        assert_eq!(guest.get("/api/consent").await.json["history"], json!([]), "nor decided");
        for (method, content_type) in [
            (Method::PUT, "application/json; charset=utf-8"),
            (Method::PATCH, "Application/JSON"),
            (Method::PATCH, "application/merge-patch+json;charset=utf-8"),
        ] {
            let headers = [("content-type", content_type)];
            assert_updated(&guest.ask(method, PATH, &headers, r#"{"theme":"dark"}"#).await);
        }
    }
}

#[tokio::test]
async fn full_app_knows_versions_of_preferences_by_their_etag() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let (mut guest, mut device) = (TestClient::new(&server), TestClient::new(&server));
    guest.login("user1", "user123").await;
    device.login("user1", "user123").await;
    let first = guest.get(PATH).await;
    let tag = etag(&first);
    assert_eq!(first.headers[header::CACHE_CONTROL], "private, no-cache");
    for known in [tag.clone(), "*".into(), format!("W/{tag}"), format!("\"0-0\", {tag}")] {
        let same = guest.ask(Method::GET, PATH, &[("if-none-match", &known)], "").await;
        assert_eq!((same.status, etag(&same), &same.json), (StatusCode::NOT_MODIFIED, tag.clone(), &Value::Null));
    }
    let other = guest.ask(Method::GET, PATH, &[("if-none-match", "\"0-0\"")], "").await;
    assert_eq!(other.status, StatusCode::OK);

    let change = async |guest: &mut TestClient<'_>, tag: &str, body: Value| {
        guest.ask(Method::PATCH, PATH, &[MERGE, ("if-match", tag)], &body.to_string()).await
    };
    let dark = change(&mut guest, &tag, json!({ "theme": "dark" })).await;
    assert_updated(&dark);
    assert_eq!(etag(&dark), etag(&guest.get(PATH).await), "the answer to a change names what is there now");
    assert_ne!(etag(&dark), tag);
    let digest = etag(&dark).trim_matches('"').split_once('-').unwrap().1.to_owned();
    let (other_version, other_value) = (format!("\"99-{digest}\""), "\"1-ffffffffffffffff\"");
    let stale = [&tag, &other_version, other_value, "\"99-0\"", "nonsense", "W/\"1-0\"", "\"\""];
    for stale in stale {
        let refused = change(&mut device, stale, json!({ "theme": "system" })).await;
        assert_error(&refused, StatusCode::PRECONDITION_FAILED, stale);
        let refused = device.ask(Method::PUT, PATH, &[JSON, ("if-match", stale)], r#"{"theme":"system"}"#).await;
        assert_error(&refused, StatusCode::PRECONDITION_FAILED, stale);
    }
    let theme = "/api/preferences/theme";
    let refused = device.ask(Method::DELETE, theme, &[("if-match", &tag)], "").await;
    assert_error(&refused, StatusCode::PRECONDITION_FAILED, "a reset is a change");
    assert_eq!(guest.preferences().await["theme"], "dark");
    assert_updated(
        &change(&mut device, &format!("\"a,b\", {}", etag(&dark)), json!({ "notifications": { "push": true } })).await,
    );
    assert_updated(&change(&mut device, "*", json!({ "notifications": { "sms": true } })).await);
    assert_eq!(guest.ask(Method::GET, PATH, &[("if-none-match", &tag)], "").await.status, StatusCode::OK);
}

#[tokio::test]
async fn full_app_loses_nothing_where_tabs_change_different_keys_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let user = token(&server, "user1", "user123").await;
    for value in [true, false, true] {
        let change = async |patch: Value| with(&server, &user, Method::PATCH, PATH, &patch.to_string()).await.status;
        let theme = if value { "dark" } else { "light" };
        let all = tokio::join!(
            change(json!({ "theme": theme })),
            change(json!({ "notifications": { "email": !value } })),
            change(json!({ "notifications": { "push": value } })),
            change(json!({ "notifications": { "sms": value } })),
            change(json!({ "privacy": { "profile_public": value } })),
        );
        assert_eq!(all, (StatusCode::OK, StatusCode::OK, StatusCode::OK, StatusCode::OK, StatusCode::OK));
        let preferences = with(&server, &user, Method::GET, PATH, "").await.json;
        assert_eq!(preferences["theme"], theme);
        assert_eq!(preferences["notifications"], json!({ "email": !value, "push": value, "sms": value }));
        assert_eq!(preferences["privacy"]["profile_public"], value);
    }
}

#[tokio::test]
async fn full_app_negotiates_preferences_until_chosen() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let wishes = [("accept-language", "fr, de-AT;q=0.9, en;q=0.5"), ("sec-ch-prefers-color-scheme", "\"dark\"")];
    let seen = async |guest: &mut TestClient<'_>| {
        let reply = guest.ask(Method::GET, PATH, &wishes, "").await;
        let depends = (varies_by(&reply, "accept-language"), varies_by(&reply, "sec-ch-prefers-color-scheme"));
        (reply.json["language"].clone(), reply.json["theme"].clone(), depends)
    };
    let (mut visitor, mut user) = (TestClient::new(&server), TestClient::new(&server));
    user.login("user1", "user123").await;
    for guest in [&mut visitor, &mut user] {
        assert_eq!(seen(guest).await, (json!("de"), json!("dark"), (true, true)));
        guest.patch(json!({ "language": "en" })).await;
        assert_eq!(seen(guest).await, (json!("en"), json!("dark"), (false, true)), "a choice, if it is the default");
        guest.patch(json!({ "theme": "light" })).await;
        assert_eq!(seen(guest).await, (json!("en"), json!("light"), (false, false)));
        guest.ask(Method::DELETE, "/api/preferences/theme", &[], "").await;
        assert_eq!(seen(guest).await, (json!("en"), json!("dark"), (false, true)), "reset is as if nobody had chosen");
    }
}

#[tokio::test]
async fn full_app_merges_visitor_preferences_at_login() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let mut device = TestClient::new(&server);
    device.login("user1", "user123").await;
    device.patch(json!({ "theme": "system" })).await;
    let mut guest = TestClient::new(&server);
    guest.patch(json!({ "theme": "dark", "language": "de", "notifications": { "sms": true } })).await;
    guest.login("user1", "user123").await;
    for guest in [&mut guest, &mut device] {
        let preferences = guest.preferences().await;
        assert_eq!((&preferences["theme"], &preferences["language"]), (&json!("system"), &json!("de")));
        assert_eq!(preferences["notifications"]["sms"], true);
    }
    guest.send(Method::POST, "/auth/logout", &Value::Null).await;
    assert_eq!(guest.preferences().await, defaults(), "nothing of the account is left on the device");
}

#[tokio::test]
async fn full_app_consent_and_preference_of_analytics_agree() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let (mut visitor, mut user) = (TestClient::new(&server), TestClient::new(&server));
    user.login("user1", "user123").await;
    for guest in [&mut visitor, &mut user] {
        guest.patch(json!({ "privacy": { "allow_analytics": true } })).await;
        assert_eq!(guest.get("/api/consent").await.json["history"], json!([]), "what holds already is no decision");
        guest.patch(json!({ "privacy": { "allow_analytics": false } })).await;
        let state = guest.get("/api/consent").await.json;
        let purposes = state["purposes"].as_array().unwrap();
        let analytics = purposes.iter().find(|purpose| purpose["id"] == "analytics").unwrap();
        assert_eq!((&analytics["why"], &analytics["allowed"]), (&json!("objected"), &json!(false)));
        assert_eq!(state["history"][0]["source"], "preferences");
        let yes = json!({ "consent_type": "analytics", "granted": true });
        assert_eq!(guest.send(Method::POST, "/api/consent", &yes).await.status, StatusCode::OK);
        assert_eq!(guest.preferences().await, defaults(), "the other way round");
        guest.patch(json!({ "privacy": { "allow_analytics": false } })).await;
    }
    let before = user.activities().await;
    user.send(Method::POST, "/api/track/action", &json!({ "action": "wave" })).await;
    assert_eq!(user.activities().await, before, "a switch that does something");
}
