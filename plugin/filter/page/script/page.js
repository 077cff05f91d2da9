// The page looks once a second, and says so if it cannot.
const EVERY = 1000;
let lastSeen = 0;

function trouble(error) {
  if (error instanceof Unauthorized) {
    token = "";
    sessionStorage.removeItem("edge-breaker-token");
    $("login").hidden = false;
    $("content").hidden = true;
    set($("summary"), "Locked.");
    return;
  }
  const since = lastSeen ? ` What is shown is of ${clock(lastSeen)}.` : "";
  $("gone").textContent = error instanceof Refused ? `The proxy says: ${error.message}` : `The proxy does not answer.${since}`;
  $("gone").hidden = false;
  document.body.classList.toggle("old", !(error instanceof Refused));
}

async function look() {
  try {
    const [services, { events: latest }] = await Promise.all([call("services"), call("events")]);
    const isFirst = rows.size === 0;
    // What came while it did not look, it asks for.
    if (Date.now() - lastSeen > 2 * PIECE) for (const row of rows.values()) row.seen.isWhole = false;
    $("login").hidden = true;
    $("content").hidden = false;
    showEvents(latest);
    show(services);
    if (isFirst && location.hash) choose();
    await fill();
    lastSeen = Date.now();
    $("gone").hidden = true;
    document.body.classList.remove("old");
  } catch (error) { trouble(error); }
}

$("login").addEventListener("submit", (event) => {
  event.preventDefault();
  token = $("token").value;
  sessionStorage.setItem("edge-breaker-token", token);
  $("token").value = "";
  look();
});
$("name").addEventListener("input", arrange);
$("state").addEventListener("change", arrange);
$("commands").addEventListener("click", ({ target }) => { if (target.value) steer(chosen, target); });
addEventListener("hashchange", choose);
setInterval(() => { for (const row of rows.values()) if (row.inSight && row.isWhole) tell(row); }, 250);
(async () => {
  for (;;) {
    const began = Date.now();
    if (!document.hidden && $("login").hidden) await look();
    await new Promise((passed) => setTimeout(passed, Math.max(100, EVERY - (Date.now() - began))));
  }
})();
