//! The consent layer blocks and removes cookies whose purpose is not allowed.

use std::time::Duration;

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use tower_guestbook::{
    VisitorId,
    consent::{Category, ConsentRules, Purpose, PurposeCookie, Purposes, UndeclaredCookies},
    http::{SameSite, SessionCookie},
    session::Lifetime,
    store::MemoryStore,
};

use super::{Browser, DAY, Site, all, names, ok, rules, set_cookies, visitor};
use crate::support::{
    Answer, builder,
    faulty_store::{Fault, FaultyStore},
    send,
};

/// Cookies that somebody else has left in the browser.
fn leave(browser: &mut Browser, cookies: &[&str]) {
    for name in cookies {
        browser.cookies.insert((*name).to_owned(), "1".to_owned());
    }
}

/// The names of the cookies that a handler sees.
async fn seen(browser: &mut Browser) -> Vec<String> {
    let body = ok(browser.get("/cookies").await).body;
    body.split("; ").filter(|pair| !pair.is_empty()).map(|pair| pair.split('=').next().unwrap().to_owned()).collect()
}

/// The cookies that a response has removed, whole.
fn removals(answer: &Answer) -> Vec<&str> {
    set_cookies(answer).into_iter().filter(|cookie| cookie.contains("Max-Age=0")).collect()
}

const EVERYTHING: [&str; 6] = ["ads", "ads_", "ads_7", "adsx", "csrf", "unknown"];

#[tokio::test]
async fn consent_layer_passes_only_exempt_cookies_before_consent() {
    let site = Site::new(MemoryStore::new(), rules());
    let mut browser = site.browser();
    let first = ok(browser.get("/set-cookies").await);
    assert_eq!(set_cookies(&first), ["csrf=1; Path=/"]);
    ok(browser.post("/begin").await);
    browser.decline("analytics").await;
    leave(&mut browser, &EVERYTHING);
    assert_eq!(seen(&mut browser).await, ["__Host-consent", "__Host-session", "csrf"]);
}

#[tokio::test]
async fn consent_layer_passes_cookies_of_granted_purposes_and_blocks_undeclared_ones() {
    let site = Site::new(MemoryStore::new(), rules());
    let mut browser = site.browser();
    browser.grant("marketing").await;
    let answer = ok(browser.get("/set-cookies").await);
    let expected = ["csrf=1; Path=/", "ads=2; Path=/", "ads_7=3; Path=/; Domain=example.com"];
    assert_eq!(set_cookies(&answer), expected, "as the handler wrote them");
    assert!(all(&answer.headers, header::VARY).join(", ").contains("cookie"), "who may see it depends on consent");
    leave(&mut browser, &EVERYTHING);
    assert_eq!(seen(&mut browser).await, ["__Host-consent", "ads", "ads_", "ads_7", "csrf"]);
    browser.headers.insert("sec-gpc", "1".to_owned());
    assert_eq!(seen(&mut browser).await, ["__Host-consent", "csrf"], "the grant was made without the signal");
}

#[tokio::test]
async fn withdraw_blocks_and_removes_cookies_in_the_same_response() {
    let site = Site::new(MemoryStore::new(), rules().cookie_domains(["example.com", ".shop.example.com"]));
    let mut browser = site.browser();
    browser.grant("marketing").await;
    ok(browser.get("/set-cookies").await);
    leave(&mut browser, &["__Secure-other", "ads_7"]);
    let visitor = browser.cookies["__Host-consent"].clone();
    let gone = |name: &str| {
        ["", "; Domain=example.com", "; Domain=shop.example.com"]
            .map(|domain| format!("{name}=; Path=/{domain}; Max-Age=0"))
    };
    let both = [gone("ads"), gone("ads_7")].concat();

    let mut elsewhere = browser.clone();
    let withdrawn = ok(elsewhere.post("/set-cookies").await);
    assert_eq!(removals(&withdrawn), both);
    let set: Vec<_> = set_cookies(&withdrawn).into_iter().filter(|cookie| !cookie.contains("Max-Age=0")).collect();
    assert_eq!(set.len(), 2, "the handler tried to set five: {set:?}");
    assert!(set[0] == "csrf=1; Path=/" && set[1].starts_with(&format!("__Host-consent={visitor};")));

    // Another browser with a copy of the cookies did not see that answer and still has them.
    assert_eq!(
        set_cookies(&ok(browser.get("/").await)),
        [""; 0],
        "a late answer to a script could come after a new grant"
    );
    let mut browser = browser.opening_pages();
    let next = ok(browser.get("/").await);
    assert_eq!(set_cookies(&next), both);
    assert!(all(&next.headers, header::VARY).join(", ").contains("sec-gpc"));
    assert_eq!(set_cookies(&ok(browser.get("/").await)), [""; 0], "once they are gone there is nothing to remove");

    let mut plain = Site::new(MemoryStore::new(), rules()).browser();
    plain.grant("marketing").await;
    leave(&mut plain, &["ads"]);
    let withdrawn = ok(plain.post("/withdraw/marketing").await);
    assert_eq!(names(&withdrawn), ["ads", "__Host-consent"], "no other cookie than the visitor's is set");
    assert_eq!(removals(&withdrawn), ["ads=; Path=/; Max-Age=0"]);
}

