//! [`Agent`] and [`Device`]: the recorded parts of a `User-Agent`.

use serde::{Deserialize, Deserializer, Serialize};

/// Browser family and major version, operating system family, and device class.
///
/// The table of families is short on purpose: families change slowly, and a rare one would identify
/// its user. Unknown families are `None`, unknown devices [`DeviceClass::Other`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct Agent {
    /// Browser family, for example "Firefox".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub browser: Option<&'static str>,
    /// Major version of the browser, for example 140. Values above 999 are not recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub browser_major: Option<u16>,
    /// Operating system family, for example "Linux".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<&'static str>,
    /// Device class.
    pub device: DeviceClass,
}

/// The class of a device, as far as the `User-Agent` tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum DeviceClass {
    /// A desktop or laptop computer.
    Desktop,
    /// A phone.
    Mobile,
    /// A tablet.
    Tablet,
    /// A program without a person.
    Bot,
    /// Any other device.
    #[default]
    Other,
}

/// Browser family and operating system as text, for example "Firefox on Linux". It is for lists in
/// which users look for sessions that are not theirs.
///
/// # Examples
///
/// ```
/// use tower_guestbook::client::Device;
///
/// let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
/// assert_eq!(Device::from_user_agent(agent).as_str(), "Firefox on Linux");
/// assert_eq!(Device::from_user_agent("curl/8.5.0").as_str(), "curl");
/// assert_eq!(Device::from_user_agent("something else").as_str(), "Unknown device");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Device(Box<str>);

/// A browser: a part of its `User-Agent`, its name, and the text before its version.
struct Browser(&'static str, &'static str, &'static str);

/// A system: a part of a `User-Agent`, its family, its display name, and the device class.
struct System(&'static str, &'static str, &'static str, DeviceClass);

// Order matters: Edge and Opera also contain Chrome, and Chrome contains Safari.
const BROWSERS: &[Browser] = &[
    Browser("Edg", "Edge", "Edg"),
    Browser("OPR/", "Opera", "OPR"),
    Browser("SamsungBrowser/", "Samsung Internet", "SamsungBrowser"),
    Browser("Firefox/", "Firefox", "Firefox"),
    Browser("FxiOS/", "Firefox", "FxiOS"),
    Browser("CriOS/", "Chrome", "CriOS"),
    Browser("Chrome/", "Chrome", "Chrome"),
    Browser("Safari/", "Safari", "Version"),
    Browser("curl/", "curl", "curl"),
    Browser("okhttp/", "OkHttp", "okhttp"),
    Browser("python-requests/", "Requests", "python-requests"),
];

// Android also contains Linux, and an iPhone contains Mac OS X.
const SYSTEMS: &[System] = &[
    System("Android", "Android", "Android", DeviceClass::Tablet),
    System("iPhone", "iOS", "iPhone", DeviceClass::Mobile),
    System("iPad", "iPadOS", "iPad", DeviceClass::Tablet),
    System("Windows", "Windows", "Windows", DeviceClass::Desktop),
    System("Mac OS X", "macOS", "macOS", DeviceClass::Desktop),
    System("CrOS", "ChromeOS", "ChromeOS", DeviceClass::Desktop),
    System("Linux", "Linux", "Linux", DeviceClass::Desktop),
];

impl Agent {
    /// Parses a `User-Agent`. Bots are not detected here; the caller has better means.
    pub fn from_user_agent(agent: &str) -> Self {
        let (browser, system) = find(agent);
        let device = match system {
            // Phones of this family contain "Mobile", tablets do not.
            Some(System("Android", ..)) if agent.contains("Mobile") => DeviceClass::Mobile,
            Some(System(.., class)) => *class,
            None => DeviceClass::Other,
        };
        Self {
            browser: browser.map(|browser| browser.1),
            browser_major: browser.and_then(|browser| major(agent, browser.2)),
            system: system.map(|system| system.1),
            device,
        }
    }

    /// Creates an agent from stored parts. An unknown family becomes `None`.
    pub(crate) fn from_parts(browser: &str, browser_major: Option<u16>, system: &str, device: &str) -> Self {
        Self {
            browser: BROWSERS.iter().map(|known| known.1).find(|known| *known == browser),
            browser_major,
            system: SYSTEMS.iter().map(|known| known.1).find(|known| *known == system),
            device: DeviceClass::from_name(device),
        }
    }
}

impl DeviceClass {
    /// Returns the name, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Desktop => "desktop",
            Self::Mobile => "mobile",
            Self::Tablet => "tablet",
            Self::Bot => "bot",
            Self::Other => "other",
        }
    }

    pub(crate) fn from_name(name: &str) -> Self {
        let all = [Self::Desktop, Self::Mobile, Self::Tablet, Self::Bot];
        all.into_iter().find(|class| class.as_str() == name).unwrap_or_default()
    }
}

impl Device {
    /// Parses a `User-Agent`.
    pub fn from_user_agent(agent: &str) -> Self {
        let (browser, system) = find(agent);
        Self(match (browser, system) {
            (Some(browser), Some(system)) => format!("{} on {}", browser.1, system.2).into(),
            (Some(browser), None) => browser.1.into(),
            (None, Some(system)) => system.2.into(),
            (None, None) => "Unknown device".into(),
        })
    }

    /// Creates a device from the result of [`as_str`](Self::as_str).
    pub fn from_words(words: &str) -> Self {
        Self(words.into())
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn find(agent: &str) -> (Option<&'static Browser>, Option<&'static System>) {
    let browser = BROWSERS.iter().find(|browser| agent.contains(browser.0));
    (browser, SYSTEMS.iter().find(|system| agent.contains(system.0)))
}

/// Returns the number after `marker` and a slash: 131 in `Chrome/131.0`, 120 in `EdgA/120.0`.
fn major(agent: &str, marker: &str) -> Option<u16> {
    let rest = &agent[agent.find(marker)? + marker.len()..];
    let (_, version) = rest.split_once('/')?;
    let digits = version.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(version.len());
    version[..digits].parse().ok().filter(|major| *major <= 999)
}

/// An unknown family becomes `None`.
impl<'de> Deserialize<'de> for Agent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Parts {
            browser: String,
            browser_major: Option<u16>,
            system: String,
            device: String,
        }
        let parts = Parts::deserialize(deserializer)?;
        Ok(Self::from_parts(&parts.browser, parts.browser_major, &parts.system, &parts.device))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_user_agent_detects_families_versions_and_devices() {
        let cases = [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.2903.86",
                (Some("Edge"), Some(131), Some("Windows"), DeviceClass::Desktop),
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
                (Some("Safari"), Some(18), Some("iOS"), DeviceClass::Mobile),
            ),
            (
                "Mozilla/5.0 (Linux; Android 13; SM-X706B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/27.0 Chrome/125.0.0.0 Safari/537.36",
                (Some("Samsung Internet"), Some(27), Some("Android"), DeviceClass::Tablet),
            ),
            ("Chrome/99999999", (Some("Chrome"), None, None, DeviceClass::Other)),
            ("curl", (None, None, None, DeviceClass::Other)),
        ];
        for (text, expected) in cases {
            let agent = Agent::from_user_agent(text);
            assert_eq!((agent.browser, agent.browser_major, agent.system, agent.device), expected, "{text}");
            let json = serde_json::to_string(&agent).unwrap();
            assert_eq!(serde_json::from_str::<Agent>(&json).unwrap(), agent, "{json}");
        }
    }
}
