//! Languages by their likely subtags, and random `Accept-Language` headers.

use std::time::{Duration, Instant};

use proptest::{
    collection::vec,
    prelude::{Just, Strategy, prop_oneof},
    sample::select,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};
use serde_json::json;
use tower_guestbook::{
    consent::{Category, ConsentRules, Jurisdiction, Notice, Purpose, PurposeId, Purposes},
    preferences::{PreferenceRules, lookup_language},
    store::MemoryStore,
};

use super::{Browser, app};
use crate::support::builder;

#[test]
fn lookup_language_follows_likely_subtags_and_successors() {
    let languages = ["en", "zh", "zh-Hant", "nb", "he", "pt-BR", "sr-Latn", "sr", "id", "fil"];
    for (header, expected) in [
        ("zh-TW", "zh-Hant"),
        ("zh-HK", "zh-Hant"),
        ("ZH-mo", "zh-Hant"),
        ("zh-CN", "zh"),
        ("zh-SG", "zh"),
        ("cmn-TW", "zh-Hant"),
        ("zh-Hans-TW", "zh"),
        ("zh-Hant-CN", "zh-Hant"),
        ("no", "nb"),
        ("no-NO", "nb"),
        ("nb-NO", "nb"),
        ("iw", "he"),
        ("iw-IL", "he"),
        ("in", "id"),
        ("tl", "fil"),
        ("sh", "sr-Latn"),
        ("sr-ME", "sr-Latn"),
        ("sr-RS", "sr"),
        ("pt", "pt-BR"),
        ("pt-PT", "pt-BR"),
        ("fr, pt-PT;q=0.5, en;q=0.4", "pt-BR"),
        ("en-AU", "en"),
        ("zh-TW-u-co-stroke", "zh-Hant"),
        ("zh-TW-x-private", "zh-Hant"),
    ] {
        assert_eq!(lookup_language(header, &languages), Some(expected), "{header}");
    }
    for header in ["nn", "yue", "x-zh-TW", "i-klingon", "und", "art-lojban", "zh;q=0, zh-TW;q=0, fr", "*-TW", "de-TW"] {
        assert_eq!(lookup_language(header, &languages), None, "{header}");
    }
}

#[test]
fn lookup_language_prefers_exact_tags_then_regions_then_scripts() {
    for (header, languages, expected) in [
        ("zh-TW", &["zh-Hant", "zh-TW"][..], Some("zh-TW")),
        ("zh-TW", &["zh-HK", "zh-Hant"], Some("zh-Hant")),
        ("zh-TW", &["zh-HK", "zh-CN"], Some("zh-HK")),
        // A shorter tag in another script is better than another language.
        ("zh-TW", &["zh", "en"], Some("zh")),
        ("zh-TW, en", &["zh-CN", "en"], Some("en")),
        ("pt", &["pt-PT", "pt-BR"], Some("pt-BR")),
        ("pt-AO", &["pt-PT", "pt-BR"], Some("pt-PT")),
        ("en", &["en-GB", "en-US"], Some("en-US")),
        ("en-AU", &["en-GB", "en"], Some("en")),
        ("en-AU", &["en-GB", "de"], Some("en-GB")),
        ("de-CH-1996", &["de", "de-CH"], Some("de-CH")),
        ("he", &["iw"], Some("iw")),
        ("nb", &["no", "nb"], Some("nb")),
        ("no, nb;q=0.9", &["nb", "no"], Some("no")),
        // What is refused is not found, and neither are its regions.
        ("pt, pt-BR;q=0", &["pt-BR", "pt-PT"], Some("pt-PT")),
        ("en-AU, en;q=0", &["en", "en-GB"], None),
        ("en-GB, en;q=0", &["en", "en-GB"], Some("en-GB")),
    ] {
        assert_eq!(lookup_language(header, languages), expected, "{header} in {languages:?}");
    }
}