#[tokio::test]
async fn undeclared_cookies_pass_with_undeclared_cookies_pass() {
    let site = Site::new(MemoryStore::new(), rules().undeclared_cookies(UndeclaredCookies::Pass));
    let mut browser = site.browser();
    assert_eq!(names(&ok(browser.get("/set-cookies").await)), ["csrf", "unknown", "adsx"]);
    leave(&mut browser, &EVERYTHING);
    assert_eq!(seen(&mut browser).await, ["adsx", "csrf", "unknown"]);
}

#[tokio::test]
async fn consent_layer_finds_cookies_in_any_form_of_the_header() {
    let site = Site::new(MemoryStore::new(), rules());
    for (lines, seen) in [
        (&["csrf=1; ads=2"][..], "csrf=1"),
        (&["csrf=1", "ads=2", "ads_9=3; csrf=4"], "csrf=1; csrf=4"),
        (&[" ads = 2 ;csrf=\"a=b\";;  "], "csrf=\"a=b\""),
        (&["ads", "csrf"], "csrf"),
        (&["=ads; ads=; CSRF=1; Ads=1"], ""),
        (&["ads=1"], ""),
    ] {
        let mut request = Request::get("/cookies");
        for line in lines {
            request = request.header(header::COOKIE, *line);
        }
        let answer = send(&site.app, request.body(Body::empty()).unwrap()).await;
        assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, seen), "{lines:?}");
    }
}

#[tokio::test]
async fn malformed_visitor_cookie_is_ignored_and_removed() {
    let store = FaultyStore::default();
    let site = Site::new(store.clone(), rules());
    let good = "0123456789ab4def8123456789abcdef";
    let asked = store.asked();
    for wrong in [
        "",
        "garbage",
        &"x".repeat(1 << 20),
        &"0".repeat(32),
        "0123456789ab1def8123456789abcdef",
        "0123456789ab7def8123456789abcdef",
        &good.to_uppercase(),
        "01234567-89ab-4def-8123-456789abcdef",
        &format!("{good}0"),
        &good[1..],
        "%30123456789ab4def8123456789abcdef",
        "\"0123456789ab4def8123456789abcdef\"",
        "0123456789ab4def8123456789abcde\u{663}",
        &format!("garbage; __Host-consent={}", good.to_uppercase()),
    ] {
        for path in ["/", "/states", "/history"] {
            let mut browser = site.browser().opening_pages();
            browser.cookies.insert("__Host-consent".to_owned(), wrong.to_owned());
            let answer = ok(browser.get(path).await);
            let removal = "__Host-consent=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0";
            let short: String = wrong.chars().take(80).collect();
            assert_eq!(set_cookies(&answer), [removal], "{path} {short}");
            assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
        }
    }
    assert_eq!(store.asked(), asked, "the store was neither asked nor told");

    let mut browser = site.browser();
    browser.cookies.insert("__Host-consent".to_owned(), "garbage".to_owned());
    let decided = browser.decline("analytics").await;
    assert_eq!(names(&decided), ["__Host-consent"], "who decides gets a right one at once");
    assert_eq!(browser.why("analytics").await, "denied");
}

#[tokio::test]
async fn first_well_formed_visitor_cookie_counts() {
    let site = Site::new(MemoryStore::new(), rules());
    let mut browser = site.browser();
    browser.decline("marketing").await;
    let mine = browser.cookies["__Host-consent"].clone();
    let other = VisitorId::generate().unwrap().as_uuid().as_simple().to_string();
    for (cookies, why) in [
        (format!("garbage; __Host-consent={mine}"), "denied"),
        (format!("{mine}; __Host-consent=garbage"), "denied"),
        (format!("{mine}; __Host-consent={other}"), "denied"),
        (format!("{other}; __Host-consent={mine}"), "undecided"),
        (format!("a; __Host-consent=b; __Host-consent=c; __Host-consent=d; __Host-consent={mine}"), "undecided"),
    ] {
        browser.cookies.insert("__Host-consent".to_owned(), cookies.clone());
        assert_eq!(browser.clone().why("marketing").await, why, "{cookies}");
    }
}

