"use strict";
// What the page knows: a row for each breaker, with what was seen of it lately.
const EVERY = 1000, KEPT = 120, SPAN = 10;
const rank = ["OPEN", "FORCED_OPEN", "HALF_OPEN", "METRICS_ONLY", "DISABLED", "CLOSED"];
const $ = (id) => document.getElementById(id);
const rows = new Map();
let token = sessionStorage.getItem("edge-breaker-token") || "", skew = 0, lastSeen = 0, newest;

async function call(path, options = {}) {
  const headers = { accept: "application/json", ...options.headers };
  if (token) headers.authorization = `Bearer ${token}`;
  const answer = await fetch(path, { ...options, headers, cache: "no-store", signal: AbortSignal.timeout(5000) });
  if (answer.status === 401) throw new Unauthorized();
  const body = await answer.json();
  if (!answer.ok) throw new Refused(body.error || `status ${answer.status}`);
  return body;
}
class Unauthorized extends Error {}
class Refused extends Error {}

const percent = (value) => (value === null ? "–" : `${Math.round(value * 10) / 10} %`);
const number = (value) => (value === null ? "–" : value >= 100 ? String(Math.round(value)) : String(Math.round(value * 10) / 10));
const words = (name) => (name || "").replaceAll("_", " ");

// What was counted between two looks at a breaker, by the second.
function sample(row, service, now) {
  const calls = service.calls;
  const seen = { now, failed: null, slow: null, calls: null, diverted: null };
  if (calls) {
    const judged = calls.success + calls.failure;
    const all = judged + calls.ignored + calls.aborted;
    const counts = { now, judged, all, failure: calls.failure, slow: service.slow_calls, diverted: service.not_permitted };
    row.counts.push(counts);
    while (row.counts.length > 1 && now - row.counts[0].now > SPAN * 1000) row.counts.shift();
    const before = row.counts[0], seconds = (now - before.now) / 1000, last = row.counts.at(-2);
    if (last && counts.all >= last.all) {
      const ended = counts.judged - before.judged;
      if (ended > 0) {
        seen.failed = ((counts.failure - before.failure) * 100) / ended;
        seen.slow = ((counts.slow - before.slow) * 100) / ended;
      }
      const since = (now - last.now) / 1000;
      if (seconds > 0 && since > 0) {
        seen.calls = (counts.all - last.all) / since;
        seen.diverted = (counts.diverted - last.diverted) / since;
      }
    } else if (last) row.counts = [counts];
  }
  if (service.failure_rate !== null) seen.failed = service.failure_rate;
  if (service.slow_call_rate !== null) seen.slow = service.slow_call_rate;
  row.history.push(seen);
  if (row.history.length > KEPT) row.history.shift();
}

const inSight = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    const row = rows.get(entry.target.dataset.name);
    if (!row) continue;
    row.inSight = entry.isIntersecting;
    if (row.inSight) draw(row);
  }
}, { rootMargin: "50%" });

function addRow(service) {
  const element = $("row").content.firstElementChild.cloneNode(true), name = service.service_name;
  element.dataset.name = name;
  element.querySelector("th").textContent = name;
  const row = { element, name, charts: null, history: [], counts: [], inSight: false, service };
  rows.set(name, row);
  inSight.observe(element);
  return row;
}

// Charts and buttons cost more than all the rest: a row has them when it is seen, or when there is time.
function complete(row) {
  const { element, name } = row;
  element.append($("rest").content.cloneNode(true));
  for (const button of element.querySelectorAll("button")) {
    button.setAttribute("aria-label", `${button.textContent} ${name}`);
    button.addEventListener("click", () => steer(name, button));
  }
  const more = element.querySelector("select");
  more.setAttribute("aria-label", `More for ${name}`);
  more.addEventListener("change", () => { const command = more.selectedOptions[0]; more.value = ""; if (command.value) steer(name, command); });
  row.charts = ["failed", "slow", "calls", "diverted"].map((field, index) => {
    const cell = element.children[index + 2];
    return { field, line: cell.querySelector("polyline"), svg: cell.querySelector("svg"), value: cell.querySelector(".value") };
  });
}

function label({ element, service }) {
  if (element.className !== service.state) element.className = service.state;
  set(element.querySelector(".state"), service.state);
}

function draw(row) {
  if (!row.charts) complete(row);
  const { element, service, history } = row;
  label(row);
  const mode = service.mode !== "enabled" && service.mode.toUpperCase() !== service.state ? `mode ${words(service.mode)}` : "";
  set(element.querySelector(".why"), [words(service.trip_reason), mode, service.diverted_share > 0 && service.adaptive].filter(Boolean).join(", "));
  set(element.children[6], String(service.failure_count));
  countdown(row);
  for (const { field, line, svg, value } of row.charts) {
    const share = field === "failed" || field === "slow", now = history.at(-1)[field];
    set(value, share ? percent(now) : number(now));
    const most = share ? 100 : Math.max(1, ...history.map((seen) => seen[field] || 0));
    line.setAttribute("points", history.map((seen, index) => `${(100 * (KEPT - history.length + index)) / (KEPT - 1)},${23 - (22 * (seen[field] || 0)) / most}`).join(" "));
    svg.setAttribute("aria-label", `${share ? percent(now) : number(now)} now, at most ${share ? percent(Math.max(0, ...history.map((seen) => seen[field] || 0))) : number(most)} in the last ${KEPT} seconds`);
  }
}
function set(element, text) { if (element.textContent !== text) element.textContent = text; }

