// What the page asks the proxy for.
const $ = (id) => document.getElementById(id);
let token = sessionStorage.getItem("edge-breaker-token") || "", skew = 0;

/** The proxy's time. */
const clockNow = () => Date.now() + skew;

class Unauthorized extends Error {}
class Refused extends Error {}

async function call(path, options = {}) {
  const headers = { accept: "application/json", ...options.headers };
  if (token) headers.authorization = `Bearer ${token}`;
  const answer = await fetch(path, { ...options, headers, cache: "no-store", signal: AbortSignal.timeout(5000) });
  if (answer.status === 401) throw new Unauthorized();
  const body = await answer.json();
  if (!answer.ok) throw new Refused(body.error || `status ${answer.status}`);
  return body;
}

function set(element, text) { if (element.textContent !== text) element.textContent = text; }