#[tokio::test]
async fn visitor_token_that_was_never_issued_is_ignored() {
    let store = FaultyStore::default();
    let site = Site::new(store, rules());
    let mut browser = site.browser();
    let made_up = VisitorId::generate().unwrap().as_uuid().as_simple().to_string();
    browser.cookies.insert("__Host-consent".to_owned(), made_up.clone());
    let answer = ok(browser.get("/states").await);
    assert_eq!(set_cookies(&answer), [""; 0]);
    for purpose in ["analytics", "marketing"] {
        assert_eq!((browser.why(purpose).await.as_str(), browser.allows(purpose).await), ("undecided", false));
    }
    assert_eq!(ok(browser.get("/history").await).body, "[]");
    assert!(site.records(&visitor(&made_up)).await.is_empty());
    assert_eq!(site.consents().rebuild().await.unwrap(), 0, "it was looked up and left no trace");
}

#[tokio::test]
async fn visitor_cookie_has_the_attributes_of_the_session_cookie() {
    use tower_guestbook::http::SessionCookie;
    let attributes = |cookie: SessionCookie, rules: ConsentRules| async move {
        let (builder, clock) = crate::support::builder(MemoryStore::new());
        let site = Site::of(builder.cookie(cookie).session_lifetime(Lifetime::default()), clock, rules);
        let mut browser = site.browser();
        let decided = browser.decline("marketing").await;
        let cookie = set_cookies(&decided)[0].to_owned();
        let (name, rest) = cookie.split_once('=').unwrap();
        (name.to_owned(), rest[32..].to_owned())
    };
    let plain = SessionCookie::new().name("sid").insecure_without_secure().path("/app").domain("example.com");
    let (name, rest) = attributes(plain.insecure_without_http_only(), rules()).await;
    assert_eq!(
        (&*name, &*rest),
        ("consent", "; HttpOnly; SameSite=Lax; Path=/app; Domain=example.com; Max-Age=15552000")
    );
    let (name, _) = attributes(SessionCookie::new(), rules().cookie_name("choice")).await;
    assert_eq!(name, "choice");
}

#[tokio::test]
async fn decide_replaces_a_planted_visitor_cookie() {
    let site = Site::new(MemoryStore::new(), rules());
    let planted = "0123456789ab4def8123456789abcdef";
    let mut browser = site.browser();
    browser.cookies.insert("__Host-consent".into(), planted.into());
    browser.grant("analytics").await;
    let own = browser.cookies["__Host-consent"].clone();
    assert_ne!(own, planted);
    browser.grant("marketing").await;
    assert_eq!(browser.cookies["__Host-consent"], own, "once it has decided it stays who it is");
}

#[tokio::test]
async fn consent_layer_blocks_but_does_not_remove_cookies_while_the_store_fails() {
    let faulty_store = FaultyStore::default();
    let site = Site::new(faulty_store.clone(), rules());
    let mut browser = site.browser();
    browser.grant("marketing").await;
    browser.cookies.insert("ads".into(), "1".into());
    site.clock.advance(Duration::from_secs(5));
    faulty_store.set(Fault::Failing);
    let outage = ok(browser.get("/page").await);
    assert!(set_cookies(&outage).is_empty(), "{:?}", set_cookies(&outage));
    faulty_store.set(Fault::Good);
    ok(browser.get("/page").await);
    assert!(browser.cookies.contains_key("ads"));
}

#[tokio::test]
async fn one_cookie_name_sent_50000_times_gets_one_removal() {
    let site = Site::new(MemoryStore::new(), rules());
    let ask = async |cookies: String| {
        let request = Request::get("/cookies").header(header::COOKIE, cookies);
        let request = request.header("sec-fetch-mode", "navigate").header("sec-fetch-dest", "document");
        ok(send(&site.app, request.body(Body::empty()).unwrap()).await)
    };
    let answer = ask("ads;".repeat(50_000)).await;
    assert_eq!((set_cookies(&answer), answer.body.as_str()), (vec!["ads=; Path=/; Max-Age=0"], ""));
    let answer = ask(format!("csrf=1; {}", "ads_1=a; ads; ads_2;".repeat(10_000))).await;
    assert_eq!((names(&answer), answer.body.as_str()), (vec!["ads_1", "ads", "ads_2"], "csrf=1"));
    let many: Vec<_> = (0..20_000).map(|number| format!("ads_{number}=1")).collect();
    let answer = ask(many.join("; ")).await;
    let bytes: usize = set_cookies(&answer).iter().map(|cookie| cookie.len()).sum();
    assert!(answer.body.is_empty() && set_cookies(&answer).len() == 64 && bytes < 4_096, "{bytes}");
}

