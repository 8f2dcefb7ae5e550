"use strict";

const NAMES = {
  necessary: "Necessary",
  functional: "Comfort",
  analytics: "Analytics",
  marketing: "Marketing",
  personalisation: "Personalisation",
};

// What the server said last of the user's decisions, and a count of requests, as answers may overtake each other.
let consent = null;
let consentAsked = 0;

const day = (millis) => new Date(millis).toLocaleDateString(undefined, { dateStyle: "medium" });

function why({ allowed, why, consent_state: decided }) {
  const since = decided ? day(decided.since) : "";
  switch (why) {
    case "necessary": return "Always on: without it this site does not work.";
    case "undecided": return allowed ? "On, until you object." : "Off: you have not decided.";
    case "granted": return `On: you agreed on ${since}` + (decided.valid_until ? `, until ${day(decided.valid_until)}.` : ".");
    case "denied": return `Off: you declined on ${since}.`;
    case "withdrawn": return `Off: you took your consent back on ${since}.`;
    case "objected": return `Off: you objected on ${since}.`;
    case "global_privacy_control": return "Off: your browser sends Global Privacy Control.";
    case "expired": return `What you agreed to on ${since} has expired.`;
    case "stale": return `The text has changed since you agreed on ${since}.`;
    case "unavailable": return "Off: what you decided cannot be looked up right now.";
    default: return allowed ? "On." : "Off.";
  }
}

// Where the user was going when a gate sent them here: a path of this site, or nothing. The query comes from outside.
// Only the parsed address says where a path leads: `/.//host` becomes `//host`, which is another site.
function goal() {
  const query = new URLSearchParams(location.search);
  const [purpose, path] = [query.get("purpose"), query.get("return")];
  if (!purpose || !path || !/^\/(?![/\\])[^\s\p{Cc}]*$/u.test(path)) return null;
  const url = new URL(path, location.origin);
  const isHere = url.origin === location.origin && !url.pathname.startsWith("//");
  return isHere ? { purpose, path: url.pathname + url.search, url } : null;
}

function purposeItem(state, { mode_here, notice }) {
  const item = document.createElement("li");
  const label = document.createElement("label");
  label.textContent = NAMES[state.id] || state.id;
  label.htmlFor = `purpose-${state.id}`;
  const toggle = document.createElement("input");
  toggle.type = "checkbox";
  toggle.setAttribute("role", "switch");
  toggle.id = label.htmlFor;
  toggle.name = state.id;
  toggle.checked = state.allowed;
  toggle.disabled = mode_here === "necessary";
  const [text, reason] = [document.createElement("p"), document.createElement("p")];
  text.textContent = notice ? notice.text : "";
  text.lang = notice ? notice.language : "";
  text.id = `notice-${state.id}`;
  toggle.setAttribute("aria-describedby", text.id);
  reason.className = "state";
  reason.textContent = why(state);
  item.append(label, toggle, text, reason);
  return item;
}

function gpcLine({ received, honoured }) {
  if (!received) return "Global Privacy Control: your browser does not send it.";
  return honoured
    ? "Global Privacy Control: received and honoured. Nothing about you is sold or shared."
    : "Global Privacy Control: received. You agreed to marketing all the same, so that holds.";
}

async function showConsent() {
  const asked = ++consentAsked;
  const answer = await call("GET", "/api/consent");
  if (asked !== consentAsked) return;
  if (!answer.ok) return problem(answer);
  consent = answer.json;
  const offered = new Map(consent.offer.purposes.map((purpose) => [purpose.id, purpose]));
  const there = goal();
  // What cannot be chosen first, then what can.
  const isFixed = ({ why }) => why === "necessary";
  const states = [...consent.purposes].sort((one, other) => isFixed(other) - isFixed(one));
  const items = states.map((state) => {
    const item = purposeItem(state, offered.get(state.id));
    item.classList.toggle("asked", there !== null && there.purpose === state.id);
    return item;
  });
  $("purposes").replaceChildren(...items);
  $("gpc").textContent = gpcLine(consent.signals.gpc);
  $("receipt").hidden = consent.history.length === 0;
  const missing = there && consent.purposes.find((state) => state.id === there.purpose && !state.allowed);
  $("asked").hidden = !missing;
  if (missing) {
    const name = NAMES[missing.id] || missing.id;
    const isNews = $("asked").textContent === "";
    $("asked").textContent = `${there.path} needs your consent to “${name}”. If you agree you go on there; if not, everything else stays open to you.`;
    if (isNews) $("privacy").scrollIntoView();
  }
}

// Records choices, with the proof of what was shown. Then everything is shown as it is now, or the user goes on to
// where they came from.
async function decide(method, choices) {
  if (Object.keys(choices).length === 0) return say("Nothing has changed.");
  const notice = consent.offer.snapshot;
  const there = goal();
  const isAllowed = () => there !== null && consent.purposes.some(({ id, allowed }) => id === there.purpose && allowed);
  const wasAllowed = isAllowed();
  const answer = await call("POST", "/api/consent", { choices, method, notice });
  // The page was open for so long that the notices may be others.
  if (answer.status === 409) say("The texts were out of date. Please read them again and choose.", true);
  else if (!answer.ok) return problem(answer);
  await Promise.all([showConsent(), showPreferences()]);
  if (!answer.ok) return;
  if (!wasAllowed && isAllowed()) location.replace(there.url);
  else say("Your choices are recorded.");
}

function all(granted) {
  const optional = consent.offer.purposes.filter((purpose) => purpose.mode_here !== "necessary");
  return Object.fromEntries(optional.map((purpose) => [purpose.id, granted]));
}

// What the user has changed, and what they have left as it is where that is an answer.
function chosen() {
  const toggles = $("consent-form").elements;
  const states = consent.purposes.filter((state) => toggles[state.id].checked !== state.allowed || state.ask);
  return Object.fromEntries(states.map((state) => [state.id, toggles[state.id].checked]));
}

onClick("accept-all", () => decide("accept_all", all(true)));
onClick("reject-all", () => decide("reject_all", all(false)));
onSubmit("consent-form", () => decide("custom", chosen()));
