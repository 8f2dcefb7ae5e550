//! [`ExportArchive`]: the data of a user as a ZIP file.

mod csv_rows;
mod files;

use std::{
    collections::BTreeSet,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_core::Stream;
use serde::Serialize;
use serde_json::{Map, Value};

use self::{
    csv_rows::CsvRows,
    files::{FileInfo, Files, file_name},
};
use super::{
    Rights,
    guarded_export::{ErasureWatch, GuardedExport},
    part_stream::{PartSource, PartStream},
    processing_info::ProcessingInfo,
    user_data::{SCHEMA_VERSION, consent, unwritable},
};
use crate::{
    error::{ErrorKind, Result},
    id::{UserId, VisitorId},
    model::{
        activity::Cursor,
        consent::ConsentId,
        privacy::{AuditRow, RequestKind},
    },
    time::Timestamp,
};

/// All data of a user as a ZIP file: a [`Stream`] of bytes that holds one part in memory and writes
/// nothing to a disk.
///
/// The files, in this order. `.ndjson` has one JSON value a line, with members as in
/// [`Export`](super::Export):
///
/// - `README.txt`: describes the other files, for people.
/// - `preferences.json`: what the user has set.
/// - `rights.json`: `restriction`, `holds` and `requests`.
/// - `sessions.ndjson`: live sessions and their data.
/// - `consent.ndjson`, `consent.csv`: decisions, the last first.
/// - `activities.ndjson`, `activities.csv`: events in the order of recording.
/// - `audit.ndjson`: the entries of the [audit trail](crate::privacy::AuditTrail) about the user.
/// - `sources/NAME.ndjson`: one for each [source](super::PersonalData) of the application. The name
///   is made safe for any system.
/// - `manifest.json`: `schema_version`, `user_id`, `export_date`, `controller`, `purposes` and
///   `retention` as in [`Export`](super::Export); `files` with the `name`, `source`, `rows`,
///   `bytes` and `sha256` of each; and `incomplete`.
///
/// If a source fails, its file ends there, and `incomplete` has its `name` and a `reason`, the kind
/// of the error. The other files are complete. If the store fails, or the user is erased meanwhile,
/// the stream ends with the error, and what was sent is not a valid ZIP file.
///
/// CSV is as in RFC 4180, with a header. A text that a spreadsheet would run as a formula (it
/// begins with `=`, `+`, `-`, `@`, a tab or a line break) gets an apostrophe before it; `.ndjson`
/// has it unchanged. Data that is recorded during the export may be in one of the two files only.
///
/// The same data gives the same bytes at the same `export_date`, except for the exports in
/// `audit.ndjson`. All files have that date, in UTC.
pub struct ExportArchive {
    parts: PartStream<GuardedExport<ArchiveWriter>>,
}

struct ArchiveWriter {
    rights: Rights,
    user: UserId,
    date: Timestamp,
    about: Option<ProcessingInfo>,
    files: Files,
    next: Next,
    /// The visitors who were linked to the user, known from their decisions.
    visitors: Vec<VisitorId>,
    /// The names of files in `sources`.
    names: BTreeSet<String>,
    incomplete: Vec<IncompleteSource>,
}

/// The part that comes next.
enum Next {
    Whole,
    Consent { format: Format, before: Option<ConsentId> },
    Activities { format: Format, visitor: Option<usize>, after: Option<Cursor> },
    Audit { after: u64 },
    Source { source: usize, page: usize },
    Manifest,
    Nothing,
}

#[derive(Clone, Copy, PartialEq)]
enum Format {
    Lines,
    Csv(&'static [&'static str]),
}

/// A source that failed.
#[derive(Serialize)]
struct IncompleteSource {
    name: String,
    reason: String,
}

#[derive(Serialize)]
struct Manifest<'a> {
    schema_version: u32,
    user_id: &'a UserId,
    export_date: Timestamp,
    #[serde(flatten)]
    about: Option<ProcessingInfo>,
    files: &'a [FileInfo],
    incomplete: &'a [IncompleteSource],
}

/// Records read at a time: a few milliseconds to compress.
const PAGE: usize = 250;

