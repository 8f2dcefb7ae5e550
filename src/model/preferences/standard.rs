//! [`StandardPreferences`]: a ready-made schema.

use serde::{Deserialize, Deserializer, Serialize, de};

/// Ready-made preferences: theme, language, notifications, privacy.
///
/// For [`PreferenceRules::standard`](crate::preferences::PreferenceRules::standard). Applications
/// with other preferences define a struct of their own for [`Schema`](super::Schema).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StandardPreferences {
    /// The theme. Default: light.
    pub theme: Theme,
    /// The language, a tag of BCP 47. Default: `en`.
    #[serde(deserialize_with = "language_tag")]
    pub language: String,
    /// The channels for notifications.
    pub notifications: Notifications,
    /// The visibility and use of the user's data.
    pub privacy: Privacy,
}

/// A theme: light, dark, or that of the operating system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names are self-explanatory")]
pub enum Theme {
    #[default]
    Light,
    Dark,
    System,
}

/// The channels for notifications. Default: e-mail only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are self-explanatory")]
pub struct Notifications {
    pub email: bool,
    pub push: bool,
    pub sms: bool,
}

/// The visibility and use of the user's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Privacy {
    /// Whether the profile is public. Default: no.
    pub profile_public: bool,
    /// Whether others see the user's activity. Default: yes.
    pub show_activity: bool,
    /// Whether the user's activity may be analysed. Default: yes.
    ///
    /// The value alone has no effect. Make it a [view on
    /// consent](crate::preferences::PreferenceRules::consent_view).
    pub allow_analytics: bool,
}

/// Who views a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Viewer {
    /// The owner of the profile.
    Owner,
    /// Anybody else.
    Other,
}

impl Theme {
    /// Returns the name as it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
            Self::System => "system",
        }
    }
}

impl Privacy {
    /// Returns whether this viewer sees the profile.
    ///
    /// ```
    /// use tower_guestbook::preferences::{Privacy, Viewer};
    ///
    /// let private = Privacy::default();
    /// assert!(private.shows_profile_to(Viewer::Owner) && !private.shows_profile_to(Viewer::Other));
    /// let public = Privacy { profile_public: true, ..private };
    /// assert!(public.shows_profile_to(Viewer::Other) && public.shows_activity_to(Viewer::Other));
    /// assert!(!private.shows_activity_to(Viewer::Other), "activity is part of the profile");
    /// ```
    pub fn shows_profile_to(self, viewer: Viewer) -> bool {
        viewer == Viewer::Owner || self.profile_public
    }

    /// Returns whether this viewer sees the user's activity, which is part of the profile and
    /// hidden with it.
    pub fn shows_activity_to(self, viewer: Viewer) -> bool {
        viewer == Viewer::Owner || (self.profile_public && self.show_activity)
    }
}

impl Default for StandardPreferences {
    fn default() -> Self {
        Self {
            theme: Theme::default(),
            language: "en".into(),
            notifications: Notifications::default(),
            privacy: Privacy::default(),
        }
    }
}

impl Default for Notifications {
    fn default() -> Self {
        Self { email: true, push: false, sms: false }
    }
}

impl Default for Privacy {
    fn default() -> Self {
        Self { profile_public: false, show_activity: true, allow_analytics: true }
    }
}

/// Checks the form of a tag of BCP 47: subtags of 1 to 8 letters and digits, the first of letters
/// only.
fn language_tag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let tag = String::deserialize(deserializer)?;
    let is_subtag =
        |subtag: &str| (1..=8).contains(&subtag.len()) && subtag.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let first = tag.split('-').next().unwrap_or_default();
    let is_tag = tag.len() <= 35
        && tag.split('-').all(is_subtag)
        && first.len() >= 2
        && first.bytes().all(|byte| byte.is_ascii_alphabetic());
    if is_tag { Ok(tag) } else { Err(de::Error::custom("not a language tag")) }
}
