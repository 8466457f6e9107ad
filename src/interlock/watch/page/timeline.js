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
    selected: null, // {span, mark, party}: a span (mark is -1) or a mark (span is -1)
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
  let worst = { list: null, at: -1 };
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
    view.scrollTop = lanesBox.scrollTop;
    drawn = paint.paintLanes(ctx, view);
    topCtx.setTransform(view.ratio, 0, 0, view.ratio, 0, 0);
    paint.paintTop(topCtx, view);
    paintedIn = performance.now() - began;
    if (moving) draw();
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

  function arrange() {
    let lanes = recording.lanes;
    if (filtered()) lanes = lanes.filter((lane) => model.lanePasses(recording, lane, view.filter));
    const away = recording.lanes.length - lanes.length;
    if (find("sorting").value === "waited") lanes = [...lanes].sort((a, b) => b.waited - a.waited || a.party - b.party);
    view.layout = paint.arrange(recording, lanes, lanesBox.clientHeight);
    entries.clear();
    for (const entry of view.layout.placed) entries.set(entry.lane.party, entry);
    find("sizer").style.height = `${view.layout.height}px`;
    find("hidden-lanes").hidden = away === 0;
    find("hidden-lanes").textContent =
      `${model.plural(away, "lane")} ${away === 1 ? "has" : "have"} nothing of what is shown and ${away === 1 ? "is" : "are"} hidden.`;
  }

  function refilter() {
    rowCache.clear();
    markCache.clear();
    worst = { list: null, at: -1 };
    if (view.selected?.span >= 0 && !model.passes(recording, view.selected.span, view.filter)) select(null);
    if (view.selected?.mark >= 0) select(null);
    arrange();
    survey();
    syncTable();
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
    const above = entry.top - view.layout.rowHeight;
    const below = entry.top + entry.height + view.layout.rowHeight - view.height;
    if (lanesBox.scrollTop > above) lanesBox.scrollTop = above;
    else if (lanesBox.scrollTop < below) lanesBox.scrollTop = below;
  }

  // Brings a span into the window: moved as little as will do, or zoomed to where it can be seen.
  function show(span, { zoomTo = false } = {}) {
    scrollToLane(spans.party[span]);
    const now = range();
    const width = now.to - now.from;
    if (zoomTo) {
      glide(model.rangeAround(recording, span));
    } else if (spans.end[span] < now.from + width * 0.02 || spans.start[span] > now.to - width * 0.02) {
      const middle = (spans.start[span] + spans.end[span]) / 2;
      glide(model.clampRange(recording, middle - width / 2, middle + width / 2));
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
    details(among, spoken);
    syncTable();
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
    worst.list ??= model.worstWaits(recording, view.filter);
    if (worst.list.length === 0) {
      say("No wait is shown.");
      return;
    }
    worst.at = Math.min(worst.list.length - 1, Math.max(0, worst.at + direction));
    go(worst.list[worst.at], { zoomTo: true });
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

  function goTo(text, span) {
    const button = make("button", text, { type: "button", className: "link" });
    button.addEventListener("click", () => go(span));
    return button;
  }

  function details(among, spoken) {
    const body = find("details-body");
    body.replaceChildren();
    const { selected } = view;
    if (!selected) {
      const none = make("p", "Click a span to see who held what, and where. Or press ");
      none.append(make("kbd", "n"), " for the worst wait, and the arrow keys to walk from there.");
      body.append(none);
      return;
    }
    const about =
      selected.span >= 0 ? model.describe(recording, selected.span) : model.describeMark(recording, selected.mark);
    body.append(make("h3", about.title));
    const list = make("dl");
    for (const { label, text, go: to } of about.facts) fact(list, label, [to >= 0 ? goTo(text, to) : text]);
    body.append(list);
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

  // The chain from the wait to where it begins.
  function why(body, wait) {
    const { links, cycle } = model.chain(recording, wait);
    const holderOf = (link) => waiting.holder[link.wait - spans.holds];
    if (holderOf(links[0]) < 0 || (links.length === 1 && !cycle)) return;
    body.append(make("h4", cycle ? "Why: a cycle, nobody in it can go on" : "Why it took so long"));
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
      const what = model.primitiveName(recording, spans.primitive[link.wait]);
      const time = model.formatTime(link.shared);
      item.append(goTo(who, link.wait), i === 0 ? ` waited for ${what}` : ` meanwhile waited for ${what}, ${time} of it`);
      list.append(item);
    });
    const last = links.at(-1);
    if (holderOf(last) >= 0) {
      const item = make("li", "", { className: "end" });
      const hold = model.holdBehind(recording, last.wait);
      const name = model.partyName(recording, holderOf(last));
      const place = waiting.holderPlace[last.wait - spans.holds];
      item.append(
        hold >= 0 ? goTo(name, hold) : name,
        ` held ${model.primitiveName(recording, spans.primitive[last.wait])}`,
        place >= 0 ? ` at ${model.placeName(recording, place)}` : "",
        cycle ? ", and waits itself" : "",
      );
      list.append(item);
    }
    body.append(list);
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
      item.append(goTo(model.partyName(recording, spans.party[span]), span), ` ${model.formatTime(shared)}`);
      const place = spans.place[span];
      if (place >= 0) item.append(` at ${model.placeName(recording, place)}`);
      list.append(item);
    }
    body.append(list);
  }

  // --- finding what is under the pointer --------------------------------------------------------------------------------

  function at(x, y) {
    if (x < view.scale.left) return null;
    const down = y + view.scrollTop;
    const { layout } = view;
    if (!layout.placed.length) return null;
    const entry = layout.placed[paint.firstVisible(layout, down)];
    if (!entry || down < entry.top || down >= entry.top + entry.height) return null;
    const row = Math.floor((down - entry.top - paint.PAD) / layout.rowHeight);
    if (row >= entry.lane.rows && entry.lane.marks.length > 0) {
      let found = null;
      model.markShapes(view.marks(entry.lane), view.scale, (mark, markX, among) => {
        if (Math.abs(markX - x) <= 6) found = { mark, span: -1, party: entry.lane.party, among };
      });
      return found;
    }
    const rows = view.rows(entry.lane);
    if (row < 0 || row >= rows.length) return null;
    const hit = model.spanAt(recording, rows[row], view.scale, x);
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
        line(`held by ${model.partyName(recording, waiting.holder[wait])}${place >= 0 ? ` at ${model.placeName(recording, place)}` : ""}`);
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
    lanesBox.classList.toggle("on-span", hit !== null);
    tip(hit, x, y);
    draw();
  }

  let grabbed = null;

  lanesBox.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.target !== canvas) return;
    const { x, y } = local(event, canvas);
    grabbed = { x, y, range: range(), scrollTop: lanesBox.scrollTop, moved: false };
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
    lanesBox.classList.add("dragging");
    tip(null);
    view.pointer = { x, y };
    lanesBox.scrollTop = grabbed.scrollTop - (y - grabbed.y);
    const by = ((grabbed.x - x) / view.scale.width) * (grabbed.range.to - grabbed.range.from);
    setRange(model.clampRange(recording, grabbed.range.from + by, grabbed.range.to + by));
  });
  lanesBox.addEventListener("pointerup", (event) => {
    if (!grabbed) return;
    const { moved } = grabbed;
    grabbed = null;
    lanesBox.classList.remove("dragging");
    if (moved) return;
    const { x, y } = local(event, canvas);
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

  // Over the lanes the wheel zooms, with Shift or sideways it pans; over the names and with Alt it scrolls the lanes.
  lanesBox.addEventListener(
    "wheel",
    (event) => {
      const { x } = local(event, canvas);
      if ((x < view.scale.left || event.altKey) && !event.ctrlKey) return;
      event.preventDefault();
      stop();
      tip(null);
      const unit = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 30 : event.deltaMode === WheelEvent.DOM_DELTA_PAGE ? 300 : 1;
      const sideways = event.shiftKey ? event.deltaX || event.deltaY : event.deltaX;
      if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        setRange(pan((sideways * unit) / view.scale.width));
        return;
      }
      const factor = Math.exp(Math.max(-1, Math.min(1, event.deltaY * unit * (event.ctrlKey ? 0.01 : 0.0022))));
      setRange(zoom(factor, model.toTime(view.scale, Math.max(x, view.scale.left))));
    },
    { passive: false },
  );

  // In the strip that shows all of it a click moves the window there; a drag there or in the ruler marks a new window.
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
    if (marking) view.marking = [marking.x, point.x].map((x) => Math.max(view.scale.left, x));
    else if (point.y >= paint.OVERVIEW) view.pointer = point;
    draw();
  });
  topCanvas.addEventListener("pointerup", (event) => {
    if (!marking) return;
    const point = { ...local(event, topCanvas), whole: marking.whole };
    const times = [topTime(marking), topTime(point)].sort((a, b) => a - b);
    const width = view.scale.to - view.scale.from;
    if (Math.abs(point.x - marking.x) >= DRAGGED) glide(model.clampRange(recording, times[0], times[1]));
    else if (marking.whole) glide(model.clampRange(recording, times[0] - width / 2, times[0] + width / 2));
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
      selected.span >= 0
        ? Math.min(Math.max(spans.start[selected.span], view.scale.from), view.scale.to)
        : recording.marks[selected.mark][0];
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
    Enter: () => view.selected?.span >= 0 && show(view.selected.span, { zoomTo: true }),
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
    "?": () => find("keys").showModal(),
    Escape: () => select(null),
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
    [["wheel"], "zoom around the pointer; with Shift pan"],
    [["drag"], "pan; in the ruler or the strip: zoom to it"],
    [["+", "−"], "zoom"],
    [["a", "d"], "pan; or Shift with the arrow keys"],
    [["0"], "show all of it"],
    [["←", "→"], "previous and next span of the lane"],
    [["↑", "↓"], "lane above and below"],
    [["Home", "End"], "first and last span of the lane"],
    [["Enter"], "zoom to the selected span"],
    [["n", "N"], "next and previous worst wait"],
    [["/"], "find by name"],
    [["t"], "light or dark"],
    [["Esc"], "select nothing"],
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

  const COLUMNS = [
    { key: "name", title: "Name" },
    { key: "wait_total", title: "Waited", show: (entry) => model.formatTime(entry.wait_total), time: true },
    { key: "wait_longest", title: "Longest", show: (entry) => model.formatTime(entry.wait_longest), time: true },
    { key: "contended", title: "Contended", show: (entry) => model.formatShare(entry.contended) },
    { key: "acquired", title: "Acquired", show: (entry) => model.formatCount(entry.acquired) },
    { key: "wait_p99", title: "p99 wait", show: (entry) => model.formatTime(entry.wait_p99) },
    { key: "hold_total", title: "Held", show: (entry) => model.formatTime(entry.hold_total) },
    { key: "hold_longest", title: "Longest hold", show: (entry) => model.formatTime(entry.hold_longest) },
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
    const link = make("button", name, { type: "button", className: "link" });
    link.title = entry.worst_wait >= 0 ? "Go to its worst wait" : "Nobody waited for it";
    link.addEventListener("click", () => goToPrimitive(entry));
    called.append(link, make("small", place && place !== name ? `${kind} · ${place}` : kind));
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
    find("findings").querySelector("ol").append(...recording.findings.map((text) => make("li", text)));
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
  darkSystem.addEventListener("change", applyTheme);

  recording.mostWaited = Math.max(0, ...recording.summary.map((entry) => entry.wait_total));
  document.querySelector("[data-layer=holds] canvas").dataset.rank = "0";
  document.querySelector("[data-layer=waits] canvas").dataset.rank = "-1";
  applyTheme();
  headline();
  emptiness();
  buildHead();
  buildRows();
  details(1, false);
  measure();
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
      theme: document.documentElement.dataset.theme,
      openedAt,
      paintedIn,
    }),
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
