// Whom the page asks: this proxy, and those of its peers that a person has given a token for.
const $ = (id) => document.getElementById(id);

class Unauthorized extends Error {}
class Refused extends Error {}

class Source {
  /** `base`: what its paths begin with; of this proxy, nothing. */
  constructor(base) {
    this.base = base;
    this.label = base && new URL(base).host;
    this.key = `edge-breaker-token${base && ` ${base}`}`;
    this.token = sessionStorage.getItem(this.key) || "";
    // How far its clock is ahead, what it told last, and when.
    Object.assign(this, { skew: 0, events: [], lastSeen: 0, trouble: "" });
  }

  now() { return Date.now() + this.skew; }

  keep(token) {
    this.token = token;
    if (token) sessionStorage.setItem(this.key, token);
    else sessionStorage.removeItem(this.key);
  }

  async call(path, options = {}) {
    const headers = { accept: "application/json", ...options.headers };
    if (this.token) headers.authorization = `Bearer ${this.token}`;
    const answer = await fetch(this.base + path, { ...options, headers, cache: "no-store", credentials: "omit", signal: AbortSignal.timeout(5000) });
    if (answer.status === 401) throw new Unauthorized();
    const body = await answer.json();
    if (!answer.ok) throw new Refused(body.error || `status ${answer.status}`);
    return body;
  }
}

const here = new Source("");
let peers = [];
/** Those whose breakers are shown. */
const shownProxies = () => [here, ...peers.filter((peer) => peer.token)];

function set(element, text) { if (element.textContent !== text) element.textContent = text; }
function make(kind, className, ...content) {
  const element = document.createElement(kind);
  if (className) element.className = className;
  element.append(...content);
  return element;
}
