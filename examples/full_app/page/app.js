"use strict";

const $ = (id) => document.getElementById(id);

// An answer and its JSON, if it is any.
async function read(response) {
  const json = await response.json().catch(() => ({}));
  const [etag, wait] = ["etag", "retry-after"].map((name) => response.headers.get(name));
  return { ok: response.ok, status: response.status, etag, wait, json };
}

async function call(method, path, body, headers = {}) {
  const init = { method, headers: { ...headers } };
  if (body !== undefined) {
    init.headers["content-type"] ??= "application/json";
    init.body = JSON.stringify(body);
  }
  return read(await fetch(path, init));
}

function say(text, isError) {
  $("message").textContent = text;
  $("message").className = isError ? "error" : "";
  $("message").hidden = !text;
}

// Why the server refused, in its own words: `error` and `message`, or those of a problem; but how long to wait is in a header, which people do not see.
function problem({ status, wait, json: { error, message, title, detail, reason } }) {
  const later = wait && `Please try again in ${wait} ${wait === "1" ? "second" : "seconds"}.`;
  const own = reason?.replace(/^invalid input: /, "") || (status === 429 && later) || (status === 503 && detail && later ? `${detail} ${later}` : detail);
  const why = error ? message : own;
  say([error || title, why].filter(Boolean).join(": ") || `The server answered ${status}.`, true);
}

const unreachable = () => say("The server cannot be reached.", true);

// Counts the users that the page has shown: an answer for one of them is not shown to the next.
let users = 0;

// The answer for the user who is logged in; null if it is refused, or another user is logged in by now.
async function own(path) {
  const user = users;
  const answer = await call("GET", path);
  if (user !== users) return null;
  if (!answer.ok) problem(answer);
  return answer.ok ? answer.json : null;
}

// The parts of the page that are asked for when somebody opens them, and what asks.
const panels = new Map();

function panel(id, load) {
  const open = () => load().catch(unreachable);
  panels.set($(id), open);
  $(id).addEventListener("toggle", () => {
    if (!$(id).open || $("account").hidden) return;
    // To the user it is a page, though the server hears nothing of it.
    call("POST", "/api/track/page", { page: `/${id}` }).catch(() => {});
    open();
  });
}

function forgetPanels() {
  for (const element of document.querySelectorAll("[data-own]")) element.replaceChildren();
}

const showPanels = () => panels.forEach((open, details) => details.open && !details.hidden && open());

const time = (millis) => new Date(millis).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });

function cell(row, text) {
  row.insertCell().textContent = text;
}

// A table's body from texts, or one row that says that there is nothing.
function fill(id, rows, nothing) {
  const tell = (texts) => {
    const row = document.createElement("tr");
    for (const text of texts) cell(row, text);
    return row;
  };
  $(id).replaceChildren(...rows.map(tell));
  if (rows.length === 0) {
    const only = $(id).insertRow().insertCell();
    only.colSpan = 9;
    only.textContent = nothing;
  }
}

// Terms and what they are.
function facts(id, pairs) {
  const tell = ([term, text]) => {
    const [pair, name, value] = ["div", "dt", "dd"].map((tag) => document.createElement(tag));
    [name.textContent, value.textContent] = [term, text];
    pair.append(name, value);
    return pair;
  };
  $(id).replaceChildren(...pairs.map(tell));
}

// Offers a file for download.
function keep(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // The browser has begun to read it by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

async function showSessions() {
  const answer = await call("GET", "/api/sessions");
  if (!answer.ok) return problem(answer);
  const rows = answer.json.sessions.map((session) => {
    const row = document.createElement("tr");
    cell(row, session.device || "Unknown device");
    cell(row, session.address || "");
    cell(row, time(session.created_at));
    cell(row, time(session.last_seen));
    const last = row.insertCell();
    if (session.current) {
      last.textContent = "this device";
    } else {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = "Log out";
      button.setAttribute("aria-label", `Log out ${session.device || "unknown device"}`);
      button.addEventListener("click", async () => {
        const ended = await call("DELETE", `/api/sessions/${session.id}`);
        if (!ended.ok) problem(ended);
        await showSessions();
      });
      last.append(button);
    }
    return row;
  });
  $("sessions").replaceChildren(...rows);
}

// What the user did, by sequence; and the connection that tells what comes next.
let activities = new Map();
let live = null;

function showActivities() {
  const newest = [...activities.values()].sort((one, other) => other.sequence - one.sequence).slice(0, 20);
  activities = new Map(newest.map((activity) => [activity.sequence, activity]));
  const rows = newest.map(({ timestamp, event_type, event_data = {}, request, response }) => {
    const row = document.createElement("tr");
    cell(row, new Date(timestamp).toLocaleTimeString());
    cell(row, event_type);
    cell(row, event_data.page || event_data.action || (request ? `${request.method} ${request.route}` : ""));
    cell(row, response ? response.status || response.outcome : "");
    return row;
  });
  $("activities").replaceChildren(...rows);
}

async function loadActivities(source) {
  const answer = await call("GET", "/api/activities?limit=20");
  // Somebody else may be logged in by now.
  if (source !== live) return;
  if (answer.status === 401) return show();
  if (!answer.ok) return problem(answer);
  for (const activity of answer.json.activities) activities.set(activity.sequence, activity);
  showActivities();
}

function follow() {
  unfollow();
  const source = live = new EventSource("/api/activities/live");
  const load = () => loadActivities(source).catch(() => {});
  source.addEventListener("activity", (event) => {
    const activity = JSON.parse(event.data);
    activities.set(activity.sequence, activity);
    showActivities();
  });
  // What came before, or while the connection was away, is in the history.
  source.addEventListener("open", load);
  source.addEventListener("missed", load);
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) load();
  });
}

