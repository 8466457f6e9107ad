"use strict";

// What the timeline page computes, without a page. Run by test_timeline_js.py: node --test.

const assert = require("node:assert/strict");
const { test } = require("node:test");
const path = require("node:path");

const model = require(path.join(__dirname, "../../src/interlock/watch/page/model.js"));

const GRANTED = 0;

function recording({ parties = 2, primitives = 2, places = [], holds = [], waits = [], marks = [], duration = 100 } = {}) {
  return model.load({
    title: "test",
    duration,
    dropped: 0,
    parties: Array.from({ length: parties }, (_, i) => ({ name: `party-${i}`, kind: "thread", group: "" })),
    primitives: Array.from({ length: primitives }, (_, i) => ({ name: `lock-${i}`, kind: "Lock", place: "" })),
    places,
    holds,
    waits,
    marks,
    summary: [],
    findings: [],
  });
}

function wait(primitive, party, start, end, { outcome = GRANTED, waker = -1, wakeTime = -1, holder = -1 } = {}) {
  return [primitive, party, start, end, -1, outcome, waker, wakeTime, holder, -1];
}

function hold(primitive, party, start, end) {
  return [primitive, party, start, end, -1, 0];
}

function rows(made, party = 0, filter = model.everything(made)) {
  return model.rowsOf(made, made.lanes[party], filter);
}

// A row's shapes as plain objects.
function shapes(made, row, scale) {
  const singles = [];
  const columns = [];
  model.shapes(
    made,
    row,
    scale,
    (span, x0, x1) => singles.push({ span, x0, x1 }),
    (x, waited, held, longest, among) => columns.push({ x, waited, held, longest, among }),
  );
  return { singles, columns };
}

