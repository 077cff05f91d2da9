// One breaker by itself, and what can be done to it.
let chosen = null;

/** One breaker by itself. */
function drawOne() {
  const row = rows.get(chosen), one = $("one");
  if (!row) return;
  const { service, seen } = row;
  one.className = service.state;
  set($("one-name"), `${chosen} is ${words(service.state.toLowerCase())}`);
  set(one.querySelector(".story"), story(row, opening(chosen), clockNow()));
  drawChart(one.querySelector("figure"), seen, clockNow());
  const time = (at) => (at ? `${clock(at)}, ${span(clockNow() - Date.parse(at))} ago` : "none");
  const facts = [
    ["Failures in a row", String(service.failure_count)],
    ["Of its latest calls", service.buffered_calls === null ? "no rule about rates" : `${percent(service.failure_rate)} failed, ${percent(service.slow_call_rate)} slow, of ${count(service.buffered_calls, "call")}`],
    ["Last failure", time(service.last_failure_time)],
    ["Last success", time(service.last_success_time)],
    ["Under way", service.in_flight === null ? "not counted without a bulkhead" : count(service.in_flight, "call")],
    ["Since the proxy was started", service.calls ? `${number(service.calls.success)} succeeded, ${number(service.calls.failure)} failed, ${number(service.calls.ignored)} ignored, ${number(service.calls.aborted)} aborted, ${number(service.slow_calls)} slow; ${number(service.not_permitted)} diverted` : "not known"],
    ["Adaptive rule", service.adaptive ?? "none"],
    ["Mode", words(service.mode)],
  ];
  const list = $("facts");
  if (!list.children.length) list.append(...facts.flatMap(() => [document.createElement("dt"), document.createElement("dd")]));
  facts.flat().forEach((text, index) => set(list.children[index], text));
}

/** The breaker that the address names; none: all of them. */
function choose() {
  const name = decodeURIComponent(location.hash.slice(1));
  chosen = rows.has(name) ? name : null;
  $("all").hidden = chosen !== null;
  $("one").hidden = chosen === null;
  showEvents(events);
  if (chosen === null) return;
  drawOne();
  $("one-name").focus();
  scrollTo(0, 0);
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
