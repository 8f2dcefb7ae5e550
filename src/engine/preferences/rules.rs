//! [`PreferenceRules`]: the schema of an application, with negotiation and consent views.

use std::sync::Mutex;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    engine::consents::Consents,
    error::{Error, ErrorKind, Result},
    model::{
        consent::{Mode, PurposeId, Regime},
        preferences::{
            ColorScheme, LikelyTags, Overrides, Schema, StandardPreferences, lookup_language_index, reduced_motion,
            save_data,
        },
    },
};

/// The schema of an application's preferences, with negotiation and consent views.
///
/// A path names a key: `theme`, `privacy.allow_analytics`. The rules are checked in
/// [`build`](crate::GuestbookBuilder::build).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_guestbook::{
///     Guestbook, UserId,
///     consent::{Category, ConsentRules, Notice, Purpose, PurposeId, Purposes},
///     preferences::{PreferenceRules, StandardPreferences},
///     store::MemoryStore,
/// };
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let analytics =
///     Purpose::new(PurposeId::ANALYTICS, Category::Analytics).expiry(Duration::from_secs(180 * 86_400));
/// let consent = ConsentRules::new(Purposes::builder().purpose(analytics).build()?)
///     .notice(Notice::new(PurposeId::ANALYTICS, 1, "en", "We count which pages are read.")?);
/// let rules = PreferenceRules::standard()?
///     .negotiate_language("language", ["en", "de", "zh-Hant"])
///     .negotiate_color_scheme("theme")
///     .consent_view("privacy.allow_analytics", PurposeId::ANALYTICS);
/// let guestbook = Guestbook::builder(MemoryStore::new()).consent(consent).preferences(rules).build()?;
///
/// // The default of `allow_analytics` is true, but the view shows that Ada has not agreed.
/// let preferences = guestbook.preferences::<StandardPreferences>().unwrap();
/// assert!(!preferences.get(&UserId::try_from("ada")?).await?.value.privacy.allow_analytics);
///
/// // build() checks that the keys exist.
/// let wrong = PreferenceRules::standard()?.negotiate_language("speech", ["en"]);
/// assert!(Guestbook::builder(MemoryStore::new()).preferences(wrong).build().is_err());
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct PreferenceRules<T> {
    schema: Schema<T>,
    language: Option<(String, Vec<String>)>,
    color_scheme: Option<String>,
    is_scheme_critical: bool,
    reduced_motion: Option<String>,
    save_data: Option<String>,
    views: Vec<(String, PurposeId)>,
}

/// The rules after the check, in the form in which they are applied.
#[derive(Debug)]
pub(crate) struct CheckedRules<T> {
    pub(super) schema: Schema<T>,
    pub(super) language: Option<LanguageNegotiation>,
    pub(super) color_scheme: Option<ColorSchemes>,
    pub(super) is_scheme_critical: bool,
    pub(super) reduced_motion: Option<Switch>,
    pub(super) save_data: Option<Switch>,
    pub(super) views: Vec<ConsentView>,
}

#[derive(Debug)]
pub(super) struct LanguageNegotiation {
    pub(super) path: Vec<String>,
    tags: Vec<String>,
    likely: LikelyTags,
    overrides: Vec<Overrides>,
    /// Recent headers with their results: few headers differ, and each comes with many requests.
    recent: Mutex<Vec<(HeaderValue, Option<u8>)>>,
}

#[derive(Debug)]
pub(super) struct ColorSchemes {
    pub(super) path: Vec<String>,
    light: Overrides,
    dark: Overrides,
}

/// A boolean that a header sets.
#[derive(Debug)]
pub(super) struct Switch {
    pub(super) path: Vec<String>,
    /// The overrides to false and to true.
    overrides: [Overrides; 2],
}

/// A key that shows whether a purpose is allowed.
#[derive(Debug)]
pub(super) struct ConsentView {
    pub(super) path: Vec<String>,
    pub(super) purpose: PurposeId,
}

