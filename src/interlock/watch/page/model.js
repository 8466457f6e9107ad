"use strict";

// What can be known about a recording without a page: its spans, where they lie, what is visible of them, what to say
// about them. Nothing here touches the DOM, so node's test runner runs all of it. Times are nanoseconds since the
// recording began.
//
// A span is a hold or a wait; its number counts the holds first and then the waits, so one set of typed arrays carries
// both. A lane is one party; its spans lie in rows, because nested locks overlap.

const model = (() => {
  const GRANTED = 0;
  const TIMED_OUT = 1;
  const CANCELLED = 2;
  const STILL_WAITING = 3;

  // More locks than this held at once by one party are drawn over each other in the last row: a semaphore that one
  // party takes and another releases would otherwise pile up rows without end.
  const MOST_ROWS = 8;

  // A span narrower than this, in pixels, is drawn as part of a column.
  const WIDE = 3;
  const COLUMN = 2;

  const LAYERS = ["holds", "waits", "arrows", "marks"];

  // --- the recording ------------------------------------------------------------------------------------------------

  function load(document) {
    const { holds, waits } = document;
    const count = holds.length + waits.length;
    const spans = {
      count,
      holds: holds.length,
      primitive: new Int32Array(count),
      party: new Int32Array(count),
      start: new Float64Array(count),
      end: new Float64Array(count),
      place: new Int32Array(count),
      open: new Uint8Array(count),
      row: new Uint8Array(count),
      object: new Int32Array(count), // of very many that share a name and are one primitive here
    };
    const waiting = {
      outcome: new Uint8Array(waits.length),
      waker: new Int32Array(waits.length),
      wakeTime: new Float64Array(waits.length),
      holder: new Int32Array(waits.length),
      holderPlace: new Int32Array(waits.length),
      held: new Float64Array(waits.length), // how much of the wait the holder held it
      others: new Int32Array(waits.length), // how many other parties did
    };
    const take = (span, entry) => {
      spans.primitive[span] = entry[0];
      spans.party[span] = entry[1];
      spans.start[span] = entry[2];
      spans.end[span] = Math.max(entry[2], entry[3]);
      spans.place[span] = entry[4];
    };
    holds.forEach((entry, i) => {
      take(i, entry);
      spans.open[i] = entry[5];
    });
    waits.forEach((entry, i) => {
      take(holds.length + i, entry);
      spans.open[holds.length + i] = entry[5] === STILL_WAITING ? 1 : 0;
      [, , , , , waiting.outcome[i], waiting.waker[i], waiting.wakeTime[i], waiting.holder[i], waiting.holderPlace[i]] =
        entry;
    });
    const { objects, holders } = document;
    for (let i = 0; i < count; i++) {
      const given = i < holds.length ? objects?.holds[i] : objects?.waits[i - holds.length];
      spans.object[i] = given ?? spans.primitive[i];
    }
    holders?.forEach(([held, others], i) => {
      waiting.held[i] = held;
      waiting.others[i] = others;
    });
    const recording = {
      title: document.title,
      duration: duration(document),
      dropped: document.dropped,
      parties: document.parties,
      primitives: document.primitives,
      places: document.places,
      marks: document.marks,
      findings: document.findings,
      links: document.links ?? [],
      families: document.families ?? document.primitives.map(({ kind }) => kind),
      verbs: new Map(document.verbs ?? []),
      spans,
      waiting,
      summary: completeSummary(document),
      rowsOfHolds: new Map(),
      rowsOfWaits: new Map(),
      objectsOfHolds: null,
    };
    recording.ranks = ranks(recording);
    recording.lanes = lanes(recording);
    return recording;
  }

  // What reaches past the stated duration must be reachable on the page too; and no division by nothing.
  function duration(document) {
    let longest = Math.max(document.duration, 1);
    for (const hold of document.holds) longest = Math.max(longest, hold[3]);
    for (const wait of document.waits) longest = Math.max(longest, wait[3]);
    for (const mark of document.marks) longest = Math.max(longest, mark[0]);
    return longest;
  }

  function completeSummary(document) {
    const summary = [...document.summary];
    const listed = new Set(summary.map((entry) => entry.primitive));
    for (let primitive = 0; primitive < document.primitives.length; primitive++) {
      if (listed.has(primitive)) continue;
      summary.push({
        primitive, acquired: 0, contended: 0, wait_total: 0, wait_longest: 0, wait_p99: 0, hold_total: 0, hold_longest: 0,
        parties: 0, worst_wait: -1,
      }); // prettier-ignore
    }
    return summary;
  }

  // The colours that are easiest to tell apart go to the primitives that made the program wait most.
  function ranks(recording) {
    const order = [...recording.summary].sort((a, b) => b.wait_total - a.wait_total || b.hold_total - a.hold_total);
    const found = new Int32Array(recording.primitives.length);
    order.forEach((entry, rank) => (found[entry.primitive] = rank));
    return found;
  }

  function isWait(recording, span) {
    return span >= recording.spans.holds;
  }

  function length(recording, span) {
    return recording.spans.end[span] - recording.spans.start[span];
  }

  function lanes(recording) {
    const { spans, parties, marks } = recording;
    const counts = new Int32Array(parties.length);
    for (let span = 0; span < spans.count; span++) counts[spans.party[span]]++;
    const found = parties.map((party, index) => ({
      party: index,
      order: new Int32Array(counts[index]),
      marks: [],
      rows: 1,
      crowded: false,
      waited: 0,
    }));
    counts.fill(0);
    for (let span = 0; span < spans.count; span++) {
      const lane = found[spans.party[span]];
      lane.order[counts[lane.party]++] = span;
      if (isWait(recording, span)) lane.waited += length(recording, span);
    }
    marks.forEach((mark, index) => found[mark[1]].marks.push(index));
    for (const lane of found) {
      sortByStart(recording, lane.order);
      lane.marks.sort((a, b) => marks[a][0] - marks[b][0]);
      stack(recording, lane);
    }
    return found;
  }

  // Of spans that begin together, those that take no time come first (they are over when the others begin), then a wait
  // before a hold, then the outer before the inner.
  function sortByStart({ spans }, order) {
    const { start, end, holds } = spans;
    const lasts = (span) => end[span] > start[span];
    const before = (a, b) =>
      start[a] - start[b] || lasts(a) - lasts(b) || (b >= holds) - (a >= holds) || end[b] - end[a] || a - b;
    for (let i = 1; i < order.length; i++) {
      if (before(order[i - 1], order[i]) > 0) return order.sort(before);
    }
    return order;
  }

  // Each span goes to the lowest row that is free when it begins. A hold may be stamped a little earlier than the end of
  // the wait that led to it (the lock was handed over before the waiter ran): it follows that wait in its row.
  function stack({ spans }, lane) {
    const ends = [];
    const last = [];
    for (const span of lane.order) {
      let row = last.findIndex(
        (wait) => span < spans.holds && wait >= spans.holds && spans.primitive[wait] === spans.primitive[span] &&
          spans.end[wait] > spans.start[span] && spans.end[wait] <= spans.end[span],
      ); // prettier-ignore
      if (row < 0) row = ends.findIndex((end) => end <= spans.start[span]);
      if (row < 0) row = ends.length;
      if (row >= MOST_ROWS) {
        row = MOST_ROWS - 1;
        lane.crowded = true;
      }
      ends[row] = Math.max(ends[row] ?? 0, spans.end[span]);
      last[row] = span;
      spans.row[span] = row;
    }
    lane.rows = Math.max(1, ends.length);
  }

  // --- rows: what is visible, found by binary search ------------------------------------------------------------------

  // Spans in the order of their starts, with what is needed to draw any stretch of them in time that depends on the
  // pixels and not on the spans: running sums of the time held and waited, and a pyramid of the longest.
  class Row {
    constructor(recording, order) {
      const { spans } = recording;
      const n = order.length;
      this.order = order;
      this.start = new Float64Array(n);
      this.reach = new Float64Array(n); // the latest end so far: sorted, even where spans overlap
      this.held = new Float64Array(n + 1);
      this.waited = new Float64Array(n + 1);
      this.kinds = new Uint8Array(n); // 1: a wait
      let reach = -Infinity;
      for (let i = 0; i < n; i++) {
        const span = order[i];
        const took = spans.end[span] - spans.start[span];
        const wait = span >= spans.holds;
        this.start[i] = spans.start[span];
        this.reach[i] = reach = Math.max(reach, spans.end[span]);
        this.held[i + 1] = this.held[i] + (wait ? 0 : took);
        this.waited[i + 1] = this.waited[i] + (wait ? took : 0);
        this.kinds[i] = wait ? 1 : 0;
      }
    }

    // Made when first asked for: of thousands of lanes, few are ever looked at.
    get holds() {
      return (this.pyramidOfHolds ??= this.pyramid(0));
    }

    get waits() {
      return (this.pyramidOfWaits ??= this.pyramid(1));
    }

    pyramid(kind) {
      const took = (i) => this.held[i + 1] - this.held[i] + this.waited[i + 1] - this.waited[i];
      return new Pyramid(Float64Array.from(this.kinds, (its, i) => (its === kind ? took(i) : -1)));
    }

    // The first that ends after the time (one that ends at it, if it takes no time at all, is not lost: see shapes).
    firstReaching(time) {
      return lowerBound(this.reach, time, 0);
    }

    // The first that starts at the time or later; from is where to begin to look.
    firstFrom(time, from = 0) {
      return lowerBound(this.start, time, from);
    }
  }

  function lowerBound(values, value, from) {
    // Galloping first: the next column is usually near.
    let step = 1;
    let low = from;
    let high = from;
    while (high < values.length && values[high] < value) {
      low = high + 1;
      high += step;
      step *= 2;
    }
    high = Math.min(high, values.length);
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (values[middle] < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  // Where the greatest of any stretch of values stands, in logarithmic time: each level keeps the greater of every two of
  // the level below. Values below zero do not count.
  class Pyramid {
    constructor(values) {
      this.values = values;
      this.levels = [];
      let below = Int32Array.from(values, (value, i) => (value < 0 ? -1 : i));
      while (below.length > 1) {
        const level = new Int32Array((below.length + 1) >>> 1);
        for (let i = 0; i < level.length; i++) {
          level[i] = this.greater(below[2 * i], 2 * i + 1 < below.length ? below[2 * i + 1] : -1);
        }
        this.levels.push(level);
        below = level;
      }
    }

    greater(a, b) {
      if (a < 0) return b;
      if (b < 0) return a;
      return this.values[b] > this.values[a] ? b : a;
    }

    greatest(from, to) {
      let best = -1;
      let low = from;
      let high = to;
      for (let level = -1; low < high; level++) {
        const at = (i) => (level < 0 ? (this.values[i] < 0 ? -1 : i) : this.levels[level][i]);
        if (low & 1) best = this.greater(best, at(low++));
        if (high & 1) best = this.greater(best, at(--high));
        low >>= 1;
        high >>= 1;
      }
      return best;
    }
  }

  // The rows of a lane with only what a filter lets through; the row of a span does not change with the filter.
  function rowsOf(recording, lane, filter) {
    const { spans } = recording;
    const included = Array.from({ length: lane.rows }, () => []);
    for (const span of lane.order) {
      if (passes(recording, span, filter)) included[spans.row[span]].push(span);
    }
    return included.map((order) => new Row(recording, Int32Array.from(order)));
  }

  function passes(recording, span, filter) {
    return filter.primitives[recording.spans.primitive[span]] === 1 &&
      (isWait(recording, span) ? filter.waits : filter.holds); // prettier-ignore
  }

  function everything(recording) {
    return {
      primitives: new Uint8Array(recording.primitives.length).fill(1),
      holds: true,
      waits: true,
      arrows: true,
      marks: true,
    };
  }

  function lanePasses(recording, lane, filter) {
    return (
      lane.order.some((span) => passes(recording, span, filter)) ||
      (filter.marks && lane.marks.some((mark) => filter.primitives[recording.marks[mark][2]] === 1))
    );
  }

  // Whether what was typed into the filter of lanes is in a lane's name or in that of its group.
  function laneNamed(recording, lane, text) {
    const wanted = text.trim().toLowerCase();
    const { name, group } = recording.parties[lane.party];
    return name.toLowerCase().includes(wanted) || (group ?? "").toLowerCase().includes(wanted);
  }

  // What a lane needs to show a window: for each of its rows which one it is of those that have anything there, or -1;
  // how many these are; and whether there are marks.
  function need(rows, marks, scale) {
    const slots = new Int8Array(rows.length).fill(-1);
    let count = 0;
    rows.forEach((row, i) => {
      const first = row.firstReaching(scale.from);
      if (first < row.order.length && row.start[first] <= scale.to) slots[i] = count++;
    });
    const mark = lowerBound(marks.time, scale.from, 0);
    return { slots, rows: count, marks: mark < marks.order.length && marks.time[mark] <= scale.to };
  }

  // --- what to draw ---------------------------------------------------------------------------------------------------

  // scale: {from, to, left, width}: times from..to lie on the pixels left..left+width.
  function toX(scale, time) {
    return scale.left + ((time - scale.from) / (scale.to - scale.from)) * scale.width;
  }

  function toTime(scale, x) {
    return scale.from + ((x - scale.left) / scale.width) * (scale.to - scale.from);
  }

  // Calls single(span, x0, x1) for what is wide enough to be seen by itself or stands alone, and column(x, waited, held,
  // hold) for a column of pixels that holds more than it can show: the shares of its time that were waited and held, and
  // the longest hold in it (or -1). At most one call per COLUMN pixels and one more for each wide span.
  function shapes(recording, row, scale, single, column) {
    const { spans } = recording;
    const { order, start } = row;
    const perPixel = (scale.to - scale.from) / scale.width;
    const x = (time) => scale.left + (time - scale.from) / perPixel;
    let busyUntil = -Infinity;
    let i = row.firstReaching(scale.from);
    while (i < order.length && start[i] <= scale.to) {
      const span = order[i];
      const x0 = x(start[i]);
      const x1 = x(spans.end[span]);
      if (x1 - x0 >= WIDE) {
        if (x1 >= scale.left) single(span, x0, x1);
        busyUntil = Math.max(busyUntil, x1);
        i++;
        continue;
      }
      const left = Math.floor((x0 - scale.left) / COLUMN) * COLUMN + scale.left;
      const until = scale.from + (left + COLUMN - scale.left) * perPixel;
      let next = Math.max(i + 1, row.firstFrom(until, i));
      // The last one may begin in this column and be wide: it is drawn by itself.
      if (next > i + 1 && x(spans.end[order[next - 1]]) - x(start[next - 1]) >= WIDE) next--;
      const alone = next === i + 1 && x0 - busyUntil > 2 * WIDE && (next >= order.length || x(start[next]) - x1 > 2 * WIDE);
      if (alone) {
        if (x1 >= scale.left) single(span, x0, x1);
      } else {
        const hold = row.holds.greatest(i, next);
        column(
          left,
          Math.min(1, (row.waited[next] - row.waited[i]) / (COLUMN * perPixel)),
          Math.min(1, (row.held[next] - row.held[i]) / (COLUMN * perPixel)),
          hold < 0 ? -1 : order[hold],
          next - i,
        );
      }
      busyUntil = Math.max(busyUntil, x(row.reach[next - 1]));
      i = next;
    }
  }

  // The span at a pixel of a row, or the longest of those that share its column; null where there is none. The nearest
  // within reach counts, since a span can be thinner than a finger is steady.
  function spanAt(recording, row, scale, x, slack = 3) {
    const from = toTime(scale, x - slack);
    const to = toTime(scale, x + slack);
    const i = row.firstReaching(from);
    const next = Math.max(i, row.firstFrom(to, i));
    if (next <= i) return null;
    const at = toTime(scale, x);
    const { spans } = recording;
    for (let k = Math.min(next, i + 50) - 1; k >= i; k--) {
      if (spans.start[row.order[k]] <= at && at <= spans.end[row.order[k]]) {
        if (length(recording, row.order[k]) / (to - from) * 2 * slack >= WIDE) return { span: row.order[k], among: 1 };
      }
    }
    const wait = row.waits.greatest(i, next);
    const hold = row.holds.greatest(i, next);
    const best = wait < 0 || (hold >= 0 && row.holds.values[hold] > row.waits.values[wait]) ? hold : wait;
    return { span: row.order[best], among: next - i };
  }

  // Per column of the whole recording: how many parties waited and held there, on average.
  function overview(recording, columns, filter) {
    const { spans } = recording;
    const waited = new Float64Array(columns);
    const held = new Float64Array(columns);
    const perColumn = recording.duration / columns;
    // A span adds its rise at its start and its fall at its end; summed up, that is the number at each moment.
    const add = (into, from, to) => {
      const first = Math.min(columns - 1, Math.floor(from / perColumn));
      const last = Math.min(columns - 1, Math.floor(to / perColumn));
      if (first === last) {
        into[first] += (to - from) / perColumn;
        return;
      }
      into[first] += first + 1 - from / perColumn;
      for (let column = first + 1; column < last; column++) into[column] += 1;
      into[last] += to / perColumn - last;
    };
    for (let span = 0; span < spans.count; span++) {
      if (passes(recording, span, filter)) {
        add(isWait(recording, span) ? waited : held, spans.start[span], spans.end[span]);
      }
    }
    return { waited, held };
  }

  // Marks stand at least this many pixels apart; of those that would not, the one that matters most is drawn.
  const MARK_SPACE = 9;
  const MARK_WEIGHT = { broken: 5, trip: 4, set: 3, clear: 3, notify: 2, "count down": 1, release: 1, arrive: 0 };

  function markRow(recording, lane, filter) {
    const order = lane.marks.filter((mark) => filter.marks && filter.primitives[recording.marks[mark][2]] === 1);
    return {
      order,
      time: Float64Array.from(order, (mark) => recording.marks[mark][0]),
      weight: new Pyramid(Float64Array.from(order, (mark) => MARK_WEIGHT[recording.marks[mark][3]] ?? 0)),
    };
  }

  function markShapes(row, scale, draw) {
    let i = lowerBound(row.time, toTime(scale, scale.left - MARK_SPACE), 0);
    while (i < row.order.length && row.time[i] <= scale.to) {
      const cell = Math.floor((toX(scale, row.time[i]) - scale.left) / MARK_SPACE);
      const next = Math.max(i + 1, lowerBound(row.time, toTime(scale, scale.left + (cell + 1) * MARK_SPACE), i));
      const best = row.weight.greatest(i, next);
      draw(row.order[best], toX(scale, row.time[best]), next - i);
      i = next;
    }
  }

  // --- moving about -----------------------------------------------------------------------------------------------------

  const SHORTEST = 20; // nanoseconds: what a window can show at least

  // A window of the recording's time that is not too short and lies inside the recording.
  function clampRange(recording, from, to) {
    const length = Math.min(recording.duration, Math.max(SHORTEST, to - from));
    const start = Math.min(Math.max(0, from), recording.duration - length);
    return { from: start, to: start + length };
  }

  function zoomed(recording, range, factor, around) {
    const length = Math.min(recording.duration, Math.max(SHORTEST, (range.to - range.from) * factor));
    const share = (around - range.from) / (range.to - range.from);
    return clampRange(recording, around - share * length, around + (1 - share) * length);
  }

  // A window that shows the span with some of what came before and after.
  function rangeAround(recording, span, share = 0.5) {
    const { start, end } = recording.spans;
    const middle = (start[span] + end[span]) / 2;
    const length = Math.max(end[span] - start[span], 200) / share;
    return clampRange(recording, middle - length / 2, middle + length / 2);
  }

  // The next (step 1) or previous (-1) span in the lane of one, as the filter lets through; or -1.
  function neighbour(recording, span, step, filter) {
    const { order } = recording.lanes[recording.spans.party[span]];
    for (let i = order.indexOf(span) + step; i >= 0 && i < order.length; i += step) {
      if (passes(recording, order[i], filter)) return order[i];
    }
    return -1;
  }

  // The span of a lane that is nearest to a time; waits win over the holds they happen in.
  function nearest(recording, lane, time, filter) {
    let best = -1;
    let distance = Infinity;
    for (const span of lane.order) {
      if (!passes(recording, span, filter)) continue;
      const off = Math.max(0, recording.spans.start[span] - time, time - recording.spans.end[span]);
      if (off < distance || (off === distance && isWait(recording, span))) [best, distance] = [span, off];
      if (recording.spans.start[span] - time > distance) break;
    }
    return best;
  }

  // The waits that a filter lets through, longest first.
  function worstWaits(recording, filter) {
    const found = [];
    for (let span = recording.spans.holds; span < recording.spans.count; span++) {
      if (passes(recording, span, filter)) found.push(span);
    }
    return found.sort((a, b) => length(recording, b) - length(recording, a) || a - b);
  }

  // --- why --------------------------------------------------------------------------------------------------------------

  function cached(cache, key, make) {
    if (!cache.has(key)) cache.set(key, make());
    return cache.get(key);
  }

  // The holds of one object, however many of its name there are.
  function holdsOf(recording, object) {
    const { spans } = recording;
    if (!recording.objectsOfHolds) {
      recording.objectsOfHolds = new Map();
      for (let span = 0; span < spans.holds; span++) {
        cached(recording.objectsOfHolds, spans.object[span], () => []).push(span);
      }
    }
    return cached(recording.rowsOfHolds, object, () => {
      const found = recording.objectsOfHolds.get(object) ?? [];
      return new Row(recording, sortByStart(recording, Int32Array.from(found)));
    });
  }

  function waitsOfParty(recording, party) {
    return cached(recording.rowsOfWaits, party, () => {
      const waits = recording.lanes[party].order.filter((span) => isWait(recording, span));
      return new Row(recording, waits);
    });
  }

  function overlap({ spans }, span, from, to) {
    return Math.max(0, Math.min(spans.end[span], to) - Math.max(spans.start[span], from));
  }

  // The hold that a wait waited for: of its holder's, the one that overlaps it most.
  function holdBehind(recording, wait) {
    const { spans, waiting } = recording;
    const holder = waiting.holder[wait - spans.holds];
    if (holder < 0) return -1;
    const row = holdsOf(recording, spans.object[wait]);
    let best = -1;
    let most = -1;
    for (let i = row.firstReaching(spans.start[wait]); i < row.order.length && row.start[i] <= spans.end[wait]; i++) {
      const hold = row.order[i];
      if (spans.party[hold] !== holder) continue;
      const shared = overlap(recording, hold, spans.start[wait], spans.end[wait]);
      if (shared > most) [best, most] = [hold, shared];
    }
    return best;
  }

  // The waits that a hold made longer: those of others for its object, while it lasted; longest first.
  function waitsBehind(recording, hold) {
    const { spans } = recording;
    const found = [];
    for (let span = spans.holds; span < spans.count; span++) {
      if (spans.object[span] !== spans.object[hold] || spans.party[span] === spans.party[hold]) continue;
      const shared = overlap(recording, span, spans.start[hold], spans.end[hold]);
      if (shared > 0) found.push({ span, shared });
    }
    return found.sort((a, b) => b.shared - a.shared);
  }

  // Why a wait took so long: who held what it waited for, what that party itself waited for while it held it, and so on.
  // Each link is {wait, hold, shared}: the wait, the hold behind it (or -1), and how much of the link before fell into
  // the wait. What a party waited for when it did not hold explains nothing, so each link narrows the window to what its
  // wait and its hold have in common.
  //
  // cycle is null, or {first, from, to}: the links from first on are a ring, and at every moment between from and to all
  // their waits and holds were under way. Only of locks, which one party holds at a time: a permit may come from others.
  function chain(recording, wait) {
    const { spans, waiting } = recording;
    if (waiting.outcome[wait - spans.holds] !== GRANTED) {
      const found = cycleAt(recording, wait, spans.end[wait]);
      if (found) return found;
    }
    const links = [];
    let from = spans.start[wait];
    let to = spans.end[wait];
    let shared = to - from;
    for (let next = wait; ; ) {
      const hold = holdBehind(recording, next);
      links.push({ wait: next, hold, shared });
      if (hold < 0) return { links, cycle: null };
      from = Math.max(from, spans.start[hold]);
      to = Math.min(to, spans.end[hold]);
      const row = waitsOfParty(recording, spans.party[hold]);
      next = -1;
      shared = 0;
      for (let i = row.firstReaching(from); i < row.order.length && row.start[i] < to; i++) {
        const its = overlap(recording, row.order[i], from, to);
        if (its > shared) [next, shared] = [row.order[i], its];
      }
      // A sliver of waiting explains nothing.
      if (next < 0 || shared < 0.05 * (to - from)) return { links, cycle: null };
      from = Math.max(from, spans.start[next]);
      to = Math.min(to, spans.end[next]);
      const first = links.findIndex((link) => link.wait === next);
      if (first >= 0) return { links, cycle: onlyLocks(recording, links, first) ? { first, from, to } : null };
      if (links.some((link) => spans.party[link.wait] === spans.party[next])) return { links, cycle: null };
    }
  }

  // The cycle that a wait was in, or waited for, just before a moment; null where there was none.
  function cycleAt(recording, wait, time) {
    const { spans } = recording;
    const under = (row, party) => {
      for (let i = row.firstReaching(time); i < row.order.length && row.start[i] < time; i++) {
        if (spans.end[row.order[i]] >= time && (party < 0 || spans.party[row.order[i]] !== party)) return row.order[i];
      }
      return -1;
    };
    const links = [];
    for (let next = wait; ; ) {
      const hold = under(holdsOf(recording, spans.object[next]), spans.party[next]);
      if (hold < 0) return null;
      const before = links.at(-1)?.wait ?? next;
      links.push({ wait: next, hold, shared: overlap(recording, next, spans.start[before], spans.end[before]) });
      next = under(waitsOfParty(recording, spans.party[hold]), -1);
      if (next < 0) return null;
      const first = links.findIndex((link) => link.wait === next);
      if (first < 0) continue;
      if (!onlyLocks(recording, links, first)) return null;
      const ring = links.slice(first);
      const from = Math.max(...ring.map((link) => Math.max(spans.start[link.wait], spans.start[link.hold])));
      const to = Math.min(...ring.map((link) => Math.min(spans.end[link.wait], spans.end[link.hold])));
      return { links, cycle: { first, from, to } };
    }
  }

  function onlyLocks(recording, links, first) {
    return links.slice(first).every(({ wait }) => {
      return ["Lock", "RLock"].includes(recording.families[recording.spans.primitive[wait]]);
    });
  }

  // --- sums -------------------------------------------------------------------------------------------------------------

  // What lies in a stretch of time, of what a filter lets through: how much was waited and held there, and by whom.
  function sums(recording, from, to, filter) {
    const { spans } = recording;
    const fresh = () => ({ waits: 0, waited: 0, holds: 0, held: 0 });
    const total = fresh();
    const primitives = new Map();
    const parties = new Map();
    for (let span = 0; span < spans.count; span++) {
      if (spans.end[span] < from || spans.start[span] > to || !passes(recording, span, filter)) continue;
      const its = overlap(recording, span, from, to);
      const into = [
        total,
        cached(primitives, spans.primitive[span], fresh),
        cached(parties, spans.party[span], fresh),
      ];
      for (const sum of into) {
        if (isWait(recording, span)) {
          sum.waits++;
          sum.waited += its;
        } else {
          sum.holds++;
          sum.held += its;
        }
      }
    }
    const sorted = (map) =>
      [...map].map(([index, sum]) => ({ index, ...sum })).sort((a, b) => b.waited - a.waited || b.held - a.held);
    return { ...total, primitives: sorted(primitives), parties: sorted(parties) };
  }

  // --- words ------------------------------------------------------------------------------------------------------------

  const UNITS = [["s", 1e9], ["ms", 1e6], ["µs", 1e3]]; // prettier-ignore

  // Three digits, as words.py puts them: 453 ms, 50.4 ms, 1.20 ms. Halves are rounded up in both.
  function formatTime(ns) {
    if (ns < 0) return `-${formatTime(-ns)}`;
    const [unit, size] = UNITS.find((entry) => ns >= entry[1] * 0.9995) ?? UNITS[2];
    const digits = ns / size < 9.995 ? 2 : ns / size < 99.95 ? 1 : 0;
    const scaled = Math.floor((Math.round(ns) * 10 ** digits * 2 + size) / (2 * size));
    const whole = Math.floor(scaled / 10 ** digits);
    const part = digits ? `.${String(scaled % 10 ** digits).padStart(digits, "0")}` : "";
    return `${formatCount(whole)}${part} ${unit}`;
  }

  // A moment, as exact as the window around it needs.
  function formatMoment(ns, step) {
    const [unit, size] = UNITS.find((entry) => Math.max(ns, step) >= entry[1]) ?? ["ns", 1];
    const digits = Math.min(9, Math.max(0, Math.ceil(Math.log10(size / step) - 1e-9)));
    return `${(ns / size).toFixed(digits)} ${unit}`;
  }

  function formatCount(number) {
    return String(number).replace(/\B(?=(\d{3})+$)/g, ",");
  }

  // Of what is a little less than the whole, never the whole: as words.py does.
  function formatShare(share) {
    const parts = Math.round(share * 10000);
    if (parts <= 0) return share > 0 ? "<1%" : "0%";
    return parts < 100 ? "<1%" : `${Math.floor(parts / 100)}%`;
  }

  function plural(count, noun) {
    return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
  }

  // Round steps (1, 2 or 5 times a power of ten) about 110 pixels apart.
  function ticks(scale) {
    const rough = ((scale.to - scale.from) / Math.max(1, scale.width)) * 110;
    const power = 10 ** Math.floor(Math.log10(Math.max(rough, 1)));
    const step = power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
    const found = [];
    for (let time = Math.ceil(scale.from / step) * step; time <= scale.to; time += step) found.push(time);
    return { step, times: found };
  }

  function shortened(text, fits) {
    if (fits(text)) return text;
    let low = 0;
    let high = text.length;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (fits(`${text.slice(0, middle)}…`)) low = middle;
      else high = middle - 1;
    }
    return low < 2 ? "" : `${text.slice(0, low)}…`;
  }

  const OUTCOMES = ["granted", "timed out", "cancelled", "still waiting when the recording ended"];

  const SAYS_ALL = new Set(["Future", "Task"]); // whose name is a sentence by itself
  const QUEUES = new Set(["Queue", "LifoQueue", "PriorityQueue", "SimpleQueue"]);

  function primitiveName(recording, primitive) {
    const { kind, name } = recording.primitives[primitive];
    return SAYS_ALL.has(kind) ? name : `${kind} ${name}`;
  }

  // What a wait is for: "get from Queue jobs".
  function waitName(recording, span) {
    const primitive = recording.spans.primitive[span];
    const verb = QUEUES.has(recording.families[primitive]) ? recording.verbs.get(recording.spans.place[span]) : undefined;
    const name = primitiveName(recording, primitive);
    return verb ? `${verb} ${name}` : name;
  }

  // As it stands in a sentence: "for Lock orders", "to get from Queue jobs", "to await Task-7".
  function waitedFor(recording, span) {
    const name = waitName(recording, span);
    const verbal = name !== primitiveName(recording, recording.spans.primitive[span]) || name.startsWith("await ");
    return `${verbal ? "to" : "for"} ${name}`;
  }

  function partyName(recording, party) {
    return party < 0 ? "unknown" : recording.parties[party].name;
  }

  function placeName(recording, place) {
    return place < 0 ? "unknown" : recording.places[place];
  }

  function sentence(recording, span) {
    const { spans, waiting } = recording;
    const who = partyName(recording, spans.party[span]);
    const what = primitiveName(recording, spans.primitive[span]);
    const time = formatTime(length(recording, span));
    if (!isWait(recording, span)) {
      return spans.open[span] ? `${who} has held ${what} for ${time}` : `${who} held ${what} for ${time}`;
    }
    const aim = waitedFor(recording, span);
    switch (waiting.outcome[span - spans.holds]) {
      case TIMED_OUT: return `${who} waited ${time} ${aim} in vain: timed out`; // prettier-ignore
      case CANCELLED: return `${who} waited ${time} ${aim} in vain: cancelled`; // prettier-ignore
      case STILL_WAITING: return `${who} has waited ${time} ${aim} and still waits`; // prettier-ignore
      default: return `${who} waited ${time} ${aim}`; // prettier-ignore
    }
  }

  // Who held something during a wait: ann, where ann alone did all the time, or "ann, 62% of it, and 5 others".
  function heldBy(recording, wait) {
    const { spans, waiting } = recording;
    const at = wait - spans.holds;
    const part = formatShare(waiting.held[at] / Math.max(1, length(recording, wait)));
    const others = waiting.others[at];
    if (!others) return part === "100%" || waiting.held[at] === 0 ? "" : `, ${part} of it`;
    return `, ${part} of it, and ${plural(others, "other")}`;
  }

  // What there is to say about a span. Each fact is {label, text, parts}; a part is {text} or {text, to} where to is what
  // it leads to: {span}, {party}, {primitive} or {place}.
  function describe(recording, span) {
    const { spans, waiting } = recording;
    const facts = [];
    const say = (label, ...parts) => {
      facts.push({ label, text: parts.map(({ text }) => text).join(""), parts });
    };
    const party = (index, to = { party: index }) => ({ text: partyName(recording, index), to: index < 0 ? null : to });
    const place = (index) => ({ text: placeName(recording, index), to: index < 0 ? null : { place: index } });
    const window = Math.max(1, length(recording, span));
    const moment = (time) => ({ text: formatMoment(time, Math.max(1, window / 100)) });
    const primitive = spans.primitive[span];
    say("Who", party(spans.party[span]));
    say("What", { text: isWait(recording, span) ? waitName(recording, span) : primitiveName(recording, primitive), to: { primitive } });
    if (isWait(recording, span)) {
      const wait = span - spans.holds;
      say("Waited at", place(spans.place[span]));
      if (waiting.holder[wait] >= 0) {
        const hold = holdBehind(recording, span);
        const holder = party(waiting.holder[wait], hold >= 0 ? { span: hold } : undefined);
        say("Held by", holder, { text: heldBy(recording, span) });
        say("Held at", place(waiting.holderPlace[wait]));
      }
      if (waiting.waker[wait] >= 0) {
        const { waker, wakeTime } = waiting;
        const late = wakeTime[wait] >= 0 && wakeTime[wait] < spans.end[span] ? `, running ${formatTime(spans.end[span] - wakeTime[wait])} later` : "";
        say("Woken by", party(waker[wait]), { text: late });
      }
      say("Outcome", { text: OUTCOMES[waiting.outcome[wait]] });
    } else {
      say("Taken at", place(spans.place[span]));
      if (spans.open[span]) say("Released", { text: "not before the recording ended" });
    }
    say("From", moment(spans.start[span]));
    say("To", moment(spans.end[span]));
    return { title: sentence(recording, span), facts };
  }

  function describeMark(recording, mark) {
    const [time, party, primitive, kind, place] = recording.marks[mark];
    const verb = {
      set: "set", clear: "cleared", arrive: "arrived at", trip: "tripped", broken: "broke", notify: "notified",
      "count down": "counted down", release: "released",
    }[kind] ?? kind; // prettier-ignore
    const fact = (label, text, to = null) => ({ label, text, parts: [{ text, to }] });
    return {
      title: `${partyName(recording, party)} ${verb} ${primitiveName(recording, primitive)}`,
      facts: [
        fact("Who", partyName(recording, party), { party }),
        fact("What", primitiveName(recording, primitive), { primitive }),
        fact("At", placeName(recording, place), place < 0 ? null : { place }),
        fact("When", formatMoment(time, 1000)),
      ],
    };
  }

  function describeLane(recording, party) {
    const { kind, group } = recording.parties[party];
    const lane = recording.lanes[party];
    const waits = lane.order.filter((span) => isWait(recording, span));
    let held = 0;
    for (const span of lane.order) if (!isWait(recording, span)) held += length(recording, span);
    const fact = (label, text) => ({ label, text, parts: [{ text }] });
    const share = formatShare(Math.min(1, lane.waited / recording.duration));
    const facts = [
      fact("Is", group ? `a ${kind} of ${group}` : `a ${kind}`),
      fact("Waited", waits.length ? `${formatTime(lane.waited)}, ${share} of the time, in ${plural(waits.length, "wait")}` : "never"),
      fact("Held", `${formatTime(held)} in ${plural(lane.order.length - waits.length, "hold")}`),
    ];
    return { title: partyName(recording, party), facts };
  }

  // --- the state of the view in the URL's fragment ------------------------------------------------------------------------

  const SPAN_KINDS = { h: "hold", w: "wait", m: "mark", l: "lane" };

  // state: {from, to, selected: {kind, index}, range: {from, to}, hidden (primitives), off (layers), lanes, sorting,
  // inView, folded}; what is as it is at first is left out. Times are whole nanoseconds.
  function encodeState(recording, state) {
    const parts = new URLSearchParams();
    const stretch = ({ from, to }) => `${Math.round(from)}-${Math.round(to)}`;
    if (state.from > 0 || state.to < recording.duration) parts.set("at", stretch(state));
    if (state.selected) parts.set("on", state.selected.kind[0] + state.selected.index);
    if (state.range) parts.set("range", stretch(state.range));
    if (state.hidden.length) parts.set("hide", state.hidden.join("."));
    if (state.off.length) parts.set("off", state.off.join("."));
    if (state.lanes) parts.set("lanes", state.lanes);
    if (state.sorting !== "started") parts.set("sort", state.sorting);
    if (state.inView !== state.inViewAtFirst) parts.set("inview", state.inView ? "1" : "0");
    for (const group of state.folded) parts.append("fold", group);
    return parts.toString();
  }

  // What a fragment says; what makes no sense for this recording is as if it were not there.
  function decodeState(recording, fragment) {
    const parts = new URLSearchParams(fragment);
    const { spans } = recording;
    const stretch = (text) => {
      const found = /^(\d{1,18})-(\d{1,18})$/.exec(text ?? "");
      const [from, to] = found ? [Number(found[1]), Math.min(Number(found[2]), recording.duration)] : [0, 0];
      return from < to ? { from, to } : null;
    };
    const window = stretch(parts.get("at")) ?? { from: 0, to: recording.duration };
    const counts = {
      hold: spans.holds, wait: spans.count - spans.holds, mark: recording.marks.length, lane: recording.parties.length,
    }; // prettier-ignore
    const on = /^([hwml])(\d{1,9})$/.exec(parts.get("on") ?? "");
    const kind = on && SPAN_KINDS[on[1]];
    const numbers = (text, below) =>
      (text ?? "").split(".").filter((part) => /^\d{1,9}$/.test(part)).map(Number).filter((number) => number < below);
    const off = (parts.get("off") ?? "").split(".");
    return {
      ...clampRange(recording, window.from, window.to),
      selected: kind && Number(on[2]) < counts[kind] ? { kind, index: Number(on[2]) } : null,
      range: stretch(parts.get("range")),
      hidden: numbers(parts.get("hide"), recording.primitives.length),
      off: LAYERS.filter((layer) => off.includes(layer)),
      lanes: parts.get("lanes") ?? "",
      sorting: parts.get("sort") === "waited" ? "waited" : "started",
      inView: { 0: false, 1: true }[parts.get("inview")] ?? null,
      folded: parts.getAll("fold"),
    };
  }

  // --- search -----------------------------------------------------------------------------------------------------------

  // Parties, primitives and lines whose names contain the words, those that begin with them first.
  function search(recording, text, most = 12) {
    const wanted = text.trim().toLowerCase();
    if (!wanted) return [];
    const found = [];
    const look = (what, index, name, detail) => {
      const at = name.toLowerCase().indexOf(wanted);
      if (at >= 0) found.push({ what, index, name, detail, at });
    };
    recording.parties.forEach(({ name, kind, group }, i) => look("party", i, name, group ? `${kind} · ${group}` : kind));
    recording.primitives.forEach(({ name, kind, place }, i) => look("primitive", i, name, place ? `${kind} · ${place}` : kind));
    recording.places.forEach((name, i) => look("place", i, name, "line"));
    return found.sort((a, b) => (a.at > 0) - (b.at > 0) || a.name.length - b.name.length).slice(0, most);
  }

  // The span that shows a place best: its longest wait, or its longest hold if nobody waited there.
  function longestAt(recording, belongs) {
    let best = -1;
    for (let span = 0; span < recording.spans.count; span++) {
      if (!belongs(span)) continue;
      const better =
        best < 0 || isWait(recording, span) > isWait(recording, best) ||
        (isWait(recording, span) === isWait(recording, best) && length(recording, span) > length(recording, best));
      if (better) best = span;
    }
    return best;
  }

  // --- colours ----------------------------------------------------------------------------------------------------------

  // Okabe and Ito's colours, which people with any of the common kinds of colour blindness tell apart, without the red
  // that means waiting. The seventh primitive begins again with a texture, so that no two of eighteen look alike.
  const PALETTE = ["#0072b2", "#e69f00", "#009e73", "#56b4e9", "#cc79a7", "#f0e442"];
  const TEXTURES = ["plain", "lines", "dots"];

  function look(rank) {
    return {
      colour: PALETTE[rank % PALETTE.length],
      texture: TEXTURES[Math.floor(rank / PALETTE.length) % TEXTURES.length],
    };
  }

  function luminance(colour) {
    const part = (from) => {
      const value = parseInt(colour.slice(from, from + 2), 16) / 255;
      return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    };
    return 0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5);
  }

  function contrast(a, b) {
    const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (light + 0.05) / (dark + 0.05);
  }

  function inkOn(colour) {
    return contrast(colour, "#ffffff") >= contrast(colour, "#10151c") ? "#ffffff" : "#10151c";
  }

  return {
    COLUMN, LAYERS, MARK_SPACE, MOST_ROWS, PALETTE, TEXTURES, WIDE, GRANTED, TIMED_OUT, CANCELLED, STILL_WAITING, Pyramid,
    Row, chain, clampRange, contrast, decodeState, describe, describeLane, describeMark, encodeState, everything,
    formatCount, formatMoment, formatShare, formatTime, heldBy, holdBehind, inkOn, isWait, laneNamed, lanePasses, length,
    load, longestAt, look, lowerBound, markRow, markShapes, nearest, need, neighbour, overview, partyName, passes,
    placeName, plural, primitiveName, rangeAround, rowsOf, search, sentence, shapes, shortened, spanAt, sums, ticks,
    toTime, toX, waitsBehind, worstWaits, zoomed,
  }; // prettier-ignore
})();

if (typeof module === "object") module.exports = model;
