//! [`Agents`]: a cache of parsed `User-Agent` headers.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use foldhash::fast::RandomState;

use super::crawlers::is_crawler;
use crate::model::client::{Agent, DeviceClass};

/// A bounded cache of parsed user agents. A full cache is emptied: browsers send few different
/// texts.
#[derive(Debug, Default)]
pub(super) struct Agents {
    known: RwLock<HashMap<Box<[u8]>, Agent, RandomState>>,
}

const CAPACITY: usize = 4_096;

/// A longer text is not from a browser.
const MAX_BYTES: usize = 480;

impl Agents {
    /// Returns the families of browser and system, and [`DeviceClass::Bot`] for a program without a
    /// person.
    pub(super) fn read(&self, text: &[u8]) -> Agent {
        if let Some(agent) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(text) {
            return *agent;
        }
        // What is not UTF-8 is not from a browser.
        let agent = read(std::str::from_utf8(text).unwrap_or_default());
        if text.len() <= MAX_BYTES {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= CAPACITY {
                known.clear();
            }
            known.insert(text.into(), agent);
        }
        agent
    }
}

fn read(text: &str) -> Agent {
    let mut agent = Agent::from_user_agent(text);
    if text.len() > MAX_BYTES || is_crawler(text) {
        agent.device = DeviceClass::Bot;
    }
    agent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_distinguishes_alternating_bots_and_browsers() {
        let agents = Agents::default();
        // Same length, same first and last eight bytes.
        let browser =
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";
        let bot = browser.replace("Linux x86_64", "Googlebot/21");
        assert_eq!(browser.len(), bot.len());
        let mut buffer = String::new();
        for round in 0..10_000 {
            for (text, expected) in [(browser, DeviceClass::Desktop), (bot.as_str(), DeviceClass::Bot)] {
                buffer.clear();
                buffer.push_str(text);
                assert_eq!(read(&buffer).device, expected, "round {round}");
                assert_eq!(agents.read(buffer.as_bytes()).device, expected);
            }
        }
        assert_eq!(agents.read(b"").device, DeviceClass::Bot);
        assert_eq!(agents.read(browser.repeat(10).as_bytes()).device, DeviceClass::Bot);
        assert_eq!(agents.read(b"kube-probe/1.29").device, DeviceClass::Bot);
    }

    #[test]
    fn agents_cache_is_bounded() {
        let agents = Agents::default();
        for number in 0..3 * CAPACITY {
            agents.read(format!("Mozilla/5.0 Firefox/{number}").as_bytes());
        }
        assert!(agents.known.read().unwrap().len() <= CAPACITY);
    }
}