/// The values that a browser asks for. Small, as it is part of the key of a cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Negotiated {
    /// The language, counted from 1; 0 for none.
    pub(super) language: u8,
    pub(super) scheme: Option<ColorScheme>,
    reduced_motion: Option<bool>,
    save_data: Option<bool>,
}

/// Which negotiated values take effect because nothing is set.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NegotiatedKeys {
    pub(crate) language: bool,
    pub(crate) scheme: bool,
    pub(crate) reduced_motion: bool,
    pub(crate) save_data: bool,
}

const COLOR_SCHEME: HeaderName = HeaderName::from_static("sec-ch-prefers-color-scheme");
const REDUCED_MOTION: HeaderName = HeaderName::from_static("sec-ch-prefers-reduced-motion");
const SAVE_DATA: HeaderName = HeaderName::from_static("save-data");

impl PreferenceRules<StandardPreferences> {
    /// Creates rules for [`StandardPreferences`].
    ///
    /// # Errors
    ///
    /// None in practice: the schema is fixed.
    pub fn standard() -> Result<Self> {
        Schema::new().map(Self::new)
    }
}

impl<T: Serialize + DeserializeOwned + Default> PreferenceRules<T> {
    /// Creates rules for this schema, without negotiation and consent views.
    pub fn new(schema: Schema<T>) -> Self {
        Self {
            schema,
            language: None,
            color_scheme: None,
            is_scheme_critical: false,
            reduced_motion: None,
            save_data: None,
            views: Vec::new(),
        }
    }

    /// Negotiates the value at `path` from `Accept-Language` until the user sets it: the one of
    /// these languages, at most 250, that fits best (RFC 4647, lookup; with the feature
    /// `likely-subtags` as [`lookup_language`](crate::preferences::lookup_language) says).
    pub fn negotiate_language<L: Into<String>>(
        mut self,
        path: impl Into<String>,
        languages: impl IntoIterator<Item = L>,
    ) -> Self {
        self.language = Some((path.into(), languages.into_iter().map(Into::into).collect()));
        self
    }

    /// Negotiates the value at `path`, `light` or `dark`, from `Sec-CH-Prefers-Color-Scheme` until
    /// the user sets it.
    ///
    /// Browsers send this header only after a page has requested it (`Accept-CH`), so not with the
    /// first request: see [`critical_color_scheme`](Self::critical_color_scheme).
    pub fn negotiate_color_scheme(mut self, path: impl Into<String>) -> Self {
        self.color_scheme = Some(path.into());
        self
    }

    /// Sets whether the colour scheme is a critical client hint (`Critical-CH`) of HTML pages that
    /// depend on it.
    ///
    /// A browser that supports the hint and has not sent it repeats the request immediately, before
    /// it shows anything. The first page of a visitor then has the right colours, but the handler
    /// is called twice, and two requests are recorded. Default: no.
    pub fn critical_color_scheme(mut self, critical: bool) -> Self {
        self.is_scheme_critical = critical;
        self
    }

    /// Negotiates the boolean at `path` from `Sec-CH-Prefers-Reduced-Motion` until the user sets
    /// it: true for `reduce`, false for `no-preference`.
    ///
    /// As with the colour scheme, browsers send this header only after a page has requested it
    /// (`Accept-CH`). Style sheets have the media query `prefers-reduced-motion`; this is for what
    /// the server decides, such as a still image in place of a film.
    pub fn negotiate_reduced_motion(mut self, path: impl Into<String>) -> Self {
        self.reduced_motion = Some(path.into());
        self
    }

    /// Negotiates the boolean at `path` from `Save-Data` until the user sets it: true for `on`.
    ///
    /// Browsers with this setting send the header with every request, so it needs no `Accept-CH`.
    /// Without the header the default takes effect.
    pub fn negotiate_save_data(mut self, path: impl Into<String>) -> Self {
        self.save_data = Some(path.into());
        self
    }

