//! The example server in a real browser: headless Chromium, driven over WebDriver.
//!
//! Runs where `GUESTBOOK_BROWSER` is set; `chromium` and `chromedriver` must be installed then.

mod consent;
mod data;
mod figures;
mod preferences;

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use axum::http::Method;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::support::server::{Server, ask};

struct Browser {
    driver: Child,
    address: String,
    session: String,
}

impl Browser {
    async fn start(profile: &Path) -> Self {
        Self::start_with(profile, &[]).await
    }

    async fn start_with(profile: &Path, more: &[&str]) -> Self {
        let mut driver =
            Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines.map(Result::unwrap).find_map(|line| {
            let (_, port) = line.split_once("started successfully on port ")?;
            Some(port.trim_end_matches('.').to_owned())
        });
        let address = format!("127.0.0.1:{}", port.expect("chromedriver says its port"));
        let profile = format!("--user-data-dir={}", profile.display());
        let mut arguments = vec![
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1000,1400",
            &profile,
        ];
        arguments.extend(more);
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let reply = ask(&address, Method::POST, "/session", &[], capabilities.to_string()).await;
        let session = reply.json["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("{}", reply.json)).to_owned();
        let browser = Self { driver, address, session };
        browser.command(Method::POST, "timeouts", json!({ "implicit": 30_000, "script": 30_000 })).await;
        browser
    }

    async fn command(&self, method: Method, command: &str, body: Value) -> Value {
        let path = format!("/session/{}/{command}", self.session);
        let body = if method == Method::GET { String::new() } else { body.to_string() };
        let reply = ask(&self.address, method, &path, &[], body).await;
        assert!(reply.status.is_success(), "{command}: {}", reply.json);
        reply.json["value"].clone()
    }

    /// The element that `selector` finds, waiting for it.
    async fn element(&self, selector: &str) -> String {
        self.find("css selector", selector).await
    }

    /// The row of what was done in which a cell says `text`, waiting for it.
    async fn activity(&self, text: &str) -> String {
        self.find("xpath", &format!("//*[@id='activities']/tr[td='{text}']")).await
    }

    async fn find(&self, using: &str, value: &str) -> String {
        let found = self.command(Method::POST, "element", json!({ "using": using, "value": value })).await;
        found.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned()
    }

    async fn click(&self, selector: &str) {
        self.act(selector, "click", &json!({})).await;
    }

    async fn enter(&self, selector: &str, text: &str) {
        self.act(selector, "value", &json!({ "text": text })).await;
    }

    /// Does something with the element that `selector` finds. Where the page has put another one in
    /// its place meanwhile, that.
    async fn act(&self, selector: &str, action: &str, body: &Value) {
        const ATTEMPTS: u32 = 10;
        for attempt in 1.. {
            let element = self.element(selector).await;
            let path = format!("/session/{}/element/{element}/{action}", self.session);
            let reply = ask(&self.address, Method::POST, &path, &[], body.to_string()).await;
            if reply.status.is_success() {
                return;
            }
            let is_stale = reply.json["value"]["error"] == "stale element reference";
            assert!(is_stale && attempt < ATTEMPTS, "{action} {selector}: {}", reply.json);
        }
    }

    async fn script(&self, script: &str) -> Value {
        self.command(Method::POST, "execute/sync", json!({ "script": script, "args": [] })).await
    }

    async fn open(&self, url: &str) {
        self.command(Method::POST, "url", json!({ "url": url })).await;
    }

    /// The errors in the console since the last time. That nobody is logged in is none: the page
    /// asks for it.
    async fn console_errors(&self) -> Vec<String> {
        let entries = self.command(Method::POST, "se/log", json!({ "type": "browser" })).await;
        let is_error = |entry: &&Value| {
            let message = entry["message"].as_str().unwrap();
            entry["level"] == "SEVERE" && !(message.contains("/api/session ") && message.contains("401"))
        };
        entries.as_array().unwrap().iter().filter(is_error).map(ToString::to_string).collect()
    }

    async fn reload(&self) {
        self.command(Method::POST, "refresh", json!({})).await;
    }

    /// Waits until an expression is true on the page.
    async fn until(&self, expression: &str) {
        let script = format!(
            "const done = arguments[0]; const poll = () => ({expression}) ? done() : setTimeout(poll, 10); poll();"
        );
        self.command(Method::POST, "execute/async", json!({ "script": script, "args": [] })).await;
    }

    /// Where files go that a page gives.
    async fn download_to(&self, directory: &Path) {
        std::fs::create_dir(directory).unwrap();
        let parameters = json!({ "behavior": "allow", "downloadPath": directory });
        let body = json!({ "cmd": "Browser.setDownloadBehavior", "params": parameters });
        self.command(Method::POST, "goog/cdp/execute", body).await;
    }

    /// What is in a file, waiting until the browser has written it: under another name, but a small
    /// one in its place, too.
    async fn downloaded(&self, file: &Path) -> Vec<u8> {
        let written = async {
            while !std::fs::metadata(file).is_ok_and(|file| file.len() > 0) {
                self.script("return null").await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), written).await.expect("the file comes");
        std::fs::read(file).unwrap()
    }

    /// The names of all cookies, also of those that no script reads.
    async fn cookies(&self) -> Vec<String> {
        let cookies = self.command(Method::GET, "cookie", Value::Null).await;
        let name = |cookie: &Value| cookie["name"].as_str().unwrap().to_owned();
        let mut names: Vec<_> = cookies.as_array().unwrap().iter().map(name).collect();
        names.sort();
        names
    }

    /// What a person sees.
    async fn text(&self) -> String {
        self.script("return document.body.innerText").await.as_str().unwrap().to_owned()
    }

    /// A screenshot, if somebody has said where they go.
    async fn shoot(&self, name: &str) {
        let Some(shots) = std::env::var_os("GUESTBOOK_SCREENSHOTS").map(PathBuf::from) else { return };
        let image = self.command(Method::GET, "screenshot", Value::Null).await;
        let bytes = BASE64_STANDARD.decode(image.as_str().unwrap()).unwrap();
        std::fs::write(shots.join(name), bytes).unwrap();
    }
}

impl Browser {
    /// Ends the browser itself; `Drop` ends its driver.
    async fn quit(self) {
        let path = format!("/session/{}", self.session);
        ask(&self.address, Method::DELETE, &path, &[], "").await;
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn is_wanted() -> bool {
    let is_wanted = std::env::var_os("GUESTBOOK_BROWSER").is_some();
    if !is_wanted {
        eprintln!("not run: GUESTBOOK_BROWSER is not set");
    }
    is_wanted
}

async fn log_in(browser: &Browser, name: &str, password: &str) {
    browser.element("#login:not([hidden])").await;
    browser.enter("[name=username]", name).await;
    browser.enter("[name=password]", password).await;
    browser.click("#login-form button").await;
    browser.element("#sessions tr").await;
}

/// Which switches are on, by name.
async fn switches(browser: &Browser) -> Vec<String> {
    let on = "return [...document.querySelectorAll('#purposes input:checked')].map((input) => input.name)";
    serde_json::from_value(browser.script(on).await).unwrap()
}

/// Clicks on something that records a decision, and waits until it is recorded and shown.
async fn decide(browser: &Browser, selector: &str) {
    browser.script("document.querySelector('#message').textContent = ''").await;
    browser.click(selector).await;
    browser.until("document.querySelector('#message').textContent === 'Your choices are recorded.'").await;
}

#[tokio::test]
async fn browser_logs_in_and_out() {
    if !is_wanted() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let browser = Browser::start(&directory.path().join("profile")).await;
    let shoot = async |name: &str| browser.shoot(name).await;
    browser.open(&format!("http://{}/", server.address)).await;

    browser.element("#login:not([hidden])").await;
    assert!(!browser.text().await.contains("Log out"));
    shoot("login.png").await;
    browser.enter("[name=username]", "admin").await;
    browser.enter("[name=password]", "wrong").await;
    browser.click("#login-form button").await;
    browser.element("#message.error:not([hidden])").await;
    assert!(browser.text().await.contains("Invalid credentials"));
    browser.script("document.querySelector('[name=password]').value = ''").await;
    browser.enter("[name=password]", "admin123").await;
    browser.click("#login-form button").await;

    // Logout is visible, the session is listed with its device, the message is shown.
    browser.element("#sessions tr").await;
    browser.element("#message:not(.error):not([hidden])").await;
    let text = browser.text().await;
    for seen in ["Logged in as user 1", "Log out", "Chrome on Linux", "127.0.0.0/24", "this device", "Welcome, admin."]
    {
        assert!(text.contains(seen), "{seen}: {text}");
    }

    // Past events are listed, and new ones appear.
    browser.activity("user_logged_in").await;
    assert!(!browser.text().await.contains("button_click"));
    browser.script("window.isSamePage = true").await;
    browser.click("#wave").await;
    browser.activity("wave").await;
    assert_eq!(browser.script("return window.isSamePage").await, true, "without a reload");
    let what = "return [...document.querySelectorAll('#activities tr')].map((row) => row.cells[1].textContent)";
    let what: Vec<String> = serde_json::from_value(browser.script(what).await).unwrap();
    let place = |kind| what.iter().position(|what| what == kind).unwrap();
    assert!(place("button_click") < place("login"), "the newest is on top: {what:?}");
    shoot("account.png").await;
    assert_eq!(browser.script("return document.cookie").await, json!(""), "no script reads the token");
    browser.enter("[name=note]", "remember the milk").await;
    browser.click("#note-form button").await;
    browser.activity("note_kept").await;

    browser.reload().await;
    browser.element("#sessions tr").await;
    browser.until("document.querySelector('[name=note]').value").await;
    assert_eq!(browser.script("return document.querySelector('[name=note]').value").await, "remember the milk");
    assert!(!browser.text().await.contains("Welcome"), "a message is shown once");

    browser.click("#logout").await;
    browser.element("#login:not([hidden])").await;
    browser.open(&format!("http://{}/health", server.address)).await;
    browser.command(Method::POST, "back", json!({})).await;
    browser.element("#login:not([hidden])").await;
    let text = browser.text().await;
    for gone in ["Logged in", "Chrome on Linux", "remember the milk"] {
        assert!(!text.contains(gone), "after a logout the back button shows {gone}");
    }
    assert_eq!(browser.script("return document.querySelector('[name=note]').value").await, "");
    assert_eq!(browser.script("return document.querySelectorAll('#activities tr').length").await, 0);

    // The next user sees their own.
    browser.enter("[name=username]", "user1").await;
    browser.enter("[name=password]", "user123").await;
    browser.click("#login-form button").await;
    browser.activity("user_logged_in").await;
    browser.click("#wave").await;
    browser.activity("wave").await;
    let what = browser.script("return document.querySelector('#activities').innerText").await;
    let what = what.as_str().unwrap();
    assert_eq!((what.matches("user_logged_in").count(), what.matches("button_click").count()), (1, 1), "{what}");
    assert!(!what.contains("note_kept"), "{what}");
    shoot("next.png").await;

    // Logged out on another device, which the page notices.
    let login = json!({ "username": "user1", "password": "user123" }).to_string();
    let login = ask(&server.address, Method::POST, "/auth/login", &[], login).await;
    let token = login.json["session_id"].as_str().unwrap();
    let path = "/api/sessions/logout-everywhere";
    let everywhere = ask(&server.address, Method::POST, path, &[("x-session-id", token)], "").await;
    assert_eq!(everywhere.json["ended_sessions"], 2);
    browser.element("#login:not([hidden])").await;
    assert_eq!(browser.script("return document.querySelectorAll('#activities tr').length").await, 0);
    browser.quit().await;
}
