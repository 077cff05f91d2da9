// What is known of a breaker's last ten minutes, in pieces of five seconds: what the proxy has kept, and
// what was counted since the page was opened.
const PIECE = 5000, PIECES = 120, SPAN = 10_000;
// The worst comes first, in lists as in a piece.
const RANK = ["OPEN", "FORCED_OPEN", "HALF_OPEN", "METRICS_ONLY", "DISABLED", "CLOSED"];

class Seen {
  pieces = new Map();
  counts = [];
  /** Whether it has what the proxy has kept. */
  isWhole = false;

  /** Takes over what the proxy has kept of the time before the latest piece. */
  fill({ ends_at, pieces }) {
    const latest = Math.max(...this.pieces.keys());
    (pieces || []).forEach((piece, index) => {
      const number = Math.floor(Date.parse(ends_at) / PIECE - (pieces.length - index) + 0.5);
      if (piece && number < latest) this.pieces.set(number, { state: piece.state, good: piece.calls - piece.failures, failed: piece.failures, diverted: piece.diverted });
    });
  }

  /** What was counted since the look before, and in the last ten seconds. */
  add(service, now) {
    const { calls } = service, number = Math.floor(now / PIECE);
    const piece = this.pieces.get(number) || { state: service.state, good: 0, failed: 0, diverted: 0 };
    this.pieces.set(number, piece);
    for (const old of this.pieces.keys()) if (old <= number - PIECES) this.pieces.delete(old);
    if (RANK.indexOf(service.state) < RANK.indexOf(piece.state)) piece.state = service.state;
    if (!calls) return;
    const counts = { now, failed: calls.failure, good: calls.success + calls.ignored + calls.aborted, judged: calls.success + calls.failure,
      slow: service.slow_calls, diverted: service.not_permitted };
    const last = this.counts.at(-1);
    // The proxy was started anew.
    if (last && counts.good + counts.failed < last.good + last.failed) this.counts = [];
    else if (last) for (const kind of KINDS) piece[kind] += counts[kind] - last[kind];
    this.counts.push(counts);
    while (this.counts.length > 2 && now - this.counts[1].now > SPAN) this.counts.shift();
  }

  /** How many of a kind by the second, lately; null before there is anything to compare. */
  rate(kind) {
    const first = this.counts[0], last = this.counts.at(-1);
    return first === last ? null : ((last[kind] - first[kind]) * 1000) / (last.now - first.now);
  }

  /** The percentage of the calls that ended lately; null if there was none. */
  share(kind) {
    const first = this.counts[0], last = this.counts.at(-1), ended = first === last ? 0 : last.judged - first.judged;
    return ended > 0 ? ((last[kind] - first[kind]) * 100) / ended : null;
  }
}
const KINDS = ["good", "failed", "diverted"];
