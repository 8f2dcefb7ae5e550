//! The audit trail of the user.

use tower_guestbook::privacy::{Actor, AuditAction};

use super::*;

#[tokio::test]
async fn audit_lists_the_users_entries_without_names_of_actors() {
    let site = Site::new(MemoryStore::new());
    let (ada, audit) = (site.login("ada").await, site.guestbook.audit());
    let action = || AuditAction::custom("invoice.corrected").unwrap();
    for number in 0..5 {
        let desk = Actor::Operator("Grace of the desk".into());
        audit.record(action(), desk.clone(), Some(&user("ada")), json!({ "number": number })).await.unwrap();
        audit.record(action(), desk, Some(&user("bob")), json!({})).await.unwrap();
    }
    let first = assert_ok(&ada.get("/audit?limit=3").await, StatusCode::OK, "first");
    let entry = json!({ "sequence": 1, "at": site.clock.now(), "action": "invoice.corrected", "by": "operator" });
    assert_eq!((&first["entries"][0], &first["next"]), (&entry, &json!(5)));
    let second = assert_ok(&ada.get("/audit?limit=3&after=5").await, StatusCode::OK, "second");
    assert_eq!((second["entries"].as_array().unwrap().len(), &second["next"]), (2, &Value::Null));
    let text = format!("{first}{second}");
    assert!(!text.contains("Grace") && !text.contains("number"), "{text}");
    let exactly = assert_ok(&ada.get("/audit?limit=5").await, StatusCode::OK, "all");
    assert_eq!((exactly["entries"].as_array().unwrap().len(), &exactly["next"]), (5, &Value::Null));
    assert_eq!(site.login("eve").await.get("/audit").await.json(), json!({ "entries": [], "next": null }));
    for (query, field) in
        [("limit=201", "limit"), ("limit=x", "limit"), ("after=-1", "after"), ("after=1&after=2", "after")]
    {
        assert_names(&ada.get(&format!("/audit?{query}")).await, 400, field, query);
    }
}
