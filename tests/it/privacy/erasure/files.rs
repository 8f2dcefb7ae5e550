//! What is in the files before and after.

use std::collections::HashSet;

use tower_guestbook::{
    activity::EventType,
    consent::{Choices, DecisionContext, DecisionMethod, PurposeId, Subject},
    privacy::{Actor, AuditAction, ErasedActivities},
    store::{ErasureStore, SqliteStore},
};

use super::*;

/// All rows of all tables that are somebody's, in words that do not change when rows of others go.
pub(super) fn rows_of(place: &Place, name: &str) -> Vec<String> {
    let raw = place.raw();
    let mut rows = Vec::new();
    for sql in [
        "SELECT 'user', u.* FROM users u WHERE external = ?1",
        "SELECT 'session', s.* FROM sessions s JOIN users u ON u.id = s.user WHERE u.external = ?1",
        "SELECT 'preferences', p.* FROM preferences p JOIN users u ON u.id = p.user WHERE u.external = ?1",
        "SELECT 'subject', c.* FROM consent_subjects c JOIN users u ON u.id IN (c.user, c.linked_to) WHERE u.external = ?1",
        "SELECT 'record', r.* FROM consent_records r JOIN consent_subjects c ON c.id = r.subject
            JOIN users u ON u.id IN (c.user, c.linked_to) WHERE u.external = ?1",
        "SELECT 'activity', a.*, t.*, r.*, g.*, s.*, v.* FROM activities a JOIN users u ON u.id = a.user
            LEFT JOIN event_types t ON t.id = a.type LEFT JOIN routes r ON r.id = a.route
            LEFT JOIN agents g ON g.id = a.agent LEFT JOIN activity_sessions s ON s.id = a.session
            LEFT JOIN visitors v ON v.id = a.visitor WHERE u.external = ?1",
        "SELECT 'block', b.* FROM activity_user_blocks b JOIN users u ON u.id = b.user WHERE u.external = ?1",
    ] {
        let mut statement = raw.prepare(&format!("{sql} ORDER BY 2, 3")).unwrap();
        let columns = statement.column_count();
        let mut found = statement.query([name]).unwrap();
        while let Some(row) = found.next().unwrap() {
            let values = (0..columns).map(|column| format!("{:?}", row.get_ref(column).unwrap()));
            rows.push(values.collect::<Vec<_>>().join("|"));
        }
    }
    rows
}

