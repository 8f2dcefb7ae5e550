"use strict";

async function showSummary() {
  const summary = await own("/api/analytics/user");
  if (!summary) return;
  const { total_activities, total_sessions, average_session_ms, days_active, first_seen, last_activity } = summary;
  facts("summary", [
    ["Events", total_activities],
    ["Sessions", total_sessions],
    ["Their mean length", duration(average_session_ms)],
    ["Days", days_active],
    ["First seen", first_seen ? time(first_seen) : "–"],
    ["Last seen", last_activity ? time(last_activity) : "–"],
  ]);
  bars("events", Object.entries(summary.event_breakdown).sort(([, one], [, other]) => other - one));
}

async function showJourney() {
  const answer = await own("/api/analytics/journey?limit=50");
  if (!answer) return;
  const steps = answer.journey.toReversed().map(({ timestamp, event_type, event_data, new_visit }) => {
    const where = event_data?.page || event_data?.action || "";
    return [time(timestamp), event_type, new_visit ? `${where} (a visit begins)`.trim() : where];
  });
  fill("journey", steps, "Nothing yet.");
}

panel("figures", () => Promise.all([showSummary(), showJourney()]));
