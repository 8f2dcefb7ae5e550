//! The client of a request: [`TruncatedAddress`] is its network, [`Agent`] its browser, system and
//! device class.
//!
//! Address and `User-Agent` are reduced to these before anything is queued or stored. The originals
//! are not kept.
//!
//! ```
//! use tower_guestbook::client::{Agent, DeviceClass};
//!
//! let phone = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) \
//!              Chrome/131.0.0.0 Mobile Safari/537.36";
//! let agent = Agent::from_user_agent(phone);
//! assert_eq!((agent.browser, agent.browser_major), (Some("Chrome"), Some(131)));
//! assert_eq!((agent.system, agent.device), (Some("Android"), DeviceClass::Mobile));
//! ```

pub use crate::model::client::*;
