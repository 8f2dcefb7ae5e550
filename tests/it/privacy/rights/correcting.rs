//! Articles 16 and 21: what is not right is corrected, and what somebody does not want ends.

use tower_guestbook::{
    preferences::StandardPreferences,
    privacy::{Actor, AuditAction},
    store::MemoryStore,
};

use super::*;
use crate::support::TestClient;

#[tokio::test]
async fn object_overrides_a_grant() {
    let (guestbook, _clock) = guestbook(MemoryStore::new());
    let mut client = TestClient::new(&app(&guestbook));
    client.ok("/login/ada").await;
    client.ok("/grant/marketing").await;
    assert_eq!(client.ok("/allows/marketing").await.body, "true Granted");
    let both = [PurposeId::MARKETING, PurposeId::ANALYTICS];
    guestbook.rights().object(&user("ada"), both).await.unwrap();
    for purpose in ["marketing", "analytics"] {
        assert_eq!(client.ok(&format!("/allows/{purpose}")).await.body, "false Objected");
    }
    for purposes in [vec![], vec![PurposeId::new("fun").unwrap()]] {
        let refused = guestbook.rights().object(&user("ada"), purposes).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    }
    let without = support::builder(MemoryStore::new()).0.build().unwrap();
    let refused = without.rights().object(&user("ada"), [PurposeId::MARKETING]).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Configuration);
}

#[tokio::test]
async fn rectify_corrects_preferences_and_sources_in_one_call() {
    let addresses = Addresses::default();
    let (builder, _clock) = support::builder(MemoryStore::new());
    let guestbook = with_rules(builder).personal_data(addresses.clone()).build().unwrap();
    let rights = guestbook.rights();
    let patch = json!({ "preferences": { "theme": "dark" }, "sources": { "addresses": { "address": "Ockham" } } });
    let rectified = rights.rectify(&user("ada"), &patch).await.unwrap();
    assert_eq!((rectified.preferences, rectified.sources), (Some(1), vec![("addresses".to_owned(), true)]));
    let shown = export(rights, "ada").await;
    assert_eq!(
        (&shown["preferences"], &shown["sources"]["addresses"]),
        (&json!({ "theme": "dark" }), &json!(["Ockham"]))
    );
    let preferences = guestbook.preferences::<StandardPreferences>().unwrap();
    assert_eq!(preferences.get(&user("ada")).await.unwrap().version, 1);

    // What a source does not understand is not corrected, and the request stays open.
    let asked = filed(rights, "ada", RequestKind::Rectification).await;
    let patch = json!({ "sources": { "addresses": { "street": "Ockham" } } });
    let rectified = rights.rectify(&user("ada"), &patch).await.unwrap();
    assert_eq!((rectified.preferences, rectified.sources), (None, vec![("addresses".to_owned(), false)]));
    assert!(request(rights, asked).await.is_open());
}

#[tokio::test]
async fn rectify_records_fields_and_actor_without_values() {
    let addresses = Addresses::default();
    let (builder, _clock) = support::builder(MemoryStore::new());
    let guestbook = with_rules(builder).personal_data(addresses).build().unwrap();
    let desk = Actor::Operator("desk 3".into());
    let rights = guestbook.rights().by(desk.clone());
    let corrected = json!({ "sources": { "addresses": { "address": "a needle" } } });
    rights.rectify(&user("ada"), &corrected).await.unwrap();
    let refused = json!({ "sources": { "addresses": { "street": "a needle" } } });
    rights.rectify(&user("ada"), &refused).await.unwrap();
    let trail = guestbook.audit().entries(0, 10, Some(&user("ada"))).await.unwrap();
    assert_eq!(trail.len(), 1, "what was not corrected is not said to be");
    let said = trail[0].content().unwrap().unwrap();
    assert_eq!(trail[0].entry.action, AuditAction::Rectified);
    assert_eq!((said.actor, said.subject), (desk, Some(user("ada"))));
    assert_eq!(said.detail, json!({ "source": "addresses", "fields": ["address"] }));
    assert!(!format!("{:?}", trail[0]).contains("needle"));
}

#[tokio::test]
async fn rectify_refuses_an_invalid_patch_and_changes_nothing() {
    let (guestbook, _clock) = guestbook(MemoryStore::new());
    let rights = guestbook.rights();
    for patch in [
        json!(7),
        json!({}),
        json!({ "activities": [] }),
        json!({ "preferences": { "theme": "dark" }, "consent": {} }),
        json!({ "preferences": { "theme": "dark" }, "sources": { "nowhere": {} } }),
        json!({ "preferences": { "theme": "dark" }, "sources": 7 }),
        json!({ "preferences": { "theme": "plaid" } }),
        json!({ "preferences": { "unknown": 7 } }),
    ] {
        let refused = rights.rectify(&user("ada"), &patch).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput, "{patch}");
    }
    assert_eq!(export(rights, "ada").await["preferences"], json!({}));
    rights.erase(&user("ada")).await.unwrap();
    let refused = rights.rectify(&user("ada"), &json!({ "preferences": { "theme": "dark" } })).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::UserErased);
    let without = support::builder(MemoryStore::new()).0.build().unwrap();
    let refused = without.rights().rectify(&user("ada"), &json!({ "preferences": { "theme": "dark" } })).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Configuration);
}