    /// Makes the boolean at `path` a view on consent: reading it shows whether the purpose is
    /// allowed, and writing it makes a decision about the purpose.
    ///
    /// Only the decision is stored. There can be at most 16 consent views. Setting one to true is a
    /// grant, which needs the snapshot of a prompt: see
    /// [`Preferences::notice`](crate::Preferences::notice).
    pub fn consent_view(mut self, path: impl Into<String>, purpose: impl Into<PurposeId>) -> Self {
        self.views.push((path.into(), purpose.into()));
        self
    }

    pub(crate) fn check(self, consents: Option<&Consents>) -> Result<CheckedRules<T>> {
        let mut schema = self.schema;
        let negotiated = self.language.iter().map(|(path, _)| path).chain(&self.color_scheme);
        let negotiated = negotiated.chain(&self.reduced_motion).chain(&self.save_data);
        negotiated.for_each(|path| schema.store_default_at(path));
        let override_of = |path: &str, value: Value| -> Result<(Vec<String>, Overrides)> {
            let keys: Vec<String> = path.split('.').map(str::to_owned).collect();
            let overrides = Overrides::of(&keys, value);
            schema.patch(&overrides.to_value()).map_err(|error| {
                wrong(&format!("{path:?} does not accept all of the values that it can get")).with_source(error)
            })?;
            Ok((keys, overrides))
        };
        let language = match self.language {
            Some((path, tags)) => {
                if tags.is_empty() || tags.len() > 250 {
                    return Err(wrong("negotiate_language() needs 1 to 250 languages"));
                }
                let all = tags.iter().map(|tag| override_of(&path, tag.as_str().into()));
                let (paths, overrides): (Vec<_>, Vec<_>) = all.collect::<Result<Vec<_>>>()?.into_iter().unzip();
                let path = paths.into_iter().next().unwrap_or_default();
                Some(LanguageNegotiation {
                    path,
                    tags,
                    likely: LikelyTags::default(),
                    overrides,
                    recent: Mutex::default(),
                })
            }
            None => None,
        };
        let color_scheme = match self.color_scheme {
            Some(path) => {
                let (path_keys, light) = override_of(&path, "light".into())?;
                let (_, dark) = override_of(&path, "dark".into())?;
                Some(ColorSchemes { path: path_keys, light, dark })
            }
            None => None,
        };
        let switch = |path: Option<String>| -> Result<Option<Switch>> {
            let Some(path) = path else { return Ok(None) };
            let ((keys, off), (_, on)) = (override_of(&path, false.into())?, override_of(&path, true.into())?);
            Ok(Some(Switch { path: keys, overrides: [off, on] }))
        };
        let (reduced_motion, save_data) = (switch(self.reduced_motion)?, switch(self.save_data)?);
        if self.views.len() > 16 {
            return Err(wrong("there are more than 16 calls of consent_view()"));
        }
        let mut views = Vec::new();
        for (path, purpose) in self.views {
            if consents.is_none_or(|consents| consents.purposes().get(&purpose).is_none()) {
                let name = purpose.as_str();
                return Err(wrong(&format!("consent_view({path:?}): purpose {name:?} is not declared in consent()")));
            }
            let declared = consents.and_then(|consents| consents.purposes().get(&purpose));
            if declared.is_some_and(|declared| declared.mode_under(Regime::Strictest) == Mode::Necessary) {
                return Err(wrong(&format!(
                    "consent_view({path:?}): the purpose is necessary, so there is nothing to decide"
                )));
            }
            let (keys, _) = override_of(&path, true.into())?;
            if views.iter().any(|view: &ConsentView| view.path == keys) {
                return Err(wrong(&format!("consent_view({path:?}) is called twice")));
            }
            override_of(&path, false.into())?;
            views.push(ConsentView { path: keys, purpose });
        }
        let is_scheme_critical = self.is_scheme_critical;
        Ok(CheckedRules { schema, language, color_scheme, is_scheme_critical, reduced_motion, save_data, views })
    }
}