/// Marketing with cookies of other paths and partitions.
fn rules_with_paths() -> ConsentRules {
    let marketing = Purpose::new("marketing", Category::Marketing).expiry(90 * DAY).cookies([
        PurposeCookie::new("ads"),
        PurposeCookie::new("basket_hint").path("/shop"),
        PurposeCookie::new("framed").partitioned(),
        PurposeCookie::new("shop_*").path("/shop").domain("example.com"),
        PurposeCookie::new("__utma"),
        PurposeCookie::new("__Secure-ads").path("/shop"),
    ]);
    ConsentRules::new(Purposes::builder().purpose(marketing).build().unwrap()).accept_grants_without_notice()
}

#[tokio::test]
async fn withdraw_removes_cookies_of_other_paths_and_partitions() {
    let site = Site::new(MemoryStore::new(), rules_with_paths());
    let mut browser = site.browser();
    assert_eq!(names(&browser.decline("marketing").await), ["__Host-consent"], "nothing was allowed");
    ok(browser.decide(serde_json::json!({ "made": [["marketing", "grant"]] })).await);
    leave(&mut browser, &["ads", "framed", "shop_1", "__utma"]);
    let elsewhere = ["basket_hint=; Path=/shop; Max-Age=0", "__Secure-ads=; Secure; Path=/shop; Max-Age=0"];

    let withdrawn = ok(browser.post("/withdraw/marketing").await);
    let removed = removals(&withdrawn);
    let expected = [
        "__utma=; Path=/; Max-Age=0",
        "ads=; Path=/; Max-Age=0",
        "framed=; SameSite=None; Partitioned; Secure; Path=/; Max-Age=0",
        "shop_1=; Path=/shop; Domain=example.com; Max-Age=0",
        elsewhere[0],
        elsewhere[1],
    ];
    assert_eq!(removed, expected);
    assert_eq!(removals(&browser.decline("marketing").await), [""; 0], "a second no takes nothing back");
    assert_eq!(set_cookies(&ok(browser.get("/").await)), [""; 0]);

    // At login, what the user had denied counts for the browser.
    let (mut ada, mut visitor) = (site.browser(), site.browser());
    ada.login("ada").await;
    ada.decline("marketing").await;
    ok(visitor.decide(serde_json::json!({ "made": [["marketing", "grant"]] })).await);
    assert_eq!(removals(&visitor.login("ada").await)[..2], elsewhere, "beside the visitor's own");
}

#[tokio::test]
async fn disallowed_cookies_are_removed_by_page_loads_and_partitioned_ones_by_frames() {
    let site = Site::new(MemoryStore::new(), rules_with_paths());
    let mut browser = site.browser();
    leave(&mut browser, &["ads", "framed"]);
    for (mode, destination, expected) in [
        ("cors", "empty", &[][..]),
        ("no-cors", "image", &[]),
        ("navigate", "iframe", &["framed"]),
        ("navigate", "document", &["ads", "framed"]),
    ] {
        let mut browser = browser.clone().with("sec-fetch-mode", mode).with("sec-fetch-dest", destination);
        let answer = ok(browser.get("/cookies").await);
        assert_eq!((names(&answer).as_slice(), answer.body.as_str()), (expected, ""), "{mode} {destination}");
    }
    assert_eq!(names(&ok(browser.get("/cookies").await)), [""; 0], "a client that says nothing of what it wants");
}

#[tokio::test]
async fn partitioned_session_cookie_has_a_partitioned_visitor_cookie_and_removals_repeat_it() {
    let (builder, clock) = builder(MemoryStore::new());
    let cookie = SessionCookie::new().same_site(SameSite::None).partitioned();
    let site = Site::of(builder.cookie(cookie), clock, rules());
    let mut browser = site.browser();
    let decided = browser.grant("marketing").await;
    let login = browser.login("ada").await;
    let logout = ok(browser.post("/logout").await);
    let all: Vec<_> = [&decided, &login, &logout].into_iter().flat_map(set_cookies).collect();
    let ours: Vec<_> = all.iter().filter(|cookie| cookie.starts_with("__Host-")).collect();
    assert_eq!(ours.len(), 4, "two are set and two are removed: {all:?}");
    for cookie in ours {
        assert!(cookie.contains("; SameSite=None; Partitioned; Secure; Path=/"), "{cookie}");
    }
}
