//! [`is_crawler`]: whether a `User-Agent` belongs to a program without a person.
//!
//! `iscrawl` searches for words such as `bot`. Names of phones contain them as well (Cubot, ID bot,
//! Spider 8), so it takes these for crawlers; and it takes browsers driven by a program for people.
//! Both cases are handled here first. The names are those that occur in the test data of Matomo's
//! device-detector, isbot and crawler-user-agents.

use std::{borrow::Cow, fmt::Write};

/// Returns whether a `User-Agent` belongs to a program.
pub(super) fn is_crawler(text: &str) -> bool {
    let small = text.to_ascii_lowercase();
    DRIVEN.iter().any(|word| small.contains(word)) || says_crawler(&without_device(&small))
}

/// Browsers driven by a program, and tools that load pages to measure or render them.
const DRIVEN: &[&str] = &[
    "headless",
    "lighthouse",
    "phantomjs",
    "slimerjs",
    "puppeteer",
    "playwright",
    "selenium",
    "webdriver",
    "cypress",
    "jsdom",
    "wkhtmlto",
    "webkit2png",
    "screenshot",
    "prerender",
    "rendertron",
    "synthetic",
    "pingdom",
    "gtmetrix",
    "dareboost",
    "debugbear",
    "statuscake",
    "pagespeed",
    "page speed",
    "thousandeyes",
    "nodemeter",
    "ghost inspector",
    "linkcheck",
    "inspectiontool",
    "googleother",
    "duplexweb",
    "google favicon",
];

/// Texts that look like crawlers but are not: phones, television sets, a bank's browser, and texts
/// with an at sign that is not part of an email address.
const PEOPLE: &[&str] = &["cubot", "botech", "caboto", "ecosia android@", "ecosia ios@", "@calendar=", "@taobao"];

/// Returns the text without the name of the device.
fn without_device(small: &str) -> String {
    let mut rest = Cow::Borrowed(small);
    if let Some((before, after)) = android_device(small) {
        rest = Cow::Owned([before, after].concat());
    }
    PEOPLE.iter().fold(rest.into_owned(), |rest, name| rest.replace(name, ""))
}

/// Returns the text before and after the device in `Mozilla/5.0 (Linux; Android 8.0.0; CUBOT_X18
/// Build/O00623; wv) AppleWebKit/…`. `None` if a crawler has put its own name or address there.
fn android_device(small: &str) -> Option<(&str, &str)> {
    let engine = small.find(") applewebkit/").filter(|_| small.starts_with("mozilla/5.0 ("))?;
    let system = small[..engine].find("android")?;
    let device = system + small[system..engine].find(';')?;
    let (before, after) = (&small[..device], &small[engine..]);
    let is_product = |part: &str| {
        let name = part.split_once(" build/").map_or(part, |(name, _)| name);
        ["/", "http", "@", "compatible", "crawl"].iter().any(|mark| name.contains(mark))
    };
    let is_device = !small[device..engine].split(';').any(is_product);
    is_device.then_some((before, after))
}