const README: &str = include_str!("readme.txt");

impl ExportArchive {
    pub(super) async fn new(rights: Rights, user: UserId) -> Result<Self> {
        let watch = ErasureWatch::begin(&rights, &user).await?;
        let date = rights.inner.runtime.clock.now();
        let about = Some(rights.processing_info(&user).await?);
        let (files, visitors, names) = (Files::new(date), Vec::new(), BTreeSet::new());
        let (next, incomplete) = (Next::Whole, Vec::new());
        let export = ArchiveWriter { rights, user, date, about, files, next, visitors, names, incomplete };
        Ok(Self { parts: PartStream::of(GuardedExport { export, watch }) })
    }

    /// Returns the next part, or `None` after the last.
    pub async fn next(&mut self) -> Option<Result<Bytes>> {
        self.parts.next().await
    }
}

impl Stream for ExportArchive {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        Pin::new(&mut self.parts).poll_next(context)
    }
}

impl PartSource for ArchiveWriter {
    async fn part(&mut self) -> Result<Option<Bytes>> {
        match std::mem::replace(&mut self.next, Next::Nothing) {
            Next::Nothing => {
                // The user has the whole copy.
                if self.incomplete.is_empty() {
                    self.rights.settle(&self.user, &[RequestKind::Access, RequestKind::Portability]).await;
                }
                return Ok(None);
            }
            Next::Whole => {
                self.files.begin("README.txt", None, None)?;
                self.files.write(README.as_bytes(), 0)?;
                let preferences = self.rights.preferences_of(&self.user).await?;
                self.document("preferences.json", &preferences)?;
                let demanded = self.rights.rights_status(&self.user).await?;
                self.document("rights.json", &serde_json::to_value(demanded).map_err(unwritable)?)?;
                self.files.begin("sessions.ndjson", Some(0), None)?;
                let sessions = self.rights.sessions_of(&self.user).await?;
                self.rows(Format::Lines, sessions.into_iter().map(Ok))?;
                self.next = self.begin_consent("consent.ndjson", Format::Lines)?;
            }
            Next::Consent { format, before } => {
                let (records, last) = self.rights.consent_page(&self.user, before, PAGE, &mut self.visitors).await?;
                self.rows(format, records.iter().map(consent))?;
                self.next = match (last, format) {
                    (Some(last), format) => Next::Consent { format, before: Some(last) },
                    (None, Format::Lines) => self.begin_consent("consent.csv", Format::Csv(csv_rows::CONSENT))?,
                    (None, Format::Csv(_)) => self.begin_activities("activities.ndjson", Format::Lines)?,
                };
            }
            Next::Activities { format, visitor, after } => {
                let of_visitor = visitor.map(|index| self.visitors[index]);
                let page = self.rights.activity_page(&self.user, of_visitor, after, PAGE).await?;
                self.rows(format, page.activities.iter().map(Ok))?;
                let index = visitor.map_or(0, |index| index + 1);
                self.next = match (page.next, format) {
                    (Some(next), format) => Next::Activities { format, visitor, after: Some(next) },
                    (None, format) if index < self.visitors.len() => {
                        Next::Activities { format, visitor: Some(index), after: None }
                    }
                    (None, Format::Lines) => {
                        self.begin_activities("activities.csv", Format::Csv(csv_rows::ACTIVITIES))?
                    }
                    (None, Format::Csv(_)) => {
                        self.begin_rows("audit.ndjson", Format::Lines, None)?;
                        Next::Audit { after: 0 }
                    }
                };
            }
            Next::Audit { after } => {
                let page = self.rights.inner.parts.audit.entries(after, PAGE, Some(&self.user)).await?;
                self.rows(Format::Lines, page.iter().map(AuditRow::exported))?;
                self.next = match page.last() {
                    Some(last) if page.len() == PAGE => Next::Audit { after: last.entry.sequence },
                    _ => self.begin_source(0)?,
                };
            }
            Next::Source { source, page } => {
                let exported = self.rights.inner.parts.sources[source].export(self.user.clone(), page).await;
                self.next = match exported {
                    Ok(exported) => {
                        self.rows(Format::Lines, exported.rows.into_iter().map(Ok))?;
                        match exported.has_more {
                            true => Next::Source { source, page: page + 1 },
                            false => self.begin_source(source + 1)?,
                        }
                    }
                    Err(error) => {
                        tracing::warn!(error = %error.chain(), "a source failed; an export lacks its data");
                        let name = self.rights.inner.parts.sources[source].name().to_owned();
                        self.incomplete.push(IncompleteSource { name, reason: reason(error.kind()) });
                        self.begin_source(source + 1)?
                    }
                };
            }
            Next::Manifest => {
                let files = self.files.infos().to_vec();
                let manifest = serde_json::to_vec_pretty(&Manifest {
                    schema_version: SCHEMA_VERSION,
                    user_id: &self.user,
                    export_date: self.date,
                    about: self.about.take(),
                    files: &files,
                    incomplete: &self.incomplete,
                });
                self.files.begin("manifest.json", None, None)?;
                self.files.write(&manifest.map_err(unwritable)?, 0)?;
                self.files.finish()?;
            }
        }
        Ok(Some(self.files.take()))
    }
}

