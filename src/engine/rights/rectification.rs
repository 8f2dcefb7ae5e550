//! Data that is not right, and processing that somebody does not want.

use serde_json::{Map, Value, json};

use super::Rights;
use crate::{
    error::{Error, ErrorKind, Result},
    id::UserId,
    model::privacy::{AuditAction, RequestKind},
};

/// What became of [`Rights::rectify`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RectificationReport {
    /// The version of the preferences that are stored now, if they were to be corrected.
    pub preferences: Option<u64>,
    /// Each source of the application that was named, and whether it can be corrected, and was.
    pub sources: Vec<(String, bool)>,
}

impl Rights {
    /// Corrects data of the user (GDPR, Article 16). `patch` has the shape of an [export](Self::export): a member `preferences`, a patch of
    /// them (RFC 7396), and `sources`, with a member for each [source](super::PersonalData) that is to be corrected, in whatever form the source
    /// understands. What happened, and what was decided, is not corrected. An open [request](Self::file_request) for it is completed, if
    /// everything that was named is correct now.
    ///
    /// The trail is told which keys of the preferences were changed, and of each source that was corrected which fields the patch names, at
    /// most a hundred; not from what to what.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) if something else is named, there is no such source, or the preferences would not be right; nothing
    /// is changed then. [`Configuration`](ErrorKind::Configuration) without [preferences](crate::GuestbookBuilder::preferences);
    /// [`UserErased`](ErrorKind::UserErased); what the store or a source reports: what was corrected before that stays so.
    pub async fn rectify(&self, user: &UserId, patch: &Value) -> Result<RectificationReport> {
        self.rectify_by_member(user, patch).await.map_err(|(_, error)| error)
    }

    /// As [`rectify`](Self::rectify); an error comes with the member of the patch that it is about.
    pub(crate) async fn rectify_by_member(
        &self,
        user: &UserId,
        patch: &Value,
    ) -> Result<RectificationReport, (Option<String>, Error)> {
        let Patch { preferences, sources } = self.patch(patch).map_err(|error| (None, error))?;
        let mut rectified = RectificationReport { preferences: None, sources: Vec::new() };
        if let Some(preferences) = preferences {
            let corrected = self.rectify_preferences(user, preferences).await;
            rectified.preferences = Some(corrected.map_err(|error| (Some("preferences".into()), error))?);
        }
        for (index, patch) in sources {
            let source = &self.inner.parts.sources[index];
            let named = |error| (Some(format!("sources.{}", source.name())), error);
            let is_corrected = source.rectify(user.clone(), patch.clone()).await.map_err(named)?;
            if is_corrected {
                let detail = json!({ "source": source.name(), "fields": bounded_names(patch) });
                let noted =
                    self.inner.parts.audit.record(AuditAction::Rectified, self.actor.clone(), Some(user), detail).await;
                noted.map_err(|error| (None, error))?;
            }
            rectified.sources.push((source.name().to_owned(), is_corrected));
        }
        if rectified.sources.iter().all(|(_, is_corrected)| *is_corrected) {
            self.settle(user, &[RequestKind::Rectification]).await;
        }
        Ok(rectified)
    }

    async fn rectify_preferences(&self, user: &UserId, patch: &Value) -> Result<u64> {
        let all = self.inner.config.register.preferences.as_ref();
        let all =
            all.ok_or_else(|| Error::new(ErrorKind::Configuration, "rectify(): preferences() are not configured"))?;
        let mut keys = Vec::new();
        names(patch, "", &mut keys);
        let note = self.note(AuditAction::Rectified, self.actor.clone(), user).await?;
        let note = note.detail(json!({ "preferences": keys }));
        all.rectify(user.clone(), patch.clone(), note, self.inner.runtime.clock.now()).await
    }

    /// What a patch names, if all of it can be corrected at all.
    fn patch<'a>(&self, patch: &'a Value) -> Result<Patch<'a>> {
        let wrong = |problem| Err(Error::new(ErrorKind::InvalidInput, format!("rectify(): {problem}")));
        let Some(members) = patch.as_object() else { return wrong("a patch is a JSON object") };
        if members.is_empty() || members.keys().any(|name| name != "preferences" && name != "sources") {
            return wrong("only `preferences` and `sources` can be corrected");
        }
        let mut sources = Vec::new();
        if let Some(named) = members.get("sources") {
            let Some(named) = named.as_object() else { return wrong("`sources` is a JSON object") };
            for (name, patch) in named {
                match self.inner.parts.sources.iter().position(|source| source.name() == name) {
                    Some(index) => sources.push((index, patch)),
                    None => return wrong("there is no such source"),
                }
            }
        }
        Ok(Patch { preferences: members.get("preferences"), sources })
    }
}

/// A patch, taken apart.
struct Patch<'a> {
    preferences: Option<&'a Value>,
    /// Which source, and what it is told.
    sources: Vec<(usize, &'a Value)>,
}

/// The paths of all keys in a patch that have a value.
fn names(patch: &Value, above: &str, found: &mut Vec<String>) {
    match patch.as_object().filter(|members| !members.is_empty()) {
        Some(members) => nested(members, above, found),
        None if above.is_empty() => {}
        None => found.push(above.to_owned()),
    }
}

/// As [`names`], so many and so long that an entry of the trail can hold them.
fn bounded_names(patch: &Value) -> Vec<String> {
    let mut found = Vec::new();
    names(patch, "", &mut found);
    found.truncate(100);
    found.into_iter().map(|name| name.chars().take(30).collect()).collect()
}

fn nested(members: &Map<String, Value>, above: &str, found: &mut Vec<String>) {
    for (key, value) in members {
        let path = if above.is_empty() { key.clone() } else { format!("{above}.{key}") };
        names(value, &path, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trail_is_told_names_and_no_values() {
        let mut found = Vec::new();
        let patch = json!({ "theme": "dark", "notifications": { "email": "ada@example.com", "push": null }, "a": {} });
        names(&patch, "", &mut found);
        assert_eq!(found, ["a", "notifications.email", "notifications.push", "theme"]);
    }

    #[test]
    fn of_a_source_the_trail_is_told_no_more_names_than_it_can_hold() {
        let patch = (0..1_000).map(|number| (format!("{number}{}", "\u{1f600}".repeat(100)), json!(1))).collect();
        let found = bounded_names(&Value::Object(patch));
        assert_eq!((found.len(), found[0].chars().count()), (100, 30));
        assert!(serde_json::to_vec(&found).unwrap().len() < 16 * 1_024);
        assert!(bounded_names(&json!("a state")).is_empty());
    }
}
