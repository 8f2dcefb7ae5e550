//! [`PreferenceRules`]: the schema of an application, and where values come from that nobody has set.

use std::sync::Mutex;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    engine::consents::Consents,
    error::{Error, ErrorKind, Result},
    model::{
        consent::{Mode, PurposeId, Regime},
        preferences::{ColorScheme, Overrides, Schema, StandardPreferences, lookup_language_index},
    },
};

/// The schema of an application's preferences, and where values come from that nobody has set.
///
/// A key is named by its path: `theme`, `privacy.allow_analytics`.
///
/// ```
/// use tower_guestbook::{consent::PurposeId, preferences::PreferenceRules};
///
/// let rules = PreferenceRules::standard()?
///     .negotiate_language("language", ["en", "de", "zh-Hant"])
///     .negotiate_color_scheme("theme")
///     .consent_view("privacy.allow_analytics", PurposeId::ANALYTICS);
/// # let _ = rules; Ok::<(), tower_guestbook::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct PreferenceRules<T> {
    schema: Schema<T>,
    language: Option<(String, Vec<String>)>,
    color_scheme: Option<String>,
    is_scheme_critical: bool,
    views: Vec<(String, PurposeId)>,
}

/// The rules, checked and worked out.
#[derive(Debug)]
pub(crate) struct CheckedRules<T> {
    pub(super) schema: Schema<T>,
    pub(super) language: Option<LanguageNegotiation>,
    pub(super) color_scheme: Option<ColorSchemes>,
    pub(super) is_scheme_critical: bool,
    pub(super) views: Vec<ConsentView>,
}

#[derive(Debug)]
pub(super) struct LanguageNegotiation {
    pub(super) path: Vec<String>,
    tags: Vec<String>,
    overrides: Vec<Overrides>,
    /// What browsers asked for recent, and what they get: there are few headers, and each comes with many requests.
    recent: Mutex<Vec<(HeaderValue, Option<u8>)>>,
}

#[derive(Debug)]
pub(super) struct ColorSchemes {
    pub(super) path: Vec<String>,
    light: Overrides,
    dark: Overrides,
}

/// A key that shows a decision.
#[derive(Debug)]
pub(super) struct ConsentView {
    pub(super) path: Vec<String>,
    pub(super) purpose: PurposeId,
}

/// What a browser asks for, as one small number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Negotiated {
    /// Which of the languages, counted from 1.
    pub(super) language: u8,
    pub(super) scheme: Option<ColorScheme>,
}

const COLOR_SCHEME: HeaderName = HeaderName::from_static("sec-ch-prefers-color-scheme");

impl PreferenceRules<StandardPreferences> {
    /// The rules for [`StandardPreferences`].
    ///
    /// # Errors
    ///
    /// None that a released version gives.
    pub fn standard() -> Result<Self> {
        Schema::new().map(Self::new)
    }
}

impl<T: Serialize + DeserializeOwned + Default> PreferenceRules<T> {
    /// This schema, and nothing but its defaults for what nobody has set.
    pub fn new(schema: Schema<T>) -> Self {
        Self { schema, language: None, color_scheme: None, is_scheme_critical: false, views: Vec::new() }
    }

    /// Takes the value at `path` from `Accept-Language`, as long as nobody has set it: the one of these languages, at most
    /// 250, that fits best (RFC 4647, lookup).
    pub fn negotiate_language<L: Into<String>>(
        mut self,
        path: impl Into<String>,
        languages: impl IntoIterator<Item = L>,
    ) -> Self {
        self.language = Some((path.into(), languages.into_iter().map(Into::into).collect()));
        self
    }

    /// Takes the value at `path`, `light` or `dark`, from `Sec-CH-Prefers-Color-Scheme`, as long as nobody has set it.
    ///
    /// A browser sends this header once a page has asked for it (`Accept-CH`), so it does not come with the very first
    /// request: see [`critical_color_scheme`](Self::critical_color_scheme).
    pub fn negotiate_color_scheme(mut self, path: impl Into<String>) -> Self {
        self.color_scheme = Some(path.into());
        self
    }

    /// Whether pages (`text/html`) that depend on the colour scheme say that they cannot do without it (`Critical-CH`):
    /// a browser that can tell it and has not asks for the page once more, at once, before it shows anything. So the first
    /// page of a visitor is right from its first byte. It reaches the handler twice then, and is recorded twice. Default: no.
    pub fn critical_color_scheme(mut self, critical: bool) -> Self {
        self.is_scheme_critical = critical;
        self
    }

