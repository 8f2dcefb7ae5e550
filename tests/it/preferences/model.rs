//! Any sequence of patches, against a model that is too simple to be wrong: a JSON merge over the
//! defaults.

use proptest::{collection::vec, prelude::*};
use serde_json::{Map, Value, json};
use tower_guestbook::store::{MemoryStore, Store};

use super::{Browser, app, negotiating, standard};
use crate::support::builder;

/// RFC 7396, word by word.
pub(super) fn merge_patch(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let target = target.as_object_mut().unwrap();
    for (key, value) in patch {
        match value {
            Value::Null => {
                target.remove(key);
            }
            value => merge_patch(target.entry(key).or_insert(Value::Null), value),
        }
    }
}

/// What somebody has set, in the model.
#[derive(Clone)]
struct Model(Value);

impl Model {
    fn value(&self, wish: &Value) -> Value {
        let mut value = standard(wish.clone());
        merge_patch(&mut value, &self.0);
        value
    }

    /// What differs from the defaults, or from what a browser may ask for.
    fn overrides(&self) -> Value {
        let (mut set, defaults) = (self.0.clone(), standard(json!({})));
        for category in ["notifications", "privacy"] {
            if let Some(keys) = set.get_mut(category).and_then(Value::as_object_mut) {
                keys.retain(|key, value| defaults[category][key] != *value);
            }
        }
        set
    }
}

fn key(values: &'static [&'static str]) -> impl Strategy<Value = Value> {
    prop_oneof![1 => Just(Value::Null), 3 => prop::sample::select(values).prop_map(|json| serde_json::from_str(json).unwrap())]
}

fn category(keys: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let some = prop::collection::btree_map(prop::sample::select(keys), key(&["true", "false"]), 0..=keys.len());
    prop_oneof![1 => Just(Value::Null), 6 => some.prop_map(|keys| json!(keys))]
}

/// A patch that is right, now and then one that is wrong.
fn patch() -> impl Strategy<Value = (Value, bool)> {
    let theme = prop::option::of(key(&[r#""light""#, r#""dark""#, r#""system""#]));
    let language = prop::option::of(key(&[r#""en""#, r#""de""#, r#""eo""#]));
    let notifications = prop::option::of(category(&["email", "push", "sms"]));
    let privacy = prop::option::of(category(&["profile_public", "show_activity", "allow_analytics"]));
    let right = (theme, language, notifications, privacy).prop_map(|(theme, language, notifications, privacy)| {
        let keys = [("theme", theme), ("language", language), ("notifications", notifications), ("privacy", privacy)];
        keys.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect::<Map<_, _>>()
    });
    let wrong = prop::option::weighted(
        0.15,
        prop::sample::select(vec![
            ("theme", json!("sepia")),
            ("language", json!(7)),
            ("notifications", json!({ "email": "yes" })),
            ("colour", json!("red")),
        ]),
    );
    (right, wrong).prop_map(|(mut patch, wrong)| {
        let is_right = wrong.is_none();
        patch.extend(wrong.map(|(key, value)| (key.to_owned(), value)));
        (Value::Object(patch), is_right)
    })
}

/// Who sends a patch, what their browser asks for, and what they change.
type Step = (usize, Option<&'static str>, Option<&'static str>, Value, bool);

fn step() -> impl Strategy<Value = Step> {
    let language = prop::option::of(prop::sample::select(vec!["de", "en", "zh-Hant"]));
    let scheme = prop::option::of(prop::sample::select(vec!["dark", "light"]));
    (0..3usize, language, scheme, patch())
        .prop_map(|(who, language, scheme, (patch, is_right))| (who, language, scheme, patch, is_right))
}

/// Two users and a stranger, each with their own model.
async fn follow<S: Store>(store: S, steps: &[Step]) {
    let guestbook = builder(store).0.preferences(negotiating()).build().unwrap();
    let app = app(&guestbook);
    let mut browsers = [Browser::of(&app, "ada").await, Browser::of(&app, "eve").await, Browser::new(&app)];
    let mut models = [Model(json!({})), Model(json!({})), Model(json!({}))];
    for (who, language, scheme, patch, is_right) in steps {
        let mut wish = Map::new();
        browsers[*who].headers.clear();
        if let Some(language) = language {
            browsers[*who].headers.push(("accept-language", format!("{language}, fr")));
            wish.insert("language".into(), json!(language));
        }
        if let Some(scheme) = scheme {
            browsers[*who].headers.push(("sec-ch-prefers-color-scheme", format!("{scheme:?}")));
            wish.insert("theme".into(), json!(scheme));
        }
        let (browser, model, wish) = (&mut browsers[*who], &mut models[*who], Value::Object(wish));
        let answer = browser.patch(patch.clone()).await;
        assert_eq!(answer.status.is_success(), *is_right, "{patch}: {}", answer.body);
        if *is_right {
            merge_patch(&mut model.0, patch);
            assert_eq!(answer.json(), model.value(&wish), "{patch}");
        }
        assert_eq!(browser.value().await, model.value(&wish), "after {patch}");
    }
    for (browser, model) in browsers.iter_mut().zip(&models) {
        browser.headers.clear();
        assert_eq!(browser.value().await, model.value(&json!({})));
    }
    // The stranger logs in, and fills what the account has not set.
    let [_, eve, mut stranger] = browsers;
    let [_, account, session] = models;
    let mut filled = Model(session.overrides());
    merge_patch(&mut filled.0, &account.overrides());
    stranger.login("eve").await;
    for mut browser in [stranger, eve] {
        assert_eq!(browser.value().await, filled.value(&json!({})));
    }
}

fn run(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn updates_equal_a_merge_over_the_defaults(steps in vec(step(), 0..20)) {
        run(follow(MemoryStore::new(), &steps));
    }
}

#[cfg(feature = "sqlite")]
proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn updates_equal_a_merge_over_the_defaults_on_sqlite(steps in vec(step(), 0..20)) {
        let directory = tempfile::tempdir().unwrap();
        run(follow(tower_guestbook::store::SqliteStore::open(directory.path().join("guestbook.db")).unwrap(), &steps));
    }
}
