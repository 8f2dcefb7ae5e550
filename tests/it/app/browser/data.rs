//! Privacy rights in a browser.

use super::*;

#[tokio::test]
async fn browser_exercises_every_privacy_right() {
    if !is_wanted() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let browser = Browser::start(&directory.path().join("profile")).await;
    let files = directory.path().join("files");
    browser.download_to(&files).await;
    browser.open(&format!("http://{}/", server.address)).await;
    log_in(&browser, "user1", "user123").await;
    open_data(&browser).await;
    assert!(browser.text().await.contains("You have asked for nothing."));

    browser.click("#export-json").await;
    let copy: Value = serde_json::from_slice(&browser.downloaded(&files.join("personal-data.json")).await).unwrap();
    assert_eq!((&copy["user_id"], &copy["sources"]["accounts"][0]["name"]), (&json!("2"), &json!("user1")));
    browser.click("#export-zip").await;
    assert!(browser.downloaded(&files.join("personal-data.zip")).await.starts_with(b"PK"));

    browser.click("#request-form option[value=rectification]").await;
    browser.enter("#request-form [name=message]", "My name is <b>not</b> user1.").await;
    says(&browser, "#request-form button", "Filed. You get an answer by").await;
    browser.click("#request-form option[value=rectification]").await;
    says(&browser, "#request-form button", "You have asked for this already; it is due on").await;
    let requests = "return [...document.querySelectorAll('#requests tr')].map((row) => row.cells[0].textContent
        + '|' + row.cells[2].textContent + '|' + row.cells[3].textContent)";
    let requests: Vec<String> = serde_json::from_value(browser.script(requests).await).unwrap();
    let [request] = &requests[..] else { panic!("{requests:?}") };
    let [kind, due, state] = request.split('|').collect::<Vec<_>>()[..] else { panic!("{request}") };
    assert_eq!((kind, state), ("Correct my data", "Received"));
    assert!(due.contains("20"), "a date: {due}");
    browser.shoot("data.png").await;
    says(&browser, "#requests button", "Taken back.").await;
    browser.until("document.querySelector('#requests').innerText.includes('Taken back')").await;
    browser.until("!document.querySelector('#requests button')").await;

    says(&browser, "#objection-marketing", "You objected: it is off.").await;
    browser.until("document.querySelector('#purposes').innerText.includes('Off: you objected on')").await;
    browser.until("document.querySelector('#objection-marketing').checked").await;
    assert!(browser.text().await.contains("You objected on"));
    says(&browser, "#objection-marketing", "Taken back. It stays off until you agree to it.").await;
    browser.until("!document.querySelector('#objection-marketing').checked").await;
    assert!(!switches(&browser).await.contains(&"marketing".to_owned()));

    browser.click("#restriction-form option[value=claims]").await;
    says(&browser, "#restriction-form button", "Restricted.").await;
    browser.until("document.querySelector('#restricted').textContent.includes('I need it for a legal claim')").await;
    says(&browser, "#lift", "The restriction is lifted.").await;
    browser.until("document.querySelector('#restricted').textContent.startsWith('Not restricted.')").await;

    browser.click("#correction-form [name=what] option[value=theme]").await;
    browser.click("#correction-form [name=value] option[value=dark]").await;
    says(&browser, "#correction-form button", "Corrected.").await;
    browser.until("document.documentElement.dataset.theme === 'dark'").await;
    browser.until("document.querySelector('#audit').innerText.includes('rectified')").await;
    let audit = browser.script("return document.querySelector('#audit').innerText").await;
    for done in ["exported", "request filed", "request changed", "restricted", "restriction lifted", "rectified"] {
        assert!(audit.as_str().unwrap().contains(done), "{done}: {audit}");
    }
    browser.shoot("data-dark.png").await;

    browser.click("#erase").await;
    browser.click("#erase-dialog [value=cancel]").await;
    assert!(browser.text().await.contains("Logged in as user 2"), "the client thought better of it");
    browser.click("#erase").await;
    browser.click("#erase-sure").await;
    browser.element("#erased:not([hidden]) dd").await;
    browser.element("#login:not([hidden])").await;
    let text = browser.text().await;
    for seen in ["Your receipt", "Activities", "Decisions", "Sessions", "Accounts", "Overwritten in the file"] {
        assert!(text.contains(seen), "{seen}: {text}");
    }
    for gone in ["Logged in", "Correct my data", "Your data"] {
        assert!(!text.contains(gone), "{gone}: {text}");
    }
    assert_eq!(browser.script("return document.querySelectorAll('#account [data-own] *').length").await, 0);
    browser.shoot("erased.png").await;
    browser.click("#erased-save").await;
    let receipt: Value =
        serde_json::from_slice(&browser.downloaded(&files.join("erasure-receipt.json")).await).unwrap();
    assert_eq!((&receipt["user_id"], &receipt["sources"]), (&json!("2"), &json!([["accounts", 1]])));
    assert!(receipt["signature"].is_string() || receipt["signature"].is_object(), "{receipt}");

    browser.enter("[name=username]", "user1").await;
    browser.enter("[name=password]", "user123").await;
    says(&browser, "#login-form button", "Invalid credentials").await;
    browser.quit().await;
}

