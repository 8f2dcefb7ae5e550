//! The file of one day: written under a temporary name, and renamed when it is complete.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use parquet::{
    basic::Compression,
    data_type::{ByteArray, ByteArrayType, Int32Type, Int64Type},
    errors::ParquetError,
    file::{
        properties::WriterProperties,
        writer::{SerializedColumnWriter, SerializedFileWriter},
    },
    schema::parser::parse_message_type,
};

use super::{
    OffloadedDay,
    columns::{Column, Rows, SCHEMA, Values},
};
use crate::{
    error::{Error, ErrorKind, Result},
    files::{self, FileMode, Replacement},
    time::Timestamp,
};

pub(super) struct DayFile {
    day: String,
    folder: PathBuf,
    mode: FileMode,
    begun: Option<Begun>,
    rows: u64,
}

/// A file that is being written.
struct Begun {
    replacement: Replacement,
    writer: SerializedFileWriter<File>,
}

impl DayFile {
    /// Creates the file of the day that begins at `day`. Nothing is written before rows are added.
    pub(super) fn of(directory: &Path, day: Timestamp, mode: FileMode) -> Self {
        let date = jiff::Timestamp::from_millisecond(day.as_millis()).map(|day| day.strftime("%Y-%m-%d").to_string());
        // Days outside the calendar have no events: no timestamp lies there.
        let day = date.unwrap_or_else(|_| day.as_millis().to_string());
        Self { folder: directory.join(format!("day={day}")), day, mode, begun: None, rows: 0 }
    }

    /// Adds a group of rows.
    pub(super) async fn add(mut self, rows: Rows) -> Result<Self> {
        if rows.count() == 0 {
            return Ok(self);
        }
        blocking(move || {
            let begun = match &mut self.begun {
                Some(begun) => begun,
                begun => begun.insert(begin(&self.folder, self.mode)?),
            };
            write_group(&mut begun.writer, &rows).map_err(unwritable)?;
            self.rows += rows.count() as u64;
            Ok(self)
        })
        .await
    }

    /// Renames the file to its final name. Without rows, deletes the file of an earlier run.
    pub(super) async fn finish(self) -> Result<Option<OffloadedDay>> {
        blocking(move || {
            let path = self.folder.join(NAME);
            let Some(Begun { replacement, writer }) = self.begun else {
                return match fs::remove_file(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
                    _ => Ok(None),
                };
            };
            writer.into_inner().map_err(unwritable)?;
            let bytes = replacement.finish().map_err(failed)?;
            Ok(Some(OffloadedDay { day: self.day, path, rows: self.rows, bytes }))
        })
        .await
    }
}

const NAME: &str = "activities.parquet";

/// This name does not match `*.parquet`.
const UNFINISHED: &str = ".unfinished";

fn begin(folder: &Path, mode: FileMode) -> Result<Begun> {
    files::create_directories(folder, mode).map_err(failed)?;
    let replacement = Replacement::begin(&folder.join(NAME), UNFINISHED, mode).map_err(failed)?;
    let file = replacement.file().map_err(failed)?;
    let schema = parse_message_type(SCHEMA).map_err(unwritable)?;
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties)).map_err(unwritable)?;
    Ok(Begun { replacement, writer })
}

fn write_group(writer: &mut SerializedFileWriter<File>, rows: &Rows) -> parquet::errors::Result<()> {
    let mut group = writer.next_row_group()?;
    for column in rows.columns() {
        let mut writer =
            group.next_column()?.ok_or_else(|| ParquetError::General("the schema has fewer columns".into()))?;
        write_column(&mut writer, column)?;
        writer.close()?;
    }
    group.close()?;
    Ok(())
}

fn write_column(writer: &mut SerializedColumnWriter<'_>, column: &Column) -> parquet::errors::Result<()> {
    use parquet::column::writer::ColumnWriter::{ByteArrayColumnWriter, Int32ColumnWriter, Int64ColumnWriter};
    let levels = Some(column.levels.as_slice());
    match (&column.values, writer.untyped()) {
        (Values::Long(values), _) => writer.typed::<Int64Type>().write_batch(values, levels, None),
        (Values::Int(values), _) => writer.typed::<Int32Type>().write_batch(values, levels, None),
        (Values::Text(values), _) => writer.typed::<ByteArrayType>().write_batch(values, levels, None),
        // The column has no values.
        (Values::None, Int64ColumnWriter(writer)) => writer.write_batch(&[], levels, None),
        (Values::None, Int32ColumnWriter(writer)) => writer.write_batch(&[], levels, None),
        (Values::None, ByteArrayColumnWriter(writer)) => writer.write_batch(&[] as &[ByteArray], levels, None),
        (Values::None, _) => Err(ParquetError::General("the schema has another type".into())),
    }
    .map(|_| ())
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|panic| Error::new(ErrorKind::Internal, "writing a file panicked").with_source(panic))?
}

fn failed(error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::StorageFull,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, "a file of activities cannot be written").with_source(error)
}

fn unwritable(error: ParquetError) -> Error {
    match error {
        ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(error) => failed(*error),
            Err(source) => {
                Error::new(ErrorKind::Internal, "a file of activities cannot be written").with_source(source)
            }
        },
        error => Error::new(ErrorKind::Internal, "a file of activities cannot be written").with_source(error),
    }
}