impl ArchiveWriter {
    fn begin_consent(&mut self, name: &str, format: Format) -> Result<Next> {
        self.begin_rows(name, format, None)?;
        Ok(Next::Consent { format, before: None })
    }

    fn begin_activities(&mut self, name: &str, format: Format) -> Result<Next> {
        self.begin_rows(name, format, None)?;
        Ok(Next::Activities { format, visitor: None, after: None })
    }

    /// Begins the file of a source, or the manifest after the last one.
    fn begin_source(&mut self, source: usize) -> Result<Next> {
        let Some(next) = self.rights.inner.parts.sources.get(source) else { return Ok(Next::Manifest) };
        let name = next.name().to_owned();
        let file = format!("sources/{}.ndjson", file_name(&name, &mut self.names));
        self.begin_rows(&file, Format::Lines, Some(&name))?;
        Ok(Next::Source { source, page: 0 })
    }

    fn begin_rows(&mut self, name: &str, format: Format, source: Option<&str>) -> Result<()> {
        self.files.begin(name, Some(0), source)?;
        match format {
            Format::Lines => Ok(()),
            Format::Csv(columns) => {
                let mut rows = CsvRows::new(columns);
                rows.header()?;
                self.files.write(&rows.into_bytes()?, 0)
            }
        }
    }

    fn document(&mut self, name: &str, value: &Value) -> Result<()> {
        self.files.begin(name, None, None)?;
        self.files.write(&serde_json::to_vec_pretty(value).map_err(unwritable)?, 0)
    }

    fn rows<T: Serialize>(
        &mut self,
        format: Format,
        values: impl Iterator<Item = serde_json::Result<T>>,
    ) -> Result<()> {
        let mut count = 0;
        let counted = values.map(|value| {
            count += 1;
            value.map_err(unwritable)
        });
        let bytes = match format {
            Format::Lines => json_lines(counted)?,
            Format::Csv(columns) => csv_lines(columns, counted)?,
        };
        self.files.write(&bytes, count)
    }
}

/// One JSON value a line.
fn json_lines<T: Serialize>(values: impl Iterator<Item = Result<T>>) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    for value in values {
        serde_json::to_writer(&mut out, &value?).map_err(unwritable)?;
        out.push(b'\n');
    }
    Ok(out)
}

fn csv_lines<T: Serialize>(
    columns: &'static [&'static str],
    values: impl Iterator<Item = Result<T>>,
) -> Result<Vec<u8>> {
    let mut rows = CsvRows::new(columns);
    for value in values {
        let value = serde_json::to_value(value?).map_err(unwritable)?;
        rows.row(value.as_object().unwrap_or(&Map::new()))?;
    }
    rows.into_bytes()
}

/// Why a source is incomplete: the kind of its error only, as its text may be personal.
fn reason(kind: ErrorKind) -> String {
    format!("the source failed: {kind:?}")
}

impl fmt::Debug for ExportArchive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExportArchive").finish_non_exhaustive()
    }
}
