//! [`Purposes`]: all purposes of an application, checked together.

use std::{sync::Arc, time::Duration};

use super::{Category, LegalBasis, Mode, Purpose, PurposeCookie, PurposeId};
use crate::error::{Error, ErrorKind, Result};

/// The purposes of an application. A clone is another handle.
#[derive(Clone, Debug)]
pub struct Purposes {
    /// As they were declared. A handful: looking at each is faster than a tree.
    all: Arc<[(PurposeId, Purpose)]>,
}

/// Gathers purposes for [`Purposes`].
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct PurposesBuilder {
    purposes: Vec<Purpose>,
}

/// Longer than 13 months no choice is to be kept.
const LONGEST_EXPIRY: Duration = Duration::from_secs(395 * 24 * 60 * 60);

impl Purposes {
    /// Begins a registry.
    pub fn builder() -> PurposesBuilder {
        PurposesBuilder::default()
    }

    /// The purpose with this name, if it is declared.
    pub fn get(&self, id: &PurposeId) -> Option<&Purpose> {
        self.all.iter().find(|(known, _)| known == id).map(|(_, purpose)| purpose)
    }

    /// All of them, as they were declared.
    pub fn iter(&self) -> impl Iterator<Item = (&PurposeId, &Purpose)> {
        self.all.iter().map(|(id, purpose)| (id, purpose))
    }
}

impl PurposesBuilder {
    /// Adds a purpose.
    pub fn purpose(mut self, purpose: Purpose) -> Self {
        self.purposes.push(purpose);
        self
    }

    /// Checks the purposes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`], naming the purpose and the field, if a purpose is declared twice, has an impossible name
    /// or cookie, lacks an expiry that it needs, or if its fields contradict each other.
    pub fn build(self) -> Result<Purposes> {
        let mut all: Vec<(PurposeId, Purpose)> = Vec::with_capacity(self.purposes.len());
        for purpose in self.purposes {
            let id = check(&purpose)?;
            if all.iter().any(|(known, _)| *known == id) {
                return Err(wrong(&purpose, "id", "it is declared twice"));
            }
            all.push((id, purpose));
        }
        Ok(Purposes { all: all.into() })
    }
}

fn check(purpose: &Purpose) -> Result<PurposeId> {
    let wrong = |field, problem| Err(wrong(purpose, field, problem));
    let id =
        PurposeId::new(&purpose.id).map_err(|error| self::wrong(purpose, "id", "it is no name").with_source(error))?;
    if purpose.notice_version == 0 {
        return wrong("notice_version", "versions begin with 1");
    }
    if (purpose.category == Category::Necessary) != (purpose.mode == Mode::Necessary) {
        return wrong("mode", "what is necessary is always allowed, and nothing else is");
    }
    if purpose.mode == Mode::Necessary && (purpose.basis == LegalBasis::Consent || purpose.lenient_mode.is_some()) {
        return wrong("basis", "what is necessary does not depend on consent");
    }
    if purpose.mode == Mode::OptIn && purpose.basis != LegalBasis::Consent {
        return wrong("basis", "what needs an opt-in is based on consent");
    }
    if purpose.lenient_mode == Some(Mode::Necessary) {
        return wrong("mode_in_opt_out_regime", "what can be declined is not necessary");
    }
    let modes = [Some(purpose.mode), purpose.lenient_mode];
    let is_decided = modes.iter().flatten().any(|mode| matches!(mode, Mode::OptIn | Mode::OptOut));
    match purpose.expiry {
        None if is_decided => return wrong("expiry", "say how long a decision lasts, for example 180 days"),
        Some(expiry) if expiry < Duration::from_secs(1) || expiry > LONGEST_EXPIRY => {
            return wrong("expiry", "a decision lasts from one second to 395 days");
        }
        _ => {}
    }
    if let Some(problem) = purpose.cookies.iter().find_map(PurposeCookie::problem) {
        return wrong("cookies", problem);
    }
    Ok(id)
}

fn wrong(purpose: &Purpose, field: &str, problem: &str) -> Error {
    Error::new(ErrorKind::Configuration, format!("purpose {:?}, {field}: {problem}", purpose.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn analytics() -> Purpose {
        Purpose::new("analytics", Category::Analytics).expiry(180 * DAY)
    }

    #[test]
    fn a_registry_that_cannot_be_names_the_purpose_and_the_field() {
        let necessary = || Purpose::new("session", Category::Necessary);
        for (purposes, field) in [
            (vec![analytics(), analytics()], "id"),
            (vec![Purpose::new("Not A Name", Category::Necessary)], "id"),
            (vec![Purpose::new("analytics", Category::Analytics)], "expiry"),
            (vec![analytics().expiry(Duration::ZERO)], "expiry"),
            (vec![analytics().expiry(396 * DAY)], "expiry"),
            (vec![analytics().notice_version(0)], "notice_version"),
            (vec![analytics().mode(Mode::Necessary)], "mode"),
            (vec![necessary().mode(Mode::OptIn)], "mode"),
            (vec![necessary().basis(LegalBasis::Consent)], "basis"),
            (vec![analytics().basis(LegalBasis::LegitimateInterests)], "basis"),
            (vec![analytics().mode_in_opt_out_regime(Mode::Necessary)], "mode_in_opt_out_regime"),
            (vec![analytics().cookies(["ok", "not ok"])], "cookies"),
            (vec![analytics().cookies([PurposeCookie::new("a").path("shop")])], "cookies"),
            (vec![analytics().cookies([PurposeCookie::new("a").path("/; Secure")])], "cookies"),
            (vec![analytics().cookies([PurposeCookie::new("a").domain("a b")])], "cookies"),
            (vec![analytics().cookies([PurposeCookie::new("a").domain("")])], "cookies"),
            (vec![analytics().cookies([PurposeCookie::new("__Host-a").path("/shop")])], "cookies"),
            (vec![analytics().cookies([PurposeCookie::new("__host-a*").domain("example.com")])], "cookies"),
        ] {
            let name = purposes[0].id.clone();
            let builder = purposes.into_iter().fold(Purposes::builder(), PurposesBuilder::purpose);
            let error = builder.build().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration);
            assert!(error.to_string().contains(&format!("{name:?}, {field}:")), "{error}");
        }
    }

    #[test]
    fn a_registry_finds_what_is_declared_and_nothing_else() {
        let exempt = Purpose::new("measurement", Category::Own("audience".into()));
        let exempt = exempt.mode(Mode::ExemptWithObjection).basis(LegalBasis::LegitimateInterests);
        let purposes = Purposes::builder().purpose(analytics()).purpose(exempt).build().unwrap();
        assert_eq!(purposes.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["analytics", "measurement"]);
        assert!(purposes.get(&PurposeId::MARKETING).is_none());
        let json = serde_json::to_value(purposes.get(&PurposeId::new("measurement").unwrap()).unwrap()).unwrap();
        assert_eq!((&json["category"], &json["basis"]), (&"audience".into(), &"legitimate_interests".into()));
    }
}
