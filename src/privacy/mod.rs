//! The noun: privacy rights as plain data. No I/O here. Who exercises them is [`Rights`](crate::Rights).

mod erasure;

pub use self::erasure::{Erased, Erasure, ErasureId, Pseudonym};
