//! [`Edit`]: a requested change, split into decisions about consent and a patch to store.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::UserPreferences;
use crate::{
    engine::{consents::VerdictInputs, profiles::ProfileState},
    error::{Error, ErrorKind, Result},
    model::{
        consent::{Choices, DecisionMethod, PurposeId},
        preferences::{Overrides, Patch},
    },
};

/// An edit, split into a patch to store and decisions about purposes.
pub(crate) struct SplitEdit {
    pub(crate) patch: Patch,
    pub(crate) decisions: Vec<(PurposeId, bool)>,
}

/// A requested change of preferences.
#[derive(Clone, Copy)]
pub(crate) enum Edit<'a> {
    /// Apply this merge patch.
    Patch(&'a Value),
    /// Reset the key or category at this path to its default.
    Reset(&'a str),
}

impl<T: Serialize + DeserializeOwned + Default + Clone + Send + Sync + 'static> UserPreferences<T> {
    /// Validates an edit and separates the decisions that change a verdict. `before` are the
    /// overrides in the place where the patch will be stored.
    pub(crate) fn split(
        &self,
        edit: Edit<'_>,
        before: &Overrides,
        profile: &ProfileState,
        verdict_inputs: VerdictInputs,
    ) -> Result<SplitEdit> {
        let schema = &self.inner.rules.schema;
        let mut rest = match edit {
            Edit::Patch(patch) => patch.clone(),
            Edit::Reset(path) => {
                if self.inner.rules.views.iter().any(|view| view.path.iter().map(String::as_str).eq(path.split('.'))) {
                    return Err(cannot_reset(path));
                }
                return Ok(SplitEdit { patch: schema.reset(before, path)?, decisions: Vec::new() });
            }
        };
        let views = self.view_bits(profile, verdict_inputs);
        let mut decisions = Vec::new();
        for (index, view) in self.inner.rules.views.iter().enumerate() {
            match remove_at(&mut rest, &view.path) {
                None => {}
                Some(Value::Bool(allow)) if allow != (views & (1 << index) != 0) => {
                    decisions.push((view.purpose.clone(), allow));
                }
                Some(Value::Bool(_)) => {}
                Some(Value::Null) => return Err(cannot_reset(&view.path.join("."))),
                Some(_) => {
                    let problem = format!("{}: the value is invalid", view.path.join("."));
                    return Err(Error::new(ErrorKind::InvalidInput, problem));
                }
            }
        }
        Ok(SplitEdit { patch: schema.patch_over(before, &rest)?, decisions })
    }
}

impl SplitEdit {
    /// Returns the decisions as choices; `None` without any.
    pub(crate) fn choices(&self, method: DecisionMethod) -> Option<Choices> {
        let choices = self.decisions.iter().fold(Choices::new(method), |choices, (purpose, allow)| {
            if *allow { choices.grant(purpose.clone()) } else { choices.decline(purpose.clone()) }
        });
        (!self.decisions.is_empty()).then(|| choices.source("preferences"))
    }
}

fn cannot_reset(path: &str) -> Error {
    let problem = format!("{path}: this is a decision about consent, which can be changed but not reset");
    Error::new(ErrorKind::InvalidInput, problem)
}

/// Removes the value at a path from a patch, and the objects that become empty.
fn remove_at(patch: &mut Value, path: &[String]) -> Option<Value> {
    let (first, rest) = path.split_first()?;
    let map: &mut Map<String, Value> = patch.as_object_mut()?;
    if rest.is_empty() {
        return map.remove(first);
    }
    let inner = map.get_mut(first)?;
    let removed = remove_at(inner, rest)?;
    if inner.as_object().is_some_and(Map::is_empty) {
        map.remove(first);
    }
    Some(removed)
}
