// The page looks once a second, and says so if it cannot.
const EVERY = 1000;

/** Takes note of why a proxy has told nothing. */
Source.prototype.fail = function fail(error) {
  const since = this.lastSeen ? ` What is shown is of ${clock(this.lastSeen)}.` : "", who = this.label || "The proxy";
  if (error instanceof Unauthorized) { this.keep(""); this.trouble = "That is not its token."; }
  else this.trouble = error instanceof Refused ? `${who} says: ${error.message}` : `${who} does not answer.${since}`;
};

/** Asks one proxy for all its breakers; whether rows came or went. */
async function lookAt(proxy) {
  try {
    const [services, { events }] = await Promise.all([proxy.call("services"), proxy.call("events")]);
    // What came while nobody looked is asked for.
    if (Date.now() - proxy.lastSeen > 2 * PIECE) for (const row of rows.values()) if (row.proxy === proxy) row.seen.isWhole = false;
    Object.assign(proxy, { events, lastSeen: Date.now(), trouble: "", note: services.note });
    if (proxy === here) offer(services.peers || []);
    return take(proxy, services);
  } catch (error) {
    proxy.fail(error);
    if (error instanceof Unauthorized) for (const row of [...rows.values()]) if (row.proxy === proxy) drop(row);
    return error instanceof Unauthorized;
  }
}

async function look() {
  const isFirst = rows.size === 0;
  const moved = await Promise.all(shownProxies().map(lookAt));
  const isLocked = !here.token && here.trouble === "That is not its token.";
  $("login").hidden = !isLocked;
  $("content").hidden = isLocked || here.lastSeen === 0;
  const troubles = shownProxies().map((proxy) => proxy.trouble).filter(Boolean);
  set($("gone"), isLocked ? "" : troubles.join(" "));
  $("gone").hidden = isLocked || !troubles.length;
  document.body.classList.toggle("old", troubles.length > 0 && Date.now() - here.lastSeen > 2000);
  if (isLocked) { set($("summary"), "Locked."); return; }
  if (!here.lastSeen) return;
  show(moved.some(Boolean), here.note);
  if (isFirst && location.hash) choose();
  showEvents();
  drawOne();
  drawPeers();
  await fill();
}

/** The proxies beside this one that it names. */
function offer(addresses) {
  const bases = addresses.map((address) => `${address}/`);
  if (bases.join() === peers.map((peer) => peer.base).join()) return;
  peers = bases.map((base) => new Source(base));
  $("peers").replaceChildren(...peers.map((peer) => {
    const form = $("peer").content.firstElementChild.cloneNode(true), field = form.querySelector("input");
    field.setAttribute("aria-label", `Admin token of ${peer.label}`);
    set(form.querySelector("b"), peer.label);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (peer.token) { peer.keep(""); for (const row of [...rows.values()]) if (row.proxy === peer) drop(row); }
      else peer.keep(field.value);
      field.value = "";
      look();
    });
    peer.form = form;
    return form;
  }));
}

function drawPeers() {
  $("proxies").hidden = !peers.length;
  for (const { form, token, trouble, lastSeen } of peers) {
    form.querySelector("input").hidden = Boolean(token);
    set(form.querySelector("button"), token ? "Hide" : "Show");
    set(form.querySelector("span"), token ? (trouble ? "does not answer" : lastSeen ? "shown" : "…") : trouble);
  }
}

$("login").addEventListener("submit", (event) => {
  event.preventDefault();
  here.keep($("token").value);
  $("token").value = "";
  look();
});
$("name").addEventListener("input", arrange);
$("state").addEventListener("change", arrange);
$("commands").addEventListener("click", ({ target }) => { if (target.value) steer(rows.get(chosen), target); });
addEventListener("hashchange", choose);
setInterval(() => {
  for (const row of rows.values()) if (row.inSight && row.isWhole) tell(row);
  const one = rows.get(chosen);
  if (one) set($("one").querySelector(".story"), story(one));
}, 250);
(async () => {
  for (;;) {
    const began = Date.now();
    if (!document.hidden && $("login").hidden) await look();
    await new Promise((passed) => setTimeout(passed, Math.max(100, EVERY - (Date.now() - began))));
  }
})();
