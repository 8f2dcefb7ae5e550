//! Preferences in a browser.

use super::*;

/// What a script on the page resolves to.
async fn fetched(browser: &Browser, expression: &str) -> Value {
    let script = format!("const done = arguments[0]; {expression}.then(done);");
    browser.command(Method::POST, "execute/async", json!({ "script": script, "args": [] })).await
}

#[tokio::test]
async fn browser_applies_and_keeps_preferences() {
    if !is_wanted() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let browser = Browser::start(&directory.path().join("profile")).await;
    browser.open(&format!("http://{}/", server.address)).await;
    browser.until("preferencesTag").await;
    let look = "const root = document.documentElement;
        return [root.dataset.theme, root.lang, getComputedStyle(document.body).backgroundColor]";
    let light = json!(["light", "en", "rgb(255, 255, 255)"]);
    assert_eq!(browser.script(look).await, light);
    let saved = async |selector: &str| {
        browser.script("document.querySelector('#message').textContent = ''").await;
        browser.click(selector).await;
        browser.until("document.querySelector('#message').textContent === 'Saved.'").await;
    };
    saved("[name=theme] option[value=dark]").await;
    saved("[name=language] option[value=de]").await;
    saved("[name='notifications.sms']").await;
    browser.until("document.querySelector('#notice-analytics').textContent.startsWith('Wir zeichnen auf')").await;
    for _ in 0..2 {
        let dark = browser.script(look).await;
        assert_eq!((&dark[0], &dark[1]), (&json!("dark"), &json!("de")));
        assert_ne!(dark[2], light[2]);
        let shown = "const form = document.querySelector('#preferences-form').elements;
            return [form.theme.value, form.language.value, form['notifications.sms'].checked]";
        browser.until("document.querySelector('[name=\"notifications.sms\"]').checked").await;
        assert_eq!(browser.script(shown).await, json!(["dark", "de", true]));
        browser.reload().await;
        browser.until("preferencesTag").await;
    }
    let served = fetched(&browser, "fetch('/').then((page) => page.text())").await;
    let first = "<html lang=\"de\" data-theme=\"dark\">";
    assert!(served.as_str().unwrap().contains(first), "not first light, then dark: {served}");
    browser.shoot("dark.png").await;

    // One switch for analytics, shown in two places.
    decide(&browser, "[name='privacy.allow_analytics']").await;
    assert_eq!(switches(&browser).await, ["necessary"]);
    browser.click("#purpose-analytics").await;
    decide(&browser, "#save-choices").await;
    let allowed = "return document.querySelector('[name=\"privacy.allow_analytics\"]').checked";
    assert_eq!(browser.script(allowed).await, true);
    let state = fetched(&browser, "fetch('/api/consent').then((state) => state.json())").await;
    let history = state["history"].as_array().unwrap();
    let is_proved = |record: &Value| record["notice"].is_string() && record["language"] == "de";
    assert!(history.len() >= 2 && history.iter().all(is_proved), "the page proves what it showed: {history:?}");

    // After a login the account has it; what is changed elsewhere is not overwritten unseen.
    browser.enter("[name=username]", "user1").await;
    browser.enter("[name=password]", "user123").await;
    browser.click("#login-form button").await;
    browser.element("#sessions tr").await;
    browser.until("preferencesTag.startsWith('\"1-')").await;
    assert_eq!(browser.script(look).await[0], "dark");
    let login = json!({ "username": "user1", "password": "user123" }).to_string();
    let login = ask(&server.address, Method::POST, "/auth/login", &[], login).await;
    let headers = [("x-session-id", login.json["session_id"].as_str().unwrap()), ("content-type", "application/json")];
    let changed = ask(&server.address, Method::PATCH, "/api/preferences", &headers, r#"{"theme":"light"}"#).await;
    assert!(changed.status.is_success());
    browser.click("[name=theme] option[value=system]").await;
    browser.element("#message.error:not([hidden])").await;
    browser.until("document.documentElement.dataset.theme === 'light'").await;
    assert!(browser.text().await.contains("changed elsewhere"));
    saved("[name=theme] option[value=system]").await;
    browser.until("document.documentElement.dataset.theme === 'system'").await;
    browser.quit().await;
}

#[tokio::test]
async fn browser_color_scheme_sets_the_first_page_until_chosen() {
    if !is_wanted() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let served = "return document.documentElement.dataset.theme";
    for (more, theme) in [(["--force-dark-mode"].as_slice(), "dark"), (&[], "light")] {
        let browser = Browser::start_with(&directory.path().join(theme), more).await;
        browser.open(&format!("http://{}/", server.address)).await;
        assert_eq!(browser.script(served).await, theme, "as the page came, before any script has asked");
        browser.until("preferencesTag").await;
        assert_eq!(browser.script("return document.querySelector('[name=theme]').value").await, theme);
        let chosen = if theme == "dark" { "light" } else { "dark" };
        browser.click(&format!("[name=theme] option[value={chosen}]")).await;
        browser.until("document.querySelector('#message').textContent === 'Saved.'").await;
        browser.reload().await;
        assert_eq!(browser.script(served).await, chosen, "a choice counts for more");
        browser.quit().await;
    }
}
