//! The example servers, over HTTP and in a browser.

#[cfg(feature = "sqlite")]
mod axum_login;
#[cfg(feature = "sqlite")]
mod browser;
#[cfg(feature = "sqlite")]
mod full_app;
#[cfg(feature = "sqlite")]
mod password;
