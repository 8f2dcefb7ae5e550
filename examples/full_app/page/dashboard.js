"use strict";

// The events that this page makes.
const STEPS = { page_view: "Opens a page or a part of it", button_click: "Waves", note_kept: "Keeps a note" };

const choice = $("dashboard-form").elements.hours;

function asked(path, parameters = {}) {
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  return own(`/api/analytics/${path}?${new URLSearchParams({ hours: choice.value, zone: timeZone, ...parameters })}`);
}

async function showTotals() {
  const [active, answer] = await Promise.all([asked("active-users"), asked("sessions")]);
  if (!active || !answer) return;
  const { sessions, visits } = answer;
  facts("totals", [
    ["Active users", active.active_users],
    ["Sessions", sessions.count],
    ["Mean session", duration(sessions.average_ms)],
    ["Visits", visits.count],
    ["Median visit", duration(visits.median_ms)],
    ["Visits of one event", percent(visits.bounce_rate)],
  ]);
}

async function showSeries() {
  const isDay = choice.value === "24";
  const series = await asked("series", { period: isDay ? "hour" : "day" });
  if (!series) return;
  const format = isDay ? { hour: "2-digit", minute: "2-digit" } : { day: "numeric", month: "short" };
  const label = (start) => new Date(start).toLocaleString(undefined, format);
  columns("series", series.buckets.map(({ start, events }) => [label(start), events]), isDay ? "Events each hour" : "Events each day");
}

async function showHours() {
  const answer = await asked("hours");
  if (answer) columns("hours", answer.hours.map((events, hour) => [`${hour}:00`, events]), "Events each hour of the day");
}

async function showPagesAndUsers() {
  const [pages, top] = await Promise.all([asked("pages"), asked("top-users")]);
  if (!pages || !top) return;
  const told = (views, millis) => (millis === null ? views : `${views}, ${duration(millis)} each`);
  bars("pages", pages.pages.map(({ page, views, average_time_ms }) => [page, views, told(views, average_time_ms)]));
  bars("top-users", top.users.map(({ user_id, events }) => [`User ${user_id}`, events]));
}

async function showFunnel() {
  const answer = await asked("funnel", { steps: Object.keys(STEPS).join() });
  if (!answer) return;
  bars("funnel", answer.stages.map(({ event_type, actors, from_first }) => [STEPS[event_type] || event_type, actors, `${actors} (${percent(from_first)})`]));
}

async function showCohorts() {
  const period = choice.value === "720" ? "week" : "day";
  const answer = await asked("retention", { period });
  if (!answer) return;
  const cohorts = answer.cohorts.filter(({ size }) => size > 0);
  const most = Math.max(1, ...cohorts.map(({ cells }) => cells.length));
  const head = document.createElement("tr");
  const titles = [`First seen in the ${period} of`, "Users", ...Array.from({ length: most - 1 }, (_, index) => `+${index + 1}`)];
  head.append(...titles.map((textContent) => Object.assign(document.createElement("th"), { scope: "col", textContent })));
  $("cohorts-head").replaceChildren(head);
  const rest = (cells) => cells.slice(1).map(({ share, complete }) => (complete ? percent(share) : `${percent(share)} so far`));
  fill("cohorts", cohorts.map(({ from, size, cells }) => [day(from), size, ...rest(cells)]), "Nobody yet.");
}

async function showPatterns() {
  const answer = await asked("patterns", { types: Object.keys(STEPS).join() });
  if (!answer) return;
  fill("patterns", answer.patterns.map(({ labels, visits, percent }) => [labels.join(" → "), `${visits} (${Math.round(percent)} %)`]), "Nothing yet.");
}

async function showReport() {
  const user = users;
  const response = await fetch("/api/analytics/report?format=text");
  const text = response.ok ? await response.text() : problem(await read(response));
  if (user === users) $("report").textContent = text ?? "";
}

const dashboard = () =>
  Promise.all([showTotals(), showSeries(), showHours(), showPagesAndUsers(), showFunnel(), showCohorts(), showPatterns(), showReport()]);

panel("dashboard", dashboard);

onSubmit("dashboard-form", dashboard);

onClick("check", async () => {
  const answer = await own("/api/analytics/rollups");
  if (!answer) return;
  const { checked, wrong } = answer;
  $("checked").textContent =
    wrong.length > 0 ? `${wrong.length} of ${checked} are wrong.` : checked > 0 ? `All ${checked} are right.` : "Nothing is rolled up yet.";
});
