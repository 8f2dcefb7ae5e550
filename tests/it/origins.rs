//! Where requests come from: addresses behind proxies, referrers.

use axum::{Router, body::Body, http::Request};
use http::HeaderValue;
use http_body_util::BodyExt;
use tower::ServiceExt;
use tower_guestbook::{Guestbook, activity::RequestTrace, http::ClientAddress, store::MemoryStore};

use crate::{
    activity::events,
    support::{FIREFOX, builder},
};

/// What is recorded of a request with these headers, several of which may have one name.
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
async fn forwarded_is_read_with_its_quoted_strings_so_that_a_host_cannot_pretend_to_be_an_element() {
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
async fn a_bad_byte_of_a_stranger_does_not_hide_the_address_that_a_proxy_appended() {
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
