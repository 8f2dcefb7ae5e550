//! What data is used for here, and what people are told about it.

use std::time::Duration;

use tower_guestbook::consent::{
    Category, ConsentRules, Controller, LegalBasis, Mode, Notice, Purpose, PurposeId, Purposes,
};

/// What the page of offers sets: a `secure` cookie has a name that no other host can set.
pub(crate) fn offers_cookie(secure: bool) -> &'static str {
    if secure { "__Host-offers" } else { "offers" }
}

/// How long a decision lasts. Nobody is asked again before.
const HALF_A_YEAR: Duration = Duration::from_secs(180 * 24 * 60 * 60);

/// A new text needs a new version of its purpose, and then grants under the old one
/// no longer count.
const NOTICES: [(PurposeId, &str, &str); 10] = [
    (
        PurposeId::NECESSARY,
        "en",
        "A cookie knows you again from page to page, and one remembers what you decide here. When you log in or out is \
         recorded to keep your account safe.",
    ),
    (
        PurposeId::NECESSARY,
        "de",
        "Ein Cookie erkennt Sie von Seite zu Seite wieder, eines merkt sich, was Sie hier entscheiden. Wann Sie sich an- \
         und abmelden, wird zum Schutz Ihres Kontos aufgezeichnet.",
    ),
    (
        PurposeId::FUNCTIONAL,
        "en",
        "To remember small comforts from visit to visit, such as where you left off. This demonstration has none yet.",
    ),
    (
        PurposeId::FUNCTIONAL,
        "de",
        "Um sich kleine Annehmlichkeiten von Besuch zu Besuch zu merken, etwa wo Sie aufgehört haben. Diese \
         Vorführung hat noch keine.",
    ),
    (
        PurposeId::ANALYTICS,
        "en",
        "We record which pages you open and what you do here, on our own server and for nobody else, to see how the site \
         is used. You can object at any time.",
    ),
    (
        PurposeId::ANALYTICS,
        "de",
        "Wir zeichnen auf, welche Seiten Sie öffnen und was Sie hier tun, nur auf unserem Server und für niemanden sonst, \
         um zu sehen, wie die Seite benutzt wird. Sie können jederzeit widersprechen.",
    ),
    (
        PurposeId::MARKETING,
        "en",
        "The page of offers sets the cookie “offers”. A real shop would share it with its advertisers; this demonstration \
         has none.",
    ),
    (
        PurposeId::MARKETING,
        "de",
        "Die Seite mit Angeboten setzt das Cookie „offers“. Ein echter Laden würde es mit seinen Werbepartnern teilen; \
         diese Vorführung hat keine.",
    ),
    (
        PurposeId::PERSONALISATION,
        "en",
        "To show first what fits what you did before. This demonstration does nothing with it yet.",
    ),
    (
        PurposeId::PERSONALISATION,
        "de",
        "Um zuerst zu zeigen, was zu dem passt, was Sie vorher getan haben. Diese Vorführung macht damit noch nichts.",
    ),
];

pub(crate) fn rules(secure: bool) -> tower_guestbook::Result<ConsentRules> {
    let purpose = |id: PurposeId, category| Purpose::new(id.as_str(), category).expiry(HALF_A_YEAR);
    let purposes = Purposes::builder()
        .purpose(Purpose::new(PurposeId::NECESSARY.as_str(), Category::Necessary))
        .purpose(purpose(PurposeId::FUNCTIONAL, Category::Functional))
        // Our own measurement, which some laws exempt from consent: it goes on until somebody
        // objects.
        .purpose(
            purpose(PurposeId::ANALYTICS, Category::Analytics)
                .mode(Mode::ExemptWithObjection)
                .basis(LegalBasis::LegitimateInterests),
        )
        .purpose(
            purpose(PurposeId::MARKETING, Category::Marketing)
                .mode_in_opt_out_regime(Mode::OptOut)
                .sells_or_shares(true)
                .cookies([offers_cookie(secure)]),
        )
        .purpose(purpose(PurposeId::PERSONALISATION, Category::Personalisation))
        .build()?;
    let controller = Controller::new(
        "The guestbook demonstration",
        "1 Example Street, Example Town",
        "mailto:privacy@guestbook.example",
    );
    NOTICES.into_iter().try_fold(
        ConsentRules::new(purposes)
            .controller(controller)
            .consent_page("/")
            // So that a program can decide with two fields. What such a grant proves is little: the
            // page always sends the snapshot of the notices that it shows, and where proof matters
            // this line is to go.
            .accept_grants_without_notice(),
        |rules, (purpose, language, text)| Ok(rules.notice(Notice::new(purpose, 1, language, text)?)),
    )
}
