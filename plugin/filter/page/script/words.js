// What a breaker does and why, in words.
const number = (value) => (value === null ? "–" : value.toLocaleString("en", { maximumFractionDigits: value >= 100 ? 0 : 1 }));
const percent = (value) => (value === null ? "–" : `${number(value)} %`);
const words = (name) => (name || "").replaceAll("_", " ");
const lower = (state) => words(state.toLowerCase()).replace("half open", "half-open");
const clock = (time) => new Date(time).toLocaleTimeString("en-GB");
const count = (many, one) => `${number(many)} ${many === 1 ? one : `${one}s`}`;
const SMALL = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];
const spelled = (many, one) => (SMALL[many] ? `${SMALL[many]} ${many === 1 ? one : `${one}s`}` : count(many, one));
const sentence = (text) => text && text[0].toUpperCase() + text.slice(1);

/** How long something takes, in the two largest units. */
function span(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000)), [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h ? `${h} h ${m} min` : m ? `${m} min ${s} s` : `${s} s`;
}

const FAILED = { unreachable: "which could not be reached", reset: "which broke off", timeout: "not answered in time", overflow: "refused by the proxy's own limits" };
function how({ kind, status }) {
  if (kind === "status" && status) return ` with ${status}`;
  if (kind === "grpc_status") return ` with gRPC status ${status}`;
  return FAILED[kind] ? `, ${FAILED[kind]}` : "";
}

/** Why a breaker opened, by the event that says so, or as far as its record does. */
function cause(service, event) {
  const { failure_count: failures, last_failure: last, adaptive } = service, reason = event?.reason ?? service.trip_reason;
  const until = last ? `, the last at ${clock(last.time)}${how(last)}` : "";
  switch (reason) {
    case "consecutive_failures": return `${spelled(event?.failure_count ?? failures, "call")} in a row failed${until}`;
    case "failure_rate": return event?.buffered_calls ? `${percent(event.failure_rate)} of ${count(event.buffered_calls, "call")} failed${until}` : `too many calls failed${until}`;
    case "slow_call_rate": return event?.buffered_calls ? `${percent(event.slow_call_rate)} of ${count(event.buffered_calls, "call")} were slow` : "too many calls were slow";
    case "trial_failed": return `a trial failed${until}`;
    case "adaptive": return `more calls failed than is usual${until}: ${event?.adaptive ?? adaptive}`;
    case "operator": return "an operator opened it";
    case "fleet": return "other proxies of the fleet say that the service is down";
    case "retry_after": return `the service asked to be left alone for a time${until}`;
    default: return reason ? `reason: ${words(reason)}` : "";
  }
}

/** What comes next, and when. */
function next({ state, next_check_at: check, retry_at: retry }, now) {
  const left = (at) => Math.ceil((Date.parse(at) - now) / 1000);
  if (state === "OPEN" && check) return left(check) > 0 ? `next check in ${span(left(check) * 1000)}` : "it is being checked now";
  if (retry && left(retry) > 0) return `next trial in ${span(left(retry) * 1000)}`;
  return state === "OPEN" ? "the next call is a trial" : "";
}

/** What clients got, since it left the closed state. */
function answers({ answered_since_open: by, diverted_since_open: diverted }, rules) {
  if (!by) return "";
  const fallback = rules?.fallback ?? {}, all = by.cluster + by.replay;
  const says = [[all, `answered by ${fallback.cluster || "the fallback"}`], [by.stale, "answered by stale answers"], [by.response, `answered by the fixed ${fallback.response?.status ?? ""} answer`]]
    .filter(([many]) => many > 0).map(([many, what]) => `${count(many, "call")} ${what}`);
  const left = diverted - by.cluster - by.stale - by.response;
  if (left > 0 && rules && !fallback.cluster && !fallback.response) says.push(`${count(left, "call")} got 503`);
  return says.length ? `${says.join(", ")} since` : "no call diverted since";
}

/** What there is to say of a breaker; nothing if all is well. */
function story(row) {
  const { service, more, proxy } = row, rules = more?.rules, now = proxy.now();
  const { state, failure_count: failures, mode, not_closed_since: since } = service, says = [];
  const join = (...parts) => says.push(`${sentence(parts.filter(Boolean).join("; "))}.`);
  const down = since ? `not closed for ${span(now - Date.parse(since))}` : "";
  if (state === "OPEN") join(cause(service, opening(row)), next(service, now), answers(service, rules), down);
  else if (state === "HALF_OPEN") join("trial calls decide whether it closes", next(service, now), answers(service, rules), down);
  else if (state === "FORCED_OPEN") join("every call is diverted until it is enabled or reset", answers(service, rules));
  else if (state === "DISABLED") says.push("Calls are left alone and not counted.");
  else if (state === "METRICS_ONLY") says.push("It decides and reports, and diverts nothing.");
  else if (service.diverted_share > 0) join(`it diverts ${percent(service.diverted_share)} of the calls`, service.adaptive);
  else if (failures > 0) join(`${spelled(failures, "failure")} in a row${service.last_failure ? `, the last at ${clock(service.last_failure.time)}${how(service.last_failure)}` : ""}`);
  if (mode !== "enabled" && mode.toUpperCase() !== state) says.push(`Mode: ${words(mode)}.`);
  for (const { name } of service.unknown_clusters) says.push(`The proxy has no cluster ${name}.`);
  return says.join(" ");
}

/** The alarm whose runbook says what to do. */
function alarm({ service, more, proxy }) {
  const { state, not_closed_since: since } = service, checks = more?.last_checks;
  if (service.unknown_clusters.length) return "CircuitBreakerUnprotectedCalls";
  if (["FORCED_OPEN", "DISABLED", "METRICS_ONLY"].includes(state)) return "CircuitBreakerOverridden";
  if (state !== "CLOSED") {
    if (checks?.length > 2 && checks.every(({ result }) => result !== "healthy")) return "CircuitBreakerHealthChecksFailing";
    return since && proxy.now() - Date.parse(since) > 600_000 ? "CircuitBreakerStuckOpen" : "CircuitBreakerOpen";
  }
  if (service.diverted_share > 0) return "CircuitBreakerLimiting";
  return service.failure_count > 0 ? "ServiceFailures" : "";
}
