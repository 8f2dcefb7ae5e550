"use strict";

async function showSummary() {
  const summary = await own("/api/analytics/user");
  if (!summary) return;
  const { total_activities, total_sessions, average_session_ms, days_active, first_seen, last_activity } = summary;
  facts("summary", [
    ["Events", total_activities],
    ["Sessions", total_sessions],
    ["Mean session", duration(average_session_ms)],
    ["Days", days_active],
    ["First seen", first_seen ? time(first_seen) : "–"],
    ["Last seen", last_activity ? time(last_activity) : "–"],
  ]);
  bars("events", Object.entries(summary.event_breakdown).sort(([, one], [, other]) => other - one));
}

async function showJourney() {
  const answer = await own("/api/analytics/journey?limit=100");
  if (!answer) return;
  const steps = [];
  let begins = false;
  for (const { timestamp, event_type, event_data, new_visit } of answer.journey) {
    begins ||= new_visit;
    // What this page asks for by itself is no step of the user's.
    if (event_type === "api_call") continue;
    const where = event_data?.page || event_data?.action || "";
    steps.push([time(timestamp), event_type, begins ? `${where} (a visit begins)`.trim() : where]);
    begins = false;
  }
  fill("journey", steps.reverse(), "Nothing yet.");
}

panel("figures", () => Promise.all([showSummary(), showJourney()]));
