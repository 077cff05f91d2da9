// One breaker by itself, and what can be done to it.
let chosen = null;

/** Fills a list of names and values. */
function fillFacts(list, facts) {
  const texts = facts.flat();
  if (list.children.length !== texts.length) list.replaceChildren(...facts.flatMap(() => [make("dt"), make("dd")]));
  texts.forEach((text, index) => set(list.children[index], String(text)));
}

/** Puts lines in the place of those that are there, if they say something else. */
function fillLines(list, lines, none) {
  const key = JSON.stringify(lines);
  if (list.dataset.key === key) return;
  list.dataset.key = key;
  list.replaceChildren(...(lines.length ? lines : [["", none]]).map(([time, text, className]) => make("li", className, ...(time ? [make("time", "", time), " "] : []), make("span", "", text))));
}

/** Rules as their names and values; what is not there is left out. */
function ruleLines(rules) {
  const value = (it) => (Array.isArray(it) ? it.map((entry) => (typeof entry === "object" ? Object.values(entry).join(" ") : entry)).join(", ") : it === true ? "yes" : it === false ? "no" : it);
  const lines = (object, before) => Object.entries(object).flatMap(([name, it]) => {
    if (it === null || (Array.isArray(it) && !it.length)) return [];
    if (typeof it === "object" && !Array.isArray(it)) return lines(it, `${before}${words(name)}, `);
    return [[sentence(before + words(name)), value(it)]];
  });
  return lines(rules, "");
}

/** One breaker by itself. */
function drawOne() {
  const row = rows.get(chosen), one = $("one");
  if (!row) return;
  const { service, seen, more } = row, now = row.proxy.now();
  one.className = service.state;
  set($("one-name"), `${row.name} is ${lower(service.state)}`);
  set($("one-proxy"), row.proxy.label && `on ${row.proxy.label}`);
  set(one.querySelector(".story"), story(row));
  const runbook = alarm(row);
  $("help").hidden = !runbook;
  set($("runbook"), `docs/alarms.md#${runbook.toLowerCase()}`);
  if (DOCS) $("runbook").href = `${DOCS}/alarms.md#${runbook.toLowerCase()}`;
  drawChart(one.querySelector("figure"), seen, now);
  const time = (at) => (at ? `${clock(at)}, ${span(now - Date.parse(at))} ago` : "none");
  fillFacts($("facts"), [
    ["Failures in a row", service.failure_count],
    ["Of its latest calls", service.buffered_calls === null ? "no rule about rates" : `${percent(service.failure_rate)} failed, ${percent(service.slow_call_rate)} slow, of ${count(service.buffered_calls, "call")}`],
    ["Last failure", time(service.last_failure_time)],
    ["Last success", time(service.last_success_time)],
    ["Under way", service.in_flight === null ? "not counted without a bulkhead" : count(service.in_flight, "call")],
    ["Since the proxy was started", service.calls ? `${number(service.calls.success)} succeeded, ${number(service.calls.failure)} failed, ${number(service.calls.ignored)} ignored, ${number(service.calls.aborted)} aborted, ${number(service.slow_calls)} slow; ${number(service.not_permitted)} diverted` : "not known"],
    ["Mode", words(service.mode)],
  ]);
  const [, says, bar] = /([\d.]+) of ([\d.]+) bits/.exec(service.adaptive || "") || [];
  $("adaptive").hidden = !service.adaptive;
  set($("evidence-says"), sentence(service.adaptive || ""));
  Object.assign($("evidence"), { max: Number(bar) || 1, value: Number(says) || 0 });
  if (!more) return;
  const { rules } = more;
  fillLines($("failures"), more.last_failures.map((failure) => [clock(failure.time), failure.status ? `${failure.kind === "grpc_status" ? "gRPC status" : "status"} ${failure.status}` : FAILED[failure.kind]?.replace("which ", "") ?? words(failure.kind), "bad"]), "None yet.");
  fillLines($("checks"), more.last_checks.map(({ time: at, result, status }) => [clock(at), result === "unknown_cluster" ? "not made: the proxy has no such cluster" : `${result}${status ? `, ${status}` : ", no answer"}`, result === "healthy" ? "well" : "bad"]), rules.health_check ? "None yet." : "It has no health check: it waits, and then trials decide.");
  const groups = Object.entries(rules).filter(([, it]) => it instanceof Object).map(([name, it]) => [name, ruleLines(it)]);
  const key = JSON.stringify(groups);
  if ($("rules").dataset.key === key) return;
  $("rules").dataset.key = key;
  $("rules").replaceChildren(...groups.map(([name, lines]) => {
    const list = make("dl", "facts");
    fillFacts(list, lines);
    return make("div", "", make("h4", "", sentence(words(name))), list);
  }));
}

/** The breaker that the address names; none: all of them. */
function choose() {
  const key = location.hash.slice(1);
  chosen = rows.has(key) ? key : null;
  $("all").hidden = chosen !== null;
  $("one").hidden = chosen === null;
  showEvents();
  if (chosen === null) return;
  // What was said of another is not this one's.
  for (const id of ["failures", "checks", "rules"]) { $(id).replaceChildren(); $(id).dataset.key = ""; }
  drawOne();
  fill();
  $("one-name").focus();
  scrollTo(0, 0);
}

async function steer({ proxy, name }, { value, textContent: title, dataset: { consequence } }) {
  const dialog = $("ask");
  $("question").textContent = `${title} ${name}${proxy.label && ` on ${proxy.label}`}?`;
  $("consequence").textContent = consequence;
  $("yes").textContent = title;
  dialog.returnValue = "no";
  dialog.showModal();
  await new Promise((closed) => dialog.addEventListener("close", closed, { once: true }));
  if (dialog.returnValue !== "yes") return;
  try {
    await proxy.call(`services/${encodeURIComponent(name)}/${value}`, { method: "POST", headers: { "content-type": "application/json" } });
    $("told").textContent = `Done: ${title.toLowerCase()} ${name}.`;
  } catch (error) { proxy.fail(error); }
  await look();
}
