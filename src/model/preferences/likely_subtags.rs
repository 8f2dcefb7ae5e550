//! [`LikelyTags`]: language tags with their likely scripts and regions.

#[cfg(feature = "likely-subtags")]
use std::sync::OnceLock;

#[cfg(feature = "likely-subtags")]
use icu_locale::{
    LanguageIdentifier, Locale, LocaleCanonicalizer, LocaleExpander,
    subtags::{Language, Region, Script, language},
};

/// The supported languages with their likely subtags (CLDR), computed on the first use.
///
/// Without the feature `likely-subtags` nothing is known about any language.
#[derive(Debug, Default)]
pub(crate) struct LikelyTags {
    #[cfg(feature = "likely-subtags")]
    tags: OnceLock<Vec<Option<LikelyTag>>>,
}

/// How well a supported language fits a language range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(not(feature = "likely-subtags"), allow(dead_code))]
pub(super) enum Fit {
    /// Another language, or another script of it.
    None,
    /// The same language and script.
    Script,
    /// The same language, script and region.
    Region,
}

#[cfg(not(feature = "likely-subtags"))]
impl LikelyTags {
    #[allow(clippy::unused_self, reason = "it has a value with the feature")]
    pub(super) fn of_range<L: AsRef<str>>(&self, _: &[u8], _: &[L]) -> Option<impl Fn(usize) -> Fit> {
        None::<fn(usize) -> Fit>
    }
}

#[cfg(feature = "likely-subtags")]
impl LikelyTags {
    /// Returns how well each supported language fits `range`; `None` if it is no language tag.
    pub(super) fn of_range<L: AsRef<str>>(&self, range: &[u8], supported: &[L]) -> Option<impl Fn(usize) -> Fit> {
        let wanted = LikelyTag::new(range)?;
        let all = || supported.iter().map(|tag| LikelyTag::new(tag.as_ref().as_bytes())).collect();
        let tags = self.tags.get_or_init(all);
        Some(move |index: usize| tags.get(index).and_then(Option::as_ref).map_or(Fit::None, |tag| wanted.fit(tag)))
    }
}

/// A language tag with its likely script and region.
#[cfg(feature = "likely-subtags")]
#[derive(Debug)]
struct LikelyTag {
    language: Language,
    script: Option<Script>,
    region: Option<Region>,
}

/// The longest tag to look at. RFC 5646 asks for room for 35.
#[cfg(feature = "likely-subtags")]
const MAX_BYTES: usize = 64;

#[cfg(feature = "likely-subtags")]
impl LikelyTag {
    /// Replaces deprecated subtags, and adds likely ones. Returns `None` for what is no language
    /// tag: `*`, `x-private`, `i-default`.
    fn new(tag: &[u8]) -> Option<Self> {
        if tag.len() > MAX_BYTES {
            return None;
        }
        // Extensions and private use do not name a language.
        let mut locale = Locale::from(LanguageIdentifier::try_from_locale_bytes(tag).ok()?);
        LocaleCanonicalizer::new_common().canonicalize(&mut locale);
        let mut tag = locale.id;
        // `no` means Bokmål: CLDR says so in its table of distances, which this crate does not have.
        if tag.language == language!("nb") {
            tag.language = language!("no");
        }
        LocaleExpander::new_common().maximize(&mut tag);
        (!tag.language.is_unknown()).then_some(Self { language: tag.language, script: tag.script, region: tag.region })
    }

    fn fit(&self, other: &Self) -> Fit {
        let is_script = match (self.script, other.script) {
            (Some(script), Some(other)) => script == other,
            // The script of a rare language is not known.
            _ => true,
        };
        if self.language != other.language || !is_script {
            Fit::None
        } else if self.region == other.region {
            Fit::Region
        } else {
            Fit::Script
        }
    }
}
