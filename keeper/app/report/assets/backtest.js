"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const AXIS_WIDTH = 84, LINE_COLOURS = 8, PRINT_WIDTH = 690, MARK_SIZE = 5, MOST_TRIANGLES = 120, RUG = 9;
  const DASHES = [[], [7, 3], [2, 3], [9, 3, 2, 3]];
  const HEIGHTS = { price: 360, value: 260, earned: 260, hedged: 260, options: 260, regime: 130 };
  const held = data.options ?? [], OPTION_DASH = [3, 3];
  const sync = uPlot.sync("time");
  const drawn = new Map();
  const colours = {};
  const SHADED = new Set(["regime", "forecast", "score"]);
  const times = data.charts.length ? data.charts[0].t : [0];
  const whole = times.length === 1 ? [times[0] - 1800, times[0] + 1800] : [times[0], times[times.length - 1]];
  let moving = false;

  const readColours = () => {
    const style = getComputedStyle(document.documentElement);
    const lines = Array.from({ length: LINE_COLOURS }, (_, at) => `c${at}`);
    for (const name of ["text", "muted", "grid", "price", "mark", "put", "call", ...lines, ...data.layers, ...data.regimes])
      colours[name] = style.getPropertyValue("--" + name).trim();
  };

  const make = (tag, text, into) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    if (into) into.append(element);
    return element;
  };

  const number = (value, places) =>
    value === null || value === undefined ? "–" : value.toLocaleString("en", { minimumFractionDigits: places, maximumFractionDigits: places });
  const time = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ");

  const colourOf = (chart, place) =>
    chart.id === "price" || chart.id === "regime" ? colours.price
      : chart.id === "in_range" ? colours[chart.lines[place].label] : colours[`c${place % LINE_COLOURS}`];
  /* A line past the last colour has the dash of the next round, so no two look alike. */
  const dashOf = (place) => DASHES[(place + Math.floor(place / LINE_COLOURS)) % DASHES.length];

  const clipped = (u, draw) => {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    draw(ctx, bbox);
    ctx.restore();
  };

  const shade = (u) => clipped(u, (ctx, { top, height }) => {
    for (const [regime, from, until] of data.runs) {
      const left = u.valToPos(from, "x", true), right = u.valToPos(until, "x", true);
      ctx.fillStyle = colours[data.regimes[regime]];
      ctx.fillRect(left, top, Math.max(right - left, 1), height);
    }
  });

  const layers = (u) => clipped(u, (ctx) => {
    for (const [layer, low, high, from, until] of data.bands.toSorted((one, other) => other[0] - one[0])) {
      const left = u.valToPos(from, "x", true), width = Math.max(u.valToPos(until, "x", true) - left, 1);
      const top = u.valToPos(high, "y", true), bottom = u.valToPos(low, "y", true);
      ctx.fillStyle = ctx.strokeStyle = colours[data.layers[layer]];
      ctx.globalAlpha = 0.22;
      ctx.fillRect(left, top, width, bottom - top);
      ctx.globalAlpha = 0.9;
      ctx.lineWidth = devicePixelRatio;
      ctx.setLineDash(DASHES[layer].map((length) => length * devicePixelRatio));
      for (const y of [top, bottom]) {
        ctx.beginPath();
        ctx.moveTo(left, y);
        ctx.lineTo(left + width, y);
        ctx.stroke();
      }
    }
  });

  const strikes = (u) => clipped(u, (ctx) => {
    ctx.lineWidth = 2 * devicePixelRatio;
    ctx.setLineDash(OPTION_DASH.map((length) => length * devicePixelRatio));
    for (const [kind, strike, from, until] of held) {
      const left = u.valToPos(from, "x", true), y = u.valToPos(strike, "y", true);
      ctx.strokeStyle = colours[kind];
      ctx.beginPath();
      ctx.moveTo(left, y);
      ctx.lineTo(Math.max(u.valToPos(until, "x", true), left + 2), y);
      ctx.stroke();
    }
  });

  const triangle = (ctx, x, y, size) => {
    ctx.beginPath();
    ctx.moveTo(x, y);
    ctx.lineTo(x - size, y + 1.8 * size);
    ctx.lineTo(x + size, y + 1.8 * size);
    ctx.fill();
  };

  /* Few marks stand at the price; many would hide it, so then they stand along the lower edge. */
  const marks = (u) => clipped(u, (ctx, { top, height }) => {
    const { min, max } = u.scales.x, seen = data.marks.filter(([at]) => at >= min && at <= max);
    ctx.fillStyle = colours.mark;
    for (const [at, price] of seen) {
      const x = u.valToPos(at, "x", true);
      if (seen.length > MOST_TRIANGLES) ctx.fillRect(x, top + height - RUG * devicePixelRatio, devicePixelRatio, RUG * devicePixelRatio);
      else if (price !== null) triangle(ctx, x, u.valToPos(price, "y", true) + 3, MARK_SIZE * devicePixelRatio);
    }
  });

  const padded = (low, high) => {
    const pad = high > low ? (high - low) * 0.08 : Math.abs(low) * 0.05 || 0.5;
    return [low - pad, high + pad];
  };

  /* Bands belong in the picture, but a far wing must not flatten the price: at most its own span is added above and below. */
  const priceSpan = (u, low, high) => {
    const { min, max } = u.scales.x, room = Math.max(high - low, Math.abs(high) * 0.01);
    let [bottom, top] = [low, high];
    for (const [, lower, upper, from, until] of data.bands) {
      if (min !== null && min !== undefined && (until < min || from > max)) continue;
      bottom = Math.min(bottom, Math.max(lower, low - room));
      top = Math.max(top, Math.min(upper, high + room));
    }
    for (const [, strike, from, until] of held) {
      if (min !== null && min !== undefined && (until < min || from > max)) continue;
      bottom = Math.min(bottom, Math.max(strike, low - room));
      top = Math.max(top, Math.min(strike, high + room));
    }
    return padded(bottom, top);
  };

  const span = (chart) => (u, low, high) => {
    if (chart.id === "regime") return [-0.5, data.regimes.length - 0.5];
    if (low === null || high === null) return [0, 1];
    if (chart.id === "in_range") return [-3, 103];
    return chart.id === "price" ? priceSpan(u, low, high) : padded(low, high);
  };

  const moments = (u, from, until) => (times.length === 1 ? whole : [from, until]);

  const lonely = (values) => values.some((v, at) => v !== null && (values[at - 1] ?? null) === null && (values[at + 1] ?? null) === null);

  const tickNumbers = (u, ticks, axis, space, step) => {
    let places = 0;
    while (places < 8 && Math.abs(step * 10 ** places - Math.round(step * 10 ** places)) > 1e-6) places += 1;
    return ticks.map((tick) => number(tick, places));
  };

  const axes = (chart) => {
    const plain = { stroke: colours.muted, grid: { stroke: colours.grid, width: 1 }, ticks: { stroke: colours.grid } };
    return [
      { ...plain, size: 44,
        values: [
          [86400 * 365, "{YYYY}", null, null, null, null, null, null, 1],
          [86400 * 28, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
          [86400, "{D} {MMM}", "\n{YYYY}", null, null, null, null, null, 1],
          [3600, "{HH}:00", "\n{D} {MMM}", null, "\n{D} {MMM}", null, null, null, 1],
          [60, "{HH}:{mm}", "\n{D} {MMM}", null, "\n{D} {MMM}", null, null, null, 1],
        ] },
      chart.id === "regime"
        ? { ...plain, size: AXIS_WIDTH, splits: () => data.regimes.map((_, at) => at), values: () => data.regimes }
        : { ...plain, size: AXIS_WIDTH, space: 22, values: tickNumbers },
    ];
  };

  const show = (figure, chart, at) => {
    const out = figure.querySelector("output");
    if (at === null || at === undefined) { out.textContent = ""; return; }
    const told = chart.lines
      .filter((_, place) => drawn.get(chart.id)?.plot.series[place + 1].show ?? true)
      .map((line) => {
        const value = line.values[at];
        if (chart.id === "regime") return data.regimes[value] ?? "–";
        return `${chart.lines.length > 1 ? line.label + " " : ""}${number(value, chart.places)}`;
      });
    const moment = chart.t[at], acted = chart.id === "price" ? nearest(moment) : "";
    out.textContent = `${time(moment)}: ${told.join(", ")}${acted}`;
  };

  /* The action that a person means when the cursor stands at it: within a hundredth of what is in view. */
  const nearest = (moment) => {
    const { min, max } = drawn.get("price")?.plot.scales.x ?? {};
    const near = data.marks.filter(([at]) => Math.abs(at - moment) <= ((max - min) || 0) / 100);
    if (!near.length) return "";
    const [at, , moves] = near.reduce((one, other) => (Math.abs(other[0] - moment) < Math.abs(one[0] - moment) ? other : one));
    return `; ${time(at)} ${moves}`;
  };

  const zoomAll = (from, until) => {
    if (moving) return;
    moving = true;
    for (const { plot } of drawn.values())
      if (plot.scales.x.min !== from || plot.scales.x.max !== until) plot.setScale("x", { min: from, max: until });
    moving = false;
    document.getElementById("whole").hidden = from <= whole[0] && until >= whole[1];
  };

  const fitPrice = (u) => {
    const { min, max } = u.scales.x, seen = u.data[1].filter((value, at) => value !== null && u.data[0][at] >= min && u.data[0][at] <= max);
    if (!seen.length) return;
    const [low, high] = priceSpan(u, seen.reduce((a, b) => Math.min(a, b)), seen.reduce((a, b) => Math.max(a, b)));
    u.setScale("y", { min: low, max: high });
  };

  const height = (chart) => HEIGHTS[chart.id] ?? 180;

  const options = (figure, chart, width) => ({
    width,
    height: height(chart),
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
    cursor: { sync: { key: sync.key }, y: false, points: { size: 6 } },
    legend: { show: false },
    scales: { x: { time: true, range: moments }, y: { range: span(chart) } },
    series: [{}, ...chart.lines.map((line, place) => ({
      stroke: colourOf(chart, place),
      width: place === 0 ? 2 : 1.5,
      dash: dashOf(place),
      paths: chart.steps ? uPlot.paths.stepped({ align: 1 }) : undefined,
      points: { show: lonely(line.values), size: 5, fill: colourOf(chart, place) },
    }))],
    axes: axes(chart),
    hooks: {
      drawClear: chart.id === "price" ? [layers] : SHADED.has(chart.id) ? [shade] : [],
      draw: [(u) => { if (chart.id === "price") { strikes(u); marks(u); } figure.dataset.drawn = "true"; }],
      setCursor: [(u) => show(figure, chart, u.cursor.idx)],
      setScale: [(u, key) => {
        if (key !== "x") return;
        if (chart.id === "price") fitPrice(u);
        zoomAll(u.scales.x.min, u.scales.x.max);
      }],
    },
  });

  const legendMark = (into, colour, dash, band) => {
    const canvas = make("canvas", undefined, into);
    canvas.width = 52;
    canvas.height = 20;
    const ctx = canvas.getContext("2d");
    ctx.fillStyle = ctx.strokeStyle = colour;
    if (band === "mark") { triangle(ctx, 26, 2, 9); return; }
    if (band === "area") { ctx.globalAlpha = 0.3; ctx.fillRect(0, 2, 52, 16); ctx.globalAlpha = 1; }
    ctx.lineWidth = 4;
    ctx.setLineDash(dash.map((length) => 2 * length));
    for (const y of band === "area" ? [2, 18] : [10]) {
      ctx.beginPath();
      ctx.moveTo(0, y);
      ctx.lineTo(52, y);
      ctx.stroke();
    }
  };

  const legend = (figure, chart) => {
    const box = figure.querySelector(".legend");
    box.replaceChildren();
    if (chart.id === "price") {
      const placed = new Set(data.bands.map((band) => band[0]));
      const entries = [["price", colours.price, [], "line"]];
      data.layers.forEach((name, at) => { if (placed.has(at)) entries.push([name, colours[name], DASHES[at], "area"]); });
      for (const kind of ["put", "call"])
        if (held.some((one) => one[0] === kind)) entries.push([`strike of a ${kind}`, colours[kind], OPTION_DASH, "line"]);
      if (data.marks.length) entries.push(["acted", colours.mark, [], "mark"]);
      for (const [name, colour, dash, kind] of entries) {
        const entry = make("span", undefined, box);
        legendMark(entry, colour, dash, kind);
        entry.append(name);
      }
      return;
    }
    if (SHADED.has(chart.id)) {
      for (const name of data.regimes) {
        const entry = make("span", undefined, box);
        const swatch = make("i", undefined, entry);
        swatch.className = "swatch";
        swatch.style.background = colours[name];
        entry.append(name);
      }
      return;
    }
    if (chart.lines.length < 2) { box.hidden = true; return; }
    chart.lines.forEach((line, place) => {
      const button = make("button", undefined, box), plot = () => drawn.get(chart.id).plot;
      button.type = "button";
      button.setAttribute("aria-pressed", String(plot().series[place + 1].show));
      legendMark(button, colourOf(chart, place), dashOf(place), "line");
      button.append(line.label);
      button.addEventListener("click", () => {
        const on = !plot().series[place + 1].show;
        plot().setSeries(place + 1, { show: on });
        button.setAttribute("aria-pressed", String(on));
      });
    });
  };

  const keys = (chart) => (event) => {
    const { plot } = drawn.get(chart.id), { min, max } = plot.scales.x, last = chart.t.length - 1;
    const at = plot.cursor.idx ?? last;
    const about = (share) => {
      const middle = chart.t[at], half = ((max - min) * share) / 2;
      zoomAll(Math.max(middle - half, whole[0]), Math.min(middle + half, whole[1]));
    };
    const to = (place) => {
      const found = Math.min(Math.max(place, 0), last);
      plot.setCursor({ left: plot.valToPos(chart.t[found], "x"), top: 0 });
      show(plot.root.closest("figure"), chart, found);
    };
    const stride = event.shiftKey ? Math.max(1, Math.round(last / 50)) : 1;
    const does = {
      ArrowLeft: () => to(at - stride), ArrowRight: () => to(at + stride), Home: () => to(0), End: () => to(last),
      "+": () => about(0.5), "-": () => about(2), Escape: () => zoomAll(...whole),
    }[event.key];
    if (!does || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    does();
  };

  const draw = (figure, chart, width) => {
    const box = figure.querySelector(".plot"), before = drawn.get(chart.id)?.plot;
    const kept = before && { x: { ...before.scales.x }, shown: before.series.map((one) => one.show) };
    before?.destroy();
    const plot = new uPlot(options(figure, chart, width), [chart.t, ...chart.lines.map((line) => line.values)], box);
    plot.root.setAttribute("role", "img");
    plot.root.setAttribute("aria-label", `${chart.title}, ${chart.unit}, over time`);
    plot.root.setAttribute("aria-describedby", `${chart.id}-told`);
    drawn.set(chart.id, { plot, figure, chart });
    if (kept) {
      kept.shown.forEach((on, place) => { if (place && !on) plot.setSeries(place, { show: false }); });
      plot.setScale("x", { min: kept.x.min, max: kept.x.max });
    }
    legend(figure, chart);
  };

  const drawAll = (width) => {
    readColours();
    for (const { figure, chart } of drawn.values()) draw(figure, chart, width ?? figure.clientWidth);
  };

  const goTo = (at) => {
    const half = Math.min((whole[1] - whole[0]) / 2, 43200);
    zoomAll(at - half, at + half);
    const { plot, figure, chart } = drawn.get("price");
    figure.scrollIntoView({ block: "start" });
    figure.querySelector(".plot").focus({ preventScroll: true });
    /* The cursor moves once the charts have taken their new scale. */
    requestAnimationFrame(() => {
      plot.setCursor({ left: plot.valToPos(at, "x"), top: 0 });
      show(figure, chart, plot.cursor.idx);
    });
  };

  readColours();
  for (const chart of data.charts) {
    const figure = document.getElementById(chart.id), box = figure.querySelector(".plot");
    box.tabIndex = 0;
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", `${chart.title}: arrow keys move the cursor`);
    draw(figure, chart, figure.clientWidth);
    box.addEventListener("keydown", keys(chart));
  }
  if (drawn.size) {
    document.getElementById("whole").addEventListener("click", () => zoomAll(...whole));
    for (const link of document.querySelectorAll("a[data-at]"))
      link.addEventListener("click", (event) => {
        event.preventDefault();
        document.querySelector("tr.shown")?.classList.remove("shown");
        link.closest("tr").classList.add("shown");
        goTo(Number(link.dataset.at));
      });
  }

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll());
  addEventListener("beforeprint", () => drawAll(PRINT_WIDTH));
  addEventListener("afterprint", () => drawAll());
  let waiting = 0;
  addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => { for (const { plot, figure, chart } of drawn.values()) plot.setSize({ width: figure.clientWidth, height: height(chart) }); }, 100);
  });
})();
