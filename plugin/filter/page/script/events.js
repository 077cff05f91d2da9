// The last transitions, of all breakers or of the one that is shown.
let events = [];

const opening = (name) => events.find((event) => event.service_name === name && event.to === "OPEN");

function showEvents(latest) {
  const wanted = latest.filter((event) => chosen === null || event.service_name === chosen), key = `${chosen} ${wanted[0]?.id}`;
  events = latest;
  if ($("events").dataset.key === key) return;
  $("events").dataset.key = key;
  $("none").hidden = wanted.length > 0;
  const line = (event) => {
    const row = document.createElement("li");
    const numbers = [];
    if (event.adaptive) numbers.push(event.adaptive);
    else if (event.failure_count) numbers.push(`${count(event.failure_count, "failure")} in a row`);
    if (event.buffered_calls !== null) numbers.push(`${percent(event.failure_rate)} failed and ${percent(event.slow_call_rate)} slow of ${count(event.buffered_calls, "call")}`);
    const parts = [["time", clock(event.time)], ["b", event.service_name], ["span", event.from === event.to ? event.to : `${event.from} → ${event.to}`], ["span", words(event.reason)], ["small", numbers.join(", ")]];
    row.className = event.to;
    row.append(...parts.flatMap(([kind, text]) => [Object.assign(document.createElement(kind), { textContent: text }), " "]));
    row.firstChild.dateTime = event.time;
    return row;
  };
  $("events").replaceChildren(...wanted.map(line));
}
