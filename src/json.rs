//! JSON that is written within limits, so that it can be read again.

use std::io;

use serde::Serialize;
use serde_json::{
    Value,
    ser::{CharEscape, CompactFormatter, Formatter},
};

/// The most levels of nesting that are stored. serde_json reads 128; the difference is for what a
/// stored value is put into: an export, a list, a message.
pub(crate) const MAX_DEPTH: usize = 100;

/// What may be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// The most bytes of the text.
    pub(crate) bytes: usize,
    /// The most levels of nesting; never more than [`MAX_DEPTH`].
    pub(crate) depth: usize,
    /// Whether the text may have the character NUL, escaped.
    pub(crate) allow_nul: bool,
}

/// Why a value was not written.
#[derive(Debug)]
pub(crate) enum Refusal {
    TooLarge,
    TooDeep,
    Nul,
    NotJson(serde_json::Error),
}

/// `value` as JSON without white space. Stops as soon as a rule is broken.
pub(crate) fn write<T: Serialize + ?Sized>(value: &T, rules: Rules) -> Result<String, Refusal> {
    let mut bytes = Vec::new();
    let output = Bounded { bytes: &mut bytes, limit: rules.bytes };
    let strict = Strict { compact: CompactFormatter, depth: 0, rules };
    let written = value.serialize(&mut serde_json::Serializer::with_formatter(output, strict));
    match written {
        Ok(()) => Ok(String::from_utf8(bytes).expect("JSON is UTF-8")),
        Err(error) => Err(match error.io_error_kind() {
            Some(io::ErrorKind::FileTooLarge) => Refusal::TooLarge,
            Some(io::ErrorKind::QuotaExceeded) => Refusal::TooDeep,
            Some(io::ErrorKind::InvalidData) => Refusal::Nul,
            _ => Refusal::NotJson(error),
        }),
    }
}

/// Whether `value` has at most `levels` of nesting. Does not look deeper than that.
pub(crate) fn is_within(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(values) => levels > 0 && values.iter().all(|value| is_within(value, levels - 1)),
        Value::Object(values) => levels > 0 && values.values().all(|value| is_within(value, levels - 1)),
        _ => true,
    }
}

/// Takes at most `limit` bytes.
struct Bounded<'a> {
    bytes: &'a mut Vec<u8>,
    limit: usize,
}

impl io::Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes compact JSON and checks the rules while it does so: a value of any depth is left before
/// the recursion is as deep.
struct Strict {
    compact: CompactFormatter,
    depth: usize,
    rules: Rules,
}

impl Strict {
    fn enter(&mut self) -> io::Result<()> {
        self.depth += 1;
        if self.depth > self.rules.depth.min(MAX_DEPTH) { Err(io::ErrorKind::QuotaExceeded.into()) } else { Ok(()) }
    }
}

impl Formatter for Strict {
    fn begin_array<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.enter()?;
        self.compact.begin_array(writer)
    }

    fn end_array<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        self.compact.end_array(writer)
    }

    fn begin_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.enter()?;
        self.compact.begin_object(writer)
    }

    fn end_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        self.compact.end_object(writer)
    }

    fn write_char_escape<W: io::Write + ?Sized>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        if let (CharEscape::AsciiControl(0), false) = (&escape, self.rules.allow_nul) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.compact.write_char_escape(writer, escape)
    }

    /// JSON that somebody has ready: written anew, or it would bring along what is checked here.
    fn write_raw_fragment<W: io::Write + ?Sized>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        // It is JSON, so only its depth can keep it from being read.
        let value: Value = serde_json::from_str(fragment).map_err(|_| io::ErrorKind::QuotaExceeded)?;
        let strict = Self { compact: CompactFormatter, depth: self.depth, rules: self.rules };
        Ok(value.serialize(&mut serde_json::Serializer::with_formatter(writer, strict))?)
    }
}
