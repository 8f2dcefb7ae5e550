//! Figures in a browser, for users and for the administrator.

use super::*;

#[tokio::test]
async fn browser_shows_own_figures_and_administrator_figures() {
    if !is_wanted() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let browser = Browser::start(&directory.path().join("profile")).await;
    browser.open(&format!("http://{}/", server.address)).await;
    log_in(&browser, "user1", "user123").await;
    assert!(!browser.text().await.contains("Everybody’s figures"), "that is not for users");
    browser.click("#data > summary").await;
    browser.activity("/data").await;
    browser.click("#wave").await;
    browser.activity("wave").await;
    browser.enter("[name=note]", "remember the milk").await;
    browser.click("#note-form button").await;
    browser.activity("note_kept").await;
    browser.click("#figures > summary").await;
    browser.element("#summary dd").await;
    browser.until("document.querySelector('#journey').innerText.includes('/data')").await;
    let own = browser.script("return document.querySelector('#figures').innerText").await;
    for seen in ["Mean session", "page_view", "button_click", "note_kept", "(a visit begins)"] {
        assert!(own.as_str().unwrap().contains(seen), "{seen}: {own}");
    }
    browser.shoot("figures.png").await;
    browser.click("#logout").await;
    browser.element("#login:not([hidden])").await;
    assert_eq!(browser.script("return document.querySelectorAll('#account [data-own] *').length").await, 0);

    log_in(&browser, "admin", "admin123").await;
    browser.click("#dashboard > summary").await;
    browser.until("document.querySelector('#report').textContent.includes('System report')").await;
    for part in ["#totals dd", "#hours rect", "#pages tr", "#top-users tr", "#cohorts td", "#patterns tr"] {
        browser.element(part).await;
    }
    let funnel =
        "return [...document.querySelectorAll('#funnel tr')].map((row) => row.innerText.replace(/\\s+/g, ' '))";
    browser.element("#funnel tr:nth-child(3)").await;
    let funnel: Vec<String> = serde_json::from_value(browser.script(funnel).await).unwrap();
    assert!(funnel[1].contains("Waves") && funnel[1].contains("1 ("), "{funnel:?}");
    assert!(funnel[2].contains("Keeps a note") && funnel[2].contains("1 ("), "{funnel:?}");
    let users = browser.script("return document.querySelector('#top-users').innerText").await;
    assert!(users.as_str().unwrap().contains("User 2"), "{users}");
    let pages = browser.script("return document.querySelector('#pages').innerText").await;
    assert!(pages.as_str().unwrap().contains("/data"), "{pages}");

    // A week has seven days, or touches eight; a day of hours 24 or 25.
    let columns = "return document.querySelectorAll('#series rect').length";
    browser.element("#series rect").await;
    assert!(matches!(browser.script(columns).await.as_u64(), Some(7 | 8)));
    browser.click("#dashboard-form option[value='24']").await;
    browser.click("#dashboard-form button").await;
    browser.until("document.querySelectorAll('#series rect').length >= 24").await;
    let picture = browser.script("return document.querySelector('#series svg').getAttribute('aria-label')").await;
    assert!(picture.as_str().unwrap().starts_with("Events each hour: at most"), "{picture}");
    browser.click("#series summary").await;
    browser.element("#series td").await;
    browser.click("#check").await;
    browser.until("document.querySelector('#checked').textContent === 'Nothing is rolled up yet.'").await;
    browser.shoot("dashboard.png").await;
    browser.quit().await;
}
