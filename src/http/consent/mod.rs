//! Consent at the door: the rules, the layer that keeps cookies out, the gate, and the signal's support file.

mod cookies;
mod future;
mod gate;
mod gpc;
mod layer;
mod path;
mod removal;
mod rules;

pub(crate) use self::rules::{ConsentEnforcement, ConsentRequest};
pub use self::{
    cookies::UndeclaredCookies,
    future::ConsentFuture,
    gate::{RequireConsent, RequireConsentFuture, RequireConsentService},
    gpc::GpcSupport,
    layer::{ConsentLayer, ConsentService},
    path::local_path,
    rules::{ConsentRules, Jurisdictions},
};
