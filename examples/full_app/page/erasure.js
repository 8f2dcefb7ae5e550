"use strict";

// What the server answered to the erasure. Only the user keeps it.
let receipt = null;

function showReceipt() {
  const { activities_deleted, consent_deleted, sessions_deleted, preferences_deleted, deleted_at, is_clean, sources } = receipt;
  facts("erased-facts", [
    ["When", time(deleted_at)],
    ["Activities", activities_deleted],
    ["Decisions", consent_deleted],
    ["Preferences", preferences_deleted],
    ["Sessions", sessions_deleted],
    ...sources.map(([name, rows]) => [name.charAt(0).toUpperCase() + name.slice(1), rows]),
    ["Overwritten in the file", is_clean ? "yes" : "not yet"],
  ]);
  $("erased").hidden = false;
}

onClick("erase", async () => $("erase-dialog").showModal());

async function erase() {
  forgetActivities();
  const answer = await call("DELETE", "/api/gdpr/delete");
  if (!answer.ok) {
    // It is still somebody's page, and what was shown of them holds.
    if (!$("account").hidden) follow();
    return problem(answer);
  }
  receipt = answer.json;
  await show();
  showReceipt();
  say("Erased. Goodbye.");
}

$("erase-dialog").addEventListener("close", () => {
  if ($("erase-dialog").returnValue !== "erase") return;
  $("erase-dialog").returnValue = "";
  say("");
  erase().catch(unreachable);
});

onClick("erased-save", async () => {
  keep(new Blob([JSON.stringify(receipt, null, 2)], { type: "application/json" }), "erasure-receipt.json");
});
