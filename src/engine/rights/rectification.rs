//! Rectification of preferences and of the data of sources (GDPR, Article 16).

use serde_json::{Map, Value, json};

use super::Rights;
use crate::{
    error::{Error, ErrorKind, Result},
    id::UserId,
    model::privacy::{AuditAction, RequestKind},
};

/// The result of [`Rights::rectify`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RectificationReport {
    /// The version of the preferences that are stored now, if the patch named preferences.
    pub preferences: Option<u64>,
    /// Each source that the patch named, and whether it was corrected.
    pub sources: Vec<(String, bool)>,
}

impl Rights {
    /// Corrects data of the user (GDPR, Article 16). The patch has the shape of an
    /// [export](Self::export), with one or both of these members:
    ///
    /// - `preferences`: a patch of the preferences (RFC 7396).
    /// - `sources`: a member for each [source](super::PersonalData) to correct, in the form that
    ///   the source understands.
    ///
    /// Events and decisions are facts and cannot be corrected. If everything that the patch names
    /// is corrected, an open [request](Self::file_request) for it is completed. The audit trail
    /// records the keys that were changed, at most 100 of each source, and no values.
    ///
    /// ```
    /// use serde_json::json;
    /// use tower_guestbook::{ErrorKind, Guestbook, UserId, store::MemoryStore};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
    /// let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
    /// let patch = json!({ "preferences": { "theme": "dark" } });
    /// let error = guestbook.rights().rectify(&UserId::from(7), &patch).await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Configuration, "this guestbook has no preferences");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) if the patch names something else or an unknown
    /// source, or the preferences would be invalid; nothing is changed then.
    /// [`Configuration`](ErrorKind::Configuration) without
    /// [preferences](crate::GuestbookBuilder::preferences). [`UserErased`](ErrorKind::UserErased)
    /// if the user was erased. The errors of the store or of a source; what was corrected before
    /// stays corrected.
    pub async fn rectify(&self, user: &UserId, patch: &Value) -> Result<RectificationReport> {
        self.rectify_by_member(user, patch).await.map_err(|(_, error)| error)
    }

    /// As [`rectify`](Self::rectify). An error comes with the member of the patch that it is about.
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

    /// Parses a patch, if everything that it names can be corrected.
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

/// A parsed patch.
struct Patch<'a> {
    preferences: Option<&'a Value>,
    /// The index of each source, and its patch.
    sources: Vec<(usize, &'a Value)>,
}

/// Collects the paths of all keys in a patch that have a value.
fn names(patch: &Value, above: &str, found: &mut Vec<String>) {
    match patch.as_object().filter(|members| !members.is_empty()) {
        Some(members) => nested(members, above, found),
        None if above.is_empty() => {}
        None => found.push(above.to_owned()),
    }
}

/// As [`names`], with limits that an entry of the audit trail can hold.
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
    fn names_collects_keys_and_no_values() {
        let mut found = Vec::new();
        let patch = json!({ "theme": "dark", "notifications": { "email": "ada@example.com", "push": null }, "a": {} });
        names(&patch, "", &mut found);
        assert_eq!(found, ["a", "notifications.email", "notifications.push", "theme"]);
    }

    #[test]
    fn bounded_names_fit_into_an_audit_entry() {
        let patch = (0..1_000).map(|number| (format!("{number}{}", "\u{1f600}".repeat(100)), json!(1))).collect();
        let found = bounded_names(&Value::Object(patch));
        assert_eq!((found.len(), found[0].chars().count()), (100, 30));
        assert!(serde_json::to_vec(&found).unwrap().len() < 16 * 1_024);
        assert!(bounded_names(&json!("a state")).is_empty());
    }
}
