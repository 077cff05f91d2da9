// What a breaker does and why, in words.
const number = (value) => (value === null ? "–" : value.toLocaleString("en", { maximumFractionDigits: value >= 100 ? 0 : 1 }));
const percent = (value) => (value === null ? "–" : `${number(value)} %`);
const words = (name) => (name || "").replaceAll("_", " ");
const clock = (time) => new Date(time).toLocaleTimeString();
const count = (many, one) => `${number(many)} ${many === 1 ? one : `${one}s`}`;

/** How long something takes, in the two largest units. */
function span(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000)), [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h ? `${h} h ${m} min` : m ? `${m} min ${s} s` : `${s} s`;
}

/** Why a breaker opened, by the event that says so, or as far as its record does. */
function cause({ trip_reason: reason, failure_count: failures, last_failure_time: last, adaptive }, event) {
  const until = last ? `, the last at ${clock(last)}` : "";
  switch (reason) {
    case "consecutive_failures": return `${event?.failure_count ?? failures} calls in a row failed${until}.`;
    case "failure_rate": return event?.buffered_calls ? `${percent(event.failure_rate)} of ${event.buffered_calls} calls failed${until}.` : `Too many calls failed${until}.`;
    case "slow_call_rate": return event?.buffered_calls ? `${percent(event.slow_call_rate)} of ${event.buffered_calls} calls were slow.` : "Too many calls were slow.";
    case "trial_failed": return `A trial call failed${until}.`;
    case "adaptive": return `More failed than is usual: ${event?.adaptive ?? adaptive}.`;
    case "operator": return "An operator opened it.";
    default: return reason ? `Reason: ${words(reason)}.` : "";
  }
}

/** What there is to say of a breaker; nothing if all is well. */
function story({ service, diverted }, event, now) {
  const { state, opened_at: opened, retry_at: retry, failure_count: failures, mode } = service, says = [];
  const left = retry ? Date.parse(retry) - now : 0, next = left > 0 ? `in ${Math.ceil(left / 1000)} s` : "now";
  if (state === "OPEN") {
    says.push(cause(service, event));
    if (opened) says.push(`Open for ${span(now - Date.parse(opened))}.`);
    if (diverted > 0) says.push(`${count(diverted, "call")} diverted since.`);
    says.push(`Next attempt ${next}.`);
  } else if (state === "HALF_OPEN") says.push(left > 0 ? `Trial calls decide whether it closes: the next one ${next}.` : "Trial calls decide whether it closes.");
  else if (state === "FORCED_OPEN") says.push("Every call is diverted until it is enabled or reset.");
  else if (state === "DISABLED") says.push("Calls are left alone and not counted.");
  else if (state === "METRICS_ONLY") says.push("It decides and reports, and diverts nothing.");
  else if (service.diverted_share > 0) says.push(`It diverts a share of the calls: ${service.adaptive}.`);
  else if (failures > 0) says.push(`${count(failures, "failure")} in a row.`);
  if (mode !== "enabled" && mode.toUpperCase() !== state) says.push(`Mode: ${words(mode)}.`);
  for (const { name } of service.unknown_clusters) says.push(`The proxy has no cluster ${name}.`);
  return says.filter(Boolean).join(" ");
}
