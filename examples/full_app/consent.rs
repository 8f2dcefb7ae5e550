//! Consent, with and without a login; and the offers, which need it.

use std::collections::BTreeMap;

use axum::{
    Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderValue, StatusCode, header},
    response::IntoResponse,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_guestbook::{
    Consent, CurrentUserId, Preferences, Session,
    consent::{Choices, DecisionMethod, GlobalPrivacyControl, PurposeId, Subject},
    preferences::StandardPreferences,
};

use crate::{
    App,
    answers::{Answer, NO_STORE, Path, Refusal, refuse, success},
    auth::parse,
    page,
    purposes::offers_cookie,
};

/// The largest body that is read: all purposes and the snapshot of their notices take a tenth of
/// it.
pub(crate) const MAX_BODY: usize = 16 * 1024;

/// So much of the history is shown.
const HISTORY: usize = 100;

/// `consent_type` and `granted`, or several `choices` and the `method` they were made by.
#[derive(Deserialize)]
struct Decision {
    consent_type: Option<String>,
    granted: Option<bool>,
    choices: Option<BTreeMap<String, bool>>,
    method: Option<Button>,
    /// The snapshot of the notices that were shown.
    notice: Option<String>,
}

/// What was clicked on.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Button {
    AcceptAll,
    RejectAll,
    Custom,
    Dismiss,
}

/// Visitors are limited by the guestbook; users share the quota of the events that they track.
pub(crate) async fn decide(
    State(app): State<App>,
    user: Option<CurrentUserId>,
    consent: Consent,
    body: Result<Bytes, BytesRejection>,
) -> Answer {
    const PROBLEM: &str = "consent_type and granted required, or choices and method";
    let decision: Decision = parse(&body?, PROBLEM)?;
    let choices = match (decision.consent_type, decision.granted, decision.choices, decision.method) {
        (Some(purpose), Some(granted), None, None) => {
            choose(Choices::new(DecisionMethod::Api).source("api"), [(purpose, granted)])?
        }
        (None, None, Some(choices), Some(button)) if button.fits(&choices) => {
            choose(Choices::new(button.method()).source("page"), choices)?
        }
        _ => return Err(refuse(StatusCode::BAD_REQUEST, PROBLEM)),
    };
    if let Some(CurrentUserId(user)) = user {
        app.quota.take(user, 1)?;
    }
    consent.decide(decision.notice.into_iter().fold(choices, Choices::notice)).await?;
    Ok(success("Consent recorded"))
}

/// Where everything stands, how it came to that, and what to show to somebody who decides.
pub(crate) async fn state(
    consent: Consent,
    preferences: Preferences<StandardPreferences>,
) -> Answer<impl IntoResponse> {
    let gpc = consent.global_privacy_control();
    // Whose decisions they are, not who: the page need not know.
    let subject = consent.subject().map(|subject| kind(&subject));
    let state = json!({
        "subject": subject,
        "ask": consent.needs_prompt(),
        "purposes": consent.states(),
        "signals": {
            "gpc": {
                "received": gpc != GlobalPrivacyControl::NotSent,
                "honoured": gpc == GlobalPrivacyControl::Honoured,
            },
        },
        "offer": consent.prompt(&preferences.language).await?,
        "history": consent.history(HISTORY, None).await?,
    });
    Ok((NO_STORE, Json(state)))
}

pub(crate) async fn withdraw(consent: Consent, Path(purpose): Path<String>) -> Answer {
    let purpose = PurposeId::new(&purpose).ok().filter(|id| consent.purposes().get(id).is_some());
    consent.withdraw(purpose.ok_or_else(|| refuse(StatusCode::NOT_FOUND, "No such purpose"))?).await?;
    Ok(success("Consent withdrawn"))
}

pub(crate) async fn receipt(consent: Consent) -> Answer<impl IntoResponse> {
    let receipt = consent.receipt().await?.filter(|receipt| !receipt.pii_processing.is_empty());
    let receipt = receipt.ok_or_else(|| refuse(StatusCode::NOT_FOUND, "Nothing was decided"))?;
    let visitor = matches!(receipt.pii_principal_id, Subject::Visitor(_));
    let mut receipt = serde_json::to_value(receipt).map_err(crate::Error::from)?;
    if visitor {
        receipt["pii_principal_id"] = json!({ "kind": "visitor" });
    }
    Ok((NO_STORE, Json(receipt)))
}

/// Behind a gate, as [`offers_as_json`]: it sets a cookie that nobody gets who has not agreed to
/// it.
pub(crate) async fn offers(
    State(app): State<App>,
    preferences: Preferences<StandardPreferences>,
) -> Result<impl IntoResponse, Refusal> {
    let secure = if app.secure { "; Secure" } else { "" };
    let cookie = format!("{}=seen; Path=/; SameSite=Lax{secure}", offers_cookie(app.secure));
    let cookie = HeaderValue::try_from(cookie).map_err(crate::Error::from)?;
    Ok(([(header::SET_COOKIE, cookie)], page::html(include_str!("page/offers.html"), &preferences)))
}

pub(crate) async fn offers_as_json(session: Session) -> Json<Value> {
    let who = if session.user_id().is_some() { "a user" } else { "a visitor" };
    Json(json!({ "for": who, "offers": ["A pen that writes upside down", "A book of empty pages"] }))
}

impl Button {
    /// "Accept all" declines nothing. A record that says otherwise would prove
    /// nothing.
    fn fits(self, choices: &BTreeMap<String, bool>) -> bool {
        match self {
            Self::AcceptAll => choices.values().all(|granted| *granted),
            Self::RejectAll | Self::Dismiss => choices.values().all(|granted| !granted),
            Self::Custom => true,
        }
    }

    fn method(self) -> DecisionMethod {
        match self {
            Self::AcceptAll => DecisionMethod::AcceptAll,
            Self::RejectAll => DecisionMethod::RejectAll,
            Self::Custom => DecisionMethod::Custom,
            Self::Dismiss => DecisionMethod::Dismiss,
        }
    }
}

fn choose(none: Choices, made: impl IntoIterator<Item = (String, bool)>) -> tower_guestbook::Result<Choices> {
    made.into_iter().try_fold(none, |choices, (purpose, granted)| {
        let purpose = PurposeId::new(&purpose)?;
        Ok(if granted { choices.grant(purpose) } else { choices.decline(purpose) })
    })
}

fn kind(subject: &Subject) -> &'static str {
    match subject {
        Subject::User(_) => "user",
        Subject::Visitor(_) => "visitor",
    }
}
