// Ten minutes of a breaker as bars: calls that passed, failed ones and diverted ones on top of each other, and
// below them a band of its states.
const TOP = 32, BAND = 35, FOOT = 40;
const BANDS = { CLOSED: "CLOSED", HALF_OPEN: "HALF_OPEN", OPEN: "OPEN", FORCED_OPEN: "OPEN" };

function drawChart(figure, seen, now) {
  const first = Math.floor(now / PIECE) - PIECES + 1, paths = {};
  const all = ({ good, failed, diverted }) => good + failed + diverted;
  const most = Math.max(1, ...[...seen.pieces.values()].map(all));
  const sums = { good: 0, failed: 0, diverted: 0 };
  for (const [number, piece] of seen.pieces) {
    const x = number - first;
    let foot = TOP;
    for (const kind of KINDS) {
      sums[kind] += piece[kind];
      const height = Math.round((piece[kind] * TOP * 10) / most) / 10;
      if (height > 0) paths[kind] = `${paths[kind] || ""}M${x} ${foot}h.85v${-height}h-.85z`;
      foot -= height;
    }
    const band = BANDS[piece.state] || "other";
    paths[band] = `${paths[band] || ""}M${x} ${BAND}h1.05V${FOOT}h-1.05z`;
  }
  const svg = figure.querySelector("svg");
  for (const path of svg.children) path.setAttribute("d", paths[path.classList.item(path.classList.length - 1)] || "");
  const by = number(most / (PIECE / 1000));
  set(figure.querySelector("span"), `at most ${by}/s`);
  svg.setAttribute("aria-label", `In the last ten minutes: ${KINDS.map((kind) => `${number(sums[kind])} calls ${KIND_WORDS[kind]}`).join(", ")}; at most ${by} a second.`);
}
const KIND_WORDS = { good: "passed", failed: "failed", diverted: "were diverted" };
