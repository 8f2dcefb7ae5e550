//! Parallel changes, versions and entity tags.

use std::collections::{BTreeMap, HashMap};

use axum::{
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    routing::get,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tower_guestbook::{
    ErrorKind, Preferences,
    preferences::{EntityTags, PreferenceRules, StandardPreferences},
    store::{MemoryStore, Store},
};

use super::{Browser, app, app_of, negotiating, routes, rules_of, standard, stored, user};
use crate::support::{builder, faulty_store::FaultyStore};

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
async fn parallel_updates_of_different_keys_are_all_kept() {
    parallel_tabs(FaultyStore::default()).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread")]
async fn parallel_updates_of_different_keys_are_all_kept_on_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    parallel_tabs(tower_guestbook::store::SqliteStore::open(directory.path().join("guestbook.db")).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_parallel_updates_with_the_same_version_is_stored() {
    let store = FaultyStore::default();
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
async fn update_with_another_version_stores_nothing() {
    let store = FaultyStore::default();
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
async fn update_accepts_a_version_made_by_another_process() {
    let store = FaultyStore::default();
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
fn entity_tags_match_if_one_of_the_list_matches() {
    // Lines of the header, whether "a" matches strongly, and weakly.
    for (lines, strongly, weakly) in [
        (&["*"][..], true, true),
        (&["  * "], true, true),
        (&["\"a\""], true, true),
        (&["\"b\""], false, false),
        (&["\"b\", \"a\""], true, true),
        (&["\"b\"", "\"a\""], true, true),
        (&["\"b\",,  ,\"a\" ,"], true, true),
        (&["W/\"a\""], false, true),
        (&["W/\"a\", \"a\""], true, true),
        (&["\"x,\", \"a\""], true, true),
        (&["\"b, a\""], false, false),
        (&["\"\", \"a\""], true, true),
        (&["\"\u{e9}\", \"a\""], true, true),
        // Not well-formed: nothing matches.
        (&[""], false, false),
        (&["a"], false, false),
        (&["\"a"], false, false),
        (&["\"a\" \"a\""], false, false),
        (&["\"a\", b"], false, false),
        (&["\"a\", *"], false, false),
        (&["w/\"a\""], false, false),
        (&["\"a b\", \"a\""], false, false),
    ] {
        for (name, read) in [
            (header::IF_MATCH, EntityTags::if_match as fn(&HeaderMap) -> Option<EntityTags>),
            (header::IF_NONE_MATCH, EntityTags::if_none_match),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(&name, HeaderValue::from_bytes(line.as_bytes()).unwrap());
            }
            let tags = read(&headers).unwrap();
            assert_eq!((tags.match_strongly("\"a\""), tags.match_weakly("\"a\"")), (strongly, weakly), "{lines:?}");
        }
    }
    assert!(EntityTags::if_match(&HeaderMap::new()).is_none());
    assert!(
        "nonsense".parse::<EntityTags>().is_err() && "\"a\"".parse::<EntityTags>().unwrap().match_weakly("W/\"a\"")
    );
}

#[tokio::test]
async fn if_match_without_login_needs_the_current_entity_tag() {
    let store = FaultyStore::default();
    let guestbook = builder(store).0.preferences(PreferenceRules::standard().unwrap()).build().unwrap();
    let app = app(&guestbook);
    for is_user in [false, true] {
        let mut browser = Browser::new(&app);
        if is_user {
            browser.login("ada").await;
        }
        let first = browser.etag().await;
        browser.set(json!({ "theme": "dark" })).await;
        let current = browser.etag().await;
        let (version, digest) = current.trim_matches('"').split_once('-').unwrap();
        for stale in [
            first.clone(),
            "\"0-ffffffffffffffff\"".into(),
            format!("\"{version}-ffffffffffffffff\""),
            format!("\"77-{digest}\""),
            format!("W/{current}"),
            format!("\"77-0\", {first}"),
        ] {
            let answer = browser.patch_if(&stale, json!({ "theme": "system" })).await;
            assert_eq!(answer.status, StatusCode::PRECONDITION_FAILED, "{stale}");
            let path = "/preferences/theme";
            let answer = browser.ask(Method::DELETE, path, &[("if-match", &stale)], None).await;
            assert_eq!(answer.status, StatusCode::PRECONDITION_FAILED, "{stale}");
        }
        assert_eq!(browser.value().await, standard(json!({ "theme": "dark" })));
        let among_others = format!("\"77-0\", \"a,b\", {current}");
        assert_eq!(browser.patch_if(&among_others, json!({ "language": "de" })).await.status, StatusCode::OK);
        assert_eq!(browser.patch_if("*", json!({ "theme": null })).await.json(), standard(json!({ "language": "de" })));
    }
}

#[tokio::test]
async fn etag_covers_stored_overrides_even_if_the_value_is_equal() {
    let guestbook = builder(FaultyStore::default()).0.preferences(negotiating()).build().unwrap();
    let mut stranger = Browser::new(&app(&guestbook)).with("accept-language", "de");
    let asked_for = stranger.etag().await;
    let value = stranger.value().await;
    assert_eq!(stranger.set(json!({ "language": "de" })).await, value);
    assert_ne!(stranger.etag().await, asked_for, "it is chosen now");
    let answer = stranger.patch_if(&asked_for, json!({ "theme": "dark" })).await;
    assert_eq!(answer.status, StatusCode::PRECONDITION_FAILED);
}

#[tokio::test]
async fn etag_is_the_same_in_each_process() {
    let store = FaultyStore::default();
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
async fn etag_does_not_depend_on_hash_map_order() {
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
async fn version_and_etag_of_preferences_belong_to_their_value() {
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
