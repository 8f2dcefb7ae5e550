//! The HTTP side of consent: rules, the consent layer, the gate and the support file of Global
//! Privacy Control.

mod consent_request;
mod cookie_policy;
mod cookie_removals;
mod enforcement;
mod future;
mod gpc_support;
mod jurisdictions;
mod layer;
mod require_consent;
mod rules;

pub(crate) use self::{consent_request::ConsentRequest, enforcement::ConsentEnforcement};
pub use self::{
    cookie_policy::UndeclaredCookies,
    future::ConsentFuture,
    gpc_support::GpcSupport,
    jurisdictions::Jurisdictions,
    layer::{ConsentLayer, ConsentService},
    require_consent::{RequireConsent, RequireConsentService},
    rules::ConsentRules,
};
