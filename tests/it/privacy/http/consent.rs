//! Consent of somebody who is logged in: the same decisions, the same notices, the same proof as
//! everywhere.

use super::*;

#[tokio::test]
async fn consent_grant_needs_the_notice_and_decline_does_not() {
    let site = Site::new(MemoryStore::new());
    let ada = site.login("ada").await;
    let shown = assert_ok(&ada.get("/consent").await, StatusCode::OK, "shown");
    assert_eq!((&shown["ask"], shown["purposes"].as_array().unwrap().len()), (&json!(true), 3));
    assert_problem(&ada.get("/consent/receipt").await, 404, "nothing was decided");
    let before = site.state().await;
    let yes = json!({ "choices": { "marketing": true }, "method": "custom" });
    assert_problem(&ada.post("/consent", &yes).await, 409, "which notice?");
    assert_eq!(site.state().await, before);
    let mut proved = yes;
    proved["notice"] = shown["offer"]["snapshot"].clone();
    let decided = assert_ok(&ada.post("/consent", &proved).await, StatusCode::OK, "yes");
    let marketing = |state: &Value| {
        let purposes = state["purposes"].as_array().unwrap();
        purposes.iter().find(|purpose| purpose["id"] == "marketing").unwrap().clone()
    };
    assert_eq!((&marketing(&decided)["allowed"], &marketing(&decided)["why"]), (&json!(true), &json!("granted")));
    let withdrawn = assert_ok(&ada.delete("/consent/marketing").await, StatusCode::OK, "no");
    assert_eq!(marketing(&withdrawn)["why"], "withdrawn");
    let receipt = assert_ok(&ada.get("/consent/receipt").await, StatusCode::OK, "receipt");
    assert!(receipt.to_string().contains("marketing"), "{receipt}");
    assert_eq!(marketing(&site.login("bob").await.get("/consent").await.json())["why"], "undecided");
}

#[tokio::test]
async fn invalid_decision_names_the_field_and_records_nothing() {
    let site = Site::new(MemoryStore::new());
    let ada = site.login("ada").await;
    let before = site.state().await;
    for (body, field) in [
        (json!({}), "choices"),
        (json!({ "choices": {} }), "choices"),
        (json!({ "choices": [] }), "choices"),
        (json!({ "choices": { "marketing": "yes" } }), "choices"),
        (json!({ "choices": { "Two Words": true } }), "choices"),
        (json!({ "choices": { "fun": false } }), "choices"),
        (json!({ "choices": { "necessary": false } }), "choices"),
        (json!({ "choices": { "marketing": true }, "method": "reject_all" }), "choices"),
        (json!({ "choices": { "marketing": false }, "method": "import" }), "method"),
        (json!({ "choices": { "marketing": false }, "notice": 7 }), "notice"),
        (json!({ "choices": { "marketing": false }, "subject": "bob" }), "subject"),
    ] {
        assert_names(&ada.post("/consent", &body).await, 422, field, &body.to_string());
    }
    assert_names(&ada.delete("/consent/necessary").await, 422, "purpose", "necessary");
    assert_eq!(site.state().await, before);
}

#[tokio::test]
async fn consent_prompt_has_the_language_of_the_browser() {
    let notices = ["en", "de"].map(|language| {
        tower_guestbook::consent::Notice::new(PurposeId::MARKETING, 1, language, format!("text in {language}")).unwrap()
    });
    let marketing = Purpose::new("marketing", Category::Marketing).expiry(Duration::from_secs(86_400));
    let rules = ConsentRules::new(Purposes::builder().purpose(marketing).build().unwrap());
    let (builder, _clock) = builder(MemoryStore::new());
    let guestbook = builder.consent(notices.into_iter().fold(rules, ConsentRules::notice)).build().unwrap();
    let mut client = TestClient::new(&app(&guestbook));
    client.ok("/login/ada").await;
    let ada = Caller { app: app(&guestbook), cookie: client.cookie, origin: None };
    for (asked, language) in [("de-AT, en;q=0.5", "de"), ("fr", "en"), ("", "en")] {
        let state = ada.ask(Method::GET, "/consent", &[("accept-language", asked)], "").await;
        assert_eq!(assert_ok(&state, StatusCode::OK, asked)["offer"]["language"], language);
    }
}
