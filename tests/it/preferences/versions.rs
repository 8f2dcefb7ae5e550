//! Those who change something at the same time lose nothing, or are told.

use std::collections::{BTreeMap, HashMap};

use axum::{
    http::{HeaderMap, StatusCode, header},
    routing::get,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tower_guestbook::{
    ErrorKind, Preferences,
    preferences::StandardPreferences,
    store::{MemoryStore, Store},
    user_preferences::PreferenceRules,
    visit::expected,
};

use super::{Browser, app, app_of, negotiating, routes, rules_of, standard, stored, user};
use crate::{moody::Moody, support::builder};

/// Any number of keys.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Many {
    flags: BTreeMap<String, u32>,
}

const TABS: u32 = 32;

async fn parallel_tabs<S: Store + Clone>(store: S) {
    // A process of its own for every other tab.
    let guestbooks = [(); 2].map(|()| builder(store.clone()).0.preferences(rules_of::<Many>()).build().unwrap());
    let apps = guestbooks.each_ref().map(app_of::<Many>);
    for is_user in [true, false] {
        let mut browser = Browser::new(&apps[0]);
        if is_user {
            browser.login("ada").await;
        }
        browser.set(json!({ "flags": { "first": 1 } })).await;
        let tabs = (0..TABS).map(|tab| {
            let mut browser = browser.at(&apps[tab as usize % 2]);
            tokio::spawn(async move {
                let mine = format!("tab{tab}");
                assert_eq!(browser.set(json!({ "flags": { &mine: tab } })).await["flags"][&mine], json!(tab));
                browser.set(json!({ "flags": { "gone": tab } })).await;
                browser.set(json!({ "flags": { "gone": null } })).await;
                assert!(browser.cookies.len() == 1, "no other session");
            })
        });
        for tab in tabs.collect::<Vec<_>>() {
            tab.await.unwrap();
        }
        let mut expected: BTreeMap<String, u32> = (0..TABS).map(|tab| (format!("tab{tab}"), tab)).collect();
        expected.insert("first".into(), 1);
        // A last change reads what the store has.
        assert_eq!(browser.set(json!({ "flags": { "first": 1 } })).await, json!({ "flags": expected }));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tabs_that_change_different_keys_in_parallel_lose_nothing() {
    parallel_tabs(Moody::default()).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread")]
async fn tabs_that_change_different_keys_in_parallel_lose_nothing_on_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    parallel_tabs(tower_guestbook::SqliteStore::open(directory.path().join("guestbook.db")).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_parallel_changes_to_one_version_one_is_stored() {
    let store = Moody::default();
    let guestbook = builder(store.clone()).0.preferences(rules_of::<Many>()).build().unwrap();
    let app = app_of::<Many>(&guestbook);
    let mut browser = Browser::of(&app, "ada").await;
    for round in 1..=10 {
        let tag = browser.etag().await;
        let tabs = (0..8).map(|tab| {
            let (mut browser, tag) = (browser.clone(), tag.clone());
            tokio::spawn(async move {
                let answer = browser.patch_if(&tag, json!({ "flags": { format!("{round}x{tab}"): tab } })).await;
                assert!([StatusCode::OK, StatusCode::PRECONDITION_FAILED].contains(&answer.status), "{}", answer.body);
                usize::from(answer.status == StatusCode::OK)
            })
        });
        let mut stored_ones = 0;
        for tab in tabs.collect::<Vec<_>>() {
            stored_ones += tab.await.unwrap();
        }
        assert_eq!(stored_ones, 1);
        let (overrides, version) = stored(&store, "ada").await;
        assert_eq!((overrides["flags"].as_object().unwrap().len(), version), (round, round as u64));
    }
}

#[tokio::test]
async fn a_change_to_another_version_is_refused_and_nothing_is_stored() {
    let store = Moody::default();
    let guestbook = builder(store.clone()).0.preferences(PreferenceRules::standard().unwrap()).build().unwrap();
    let app = app(&guestbook);
    let mut ada = Browser::of(&app, "ada").await;
    let first = ada.etag().await;
    let answer = ada.patch_if(&first, json!({ "theme": "dark" })).await;
    assert_eq!(answer.status, StatusCode::OK, "nobody has changed anything before");
    assert_eq!(answer.header(header::ETAG), Some(ada.etag().await.as_str()));
    let answer = ada.patch_if(&first, json!({ "theme": "system", "language": "de" })).await;
    assert_eq!(answer.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(ada.value().await, standard(json!({ "theme": "dark" })));

    let service = guestbook.preferences::<StandardPreferences>().unwrap();
    for expected in [0, 2, u64::MAX] {
        let error = service.update(&user("ada"), &json!({ "theme": null }), Some(expected)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::VersionMismatch);
    }
    assert_eq!(stored(&store, "ada").await, (json!({ "theme": "dark" }), 1));
    let now = service.update(&user("ada"), &json!({ "language": "de" }), Some(1)).await.unwrap();
    let now = service.update(&user("ada"), &json!({ "theme": null }), Some(now.version)).await.unwrap();
    assert_eq!((now.value.language.as_str(), now.version), ("de", 3));
    // A wrong patch is wrong whatever the version.
    let error = service.update(&user("ada"), &json!({ "theme": 7 }), Some(0)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn a_version_that_another_process_has_made_is_not_refused() {
    let store = Moody::default();
    let guestbooks =
        [(); 2].map(|()| builder(store.clone()).0.preferences(PreferenceRules::standard().unwrap()).build().unwrap());
    let [here, there] = guestbooks.each_ref().map(app);
    let mut ada = Browser::of(&here, "ada").await;
    ada.value().await;
    let mut elsewhere = ada.at(&there);
    elsewhere.set(json!({ "theme": "dark" })).await;
    let tag = elsewhere.etag().await;
    // The process here still has the version before in its cache.
    let answer = ada.patch_if(&tag, json!({ "language": "de" })).await;
    assert_eq!(
        (answer.status, answer.json()),
        (StatusCode::OK, standard(json!({ "theme": "dark", "language": "de" })))
    );
}

#[test]
fn if_match_is_read_as_a_version() {
    for (lines, version) in [
        (&[][..], Ok(None)),
        (&["*"], Ok(None)),
        (&["\"17-00c0ffee00c0ffee\""], Ok(Some(17))),
        (&["\"0-\""], Ok(Some(0))),
        (&["  \"17-a\"  "], Ok(Some(17))),
        (&["\"17-a\", \"17-b\""], Ok(Some(17))),
        (&["\"17-a\"", "\"17-b\""], Ok(Some(17))),
        (&["\"18446744073709551615-a\""], Ok(Some(u64::MAX))),
        (&["\"17-a\", \"18-a\""], Err(())),
        (&["\"17-a\"", "\"18-a\""], Err(())),
        (&["W/\"17-a\""], Err(())),
        (&["\"17-a\", W/\"17-a\""], Err(())),
        (&[""], Err(())),
        (&["\"\""], Err(())),
        (&["17-a"], Err(())),
        (&["\"17\""], Err(())),
        (&["\"17-a"], Err(())),
        (&["\"seventeen-a\""], Err(())),
        (&["\"-1-a\""], Err(())),
        (&["\"+17-a\""], Err(())),
        (&["\"18446744073709551616-a\""], Err(())),
        (&["\"17-\u{e9}\""], Err(())),
    ] {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::IF_MATCH, line.parse().unwrap());
        }
        let read = expected(&headers).map_err(|error| assert_eq!(error.kind(), ErrorKind::VersionMismatch));
        assert_eq!(read, version, "{lines:?}");
    }
}

#[tokio::test]
async fn the_entity_tag_is_of_the_value_and_the_same_in_each_process() {
    let store = Moody::default();
    let guestbooks = [(); 2].map(|()| builder(store.clone()).0.preferences(negotiating()).build().unwrap());
    let [here, there] = guestbooks.each_ref().map(app);
    let mut tags = Vec::new();
    let mut ada = Browser::of(&here, "ada").await;
    for patch in [
        json!({}),
        json!({ "theme": "dark" }),
        json!({ "theme": "system" }),
        json!({ "theme": null }),
        json!({ "notifications": { "sms": true } }),
    ] {
        ada.set(patch).await;
        let tag = ada.etag().await;
        assert_eq!(tag, ada.etag().await);
        assert_eq!(tag, Browser::of(&there, "ada").await.etag().await);
        let inner = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).unwrap();
        assert!(inner.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-'), "{tag}");
        tags.push(tag);
    }
    for wish in ["de", "zh-Hant"] {
        let mut stranger = Browser::new(&here).with("accept-language", wish);
        let tag = stranger.etag().await;
        assert_eq!(tag, stranger.at(&there).etag().await);
        tags.push(tag);
        stranger.set(json!({ "theme": "dark" })).await;
        tags.push(stranger.etag().await);
    }
    let count = tags.len();
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), count, "each value, and each version, has its own");
}

/// A map without an order of its own.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Unordered {
    flags: HashMap<String, bool>,
}

#[tokio::test]
async fn the_entity_tag_does_not_depend_on_the_order_of_a_hash_map() {
    let guestbook = builder(MemoryStore::new()).0.preferences(rules_of::<Unordered>()).build().unwrap();
    let app = app_of::<Unordered>(&guestbook);
    let mut ada = Browser::of(&app, "ada").await;
    let flags: BTreeMap<String, bool> = (0..16).map(|number| (format!("flag{number}"), true)).collect();
    ada.set(json!({ "flags": flags })).await;
    let tag = ada.etag().await;
    for _ in 0..8 {
        // Each change makes the map anew.
        ada.set(json!({ "flags": { "other": true } })).await;
        ada.reset("flags.other").await;
        let again = ada.etag().await;
        assert_eq!(again.split_once('-').unwrap().1, tag.split_once('-').unwrap().1);
    }
}

#[tokio::test]
async fn version_and_entity_tag_of_preferences_are_those_of_their_value() {
    let guestbook = builder(MemoryStore::new()).0.preferences(PreferenceRules::standard().unwrap()).build().unwrap();
    let two = async |before: Preferences<StandardPreferences>| {
        let mut after = before.clone();
        after.update(&json!({ "theme": "dark" }), None).await.unwrap();
        format!("{} {} {} {}", before.version(), before.etag(), after.version(), after.etag())
    };
    let app = routes::<StandardPreferences>().route("/two", get(two)).layer(guestbook.layer());
    let mut ada = Browser::of(&app, "ada").await;
    let before = ada.etag().await;
    let answer = ada.get("/two").await;
    assert_eq!(answer.body, format!("0 {before} 1 {}", ada.etag().await));
}