impl<T> CheckedRules<T> {
    /// Returns the values that a browser with these headers asks for.
    pub(super) fn negotiate(&self, headers: &HeaderMap) -> Negotiated {
        let language = self.language.as_ref().and_then(|languages| languages.negotiate(headers));
        let scheme = self.color_scheme.as_ref();
        let scheme = scheme.and_then(|_| ColorScheme::from_header(headers.get(COLOR_SCHEME)?.as_bytes()));
        let motion = self.reduced_motion.as_ref();
        let motion = motion.and_then(|_| reduced_motion(headers.get(REDUCED_MOTION)?.as_bytes()));
        let save = self.save_data.as_ref().and_then(|_| save_data(headers.get(SAVE_DATA)?.as_bytes()));
        Negotiated { language: language.unwrap_or_default(), scheme, reduced_motion: motion, save_data: save }
    }

    /// Returns the overrides of negotiated values.
    pub(super) fn layers(&self, negotiated: Negotiated) -> impl Iterator<Item = &Overrides> {
        let language = self
            .language
            .as_ref()
            .and_then(|languages| languages.overrides.get(usize::from(negotiated.language).checked_sub(1)?));
        let scheme = self.color_scheme.as_ref().zip(negotiated.scheme).map(|(schemes, scheme)| match scheme {
            ColorScheme::Light => &schemes.light,
            ColorScheme::Dark => &schemes.dark,
        });
        let motion = overridden(self.reduced_motion.as_ref(), negotiated.reduced_motion);
        let save_data = overridden(self.save_data.as_ref(), negotiated.save_data);
        language.into_iter().chain(scheme).chain(motion).chain(save_data)
    }
}

impl LanguageNegotiation {
    fn negotiate(&self, headers: &HeaderMap) -> Option<u8> {
        let mut lines = headers.get_all(header::ACCEPT_LANGUAGE).iter();
        let first = lines.next()?;
        if let Some(second) = lines.next() {
            // Several lines are one list (RFC 9110, section 5.3).
            let all = [first, second].into_iter().chain(lines).filter_map(|line| line.to_str().ok());
            return self.look_up(&all.collect::<Vec<_>>().join(","));
        }
        // Parsing is faster than waiting for the lock.
        let Ok(mut recent) = self.recent.try_lock() else { return self.look_up(first.to_str().ok()?) };
        if let Some((_, known)) = recent.iter().find(|(header, _)| header == first) {
            return *known;
        }
        let found = first.to_str().ok().and_then(|header| self.look_up(header));
        if first.len() <= MAX_REMEMBERED_BYTES {
            if recent.len() >= REMEMBERED_HEADERS {
                recent.remove(0);
            }
            // A copy, as the header may be part of a larger buffer.
            recent.extend(HeaderValue::from_bytes(first.as_bytes()).map(|header| (header, found)));
        }
        found
    }

    fn look_up(&self, header: &str) -> Option<u8> {
        u8::try_from(lookup_language_index(header, &self.tags, &self.likely)? + 1).ok()
    }
}

/// The number of headers to remember, and the longest one in bytes.
const REMEMBERED_HEADERS: usize = 16;
const MAX_REMEMBERED_BYTES: usize = 256;

impl Negotiated {
    /// Returns the cache key of these values and the values of the consent views.
    pub(super) fn number(self, view_bits: u16) -> u32 {
        let scheme = match self.scheme {
            None => 0,
            Some(ColorScheme::Light) => 1,
            Some(ColorScheme::Dark) => 2,
        };
        let switch = |on: Option<bool>| on.map_or(0, |on| 1 + u32::from(on));
        let switches = switch(self.reduced_motion) << 10 | switch(self.save_data) << 12;
        u32::from(self.language) | scheme << 8 | switches | u32::from(view_bits) << 16
    }
}

fn overridden(switch: Option<&Switch>, is_on: Option<bool>) -> Option<&Overrides> {
    switch.zip(is_on).map(|(switch, is_on)| &switch.overrides[usize::from(is_on)])
}

fn wrong(problem: &str) -> Error {
    Error::new(ErrorKind::Configuration, format!("preferences(): {problem}"))
}
