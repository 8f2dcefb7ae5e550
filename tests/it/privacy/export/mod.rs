//! What people take along, and what it says: exports, imports, receipts, records of processing.

#[cfg(feature = "zip")]
mod archive;
mod document;
mod erased;
mod http;
mod import;
mod nesting;
mod receipt;
mod records;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tower_guestbook::{
    Clock, Error, ErrorKind, Guestbook, GuestbookBuilder, UserId,
    consent::{
        Category, Choices, ConsentRules, Controller, DecisionContext, DecisionMethod, Mode, Purpose, PurposeId,
        Purposes, Subject,
    },
    preferences::{PreferenceRules, StandardPreferences},
    privacy::{ExportedPage, PersonalData, PersonalDataFuture},
    store::{MemoryStore, Store},
};

use crate::support::{self, START};

const DAY: Duration = Duration::from_secs(86_400);

fn user(name: &str) -> UserId {
    UserId::try_from(name).unwrap()
}

fn purposes() -> Purposes {
    Purposes::builder()
        .purpose(Purpose::new("billing", Category::Necessary).recipients(["the bank"]))
        .purpose(Purpose::new("analytics", Category::Analytics).expiry(180 * DAY))
        .purpose(
            Purpose::new("marketing", Category::Marketing)
                .mode(Mode::OptIn)
                .expiry(90 * DAY)
                .description("Advertising that fits")
                .recipients(["an agency"])
                .transfers(["Switzerland"])
                .security("locked away"),
        )
        .build()
        .unwrap()
}

/// With consent and preferences.
fn rules<S: Store>(store: S) -> (GuestbookBuilder<S>, Clock) {
    let (builder, clock) = support::builder(store);
    let rules = ConsentRules::new(purposes()).accept_grants_without_notice();
    (builder.consent(rules).preferences(PreferenceRules::standard().unwrap()), clock)
}

async fn decide(guestbook: &Guestbook, name: &str, choices: Choices) {
    let subject = Subject::User(user(name));
    guestbook.consents().unwrap().decide(&subject, choices, &DecisionContext::default()).await.unwrap();
}

async fn set(guestbook: &Guestbook, name: &str, patch: Value) {
    let preferences = guestbook.preferences::<StandardPreferences>().unwrap();
    preferences.update(&user(name), &patch, None).await.unwrap();
}

async fn text(guestbook: &Guestbook, name: &str) -> Vec<u8> {
    let mut export = guestbook.rights().export(&user(name)).await.unwrap();
    let mut text = Vec::new();
    while let Some(part) = export.next().await {
        text.extend(part.unwrap());
    }
    text
}

async fn document(guestbook: &Guestbook, name: &str) -> Value {
    serde_json::from_slice(&text(guestbook, name).await).unwrap()
}

/// A source with this number of rows for each user, one per page, that fails at one of them.
#[derive(Clone, Debug)]
struct Rows {
    name: &'static str,
    rows: usize,
    fails_at: Option<usize>,
    erased: Arc<AtomicUsize>,
}

impl Rows {
    fn new(name: &'static str, rows: usize) -> Self {
        Self { name, rows, fails_at: None, erased: Arc::default() }
    }

    fn failing_at(mut self, page: usize) -> Self {
        self.fails_at = Some(page);
        self
    }
}

impl PersonalData for Rows {
    fn name(&self) -> &str {
        self.name
    }

    fn export(&self, user: UserId, page: usize) -> PersonalDataFuture<'_, ExportedPage> {
        Box::pin(async move {
            if self.fails_at == Some(page) {
                return Err(Error::new(
                    ErrorKind::Unavailable,
                    format!("the row of {} is out of order", user.as_str()),
                ));
            }
            let row = json!({ "row": page, "of": user });
            Ok(if page + 1 < self.rows { ExportedPage::with_more(vec![row]) } else { ExportedPage::last(vec![row]) })
        })
    }

    fn erase(&self, _: UserId) -> PersonalDataFuture<'_, u64> {
        self.erased.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { Ok(self.rows as u64) })
    }
}
