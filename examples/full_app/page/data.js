"use strict";

// A link would do, but what it is refused for would end up in a file.
async function download(format) {
  const response = await fetch(`/api/gdpr/export?format=${format}`);
  if (!response.ok) return problem(await read(response));
  keep(await response.blob(), `personal-data.${format}`);
  say("Here is all that is kept of you.");
  await showAudit();
}

const KINDS = Object.fromEntries([...$("request-form").elements.kind.options].map(({ value, text }) => [value, text]));

const STATES = {
  received: "Received",
  verified: "Received, and it is yours",
  in_progress: "Somebody is at it",
  done: "Answered",
  partial: "Answered as far as possible",
  cancelled: "Taken back",
};

const OPEN = ["received", "verified", "confirmed", "in_progress"];

function stateOf({ state }) {
  if (typeof state === "string") return [state, STATES[state] || state];
  const [[name, { grace_until, reason }]] = Object.entries(state);
  if (name === "confirmed") return [name, `Confirmed: erased after ${time(grace_until)}`];
  return [name, name === "rejected" ? `Refused: ${reason}` : name];
}

async function showRequests() {
  const answer = await own("/api/gdpr/requests");
  if (!answer) return;
  const newest = answer.requests.toReversed();
  const texts = newest.map((request) => {
    const due = request.closed_at ? `ended ${day(request.closed_at)}` : day(request.due_at);
    return [KINDS[request.kind] || request.kind, time(request.received_at), due, stateOf(request)[1], ""];
  });
  fill("requests", texts, "You have asked for nothing.");
  newest.forEach((request, index) => {
    if (!OPEN.includes(stateOf(request)[0])) return;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Take back";
    button.setAttribute("aria-label", `Take back: ${KINDS[request.kind] || request.kind}`);
    button.addEventListener("click", () => takeBack(request).catch(unreachable));
    $("requests").rows[index].cells[4].append(button);
  });
}

async function takeBack({ id }) {
  const answer = await call("DELETE", `/api/gdpr/requests/${id}`);
  if (answer.ok) say("Taken back.");
  else problem(answer);
  await Promise.all([showRequests(), showRestriction(), showAudit()]);
}

const ACTORS = { user: "You", operator: "The operator", system: "The server" };

async function showAudit() {
  const entries = [];
  let page = { next: 0 };
  while (page.next !== null) {
    page = await own(`/api/gdpr/audit?after=${page.next}`);
    if (!page) return;
    entries.push(...page.entries);
  }
  const told = entries.reverse().map(({ at, action, by }) => [time(at), action.replaceAll("_", " "), ACTORS[by] || by]);
  fill("audit", told, "Nothing, beside what you see on this page.");
}

panel("data", async () => {
  fillCorrection();
  await Promise.all([showRequests(), showRestriction(), showObjections(), showAudit()]);
});

onClick("export-json", () => download("json"));
onClick("export-zip", () => download("zip"));

onSubmit("request-form", async (form) => {
  const { kind, message } = form.elements;
  const answer = await call("POST", `/api/gdpr/requests/${kind.value}`, message.value ? { message: message.value } : {});
  if (!answer.ok) return problem(answer);
  const due = day(answer.json.request.due_at);
  if (answer.json.duplicate) {
    say(`You have asked for this already; it is due on ${due}.`);
  } else {
    form.reset();
    say(`Filed. You get an answer by ${due}.`);
  }
  await Promise.all([showRequests(), showAudit()]);
});