function countdown(row) {
  const at = row.service.retry_at, left = at ? Math.ceil((Date.parse(at) - Date.now() - skew) / 1000) : 0;
  set(row.element.querySelector(".retry"), !at ? "" : left > 0 ? `in ${left} s` : "due");
}

function show({ now, services, note }) {
  const time = Date.parse(now), gone = new Set(rows.keys()), told = [];
  skew = time - Date.now();
  let moved = false;
  for (const service of services) {
    let row = rows.get(service.service_name);
    if (!row) { row = addRow(service); moved = true; }
    else if (row.service.state !== service.state) {
      moved = true;
      told.push(`${service.service_name} is ${words(service.state.toLowerCase())}${service.trip_reason ? `: ${words(service.trip_reason)}` : ""}.`);
    }
    gone.delete(service.service_name);
    row.service = service;
    sample(row, service, time);
  }
  for (const name of gone) { inSight.unobserve(rows.get(name).element); rows.get(name).element.remove(); rows.delete(name); }
  if (told.length) $("told").textContent = told.slice(0, 5).join(" ");
  if (moved) arrange();
  let left = 20;
  for (const row of rows.values()) {
    if (row.inSight) draw(row);
    else if (!row.charts && left-- > 0) complete(row);
    if (!row.inSight) label(row);
  }
  const counts = {};
  for (const { state } of services) counts[state] = (counts[state] || 0) + 1;
  set($("summary"), note ? `0 breakers: ${note}.` : `${services.length} ${services.length === 1 ? "breaker" : "breakers"}: ${rank.filter((state) => counts[state]).map((state) => `${counts[state]} ${words(state.toLowerCase())}`).join(", ")}`);
}

// Troubled ones first. Rows do not move away under a hand.
function arrange() {
  const body = document.querySelector("#services tbody");
  const name = $("name").value.toLowerCase(), state = $("state").value;
  const wanted = ({ service }) => service.service_name.toLowerCase().includes(name)
    && (!state || (state === "!CLOSED" ? service.state !== "CLOSED" : service.state === state));
  const all = [...rows.values()].filter(wanted);
  const busy = body.contains(document.activeElement) || body.matches(":hover");
  if (!busy) all.sort((a, b) => rank.indexOf(a.service.state) - rank.indexOf(b.service.state) || (a.name < b.name ? -1 : 1));
  const elements = all.map((row) => row.element);
  if (busy) {
    const shown = new Set(elements);
    for (const element of [...body.children]) if (!shown.has(element)) element.remove();
    for (const element of elements) if (!element.parentNode) body.append(element);
  } else body.replaceChildren(...elements);
  set($("shown"), all.length === rows.size ? "" : `${all.length} of ${rows.size} shown`);
}

function showEvents({ events }) {
  if (events[0]?.id === newest) return;
  newest = events[0]?.id;
  $("none").hidden = events.length > 0;
  $("events").hidden = events.length === 0;
  const line = (event) => {
    const numbers = [event.adaptive || `${event.failure_count} in a row`];
    if (event.buffered_calls !== null) numbers.push(`${percent(event.failure_rate)} failed`, `${percent(event.slow_call_rate)} slow`, `of ${event.buffered_calls} calls`);
    const row = document.createElement("tr");
    const cells = [new Date(event.time).toLocaleTimeString(), event.service_name, `${event.from} → ${event.to}`, words(event.reason), numbers.join(", ")];
    row.append(...cells.map((text) => Object.assign(document.createElement("td"), { textContent: text })));
    row.firstChild.title = event.time;
    return row;
  };
  document.querySelector("#events tbody").replaceChildren(...events.map(line));
}

async function steer(name, { value, textContent: title, dataset: { consequence } }) {
  const dialog = $("ask");
  $("question").textContent = `${title} ${name}?`;
  $("consequence").textContent = consequence;
  $("yes").textContent = title;
  dialog.returnValue = "no";
  dialog.showModal();
  await new Promise((closed) => dialog.addEventListener("close", closed, { once: true }));
  if (dialog.returnValue !== "yes") return;
  try {
    await call(`services/${encodeURIComponent(name)}/${value}`, { method: "POST", headers: { "content-type": "application/json" } });
    $("told").textContent = `Done: ${title.toLowerCase()} ${name}.`;
    await look();
  } catch (error) { trouble(error); }
}

function trouble(error) {
  if (error instanceof Unauthorized) {
    token = "";
    sessionStorage.removeItem("edge-breaker-token");
    $("login").hidden = false;
    $("content").hidden = true;
    set($("summary"), "Locked.");
    return;
  }
  const since = lastSeen ? ` What is shown is of ${new Date(lastSeen).toLocaleTimeString()}.` : "";
  $("gone").textContent = error instanceof Refused ? `The proxy says: ${error.message}` : `The proxy does not answer.${since}`;
  $("gone").hidden = false;
  document.body.classList.toggle("old", !(error instanceof Refused));
}

async function look() {
  try {
    const [services, events] = await Promise.all([call("services"), call("events")]);
    $("login").hidden = true;
    $("content").hidden = false;
    show(services);
    showEvents(events);
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
setInterval(() => { for (const row of rows.values()) if (row.inSight) countdown(row); }, 250);
(async () => {
  for (;;) {
    const began = Date.now();
    if (!document.hidden && $("login").hidden) await look();
    await new Promise((passed) => setTimeout(passed, Math.max(100, EVERY - (Date.now() - began))));
  }
})();
