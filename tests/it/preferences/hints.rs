//! Reduced motion and reduced data, as the browser asks for them.

use axum::http::{HeaderName, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tower_guestbook::store::MemoryStore;

use super::{Browser, app_of, rules_of};
use crate::support::{Answer, builder};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Comfort {
    still: bool,
    media: Media,
    theme: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Media {
    small: bool,
}

const MOTION: &str = "sec-ch-prefers-reduced-motion";
const SAVE_DATA: &str = "save-data";

fn app() -> axum::Router {
    let rules = rules_of::<Comfort>().negotiate_reduced_motion("still").negotiate_save_data("media.small");
    app_of::<Comfort>(&builder(MemoryStore::new()).0.preferences(rules).build().unwrap())
}

/// The headers that the response depends on, of these two, and the hints that it asks for.
fn depends(answer: &Answer) -> (Vec<String>, Vec<String>) {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let names = |name: HeaderName| -> Vec<String> {
        let lines = answer.headers.get_all(name).iter().flat_map(|line| line.to_str().unwrap().split(", "));
        lines.map(str::to_owned).filter(|name| name != "cookie").collect()
    };
    (names(header::VARY), names(HeaderName::from_static("accept-ch")))
}

fn value(still: bool, small: bool) -> Value {
    json!({ "still": still, "media": { "small": small }, "theme": "" })
}

#[tokio::test]
async fn negotiate_reduced_motion_and_save_data_follow_the_headers() {
    let app = app();
    for (headers, still, small) in [
        (&[][..], false, false),
        (&[(MOTION, r#""reduce""#)], true, false),
        (&[(MOTION, "reduce")], true, false),
        (&[(MOTION, r#""no-preference""#)], false, false),
        (&[(MOTION, "?1")], false, false),
        (&[(MOTION, "\"r\u{e9}duce\"")], false, false),
        (&[(SAVE_DATA, "on")], false, true),
        (&[(SAVE_DATA, "On; q=1")], false, true),
        (&[(SAVE_DATA, "off")], false, false),
        (&[(SAVE_DATA, "")], false, false),
        (&[(MOTION, "reduce"), (SAVE_DATA, "on")], true, true),
    ] {
        // Twice: the second value comes from memory.
        for _ in 0..2 {
            let mut browser =
                headers.iter().fold(Browser::new(&app), |browser, (name, value)| browser.with(name, *value));
            assert_eq!(browser.value().await, value(still, small), "{headers:?}");
        }
    }
}

#[tokio::test]
async fn hints_vary_the_response_until_the_user_chooses() {
    let app = app();
    for is_user in [false, true] {
        let mut browser = Browser::new(&app).with(MOTION, "reduce").with(SAVE_DATA, "on");
        if is_user {
            browser.login("ada").await;
        }
        let both = (vec![MOTION.to_owned(), SAVE_DATA.to_owned()], vec![MOTION.to_owned()]);
        assert_eq!(depends(&browser.get("/preferences").await), both);
        assert_eq!(depends(&browser.get("/plain").await), (vec![], vec![]), "it reads no preferences");

        // The user's choice wins over the browser's wish, also the choice of false.
        assert_eq!(browser.set(json!({ "still": false })).await, value(false, true));
        let data = (vec![SAVE_DATA.to_owned()], vec![]);
        assert_eq!(depends(&browser.get("/preferences").await), data, "Save-Data needs no Accept-CH");
        assert_eq!(browser.set(json!({ "media": { "small": false } })).await, value(false, false));
        assert_eq!(depends(&browser.get("/preferences").await), (vec![], vec![]));
        assert_eq!(browser.reset("still").await, value(true, false));
        assert_eq!(depends(&browser.get("/preferences").await), (vec![MOTION.to_owned()], vec![MOTION.to_owned()]));
    }
}
