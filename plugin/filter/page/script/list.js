// The list: a row for each breaker, what is not closed first.
const rows = new Map();

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
  const link = element.querySelector("a");
  link.textContent = name;
  link.href = `#${encodeURIComponent(name)}`;
  const row = { element, name, isWhole: false, seen: new Seen(), inSight: false, service, diverted: 0 };
  rows.set(name, row);
  inSight.observe(element);
  return row;
}

/** What was diverted since the breaker opened, as far as the page has seen it. */
function addDiverted(row, before) {
  const { opened_at: opened, not_permitted: all } = row.service;
  if (!opened || all === null || before.not_permitted === null) row.diverted = 0;
  else if (before.opened_at !== opened) row.diverted = Math.max(0, all - before.not_permitted);
  else row.diverted += Math.max(0, all - before.not_permitted);
}

function label({ element, service }) {
  if (element.className !== service.state) element.className = service.state;
  set(element.querySelector(".state"), service.state);
}

// A chart costs more than all the rest: a row has one when it is seen.
function draw(row) {
  const { element, seen } = row;
  if (!row.isWhole) element.append($("rest").content.cloneNode(true));
  row.isWhole = true;
  label(row);
  tell(row);
  drawChart(element.querySelector("figure"), seen, clockNow());
  const passed = seen.rate("good"), failed = seen.rate("failed");
  const values = [number(passed === null ? null : passed + failed), percent(row.service.failure_rate ?? seen.share("failed")), number(seen.rate("diverted"))];
  element.querySelectorAll("dd").forEach((cell, index) => set(cell, values[index]));
}

/** Asks for what the proxy has kept of a few breakers in sight. */
async function fill() {
  const wanted = [...rows.values()].filter((row) => (row.inSight || row.name === chosen) && !row.seen.isWhole).slice(0, 16);
  await Promise.all(wanted.map(async (row) => {
    row.seen.isWhole = true;
    row.seen.fill(await call(`services/${encodeURIComponent(row.name)}/history`));
    if (row.isWhole) draw(row);
  }));
}

function tell(row) { set(row.element.querySelector(".story"), story(row, opening(row.name), clockNow())); }

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
    const before = row.service;
    row.service = service;
    addDiverted(row, before);
    row.seen.add(service, time);
  }
  for (const name of gone) { inSight.unobserve(rows.get(name).element); rows.get(name).element.remove(); rows.delete(name); }
  if (told.length) $("told").textContent = told.slice(0, 5).join(" ");
  if (moved) arrange();
  for (const row of rows.values()) row.inSight ? draw(row) : label(row);
  if (chosen !== null) drawOne();
  const counts = {};
  for (const { state } of services) counts[state] = (counts[state] || 0) + 1;
  set($("summary"), note ? `0 breakers: ${note}.` : `${count(services.length, "breaker")}: ${RANK.filter((state) => counts[state]).map((state) => `${counts[state]} ${words(state.toLowerCase())}`).join(", ")}`);
  document.body.classList.toggle("trouble", Boolean(counts.OPEN || counts.FORCED_OPEN));
}

// Troubled ones first. Rows do not move away under a hand.
function arrange() {
  const list = $("services");
  const name = $("name").value.toLowerCase(), state = $("state").value;
  const wanted = ({ service }) => service.service_name.toLowerCase().includes(name)
    && (!state || (state === "!CLOSED" ? service.state !== "CLOSED" : service.state === state));
  const all = [...rows.values()].filter(wanted);
  const busy = list.contains(document.activeElement) || list.matches(":hover");
  if (!busy) all.sort((a, b) => RANK.indexOf(a.service.state) - RANK.indexOf(b.service.state) || (a.name < b.name ? -1 : 1));
  const elements = all.map((row) => row.element);
  if (busy) {
    const shown = new Set(elements);
    for (const element of [...list.children]) if (!shown.has(element)) element.remove();
    for (const element of elements) if (!element.parentNode) list.append(element);
  } else list.replaceChildren(...elements);
  set($("shown"), all.length === rows.size ? "" : `${all.length} of ${rows.size} shown`);
}
