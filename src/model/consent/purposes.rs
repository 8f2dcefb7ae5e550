//! [`Purposes`]: the registry of purposes.

use std::{sync::Arc, time::Duration};

use super::{Category, LegalBasis, Mode, Purpose, PurposeCookie, PurposeId};
use crate::error::{Error, ErrorKind, Result};

/// The registry of an application's purposes, checked when it is built. Clones are cheap handles to
/// the same registry.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_guestbook::{ErrorKind, consent::{Category, Purpose, PurposeId, Purposes}};
///
/// // The texts that people agree to are added to `ConsentRules` as notices.
/// let analytics = || Purpose::new(PurposeId::ANALYTICS, Category::Analytics);
/// let purposes = Purposes::builder()
///     .purpose(Purpose::new(PurposeId::NECESSARY, Category::Necessary).cookies(["csrf"]))
///     .purpose(analytics().expiry(Duration::from_secs(180 * 86_400)))
///     .build()?;
/// assert_eq!(purposes.iter().count(), 2);
/// assert!(purposes.get(&PurposeId::ANALYTICS).is_some() && purposes.get(&PurposeId::MARKETING).is_none());
///
/// let error = Purposes::builder().purpose(analytics()).build().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Configuration);
/// assert!(error.to_string().contains("expiry"), "consent needs an end");
/// # Ok::<(), tower_guestbook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Purposes {
    /// In the order of declaration. A linear search is faster than a tree for so few.
    all: Arc<[(PurposeId, Purpose)]>,
}

/// A builder of [`Purposes`].
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct PurposesBuilder {
    purposes: Vec<Purpose>,
}

/// No choice is kept for longer than 13 months.
const LONGEST_EXPIRY: Duration = Duration::from_secs(395 * 24 * 60 * 60);

impl Purposes {
    /// Returns a builder without purposes.
    pub fn builder() -> PurposesBuilder {
        PurposesBuilder::default()
    }

    /// Returns the purpose with this name, if it is declared.
    pub fn get(&self, id: &PurposeId) -> Option<&Purpose> {
        self.all.iter().find(|(known, _)| known == id).map(|(_, purpose)| purpose)
    }

    /// Returns all purposes, in the order of declaration.
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

    /// Checks the purposes and builds the registry.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`], with the purpose and the field, if a purpose is declared
    /// twice, has an invalid name or cookie, lacks a required expiry, or if its fields contradict
    /// each other.
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
    let id = PurposeId::new(&purpose.id)
        .map_err(|error| self::wrong(purpose, "id", "the name is invalid").with_source(error))?;
    if purpose.notice_version == 0 {
        return wrong("notice_version", "versions begin with 1");
    }
    if (purpose.category == Category::Necessary) != (purpose.mode == Mode::Necessary) {
        return wrong("mode", "a purpose has the category Necessary if and only if it has the mode Necessary");
    }
    if purpose.mode == Mode::Necessary && (purpose.basis == LegalBasis::Consent || purpose.lenient_mode.is_some()) {
        return wrong("basis", "a necessary purpose is not based on consent and has no other mode");
    }
    if purpose.mode == Mode::OptIn && purpose.basis != LegalBasis::Consent {
        return wrong("basis", "an opt-in purpose is based on consent");
    }
    if purpose.lenient_mode == Some(Mode::Necessary) {
        return wrong("mode_in_opt_out_regime", "a purpose that can be declined is not necessary");
    }
    let modes = [Some(purpose.mode), purpose.lenient_mode];
    let is_decided = modes.iter().flatten().any(|mode| matches!(mode, Mode::OptIn | Mode::OptOut));
    match purpose.expiry {
        None if is_decided => return wrong("expiry", "opt-in and opt-out need an expiry, for example 180 days"),
        Some(expiry) if expiry < Duration::from_secs(1) || expiry > LONGEST_EXPIRY => {
            return wrong("expiry", "the expiry is between one second and 395 days");
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
    fn build_names_the_purpose_and_the_field_of_a_wrong_declaration() {
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
    fn get_finds_declared_purposes_only() {
        let exempt = Purpose::new("measurement", Category::Own("audience".into()));
        let exempt = exempt.mode(Mode::ExemptWithObjection).basis(LegalBasis::LegitimateInterests);
        let purposes = Purposes::builder().purpose(analytics()).purpose(exempt).build().unwrap();
        assert_eq!(purposes.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["analytics", "measurement"]);
        assert!(purposes.get(&PurposeId::MARKETING).is_none());
        let json = serde_json::to_value(purposes.get(&PurposeId::new("measurement").unwrap()).unwrap()).unwrap();
        assert_eq!((&json["category"], &json["basis"]), (&"audience".into(), &"legitimate_interests".into()));
    }
}
