"use strict";

// Draws what model.js found visible. Two canvases: the top one with the whole recording at a glance and the ruler, the
// other with the lanes. How much is drawn depends on the pixels there are, not on the spans of the recording; paintLanes
// returns the counts.

const paint = (() => {
  const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif";
  const OVERVIEW = 40; // pixels of height
  const RULER = 24;
  const PAD = 5; // above and below a lane's rows
  const MARKS = 15;
  const HEADING = 26;
  const MOST_ARROWS = 250;

  // --- colours and textures -------------------------------------------------------------------------------------------

  // The page's own CSS variables, so that a colour is written down once.
  function theme(element) {
    const style = getComputedStyle(element);
    const names = ["page", "panel", "lane", "line", "text", "dim", "accent", "wait", "wait-soft", "shade", "arrow"];
    return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  }

  function tile(size, ratio, draw) {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = Math.round(size * ratio);
    const ctx = canvas.getContext("2d");
    ctx.scale(canvas.width / size, canvas.height / size);
    draw(ctx, size);
    return canvas;
  }

  function hatch(ctx, size, back, line) {
    ctx.fillStyle = back;
    ctx.fillRect(0, 0, size, size);
    ctx.strokeStyle = line;
    ctx.lineWidth = size * 0.3;
    ctx.beginPath();
    for (const shift of [-size, 0, size]) {
      ctx.moveTo(shift - 1, size + 1);
      ctx.lineTo(shift + size + 1, -1);
    }
    ctx.stroke();
  }

  function textured(ctx, size, { colour, texture }) {
    ctx.fillStyle = colour;
    ctx.fillRect(0, 0, size, size);
    ctx.fillStyle = model.inkOn(colour) === "#ffffff" ? "rgba(255,255,255,.55)" : "rgba(0,0,0,.42)";
    if (texture === "lines") ctx.fillRect(0, 0, size, 1);
    if (texture === "dots") ctx.fillRect(0, 0, 2, 2);
  }

  // The fills of one theme on one screen. A pattern is fixed to the canvas, so follow() moves it along with the time.
  class Fills {
    constructor(ctx, colours, ratio) {
      const pattern = (size, draw) => ctx.createPattern(tile(size, ratio, draw), "repeat");
      this.ratio = ratio;
      this.wait = pattern(6, (tileCtx, size) => hatch(tileCtx, size, colours["wait-soft"], colours.wait));
      this.holds = [];
      for (let rank = 0; rank < model.PALETTE.length * model.TEXTURES.length; rank++) {
        const look = model.look(rank);
        const fill = look.texture === "plain" ? look.colour : pattern(4, (tileCtx, size) => textured(tileCtx, size, look));
        this.holds.push({ ...look, fill, ink: model.inkOn(look.colour) });
      }
    }

    hold(rank) {
      return this.holds[rank % this.holds.length];
    }

    follow(offset) {
      const matrix = new DOMMatrix([1 / this.ratio, 0, 0, 1 / this.ratio, offset, 0]);
      this.wait.setTransform(matrix);
      for (const { fill } of this.holds) if (typeof fill !== "string") fill.setTransform(matrix);
    }
  }

  // A small picture of a primitive's fill, or of a wait, for the legend.
  function swatch(canvas, fills, rank) {
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(canvas.clientWidth * ratio);
    canvas.height = Math.round(canvas.clientHeight * ratio);
    const ctx = canvas.getContext("2d");
    ctx.scale(ratio, ratio);
    fills.follow(0);
    ctx.fillStyle = rank < 0 ? fills.wait : fills.hold(rank).fill;
    ctx.fillRect(0, 0, canvas.clientWidth, canvas.clientHeight);
  }

  // --- text -----------------------------------------------------------------------------------------------------------

  const widths = new Map();

  function textWidth(ctx, text) {
    const key = ctx.font + text;
    let width = widths.get(key);
    if (width === undefined) {
      if (widths.size > 20000) widths.clear();
      widths.set(key, (width = ctx.measureText(text).width));
    }
    return width;
  }

  function fitted(ctx, text, width) {
    return model.shortened(text, (candidate) => textWidth(ctx, candidate) <= width);
  }

  // --- where lanes lie ------------------------------------------------------------------------------------------------

  // Lanes from top to bottom with their places; a group of parties has a heading when there is more than one group, and
  // may be folded. need(lane) says which of its rows have anything in view: a lane is as high as these.
  function arrange(recording, lanes, room, need, folded) {
    const groups = new Map();
    for (const lane of lanes) {
      const { group } = recording.parties[lane.party];
      if (!groups.has(group)) groups.set(group, []);
      groups.get(group).push({ lane, ...need(lane) });
    }
    const open = [...groups].flatMap(([group, members]) => (folded.has(group) ? [] : members));
    const rowHeight = rowHeightFor(open, room - (groups.size > 1 ? groups.size * HEADING : 0));
    const placed = [];
    const headings = [];
    let top = 0;
    for (const [group, members] of groups) {
      if (groups.size > 1) {
        headings.push({ top, group, text: group || "other", count: members.length, folded: folded.has(group) });
        top += HEADING;
        if (folded.has(group)) continue;
      }
      for (const member of members) {
        const height = 2 * PAD + Math.max(1, member.rows) * rowHeight + (member.marks ? MARKS : 0);
        placed.push({ ...member, top, height });
        top += height;
      }
    }
    return { placed, headings, height: top, rowHeight, tops: Float64Array.from(placed, (entry) => entry.top) };
  }

  // Few lanes share the room there is; many keep a height at which names and labels can be read, and are scrolled.
  function rowHeightFor(members, room) {
    const rows = members.reduce((sum, member) => sum + Math.max(1, member.rows), 0);
    const fixed = members.reduce((sum, member) => sum + 2 * PAD + (member.marks ? MARKS : 0), 0);
    return Math.round(Math.min(28, Math.max(16, (room - fixed) / Math.max(1, rows))));
  }

  function firstVisible(layout, top) {
    return Math.max(0, model.lowerBound(layout.tops, top + 0.5, 0) - 1);
  }

  // Where a row of a lane is; one that has nothing in view is where the first one is.
  function rowTop(entry, layout, row) {
    return entry.top + PAD + Math.max(0, entry.slots[row]) * layout.rowHeight;
  }

  // The row that is drawn at a height within a lane, or -1.
  function rowAt(entry, layout, y) {
    return entry.slots.indexOf(Math.floor((y - entry.top - PAD) / layout.rowHeight));
  }

  function marksTop(entry, layout) {
    return entry.top + PAD + Math.max(1, entry.rows) * layout.rowHeight;
  }

  // --- the top: all of it, and the ruler --------------------------------------------------------------------------------

  function paintTop(ctx, view) {
    const { recording, scale, colours, width, overview } = view;
    ctx.clearRect(0, 0, width, OVERVIEW + RULER);
    const most = Math.max(1, ...overview.waited.map((waited, i) => waited + overview.held[i]));
    const perColumn = scale.width / overview.waited.length;
    for (let i = 0; i < overview.waited.length; i++) {
      const waited = (overview.waited[i] / most) * (OVERVIEW - 6);
      const held = (overview.held[i] / most) * (OVERVIEW - 6);
      // Whole pixels: a seam between neighbours would look like something that happened.
      const x = Math.floor(scale.left + i * perColumn);
      const wide = Math.floor(scale.left + (i + 1) * perColumn) - x;
      ctx.fillStyle = colours.shade;
      ctx.fillRect(x, OVERVIEW - held - waited, wide, held);
      ctx.fillStyle = colours.wait;
      ctx.fillRect(x, OVERVIEW - waited, wide, waited);
    }
    const whole = { from: 0, to: recording.duration, left: scale.left, width: scale.width };
    const left = model.toX(whole, scale.from);
    const right = Math.max(left + 2, model.toX(whole, scale.to));
    ctx.globalAlpha = 0.72;
    ctx.fillStyle = colours.page;
    ctx.fillRect(scale.left, 0, left - scale.left, OVERVIEW);
    ctx.fillRect(right, 0, scale.left + scale.width - right, OVERVIEW);
    ctx.globalAlpha = 1;
    ctx.strokeStyle = colours.accent;
    ctx.lineWidth = 1.5;
    ctx.strokeRect(left + 0.75, 0.75, Math.max(1, right - left - 1.5), OVERVIEW - 1.5);

    ctx.font = `11px ${FONT}`;
    ctx.textBaseline = "middle";
    ctx.fillStyle = colours.dim;
    ctx.textAlign = "left";
    ctx.fillText("all of it", 14, OVERVIEW / 2);
    ctx.fillText(`${model.formatTime(scale.to - scale.from)} in view`, 14, OVERVIEW + RULER / 2);
    const { step, times } = model.ticks(scale);
    ctx.strokeStyle = colours.line;
    ctx.lineWidth = 1;
    for (const time of times) {
      const x = Math.round(model.toX(scale, time)) + 0.5;
      ctx.beginPath();
      ctx.moveTo(x, OVERVIEW + 6);
      ctx.lineTo(x, OVERVIEW + RULER);
      ctx.stroke();
      const label = model.formatMoment(time, step);
      if (x + 5 + textWidth(ctx, label) < width) ctx.fillText(label, x + 5, OVERVIEW + RULER / 2 + 1);
    }
    if (view.pointer && view.pointer.x >= scale.left) {
      const time = model.toTime(scale, view.pointer.x);
      const label = model.formatMoment(time, Math.max(1, (scale.to - scale.from) / scale.width));
      const box = textWidth(ctx, label) + 12;
      const x = Math.min(Math.max(scale.left, view.pointer.x - box / 2), width - box);
      ctx.fillStyle = colours.text;
      ctx.beginPath();
      ctx.roundRect(x, OVERVIEW + 3, box, RULER - 5, 4);
      ctx.fill();
      ctx.fillStyle = colours.panel;
      ctx.fillText(label, x + 6, OVERVIEW + RULER / 2 + 1);
    }
    if (view.marking) {
      const [x0, x1] = view.marking;
      ctx.globalAlpha = 0.25;
      ctx.fillStyle = colours.accent;
      ctx.fillRect(Math.min(x0, x1), 0, Math.abs(x1 - x0), OVERVIEW);
      ctx.globalAlpha = 1;
    }
    if (view.range) {
      const [x0, x1] = band(view);
      ctx.globalAlpha = 0.3;
      ctx.fillStyle = colours.accent;
      if (x1 > x0) ctx.fillRect(x0, OVERVIEW, x1 - x0, RULER);
      const inWhole = [view.range.from, view.range.to].map((time) => model.toX(whole, time));
      ctx.fillRect(inWhole[0], 0, Math.max(1, inWhole[1] - inWhole[0]), OVERVIEW);
      ctx.globalAlpha = 1;
    }
  }

  // The pixels of the selected range that are in view.
  function band({ scale, range, width }) {
    return [range.from, range.to].map((time) => Math.min(width, Math.max(scale.left, model.toX(scale, time))));
  }

  // --- the lanes ------------------------------------------------------------------------------------------------------

  // view: {recording, layout, scale, scrollTop, width, height, colours, fills, filter, rows(lane), marks(lane), selected,
  // hovered, pointer, related}
  function paintLanes(ctx, view) {
    const { layout, scale, scrollTop, width, height, colours, fills, filter } = view;
    const drawn = { lanes: 0, holds: 0, waits: 0, columns: 0, arrows: 0, marks: 0, labels: 0 };
    ctx.setTransform(view.ratio, 0, 0, view.ratio, 0, 0);
    ctx.clearRect(0, 0, width, height);
    ctx.translate(0, -scrollTop);
    fills.follow(scale.left - ((scale.from / (scale.to - scale.from)) * scale.width) % 1200);

    const visible = [];
    for (let i = firstVisible(layout, scrollTop); i < layout.placed.length; i++) {
      if (layout.placed[i].top > scrollTop + height) break;
      visible.push(layout.placed[i]);
    }
    drawn.lanes = visible.length;

    for (const entry of visible) background(ctx, view, entry);
    for (const heading of layout.headings) {
      if (heading.top < scrollTop + height && heading.top + HEADING > scrollTop) group(ctx, view, heading);
    }
    ctx.save();
    ctx.beginPath();
    ctx.rect(scale.left, scrollTop, width - scale.left, height);
    ctx.clip();
    grid(ctx, view);
    const arrows = [];
    ctx.font = `11px ${FONT}`;
    ctx.textBaseline = "middle";
    ctx.textAlign = "left";
    if (view.range) {
      const [x0, x1] = band(view);
      ctx.fillStyle = colours.accent;
      ctx.globalAlpha = 0.12;
      ctx.fillRect(x0, scrollTop, x1 - x0, height);
      ctx.globalAlpha = 0.8;
      for (const x of [x0, x1]) if (x > scale.left && x < width) ctx.fillRect(Math.round(x), scrollTop, 1, height);
      ctx.globalAlpha = 1;
    }
    for (const entry of visible) {
      view.rows(entry.lane).forEach((row, index) => {
        if (entry.slots[index] < 0) return;
        paintRow(ctx, view, row, rowTop(entry, layout, index) + 1, layout.rowHeight - 2, drawn, arrows);
      });
      if (entry.marks) model.markShapes(view.marks(entry.lane), scale, (mark, x, among) => {
        drawn.marks++;
        paintMark(ctx, view, mark, x, marksTop(entry, layout) + MARKS / 2, among);
      });
    }
    if (filter.arrows) paintArrows(ctx, view, arrows, drawn);
    paintSelection(ctx, view, drawn);
    if (view.pointer && view.pointer.x >= scale.left) {
      ctx.fillStyle = colours.dim;
      ctx.globalAlpha = 0.6;
      ctx.fillRect(Math.round(view.pointer.x), scrollTop, 1, height);
      ctx.globalAlpha = 1;
    }
    ctx.restore();

    for (const entry of visible) name(ctx, view, entry);
    ctx.fillStyle = colours.line;
    ctx.fillRect(scale.left - 1, scrollTop, 1, height);
    return drawn;
  }

  function background(ctx, { layout, width, colours, selected, recording }, entry) {
    ctx.fillStyle = colours.lane;
    ctx.fillRect(0, entry.top, width, entry.height);
    if (selected && selected.party === entry.lane.party) {
      ctx.globalAlpha = 0.1;
      ctx.fillStyle = colours.accent;
      ctx.fillRect(0, entry.top, width, entry.height);
      ctx.globalAlpha = 1;
    }
    ctx.fillStyle = colours.line;
    ctx.fillRect(0, entry.top + entry.height - 1, width, 1);
  }

  function grid(ctx, { scale, scrollTop, height, layout, colours }) {
    ctx.fillStyle = colours.line;
    ctx.globalAlpha = 0.55;
    const bottom = Math.min(height, layout.height - scrollTop);
    for (const time of model.ticks(scale).times) ctx.fillRect(Math.round(model.toX(scale, time)), scrollTop, 1, bottom);
    ctx.globalAlpha = 1;
  }

  function group(ctx, { width, colours }, heading) {
    ctx.fillStyle = colours.page;
    ctx.fillRect(0, heading.top, width, HEADING - 1);
    ctx.fillStyle = colours.line;
    ctx.fillRect(0, heading.top + HEADING - 1, width, 1);
    ctx.font = `600 11px ${FONT}`;
    ctx.fillStyle = colours.dim;
    ctx.textAlign = "left";
    ctx.textBaseline = "middle";
    const sign = heading.folded ? "▸" : "▾";
    ctx.fillText(`${sign}  ${heading.text} · ${model.formatCount(heading.count)}`, 14, heading.top + HEADING / 2 + 1);
  }

  // The name, and how much of its time the party waited: as a number and as a bar.
  function name(ctx, { recording, scale, layout, colours, selected }, entry) {
    const party = recording.parties[entry.lane.party];
    const share = Math.min(1, entry.lane.waited / recording.duration);
    const middle = entry.top + PAD + layout.rowHeight / 2;
    ctx.textBaseline = "middle";
    ctx.font = `11px ${FONT}`;
    ctx.textAlign = "right";
    const right = scale.left - 12;
    const text = share > 0 ? model.formatShare(share) : "";
    if (text) {
      ctx.fillStyle = colours.wait;
      ctx.fillText(text, right, middle);
    }
    const chosen = selected && selected.party === entry.lane.party;
    ctx.textAlign = "left";
    ctx.fillStyle = colours.dim;
    icon(ctx, party.kind, 19, middle);
    ctx.font = `${chosen ? "600 " : ""}12px ${FONT}`;
    ctx.fillStyle = colours.text;
    ctx.fillText(fitted(ctx, party.name, right - 32 - 38), 32, middle + 0.5);
    if (share > 0) {
      const track = scale.left - 12 - 32;
      const y = entry.top + entry.height - 4;
      ctx.fillStyle = colours.line;
      ctx.fillRect(32, y, track, 2);
      ctx.fillStyle = colours.wait;
      ctx.fillRect(32, y, Math.max(1, track * share), 2);
    }
    if (entry.lane.crowded && entry.rows >= model.MOST_ROWS) {
      ctx.font = `10px ${FONT}`;
      ctx.fillStyle = colours.dim;
      ctx.fillText(`${model.MOST_ROWS} rows or more`, 32, middle + layout.rowHeight);
    }
  }

  // A thread is a square, a task a circle.
  function icon(ctx, kind, x, y) {
    ctx.beginPath();
    if (kind === "task") ctx.arc(x, y, 4, 0, 2 * Math.PI);
    else ctx.rect(x - 4, y - 4, 8, 8);
    ctx.lineWidth = 1.5;
    ctx.strokeStyle = ctx.fillStyle;
    ctx.stroke();
  }

  function paintRow(ctx, view, row, y, height, drawn, arrows) {
    const { recording, scale, colours, fills, width } = view;
    const { spans, waiting } = recording;
    // Neighbouring columns that look the same are one rectangle.
    let run = null;
    const flush = () => {
      if (!run) return;
      if (run.held > 0) {
        ctx.fillStyle = run.colour;
        ctx.fillRect(run.left, y + height - run.waited - run.held, run.right - run.left, run.held);
        drawn.columns++;
      }
      if (run.waited > 0) {
        ctx.fillStyle = colours.wait;
        ctx.fillRect(run.left, y + height - run.waited, run.right - run.left, run.waited);
        drawn.columns++;
      }
      run = null;
    };
    const single = (span, x0, x1) => {
      const left = Math.max(x0, scale.left - 4);
      const right = Math.min(x1, width + 4);
      const wide = right - left;
      if (span >= spans.holds) {
        drawn.waits++;
        paintWait(ctx, view, span, left, right, y, height, drawn);
        const wait = span - spans.holds;
        const { waker } = waiting;
        if (waker[wait] >= 0 && waker[wait] !== spans.party[span] && x1 <= width + 4) {
          arrows.push({ span, x: x1, y: y + height / 2, wide });
        }
        return;
      }
      drawn.holds++;
      const hold = fills.hold(recording.ranks[spans.primitive[span]]);
      ctx.fillStyle = hold.fill;
      if (wide < 6) {
        ctx.fillRect(left, y, Math.max(1, wide - (wide > 2 ? 0.5 : 0)), height);
        return;
      }
      ctx.beginPath();
      ctx.roundRect(left, y, wide - 0.75, height, 2.5);
      ctx.fill();
      if (spans.open[span] && x1 <= width + 4) openEnd(ctx, colours, right, y, height);
      if (wide > 26) {
        drawn.labels++;
        label(ctx, view, span, left, right, y, height, hold.texture === "plain" ? "" : hold.colour, hold.ink);
      }
    };
    model.shapes(recording, row, scale, single, (left, waited, held, hold) => {
      // Whatever happened is at least two pixels high, and all of it fits.
      let waitedPixels = waited > 0 ? Math.max(2, Math.round(waited * height)) : 0;
      const heldPixels = hold >= 0 ? Math.max(2, Math.min(height - waitedPixels, Math.round(held * height))) : 0;
      waitedPixels = Math.min(waitedPixels, height - heldPixels);
      const colour = hold >= 0 ? fills.hold(recording.ranks[spans.primitive[hold]]).colour : "";
      if (run && run.right === left && run.waited === waitedPixels && run.held === heldPixels && run.colour === colour) {
        run.right += model.COLUMN;
        return;
      }
      flush();
      run = { left, right: left + model.COLUMN, waited: waitedPixels, held: heldPixels, colour };
    });
    flush();
  }

  function paintWait(ctx, view, span, left, right, y, height, drawn) {
    const { recording, colours, fills } = view;
    const wide = right - left;
    if (wide < 5) {
      ctx.fillStyle = colours.wait;
      ctx.fillRect(left, y, Math.max(1, wide - 0.5), height);
      return;
    }
    ctx.fillStyle = fills.wait;
    ctx.beginPath();
    ctx.roundRect(left, y, wide - 0.75, height, 2.5);
    ctx.fill();
    ctx.strokeStyle = colours.wait;
    ctx.lineWidth = 1;
    ctx.beginPath();
    ctx.roundRect(left + 0.5, y + 0.5, wide - 1.75, height - 1, 2);
    ctx.stroke();
    const outcome = recording.waiting.outcome[span - recording.spans.holds];
    let end = right;
    if (outcome !== model.GRANTED && wide > 14) {
      end -= 14;
      ending(ctx, colours, outcome, right - 8, y + height / 2, height);
    }
    // The hatching says that it is a wait: a label stands on it and never takes more than three quarters of it.
    const room = Math.min(end, view.width) - Math.max(left, view.scale.left);
    if (room > 44) {
      drawn.labels++;
      label(ctx, view, span, left, end - room / 4, y, height, "", colours.text, colours["wait-soft"]);
    }
  }

  // Not released, or still waiting, when the recording ended: the span goes on past a dashed edge.
  function openEnd(ctx, colours, right, y, height) {
    ctx.fillStyle = colours.lane;
    for (let k = 0; k < 3; k++) ctx.fillRect(right - 3 - 3 * k, y, 1.2, height);
  }

  // How a wait ended without a grant: a cross for cancelled, an hourglass for timed out, dots for still waiting.
  function ending(ctx, colours, outcome, x, y, height) {
    ctx.fillStyle = colours.panel;
    ctx.fillRect(x - 6, y - height / 2 + 1, 13, height - 2);
    ctx.strokeStyle = ctx.fillStyle = colours.wait;
    ctx.lineWidth = 1.6;
    ctx.beginPath();
    if (outcome === model.CANCELLED) {
      ctx.moveTo(x - 3, y - 3);
      ctx.lineTo(x + 3, y + 3);
      ctx.moveTo(x + 3, y - 3);
      ctx.lineTo(x - 3, y + 3);
      ctx.stroke();
    } else if (outcome === model.TIMED_OUT) {
      ctx.moveTo(x - 3, y - 4);
      ctx.lineTo(x + 3, y - 4);
      ctx.lineTo(x - 3, y + 4);
      ctx.lineTo(x + 3, y + 4);
      ctx.closePath();
      ctx.fill();
    } else {
      for (const shift of [-4, 0, 4]) ctx.fillRect(x + shift - 1, y - 1, 2.2, 2.2);
    }
  }

  // The name, then the time, then (of a wait) the holder, as far as there is room. back: a box behind it; halo: an edge
  // around the letters, which leaves what is behind them to be seen.
  function label(ctx, view, span, left, right, y, height, back, ink, halo = "") {
    const { recording, scale } = view;
    const { spans, waiting, primitives } = recording;
    const from = Math.max(left, scale.left) + 5;
    const room = Math.min(right, view.width) - from - 4;
    if (room < 16) return;
    const time = model.formatTime(model.length(recording, span));
    let text = primitives[spans.primitive[span]].name;
    if (textWidth(ctx, `${text}  ${time}`) <= room) {
      text = `${text}  ${time}`;
      const holder = span >= spans.holds ? waiting.holder[span - spans.holds] : -1;
      const held = holder >= 0 ? `${text}  held by ${recording.parties[holder].name}${model.heldBy(recording, span)}` : text;
      if (textWidth(ctx, held) <= room) text = held;
    } else {
      text = fitted(ctx, text, room);
    }
    if (!text) return;
    if (back) {
      ctx.fillStyle = back;
      ctx.beginPath();
      ctx.roundRect(Math.max(left, scale.left) + 1, y + 1, textWidth(ctx, text) + 9, height - 2, 1.5);
      ctx.fill();
    }
    if (halo) {
      ctx.fillStyle = halo;
      ctx.globalAlpha = 0.6;
      ctx.fillRect(from - 3, y + Math.max(1, height / 2 - 7), textWidth(ctx, text) + 6, Math.min(14, height - 2));
      ctx.globalAlpha = 1;
      ctx.strokeStyle = halo;
      ctx.lineWidth = 3.5;
      ctx.lineJoin = "round";
      ctx.strokeText(text, from, y + height / 2 + 0.5);
    }
    ctx.fillStyle = ink;
    ctx.fillText(text, from, y + height / 2 + 0.5);
  }

  // Each kind of mark has a shape of its own, so that none depends on its colour.
  function paintMark(ctx, { recording, fills, colours }, mark, x, y, among) {
    const [, , primitive, kind] = recording.marks[mark];
    const colour = kind === "broken" ? colours.wait : fills.hold(recording.ranks[primitive]).colour;
    markShape(ctx, kind, x, y, colour, colours.text);
    if (among > 1) {
      ctx.fillStyle = colours.dim;
      ctx.fillRect(x - 4, y + 6, 8, 1);
    }
  }

  function markShape(ctx, kind, x, y, colour, edge) {
    const polygon = (...points) => {
      ctx.beginPath();
      for (let i = 0; i < points.length; i += 2) ctx.lineTo(x + points[i], y + points[i + 1]);
      ctx.closePath();
    };
    ctx.fillStyle = colour;
    ctx.strokeStyle = edge;
    ctx.lineWidth = 1;
    switch (kind) {
      case "set": polygon(0, -5, 5, 4, -5, 4); break; // prettier-ignore
      case "clear": polygon(0, 5, 5, -4, -5, -4); break; // prettier-ignore
      case "arrive": polygon(-3, -5, 4, 0, -3, 5); break; // prettier-ignore
      case "trip": polygon(0, -5.5, 5.5, 0, 0, 5.5, -5.5, 0); break; // prettier-ignore
      case "broken": polygon(-5, -3, -3, -5, 0, -2, 3, -5, 5, -3, 2, 0, 5, 3, 3, 5, 0, 2, -3, 5, -5, 3, -2, 0); break; // prettier-ignore
      case "notify": ctx.beginPath(); ctx.arc(x, y, 4.2, 0, 2 * Math.PI); break; // prettier-ignore
      case "count down": polygon(-4, -4, 4, -4, 4, 0, 0, 5, -4, 0); break; // prettier-ignore
      default: polygon(-4, -4, 4, -4, 4, 4, -4, 4); // prettier-ignore
    }
    ctx.fill();
    ctx.stroke();
  }

  // One sign of the legend, 26 by 16 pixels, drawn as the lanes draw it.
  function sign(ctx, kind, { colours, fills }) {
    fills.follow(0);
    const bar = (fill, width) => {
      ctx.fillStyle = fill;
      ctx.fillRect(0, 1, width, 14);
    };
    const waits = { wait: model.GRANTED, "timed out": model.TIMED_OUT, cancelled: model.CANCELLED, still: model.STILL_WAITING };
    if (kind === "hold") bar(fills.hold(0).fill, 26);
    else if (kind in waits) {
      bar(fills.wait, 26);
      if (waits[kind] !== model.GRANTED) ending(ctx, colours, waits[kind], 18, 8, 14);
    } else if (kind === "columns") {
      [4, 9, 6, 3, 8, 10, 5].forEach((waited, i) => {
        ctx.fillStyle = colours.wait;
        ctx.fillRect(i * 4, 15 - waited, 3, waited);
        ctx.fillStyle = fills.hold(0).colour;
        ctx.fillRect(i * 4, 2 + (i % 3), 3, 13 - waited - (i % 3));
      });
    } else {
      markShape(ctx, kind, 13, 8, kind === "broken" ? colours.wait : fills.hold(0).colour, colours.text);
    }
  }

  // --- arrows ---------------------------------------------------------------------------------------------------------

  // From the party that woke to the one that was woken. Where there would be too many, those of the longest waits.
  function paintArrows(ctx, view, arrows, drawn) {
    const shown = arrows.filter(({ wide }) => wide > 7);
    if (shown.length > MOST_ARROWS) {
      shown.sort((a, b) => b.wide - a.wide);
      shown.length = MOST_ARROWS;
    }
    ctx.globalAlpha = shown.length > 60 ? 0.45 : 0.8;
    for (const { span } of shown) {
      if (wakeArrow(ctx, view, span, 1)) drawn.arrows++;
    }
    ctx.globalAlpha = 1;
  }

  function wakeArrow(ctx, view, span, weight) {
    const { recording, scale, colours } = view;
    const wait = span - recording.spans.holds;
    const from = view.entryOf(recording.waiting.waker[wait]);
    const to = view.entryOf(recording.spans.party[span]);
    if (!from || !to || from === to) return false;
    const end = recording.spans.end[span];
    const wake = recording.waiting.wakeTime[wait];
    const x0 = model.toX(scale, wake >= 0 ? wake : end);
    const x1 = model.toX(scale, end);
    const y1 = rowTop(to, view.layout, recording.spans.row[span]) + view.layout.rowHeight / 2;
    const down = to.top > from.top;
    const y0 = down ? marksTop(from, view.layout) - 2 : from.top + PAD + 2;
    const edge = down ? y1 - view.layout.rowHeight / 2 + 1 : y1 + view.layout.rowHeight / 2 - 1;
    arrow(ctx, x0, y0, x1, edge, colours.arrow, weight, down);
    return true;
  }

  function arrow(ctx, x0, y0, x1, y1, colour, weight, down) {
    const head = 4.5 + weight;
    const sign = down ? 1 : -1;
    ctx.strokeStyle = ctx.fillStyle = colour;
    ctx.lineWidth = weight;
    ctx.beginPath();
    ctx.arc(x0, y0, 1.5 + weight / 2, 0, 2 * Math.PI);
    ctx.fill();
    ctx.beginPath();
    ctx.moveTo(x0, y0);
    const bend = (y1 - y0) * 0.5;
    ctx.bezierCurveTo(x0, y0 + bend, x1, y1 - bend, x1, y1 - sign * head);
    ctx.stroke();
    ctx.beginPath();
    ctx.moveTo(x1, y1);
    ctx.lineTo(x1 - head * 0.6, y1 - sign * head);
    ctx.lineTo(x1 + head * 0.6, y1 - sign * head);
    ctx.fill();
  }

  // --- what is selected -----------------------------------------------------------------------------------------------

  function box(view, span) {
    const { recording, scale, layout } = view;
    const { spans } = recording;
    const entry = view.entryOf(spans.party[span]);
    if (!entry) return null;
    const x0 = model.toX(scale, spans.start[span]);
    const x1 = model.toX(scale, spans.end[span]);
    const thin = Math.max(0, 6 - (x1 - x0)) / 2;
    return {
      left: Math.max(x0 - thin, scale.left - 10),
      right: Math.min(x1 + thin, view.width + 10),
      top: rowTop(entry, layout, spans.row[span]),
      height: layout.rowHeight,
    };
  }

  function outline(ctx, view, span, colour, weight, dash) {
    const found = box(view, span);
    if (!found || found.right < view.scale.left - 6 || found.left > view.width + 6) return;
    ctx.strokeStyle = view.colours.lane;
    ctx.lineWidth = weight + 2;
    const path = () => {
      ctx.beginPath();
      ctx.roundRect(found.left - 1, found.top, found.right - found.left + 2, found.height, 3);
    };
    path();
    ctx.stroke();
    ctx.setLineDash(dash);
    ctx.strokeStyle = colour;
    ctx.lineWidth = weight;
    path();
    ctx.stroke();
    ctx.setLineDash([]);
  }

  function paintSelection(ctx, view, drawn) {
    const { recording, selected, hovered, colours } = view;
    if (hovered >= 0) outline(ctx, view, hovered, colours.text, 1.5, []);
    if (!selected) return;
    for (const span of view.related) outline(ctx, view, span, colours.accent, 1.5, [4, 3]);
    if (selected.span >= 0) {
      outline(ctx, view, selected.span, colours.accent, 2.5, []);
      const wait = selected.span - recording.spans.holds;
      if (wait >= 0 && recording.waiting.waker[wait] >= 0 && wakeArrow(ctx, view, selected.span, 2)) drawn.arrows++;
    } else if (selected.mark >= 0) {
      const entry = view.entryOf(selected.party);
      if (!entry?.marks) return;
      ctx.strokeStyle = colours.accent;
      ctx.lineWidth = 2;
      ctx.beginPath();
      const x = model.toX(view.scale, recording.marks[selected.mark][0]);
      ctx.arc(x, marksTop(entry, view.layout) + MARKS / 2, 8, 0, 2 * Math.PI);
      ctx.stroke();
    }
  }

  return {
    Fills, HEADING, MARKS, OVERVIEW, PAD, RULER, arrange, box, firstVisible, markShape, marksTop, paintLanes, paintTop,
    rowAt, rowTop, sign, swatch, theme,
  }; // prettier-ignore
})();