#[tokio::test]
async fn notices_and_preferences_match_by_likely_subtags() {
    let purpose = Purpose::new("marketing", Category::Marketing).expiry(Duration::from_secs(86_400));
    let mut consent = ConsentRules::new(Purposes::builder().purpose(purpose).build().unwrap());
    for language in ["en", "he", "nb", "pt-BR", "zh-Hant"] {
        consent = consent.notice(Notice::new(PurposeId::MARKETING, 1, language, format!("in {language}")).unwrap());
    }
    let rules = PreferenceRules::standard().unwrap();
    let rules = rules.negotiate_language("language", ["en", "he", "nb", "pt-BR", "zh-Hant"]);
    let guestbook = builder(MemoryStore::new()).0.consent(consent).preferences(rules).build().unwrap();
    let app = app(&guestbook);
    for (header, expected) in
        [("zh-TW", "zh-Hant"), ("no", "nb"), ("iw", "he"), ("pt", "pt-BR"), ("fr", "en"), ("zh", "en")]
    {
        let prompt = guestbook.consents().unwrap().prompt(None, header, &Jurisdiction::default()).await.unwrap();
        assert_eq!(prompt.language, expected, "{header}");
        assert_eq!(prompt.purposes[0].notice.as_ref().unwrap().text(), format!("in {expected}"));
        let value = Browser::new(&app).with("accept-language", header).value().await;
        assert_eq!(value["language"], json!(expected), "{header}");
    }
}

#[tokio::test]
async fn random_accept_language_headers_find_an_offered_language_in_bounded_time() {
    let mut offered: Vec<String> =
        ["en", "zh", "zh-Hant", "nb", "he", "pt-BR", "sr-Latn", "de-CH-1996"].map(str::to_owned).to_vec();
    offered.extend(('a'..='f').map(|letter| format!("x{letter}")));
    let rules = PreferenceRules::standard().unwrap().negotiate_language("language", offered.clone());
    let app = app(&builder(MemoryStore::new()).0.preferences(rules).build().unwrap());

    let known =
        ["zh", "TW", "Hant", "hans", "no", "iw", "sh", "pt", "und", "x", "u", "i", "co", "1996", "419", "*", "cmn"];
    let subtag =
        prop_oneof![4 => select(known.to_vec()).prop_map(str::to_owned), 2 => "[a-zA-Z0-9]{1,9}", 1 => "[ -~]{0,5}"];
    let tag = vec(subtag, 1..6).prop_map(|subtags| subtags.join("-"));
    let weight = prop_oneof![Just(String::new()), "; ?q=[01](\\.[0-9]{0,4})?", "[;=q.0-9 ]{0,6}"];
    let range = (tag, weight).prop_map(|(tag, weight)| tag + &weight);
    let list = prop_oneof![9 => vec(range.clone(), 0..8), 1 => vec(range, 8..40)].prop_map(|ranges| ranges.join(","));
    let header = prop_oneof![8 => list, 1 => "[ -~]{0,200}", 1 => Just("zh-TW-".repeat(1_500))];
    let mut runner = TestRunner::new(Config::default());
    let mut slowest = Duration::ZERO;
    for _ in 0..10_000 {
        let header = header.new_tree(&mut runner).unwrap().current();
        let started = Instant::now();
        let found = lookup_language(&header, &offered);
        slowest = slowest.max(started.elapsed());
        assert!(found.is_none_or(|found| offered.iter().any(|language| language == found)), "{header}: {found:?}");
        let value = Browser::new(&app).with("accept-language", header.trim()).value().await;
        assert_eq!(value["language"], json!(found.unwrap_or("en")), "{header}");
    }
    // The slowest is far from it, but a machine may be busy.
    assert!(slowest < Duration::from_millis(500), "{slowest:?}");

    // The most ranges, for the most languages of a guestbook.
    let many: Vec<String> =
        (0..250).map(|number| format!("{}-{number:03}", if number % 2 == 0 { "zh" } else { "en" })).collect();
    let header = (0..1_000).map(|number| format!("sr-Latn-{number:03}")).collect::<Vec<_>>().join(",");
    let started = Instant::now();
    assert_eq!(lookup_language(&header, &many), None);
    assert!(started.elapsed() < Duration::from_millis(500), "{:?}", started.elapsed());
}
