//! [`Rights::import`]: data that a user brings from another service (GDPR, Article 20).

use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Map, Value, json};

use super::{Rights, user_data::SCHEMA_VERSION};
use crate::{
    engine::consents::Consents,
    error::{Error, ErrorKind, Result},
    id::UserId,
    model::{
        consent::{
            ConsentRecord, ConsentState, Decision, DecisionEvent, DecisionMethod, Mode, Proof, Purpose, PurposeId,
            Regime, Subject,
        },
        preferences::{Overrides, Patch},
        privacy::AuditAction,
    },
    time::Timestamp,
};

/// The result of [`Rights::import`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportReport {
    /// The number of decisions that were imported.
    pub decisions: usize,
    /// Whether preferences were imported.
    pub preferences: bool,
    /// The number of decisions that were not imported because visitors made them before they logged
    /// in. Those that count for the account are among its own decisions, recorded at the login.
    pub left_behind: usize,
}

/// The members of an exported document that are imported. All others are ignored.
#[derive(Deserialize)]
struct Document {
    schema_version: u32,
    #[serde(default)]
    preferences: Map<String, Value>,
    /// The last stored decision first.
    #[serde(default)]
    consent: Vec<ImportedDecision>,
}

/// A decision in the document.
#[derive(Deserialize)]
struct ImportedDecision {
    purpose: String,
    visitor_id: Option<IgnoredAny>,
    #[serde(flatten)]
    consent_state: ConsentState,
    #[serde(flatten)]
    proof: Proof,
}

/// The limits of a document.
const MAX_BYTES: usize = 64 << 20;
const MAX_DECISIONS: usize = 10_000;

/// The longest text of a proof, in bytes.
const MAX_TEXT: usize = 200;

impl Rights {
    /// Imports the preferences and the decisions of an [`Export`](super::Export) into an account
    /// that has none.
    ///
    /// Each decision is recorded with the method [`Import`](DecisionMethod::Import) and with its
    /// proof, except the session and the original method. It keeps its time: it is valid as long as
    /// it would have been, and no longer than the purpose allows here. A grant for another version
    /// of the notice does not count. Of a notice only the hash is imported.
    ///
    /// A later export of the account equals the document in what was imported: the same
    /// `preferences`, and in `consent` the same decisions in the same order, each with the same
    /// `purpose`, `decision`, `since` and `notice_version`.
    ///
    /// Nothing else may change the account during the import. Everything is checked first. Then
    /// preferences are stored, then all decisions at once; the [audit
    /// trail](crate::privacy::AuditTrail) records the import. If the store fails in between, the
    /// import can be repeated.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_guestbook::{
    ///     Guestbook, Result, UserId,
    ///     consent::{
    ///         Category, Choices, DecisionContext, ConsentRules, DecisionMethod, Purpose, PurposeId,
    ///         Purposes,
    ///     },
    ///     store::MemoryStore,
    /// };
    ///
    /// fn service() -> Result<Guestbook> {
    ///     let purpose = Purpose::new("analytics", Category::Analytics);
    ///     let purpose = purpose.expiry(Duration::from_secs(180 * 86_400));
    ///     let rules = ConsentRules::new(Purposes::builder().purpose(purpose).build()?);
    ///     Guestbook::builder(MemoryStore::new()).consent(rules).build()
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// let (old, new) = (service()?, service()?);
    /// let ada = UserId::try_from("ada")?;
    /// let no = Choices::new(DecisionMethod::Custom).decline(PurposeId::ANALYTICS);
    /// old.consents().unwrap().decide(&ada.clone().into(), no, &DecisionContext::default()).await?;
    /// let mut document = Vec::new();
    /// let mut export = old.rights().export(&ada).await?;
    /// while let Some(part) = export.next().await {
    ///     document.extend(part?);
    /// }
    ///
    /// let imported = new.rights().import(&ada, &document).await?;
    /// assert_eq!((imported.decisions, imported.preferences), (1, false));
    /// let again = new.rights().import(&ada, &document).await.unwrap_err();
    /// assert_eq!(again.kind(), tower_guestbook::ErrorKind::Conflict);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`TooLarge`](ErrorKind::TooLarge) if the document has more than 64 MiB or 10,000
    ///   decisions, or the preferences are too large.
    /// - [`InvalidInput`](ErrorKind::InvalidInput) if the document is not an export, has another
    ///   `schema_version` or a time in the future, or has purposes or preferences that are unknown
    ///   here; the error names them.
    /// - [`Conflict`](ErrorKind::Conflict) if the account has decisions, or other preferences.
    /// - The errors of the store.
    pub async fn import(&self, user: &UserId, document: &[u8]) -> Result<ImportReport> {
        self.inner.runtime.tasks.within(self.opened()).await?;
        let document = read(document)?;
        let (subject, now) = (Subject::User(user.clone()), self.inner.runtime.clock.now());
        let patch = self.patch_from(document.preferences)?;
        let (own, of_visitors): (Vec<_>, Vec<_>) =
            document.consent.into_iter().partition(|decisions| decisions.visitor_id.is_none());
        let records = self.records_of(&subject, own, now)?;
        let imported =
            ImportReport { decisions: records.len(), preferences: patch.is_some(), left_behind: of_visitors.len() };

        self.check_has_no_decisions(&subject).await?;
        if let (Some(patch), Some(preferences)) = (patch, &self.inner.config.register.preferences) {
            let stored = self.inner.runtime.tasks.within(self.inner.runtime.store.preferences(user.clone())).await?;
            let theirs = Overrides::default().with(&patch)?;
            if !stored.overrides.is_empty() && stored.overrides != theirs {
                return Err(conflict());
            }
            preferences.store(user.clone(), patch, stored.version).await?;
        }
        if let (false, Some(consents)) = (records.is_empty(), &self.inner.config.register.consents) {
            consents.import_records(&subject, records).await?;
        }
        let detail = json!({ "decisions": imported.decisions, "preferences": imported.preferences });
        self.inner.parts.audit.record(AuditAction::Imported, self.actor.clone(), Some(user), detail).await?;
        Ok(imported)
    }

