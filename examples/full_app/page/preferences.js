"use strict";

// Which version of the preferences the page shows, and how often they were asked for.
let preferencesTag = null;
let preferencesAsked = 0;
// One change after the other, each on top of the version that the one before made.
let saving = Promise.resolve();

const toggles = [...$("preferences-form").querySelectorAll("[type=checkbox]")];

const at = (value, path) => path.split(".").reduce((value, key) => value[key], value);

function apply({ theme, language }) {
  document.documentElement.dataset.theme = theme;
  document.documentElement.lang = language;
}

async function showPreferences() {
  const asked = ++preferencesAsked;
  const answer = await call("GET", "/api/preferences");
  if (asked !== preferencesAsked) return;
  if (!answer.ok) return problem(answer);
  preferencesTag = answer.etag;
  const { theme, language } = $("preferences-form").elements;
  // Another program may have set a language that this page does not list.
  if (![...language.options].some((option) => option.value === answer.json.language)) {
    language.add(new Option(answer.json.language));
  }
  [theme.value, language.value] = [answer.json.theme, answer.json.language];
  for (const toggle of toggles) toggle.checked = at(answer.json, toggle.name);
  apply(answer.json);
}

const nest = (path, value) => path.split(".").reduceRight((inner, key) => ({ [key]: inner }), value);

async function save({ name, value, checked, type }) {
  value = type === "checkbox" ? checked : value;
  // This one shows a decision, and a user who decides on this page has read the notice: `decide` proves it.
  if (name === "privacy.allow_analytics") return decide("custom", { analytics: value });
  const headers = { "content-type": "application/merge-patch+json", "if-match": preferencesTag };
  const answer = await call("PATCH", "/api/preferences", nest(name, value), headers);
  if (answer.status === 412) say("They were changed elsewhere meanwhile. This is how they are now.", true);
  else if (!answer.ok) problem(answer);
  else say("Saved.");
  await showPreferences();
  // The notices are in the user's language.
  if (name === "language") await showConsent();
}

$("preferences-form").addEventListener("change", ({ target: { name, value, checked, type } }) => {
  saving = saving
    .then(() => save({ name, value, checked, type }))
    .catch(() => say("The server cannot be reached.", true));
});
$("preferences-form").addEventListener("submit", (event) => event.preventDefault());
