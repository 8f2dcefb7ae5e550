//! `build` refuses invalid rules.

use tower_guestbook::{
    ErrorKind,
    consent::{Mode, PurposeId},
    preferences::{PreferenceRules, Schema, StandardPreferences},
    store::MemoryStore,
};

use super::{
    consent_views::{analytics, consent, view},
    negotiating,
};
use crate::support::builder;

#[tokio::test]
async fn build_refuses_negotiation_that_the_schema_does_not_accept() {
    let rules = || PreferenceRules::standard().unwrap();
    let many = || (0..251).map(|number| format!("x{number}"));
    for (rules, names) in [
        (rules().negotiate_language("langauge", ["en"]), "langauge"),
        (rules().negotiate_language("notifications.email", ["en"]), "notifications.email"),
        (rules().negotiate_language("language.tag", ["en"]), "language.tag"),
        (rules().negotiate_language("", ["en"]), ""),
        (rules().negotiate_language("language", ["en", "not a tag"]), "language"),
        (rules().negotiate_language("language", [""; 0]), "negotiate_language()"),
        (rules().negotiate_language("language", many()), "negotiate_language()"),
        (rules().negotiate_color_scheme("notifications"), "notifications"),
        (rules().negotiate_color_scheme("colour"), "colour"),
        (rules().negotiate_reduced_motion("theme"), "theme"),
        (rules().negotiate_reduced_motion("motion"), "motion"),
        (rules().negotiate_save_data("language"), "language"),
        (rules().negotiate_save_data("notifications"), "notifications"),
    ] {
        let error = builder(MemoryStore::new()).0.preferences(rules).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains("preferences()") && error.to_string().contains(names), "{error}");
    }
    builder(MemoryStore::new()).0.preferences(negotiating()).build().unwrap();
    assert!(Schema::<u8>::new().is_err() && Schema::<Vec<u8>>::new().is_err(), "no struct");
}

#[tokio::test]
async fn build_refuses_invalid_consent_views() {
    let rules = || PreferenceRules::standard().unwrap();
    let open = PreferenceRules::new(Schema::<StandardPreferences>::new().unwrap().allow_unknown_keys());
    let many = (0..17).fold(open, |rules, number| rules.consent_view(format!("x{number}"), PurposeId::ANALYTICS));
    let marketing = PurposeId::MARKETING;
    for (rules, has_consent, names) in [
        (view(), false, "analytics"),
        (rules().consent_view("privacy.allow_analytics", marketing), true, "marketing"),
        (rules().consent_view("theme", PurposeId::ANALYTICS), true, "theme"),
        (rules().consent_view("privacy", PurposeId::ANALYTICS), true, "privacy"),
        (rules().consent_view("privacy.allow", PurposeId::ANALYTICS), true, "privacy.allow"),
        (rules().consent_view("", PurposeId::ANALYTICS), true, ""),
        (many, true, "16"),
    ] {
        let builder = builder(MemoryStore::new()).0.preferences(rules);
        let builder = if has_consent { builder.consent(consent(analytics(Mode::OptIn))) } else { builder };
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains("preferences()") && error.to_string().contains(names), "{error}");
    }
}
