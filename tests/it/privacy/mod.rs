//! Privacy rights, the audit trail and erasures.

#[cfg(feature = "sqlite")]
mod audit;
#[cfg(feature = "sqlite")]
mod erasure;
mod export;
mod http;
#[cfg(feature = "sqlite")]
mod rights;
