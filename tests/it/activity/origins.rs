//! Origins of requests: addresses behind proxies, referrers.

use axum::{Router, body::Body, http::Request};
use http::HeaderValue;
use http_body_util::BodyExt;
use tower::ServiceExt;
use tower_guestbook::{
    Guestbook,
    activity::{ActivityFilter, ActivityRules, HistoryQuery, RequestTrace},
    client::DeviceClass,
    http::{ClientAddress, PeerAddress},
    store::MemoryStore,
};

use crate::{
    activity::requests::events,
    support::{FIREFOX, TestClient, builder, routes},
};

/// Records a request with these headers, some of which may have the same name.
async fn recorded(guestbook: &Guestbook, headers: &[(&'static str, &[u8])]) -> Option<RequestTrace> {
    let before = events(guestbook).await.len();
    let mut request = Request::get("/").header("user-agent", FIREFOX).body(Body::empty()).unwrap();
    for (name, value) in headers {
        request.headers_mut().append(*name, HeaderValue::from_bytes(value).unwrap());
    }
    let app: Router = Router::new().fallback(async || "x").layer(guestbook.layer());
    app.oneshot(request).await.unwrap().into_body().collect().await.unwrap();
    let mut events = events(guestbook).await.split_off(before);
    assert!(events.len() <= 1);
    events.pop().map(|event| event.request.unwrap())
}

async fn network(address: ClientAddress, headers: &[(&'static str, &[u8])]) -> Option<String> {
    let guestbook = builder(MemoryStore::new()).0.client_address(address).build().unwrap();
    recorded(&guestbook, headers).await.unwrap().network.map(|network| network.to_string())
}

#[tokio::test]
async fn forwarded_header_parses_quoted_strings() {
    let one = ClientAddress::Forwarded { proxies: 1 };
    for value in [
        br#"for=203.0.113.9;host="a,for=198.51.100.66""#.as_slice(),
        br#"for=203.0.113.9;host="a\",for=198.51.100.66;x=\"""#,
        br#"for="203.0.113.9:_hidden";host="a;for=198.51.100.66""#,
        br#"for=198.51.100.66;host="open, for=203.0.113.9"#,
        b"for=\xff;for=198.51.100.66, for=203.0.113.9",
    ] {
        let network = network(one, &[("forwarded", value)]).await;
        assert_eq!(network.as_deref(), Some("203.0.113.0/24"), "{}", String::from_utf8_lossy(value));
    }
    let twice = [("forwarded", b"for=203.0.113.9;for=198.51.100.66".as_slice())];
    assert_eq!(network(one, &twice).await, None, "an element has each parameter once");
    let lines: [(_, &[u8]); 2] =
        [("forwarded", br#"for=198.51.100.66, for=203.0.113.9;host="b,c""#), ("forwarded", b"for=10.0.0.1")];
    assert_eq!(network(ClientAddress::Forwarded { proxies: 2 }, &lines).await.as_deref(), Some("203.0.113.0/24"));
}

#[tokio::test]
async fn forwarded_address_survives_invalid_bytes_of_the_client() {
    let one = ClientAddress::XForwardedFor { proxies: 1 };
    let same_line = [("x-forwarded-for", b"\xfflie, 203.0.113.9".as_slice())];
    assert_eq!(network(one, &same_line).await.as_deref(), Some("203.0.113.0/24"));
    let (bad, client, proxy) = (
        ("x-forwarded-for", b"198.51.100.66, \xff\xfe".as_slice()),
        ("x-forwarded-for", b"203.0.113.9".as_slice()),
        ("x-forwarded-for", b"10.0.0.1".as_slice()),
    );
    assert_eq!(network(one, &[bad, client]).await.as_deref(), Some("203.0.113.0/24"));
    let two = ClientAddress::XForwardedFor { proxies: 2 };
    assert_eq!(network(two, &[bad, client, proxy]).await.as_deref(), Some("203.0.113.0/24"));
    assert_eq!(network(two, &[bad, proxy]).await, None, "what is no address is not replaced by another");
}

/// Returns the referrer of a request to `shop.example` with these headers; `None` also for a
/// skipped request.
async fn referrer(guestbook: &Guestbook, headers: &[(&'static str, &str)]) -> Option<String> {
    let host = [("host", "shop.example")].into_iter().filter(|_| !headers.iter().any(|(name, _)| *name == "host"));
    let headers: Vec<_> = host.chain(headers.iter().copied()).map(|(name, value)| (name, value.as_bytes())).collect();
    recorded(guestbook, &headers).await?.referrer.map(String::from)
}

#[tokio::test]
async fn own_hosts_are_no_referrer_behind_a_rewriting_proxy() {
    let proxied = ("host", "backend:8080");
    let from_shop = ("referer", "https://shop.example/page");
    let plain = builder(MemoryStore::new()).0.build().unwrap();
    let with = async |header| referrer(&plain, &[proxied, from_shop, header]).await;
    assert_eq!(with(("sec-fetch-site", "same-origin")).await, None);
    assert_eq!(with(("sec-fetch-site", "cross-site")).await.as_deref(), Some("shop.example"));
    assert_eq!(with(("x-forwarded-host", "shop.example")).await.as_deref(), Some("shop.example"), "nobody trusts it");
    assert_eq!(with(("forwarded", "for=203.0.113.9;host=shop.example")).await.as_deref(), Some("shop.example"));

    let own = ActivityRules::new().own_hosts(["Shop.Example.:443", "*.shop.example"]);
    let own = builder(MemoryStore::new()).0.activity(own).build().unwrap();
    for (host, expected) in [
        ("shop.example", None),
        ("de.shop.example.", None),
        ("a.de.SHOP.example", None),
        ("noshop.example", Some("noshop.example")),
        ("shop.example.evil.example", Some("shop.example.evil.example")),
    ] {
        let url = format!("https://{host}/page");
        assert_eq!(referrer(&own, &[proxied, ("referer", &url)]).await.as_deref(), expected, "{host}");
    }

    let behind = |address| builder(MemoryStore::new()).0.client_address(address).build().unwrap();
    let forwarded = behind(ClientAddress::Forwarded { proxies: 2 });
    let named = [
        ("forwarded", r#"host=evil.example, for=203.0.113.9;host="Shop.example:443""#),
        ("forwarded", "for=10.0.0.1;host=inner"),
    ];
    assert_eq!(referrer(&forwarded, &[proxied, from_shop, named[0], named[1]]).await, None);
    let evil = ("referer", "https://evil.example/");
    assert_eq!(referrer(&forwarded, &[proxied, evil, named[0], named[1]]).await.as_deref(), Some("evil.example"));
    let x_forwarded = behind(ClientAddress::XForwardedFor { proxies: 1 });
    let named = ("x-forwarded-host", "evil.example, shop.example");
    assert_eq!(referrer(&x_forwarded, &[proxied, from_shop, named]).await, None);
    assert_eq!(referrer(&x_forwarded, &[proxied, evil, named]).await.as_deref(), Some("evil.example"));
}

#[tokio::test]
async fn referrer_hosts_are_normalised_and_www_is_kept_by_default() {
    let (plain, bare) = (ActivityRules::new(), ActivityRules::new().ignore_www(true));
    let [plain, bare] = [plain, bare].map(|rules| builder(MemoryStore::new()).0.activity(rules).build().unwrap());
    for (url, as_sent, without_www) in [
        ("https://news.example/", Some("news.example"), Some("news.example")),
        ("https://news.example./a", Some("news.example"), Some("news.example")),
        ("https://NEWS.Example.:8443/?q", Some("news.example"), Some("news.example")),
        ("http://www.news.example/", Some("www.news.example"), Some("news.example")),
        ("https://shop.example./", None, None),
        ("https://SHOP.example.:443/", None, None),
        ("https://www.shop.example/", Some("www.shop.example"), None),
        ("https://www.example/", Some("www.example"), Some("www.example")),
    ] {
        assert_eq!(referrer(&plain, &[("referer", url)]).await.as_deref(), as_sent, "{url}");
        assert_eq!(referrer(&bare, &[("referer", url)]).await.as_deref(), without_www, "{url}");
    }
    let own_with_dot = [("host", "www.shop.example.:443"), ("referer", "https://shop.example/")];
    assert_eq!(referrer(&bare, &own_with_dot).await, None);
}

#[tokio::test]
async fn referrer_spam_is_skipped_and_counted_unless_logged_in() {
    let rules = ActivityRules::new().exclude_referrers(["Spam.example."]);
    let guestbook = builder(MemoryStore::new()).0.activity(rules).build().unwrap();
    for url in
        ["https://spam.example/", "https://a.spam.example./x", "https://semalt.com/", "https://www.semalt.semalt.com/"]
    {
        let headers = [("host", b"shop.example".as_slice()), ("referer", url.as_bytes())];
        assert_eq!(recorded(&guestbook, &headers).await, None, "{url}");
    }
    assert_eq!(guestbook.activity_layer().skipped().referrer_spam, 4);
    let other = referrer(&guestbook, &[("referer", "https://notspam.example/")]).await;
    assert_eq!(other.as_deref(), Some("notspam.example"));

    let app = routes().layer(guestbook.layer());
    let mut client = TestClient::new(&app);
    client.ok("/login/ada").await;
    let cookie = format!("__Host-session={}", client.cookie.as_deref().unwrap());
    let headers = [("referer", b"https://spam.example/".as_slice()), ("cookie", cookie.as_bytes())];
    let trace = recorded(&guestbook, &headers).await.expect("a logged-in user is no spammer");
    assert_eq!(trace.referrer, None, "but spam is no referrer");

    let known = ActivityRules::new().exclude_known_spam(false);
    let guestbook = builder(MemoryStore::new()).0.activity(known).build().unwrap();
    assert_eq!(referrer(&guestbook, &[("referer", "https://semalt.com/")]).await.as_deref(), Some("semalt.com"));
}

#[tokio::test]
async fn invented_referrers_of_one_network_leave_room_for_others() {
    let guestbook = builder(MemoryStore::new()).0.build().unwrap();
    let app: Router = Router::new().fallback(async || "x").layer(guestbook.layer());
    let ask = async |host: String, network: u8| {
        let request = Request::get("/").header("user-agent", FIREFOX).header("referer", format!("https://{host}/"));
        let mut request = request.body(Body::empty()).unwrap();
        request.extensions_mut().insert(PeerAddress(([203, 0, network, 7], 40_000).into()));
        app.clone().oneshot(request).await.unwrap().into_body().collect().await.unwrap();
    };
    for number in 0..3_000 {
        ask(format!("made-up-{number}.example"), 1).await;
    }
    ask("real.example".into(), 2).await;
    ask("real.example".into(), 1).await;
    guestbook.flush().await.unwrap();
    let mut query = HistoryQuery::new(ActivityFilter::new()).limit(1_000);
    let mut seen = std::collections::BTreeMap::<String, usize>::new();
    loop {
        let page = guestbook.activities().history(query.clone()).await.unwrap();
        for activity in page.activities {
            *seen.entry(activity.event.request.unwrap().referrer.unwrap().into()).or_default() += 1;
        }
        match page.next {
            Some(next) => query = query.after(next),
            None => break,
        }
    }
    assert_eq!((seen[":other"], seen["real.example"], seen.len()), (500, 2, 2_502));
}

#[tokio::test]
async fn bot_detection_accepts_phones_and_finds_driven_browsers() {
    let guestbook = builder(MemoryStore::new()).0.build().unwrap();
    let app: Router = Router::new().fallback(async || "x").layer(guestbook.layer());
    let chrome = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0";
    for (agent, is_person) in [
        (format!("Mozilla/5.0 (Linux; Android 9; CUBOT_X19) {chrome} Mobile Safari/537.36"), true),
        (format!("Mozilla/5.0 (Linux; Android 13; Spider 8) {chrome} Mobile Safari/537.36"), true),
        (format!("Mozilla/5.0 (Linux; Android 7.0; M bot 60 Build/NRD90M; wv) {chrome} Mobile Safari/537.36"), true),
        (format!("Mozilla/5.0 (X11; Linux x86_64) {chrome} Safari/537.36"), true),
        (
            format!("Mozilla/5.0 (X11; Linux x86_64) {} Safari/537.36", chrome.replace("Chrome", "HeadlessChrome")),
            false,
        ),
        (
            format!("Mozilla/5.0 (Linux; Android 7.0; Moto G (4)) {chrome} Mobile Safari/537.36 Chrome-Lighthouse"),
            false,
        ),
        (
            "Mozilla/5.0 (Unknown; Linux x86_64) AppleWebKit/534.34 (KHTML, like Gecko) PhantomJS/1.9.7".to_owned(),
            false,
        ),
    ] {
        let before = events(&guestbook).await.len();
        let request = Request::get("/").header("user-agent", &agent).body(Body::empty()).unwrap();
        app.clone().oneshot(request).await.unwrap().into_body().collect().await.unwrap();
        let recorded = events(&guestbook).await.split_off(before);
        assert_eq!(recorded.len(), usize::from(is_person), "{agent}");
        assert!(recorded.iter().all(|event| event.request.as_ref().unwrap().agent.device != DeviceClass::Bot));
    }
    assert_eq!(guestbook.activity_layer().skipped().bots, 3);
}
