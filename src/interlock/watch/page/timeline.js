"use strict";

// The page itself: what is selected, where the window stands, and the hands on it: wheel, drag, keys, table, search.
// Names come from the recorded program and are only ever set as text.

(() => {
  const find = (id) => document.getElementById(id);
  const recording = model.load(JSON.parse(find("recording").textContent));
  const { spans, waiting } = recording;

  const lanesBox = find("lanes");
  const canvas = find("canvas");
  const ctx = canvas.getContext("2d");
  const topCanvas = find("top");
  const topCtx = topCanvas.getContext("2d");
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const darkSystem = matchMedia("(prefers-color-scheme: dark)");

  const ROWS_LISTED = 200; // of the table, before it is asked for all
  const LINKS_LISTED = 5; // of the chain that says why a wait took long
  const DRAGGED = 4; // pixels; a hand that moves less has clicked

  const view = {
    recording,
    filter: model.everything(recording),
    layout: null,
    scale: { from: 0, to: recording.duration, left: 220, width: 100 },
    scrollTop: 0,
    width: 0,
    height: 0,
    ratio: 1,
    colours: null,
    fills: null,
    overview: null,
    selected: null, // {span, mark, party}: a span (mark is -1), a mark (span is -1), or a lane (both are -1)
    range: null, // {from, to}: a stretch of time whose sums are told
    related: [],
    hovered: -1,
    pointer: null,
    marking: null,
    rows: (lane) => cached(rowCache, lane, () => model.rowsOf(recording, lane, view.filter)),
    marks: (lane) => cached(markCache, lane, () => model.markRow(recording, lane, view.filter)),
    entryOf: (party) => entries.get(party),
  };
  const rowCache = new Map();
  const markCache = new Map();
  const entries = new Map();
  let drawn = {};
  let redraw = 0;
  let moving = null;
  let sorting = { column: "wait_total", down: true };
  let allRows = false;
  let grabbed = null; // what the hand on the lanes began with
  let worst = null; // the waits that are shown, longest first, once they are asked for
  const folded = new Set(); // groups of lanes
  const MANY_LANES = 200; // of so many, those that have nothing in the window are hidden at first
  const inViewAtFirst = recording.lanes.length > MANY_LANES;
  let inView = inViewAtFirst;
  let openedAt = 0; // milliseconds since the browser began to open the page
  let paintedIn = 0; // milliseconds of the last frame

  function cached(cache, key, make) {
    if (!cache.has(key)) cache.set(key, make());
    return cache.get(key);
  }

  function make(tag, text, properties = {}) {
    const element = Object.assign(document.createElement(tag), properties);
    if (text) element.textContent = text;
    return element;
  }

  // --- drawing --------------------------------------------------------------------------------------------------------

  function draw() {
    redraw ||= requestAnimationFrame(() => {
      redraw = 0;
      drawNow();
    });
  }

  function drawNow() {
    const began = performance.now();
    if (moving) step(began);
    const { from, to } = view.scale;
    if (arranged.from !== from || arranged.to !== to) rearrange();
    view.scrollTop = lanesBox.scrollTop;
    drawn = paint.paintLanes(ctx, view);
    topCtx.setTransform(view.ratio, 0, 0, view.ratio, 0, 0);
    paint.paintTop(topCtx, view);
    paintedIn = performance.now() - began;
    if (moving) draw();
    else remember();
  }

  function measure() {
    view.ratio = window.devicePixelRatio || 1;
    view.width = lanesBox.clientWidth;
    view.height = lanesBox.clientHeight;
    view.scale.left = Math.min(220, Math.round(view.width * 0.3));
    view.scale.width = Math.max(50, view.width - view.scale.left);
    const fit = (element, width, height) => {
      element.width = Math.round(width * view.ratio);
      element.height = Math.round(height * view.ratio);
      element.style.width = `${width}px`;
      element.style.height = `${height}px`;
    };
    fit(canvas, view.width, view.height);
    fit(topCanvas, view.width, paint.OVERVIEW + paint.RULER);
    arrange();
    dress();
    survey();
  }

  // Colours and patterns belong to the theme and to the pixels of the screen.
  function dress() {
    view.colours = paint.theme(document.documentElement);
    view.fills = new paint.Fills(ctx, view.colours, view.ratio);
    for (const swatch of document.querySelectorAll("canvas[data-rank]")) {
      paint.swatch(swatch, view.fills, Number(swatch.dataset.rank));
    }
    for (const sample of document.querySelectorAll("canvas[data-sign]")) sign(sample);
    draw();
  }

  function survey() {
    view.overview = model.overview(recording, Math.max(50, Math.floor(view.scale.width / 2)), view.filter);
    draw();
  }

  function filtered() {
    return view.filter.primitives.includes(0) || !view.filter.holds || !view.filter.waits;
  }

  const arranged = { from: -1, to: -1 }; // the window that the heights of the lanes are made for
  const needOf = (lane) => model.need(view.rows(lane), view.marks(lane), view.scale);

  function arrange() {
    let lanes = recording.lanes;
    const wanted = find("lane-filter").value;
    if (wanted.trim()) lanes = lanes.filter((lane) => model.laneNamed(recording, lane, wanted));
    const otherwise = recording.lanes.length - lanes.length;
    if (filtered()) lanes = lanes.filter((lane) => model.lanePasses(recording, lane, view.filter));
    const nothing = recording.lanes.length - lanes.length - otherwise;
    const needs = new Map(lanes.map((lane) => [lane, needOf(lane)]));
    if (inView) lanes = lanes.filter((lane) => needs.get(lane).rows > 0 || needs.get(lane).marks);
    const outside = recording.lanes.length - lanes.length - otherwise - nothing;
    if (find("sorting").value === "waited") lanes = [...lanes].sort((a, b) => b.waited - a.waited || a.party - b.party);
    view.layout = paint.arrange(recording, lanes, lanesBox.clientHeight, (lane) => needs.get(lane), folded);
    arranged.from = view.scale.from;
    arranged.to = view.scale.to;
    entries.clear();
    for (const entry of view.layout.placed) entries.set(entry.lane.party, entry);
    find("sizer").style.height = `${view.layout.height}px`;
    const said = [
      [otherwise, "not the name"],
      [nothing, "nothing of what is shown"],
      [outside, "nothing in this window"],
    ].filter(([count]) => count > 0);
    find("hidden-lanes").hidden = said.length === 0;
    find("hidden-lanes").textContent = said
      .map(([count, has]) => `${model.plural(count, "lane")} ${count === 1 ? "has" : "have"} ${has} and ${count === 1 ? "is" : "are"} hidden.`)
      .join(" ");
  }

  // After the window has moved: lanes grow and shrink, and the one that is looked at stays where it is.
  function rearrange() {
    const before = anchor();
    const offset = before ? before.top - lanesBox.scrollTop : 0;
    arrange();
    const after = before && entries.get(before.lane.party);
    if (!after) return;
    const wanted = Math.max(0, after.top - offset);
    if (grabbed) grabbed.scrollTop += wanted - lanesBox.scrollTop;
    if (wanted !== lanesBox.scrollTop) lanesBox.scrollTop = wanted;
  }

  function anchor() {
    const { layout } = view;
    const top = lanesBox.scrollTop;
    const seen = (entry) => entry && entry.top + entry.height > top && entry.top < top + view.height;
    const chosen = view.selected && entries.get(view.selected.party);
    if (seen(chosen)) return chosen;
    return layout?.placed[paint.firstVisible(layout, top + (view.pointer?.y ?? 0))];
  }

  function refilter() {
    rowCache.clear();
    markCache.clear();
    worst = null;
    if (view.selected?.span >= 0 && !model.passes(recording, view.selected.span, view.filter)) select(null);
    if (view.selected?.mark >= 0) select(null);
    if (view.range && !view.selected) details(1, false);
    arrange();
    survey();
    syncTable();
    countWorst();
  }

  // --- moving ---------------------------------------------------------------------------------------------------------

  function setRange({ from, to }) {
    view.scale.from = from;
    view.scale.to = to;
    draw();
  }

  function range() {
    return moving?.to ?? { from: view.scale.from, to: view.scale.to };
  }

  function glide(to) {
    if (calm.matches) {
      moving = null;
      setRange(to);
      return;
    }
    moving = { from: { from: view.scale.from, to: view.scale.to }, to, began: performance.now() };
    draw();
  }

  function step(now) {
    const share = Math.min(1, (now - moving.began) / 180);
    const eased = 1 - (1 - share) ** 3;
    const { from, to } = moving;
    view.scale.from = from.from + (to.from - from.from) * eased;
    view.scale.to = from.to + (to.to - from.to) * eased;
    if (share === 1) {
      view.scale.from = to.from;
      view.scale.to = to.to;
      moving = null;
    }
  }

  function stop() {
    moving = null;
  }

  function zoom(factor, around) {
    const now = range();
    return model.zoomed(recording, now, factor, around ?? (now.from + now.to) / 2);
  }

  function pan(share) {
    const now = range();
    const by = (now.to - now.from) * share;
    return model.clampRange(recording, now.from + by, now.to + by);
  }

  function scrollToLane(party) {
    const entry = entries.get(party);
    if (!entry) return;
    if (view.pointer) view.pointer = null; // the eye is on this lane now, not under the pointer
    const above = entry.top - view.layout.rowHeight;
    const below = entry.top + entry.height + view.layout.rowHeight - view.height;
    if (lanesBox.scrollTop > above || lanesBox.scrollTop < below) {
      lanesBox.scrollTop = entry.top - (view.height - entry.height) / 2;
    }
  }

  // Brings a span into the window: moved as little as will do, or zoomed to where it can be seen.
  function show(span, { zoomTo = false } = {}) {
    if (folded.has(recording.parties[spans.party[span]].group) || !model.laneNamed(recording, recording.lanes[spans.party[span]], find("lane-filter").value)) {
      showLane(spans.party[span]);
    }
    scrollToLane(spans.party[span]);
    const now = range();
    const width = now.to - now.from;
    if (zoomTo) {
      glide(model.rangeAround(recording, span));
    } else if (spans.end[span] < now.from + width * 0.02 || spans.start[span] > now.to - width * 0.02) {
      const middle = (spans.start[span] + spans.end[span]) / 2;
      glide(model.clampRange(recording, middle - width / 2, middle + width / 2));
    }
    // In the new window the lanes may lie elsewhere, and this one may only come into being.
    if (!moving) {
      rearrange();
      scrollToLane(spans.party[span]);
    }
  }

  // --- selecting --------------------------------------------------------------------------------------------------------

  function select(chosen, { among = 1, spoken = true } = {}) {
    view.selected = chosen;
    view.related = [];
    if (chosen && chosen.span >= 0) {
      if (model.isWait(recording, chosen.span)) {
        const hold = model.holdBehind(recording, chosen.span);
        if (hold >= 0) view.related.push(hold);
      } else {
        view.related = model.waitsBehind(recording, chosen.span).slice(0, 60).map(({ span }) => span);
      }
    }
    document.body.classList.toggle("answered", chosen !== null || view.range !== null);
    details(among, spoken);
    syncTable();
    countWorst();
    draw();
  }

  function selectRange(range) {
    view.range = range;
    select(null);
  }

  function selectLane(party) {
    select({ span: -1, mark: -1, party });
  }

  function goToLane(party) {
    if (!entries.has(party)) showLane(party);
    scrollToLane(party);
    selectLane(party);
  }

  // Whatever hides a lane gives way.
  function showLane(party) {
    folded.delete(recording.parties[party].group);
    if (find("lane-filter").value && !model.laneNamed(recording, recording.lanes[party], find("lane-filter").value)) {
      find("lane-filter").value = "";
    }
    arrange();
    if (!entries.has(party) && inView) setInView(false);
  }

  function setInView(on) {
    inView = on;
    find("in-view").setAttribute("aria-pressed", String(on));
    rearrange();
    draw();
  }

  function selectSpan(span, options = {}) {
    select({ span, mark: -1, party: spans.party[span] }, options);
  }

  function go(span, options) {
    selectSpan(span);
    show(span, options);
  }

  function goToWorst(direction) {
    const list = worstWaits();
    if (list.length === 0) {
      say("No wait is shown.");
      return;
    }
    const next = Math.min(list.length - 1, Math.max(0, worstAt() + direction));
    go(list[next], { zoomTo: true });
  }

  function worstWaits() {
    return (worst ??= model.worstWaits(recording, view.filter));
  }

  // The place of the selected wait among the worst ones, or -1.
  function worstAt() {
    const span = view.selected ? view.selected.span : -1;
    return span >= spans.holds ? worstWaits().indexOf(span) : -1;
  }

  function countWorst() {
    const all = model.formatCount(worstWaits().length);
    const at = worstAt();
    find("worst-at").textContent = at < 0 ? model.plural(worstWaits().length, "wait") : `${model.formatCount(at + 1)} of ${all}`;
  }

  function say(text) {
    find("spoken").textContent = text;
  }

  function fact(list, label, content) {
    list.append(make("dt", label));
    const value = make("dd");
    value.append(...content);
    list.append(value);
  }

  function link(text, act) {
    const button = make("button", text, { type: "button", className: "link" });
    button.addEventListener("click", act);
    return button;
  }

  // A link to what a name or number is about: to is {span}, {party}, {primitive} or {place}.
  function goTo(text, to) {
    if (to.span >= 0) return link(text, () => go(to.span));
    if (to.party >= 0) return link(text, () => goToLane(to.party));
    if (to.primitive >= 0) return link(text, () => goToPrimitive(summaryOf.get(to.primitive)));
    return link(text, () => goToLongest((span) => spans.place[span] === to.place, text));
  }

  function details(among, spoken) {
    const body = find("details-body");
    body.replaceChildren();
    const { selected } = view;
    find("details-title").textContent = !selected && view.range ? "Selected range" : "Selected";
    if (!selected && view.range) {
      rangeSums(body, spoken);
      return;
    }
    if (!selected) {
      const none = make("p", "Click a span to see who held what, and where. Or press ");
      none.append(make("kbd", "n"), " for the worst wait, and the arrow keys to walk from there.");
      body.append(none);
      return;
    }
    const about =
      selected.span >= 0
        ? model.describe(recording, selected.span)
        : selected.mark >= 0
          ? model.describeMark(recording, selected.mark)
          : model.describeLane(recording, selected.party);
    body.append(make("h3", about.title));
    const list = make("dl");
    for (const { label, parts } of about.facts) fact(list, label, parts.map(({ text, to }) => (to ? goTo(text, to) : text)));
    body.append(list);
    if (selected.span < 0 && selected.mark < 0) laneLinks(body, selected.party);
    if (among > 1) {
      body.append(make("p", `The longest of ${model.plural(among, "span")} too close together to tell apart here: zoom in.`));
    }
    if (selected.span >= 0) {
      if (model.isWait(recording, selected.span)) why(body, selected.span);
      else madeWait(body, selected.span);
      const actions = make("div", "", { className: "actions" });
      const zoomTo = make("button", "Zoom to it", { type: "button" });
      zoomTo.addEventListener("click", () => show(selected.span, { zoomTo: true }));
      const only = make("button", `Only ${recording.primitives[spans.primitive[selected.span]].name}`, { type: "button" });
      only.addEventListener("click", () => solo(spans.primitive[selected.span]));
      actions.append(zoomTo, only);
      body.append(actions);
    }
    if (spoken) say([about.title, ...about.facts.map(({ label, text }) => `${label} ${text}`)].join(". "));
  }

  // The worst wait and the longest hold of a lane.
  function laneLinks(body, party) {
    const longest = (wait) => {
      const its = recording.lanes[party].order.filter((span) => model.isWait(recording, span) === wait);
      return its.reduce((best, span) => (best < 0 || model.length(recording, span) > model.length(recording, best) ? span : best), -1);
    };
    const actions = make("div", "", { className: "actions" });
    for (const [text, span] of [["Longest wait", longest(true)], ["Longest hold", longest(false)]]) {
      if (span < 0) continue;
      const button = make("button", text, { type: "button" });
      button.addEventListener("click", () => {
        reveal(span);
        go(span, { zoomTo: true });
      });
      actions.append(button);
    }
    body.append(actions);
  }

  // What was waited and held in the selected range.
  function rangeSums(body, spoken) {
    const { from, to } = view.range;
    const found = model.sums(recording, from, to, view.filter);
    const about = `${model.formatTime(to - from)} selected`;
    body.append(make("h3", about));
    const list = make("dl");
    const moment = (time) => model.formatMoment(time, Math.max(1, (to - from) / 100));
    const facts = [
      ["From", `${moment(from)} to ${moment(to)}`],
      ["Waited", found.waits ? `${model.formatTime(found.waited)} in ${model.plural(found.waits, "wait")}` : "nobody"],
      ["Held", found.holds ? `${model.formatTime(found.held)} in ${model.plural(found.holds, "hold")}` : "nothing"],
    ];
    for (const [label, text] of facts) fact(list, label, [text]);
    body.append(list);
    sumTable(body, "Primitives", found.primitives, (index) => goTo(model.primitiveName(recording, index), { primitive: index }));
    sumTable(body, "Lanes", found.parties, (index) => goTo(model.partyName(recording, index), { party: index }));
    const actions = make("div", "", { className: "actions" });
    const zoomTo = make("button", "Zoom to it", { type: "button" });
    zoomTo.addEventListener("click", () => glide({ ...view.range }));
    const clear = make("button", "Clear", { type: "button" });
    clear.addEventListener("click", () => selectRange(null));
    actions.append(zoomTo, clear);
    body.append(actions);
    if (spoken) say([about, ...facts.map((pair) => pair.join(" "))].join(". "));
  }

  function sumTable(body, title, sums, name) {
    if (sums.length === 0) return;
    const LISTED = 8;
    const table = make("table");
    const head = make("tr");
    for (const text of [title, "Waited", "Waits", "Held", "Holds"]) head.append(make("th", text, { scope: "col" }));
    const top = make("thead");
    top.append(head);
    const rows = make("tbody");
    for (const { index, waited, waits, held, holds } of sums.slice(0, LISTED)) {
      const row = make("tr");
      const first = make("td");
      first.append(name(index));
      row.append(first);
      const cells = [waits && model.formatTime(waited), waits && model.formatCount(waits), holds && model.formatTime(held), holds && model.formatCount(holds)]; // prettier-ignore
      for (const text of cells) row.append(make("td", text || "–"));
      rows.append(row);
    }
    table.append(top, rows);
    body.append(table);
    if (sums.length > LISTED) body.append(make("p", `and ${model.formatCount(sums.length - LISTED)} more`));
  }

  // The chain from the wait to where it begins.
  function why(body, wait) {
    const { links, cycle } = model.chain(recording, wait);
    if (links[0].hold < 0 || (links.length === 1 && !cycle)) return;
    const open = cycle && links.slice(cycle.first).every((link) => spans.open[link.wait]);
    body.append(
      make("h4", !cycle ? "Why it took so long" : open ? "Why: a cycle, each waits for the next" : "Why: a cycle, each waited for the next"),
    );
    const list = make("ol", "", { className: "why" });
    // A long queue before one lock is a long chain: its middle says nothing new.
    const skipped = links.length > LINKS_LISTED ? links.length - LINKS_LISTED : 0;
    links.forEach((link, i) => {
      if (skipped && i >= LINKS_LISTED - 1 && i < links.length - 1) {
        if (i === LINKS_LISTED - 1) list.append(make("li", `and ${model.formatCount(skipped)} more before`));
        return;
      }
      const item = make("li");
      const who = model.partyName(recording, spans.party[link.wait]);
      const primitive = spans.primitive[link.wait];
      item.append(
        goTo(who, { span: link.wait }),
        i === 0 ? " waited for " : " meanwhile waited for ",
        goTo(model.primitiveName(recording, primitive), { primitive }),
        i === 0 ? "" : `, ${model.formatTime(link.shared)} of it`,
      );
      list.append(item);
    });
    const { wait: last, hold } = links.at(-1);
    if (hold >= 0) {
      const item = make("li", "", { className: "end" });
      const place = spans.place[hold];
      item.append(
        goTo(model.partyName(recording, spans.party[hold]), { span: hold }),
        ` held ${model.primitiveName(recording, spans.primitive[last])}`,
        ...(place >= 0 ? [" at ", goTo(model.placeName(recording, place), { place })] : []),
        cycle ? ", and waited itself" : "",
      );
      list.append(item);
    }
    body.append(list);
    if (!cycle) return;
    const step = Math.max(1, (cycle.to - cycle.from) / 100);
    if (open) {
      body.append(make("p", `So it stood from ${model.formatMoment(cycle.from, step)} on: nobody in it could go on when the recording ended.`));
    } else {
      body.append(make("p", `So it stood from ${model.formatMoment(cycle.from, step)} to ${model.formatMoment(cycle.to, step)}; then one of these waits ended.`));
    }
  }

  function madeWait(body, hold) {
    const found = model.waitsBehind(recording, hold);
    if (found.length === 0) {
      body.append(make("p", "Nobody waited for it."));
      return;
    }
    const total = found.reduce((sum, { shared }) => sum + shared, 0);
    body.append(make("h4", `Made ${model.plural(found.length, "wait")} longer, by ${model.formatTime(total)} in all`));
    const list = make("ol", "", { className: "why" });
    for (const { span, shared } of found.slice(0, 6)) {
      const item = make("li");
      item.append(goTo(model.partyName(recording, spans.party[span]), { span }), ` ${model.formatTime(shared)}`);
      const place = spans.place[span];
      if (place >= 0) item.append(" at ", goTo(model.placeName(recording, place), { place }));
      list.append(item);
    }
    body.append(list);
  }

  // --- finding what is under the pointer --------------------------------------------------------------------------------

  // What the names' side shows at a height: {group} where a heading is, or {lane}; null below all lanes.
  function nameAt(y) {
    const down = y + view.scrollTop;
    const heading = view.layout.headings.find(({ top }) => down >= top && down < top + paint.HEADING);
    if (heading) return { group: heading.group };
    const entry = view.layout.placed[paint.firstVisible(view.layout, down)];
    return entry && down >= entry.top && down < entry.top + entry.height ? { lane: entry.lane.party } : null;
  }

  function at(x, y) {
    if (x < view.scale.left) return null;
    const down = y + view.scrollTop;
    const { layout } = view;
    if (!layout.placed.length) return null;
    const entry = layout.placed[paint.firstVisible(layout, down)];
    if (!entry || down < entry.top || down >= entry.top + entry.height) return null;
    if (entry.marks && down >= paint.marksTop(entry, layout)) {
      let found = null;
      model.markShapes(view.marks(entry.lane), view.scale, (mark, markX, among) => {
        if (Math.abs(markX - x) <= 6) found = { mark, span: -1, party: entry.lane.party, among };
      });
      return found;
    }
    const row = paint.rowAt(entry, layout, down);
    if (row < 0) return null;
    const hit = model.spanAt(recording, view.rows(entry.lane)[row], view.scale, x);
    return hit && { ...hit, mark: -1, party: entry.lane.party };
  }

  function tip(hit, x, y) {
    const box = find("tip");
    if (!hit) {
      box.hidden = true;
      return;
    }
    const about = hit.span >= 0 ? model.sentence(recording, hit.span) : model.describeMark(recording, hit.mark).title;
    box.replaceChildren(make("strong", about));
    const line = (text) => box.append(make("span", text));
    if (hit.among > 1) line(`and ${model.formatCount(hit.among - 1)} more here`);
    if (hit.span >= 0) {
      if (spans.place[hit.span] >= 0) line(model.placeName(recording, spans.place[hit.span]));
      const wait = hit.span - spans.holds;
      if (wait >= 0 && waiting.holder[wait] >= 0) {
        const place = waiting.holderPlace[wait];
        const who = `held by ${model.partyName(recording, waiting.holder[wait])}${model.heldBy(recording, hit.span)}`;
        line(`${who}${place >= 0 ? `, at ${model.placeName(recording, place)}` : ""}`);
      }
    }
    box.hidden = false;
    const outer = find("timeline").getBoundingClientRect();
    const inner = canvas.getBoundingClientRect();
    const left = inner.left - outer.left + x + 14;
    const top = inner.top - outer.top + y + 18;
    box.style.left = `${Math.min(left, outer.width - box.offsetWidth - 8)}px`;
    box.style.top = `${top + box.offsetHeight > outer.height ? top - box.offsetHeight - 30 : top}px`;
  }

  // --- pointer ----------------------------------------------------------------------------------------------------------

  function local(event, element) {
    const box = element.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  function hover(event) {
    const { x, y } = local(event, canvas);
    view.pointer = { x, y };
    const hit = at(x, y);
    view.hovered = hit ? hit.span : -1;
    lanesBox.classList.toggle("on-span", hit !== null || (x < view.scale.left && nameAt(y) !== null));
    lanesBox.classList.toggle("marking", event.shiftKey);
    tip(hit, x, y);
    draw();
  }

  // While the hand marks it; its sums are told when it is done.
  function markRange(a, b) {
    const clamp = (time) => Math.min(recording.duration, Math.max(0, time));
    const [from, to] = [clamp(a), clamp(b)].map(Math.round).sort((x, y) => x - y);
    view.range = to > from ? { from, to } : null;
    draw();
  }

  lanesBox.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.target !== canvas) return;
    const { x, y } = local(event, canvas);
    // With Shift the hand marks a range, else it takes the lanes along.
    const mark = event.shiftKey && x >= view.scale.left ? model.toTime(view.scale, x) : null;
    grabbed = { x, y, mark, range: range(), scrollTop: lanesBox.scrollTop, moved: false };
    lanesBox.setPointerCapture(event.pointerId);
    stop();
  });
  lanesBox.addEventListener("pointermove", (event) => {
    if (!grabbed) {
      hover(event);
      return;
    }
    const { x, y } = local(event, canvas);
    if (!grabbed.moved && Math.hypot(x - grabbed.x, y - grabbed.y) < DRAGGED) return;
    grabbed.moved = true;
    if (grabbed.mark !== null) {
      markRange(grabbed.mark, model.toTime(view.scale, x));
      return;
    }
    lanesBox.classList.add("dragging");
    tip(null);
    view.pointer = { x, y };
    lanesBox.scrollTop = grabbed.scrollTop - (y - grabbed.y);
    const by = ((grabbed.x - x) / view.scale.width) * (grabbed.range.to - grabbed.range.from);
    setRange(model.clampRange(recording, grabbed.range.from + by, grabbed.range.to + by));
  });
  lanesBox.addEventListener("pointerup", (event) => {
    if (!grabbed) return;
    const { moved, mark } = grabbed;
    grabbed = null;
    lanesBox.classList.remove("dragging");
    if (moved) {
      if (mark !== null) selectRange(view.range);
      return;
    }
    const { x, y } = local(event, canvas);
    const name = x < view.scale.left ? nameAt(y) : null;
    if (name?.group !== undefined) {
      if (!folded.delete(name.group)) folded.add(name.group);
      arrange();
      draw();
      return;
    }
    if (name) {
      selectLane(name.lane);
      return;
    }
    const hit = at(x, y);
    if (hit) select({ span: hit.span, mark: hit.mark, party: hit.party }, { among: hit.among });
    else select(null);
  });
  lanesBox.addEventListener("pointercancel", () => {
    grabbed = null;
    lanesBox.classList.remove("dragging");
  });
  lanesBox.addEventListener("pointerleave", () => {
    if (grabbed) return;
    view.pointer = null;
    view.hovered = -1;
    tip(null);
    draw();
  });
  lanesBox.addEventListener("dblclick", (event) => {
    const { x, y } = local(event, canvas);
    const hit = at(x, y);
    if (hit && hit.span >= 0) show(hit.span, { zoomTo: true });
    else glide(zoom(1 / 3, model.toTime(view.scale, Math.max(x, view.scale.left))));
  });
  lanesBox.addEventListener("scroll", draw);

  // The wheel scrolls the lanes, with Ctrl it zooms around the pointer, with Shift or sideways it pans.
  lanesBox.addEventListener(
    "wheel",
    (event) => {
      const { x } = local(event, canvas);
      const sideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
      if (!event.ctrlKey && !event.metaKey && !sideways) {
        if (lanesBox.scrollHeight <= lanesBox.clientHeight) hint("Ctrl + wheel zooms, Shift + wheel pans");
        tip(null);
        return;
      }
      event.preventDefault();
      stop();
      tip(null);
      const unit = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 30 : event.deltaMode === WheelEvent.DOM_DELTA_PAGE ? 300 : 1;
      if (sideways && !event.ctrlKey && !event.metaKey) {
        setRange(pan((((event.shiftKey && event.deltaX === 0 ? event.deltaY : event.deltaX)) * unit) / view.scale.width));
        return;
      }
      // A notch of a wheel is a hundred or more, a pinch on a touchpad a few at a time.
      const turned = event.deltaY * unit * (Math.abs(event.deltaY * unit) < 50 ? 0.01 : 0.0022);
      const factor = Math.exp(Math.max(-1, Math.min(1, turned)));
      setRange(zoom(factor, model.toTime(view.scale, Math.max(x, view.scale.left))));
    },
    { passive: false },
  );

  let hinting = 0;

  function hint(text) {
    find("hint").textContent = text;
    find("hint").hidden = false;
    clearTimeout(hinting);
    hinting = setTimeout(() => (find("hint").hidden = true), 2000);
  }

  // In the strip that shows all of it a click moves the window there and a drag marks a new window; a drag in the ruler
  // selects a range.
  let marking = null;

  function topTime(point) {
    const x = Math.min(Math.max(point.x, view.scale.left), view.scale.left + view.scale.width);
    if (!point.whole) return model.toTime(view.scale, x);
    return model.toTime({ ...view.scale, from: 0, to: recording.duration }, x);
  }

  topCanvas.addEventListener("pointerdown", (event) => {
    const point = local(event, topCanvas);
    marking = { ...point, whole: point.y < paint.OVERVIEW };
    topCanvas.setPointerCapture(event.pointerId);
  });
  topCanvas.addEventListener("pointermove", (event) => {
    const point = local(event, topCanvas);
    view.pointer = null;
    if (marking && !marking.whole) markRange(topTime(marking), topTime({ ...point, whole: false }));
    else if (marking) view.marking = [marking.x, point.x].map((x) => Math.max(view.scale.left, x));
    else if (point.y >= paint.OVERVIEW) view.pointer = point;
    draw();
  });
  topCanvas.addEventListener("pointerup", (event) => {
    if (!marking) return;
    const point = { ...local(event, topCanvas), whole: marking.whole };
    const times = [topTime(marking), topTime(point)].sort((a, b) => a - b);
    const width = view.scale.to - view.scale.from;
    if (!marking.whole) selectRange(Math.abs(point.x - marking.x) >= DRAGGED ? view.range : null);
    else if (Math.abs(point.x - marking.x) >= DRAGGED) glide(model.clampRange(recording, times[0], times[1]));
    else glide(model.clampRange(recording, times[0] - width / 2, times[0] + width / 2));
    marking = view.marking = null;
    draw();
  });
  topCanvas.addEventListener("pointerleave", () => {
    view.pointer = null;
    draw();
  });
  topCanvas.addEventListener("dblclick", () => glide({ from: 0, to: recording.duration }));

  // --- keys -------------------------------------------------------------------------------------------------------------

  function walk(step) {
    const { selected } = view;
    if (!selected || selected.span < 0) {
      enter(selected ? selected.party : null);
      return;
    }
    const next = model.neighbour(recording, selected.span, step, view.filter);
    if (next >= 0) go(next);
    else say(step > 0 ? "Last span of this lane." : "First span of this lane.");
  }

  // Into the lanes: to the span nearest to the middle of the window, in this lane or the first one on the screen.
  function enter(party) {
    const { layout } = view;
    const middle = (view.scale.from + view.scale.to) / 2;
    const from = party === null ? paint.firstVisible(layout, view.scrollTop) : layout.placed.indexOf(entries.get(party));
    for (const { lane } of layout.placed.slice(Math.max(0, from))) {
      const span = model.nearest(recording, lane, middle, view.filter);
      if (span >= 0) {
        go(span);
        return;
      }
    }
    say("No span is shown.");
  }

  function walkLanes(step) {
    const { selected, layout } = view;
    if (!selected) {
      enter(null);
      return;
    }
    const time =
      selected.mark >= 0
        ? recording.marks[selected.mark][0]
        : selected.span >= 0
          ? Math.min(Math.max(spans.start[selected.span], view.scale.from), view.scale.to)
          : (view.scale.from + view.scale.to) / 2;
    for (let i = layout.placed.indexOf(entries.get(selected.party)) + step; layout.placed[i]; i += step) {
      const span = model.nearest(recording, layout.placed[i].lane, time, view.filter);
      if (span >= 0) {
        go(span);
        return;
      }
    }
    say(step > 0 ? "Last lane." : "First lane.");
  }

  function edge(step) {
    const party = view.selected ? view.selected.party : view.layout.placed[0]?.lane.party;
    if (party === undefined) return;
    const { order } = recording.lanes[party];
    const shown = (span) => model.passes(recording, span, view.filter);
    const span = step > 0 ? order.findLast(shown) : order.find(shown);
    if (span !== undefined) go(span);
  }

  const laneKeys = {
    ArrowRight: () => walk(1),
    ArrowLeft: () => walk(-1),
    ArrowDown: () => walkLanes(1),
    ArrowUp: () => walkLanes(-1),
    "Shift+ArrowRight": () => glide(pan(0.25)),
    "Shift+ArrowLeft": () => glide(pan(-0.25)),
    Home: () => edge(-1),
    End: () => edge(1),
    Enter: () => {
      if (view.selected?.span >= 0) show(view.selected.span, { zoomTo: true });
      else if (view.range) glide({ ...view.range });
    },
  };

  const selectedMiddle = () => {
    const span = view.selected ? view.selected.span : -1;
    if (span < 0) return undefined;
    const middle = (spans.start[span] + spans.end[span]) / 2;
    const { from, to } = range();
    return middle >= from && middle <= to ? middle : undefined;
  };

  const pageKeys = {
    "+": () => glide(zoom(0.5, selectedMiddle())),
    "=": () => glide(zoom(0.5, selectedMiddle())),
    "-": () => glide(zoom(2, selectedMiddle())),
    w: () => glide(zoom(0.5, selectedMiddle())),
    s: () => glide(zoom(2, selectedMiddle())),
    d: () => glide(pan(0.25)),
    a: () => glide(pan(-0.25)),
    0: () => glide({ from: 0, to: recording.duration }),
    n: () => goToWorst(1),
    N: () => goToWorst(-1),
    t: () => nextTheme(),
    "/": () => find("search").focus(),
    f: () => find("lane-filter").focus(),
    "?": () => find("keys").showModal(),
    Escape: () => (view.selected ? select(null) : selectRange(null)),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || find("keys").open) return;
    if (event.target.closest("input:not([type=checkbox]), select")) return;
    const shifted = event.shiftKey && event.key.startsWith("Arrow") ? `Shift+${event.key}` : event.key;
    const act = (event.target === lanesBox || event.target === document.body ? laneKeys[shifted] : undefined) ?? pageKeys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  const KEYS = [
    [["wheel"], "scroll the lanes; with Ctrl zoom, with Shift pan"],
    [["drag"], "pan; with Shift or in the ruler: select a range and see its sums; in the strip: zoom to it"],
    [["click"], "on a span, a name, a heading: what it is, or fold"],
    [["+", "−"], "zoom"],
    [["a", "d"], "pan; or Shift with the arrow keys"],
    [["0"], "show all of it"],
    [["←", "→"], "previous and next span of the lane"],
    [["↑", "↓"], "lane above and below"],
    [["Home", "End"], "first and last span of the lane"],
    [["Enter"], "zoom to the selected span"],
    [["n", "N"], "next and previous worst wait"],
    [["/"], "find by name"],
    [["f"], "filter the lanes by name"],
    [["t"], "light or dark"],
    [["Esc"], "select nothing; again: no range"],
  ];

  const SIGNS = [
    ["hold", "held: one colour and texture per primitive"],
    ["wait", "waited"],
    ["timed out", "the wait timed out"],
    ["cancelled", "the wait was cancelled"],
    ["still", "still waiting when the recording ended"],
    ["columns", "many spans: share waited (red) and held"],
    ["set", "an event was set"],
    ["clear", "an event was cleared"],
    ["arrive", "arrived at a barrier"],
    ["trip", "a barrier tripped"],
    ["broken", "a barrier broke"],
    ["notify", "a condition was notified"],
    ["count down", "a latch was counted down"],
    ["release", "released without having held it"],
  ];

  // Draws a sign as the lanes do.
  function sign(element) {
    const kind = element.dataset.sign;
    element.width = Math.round(26 * view.ratio);
    element.height = Math.round(16 * view.ratio);
    const picture = element.getContext("2d");
    picture.scale(view.ratio, view.ratio);
    paint.sign(picture, kind, view);
  }

  for (const [keys, text] of KEYS) {
    const term = make("dt");
    keys.forEach((key, i) => term.append(i ? " " : "", make("kbd", key)));
    find("keys-list").append(term, make("dd", text));
  }
  for (const [kind, text] of SIGNS) {
    const term = make("dt");
    const picture = make("canvas");
    picture.dataset.sign = kind;
    term.append(picture);
    find("signs-list").append(term, make("dd", text));
  }

  // --- the table --------------------------------------------------------------------------------------------------------

  const timeOrDash = (ns) => (ns > 0 ? model.formatTime(ns) : "-");

  const COLUMNS = [
    { key: "name", title: "Name" },
    { key: "wait_total", title: "Waited", show: (entry) => timeOrDash(entry.wait_total), time: true },
    { key: "wait_longest", title: "Longest", show: (entry) => timeOrDash(entry.wait_longest), time: true },
    { key: "contended", title: "Contended", show: (entry) => (entry.contended ? model.formatShare(entry.contended) : "-") },
    { key: "acquired", title: "Acquired", show: (entry) => model.formatCount(entry.acquired) },
    { key: "wait_p99", title: "p99 wait", show: (entry) => timeOrDash(entry.wait_p99) },
    { key: "hold_total", title: "Held", show: (entry) => timeOrDash(entry.hold_total) },
    { key: "hold_longest", title: "Longest hold", show: (entry) => timeOrDash(entry.hold_longest) },
    { key: "parties", title: "Parties", show: (entry) => model.formatCount(entry.parties) },
  ];

  const tableRows = new Map(); // primitive: {row, check}

  function sorted() {
    const value = (entry) => (sorting.column === "name" ? recording.primitives[entry.primitive].name : entry[sorting.column]);
    const order = [...recording.summary].sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      return (x < y ? -1 : x > y ? 1 : 0) * (sorting.down ? -1 : 1) || recording.ranks[a.primitive] - recording.ranks[b.primitive];
    });
    return order;
  }

  function buildHead() {
    for (const { key, title } of COLUMNS) {
      const cell = make("th", "", { scope: "col" });
      cell.dataset.column = key;
      const button = make("button", title, { type: "button" });
      button.addEventListener("click", () => {
        sorting = { column: key, down: sorting.column === key ? !sorting.down : key !== "name" };
        buildRows();
      });
      cell.append(button);
      find("columns").append(cell);
    }
  }

  function buildRows() {
    for (const cell of find("columns").children) {
      const chosen = cell.dataset.column === sorting.column;
      cell.setAttribute("aria-sort", chosen ? (sorting.down ? "descending" : "ascending") : "none");
    }
    const entriesShown = allRows ? sorted() : sorted().slice(0, ROWS_LISTED);
    tableRows.clear();
    find("rows").replaceChildren(...entriesShown.map(buildRow));
    const more = recording.summary.length - entriesShown.length;
    find("more").hidden = more === 0;
    find("more").textContent = `Show ${model.formatCount(more)} more`;
    if (view.fills) dress();
    syncTable();
  }

  function buildRow(entry) {
    const { primitive } = entry;
    const { name, kind, place } = recording.primitives[primitive];
    const row = make("tr");
    const check = make("span", "", { className: "check" });
    const box = make("input", "", { type: "checkbox", checked: view.filter.primitives[primitive] === 1 });
    box.setAttribute("aria-label", `Show ${kind} ${name}`);
    box.title = `Show or hide ${name}`;
    box.addEventListener("change", () => {
      view.filter.primitives[primitive] = box.checked ? 1 : 0;
      refilter();
    });
    const swatch = make("canvas");
    swatch.dataset.rank = String(recording.ranks[primitive]);
    check.append(box, swatch);
    const called = make("span", "", { className: "called" });
    const called_ = link(name, () => goToPrimitive(entry));
    called_.title = entry.worst_wait >= 0 ? "Go to its worst wait" : "Go to its longest hold: nobody waited for it";
    called.append(called_, make("small", place && place !== name ? `${kind} · ${place}` : kind));
    const only = make("button", "only", { type: "button", className: "only" });
    only.setAttribute("aria-label", `Show only ${name}`);
    only.addEventListener("click", () => solo(primitive));
    const cell = make("td");
    const naming = make("div", "", { className: "naming-cell" });
    naming.append(check, called, only);
    cell.append(naming);
    row.append(cell);
    for (const { show: text, time } of COLUMNS.slice(1)) {
      const value = make("td", text(entry));
      if (time && entry.wait_total > 0 && entry.wait_total === recording.mostWaited) value.className = "bad";
      row.append(value);
    }
    row.addEventListener("click", (event) => {
      if (!event.target.closest("button, input")) goToPrimitive(entry);
    });
    tableRows.set(primitive, { row, box });
    return row;
  }

  function syncTable() {
    const chosen = view.selected?.span >= 0 ? spans.primitive[view.selected.span] : -1;
    for (const [primitive, { row, box }] of tableRows) {
      const shown = view.filter.primitives[primitive] === 1;
      box.checked = shown;
      row.classList.toggle("off", !shown);
      row.classList.toggle("chosen", primitive === chosen);
    }
  }

  const summaryOf = new Map(recording.summary.map((entry) => [entry.primitive, entry]));

  // The longest wait, or else the longest hold, of those that belong to something with a name.
  function goToLongest(belongs, name) {
    const span = model.longestAt(recording, belongs);
    if (span < 0) {
      say(`${name}: nothing of it was recorded.`);
      return;
    }
    reveal(span);
    go(span, { zoomTo: true });
  }

  // A row of the table leads to its worst wait; to its longest hold if nobody waited.
  function goToPrimitive({ primitive, worst_wait: worstWait }) {
    const span = worstWait >= 0 ? spans.holds + worstWait : model.longestAt(recording, (at) => spans.primitive[at] === primitive);
    if (span < 0) {
      say("Nothing of it was recorded.");
      return;
    }
    if (!view.filter.primitives[primitive]) {
      view.filter.primitives[primitive] = 1;
      refilter();
    }
    reveal(span);
    go(span, { zoomTo: true });
  }

  // Somebody who goes to a span wants to see it, whatever was filtered before.
  function reveal(span) {
    if (model.passes(recording, span, view.filter)) return;
    view.filter.primitives[spans.primitive[span]] = 1;
    setLayer(model.isWait(recording, span) ? "waits" : "holds", true);
    refilter();
  }

  function solo(primitive) {
    view.filter.primitives.fill(0);
    view.filter.primitives[primitive] = 1;
    refilter();
    if (view.selected) scrollToLane(view.selected.party);
  }

  function showAll(shown) {
    view.filter.primitives.fill(shown ? 1 : 0);
    refilter();
  }

  function setLayer(layer, on) {
    view.filter[layer] = on;
    document.querySelector(`[data-layer=${layer}]`).setAttribute("aria-pressed", String(on));
  }

  for (const button of document.querySelectorAll("[data-layer]")) {
    button.addEventListener("click", () => {
      setLayer(button.dataset.layer, !view.filter[button.dataset.layer]);
      refilter();
    });
  }

  // --- search -----------------------------------------------------------------------------------------------------------

  const WHAT = { party: "Lane", primitive: "Primitive", place: "Line" };
  let results = [];
  let active = -1;

  function listResults() {
    const input = find("search");
    const list = find("results");
    results = model.search(recording, input.value);
    active = results.length > 0 ? 0 : -1;
    list.replaceChildren(
      ...results.map((result, i) => {
        const item = make("li", "", { id: `result-${i}` });
        item.setAttribute("role", "option");
        item.append(
          make("span", result.what === "party" ? recording.parties[result.index].kind : WHAT[result.what], { className: "what" }),
          make("span", result.name, { className: "name", title: result.name }),
          make("span", result.what === "primitive" ? result.detail : "", { className: "detail" }),
        );
        item.addEventListener("pointerdown", (event) => event.preventDefault());
        item.addEventListener("click", () => choose(i));
        return item;
      }),
    );
    if (results.length === 0 && input.value.trim()) list.append(make("li", "Nothing has that in its name", { className: "none" }));
    list.hidden = !input.value.trim();
    input.setAttribute("aria-expanded", String(!list.hidden));
    markResult();
  }

  function markResult() {
    [...find("results").children].forEach((item, i) => item.setAttribute("aria-selected", String(i === active)));
    if (active >= 0) find("search").setAttribute("aria-activedescendant", `result-${active}`);
    else find("search").removeAttribute("aria-activedescendant");
    find("results").children[active]?.scrollIntoView({ block: "nearest" });
  }

  function closeResults() {
    find("results").hidden = true;
    find("search").setAttribute("aria-expanded", "false");
  }

  function choose(i) {
    const result = results[i];
    if (!result) return;
    closeResults();
    find("search").value = result.name;
    const belongs = {
      party: (span) => spans.party[span] === result.index,
      primitive: (span) => spans.primitive[span] === result.index,
      place: (span) => spans.place[span] === result.index,
    }[result.what];
    const span = model.longestAt(recording, belongs);
    lanesBox.focus({ preventScroll: true });
    if (span >= 0) {
      reveal(span);
      go(span, { zoomTo: result.what !== "party" });
    } else if (result.what === "party") {
      scrollToLane(result.index);
      say(`${result.name}: nothing was recorded in this lane.`);
    } else {
      say(`${result.name}: nothing of it was recorded.`);
    }
  }

  find("search").addEventListener("input", listResults);
  find("search").addEventListener("focus", () => find("search").value && listResults());
  find("search").addEventListener("blur", closeResults);
  find("search").addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (results.length === 0) return;
      active = (active + (event.key === "ArrowDown" ? 1 : -1) + results.length) % results.length;
      markResult();
    } else if (event.key === "Enter") {
      choose(active);
    } else if (event.key === "Escape") {
      if (find("results").hidden) lanesBox.focus();
      find("search").value = "";
      closeResults();
    }
  });

  // --- theme ------------------------------------------------------------------------------------------------------------

  // A page opened from a file may be refused the storage: the choice then lasts as long as the page.
  function stored(value) {
    try {
      if (value === undefined) return localStorage.getItem("interlock-theme");
      localStorage.setItem("interlock-theme", value);
    } catch {
      return null;
    }
    return value;
  }

  const THEMES = { system: "◐ Auto", light: "○ Light", dark: "● Dark" };
  let theme = THEMES[stored()] ? stored() : "system";

  function applyTheme() {
    const dark = theme === "dark" || (theme === "system" && darkSystem.matches);
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    find("theme").textContent = THEMES[theme];
    find("theme").setAttribute("aria-label", `Colours: ${THEMES[theme].slice(2)}. Change`);
    if (view.width) dress();
  }

  function nextTheme() {
    const order = Object.keys(THEMES);
    theme = order[(order.indexOf(theme) + 1) % order.length];
    stored(theme);
    applyTheme();
  }

  // --- begin ------------------------------------------------------------------------------------------------------------

  function headline() {
    find("title").textContent = recording.title || "interlock recording";
    document.title = recording.title || "interlock recording";
    const count = (kind) => recording.parties.filter((party) => party.kind === kind).length;
    const parts = [model.formatTime(recording.duration)];
    if (count("thread")) parts.push(model.plural(count("thread"), "thread"));
    if (count("task")) parts.push(model.plural(count("task"), "task"));
    parts.push(model.plural(spans.holds, "hold"), model.plural(spans.count - spans.holds, "wait"));
    find("facts").textContent = parts.join(" · ");
    if (recording.dropped > 0) {
      find("dropped").hidden = false;
      find("dropped").textContent =
        `${model.plural(recording.dropped, "event")} did not fit into the recording and ${recording.dropped === 1 ? "is" : "are"} missing here.`;
    }
    find("findings").hidden = recording.findings.length === 0;
    const finding = (text, i) => {
      const item = make("li");
      const [primitive, wait] = recording.links[i] ?? [-1, -1];
      const to = wait >= 0 ? () => (reveal(spans.holds + wait), go(spans.holds + wait, { zoomTo: true })) : () => goToPrimitive(summaryOf.get(primitive));
      item.append(primitive >= 0 ? link(text, to) : text);
      return item;
    };
    find("findings").querySelector("ol").append(...recording.findings.map(finding));
  }

  function emptiness() {
    if (spans.count + recording.marks.length > 0) return;
    const box = find("nothing");
    box.hidden = false;
    document.body.classList.add("empty");
    find("facts").textContent = "";
    box.append(
      make("strong", "Nothing was recorded"),
      make("span", "No primitive of interlock was used while the recording ran."),
    );
  }

  find("zoom-in").addEventListener("click", () => glide(zoom(0.5, selectedMiddle())));
  find("zoom-out").addEventListener("click", () => glide(zoom(2, selectedMiddle())));
  find("fit").addEventListener("click", () => glide({ from: 0, to: recording.duration }));
  find("theme").addEventListener("click", nextTheme);
  find("help").addEventListener("click", () => find("keys").showModal());
  find("worst-next").addEventListener("click", () => goToWorst(1));
  find("worst-back").addEventListener("click", () => goToWorst(-1));
  find("show-all").addEventListener("click", () => showAll(true));
  find("show-none").addEventListener("click", () => showAll(false));
  find("more").addEventListener("click", () => {
    allRows = true;
    buildRows();
  });
  find("sorting").addEventListener("change", () => {
    arrange();
    if (view.selected) scrollToLane(view.selected.party);
    draw();
  });
  find("in-view").addEventListener("click", () => setInView(!inView));
  find("lane-filter").addEventListener("input", () => {
    arrange();
    draw();
  });
  find("lane-filter").addEventListener("keydown", (event) => {
    if (event.key === "Escape") find("lane-filter").value = "";
    if (event.key !== "Escape" && event.key !== "Enter") return;
    arrange();
    draw();
    lanesBox.focus({ preventScroll: true });
  });

  // --- the panel beside the lanes ---------------------------------------------------------------------------------------

  const splitter = find("splitter");
  const aside = document.querySelector("aside");

  function widen(width) {
    const most = Math.max(300, window.innerWidth - 360);
    const wanted = Math.round(Math.min(most, Math.max(280, width)));
    document.documentElement.style.setProperty("--aside", `${wanted}px`);
    splitter.setAttribute("aria-valuenow", String(wanted));
    splitter.setAttribute("aria-valuemin", "280");
    splitter.setAttribute("aria-valuemax", String(most));
  }

  splitter.addEventListener("pointerdown", (event) => {
    splitter.setPointerCapture(event.pointerId);
    splitter.classList.add("dragging");
  });
  splitter.addEventListener("pointermove", (event) => {
    if (splitter.classList.contains("dragging")) widen(window.innerWidth - event.clientX - 3);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    splitter.addEventListener(end, () => splitter.classList.remove("dragging"));
  }
  // As wide as its table, and back.
  splitter.addEventListener("dblclick", () => {
    const table = document.querySelector("#summary table");
    const all = table.scrollWidth + 24;
    if (aside.clientWidth >= all) document.documentElement.style.removeProperty("--aside");
    else widen(all);
  });
  splitter.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: 40, ArrowRight: -40 }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    widen(aside.clientWidth + by);
  });

  // --- the state of the view in the URL's fragment ------------------------------------------------------------------------

  let remembering = 0;
  let remembered = location.hash.slice(1);

  function state() {
    const { selected, filter } = view;
    const now = range();
    const kind = !selected
      ? null
      : selected.mark >= 0
        ? { kind: "mark", index: selected.mark }
        : selected.span < 0
          ? { kind: "lane", index: selected.party }
          : selected.span < spans.holds
            ? { kind: "hold", index: selected.span }
            : { kind: "wait", index: selected.span - spans.holds };
    return {
      ...now,
      selected: kind,
      range: view.range,
      hidden: [...filter.primitives.keys()].filter((primitive) => !filter.primitives[primitive]),
      off: model.LAYERS.filter((layer) => !filter[layer]),
      lanes: find("lane-filter").value.trim(),
      sorting: find("sorting").value,
      inView,
      inViewAtFirst,
      folded: [...folded],
    };
  }

  // A little later, and once for all that a hand does: browsers count such changes.
  function remember() {
    clearTimeout(remembering);
    remembering = setTimeout(() => {
      const text = model.encodeState(recording, state());
      if (text === remembered) return;
      remembered = text;
      try {
        history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
      } catch {
        // Some browsers allow a page opened from a file none of this.
      }
    }, 250);
  }

  function restore(fragment) {
    const wanted = model.decodeState(recording, fragment);
    stop();
    view.filter.primitives.fill(1);
    for (const primitive of wanted.hidden) view.filter.primitives[primitive] = 0;
    for (const layer of model.LAYERS) setLayer(layer, !wanted.off.includes(layer));
    find("lane-filter").value = wanted.lanes;
    find("sorting").value = wanted.sorting;
    folded.clear();
    for (const group of wanted.folded) folded.add(group);
    inView = wanted.inView ?? inViewAtFirst;
    find("in-view").setAttribute("aria-pressed", String(inView));
    view.range = wanted.range;
    view.scale.from = wanted.from;
    view.scale.to = wanted.to;
    view.selected = null;
    refilter();
    const { kind, index } = wanted.selected ?? {};
    if (kind === "hold") selectSpan(index);
    else if (kind === "wait") selectSpan(spans.holds + index);
    else if (kind === "mark") select({ span: -1, mark: index, party: recording.marks[index][1] });
    else if (kind === "lane") selectLane(index);
    else select(null, { spoken: false });
    if (view.selected) scrollToLane(view.selected.party);
  }

  window.addEventListener("hashchange", () => {
    remembered = location.hash.slice(1);
    restore(remembered);
  });
  darkSystem.addEventListener("change", applyTheme);

  recording.mostWaited = Math.max(0, ...recording.summary.map((entry) => entry.wait_total));
  document.querySelector("[data-layer=holds] canvas").dataset.rank = "0";
  document.querySelector("[data-layer=waits] canvas").dataset.rank = "-1";
  applyTheme();
  headline();
  emptiness();
  buildHead();
  buildRows();
  widen(aside.clientWidth);
  document.documentElement.style.removeProperty("--aside");
  find("in-view").setAttribute("aria-pressed", String(inView));
  measure();
  restore(remembered);
  drawNow();
  openedAt = performance.now();
  new ResizeObserver(measure).observe(lanesBox);

  // What the tests look at. Nothing here changes anything.
  window.interlockTimeline = Object.freeze({
    state: () => ({
      from: view.scale.from,
      to: view.scale.to,
      moving: moving !== null || redraw !== 0,
      drawn: { ...drawn },
      selected: view.selected && { ...view.selected },
      related: [...view.related],
      lanes: view.layout.placed.map((entry) => recording.parties[entry.lane.party].name),
      shown: [...view.filter.primitives],
      width: view.width,
      height: view.height,
      gutter: view.scale.left,
      scrollTop: lanesBox.scrollTop,
      laneHeights: view.layout.placed.map((entry) => entry.height),
      range: view.range && { ...view.range },
      fragment: model.encodeState(recording, state()),
      theme: document.documentElement.dataset.theme,
      openedAt,
      paintedIn,
    }),
    laneTop: (party) => (entries.has(party) ? entries.get(party).top - lanesBox.scrollTop : null),
    holds: spans.holds,
    // Where a hold or wait (by its index in the document) is on the screen: the middle of what is visible of it.
    where: (kind, index) => {
      const found = paint.box(view, kind === "wait" ? spans.holds + index : index);
      if (!found) return null;
      const place = canvas.getBoundingClientRect();
      const left = Math.max(found.left, view.scale.left);
      const right = Math.min(found.right, view.width);
      return {
        x: place.left + (left + right) / 2,
        y: place.top + found.top + found.height / 2 - lanesBox.scrollTop,
        width: right - left,
      };
    },
  });
})();