/// The detector caches results by address and by the first and last bytes of a text, which may be
/// equal for two texts. So each text gets a unique suffix.
fn says_crawler(text: &str) -> bool {
    thread_local!(static CALLS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) });
    let number = CALLS.replace(CALLS.get().wrapping_add(1));
    let mut unique = String::with_capacity(text.len() + 20);
    unique.push_str(text);
    if !text.is_empty() {
        // Writing to a string does not fail.
        let _ = write!(unique, " {number:08}");
    }
    iscrawl::is_crawler(&unique)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From `matomo-org/device-detector` and `omrilotan/isbot`, which collected them from visitors.
    const PHONES: &[&str] = &[
        "Mozilla/5.0 (Linux; Android 9; CUBOT_X19) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/70.0.3538.110 Mobile Safari/537.36",
        "Mozilla/5.0 (Linux; Android 8.0.0; CUBOT_P20) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/70.0.3538.110 Mobile Safari/537.36",
        "Mozilla/5.0 (Linux; U; Android 8.0.0; CUBOT_X18_Plus Build/O00623; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/71.0.3578.99 Mobile Safari/537.36 OPR/37.6.2254.134291",
        "Mozilla/5.0 (Linux; Android 5.1; CUBOT_NOTE_S Build/LMY47I) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/39.0.0.0 Mobile Safari/537.36",
        "Mozilla/5.0 (Linux; Android 13; Cubot X30) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile Safari/537.36",
        "Mozilla/5.0 (Linux; U; Android 4.2.2; fr-fr; CUBOT C9+ Build/JDQ39) AppleWebKit/534.30 (KHTML, like Gecko) Version/4.0 Mobile Safari/534.30",
        "Mozilla/5.0 (Linux; U; Android 4.2.2; it-it; S222 Build/CUBOT) AppleWebKit/534.30 (KHTML, like Gecko) Version/4.0 Mobile Safari/534.30",
        "Mozilla/5.0 (Linux; Android 7.0; M bot 60 Build/NRD90M; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/67.0.3396.87 Mobile Safari/537.36 ",
        "Mozilla/5.0 (Linux; Android 6.0; IDbot553PLUS Build/MRA58K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/60.0.3112.116 Mobile Safari/537.36",
        "Mozilla/5.0 (Linux; Android 7.1.1; M_bot_tab_1150 Build/N9F27F) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/70.0.3538.80 Safari/537.36",
        "Mozilla/5.0 (Linux; Android 8.1.0; XBot_Senior Build/O11019) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/79.0.3945.93 Mobile Safari/537.36",
        "Mozilla/5.0 (Linux; Android 6.0; VR BOT 552 PLUS) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/81.0.4044.138 Mobile Safari/537.36",
        "Mozilla/5.0 (Linux; Android 13; Spider 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/116.0.0.0 Mobile Safari/537.36",
        "Mozilla/5.0 (Linux; Android 11; moto g power (2022)) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/134.0.0.0 Mobile Safari/537.36",
        "Mozilla/5.0 (Linux; Android 8.0.0; SM-G930F) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/62.0.3202.101 Mobile Safari/537.36 (Ecosia android@62.0.3202.101)",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML,like Gecko) Mobile/21F79 Instagram 330.0.3.29.91 (iPhone14,3; iOS 17_5; en_IR@calendar=gregorian; en; scale=3.00; 1125x2436; 595323416)",
        "Mozilla/5.0 (Linux; Android 13; 2201116SI Build/TKQ1.221114.001; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/125.0.6422.165 Mobile Safari/537.36 CamScanner/4.0",
        "Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; Banca Caboto s.p.a.; rv:11.0) like Gecko",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
        "Mozilla/5.0 (Android 14; Mobile; rv:128.0) Gecko/128.0 Firefox/128.0",
    ];

    /// From `monperrus/crawler-user-agents` and the tests of `iscrawl`.
    const PROGRAMS: &[&str] = &[
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/120.0.0.0 Safari/537.36",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/120.0.0.0 Safari/537.36 Puppeteer",
        "Mozilla/5.0 (Linux; Android 7.0; Moto G (4)) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/98.0.4695.0 Mobile Safari/537.36 Chrome-Lighthouse",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/98.0.4695.0 Safari/537.36 Chrome-Lighthouse",
        "Mozilla/5.0 (Unknown; Linux x86_64) AppleWebKit/534.34 (KHTML, like Gecko) PhantomJS/1.9.7 Daum Raam Edition b20140820 Safari/534.34",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36 Playwright/1.40.0",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36; Selenium",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/103.0.5060.114 Safari/537.36 DatadogSynthetics",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/117.0.0.0 Safari/537.36 GTmetrix",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/534.34 (KHTML, like Gecko) wkhtmltopdf Safari/534.34",
        "Mozilla/5.0 (Linux; U; Android 4.1.2; cs-cz; Seznam screenshot-generator Build/Q3) AppleWebKit/534.30 (KHTML, like Gecko) Version/4.0 Mobile Safari/534.30",
        "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/117.0.5938.132 Mobile Safari/537.36 (compatible; GoogleOther)",
        "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/W.X.Y.Z Mobile Safari/537.36 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Mozilla/5.0 (Linux; Android 8.0; Pixel 2 Build/OPD3.170816.012; Storebot-Google/1.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/81.0.4044.138 Mobile Safari/537.36",
        "Mozilla/5.0 (linux) AppleWebKit/537.36 (KHTML, like Gecko) jsdom/22.1.0",
        "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
        "curl/8.5.0",
        "",
    ];

    #[test]
    fn is_crawler_accepts_phones_and_detects_driven_browsers() {
        for phone in PHONES {
            assert!(!is_crawler(phone), "{phone}");
        }
        for program in PROGRAMS {
            assert!(is_crawler(program), "{program}");
        }
    }
}