function unfollow() {
  if (live) live.close();
  live = null;
}

function forgetActivities() {
  unfollow();
  activities.clear();
  showActivities();
}

async function show() {
  const user = ++users;
  forgetActivities();
  forgetPanels();
  // They do not depend on a login.
  showConsent().catch(() => {});
  showPreferences().catch(() => {});
  const answer = await call("GET", "/api/session");
  if (user !== users) return;
  const isLoggedIn = answer.ok;
  if (!isLoggedIn && answer.status !== 401) problem(answer);
  $("who").hidden = $("account").hidden = !isLoggedIn;
  $("login").hidden = isLoggedIn;
  $("user").textContent = isLoggedIn ? `user ${answer.json.user_id}` : "";
  $("sessions").replaceChildren();
  $("note-form").elements.note.value = "";
  $("dashboard").hidden = !answer.json.is_admin;
  if (!isLoggedIn) return;
  $("erased").hidden = true;
  follow();
  showPanels();
  await showSessions();
  const note = await call("GET", "/api/session/data/note");
  if (note.ok) $("note-form").elements.note.value = note.json.value;
  const { json } = await call("POST", "/api/session/messages");
  if (json.messages && json.messages.length) say(json.messages.map((message) => message.text).join(" "));
}

function onSubmit(id, send) {
  $(id).addEventListener("submit", async (event) => {
    event.preventDefault();
    say("");
    const form = event.target;
    const button = event.submitter || form.querySelector("button");
    button.disabled = true;
    try {
      await send(form);
    } catch {
      unreachable();
    }
    button.disabled = false;
  });
}

function onClick(id, act) {
  $(id).addEventListener("click", async () => {
    say("");
    try {
      await act();
    } catch {
      unreachable();
    }
  });
}

onSubmit("login-form", async (form) => {
  const { username, password, remember } = form.elements;
  const body = { username: username.value, password: password.value, remember: remember.checked };
  const answer = await call("POST", "/auth/login", body);
  if (!answer.ok) return problem(answer);
  form.reset();
  await show();
});

onSubmit("note-form", async (form) => {
  const answer = await call("PUT", "/api/session/data/note", form.elements.note.value);
  if (answer.ok) say("Kept.");
  else problem(answer);
});

onSubmit("password-form", async (form) => {
  const { old_password, new_password } = form.elements;
  const body = { old_password: old_password.value, new_password: new_password.value };
  const answer = await call("POST", "/auth/password", body);
  if (!answer.ok) return problem(answer);
  form.reset();
  await show();
  say("Password changed. All other devices are logged out.");
});

onClick("logout", async () => {
  forgetActivities();
  const answer = await call("POST", "/auth/logout");
  if (!answer.ok && answer.status !== 401) problem(answer);
  await show();
});

onClick("others", async () => {
  const answer = await call("POST", "/api/sessions/logout-others");
  if (answer.ok) say(`Ended: ${answer.json.ended_sessions}.`);
  else problem(answer);
  await showSessions();
});

onClick("wave", async () => {
  const answer = await call("POST", "/api/track/action", { action: "wave", details: {} });
  if (!answer.ok) problem(answer);
});

// A browser has six connections for all tabs of a server (HTTP/1.1): a tab that nobody looks at needs none.
addEventListener("visibilitychange", () => {
  if (document.hidden) unfollow();
  else if (!$("account").hidden) follow();
});

// A page from the back-forward cache shows what was; ask what is.
addEventListener("pageshow", () => show());
