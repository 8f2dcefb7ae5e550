//! Cases for [`Store`]: methods that combine others return the same results.

use std::sync::Arc;

use serde_json::json;

use super::{
    ABSOLUTE, Loaded, Realm, START, Store,
    consents::{decided, record, user},
    new_key, new_visitor, preferences, start, user_id,
};
use crate::{
    id::{SessionKey, VisitorId},
    model::consent::{Decision, PurposeId, Subject},
    store::{LoadedContext, Profile, StoredPreferences},
};

/// Returns the combined result, after comparing it with its parts.
async fn load_context<S: Store>(store: &S, key: SessionKey, visitor: Option<VisitorId>) -> LoadedContext {
    let session = store.load(key, Realm::default()).await.expect("readable");
    let named = match &session {
        Loaded::Found(record) => record.head.user.clone().map(Subject::User),
        Loaded::Ended { .. } | Loaded::OtherRealm | Loaded::Unknown => None,
    };
    let subject = named.or(visitor.map(Subject::Visitor));
    let profile = match &subject {
        Some(subject) => profile(store, subject).await,
        None => Profile::default(),
    };
    let loaded = store.load_context(key, Realm::default(), visitor).await.expect("readable");
    assert_eq!(loaded, LoadedContext { session, subject, profile });
    loaded
}

async fn profile<S: Store>(store: &S, subject: &Subject) -> Profile {
    let preferences = match subject {
        Subject::User(user) => store.preferences(user.clone()).await.expect("readable"),
        Subject::Visitor(_) => StoredPreferences::default(),
    };
    let consents = store.consents(subject.clone()).await.expect("readable");
    let profile = store.profile(subject.clone()).await.expect("readable");
    let restriction = match subject {
        Subject::User(user) => store.restriction_of(user.clone()).await.expect("readable"),
        Subject::Visitor(_) => None,
    };
    assert_eq!(profile, Profile { consents, preferences, restriction });
    profile
}

async fn decide<S: Store>(store: &S, subject: &Subject, decision: Decision) {
    record(store, vec![decided(subject, PurposeId::ANALYTICS, decision, START)]).await;
}

fn decision(profile: &Profile) -> Option<Decision> {
    profile.consents.get(&PurposeId::ANALYTICS).map(|consent_state| consent_state.decision)
}

pub(super) async fn load_context_returns_consent_and_preferences_of_the_user<S: Store>(store: Arc<S>) {
    let session = start(&*store, Some("ada"), START).await;
    let visitor = new_visitor();
    decide(&*store, &user("ada"), Decision::Granted).await;
    decide(&*store, &user("bob"), Decision::Withdrawn).await;
    decide(&*store, &visitor.into(), Decision::Denied).await;
    preferences::change(&*store, json!({ "theme": "dark" })).await;
    for visitor in [None, Some(visitor), Some(new_visitor())] {
        let loaded = load_context(&*store, session.key, visitor).await;
        assert_eq!((&loaded.session, &loaded.subject), (&Loaded::Found(session.record.clone()), &Some(user("ada"))));
        assert_eq!((decision(&loaded.profile), loaded.profile.preferences.version), (Some(Decision::Granted), 1));
    }
}

pub(super) async fn profile_may_have_one_part_only<S: Store>(store: Arc<S>) {
    assert_eq!(profile(&*store, &user("ada")).await, Profile::default(), "nobody knows the user");
    let session = start(&*store, Some("ada"), START).await;
    assert_eq!(load_context(&*store, session.key, None).await.profile, Profile::default());
    preferences::change(&*store, json!({ "theme": "dark" })).await;
    let of_ada = load_context(&*store, session.key, None).await.profile;
    assert!(of_ada.consents.is_empty() && of_ada.preferences.version == 1);
    decide(&*store, &user("bob"), Decision::Denied).await;
    let of_bob = profile(&*store, &user("bob")).await;
    assert_eq!((decision(&of_bob), of_bob.preferences), (Some(Decision::Denied), StoredPreferences::default()));
}

pub(super) async fn load_context_returns_the_profile_of_the_visitor<S: Store>(store: Arc<S>) {
    let session = start(&*store, None, START).await;
    let visitor = new_visitor();
    decide(&*store, &visitor.into(), Decision::Objected).await;
    // A user with the name of the visitor, and a preference.
    let namesake = user_id(&visitor.as_uuid().to_string());
    let patch = preferences::patch(json!({ "theme": "dark" }));
    store.change_preferences(namesake, patch, None).await.expect("changed");
    let known = load_context(&*store, session.key, Some(visitor)).await;
    assert_eq!((&known.session, &known.subject), (&Loaded::Found(session.record), &Some(visitor.into())));
    assert_eq!(decision(&known.profile), Some(Decision::Objected));
    assert_eq!(known.profile.preferences, StoredPreferences::default());
    let other = new_visitor();
    let unknown = load_context(&*store, session.key, Some(other)).await;
    assert_eq!((unknown.subject, unknown.profile), (Some(other.into()), Profile::default()));
    let nobody = load_context(&*store, session.key, None).await;
    assert_eq!((nobody.subject, nobody.profile), (None, Profile::default()));
}

pub(super) async fn load_context_with_an_unknown_key_returns_the_visitor<S: Store>(store: Arc<S>) {
    let session = start(&*store, Some("ada"), START).await;
    let visitor = new_visitor();
    decide(&*store, &user("ada"), Decision::Granted).await;
    decide(&*store, &visitor.into(), Decision::Denied).await;
    store.delete(session.id(), START).await.expect("deleted");
    for (key, expected) in [(session.key, Loaded::Ended { logged_in: true }), (new_key(), Loaded::Unknown)] {
        let left = load_context(&*store, key, Some(visitor)).await;
        assert_eq!((left.session, left.subject), (expected, Some(visitor.into())));
        assert_eq!(decision(&left.profile), Some(Decision::Denied));
        assert_eq!(load_context(&*store, key, None).await.subject, None);
    }
}

pub(super) async fn load_context_of_an_expired_session_names_its_user<S: Store>(store: Arc<S>) {
    let session = start(&*store, Some("ada"), START).await;
    decide(&*store, &user("ada"), Decision::Granted).await;
    let late = START.after(2 * ABSOLUTE);
    assert!(session.record.head.is_expired(late) && !store.touch(session.id(), late).await.expect("answered"));
    let expired = load_context(&*store, session.key, Some(new_visitor())).await;
    assert_eq!((expired.session, expired.subject), (Loaded::Found(session.record), Some(user("ada"))));
    assert_eq!(decision(&expired.profile), Some(Decision::Granted));
}

pub(super) async fn load_context_without_subject_is_empty<S: Store>(store: Arc<S>) {
    let nobody = load_context(&*store, new_key(), None).await;
    assert_eq!(nobody, LoadedContext { session: Loaded::Unknown, subject: None, profile: Profile::default() });
    let stranger = load_context(&*store, new_key(), Some(new_visitor())).await;
    assert_eq!((stranger.session, stranger.profile), (Loaded::Unknown, Profile::default()));
}
