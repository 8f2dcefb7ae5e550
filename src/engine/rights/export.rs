//! [`Export`]: the data of a user as one JSON document.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_core::Stream;
use serde::Serialize;
use serde_json::{Value, value::RawValue};

use super::{
    Rights,
    guarded_export::{ErasureWatch, GuardedExport},
    part_stream::{PartSource, PartStream},
    processing_info::ProcessingInfo,
    user_data::{RightsStatus, SCHEMA_VERSION, consent, unwritable},
};
use crate::{
    error::Result,
    id::{UserId, VisitorId},
    model::{
        activity::Cursor,
        consent::ConsentId,
        privacy::{AuditRow, RequestKind},
    },
    time::Timestamp,
};

/// All data of a user as one JSON document: a [`Stream`] of bytes that holds one part in memory.
///
/// The same data gives the same document, except for `export_date`, what follows from that date,
/// and the exports in `audit`. Times are milliseconds since 1970. The document has no tokens, no
/// hashes of tokens, and no data of other users.
///
/// If the user is erased meanwhile, the stream ends with
/// [`UserErased`](crate::ErrorKind::UserErased) before the document does, and no request counts as
/// answered.
///
/// The members, in this order:
///
/// - `schema_version`: 1. Read it first. New members do not change it.
/// - `user_id`: the user.
/// - `export_date`: when the document was made.
/// - `controller`: who is responsible, from
///   [`GuestbookBuilder::controller`](crate::GuestbookBuilder::controller), or null.
/// - `purposes`: each [purpose](crate::consent::Purpose) as it is declared (`id`, `category`,
///   `basis`, `mode`, `lenient_mode`, `notice_version`, `expiry_seconds`, `cookies`,
///   `sells_or_shares`, and what is set of [`Processing`](crate::consent::Processing));
///   `retention`, the periods of its events; and the consent state of the user: `allowed`, `why`,
///   `ask` (a [`Verdict`](crate::consent::Verdict)) and `consent_state` (the last decision, or null).
/// - `retention`: how long each class of data is kept, as
///   [`RetentionPeriod`](super::RetentionPeriod)s.
/// - `sessions`: the live sessions, as [`SessionInfo`](crate::session::SessionInfo) without
///   `current`, with their `data`: the application's keys and values, null for
///   [secret](crate::GuestbookBuilder::secret_session_keys) ones.
/// - `preferences`: what the user has set, by category and key.
/// - `restriction`: since when and why processing is [restricted](crate::privacy::Restriction), or
///   null.
/// - `holds`: the [legal holds](crate::privacy::LegalHold).
/// - `requests`: the first 1,000 [requests](crate::privacy::PrivacyRequest) of the user.
/// - `consent`: each [decision](crate::consent::ConsentRecord), the last stored first. A decision
///   of a visitor who was linked to the user has a `visitor_id`.
/// - `activities`: each [event](crate::activity::Activity) in the order of recording, then the
///   events of linked visitors from before the login.
/// - `audit`: the entries of the [audit trail](crate::privacy::AuditTrail) about the user, this
///   export included.
/// - `sources`: the rows of each [source](super::PersonalData) of the application, by name.
pub struct Export {
    parts: PartStream<GuardedExport<ExportWriter>>,
}

struct ExportWriter {
    rights: Rights,
    user: UserId,
    next: Next,
    /// The visitors who were linked to the user, known from their decisions.
    visitors: Vec<VisitorId>,
    /// Whether the list that is being written has an element.
    has_any: bool,
}

/// The part that comes next.
enum Next {
    Head(Box<Head>),
    Consent(Option<ConsentId>),
    /// The events of the user, then those of each linked visitor from before the login.
    Activities {
        visitor: Option<usize>,
        after: Option<Cursor>,
    },
    Audit {
        after: u64,
    },
    Source {
        source: usize,
        page: usize,
    },
    Nothing,
}

/// The part before the lists.
#[derive(Serialize)]
struct Head {
    schema_version: u32,
    user_id: UserId,
    export_date: Timestamp,
    #[serde(flatten)]
    about: ProcessingInfo,
    sessions: Vec<Box<RawValue>>,
    preferences: Value,
    #[serde(flatten)]
    demanded: RightsStatus,
}

/// Records read at a time.
const PAGE: usize = 1_000;

