// The list: a row for each breaker, what is not closed first.
const rows = new Map();
/** So many rows are there at once; the others follow when there is time. */
const AT_ONCE = 60;

const inSight = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    const row = rows.get(entry.target.dataset.key);
    if (!row) continue;
    row.inSight = entry.isIntersecting;
    if (row.inSight) draw(row);
  }
}, { rootMargin: "50%" });

const keyOf = (proxy, name) => encodeURIComponent(name) + (proxy.base && `@${encodeURIComponent(proxy.base)}`);

function addRow(proxy, service) {
  const name = service.service_name, key = keyOf(proxy, name);
  const row = { proxy, name, key, seen: new Seen(), inSight: false, service };
  rows.set(key, row);
  return row;
}

/** The row's element, which is made when it is needed. */
function elementOf(row) {
  if (row.element) return row.element;
  const element = $("row").content.firstElementChild.cloneNode(true), link = element.querySelector("a");
  Object.assign(element.dataset, { name: row.name, key: row.key });
  link.textContent = row.name;
  link.href = `#${row.key}`;
  if (row.proxy.label) element.querySelector("h3").append(" ", make("small", "", row.proxy.label));
  row.element = element;
  label(row);
  inSight.observe(element);
  return element;
}

function label({ element, service: { state, diverted_share: share } }) {
  if (!element) return;
  const name = state === "CLOSED" && share > 0 ? "CLOSED limited" : state;
  if (element.className !== name) element.className = name;
  set(element.querySelector(".state"), name.toUpperCase());
}

// A chart costs more than all the rest: a row has one when it is seen.
function draw(row) {
  const { element, seen } = row;
  if (!element) return;
  if (!row.isWhole) element.append($("rest").content.cloneNode(true));
  row.isWhole = true;
  label(row);
  tell(row);
  drawChart(element.querySelector("figure"), seen, row.proxy.now());
  const passed = seen.rate("good"), failed = seen.rate("failed");
  const values = [number(passed === null ? null : passed + failed), percent(row.service.failure_rate ?? seen.share("failed")), number(seen.rate("diverted"))];
  element.querySelectorAll("dd").forEach((cell, index) => set(cell, values[index]));
}

/** Asks for what the proxies have kept of a few breakers in sight, and for all there is of the chosen one. */
async function fill() {
  const isWanted = (row) => (row.inSight || row.key === chosen) && !row.seen.isWhole;
  const wanted = [...rows.values()].filter(isWanted).slice(0, 16);
  const one = rows.get(chosen);
  const path = ({ name }) => `services/${encodeURIComponent(name)}`;
  await Promise.allSettled([
    ...wanted.map(async (row) => {
      row.seen.isWhole = true;
      row.seen.fill(await row.proxy.call(`${path(row)}/history`));
      draw(row);
    }),
    ...wanted.filter((row) => row !== one && row.service.state !== "CLOSED").map(async (row) => {
      row.more = await row.proxy.call(path(row));
      draw(row);
    }),
    one && one.proxy.call(path(one)).then((service) => {
      one.more = one.service = service;
      drawOne();
    }),
  ]);
}

function tell(row) {
  const at = row.element.querySelector(".story");
  set(at, story(row));
}

/** Takes over what a proxy tells of its breakers. */
function take(proxy, { now, services }) {
  const time = Date.parse(now), told = [], gone = new Set([...rows.values()].filter((row) => row.proxy === proxy));
  proxy.skew = time - Date.now();
  let moved = false;
  for (const service of services) {
    let row = rows.get(keyOf(proxy, service.service_name));
    if (!row) { row = addRow(proxy, service); moved = true; }
    else if (row.service.state !== service.state) {
      moved = true;
      // Its rules are wanted now.
      row.seen.isWhole = false;
      told.push(`${service.service_name} is ${lower(service.state)}${service.trip_reason ? `: ${words(service.trip_reason)}` : ""}.`);
    }
    gone.delete(row);
    row.service = service;
    row.seen.add(service, time);
  }
  gone.forEach(drop);
  if (told.length) $("told").textContent = told.slice(0, 5).join(" ");
  return moved || gone.size > 0;
}

function drop(row) {
  if (row.element) { inSight.unobserve(row.element); row.element.remove(); }
  rows.delete(row.key);
}

function show(moved, note) {
  if (moved) arrange();
  for (const row of rows.values()) row.inSight ? draw(row) : label(row);
  const counts = {};
  for (const { service: { state } } of rows.values()) counts[state] = (counts[state] || 0) + 1;
  set($("summary"), rows.size === 0 && note ? `0 breakers: ${note}.` : `${count(rows.size, "breaker")}: ${RANK.filter((state) => counts[state]).map((state) => `${number(counts[state])} ${lower(state)}`).join(", ")}`);
  const share = RANK.filter((state) => counts[state]).map((state) => { const part = make("i", state); part.style.flexGrow = counts[state]; return part; });
  if ($("share").dataset.key !== JSON.stringify(counts)) $("share").replaceChildren(...share);
  $("share").dataset.key = JSON.stringify(counts);
  document.body.classList.toggle("trouble", Boolean(counts.OPEN || counts.FORCED_OPEN));
}

// Troubled ones first. Rows do not move away under a hand.
let later = 0;
function arrange() {
  const list = $("services");
  const name = $("name").value.toLowerCase(), state = $("state").value;
  const wanted = ({ name: own, service }) => own.toLowerCase().includes(name)
    && (!state || (state === "!CLOSED" ? service.state !== "CLOSED" : service.state === state));
  const all = [...rows.values()].filter(wanted);
  const busy = list.contains(document.activeElement) || list.matches(":hover");
  clearTimeout(later);
  set($("shown"), all.length === rows.size ? "" : `${number(all.length)} of ${number(rows.size)} shown`);
  if (busy) {
    const shown = new Set(all);
    for (const element of [...list.children]) if (!shown.has(rows.get(element.dataset.key))) element.remove();
    for (const row of all) if (!row.element?.parentNode) list.append(elementOf(row));
    return;
  }
  const rank = ({ service }) => (service.diverted_share > 0 && service.state === "CLOSED" ? 2.5 : RANK.indexOf(service.state));
  all.sort((a, b) => rank(a) - rank(b) || (a.key < b.key ? -1 : 1));
  list.replaceChildren(...all.splice(0, AT_ONCE).map(elementOf));
  const follow = () => {
    list.append(...all.splice(0, AT_ONCE).map(elementOf));
    if (all.length) later = setTimeout(follow, 20);
  };
  if (all.length) later = setTimeout(follow, 20);
}
