//! The demonstration server, over HTTP and in a browser.

#[cfg(feature = "sqlite")]
mod browser;
#[cfg(feature = "sqlite")]
mod full_app;
