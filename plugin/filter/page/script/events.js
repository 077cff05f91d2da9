// The last transitions: of all breakers, or of the one that is shown.
const opening = ({ proxy, name, service }) => {
  const of = proxy.events.filter((event) => event.service_name === name && event.to === "OPEN");
  // Of a row of openings, the first says why.
  return of.findLast((event) => service.not_closed_since && Date.parse(event.time) >= Date.parse(service.not_closed_since) - 1000) || of[0];
};

function showEvents() {
  const one = rows.get(chosen);
  const all = (one ? [one.proxy] : shownProxies()).flatMap((proxy) => proxy.events.map((event) => [event, proxy]));
  const wanted = all.filter(([event]) => !one || event.service_name === one.name).sort(([a], [b]) => (a.time < b.time ? 1 : -1)).slice(0, 128);
  const key = `${chosen} ${wanted.length} ${wanted[0]?.[0].id}`;
  if ($("events").dataset.key === key) return;
  $("events").dataset.key = key;
  $("none").hidden = wanted.length > 0;
  $("events").replaceChildren(...wanted.map(([event, proxy]) => {
    const numbers = [];
    if (event.adaptive) numbers.push(event.adaptive);
    else if (event.failure_count) numbers.push(`${count(event.failure_count, "failure")} in a row`);
    if (event.buffered_calls !== null) numbers.push(`${percent(event.failure_rate)} failed and ${percent(event.slow_call_rate)} slow of ${count(event.buffered_calls, "call")}`);
    const time = make("time", "", clock(event.time)), name = make("b", "", event.service_name);
    time.dateTime = event.time;
    if (proxy.label) name.append(" ", make("small", "", proxy.label));
    const moved = event.from === event.to ? event.to : `${event.from} → ${event.to}`;
    return make("li", event.to, time, " ", name, " ", make("span", "", moved), " ", make("span", "", words(event.reason)), " ", make("small", "", numbers.join(", ")));
  }));
}
