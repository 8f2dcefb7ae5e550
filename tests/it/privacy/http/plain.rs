//! The plain service, behind hyper and without a router.

use bytes::Bytes;
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::net::TcpListener;
use tower::{ServiceBuilder, ServiceExt};
use tower_guestbook::activity::{ActivityFilter, HistoryQuery};

use super::*;
use crate::support::server;

/// A server of plain hyper that has nothing else.
async fn serve(guestbook: &Guestbook) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let privacy = guestbook.privacy_service().prefix("/my/data/");
    let service = ServiceBuilder::new().layer(guestbook.layer()).service(privacy);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = TowerToHyperService::new(service.clone());
            tokio::spawn(async move {
                let connection = auto::Builder::new(TokioExecutor::new());
                connection.serve_connection(TokioIo::new(stream), service).await.unwrap();
            });
        }
    });
    address
}

#[tokio::test]
async fn privacy_service_answers_below_its_prefix_behind_hyper() {
    let site = Site::new(MemoryStore::new());
    let address = serve(&site.guestbook).await;
    let cookie = format!("__Host-session={}", site.login("ada").await.cookie.unwrap());
    let with_cookie = [("cookie", cookie.as_str()), JSON];
    let ask = async |method, path: &str, body: &'static str| {
        server::ask(&address, method, &format!("/my/data{path}"), &with_cookie, body).await
    };
    assert_eq!(server::ask(&address, Method::GET, "/my/data/requests", &[], "").await.status, StatusCode::UNAUTHORIZED);
    let filed = ask(Method::POST, "/requests/access", r#"{"message":"Please."}"#).await;
    assert_eq!((filed.status, &filed.json["request"]["message"]), (StatusCode::CREATED, &json!("Please.")));
    let id = filed.json["request"]["id"].as_str().unwrap();
    assert_eq!(ask(Method::GET, &format!("/requests/{id}"), "").await.json["request"]["id"], id);
    let head = ask(Method::HEAD, "/requests", "").await;
    assert_eq!((head.status, head.headers.contains_key("content-length")), (StatusCode::OK, true));
    assert_eq!(ask(Method::GET, "/export", "").await.json["user_id"], "ada");
    assert_eq!(ask(Method::PUT, "/requests", "").await.headers[header::ALLOW], "GET, HEAD");
    for outside in ["/requests", "/my/datarequests", "/my/data", "/my/other/requests"] {
        assert_eq!(server::ask(&address, Method::GET, outside, &with_cookie, "").await.status, StatusCode::NOT_FOUND);
    }
    let foreign = [with_cookie[0], ("origin", "https://evil.example")];
    let refused = server::ask(&address, Method::DELETE, "/my/data/delete", &foreign, "").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);

    site.guestbook.flush().await.unwrap();
    let query = HistoryQuery::new(ActivityFilter::new().user(user("ada")));
    let history = site.guestbook.activities().history(query).await.unwrap().activities;
    let routes: Vec<_> = history.iter().filter_map(|row| Some(&*row.event.request.as_ref()?.route)).collect();
    assert!(routes.contains(&"/my/data/requests/{request}"), "{routes:?}");
    assert!(!routes.iter().any(|route| route.contains(id)), "{routes:?}");

    assert_eq!(ask(Method::DELETE, "/delete", "").await.status, StatusCode::OK);
    assert_eq!(ask(Method::GET, "/requests", "").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn privacy_service_works_below_a_stripped_prefix() {
    let site = Site::new(MemoryStore::new());
    let app =
        support::routes().nest_service("/privacy", site.guestbook.privacy_service()).layer(site.guestbook.layer());
    let ada = Caller { app, ..site.login("ada").await };
    assert_ok(&ada.get("/requests").await, StatusCode::OK, "nested");
    assert_problem(&ada.get("/nowhere").await, 404, "and it answers all that is below");
    assert_problem(&ada.get("").await, 404, "the prefix alone is nothing");
}

#[tokio::test]
async fn privacy_service_accepts_any_body_type() {
    fn is_service<B>(_: &impl tower::Service<Request<B>>) {}
    let site = Site::new(MemoryStore::new());
    let service = site.guestbook.privacy_service();
    is_service::<Incoming>(&service);
    is_service::<Body>(&service);
    let request = Request::get("/nowhere").body(http_body_util::Full::new(Bytes::from_static(b"x"))).unwrap();
    assert_eq!(service.oneshot(request).await.unwrap().status(), StatusCode::NOT_FOUND);
    fn is_sendable<T: Send + Sync + 'static>(_: &T) {}
    is_sendable(&site.guestbook.privacy_service());
    assert!(format!("{:?}", site.guestbook.privacy_service()).starts_with("PrivacyService"));
}
