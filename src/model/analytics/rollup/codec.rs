//! The stored encoding of a rollup: numbers of variable length (LEB128), texts, columns and sets.

use roaring::RoaringBitmap;

use crate::error::{Error, ErrorKind, Result};

#[derive(Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    /// Writes a difference, which is small if it is near zero.
    pub(super) fn signed(&mut self, number: i64) {
        self.number((number << 1 ^ number >> 63) as u64);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    /// Writes numbers of fixed length, which are faster to read than packed ones.
    pub(super) fn column(&mut self, numbers: impl ExactSizeIterator<Item = u32>) {
        self.number(numbers.len() as u64);
        numbers.for_each(|number| self.0.extend_from_slice(&number.to_le_bytes()));
    }

    pub(super) fn set(&mut self, set: &RoaringBitmap) {
        self.number(set.serialized_size() as u64);
        set.serialize_into(&mut self.0).expect("a vector takes everything");
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Reads what a [`Writer`] has written. Anything else is an error.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Returns whether nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn number(&mut self) -> Result<u64> {
        let (mut number, mut shift) = (0, 0);
        loop {
            let (byte, rest) = self.0.split_first().ok_or_else(damaged)?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
            shift += 7;
            if shift > 63 {
                return Err(damaged());
            }
        }
    }

    pub(super) fn small(&mut self) -> Result<u32> {
        u32::try_from(self.number()?).map_err(|_| damaged())
    }

    /// Reads a number that can be summed without overflow, such as a number of events.
    pub(super) fn amount(&mut self) -> Result<u64> {
        self.number().and_then(|number| if number < 1 << 48 { Ok(number) } else { Err(damaged()) })
    }

    pub(super) fn signed(&mut self) -> Result<i64> {
        let number = self.number()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    /// Reads the number of elements that follow. It is at most the number of bytes left, so a
    /// damaged number cannot cause a large allocation.
    pub(super) fn count(&mut self) -> Result<usize> {
        let count = self.number()?;
        usize::try_from(count).ok().filter(|count| *count <= self.0.len()).ok_or_else(damaged)
    }

    pub(super) fn text(&mut self) -> Result<&'a str> {
        let length = self.count()?;
        std::str::from_utf8(self.bytes(length)?).map_err(|_| damaged())
    }

    pub(super) fn column(&mut self) -> Result<impl ExactSizeIterator<Item = u32> + use<'a>> {
        let count = self.count()?;
        let bytes = self.bytes(count.checked_mul(4).ok_or_else(damaged)?)?;
        let number = |bytes: &[u8]| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        Ok(bytes.chunks_exact(4).map(number))
    }

    pub(super) fn set(&mut self) -> Result<RoaringBitmap> {
        self.bytes_of_set().and_then(Self::to_set)
    }

    /// Reads a set that may not be needed; [`to_set`](Self::to_set) decodes it.
    pub(super) fn bytes_of_set(&mut self) -> Result<&'a [u8]> {
        let length = self.count()?;
        self.bytes(length)
    }

    pub(super) fn to_set(bytes: &[u8]) -> Result<RoaringBitmap> {
        RoaringBitmap::deserialize_from(bytes).map_err(|error| damaged().with_source(error))
    }

    fn bytes(&mut self, length: usize) -> Result<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length).ok_or_else(damaged)?;
        self.0 = rest;
        Ok(bytes)
    }
}

pub(super) fn damaged() -> Error {
    Error::new(ErrorKind::Corrupt, "a rollup is damaged: call Analytics::rebuild_rollups")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn reader_reads_what_writer_wrote(
            numbers in prop::collection::vec(any::<u64>(), 0..20),
            signed in any::<i64>(),
            column in prop::collection::vec(any::<u32>(), 0..20),
            text in ".{0,20}",
        ) {
            let set: RoaringBitmap = column.iter().copied().collect();
            let mut writer = Writer::default();
            numbers.iter().for_each(|number| writer.number(*number));
            writer.signed(signed);
            writer.text(&text);
            writer.column(column.iter().copied());
            writer.set(&set);
            let bytes = writer.finish();
            let mut reader = Reader::new(&bytes);
            for number in &numbers {
                prop_assert_eq!(reader.number().unwrap(), *number);
            }
            prop_assert_eq!(reader.signed().unwrap(), signed);
            prop_assert_eq!(reader.text().unwrap(), text);
            prop_assert_eq!(reader.column().unwrap().collect::<Vec<_>>(), column);
            prop_assert_eq!(reader.set().unwrap(), set);
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn reader_rejects_arbitrary_bytes_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut reader = Reader::new(&bytes);
            let _ = reader.set().is_ok();
            let _ = reader.text().is_ok();
            let _ = reader.column().map(Iterator::count);
            while reader.number().is_ok() {}
        }
    }
}