#[tokio::test]
async fn browser_shows_why_a_request_is_refused() {
    if !is_wanted() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let browser = Browser::start(&directory.path().join("profile")).await;
    let files = directory.path().join("files");
    browser.download_to(&files).await;
    browser.open(&format!("http://{}/", server.address)).await;
    log_in(&browser, "user1", "user123").await;
    open_data(&browser).await;

    // Taken back on another device meanwhile.
    says(&browser, "#request-form button", "Filed.").await;
    browser.element("#requests button").await;
    let cancelled = "const { requests: [{ id }] } = await (await fetch('/api/gdpr/requests')).json();
        await fetch(`/api/gdpr/requests/${id}`, { method: 'DELETE' });";
    browser.script(cancelled).await;
    says(&browser, "#requests button", "Conflict: ").await;
    browser.until("document.querySelector('#requests').innerText.includes('Taken back')").await;

    // The last login was long ago: what the server says then, as the test has no hand on its clock.
    browser
        .script(
            "window.honest = window.fetch;
            window.fetch = (path, init) => init?.method !== 'DELETE' ? honest(path, init) : Promise.resolve(new Response(
                JSON.stringify({ title: 'Recent login required', detail: 'Please log in again.' }),
                { status: 401, headers: { 'content-type': 'application/problem+json' } }))",
        )
        .await;
    browser.click("#erase").await;
    says(&browser, "#erase-sure", "Recent login required: Please log in again.").await;
    browser.script("window.fetch = window.honest").await;
    assert!(browser.text().await.contains("Logged in as user 2"), "nothing is erased");
    // The message lies upon what is at the upper edge.
    browser.script("scrollTo(0, 0)").await;
    browser.click("#wave").await;
    browser.activity("wave").await;

    for _ in 0..5 {
        says(&browser, "#export-json", "Here is all that is kept of you.").await;
    }
    says(&browser, "#export-json", "Too many requests: Please try again in").await;
    browser.element("#message.error:not([hidden])").await;
    browser.shoot("refused.png").await;

    // Without a connection to the server, the page says so.
    drop(server);
    says(&browser, "#restriction-form button", "The server cannot be reached.").await;
    browser.quit().await;
}

async fn open_data(browser: &Browser) {
    browser.click("#data > summary").await;
    browser.element("#requests tr").await;
    browser.element("#objections li").await;
    browser.until("document.querySelector('#restricted').textContent").await;
    browser.element("#audit tr").await;
}

/// Clicks, and waits until the page says something that begins like this.
async fn says(browser: &Browser, selector: &str, beginning: &str) {
    browser.script("document.querySelector('#message').textContent = ''").await;
    browser.click(selector).await;
    browser.until(&format!("document.querySelector('#message').textContent.startsWith({})", json!(beginning))).await;
}
