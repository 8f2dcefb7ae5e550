"use strict";

// One change after the other, so that what is shown last is what is.
let turn = Promise.resolve();

const inTurn = (act) => (turn = turn.then(act).catch(unreachable));

const reasons = $("restriction-form").elements.reason.options;

async function showRestriction() {
  const answer = await own("/api/gdpr/restriction");
  if (!answer) return;
  const { restriction } = answer;
  const reason = restriction && [...reasons].find(({ value }) => value === restriction.reason);
  $("restriction-form").hidden = Boolean(restriction);
  $("lift").hidden = !restriction;
  $("restricted").textContent = restriction
    ? `Restricted since ${time(restriction.since)}: ${reason ? reason.text : "you have asked to be erased"}. It is kept and not used.`
    : "Not restricted. If you restrict it, your data is kept, but not used: nothing you do is recorded or counted.";
}

onSubmit("restriction-form", async (form) => {
  const answer = await call("POST", "/api/gdpr/restriction", { reason: form.elements.reason.value });
  if (answer.ok) say("Restricted.");
  else problem(answer);
  await Promise.all([showRestriction(), showAudit(), showConsent()]);
});

onClick("lift", async () => {
  const answer = await call("DELETE", "/api/gdpr/restriction");
  if (answer.ok) say("The restriction is lifted.");
  else problem(answer);
  await Promise.all([showRestriction(), showAudit(), showConsent()]);
});

async function showObjections() {
  const [answer, state] = await Promise.all([own("/api/gdpr/objection"), own("/api/consent")]);
  if (!answer || !state) return;
  const since = new Map(answer.objections.map((objection) => [objection.purpose, objection.since]));
  const optional = state.purposes.filter(({ why }) => why !== "necessary");
  $("objections").replaceChildren(...optional.map(({ id }) => objectionItem(id, since.get(id))));
}

function objectionItem(purpose, since) {
  const item = document.createElement("li");
  const [label, toggle] = [document.createElement("label"), document.createElement("input")];
  label.textContent = NAMES[purpose] || purpose;
  toggle.id = label.htmlFor = `objection-${purpose}`;
  toggle.type = "checkbox";
  toggle.setAttribute("role", "switch");
  toggle.setAttribute("aria-label", `I object to: ${label.textContent}`);
  toggle.checked = since !== undefined;
  toggle.addEventListener("change", () => inTurn(() => object(purpose, toggle.checked)));
  item.append(label, toggle);
  if (since !== undefined) {
    const text = item.appendChild(document.createElement("p"));
    text.className = "state";
    text.textContent = `You objected on ${day(since)}.`;
  }
  return item;
}

async function object(purpose, isObjection) {
  const answer = await call(isObjection ? "POST" : "DELETE", `/api/gdpr/objection/${purpose}`);
  if (answer.ok) say(isObjection ? "You objected: it is off." : "Taken back. It stays off until you agree to it.");
  else problem(answer);
  await Promise.all([showObjections(), showConsent(), showPreferences()]);
  $(`objection-${purpose}`)?.focus();
}

// What can be corrected is what the form of preferences shows, but for what shows a decision.
const correctable = () => [...$("preferences-form").elements].filter(({ name }) => name && name !== "privacy.allow_analytics");

function fillCorrection() {
  const { what } = $("correction-form").elements;
  const chosen = what.value;
  const text = ({ labels: [label] }) => label.firstChild.textContent.trim() || label.textContent.trim();
  what.replaceChildren(...correctable().map((control) => new Option(text(control), control.name)));
  if (chosen) what.value = chosen;
  fillValues();
}

function fillValues() {
  const { what, value } = $("correction-form").elements;
  const control = correctable().find(({ name }) => name === what.value);
  const options = control.options ? [...control.options].map(({ text, value }) => [text, value]) : [["Yes", "true"], ["No", "false"]];
  value.replaceChildren(...options.map(([text, value]) => new Option(text, value)));
  value.value = control.options ? control.value : String(control.checked);
}

$("correction-form").elements.what.addEventListener("change", fillValues);

onSubmit("correction-form", async (form) => {
  const { what, value } = form.elements;
  const right = ["true", "false"].includes(value.value) ? value.value === "true" : value.value;
  const answer = await call("PATCH", "/api/gdpr/rectification", { preferences: nest(what.value, right) });
  if (answer.ok) say("Corrected.");
  else problem(answer);
  await Promise.all([showPreferences(), showAudit()]);
  fillCorrection();
});