    /// Makes the value at `path`, yes or no, a view on consent: it shows whether the purpose is allowed, and whoever writes it
    /// decides about the purpose. Nothing is stored beside the decision. At most 16 such keys.
    pub fn consent_view(mut self, path: impl Into<String>, purpose: impl Into<PurposeId>) -> Self {
        self.views.push((path.into(), purpose.into()));
        self
    }

    pub(crate) fn check(self, consents: Option<&Consents>) -> Result<CheckedRules<T>> {
        let mut schema = self.schema;
        let negotiated = self.language.iter().map(|(path, _)| path).chain(&self.color_scheme);
        negotiated.for_each(|path| schema.store_default_at(path));
        let override_of = |path: &str, value: Value| -> Result<(Vec<String>, Overrides)> {
            let keys: Vec<String> = path.split('.').map(str::to_owned).collect();
            let overrides = Overrides::of(&keys, value);
            schema
                .patch(&overrides.to_value())
                .map_err(|error| wrong(&format!("{path:?} cannot have each of its values")).with_source(error))?;
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
                Some(LanguageNegotiation { path, tags, overrides, recent: Mutex::default() })
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
        if self.views.len() > 16 {
            return Err(wrong("there are at most 16 views on consent"));
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
                    "consent_view({path:?}): the purpose is necessary, there is nothing to decide"
                )));
            }
            let (keys, _) = override_of(&path, true.into())?;
            if views.iter().any(|view: &ConsentView| view.path == keys) {
                return Err(wrong(&format!("consent_view({path:?}): there are two of them")));
            }
            override_of(&path, false.into())?;
            views.push(ConsentView { path: keys, purpose });
        }
        Ok(CheckedRules { schema, language, color_scheme, is_scheme_critical: self.is_scheme_critical, views })
    }
}

impl<T> CheckedRules<T> {
    /// What a browser with these headers asks for.
    pub(super) fn negotiate(&self, headers: &HeaderMap) -> Negotiated {
        let language = self.language.as_ref().and_then(|languages| languages.negotiate(headers));
        let scheme = self.color_scheme.as_ref();
        let scheme = scheme.and_then(|_| ColorScheme::from_header(headers.get(COLOR_SCHEME)?.as_bytes()));
        Negotiated { language: language.unwrap_or_default(), scheme }
    }

    /// The layers that come from what a browser asks for.
    pub(super) fn layers(&self, negotiated: Negotiated) -> impl Iterator<Item = &Overrides> {
        let language = self
            .language
            .as_ref()
            .and_then(|languages| languages.overrides.get(usize::from(negotiated.language).checked_sub(1)?));
        let scheme = self.color_scheme.as_ref().zip(negotiated.scheme).map(|(schemes, scheme)| match scheme {
            ColorScheme::Light => &schemes.light,
            ColorScheme::Dark => &schemes.dark,
        });
        language.into_iter().chain(scheme)
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
        // Whoever would have to wait is faster without.
        let Ok(mut recent) = self.recent.try_lock() else { return self.look_up(first.to_str().ok()?) };
        if let Some((_, known)) = recent.iter().find(|(header, _)| header == first) {
            return *known;
        }
        let found = first.to_str().ok().and_then(|header| self.look_up(header));
        if first.len() <= MAX_REMEMBERED_BYTES {
            if recent.len() >= REMEMBERED_HEADERS {
                recent.remove(0);
            }
            // A copy: the header may be a part of a larger buffer.
            recent.extend(HeaderValue::from_bytes(first.as_bytes()).map(|header| (header, found)));
        }
        found
    }

    fn look_up(&self, header: &str) -> Option<u8> {
        u8::try_from(lookup_language_index(header, &self.tags)? + 1).ok()
    }
}

/// So many headers are remembered, of at most so many bytes each.
const REMEMBERED_HEADERS: usize = 16;
const MAX_REMEMBERED_BYTES: usize = 256;

impl Negotiated {
    /// A number for it and for what the views show.
    pub(super) fn number(self, shown: u16) -> u32 {
        let scheme = match self.scheme {
            None => 0,
            Some(ColorScheme::Light) => 1,
            Some(ColorScheme::Dark) => 2,
        };
        u32::from(self.language) | scheme << 8 | u32::from(shown) << 16
    }
}

fn wrong(problem: &str) -> Error {
    Error::new(ErrorKind::Configuration, format!("preferences(): {problem}"))
}
