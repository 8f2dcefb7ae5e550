//! Cases for [`ConsentStore`]: notices and the signing secret.

use std::{collections::HashSet, sync::Arc};

use super::{ConsentStore, support::at_once};
use crate::{
    error::ErrorKind,
    model::consent::{Notice, NoticeHash, PurposeId},
};

fn notice(purpose: PurposeId, version: u32, language: &str, text: &str) -> Notice {
    Notice::new(purpose, version, language, text).expect("a short text is a notice")
}

async fn find<S: ConsentStore>(store: &S, text: &str) -> Option<Notice> {
    store.notice(NoticeHash::of(text)).await.expect("readable")
}

pub(super) async fn publish_notice_stores_the_text_unchanged<S: ConsentStore>(store: Arc<S>) {
    let largest = "x".repeat(64 * 1024);
    let own = PurposeId::new("own").expect("a name");
    let notices = [
        notice(PurposeId::ANALYTICS, 1, "en", "We count visits."),
        notice(PurposeId::ANALYTICS, 1, "de-CH", "Wir zählen Besuche.\n'\"\u{0}\u{1f600} "),
        notice(PurposeId::ANALYTICS, u32::MAX, "en", &largest),
        notice(own, 1, "en", "We do something else."),
    ];
    assert_eq!(find(&*store, "We count visits.").await, None);
    for notice in &notices {
        store.publish_notice(notice.clone()).await.expect("published");
        store.publish_notice(notice.clone()).await.expect("it is there already");
    }
    let other = notice(PurposeId::ANALYTICS, 1, "en", "We count more than visits.");
    let error = store.publish_notice(other.clone()).await.expect_err("another text");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(find(&*store, other.text()).await, None);
    for notice in notices {
        assert_eq!(store.notice(notice.hash()).await.expect("readable"), Some(notice));
    }
}

pub(super) async fn notice_returns_the_first_with_the_text<S: ConsentStore>(store: Arc<S>) {
    let first = notice(PurposeId::MARKETING, 2, "en", "We count visits.");
    for notice in [
        first.clone(),
        notice(PurposeId::ANALYTICS, 1, "en", first.text()),
        notice(PurposeId::MARKETING, 1, "en", first.text()),
        notice(PurposeId::MARKETING, 2, "de", first.text()),
    ] {
        store.publish_notice(notice).await.expect("published");
        assert_eq!(find(&*store, first.text()).await, Some(first.clone()));
    }
    for taken in [(PurposeId::ANALYTICS, 1, "en"), (PurposeId::MARKETING, 2, "de")] {
        let error = store.publish_notice(notice(taken.0, taken.1, taken.2, "x")).await.expect_err("another text");
        assert_eq!(error.kind(), ErrorKind::Conflict, "each of them is kept");
    }
}

pub(super) async fn publish_notice_keeps_one_of_parallel_texts<S: ConsentStore>(store: Arc<S>) {
    let published = at_once(|number| {
        let store = store.clone();
        let notice = notice(PurposeId::ANALYTICS, 1, "en", &format!("Text {}.", number / 2));
        async move { store.publish_notice(notice).await.map_err(|error| error.kind()) }
    })
    .await;
    let mut kept = 0;
    for (number, published) in published.into_iter().enumerate() {
        let found = find(&*store, &format!("Text {}.", number / 2)).await;
        assert_eq!(published, if found.is_some() { Ok(()) } else { Err(ErrorKind::Conflict) });
        kept += usize::from(found.is_some());
    }
    assert_eq!(kept, 2, "one text, which two had published");
}

pub(super) async fn signing_secret_is_created_once<S: ConsentStore>(store: Arc<S>) {
    let secrets = at_once(|_| {
        let store = store.clone();
        async move { store.signing_secret().await.expect("made") }
    })
    .await;
    let mut secrets: HashSet<_> = secrets.into_iter().collect();
    secrets.insert(store.signing_secret().await.expect("read"));
    assert_eq!(secrets.len(), 1);
    assert!(!secrets.contains(&[0; 32]));
}