impl Export {
    pub(super) async fn new(rights: Rights, user: UserId) -> Result<Self> {
        let watch = ErasureWatch::begin(&rights, &user).await?;
        let head = Head {
            schema_version: SCHEMA_VERSION,
            user_id: user.clone(),
            export_date: rights.inner.runtime.clock.now(),
            about: rights.processing_info(&user).await?,
            sessions: rights.sessions_of(&user).await?,
            preferences: rights.preferences_of(&user).await?,
            demanded: rights.rights_status(&user).await?,
        };
        let next = Next::Head(Box::new(head));
        let export = ExportWriter { rights, user, next, visitors: Vec::new(), has_any: false };
        Ok(Self { parts: PartStream::of(GuardedExport { export, watch }) })
    }

    /// Returns the next part, or `None` after the last.
    pub async fn next(&mut self) -> Option<Result<Bytes>> {
        self.parts.next().await
    }
}

impl Stream for Export {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        Pin::new(&mut self.parts).poll_next(context)
    }
}

impl PartSource for ExportWriter {
    async fn part(&mut self) -> Result<Option<Bytes>> {
        let mut out = Vec::new();
        match std::mem::replace(&mut self.next, Next::Nothing) {
            Next::Nothing => {
                // The user has the whole copy.
                self.rights.settle(&self.user, &[RequestKind::Access, RequestKind::Portability]).await;
                return Ok(None);
            }
            Next::Head(head) => {
                let head = serde_json::to_vec(&head).map_err(unwritable)?;
                // Without the closing brace: the lists follow.
                out.extend_from_slice(&head[..head.len() - 1]);
                out.extend_from_slice(b",\"consent\":[");
                self.next = Next::Consent(None);
            }
            Next::Consent(before) => {
                let (records, last) = self.rights.consent_page(&self.user, before, PAGE, &mut self.visitors).await?;
                self.list(&mut out, records.iter().map(consent))?;
                self.next = match last {
                    Some(last) => Next::Consent(Some(last)),
                    None => {
                        self.next_list(&mut out, b"],\"activities\":[", Next::Activities { visitor: None, after: None })
                    }
                };
            }
            Next::Activities { visitor, after } => {
                let of_visitor = visitor.map(|index| self.visitors[index]);
                let page = self.rights.activity_page(&self.user, of_visitor, after, PAGE).await?;
                self.list(&mut out, page.activities.iter().map(Ok))?;
                let index = visitor.map_or(0, |index| index + 1);
                self.next = match page.next {
                    Some(next) => Next::Activities { visitor, after: Some(next) },
                    None if index < self.visitors.len() => Next::Activities { visitor: Some(index), after: None },
                    None => self.next_list(&mut out, b"],\"audit\":[", Next::Audit { after: 0 }),
                };
            }
            Next::Audit { after } => {
                let page = self.rights.inner.parts.audit.entries(after, PAGE, Some(&self.user)).await?;
                self.list(&mut out, page.iter().map(AuditRow::exported))?;
                self.next = match page.last() {
                    Some(last) if page.len() == PAGE => Next::Audit { after: last.entry.sequence },
                    _ => self.next_source(&mut out, b"],\"sources\":{", 0),
                };
            }
            Next::Source { source, page } => {
                let exported = self.rights.inner.parts.sources[source].export(self.user.clone(), page).await?;
                self.list(&mut out, exported.rows.into_iter().map(Ok))?;
                self.next = match exported.has_more {
                    true => Next::Source { source, page: page + 1 },
                    false => self.next_source(&mut out, b"]", source + 1),
                };
            }
        }
        Ok(Some(out.into()))
    }
}

impl ExportWriter {
    fn next_list(&mut self, out: &mut Vec<u8>, between: &[u8], next: Next) -> Next {
        out.extend_from_slice(between);
        self.has_any = false;
        next
    }

    /// Begins the list of a source, or ends the document.
    fn next_source(&mut self, out: &mut Vec<u8>, between: &[u8], source: usize) -> Next {
        out.extend_from_slice(between);
        self.has_any = false;
        let Some(next) = self.rights.inner.parts.sources.get(source) else {
            out.extend_from_slice(b"}}");
            return Next::Nothing;
        };
        out.extend_from_slice(if source == 0 { b"" } else { b"," });
        out.extend_from_slice(Value::from(next.name()).to_string().as_bytes());
        out.extend_from_slice(b":[");
        Next::Source { source, page: 0 }
    }

    fn list<T: Serialize>(
        &mut self,
        out: &mut Vec<u8>,
        values: impl Iterator<Item = serde_json::Result<T>>,
    ) -> Result<()> {
        for value in values {
            if self.has_any {
                out.push(b',');
            }
            self.has_any = true;
            serde_json::to_writer(&mut *out, &value.map_err(unwritable)?).map_err(unwritable)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Export").finish_non_exhaustive()
    }
}
