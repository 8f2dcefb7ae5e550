//! Cases for [`PreferenceStore`]: merging, versions, limits.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{PreferenceStore, user_id};
use crate::{
    error::ErrorKind,
    model::preferences::{Overrides, Patch, Schema, StandardPreferences},
    store::{PreferenceChange, StoredPreferences},
};

fn schema() -> Schema<StandardPreferences> {
    Schema::new().expect("the standard preferences are a schema").allow_unknown_keys().max_bytes(200)
}

pub(super) fn patch(patch: Value) -> Patch {
    schema().patch(&patch).expect("the patch is right")
}

pub(super) async fn change<S: PreferenceStore>(store: &S, changes: Value) -> StoredPreferences {
    match store.change_preferences(user_id("ada"), patch(changes), None).await.expect("changed") {
        PreferenceChange::Stored(stored) => stored,
        PreferenceChange::Mismatch(_) => panic!("no version was expected"),
    }
}

async fn stored<S: PreferenceStore>(store: &S, user: &str) -> (String, u64) {
    let stored = store.preferences(user_id(user)).await.expect("read");
    (stored.overrides.to_json(), stored.version)
}

pub(super) async fn preferences_of_an_unknown_user_are_empty<S: PreferenceStore>(store: Arc<S>) {
    let nothing = store.preferences(user_id("ada")).await.expect("read");
    assert_eq!(nothing, StoredPreferences { overrides: Overrides::default(), version: 0 });
    assert_eq!(change(&*store, json!({ "theme": "light" })).await.version, 0, "the default is no change");
    assert_eq!(stored(&*store, "ada").await, ("{}".into(), 0));
}

pub(super) async fn change_preferences_merges_by_key_per_user<S: PreferenceStore>(store: Arc<S>) {
    change(&*store, json!({ "theme": "dark", "notifications": { "sms": true } })).await;
    change(&*store, json!({ "notifications": { "email": false }, "new": [1, "\u{1f600}'"] })).await;
    let expected = r#"{"new":[1,"😀'"],"notifications":{"email":false,"sms":true},"theme":"dark"}"#;
    assert_eq!(stored(&*store, "ada").await, (expected.into(), 2));
    assert_eq!(stored(&*store, "bob").await, ("{}".into(), 0));
    change(&*store, json!({ "notifications": null, "new": null, "theme": "light" })).await;
    assert_eq!(stored(&*store, "ada").await, ("{}".into(), 3), "the version goes on");
}

pub(super) async fn change_preferences_checks_the_expected_version<S: PreferenceStore>(store: Arc<S>) {
    let dark = || patch(json!({ "theme": "dark" }));
    let wrong = store.change_preferences(user_id("ada"), dark(), Some(1)).await.expect("answered");
    assert_eq!(wrong, PreferenceChange::Mismatch(StoredPreferences::default()));
    let first = store.change_preferences(user_id("ada"), dark(), Some(0)).await.expect("answered");
    assert!(matches!(first, PreferenceChange::Stored(StoredPreferences { version: 1, .. })), "{first:?}");
    let same = store.change_preferences(user_id("ada"), dark(), Some(1)).await.expect("answered");
    assert_eq!(same, first, "nothing is changed");
    let late = store.change_preferences(user_id("ada"), patch(json!({ "theme": null })), Some(0)).await;
    assert!(matches!(late.expect("answered"), PreferenceChange::Mismatch(StoredPreferences { version: 1, .. })));
    assert_eq!(stored(&*store, "ada").await, (r#"{"theme":"dark"}"#.into(), 1));
}

pub(super) async fn change_preferences_refuses_too_much_and_changes_nothing<S: PreferenceStore>(store: Arc<S>) {
    change(&*store, json!({ "a": "x".repeat(90) })).await;
    let before = stored(&*store, "ada").await;
    let more = patch(json!({ "b": "x".repeat(120), "theme": "dark" }));
    let error = store.change_preferences(user_id("ada"), more, None).await.expect_err("too large");
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(stored(&*store, "ada").await, before);
}

pub(super) async fn change_preferences_keeps_parallel_changes_of_different_keys<S: PreferenceStore>(store: Arc<S>) {
    let tasks: Vec<_> = (0..16)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { change(&*store, json!({ format!("k{number}"): number })).await })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic");
    }
    let end = store.preferences(user_id("ada")).await.expect("read");
    assert_eq!(end.version, 16);
    for number in 0..16 {
        assert_eq!(end.overrides.get(&[&format!("k{number}")]), Some(&json!(number)));
    }
}

pub(super) async fn change_preferences_has_one_winner_per_version<S: PreferenceStore>(store: Arc<S>) {
    let tasks: Vec<_> = (0..16)
        .map(|number| {
            let store = store.clone();
            let patch = patch(json!({ "k": number + 1 }));
            tokio::spawn(async move { store.change_preferences(user_id("ada"), patch, Some(0)).await })
        })
        .collect();
    let mut won = 0;
    for task in tasks {
        let change = task.await.expect("no panic").expect("answered");
        won += usize::from(matches!(change, PreferenceChange::Stored(_)));
    }
    assert_eq!((won, stored(&*store, "ada").await.1), (1, 1));
}