    async fn check_has_no_decisions(&self, subject: &Subject) -> Result<()> {
        let history = self.inner.runtime.store.consent_history(subject.clone(), 1, None);
        if self.inner.runtime.tasks.within(history).await?.is_empty() { Ok(()) } else { Err(conflict()) }
    }

    fn patch_from(&self, preferences: Map<String, Value>) -> Result<Option<Patch>> {
        if preferences.is_empty() {
            return Ok(None);
        }
        let Some(here) = &self.inner.config.register.preferences else {
            return Err(invalid("the document has preferences, which are not configured here".into()));
        };
        let patch = here.check(&Overrides::from(preferences))?;
        // The size is checked before anything is stored.
        Overrides::default().with(&patch)?;
        Ok(Some(patch))
    }

    /// The decisions as they are recorded, in the order of storing.
    fn records_of(
        &self,
        subject: &Subject,
        decisions: Vec<ImportedDecision>,
        now: Timestamp,
    ) -> Result<Vec<ConsentRecord>> {
        let purposes = self.inner.config.register.consents.as_ref().map(Consents::purposes);
        let find = |name: &str| {
            let id = PurposeId::new(name).ok()?;
            let purpose = purposes?.get(&id)?;
            (purpose.mode_under(Regime::Strictest) != Mode::Necessary).then_some((id, purpose))
        };
        let mut unknown: Vec<_> =
            decisions.iter().map(|one| one.purpose.as_str()).filter(|name| find(name).is_none()).collect();
        if !unknown.is_empty() {
            unknown.sort_unstable();
            unknown.dedup();
            return Err(invalid(format!(
                "the document has purposes that are unknown or necessary here: {}",
                named(&unknown)
            )));
        }
        let known = decisions.iter().rev().filter_map(|one| find(&one.purpose).map(|found| (one, found)));
        known.map(|(one, (id, purpose))| one.record(subject, id, purpose, now)).collect()
    }
}

impl ImportedDecision {
    fn record(&self, subject: &Subject, id: PurposeId, purpose: &Purpose, now: Timestamp) -> Result<ConsentRecord> {
        let ConsentState { decision, notice_version, gpc_present, dnt_present, since, valid_until } =
            self.consent_state;
        if since > now || self.proof.given_at > now || since < Timestamp::default() || notice_version == 0 {
            return Err(invalid("a decision of the document has an impossible time or notice version".into()));
        }
        let texts = [&self.proof.language, &self.proof.source, &self.proof.place, &self.proof.actor];
        if texts.into_iter().flatten().any(|text| text.len() > MAX_TEXT) {
            return Err(Error::new(ErrorKind::TooLarge, format!("a text of a decision has at most {MAX_TEXT} bytes")));
        }
        let mut decided = DecisionEvent::new(decision, notice_version, since);
        (decided.gpc_present, decided.dnt_present) = (gpc_present, dnt_present);
        let mut consent_state = ConsentState::after(purpose, &decided);
        if decision == Decision::Granted {
            consent_state.valid_until = consent_state.valid_until.into_iter().chain(valid_until).min();
        }
        let mut proof = self.proof.clone();
        proof.method = DecisionMethod::Import;
        // A session of another service means nothing here.
        proof.session = None;
        ConsentRecord::new(subject.clone(), id, consent_state, proof)
    }
}

fn read(document: &[u8]) -> Result<Document> {
    if document.len() > MAX_BYTES {
        return Err(Error::new(ErrorKind::TooLarge, format!("a document has at most {MAX_BYTES} bytes")));
    }
    // The error may contain personal data: only its position is reported.
    let document: Document = serde_json::from_slice(document).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        invalid(format!("the document is not an export: line {line}, column {column}"))
    })?;
    if document.schema_version != SCHEMA_VERSION {
        return Err(invalid(format!("only documents with the schema_version {SCHEMA_VERSION} are read")));
    }
    if document.consent.len() > MAX_DECISIONS {
        return Err(Error::new(ErrorKind::TooLarge, format!("a document has at most {MAX_DECISIONS} decisions")));
    }
    Ok(document)
}

/// The first names for an error. A name that is not valid is not repeated.
fn named(names: &[&str]) -> String {
    let name = |name: &&str| match PurposeId::new(name) {
        Ok(id) => format!("{:?}", id.as_str()),
        Err(_) => "(an invalid name)".to_owned(),
    };
    let more = if names.len() > 10 { " and others" } else { "" };
    names.iter().take(10).map(name).collect::<Vec<_>>().join(", ") + more
}

fn conflict() -> Error {
    Error::new(ErrorKind::Conflict, "the account has decisions or preferences: an import needs an empty account")
}

fn invalid(problem: String) -> Error {
    Error::new(ErrorKind::InvalidInput, problem)
}
