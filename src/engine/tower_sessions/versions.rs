//! The traits of each version of tower-sessions-core, which differ only in the crate they are in.

/// Implements the store of `$core`, a version of tower-sessions-core, in a module of its own.
macro_rules! implement {
    ($core:ident as $version:ident) => {
        mod $version {
            use async_trait::async_trait;
            use time::OffsetDateTime;
            use $core::{
                ExpiredDeletion, SessionStore,
                session::{Id, Record},
                session_store::{Error, Result},
            };

            use crate::{
                engine::tower_sessions::{ImportRecord, TowerSessionsStore},
                error::ErrorKind,
            };

            #[async_trait]
            impl SessionStore for TowerSessionsStore {
                async fn create(&self, record: &mut Record) -> Result<()> {
                    let mut new = ImportRecord::from(&*record);
                    self.create_record(&mut new).await.map_err(error)?;
                    record.id = Id(new.id);
                    Ok(())
                }

                async fn save(&self, record: &Record) -> Result<()> {
                    self.save_record(&record.into()).await.map_err(error)
                }

                async fn load(&self, id: &Id) -> Result<Option<Record>> {
                    self.load_record(id.0).await.map_err(error)?.map(TryInto::try_into).transpose()
                }

                async fn delete(&self, id: &Id) -> Result<()> {
                    self.delete_record(id.0).await.map_err(error)
                }
            }

            #[async_trait]
            impl ExpiredDeletion for TowerSessionsStore {
                async fn delete_expired(&self) -> Result<()> {
                    self.delete_expired_records().await.map_err(error)
                }
            }

            impl From<&Record> for ImportRecord {
                fn from(record: &Record) -> Self {
                    record.clone().into()
                }
            }

            impl From<Record> for ImportRecord {
                fn from(record: Record) -> Self {
                    Self::with_nanos(record.id.0, record.data, record.expiry_date.unix_timestamp_nanos())
                }
            }

            impl TryFrom<ImportRecord> for Record {
                type Error = Error;

                fn try_from(record: ImportRecord) -> Result<Self> {
                    let expiry_date = OffsetDateTime::from_unix_timestamp_nanos(record.expiry_nanos())
                        .map_err(|error| Error::Decode(format!("the expiry date cannot be represented: {error}")))?;
                    Ok(Self { id: Id(record.id), data: record.data, expiry_date })
                }
            }

            /// `Encode`: the record cannot be stored as it is. `Decode`: what is stored cannot be
            /// read. `Backend`: everything else.
            fn error(error: crate::Error) -> Error {
                let text = super::text(&error);
                match error.kind() {
                    ErrorKind::TooLarge | ErrorKind::InvalidInput => Error::Encode(text),
                    ErrorKind::Corrupt | ErrorKind::WrongType => Error::Decode(text),
                    _ => Error::Backend(text),
                }
            }
        }
    };
}

#[cfg(feature = "tower-sessions")]
implement!(tower_sessions_core as v0_15);
#[cfg(feature = "tower-sessions-0-14")]
implement!(tower_sessions_core_0_14 as v0_14);

/// The error with its sources: theirs has room for nothing but text.
fn text(error: &crate::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
