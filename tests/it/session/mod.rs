//! Sessions: cookies, logins, lifetimes, limits.

mod anonymous;
mod cookies;
mod credentials;
mod ended;
mod flashes;
mod hooks;
mod late_answers;
mod lifecycle;
mod parallel;
mod passive;
mod realms;
#[cfg(feature = "sqlite")]
mod tower_sessions;
mod users;
