//! `examples/axum_login.rs`, from outside.

use axum::http::{Method, StatusCode, header};

use crate::support::server::{Reply, Server, ask};

/// A client that keeps its cookie and follows no redirect.
struct Browser<'a> {
    server: &'a Server,
    cookie: String,
}

impl<'a> Browser<'a> {
    fn new(server: &'a Server) -> Self {
        Self { server, cookie: String::new() }
    }

    async fn get(&mut self, path: &str) -> Reply {
        self.send(Method::GET, path, "").await
    }

    async fn post(&mut self, path: &str, form: &str) -> Reply {
        self.send(Method::POST, path, form).await
    }

    async fn send(&mut self, method: Method, path: &str, form: &str) -> Reply {
        let headers = [("cookie", self.cookie.as_str()), ("content-type", "application/x-www-form-urlencoded")];
        let reply = ask(&self.server.address, method, path, &headers, form.to_owned()).await;
        if let Some(cookie) = reply.set_cookie() {
            self.cookie = cookie.split(';').next().unwrap().to_owned();
        }
        reply
    }

    async fn login(&mut self, name: &str) {
        let reply = self.post("/login", &format!("username={name}&password=hunter42")).await;
        assert_eq!((reply.status, location(&reply)), (StatusCode::SEE_OTHER, "/"));
    }

    /// Whether the home page wants a login.
    async fn is_logged_out(&mut self) -> bool {
        let reply = self.get("/").await;
        reply.status == StatusCode::TEMPORARY_REDIRECT && location(&reply) == "/login?next=%2F"
    }
}

fn location(reply: &Reply) -> &str {
    reply.headers.get(header::LOCATION).map(|location| location.to_str().unwrap()).unwrap_or_default()
}

/// The ids of the sessions that the home page lists, the current one last.
fn sessions(page: &str) -> (Vec<&str>, &str) {
    let line = |line: &str| line.split_once("session ").map(|(_, rest)| rest.split(' ').next().unwrap().len());
    let lines: Vec<_> = page.lines().filter(|text| line(text).is_some()).collect();
    let id = |line: &&str| -> usize { line.find("session ").unwrap() + "session ".len() };
    let ids = lines.iter().map(|line| &line[id(line)..id(line) + 36]).collect();
    let current = lines.iter().find(|line| line.contains("(this one)")).unwrap();
    (ids, &current[id(current)..id(current) + 36])
}

#[tokio::test(flavor = "multi_thread")]
async fn axum_login_app_lists_ends_and_erases_sessions() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_example("axum_login", directory.path());
    let mut browser = Browser::new(&server);
    assert!(browser.is_logged_out().await && browser.cookie.is_empty());
    let reply = browser.post("/login", "username=ferris&password=wrong").await;
    assert_eq!((reply.status, reply.set_cookie()), (StatusCode::UNAUTHORIZED, None));
    let reply = browser.post("/login", "username=ferris&password=hunter42&next=%2Frestricted").await;
    assert_eq!((reply.status, location(&reply)), (StatusCode::SEE_OTHER, "/restricted"));
    assert_eq!(location(&browser.get("/restricted").await), "/login?next=%2Frestricted", "ferris may not");

    let mut phone = Browser::new(&server);
    phone.login("ferris").await;
    let page = phone.get("/").await.text;
    let (ids, current) = sessions(&page);
    assert!(page.contains("Hello ferris") && ids.len() == 2 && ids.contains(&current), "{page}");
    let other = ids.into_iter().find(|id| *id != current).unwrap();
    let mut admin = Browser::new(&server);
    admin.login("admin").await;
    assert_eq!(admin.post(&format!("/sessions/{other}/end"), "").await.status, StatusCode::NOT_FOUND, "not theirs");
    assert_eq!(location(&phone.post(&format!("/sessions/{other}/end"), "").await), "/");
    assert!(browser.is_logged_out().await && !phone.is_logged_out().await);

    let reply = phone.post("/logout", "").await;
    assert!(location(&reply) == "/login" && reply.set_cookie().unwrap().contains("Max-Age=0"));
    browser.login("ferris").await;
    phone.login("ferris").await;
    assert_eq!(location(&phone.post("/logout/everywhere", "").await), "/login");
    assert!(browser.is_logged_out().await && phone.is_logged_out().await);

    browser.login("ferris").await;
    assert_eq!(admin.get("/restricted").await.text, "for administrators");
    assert_eq!(admin.post("/users/1/erase", "").await.status, StatusCode::NO_CONTENT);
    assert!(browser.is_logged_out().await);
    let reply = browser.post("/login", "username=ferris&password=hunter42").await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "the account is gone, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn axum_login_app_redirects_to_no_other_site_after_a_login() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_example("axum_login", directory.path());
    for next in ["https%3A%2F%2Fevil.example", "%2F%2Fevil.example", "%2F%5Cevil.example"] {
        let form = format!("username=ferris&password=hunter42&next={next}");
        assert_eq!(location(&Browser::new(&server).post("/login", &form).await), "/", "{next}");
    }
}
