//! Consent decisions in a browser.

use super::*;

const ALL: [&str; 5] = ["necessary", "functional", "analytics", "marketing", "personalisation"];

#[tokio::test]
async fn browser_records_and_keeps_consent_decisions() {
    if !is_wanted() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let browser = Browser::start(&directory.path().join("profile")).await;
    let page = format!("http://{}/", server.address);
    browser.open(&page).await;
    browser.element("#purposes li").await;
    assert_eq!(switches(&browser).await, ["necessary", "analytics"]);
    let text = browser.text().await;
    for seen in ["We record which pages you open", "On, until you object.", "you have not decided", "does not send it"]
    {
        assert!(text.contains(seen), "{seen}: {text}");
    }
    assert!(!text.contains("Your receipt"), "there is nothing on it");
    assert_eq!(browser.cookies().await, [""; 0], "nobody has decided anything");
    let looks = "return ['accept-all', 'reject-all'].map((id) => {
        const button = document.getElementById(id);
        const { width, height } = button.getBoundingClientRect();
        const { backgroundColor, color, fontSize, fontWeight, borderColor } = getComputedStyle(button);
        return [width, height, backgroundColor, color, fontSize, fontWeight, borderColor].join();
    })";
    let looks = browser.script(looks).await;
    assert_eq!(looks[0], looks[1], "neither answer is the easier one");
    browser.shoot("privacy.png").await;

    decide(&browser, "#reject-all").await;
    for _ in 0..2 {
        assert_eq!(switches(&browser).await, ["necessary"]);
        let text = browser.text().await;
        assert!(text.contains("Off: you objected on") && text.contains("Your receipt"), "{text}");
        assert_eq!(browser.cookies().await, ["consent"]);
        browser.reload().await;
        browser.element("#purposes li").await;
    }
    decide(&browser, "#accept-all").await;
    for _ in 0..2 {
        assert_eq!(switches(&browser).await, ALL);
        assert!(browser.text().await.contains("On: you agreed on"));
        browser.reload().await;
        browser.element("#purposes li").await;
    }
    browser.click("#purpose-marketing").await;
    decide(&browser, "#save-choices").await;
    assert_eq!(switches(&browser).await, ["necessary", "functional", "analytics", "personalisation"]);
    assert!(browser.text().await.contains("Off: you took your consent back on"));

    // The gate says why, and leads back to where the client was going.
    browser.open(&format!("{page}offers?page=2")).await;
    browser.element("#asked:not([hidden])").await;
    let address = browser.command(Method::GET, "url", Value::Null).await;
    assert_eq!(address, format!("{page}?purpose=marketing&return=%2Foffers%3Fpage%3D2"));
    assert!(browser.text().await.contains("/offers?page=2 needs your consent to “Marketing”"));
    browser.shoot("asked.png").await;
    browser.click("li.asked input").await;
    browser.click("#save-choices").await;
    browser.find("xpath", "//p[contains(., 'because you agreed to marketing')]").await;
    assert_eq!(browser.command(Method::GET, "url", Value::Null).await, format!("{page}offers?page=2"));
    assert_eq!(browser.cookies().await, ["consent", "offers"]);
    browser.shoot("offers.png").await;

    assert_eq!(browser.console_errors().await, [""; 0]);

    // What is taken back is gone; what leads elsewhere is no way back.
    browser.open(&format!("{page}?purpose=marketing&return=//evil.example/")).await;
    browser.element("#purposes li").await;
    decide(&browser, "#reject-all").await;
    assert_eq!(browser.cookies().await, ["consent"]);
    decide(&browser, "#accept-all").await;
    let elsewhere = [
        "//evil.example",
        "/\\evil.example",
        "/%09/evil.example",
        "/.//evil.example",
        "/x/..//evil.example",
        "/%252e//evil.example",
        "/./\\evil.example",
        "https://evil.example",
        "javascript:alert(1)",
    ];
    for elsewhere in elsewhere {
        browser.open(&format!("{page}?purpose=marketing&return={elsewhere}")).await;
        browser.element("#purposes li").await;
        assert_eq!(browser.script("return goal()").await, Value::Null, "{elsewhere}");
    }
    assert_eq!(browser.script("return document.querySelector('#asked').hidden").await, true);

    // A login takes refusals along, and no grant: analytics are on until somebody objects.
    browser.enter("[name=username]", "user1").await;
    browser.enter("[name=password]", "user123").await;
    browser.click("#login-form button").await;
    browser.element("#sessions tr").await;
    browser.until("consent.subject === 'user'").await;
    assert_eq!(switches(&browser).await, ["necessary", "analytics"]);
    assert_eq!(browser.cookies().await, ["session_id"]);
    browser.quit().await;
}
