//! The client of a request: its address, shortened, and its device and browser, reduced to
//! families.
//!
//! Both are reduced before anything is queued or stored; the raw values are kept nowhere.
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