/// Does everything that a client can do, with words of their own.
pub(super) struct TestClient {
    pub(super) name: String,
    /// What is kept, and in the export.
    pub(super) kept: Vec<(&'static str, String)>,
    /// What is kept but is no part of an export: it is about others.
    pub(super) internal: Vec<(&'static str, String)>,
    /// What is never kept.
    pub(super) unkept: Vec<(&'static str, String)>,
    browser: Browser,
}

impl TestClient {
    pub(super) async fn of(guestbook: &Guestbook, addresses: &Addresses) -> Self {
        let mut browser = Browser::new(&routes(guestbook));
        let word = |what| (what, needle());
        let [name, source, actor, header, segment, query, utm, referrer, event_type, data, preference, address, visit] =
            [
                "user id",
                "consent source",
                "consent actor",
                "recorded header",
                "path without a route",
                "query value",
                "utm campaign",
                "referrer host",
                "event type",
                "event data",
                "preference",
                "address",
                "path before the login",
            ]
            .map(word);
        let early = ["source before the login", "actor before the login", "late source", "late actor"].map(word);
        let session = word("session data");
        let [audited, acted] = ["audit detail", "audit detail about another"].map(word);
        let [agent, path, secret, cookie, template, unlisted] =
            ["user agent", "referrer path", "header", "cookie", "path with a route", "other query value"].map(word);

        // Before the login: a visitor.
        browser.ok(&format!("/decide/{}/{}", early[0].1, early[1].1)).await;
        browser.ok(&format!("/{}", visit.1)).await;
        browser.ok(&format!("/login/{}", name.1)).await;
        browser.ok(&format!("/decide/{}/{}", source.1, actor.1)).await;
        browser.ok(&format!("/set/{}", session.1)).await;
        browser.ok(&format!("/track/own.{}/{}", event_type.1, data.1)).await;
        browser.headers = vec![
            ("x-shop", header.1.clone()),
            ("x-other", secret.1.clone()),
            ("user-agent", format!("{FIREFOX} {}", agent.1)),
            ("referer", format!("https://{}.example/{}", referrer.1, path.1)),
        ];
        browser.cookies.insert("own".into(), cookie.1.clone());
        let query = (query.0, query.1);
        browser.ok(&format!("/{}?q={}&utm_campaign={}&secret={}", segment.1, query.1, utm.1, unlisted.1)).await;
        browser.headers.clear();
        browser.ok(&format!("/set/{}", session.1)).await;
        browser.ok(&format!("/track/action/{}", template.1)).await;
        // What was said in data of an event is kept, unlike the same word in a path.
        let template = (template.0, template.1);
        let user = user(&name.1);
        let preferences = guestbook.preferences::<StandardPreferences>().unwrap();
        preferences.update(&user, &json!({ "nickname": preference.1 }), None).await.unwrap();
        let choices =
            Choices::new(DecisionMethod::Api).decline(PurposeId::MARKETING).source(&*early[2].1).actor(&*early[3].1);
        let subject = Subject::User(user.clone());
        guestbook.consents().unwrap().decide(&subject, choices, &DecisionContext::default()).await.unwrap();
        let note = async |about: &UserId, detail: &str| {
            let (action, actor) = (AuditAction::custom("shop.seen").unwrap(), Actor::User(user.clone()));
            guestbook.audit().record(action, actor, Some(about), json!({ "said": detail })).await.unwrap();
        };
        note(&user, &audited.1).await;
        note(&UserId::from(7), &acted.1).await;
        addresses.add(&name.1, &address.1);
        addresses.add(&name.1, &format!("{} too", address.1));
        guestbook.flush().await.unwrap();
        Self {
            name: name.1.clone(),
            kept: [
                vec![name, source, actor, header, segment, query, utm, referrer, event_type, data, preference, address],
                vec![template, visit, audited, session],
                early.into(),
            ]
            .concat(),
            internal: vec![acted],
            unkept: vec![agent, path, secret, cookie, unlisted],
            browser,
        }
    }
}

#[tokio::test]
async fn export_has_what_is_stored_and_erase_leaves_nothing_in_any_file() {
    let place = Place::new();
    let (store, addresses) = (place.open(), Addresses::new(&place));
    let (guestbook, _clock) = whole(store.clone(), &place, addresses.clone());
    let bob = TestClient::of(&guestbook, &addresses).await;
    let ada = TestClient::of(&guestbook, &addresses).await;
    let visitors =
        place.raw().query_row("SELECT count(*) FROM consent_subjects WHERE linked_to IS NOT NULL", [], |row| {
            row.get::<_, i64>(0)
        });
    assert_eq!(visitors.unwrap(), 2, "both decided before they logged in");

    let (_, document, text) = read(guestbook.rights().export(&user(&ada.name)).await.unwrap()).await;
    for (what, word) in ada.kept.iter().chain(&ada.internal) {
        assert!(!place.find(word.as_bytes()).is_empty(), "{what} is kept");
    }
    for (what, word) in &ada.kept {
        assert!(text.contains(word.as_str()), "{what} is in the export: {document:#}");
    }
    for (what, word) in ada.unkept.iter().chain(&ada.internal) {
        assert!(!text.contains(word.as_str()), "{what} is not in the export");
    }
    for (what, word) in &ada.unkept {
        assert_eq!(place.find(word.as_bytes()), [""; 0], "{what} is never kept");
    }
    for (what, word) in bob.kept.iter().chain(&bob.internal) {
        assert!(!text.contains(word.as_str()), "{what} of somebody else");
    }
    // No token, in no shape, and no hash of it.
    let raw = place.raw();
    let keys: Vec<Vec<u8>> = raw
        .prepare("SELECT key FROM sessions UNION SELECT key FROM ended_sessions UNION SELECT value FROM secrets")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let tokens = ada.browser.cookies.values().filter(|cookie| cookie.len() > 20).map(|cookie| cookie.clone().into());
    let tokens: Vec<Vec<u8>> = tokens.chain(keys).collect();
    assert!(tokens.len() >= 3, "{} tokens", tokens.len());
    for token in tokens {
        for (shape, form) in shapes(&token) {
            let found = text.as_bytes().windows(form.len()).any(|window| window == form.as_slice());
            assert!(!found, "a token or a hash is in the export: {shape}");
        }
    }
    let ids: Vec<Vec<u8>> = raw
        .prepare("SELECT public_id FROM activity_sessions UNION SELECT public_id FROM visitors UNION SELECT public_id FROM sessions")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    drop(raw);

    let before = rows_of(&place, &bob.name);
    assert!(before.len() > 15, "{before:#?}");
    let receipt = guestbook.rights().erase(&user(&ada.name)).await.unwrap();
    assert_eq!(receipt.sources, [("addresses".to_owned(), 2)]);
    let erased = receipt.erasure.erased;
    assert_eq!((erased.sessions, erased.preferences, erased.consents), (1, 1, 3));
    assert!(erased.activities >= 9 && receipt.is_clean, "{receipt:?}");
    assert!(!serde_json::to_string(&receipt).unwrap().contains(&ada.name), "the receipt names nobody");
    assert_eq!(rows_of(&place, &bob.name), before, "to the byte");
    let trail = guestbook.audit().entries(0, 100, None).await.unwrap();
    let finished = trail.last().unwrap().content().unwrap().unwrap();
    assert_eq!((finished.actor, finished.subject), (Actor::System, None));
    assert_eq!(finished.detail["activities_deleted"], erased.activities);
    let report = guestbook.audit().verify(None).await.unwrap();
    assert_eq!((report.entries, report.without_payload, report.fault), (7, 4, None), "the chain is what it was");

    for closed in [false, true] {
        if closed {
            guestbook.shutdown().await;
            store.close().await.unwrap();
        }
        for (what, word) in ada.kept.iter().chain(&ada.internal).chain(&ada.unkept) {
            assert_eq!(place.find(word.as_bytes()), [""; 0], "{what} is left, closed: {closed}");
        }
        for (what, word) in bob.kept.iter().chain(&bob.internal) {
            assert!(!place.find(word.as_bytes()).is_empty(), "{what} of somebody else is gone");
        }
    }
    // Ids that only rows of hers had.
    let (_, of_bob, text) = {
        let store = place.open();
        let (guestbook, _clock) = whole(store.clone(), &place, addresses);
        let exported = read(guestbook.rights().export(&user(&bob.name)).await.unwrap()).await;
        guestbook.shutdown().await;
        store.close().await.unwrap();
        exported
    };
    assert_eq!(of_bob["user_id"], *bob.name);
    for (what, word) in &bob.kept {
        assert!(text.contains(word.as_str()), "{what} is still exported");
    }
    let gone = ids.iter().filter(|id| place.find(id).is_empty()).count();
    assert!(gone >= 2, "her session and her visitor are nowhere: {gone} of {}", ids.len());
}

/// Copies that SQLite makes when it splits and merges pages.
#[tokio::test]
async fn erase_of_many_users_leaves_next_to_no_residue_between_other_rows() {
    const USERS: usize = 2_000;
    let place = Place::new();
    let store = place.open();
    // Names in no order, so that pages of the index split everywhere.
    let names: Vec<String> = (0..USERS).map(|_| format!("zqx{}", needle())).collect();
    for (number, name) in (0u64..).zip(&names) {
        let mut own = event(name, &format!("{name} again and again {name}"));
        own.event_type = EventType::new(&format!("own.{name}")).unwrap();
        let batch = [event(name, &name.repeat(1 + number as usize % 30)), own];
        assert_eq!(append(&store, entries(1, number * 2, batch)).await, 2);
        if number % 7 == 0 {
            // What is overwritten leaves copies as well.
            store.delete_activities(of(&names[number as usize / 2]), 1).await.unwrap();
        }
    }
    let (gone, stay) = names.split_at(USERS / 3);
    for name in gone {
        let erasure = store.begin_erasure(user(name), START, support::note(), START).await.unwrap();
        while store
            .erase_some(erasure.id, 500, ErasedActivities::Deleted, support::note(), START)
            .await
            .unwrap()
            .finished_at
            .is_none()
        {}
    }
    assert!(store.scrub().await.unwrap());
    let gone: HashSet<&[u8]> = gone.iter().map(|name| name.as_bytes()).collect();
    let look = || {
        let (mut seen, mut left) = (HashSet::new(), 0);
        for (_, bytes) in place.files() {
            for window in bytes.windows(19).filter(|window| window.starts_with(b"zqx")) {
                seen.insert(window.to_vec());
                left += usize::from(gone.contains(window));
            }
        }
        assert!(stay.iter().all(|name| seen.contains(name.as_bytes())), "the others are there");
        left
    };
    // When SQLite splits a page it now and then leaves a copy in the unused part, which
    // `secure_delete` does not know of.
    let left = look();
    println!("copies left: {left}");
    assert!(left <= USERS / 100, "{left} copies are left");
    place.raw().execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    assert_eq!(look(), 0, "a rebuilt file has none");
}

#[tokio::test]
async fn scrub_blocked_by_a_reader_is_done_by_the_next_sweep() {
    let place = Place::new();
    // Waiting for the reader, which does not end before, would take this long and fail.
    let forever = Duration::from_secs(600);
    let (store, word) = (SqliteStore::builder(place.database()).busy_timeout(forever).open().unwrap(), needle());
    let (builder, _clock) = support::builder(store.clone());
    let guestbook = builder.store_timeout(forever).build().unwrap();
    append(&store, entries(1, 1, [event("ada", &word), event("bob", "his")])).await;
    // The first sweep may just be reading.
    support::until(async || store.scrub().await.unwrap()).await;
    let reader = place.raw();
    reader.execute_batch("BEGIN; SELECT count(*) FROM activities").unwrap();
    let writing = async {
        for number in 0..50 {
            append(&store, entries(2, number, [event("bob", "another")])).await;
            tokio::task::yield_now().await;
        }
    };
    let ada = user("ada");
    let (receipt, ()) = tokio::join!(guestbook.rights().erase(&ada), writing);
    let receipt = receipt.unwrap();
    assert!(receipt.erasure.finished_at.is_some() && !receipt.is_clean, "{receipt:?}");
    assert!(!place.find(word.as_bytes()).is_empty(), "the reader still sees it");
    reader.execute_batch("COMMIT").unwrap();
    assert_eq!(guestbook.rights().resume_erasures().await.unwrap(), 0, "nothing but residue is left");
    assert_eq!(place.find(word.as_bytes()), [""; 0]);
}

#[tokio::test]
async fn start_overwrites_residue_of_a_dead_process() {
    let place = Place::new();
    let (store, word) = (place.open(), needle());
    append(&store, entries(1, 1, [event("ada", &word)])).await;
    assert!(store.scrub().await.unwrap());
    // As long as it reads, what was before must stay.
    let reader = place.raw();
    reader.execute_batch("BEGIN; SELECT count(*) FROM activities").unwrap();
    let erasure = store.begin_erasure(user("ada"), START, support::note(), START).await.unwrap();
    while store
        .erase_some(erasure.id, 500, ErasedActivities::Deleted, support::note(), START)
        .await
        .unwrap()
        .finished_at
        .is_none()
    {}
    // It dies here, and leaves its log behind.
    assert!(!place.find(word.as_bytes()).is_empty());
    reader.execute_batch("COMMIT").unwrap();
    let (builder, _clock) = support::builder(SqliteStore::open(place.database()).unwrap());
    let guestbook = builder.build().unwrap();
    for _ in 0..1_000 {
        if place.find(word.as_bytes()).is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(place.find(word.as_bytes()), [""; 0]);
    guestbook.shutdown().await;
}