// A pseudo-random number generator that is the same everywhere: mulberry32.
function chance(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

test("a lane's spans are sorted by their starts, the outer before the inner", () => {
  const made = recording({ holds: [hold(0, 0, 20, 30), hold(1, 0, 5, 10), hold(0, 0, 5, 40)] });
  assert.deepEqual([...made.lanes[0].order], [2, 1, 0]);
});

test("nested holds lie in rows below each other, later ones go back to the first free row", () => {
  const made = recording({ holds: [hold(0, 0, 0, 50), hold(1, 0, 10, 20), hold(1, 0, 30, 40), hold(1, 0, 60, 70)] });
  assert.deepEqual([...made.spans.row], [0, 1, 1, 0]);
  assert.equal(made.lanes[0].rows, 2);
});

test("a hold follows its wait in the same row, even when it is stamped before the wait ends", () => {
  const made = recording({
    holds: [hold(1, 0, 0, 80), hold(0, 0, 29, 60)],
    waits: [wait(0, 0, 10, 30)],
  });
  const [outer, inner, waited] = made.spans.row;
  assert.equal(outer, 0);
  assert.equal(waited, 1);
  assert.equal(inner, 1);
});

test("more at once than there are rows for share the last one, and the lane says so", () => {
  const made = recording({ holds: Array.from({ length: 30 }, (_, i) => hold(0, 0, i, 100)) });
  assert.equal(made.lanes[0].rows, model.MOST_ROWS);
  assert.ok(made.lanes[0].crowded);
});

test("the pyramid finds what a plain search finds", () => {
  const random = chance(7);
  for (const size of [0, 1, 2, 3, 7, 64, 129]) {
    const values = Float64Array.from({ length: size }, () => (random() < 0.3 ? -1 : Math.floor(random() * 50)));
    const pyramid = new model.Pyramid(values);
    for (let from = 0; from <= size; from++) {
      for (let to = from; to <= size; to++) {
        const stretch = values.slice(from, to);
        const greatest = Math.max(-1, ...stretch);
        const found = pyramid.greatest(from, to);
        if (greatest < 0) assert.equal(found, -1);
        else assert.ok(found >= from && found < to && values[found] === greatest, `${from}..${to} of ${size}`);
      }
    }
  }
});

test("binary search finds the first that is not below", () => {
  const values = Float64Array.of(1, 3, 3, 5, 9);
  for (let value = 0; value < 11; value++) {
    for (let from = 0; from <= values.length; from++) {
      let expected = from;
      while (expected < values.length && values[expected] < value) expected++;
      assert.equal(model.lowerBound(values, value, from), expected);
    }
  }
});

test("a span that began before the window and ends in it is drawn, one outside is not", () => {
  const made = recording({ holds: [hold(0, 0, 0, 10), hold(0, 0, 20, 60), hold(0, 0, 90, 95)] });
  const { singles } = shapes(made, rows(made)[0], { from: 40, to: 80, left: 0, width: 400 });
  assert.deepEqual(singles, [{ span: 1, x0: -200, x1: 200 }]);
});

test("a span that takes no time is drawn", () => {
  const made = recording({ holds: [hold(0, 0, 50, 50)] });
  const { singles } = shapes(made, rows(made)[0], { from: 0, to: 100, left: 0, width: 400 });
  assert.deepEqual(singles, [{ span: 0, x0: 200, x1: 200 }]);
});

test("what is denser than a pixel becomes columns that say how much was waited and held", () => {
  // Each microsecond: 250 ns held, 500 ns waited.
  const holds = [];
  const waits = [];
  for (let i = 0; i < 10000; i++) {
    holds.push(hold(0, 0, i * 1000, i * 1000 + 250));
    waits.push(wait(1, 0, i * 1000 + 250, i * 1000 + 750));
  }
  const made = recording({ holds, waits, duration: 1e7 });
  const { singles, columns } = shapes(made, rows(made)[0], { from: 0, to: 1e7, left: 0, width: 100 });
  assert.equal(singles.length, 0);
  assert.equal(columns.length, 100 / model.COLUMN);
  for (const { waited, held, longest } of columns) {
    assert.ok(Math.abs(waited - 0.5) < 0.01);
    assert.ok(Math.abs(held - 0.25) < 0.01);
    assert.ok(longest < 10000);
  }
});

test("the number of shapes depends on the pixels; every span is in one of them", () => {
  const random = chance(3);
  const holds = [];
  for (let time = 0, i = 0; i < 50000; i++) {
    const start = time + Math.floor(random() * 100);
    time = start + Math.floor(random() ** 8 * 5000);
    holds.push(hold(0, 0, start, time));
  }
  const duration = holds.at(-1)[3];
  const made = recording({ holds, duration });
  for (const part of [1, 0.1, 0.001, 0.00001]) {
    const scale = { from: duration * 0.4, to: duration * (0.4 + 0.6 * part), left: 10, width: 800 };
    const { singles, columns } = shapes(made, rows(made)[0], scale);
    assert.ok(singles.length + columns.length <= 800, `${singles.length} + ${columns.length}`);
    // The last column may reach a little past the window.
    const past = (model.COLUMN * (scale.to - scale.from)) / scale.width;
    const within = (to) => holds.filter(([, , start, end]) => end >= scale.from && start <= to).length;
    const told = singles.length + columns.reduce((sum, { among }) => sum + among, 0);
    assert.ok(told >= within(scale.to) && told <= within(scale.to + past), `${told} of ${within(scale.to)}`);
  }
});

test("a long span that begins in a crowded pixel is not lost in its column", () => {
  const holds = Array.from({ length: 100 }, (_, i) => hold(0, 0, i, i + 1));
  holds.push(hold(0, 0, 100, 90000));
  const made = recording({ holds, duration: 100000 });
  const { singles, columns } = shapes(made, rows(made)[0], { from: 0, to: 100000, left: 0, width: 100 });
  assert.deepEqual(singles.map(({ span }) => span), [100]);
  assert.equal(columns.length, 1);
});

test("a filter leaves out primitives and kinds, and rows stay where they were", () => {
  const made = recording({ holds: [hold(0, 0, 0, 50), hold(1, 0, 10, 20)], waits: [wait(1, 0, 60, 70)] });
  const filter = model.everything(made);
  filter.primitives[0] = 0;
  const [first, second] = rows(made, 0, filter);
  assert.deepEqual([...first.order], [2]);
  assert.deepEqual([...second.order], [1]);
  filter.waits = false;
  assert.deepEqual([...rows(made, 0, filter)[0].order], []);
  assert.ok(model.lanePasses(made, made.lanes[0], filter));
  assert.ok(!model.lanePasses(made, made.lanes[1], filter));
});

test("a pixel leads to its span, within a finger's breadth, or to the longest of many", () => {
  const made = recording({ holds: [hold(0, 0, 10, 20), hold(0, 0, 50, 50)] });
  const row = rows(made)[0];
  const scale = { from: 0, to: 100, left: 0, width: 1000 };
  assert.deepEqual(model.spanAt(made, row, scale, 150), { span: 0, among: 1 });
  assert.equal(model.spanAt(made, row, scale, 502).span, 1);
  assert.equal(model.spanAt(made, row, scale, 300), null);
  const dense = recording({ holds: Array.from({ length: 100 }, (_, i) => hold(0, 0, i, i + (i === 42 ? 1 : 0.5))) });
  const hit = model.spanAt(dense, rows(dense)[0], { from: 0, to: 100000, left: 0, width: 1000 }, 0);
  assert.deepEqual(hit, { span: 42, among: 100 });
});

test("marks that would overlap are one, the one that matters most", () => {
  const marks = [[10, 0, 0, "arrive", -1], [10.1, 0, 0, "broken", -1], [10.2, 0, 0, "arrive", -1], [90, 0, 0, "set", -1]]; // prettier-ignore
  const made = recording({ marks });
  const row = model.markRow(made, made.lanes[0], model.everything(made));
  const drawn = [];
  model.markShapes(row, { from: 0, to: 100, left: 0, width: 500 }, (mark, x, among) => drawn.push([mark, among]));
  assert.deepEqual(drawn, [[1, 3], [3, 1]]); // prettier-ignore
});

test("the overview says how many waited and held at each time", () => {
  const made = recording({ holds: [hold(0, 0, 0, 50)], waits: [wait(0, 1, 25, 50), wait(0, 0, 60, 62)] });
  const { waited, held } = model.overview(made, 10, model.everything(made));
  assert.deepEqual([...held], [1, 1, 1, 1, 1, 0, 0, 0, 0, 0]);
  assert.deepEqual([...waited].map((value) => Math.round(value * 100) / 100), [0, 0, 0.5, 1, 1, 0, 0.2, 0, 0, 0]);
});

test("a window stays inside the recording and never gets too short", () => {
  const made = recording({ duration: 1000 });
  assert.deepEqual(model.clampRange(made, -100, 400), { from: 0, to: 500 });
  assert.deepEqual(model.clampRange(made, 800, 1300), { from: 500, to: 1000 });
  assert.deepEqual(model.clampRange(made, -9, 9999), { from: 0, to: 1000 });
  const { from, to } = model.zoomed(made, { from: 0, to: 1000 }, 1e-9, 300);
  assert.equal(to - from, 20);
  assert.ok(from < 300 && 300 < to);
});

test("zooming keeps the time under the pointer where it is", () => {
  const made = recording({ duration: 1000 });
  const now = { from: 200, to: 600 };
  const next = model.zoomed(made, now, 0.5, 300);
  assert.equal((300 - next.from) / (next.to - next.from), 0.25);
});

test("arrows walk from span to span and skip what is filtered out", () => {
  const made = recording({ holds: [hold(0, 0, 0, 10), hold(1, 0, 20, 30), hold(0, 0, 40, 50)] });
  const filter = model.everything(made);
  assert.equal(model.neighbour(made, 0, 1, filter), 1);
  filter.primitives[1] = 0;
  assert.equal(model.neighbour(made, 0, 1, filter), 2);
  assert.equal(model.neighbour(made, 2, 1, filter), -1);
  assert.equal(model.neighbour(made, 2, -1, filter), 0);
  assert.equal(model.nearest(made, made.lanes[0], 33, filter), 2);
  assert.equal(model.nearest(made, made.lanes[1], 33, filter), -1);
});

test("a wait leads to the hold that was in its way, and the hold to the waits it made", () => {
  const made = recording({
    holds: [hold(0, 1, 0, 5), hold(0, 1, 10, 50), hold(1, 1, 0, 100)],
    waits: [wait(0, 0, 20, 50, { holder: 1 }), wait(0, 0, 60, 70)],
  });
  assert.equal(model.holdBehind(made, 3), 1);
  assert.equal(model.holdBehind(made, 4), -1);
  assert.deepEqual(model.waitsBehind(made, 1), [{ span: 3, shared: 30 }]);
  assert.deepEqual(model.waitsBehind(made, 0), []);
});

test("the chain follows what a holder itself waited for", () => {
  const made = recording({
    parties: 3,
    holds: [hold(0, 1, 0, 60), hold(1, 2, 0, 50)],
    waits: [wait(0, 0, 10, 60, { holder: 1 }), wait(1, 1, 5, 50, { holder: 2 })],
  });
  const { links, cycle } = model.chain(made, 2);
  assert.deepEqual(links, [{ wait: 2, hold: 0, shared: 50 }, { wait: 3, hold: 1, shared: 40 }]); // prettier-ignore
  assert.equal(cycle, null);
});

test("what a party waited for when it did not hold explains nothing", () => {
  // 1 held the lock for a tenth of the wait of 0, and stood in the same line for the rest of it.
  const made = recording({
    parties: 3,
    holds: [hold(0, 2, 0, 10), hold(0, 1, 10, 30), hold(0, 2, 30, 45), hold(0, 0, 50, 60)],
    waits: [wait(0, 0, 5, 50, { holder: 1 }), wait(0, 1, 2, 10, { holder: 2 }), wait(0, 1, 31, 60, { holder: 2 })],
  });
  assert.deepEqual(model.chain(made, 4).links, [{ wait: 4, hold: 1, shared: 45 }]);
});

test("waits of each other that were granted are no cycle where the holds were not at one time", () => {
  // 0 waits for what 1 holds; later 1 waits for what 0 then holds. The waits overlap, the holds do not.
  const made = recording({
    holds: [hold(0, 1, 0, 50), hold(0, 0, 50, 90)],
    waits: [wait(0, 0, 10, 50, { holder: 1 }), wait(0, 1, 49, 90, { holder: 0 })],
  });
  for (const span of [2, 3]) assert.equal(model.chain(made, span).cycle, null);
  // Two locks, taken one after the other by both: in each other's way, never at once.
  const crossing = recording({
    holds: [hold(0, 1, 0, 30), hold(1, 0, 30, 80)],
    waits: [wait(0, 0, 5, 30, { holder: 1 }), wait(1, 1, 25, 80, { holder: 0 })],
  });
  for (const span of [2, 3]) assert.equal(model.chain(crossing, span).cycle, null);
});

test("a cycle that ended when one gave up is one for as long as all of it was under way", () => {
  const made = recording({
    holds: [hold(0, 0, 0, 90), hold(1, 1, 5, 60)],
    waits: [wait(1, 0, 20, 61, { holder: 1 }), wait(0, 1, 10, 58, { holder: 0, outcome: model.TIMED_OUT })],
  });
  for (const span of [2, 3]) {
    const { links, cycle } = model.chain(made, span);
    assert.deepEqual([cycle.first, cycle.from, cycle.to], [0, 20, 58]);
    assert.equal(links.length, 2);
  }
});

test("a wait for a party in a cycle leads to it, whoever held before", () => {
  const made = recording({
    parties: 4,
    holds: [hold(0, 3, 0, 80), hold(0, 0, 80, 100), hold(1, 1, 70, 100)],
    waits: [
      wait(0, 2, 1, 100, { holder: 3, outcome: 3 }),
      wait(1, 0, 85, 100, { holder: 1, outcome: 3 }),
      wait(0, 1, 90, 100, { holder: 0, outcome: 3 }),
    ],
  });
  const { links, cycle } = model.chain(made, 3);
  assert.deepEqual(links.map((link) => link.wait), [3, 4, 5]);
  assert.deepEqual(cycle, { first: 1, from: 90, to: 100 });
});

test("permits and readers make no cycle: others may give back what is waited for", () => {
  const stuck = (kind) => {
    const made = recording({
      holds: [hold(0, 0, 0, 100), hold(1, 1, 0, 100)],
      waits: [wait(1, 0, 10, 100, { holder: 1, outcome: 3 }), wait(0, 1, 20, 100, { holder: 0, outcome: 3 })],
    });
    made.families = ["Lock", kind];
    return made;
  };
  assert.equal(model.chain(stuck("Semaphore"), 2).cycle, null);
  assert.equal(model.chain(stuck("RWLock"), 2).cycle, null);
  assert.notEqual(model.chain(stuck("RLock"), 2).cycle, null);
});

test("a wait for a queue is told by what was done with it, and for a task by its own words", () => {
  const made = model.load({
    title: "", duration: 100, dropped: 0, parties: [{ name: "ann", kind: "thread", group: "" }], places: ["a.py:1", "a.py:2"],
    primitives: [{ name: "jobs", kind: "Jobs", place: "" }, { name: "await Task-7", kind: "Task", place: "" }],
    families: ["Queue", "Task"], verbs: [[0, "get from"]], marks: [], summary: [], findings: [], holds: [],
    waits: [[0, 0, 0, 50, 0, 0, -1, -1, -1, -1], [1, 0, 0, 50, 1, 0, -1, -1, -1, -1]],
  }); // prettier-ignore
  const [queue, task] = [0, 1].map((span) => model.describe(made, span));
  assert.equal(queue.title, "ann waited 0.05 µs to get from Jobs jobs");
  assert.equal(queue.facts.find(({ label }) => label === "What").text, "get from Jobs jobs");
  assert.equal(task.title, "ann waited 0.05 µs to await Task-7");
});

test("of many objects with one name, only the one that was waited for counts", () => {
  const made = model.load({
    title: "", duration: 100, dropped: 0, parties: [0, 1, 2].map((i) => ({ name: `p${i}`, kind: "thread", group: "" })),
    primitives: [{ name: "l ×20", kind: "Lock", place: "" }], places: [], marks: [], summary: [], findings: [],
    holds: [hold(0, 1, 0, 90), hold(0, 1, 5, 50)], waits: [wait(0, 0, 1, 50, { holder: 1 })],
    objects: { holds: [7, 3], waits: [3] }, holders: [[45, 0]],
  }); // prettier-ignore
  assert.equal(model.holdBehind(made, 2), 1);
  assert.deepEqual(model.waitsBehind(made, 0), []);
  assert.equal(model.heldBy(made, 2), ", 91% of it");
});

test("the chain stops at a sliver, and at a cycle it says so", () => {
  const sliver = recording({
    holds: [hold(0, 1, 0, 100)],
    waits: [wait(0, 0, 0, 100, { holder: 1 }), wait(1, 1, 10, 11, { holder: 0 })],
  });
  assert.equal(model.chain(sliver, 1).links.length, 1);
  const stuck = recording({
    holds: [hold(0, 0, 0, 100), hold(1, 1, 0, 100)],
    waits: [wait(1, 0, 10, 100, { holder: 1, outcome: 3 }), wait(0, 1, 20, 100, { holder: 0, outcome: 3 })],
  });
  const { links, cycle } = model.chain(stuck, 2);
  assert.deepEqual(links.map((link) => link.wait), [2, 3]);
  assert.deepEqual(cycle, { first: 0, from: 20, to: 100 });
});

test("times have three digits and the unit that suits them", () => {
  const expected = [
    [0, "0.00 µs"], [40, "0.04 µs"], [999.6, "1.00 µs"], [1000, "1.00 µs"], [12340, "12.3 µs"], [100500, "101 µs"],
    [999600, "1.00 ms"], [50400000, "50.4 ms"], [453e6, "453 ms"], [999.9e6, "1.00 s"], [12.34e9, "12.3 s"],
    [571e9, "571 s"], [7541e9, "7,541 s"], [-1500, "-1.50 µs"],
  ]; // prettier-ignore
  for (const [ns, text] of expected) assert.equal(model.formatTime(ns), text);
  assert.equal(model.formatMoment(1234567890, 1e6), "1.235 s");
  assert.equal(model.formatMoment(0, 1e7), "0 ms");
  assert.equal(model.formatCount(1234567), "1,234,567");
  assert.equal(model.formatCount(999), "999");
  assert.equal(model.formatMoment(12, 1), "12 ns");
  assert.deepEqual([0, 0.001, 0.29, 0.5, 0.6667, 1].map(model.formatShare), ["0%", "<1%", "29%", "50%", "66%", "100%"]);
  assert.equal(model.plural(1, "lane") + model.plural(2000, "lane"), "1 lane2,000 lanes");
});

test("ticks stand at round times, all in the window and not too close", () => {
  for (const [from, to] of [[0, 1], [0, 70e6], [12345, 13456], [3.2e9, 3.2e9 + 500]]) {
    const scale = { from, to, left: 0, width: 1000 };
    const { step, times } = model.ticks(scale);
    assert.ok(times.length <= 10);
    for (const time of times) {
      assert.ok(time >= from && time <= to);
      assert.ok(Math.abs(time / step - Math.round(time / step)) < 1e-6);
    }
  }
});

test("search finds lanes, primitives and lines, those that begin so first", () => {
  const made = recording({ places: ["work.py:1 in party", "other.py:9 in run"] });
  const found = model.search(made, " PARTY ");
  assert.deepEqual(found.map(({ what }) => what), ["party", "party", "place"]);
  assert.deepEqual(model.search(made, "lock-1").map(({ what, index }) => [what, index]), [["primitive", 1]]);
  assert.deepEqual(model.search(made, ""), []);
  assert.deepEqual(model.search(made, "nowhere"), []);
});

test("text is shortened to what fits", () => {
  const fits = (text) => text.length <= 6;
  assert.equal(model.shortened("orders", fits), "orders");
  assert.equal(model.shortened("Pool._results", fits), "Pool._…".slice(0, 5) + "…");
  assert.equal(model.shortened("orders", (text) => text.length <= 2), "");
});

test("eighteen primitives look different, and labels on each colour can be read", () => {
  const looks = new Set();
  for (let rank = 0; rank < 18; rank++) {
    const { colour, texture } = model.look(rank);
    looks.add(colour + texture);
    assert.ok(model.contrast(colour, model.inkOn(colour)) >= 4.5, colour);
  }
  assert.equal(looks.size, 18);
});

test("the colours easiest to tell apart go to what made the program wait most", () => {
  const made = model.load({
    title: "", duration: 10, dropped: 0, parties: [], primitives: [{}, {}, {}], places: [], holds: [], waits: [],
    marks: [], findings: [],
    summary: [{ primitive: 2, wait_total: 9, hold_total: 0 }, { primitive: 0, wait_total: 1, hold_total: 5 }],
  }); // prettier-ignore
  assert.deepEqual([...made.ranks], [1, 2, 0]);
  assert.equal(made.summary.length, 3);
});

test("a span is told in a sentence, with both lines", () => {
  const made = recording({
    places: ["a.py:1 in take", "b.py:2 in keep"],
    holds: [[0, 1, 0, 50, 1, 0]],
    waits: [
      [0, 0, 10, 50, 0, 0, 1, 45, 1, 1], [0, 0, 60, 70, 0, 1, -1, -1, -1, -1], [0, 0, 60, 70, 0, 2, -1, -1, -1, -1],
      [0, 0, 60, 70, 0, 3, -1, -1, -1, -1],
    ],
  }); // prettier-ignore
  const { title, facts } = model.describe(made, 1);
  assert.equal(title, "party-0 waited 0.04 µs for Lock lock-0");
  const said = Object.fromEntries(facts.map(({ label, text }) => [label, text]));
  assert.equal(said["Waited at"], "a.py:1 in take");
  assert.equal(said["Held at"], "b.py:2 in keep");
  assert.equal(said["Woken by"], "party-1, running 0.01 µs later");
  const parts = (label) => facts.find((fact) => fact.label === label).parts;
  assert.deepEqual(parts("Held by")[0].to, { span: 0 });
  assert.deepEqual(parts("Woken by")[0].to, { party: 1 });
  assert.deepEqual(parts("What")[0].to, { primitive: 0 });
  assert.deepEqual(parts("Held at")[0].to, { place: 1 });
  assert.match(model.sentence(made, 2), /timed out$/);
  assert.match(model.sentence(made, 3), /cancelled$/);
  assert.match(model.sentence(made, 4), /still waits$/);
  assert.equal(model.sentence(made, 0), "party-1 held Lock lock-0 for 0.05 µs");
});

test("a window around a span shows it with its surroundings", () => {
  const made = recording({ holds: [hold(0, 0, 400000, 500000)], duration: 1e6 });
  assert.deepEqual(model.rangeAround(made, 0), { from: 350000, to: 550000 });
});

test("the worst waits come longest first", () => {
  const made = recording({ waits: [wait(0, 0, 0, 5), wait(1, 0, 10, 40), wait(0, 1, 0, 20)] });
  assert.deepEqual(model.worstWaits(made, model.everything(made)), [1, 2, 0]);
});

test("who held something is told with the share and how many others did", () => {
  const made = recording({ waits: [wait(0, 0, 0, 100, { holder: 1 })] });
  const told = (held, others) => {
    [made.waiting.held[0], made.waiting.others[0]] = [held, others];
    return model.heldBy(made, 0);
  };
  assert.equal(told(100, 0), "");
  assert.equal(told(62, 0), ", 62% of it");
  assert.equal(told(62, 1), ", 62% of it, and 1 other");
  assert.equal(told(0.4, 5), ", <1% of it, and 5 others");
});

test("a lane needs the rows that have anything in the window, and no others", () => {
  const made = recording({
    holds: [hold(0, 0, 0, 50), hold(1, 0, 10, 20), hold(0, 0, 12, 80), hold(1, 0, 90, 95)],
    marks: [[15, 0, 0, "set", -1]],
  });
  const lane = made.lanes[0];
  assert.equal(lane.rows, 3);
  const need = (from, to) => {
    const marks = model.markRow(made, lane, model.everything(made));
    const { slots, ...rest } = model.need(rows(made), marks, { from, to, left: 0, width: 100 });
    return { slots: [...slots], ...rest };
  };
  assert.deepEqual(need(0, 100), { slots: [0, 1, 2], rows: 3, marks: true });
  assert.deepEqual(need(60, 70), { slots: [-1, -1, 0], rows: 1, marks: false });
  assert.deepEqual(need(25, 40), { slots: [0, -1, 1], rows: 2, marks: false });
  assert.deepEqual(need(97, 100), { slots: [-1, -1, -1], rows: 0, marks: false });
});

test("a range has sums of what lies in it, by primitive and by party", () => {
  const made = recording({
    holds: [hold(0, 0, 0, 50), hold(1, 1, 40, 60)],
    waits: [wait(0, 1, 20, 50), wait(1, 0, 70, 90)],
  });
  const found = model.sums(made, 30, 50, model.everything(made));
  assert.deepEqual([found.waits, found.waited, found.holds, found.held], [1, 20, 2, 30]);
  assert.deepEqual(found.primitives, [
    { index: 0, waits: 1, waited: 20, holds: 1, held: 20 },
    { index: 1, waits: 0, waited: 0, holds: 1, held: 10 },
  ]);
  assert.deepEqual(found.parties.map(({ index, waited, held }) => [index, waited, held]), [[1, 20, 10], [0, 0, 20]]); // prettier-ignore
  const filter = { ...model.everything(made), waits: false };
  assert.equal(model.sums(made, 0, 100, filter).waits, 0);
});

test("the state of the view survives the way through a fragment, and nonsense is ignored", () => {
  const made = recording({ holds: [hold(0, 0, 0, 50)], waits: [wait(1, 0, 60, 70)], duration: 1000 });
  const first = {
    from: 0, to: 1000, selected: null, range: null, hidden: [], off: [], lanes: "", sorting: "started", inView: false,
    inViewAtFirst: false, folded: [],
  }; // prettier-ignore
  assert.equal(model.encodeState(made, first), "");
  const state = {
    ...first, from: 100, to: 300, selected: { kind: "wait", index: 0 }, range: { from: 110, to: 120 }, hidden: [1],
    off: ["arrows"], lanes: "a&b = %", sorting: "waited", inView: true, folded: ["loop #1", ""],
  }; // prettier-ignore
  const { inViewAtFirst, ...expected } = state;
  assert.deepEqual(model.decodeState(made, model.encodeState(made, state)), expected);
  const nonsense = "at=9-3&on=w77&range=x&hide=9.-1.q&off=all&sort=up&inview=7&lanes=&fold";
  const ignored = model.decodeState(made, nonsense);
  assert.deepEqual(ignored, {
    from: 0, to: 1000, selected: null, range: null, hidden: [], off: [], lanes: "", sorting: "started", inView: null,
    folded: [""],
  }); // prettier-ignore
});

test("lanes are found by a part of their name or group", () => {
  const made = recording();
  made.parties[1] = { name: "Worker-7", kind: "task", group: "asyncio loop in MainThread" };
  const named = (text) => made.lanes.filter((lane) => model.laneNamed(made, lane, text)).map(({ party }) => party);
  assert.deepEqual(named("worker"), [1]);
  assert.deepEqual(named(" LOOP "), [1]);
  assert.deepEqual(named(""), [0, 1]);
  assert.deepEqual(named("nowhere"), []);
});
