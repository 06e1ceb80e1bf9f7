"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const REGIMES = ["calm", "normal", "stressed", "crisis"];
  const AXIS_WIDTH = 84;
  const sync = uPlot.sync("time");
  const main = document.getElementById("charts");
  const drawn = [];
  let colours = {};

  const readColours = () => {
    const style = getComputedStyle(document.documentElement);
    for (const name of ["text", "muted", "grid", "line", "price", "event", ...REGIMES])
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

  /* Regimes are runs of equal values; each lasts until the next point. */
  const runs = [];
  data.regime.forEach((regime, at) => {
    const last = runs[runs.length - 1];
    if (regime === null) return;
    const until = data.t[Math.min(at + 1, data.t.length - 1)];
    if (last && last.regime === regime && last.until >= data.t[at]) last.until = until;
    else runs.push({ regime, from: data.t[at], until });
  });

  const shade = (u) => {
    const { ctx } = u, { left, top, width, height } = u.bbox;
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, top, width, height);
    ctx.clip();
    for (const run of runs) {
      const from = u.valToPos(run.from, "x", true), until = u.valToPos(run.until, "x", true);
      ctx.fillStyle = colours[REGIMES[run.regime]];
      ctx.fillRect(from, top, Math.max(until - from, 1), height);
    }
    ctx.strokeStyle = colours.event;
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
    for (const event of data.events)
      for (const at of [event.opens, event.closes]) {
        const x = Math.round(u.valToPos(at, "x", true));
        ctx.beginPath();
        ctx.moveTo(x, top);
        ctx.lineTo(x, top + height);
        ctx.stroke();
      }
    ctx.restore();
  };

  const nameEvents = (u) => {
    const { ctx } = u, { left, top, width } = u.bbox;
    ctx.save();
    ctx.fillStyle = colours.event;
    ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.textBaseline = "top";
    ctx.textAlign = "left";
    let free = left;
    for (const event of data.events) {
      const x = u.valToPos(event.opens, "x", true) + 4 * devicePixelRatio;
      const end = x + ctx.measureText(event.title).width;
      if (x < free || end > left + width) continue;
      ctx.fillText(event.title, x, top + 2 * devicePixelRatio);
      free = end + 8 * devicePixelRatio;
    }
    ctx.restore();
  };

  const span = (u, low, high) => {
    if (low === null || high === null) return [0, 1];
    const pad = high > low ? (high - low) * 0.08 : Math.abs(low) * 0.05 || 0.5;
    return [low - pad, high + pad];
  };

  const moments = (u, from, until) => (data.t.length === 1 ? [data.t[0] - 1800, data.t[0] + 1800] : [from, until]);

  const lonely = (values) => values.some((v, at) => v !== null && (values[at - 1] ?? null) === null && (values[at + 1] ?? null) === null);

  const chart = (figure, one, height) => {
    const box = make("div", undefined, figure);
    box.setAttribute("role", "img");
    box.setAttribute("aria-label", `${one.label}, ${one.unit}, over time; the same numbers are in the table below it`);
    const options = () => ({
      width: figure.clientWidth,
      height,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
      cursor: { sync: { key: sync.key }, y: false, points: { size: 6 } },
      legend: { show: false },
      scales: { x: { time: true, range: moments }, y: { range: span } },
      series: [{}, {
        stroke: one.id === "price" ? colours.price : colours.line,
        width: 1.5,
        points: { show: lonely(one.values), size: 4, fill: one.id === "price" ? colours.price : colours.line },
      }],
      axes: [
        { stroke: colours.muted, grid: { stroke: colours.grid, width: 1 }, ticks: { stroke: colours.grid }, size: 44,
          values: [
            [86400 * 365, "{YYYY}", null, null, null, null, null, null, 1],
            [86400 * 28, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
            [86400, "{D} {MMM}", "\n{YYYY}", null, null, null, null, null, 1],
            [3600, "{HH}:00", "\n{D} {MMM}", null, "\n{D} {MMM}", null, null, null, 1],
            [60, "{HH}:{mm}", "\n{D} {MMM}", null, "\n{D} {MMM}", null, null, null, 1],
          ] },
        { stroke: colours.muted, grid: { stroke: colours.grid, width: 1 }, ticks: { stroke: colours.grid }, size: AXIS_WIDTH, space: 18,
          values: (u, ticks, axis, space, step) => {
            let places = 0;
            while (places < 8 && Math.abs(step * 10 ** places - Math.round(step * 10 ** places)) > 1e-6) places += 1;
            return ticks.map((tick) => number(tick, places));
          } },
      ],
      hooks: {
        drawClear: [shade],
        draw: [(u) => { if (one.id === "price") nameEvents(u); figure.dataset.drawn = "true"; }],
        setCursor: [(u) => {
          const at = u.cursor.idx;
          show(figure, one, at === null || at === undefined ? null : at);
        }],
      },
    });
    let plot = new uPlot(options(), [data.t, one.values], box);
    drawn.push({
      again: () => { plot.destroy(); plot = new uPlot(options(), [data.t, one.values], box); },
      resize: () => plot.setSize({ width: figure.clientWidth, height }),
    });
  };

  const newest = (values) => {
    for (let at = values.length - 1; at >= 0; at--) if (values[at] !== null) return at;
    return null;
  };

  const show = (figure, one, at) => {
    const where = at === null ? newest(one.values) : at;
    const out = figure.querySelector("output");
    if (where === null) { out.textContent = "no value"; return; }
    const regime = data.regime[where];
    const told = `${number(one.values[where], one.places)} ${one.unit}, ${time(data.t[where])}`;
    out.textContent = one.id === "price" && regime !== null ? `${told}, ${REGIMES[regime]}` : told;
  };

  /* The table twin: as many rows as a person may read, evenly spread, made when it is first opened. */
  const twin = (figure, one) => {
    const details = make("details", undefined, figure);
    make("summary", `Table of ${one.label}`, details);
    const box = make("div", undefined, details);
    box.tabIndex = 0;
    details.addEventListener("toggle", () => {
      if (box.firstChild) return;
      const table = make("table", undefined, box);
      const known = data.t.map((_, at) => at).filter((at) => one.values[at] !== null);
      const stride = Math.max(1, Math.ceil(known.length / data.table_rows));
      make("caption", stride > 1 ? `every ${stride}th of ${known.length} points` : `${known.length} points`, table);
      const head = make("tr", undefined, make("thead", undefined, table));
      for (const name of ["time, UTC", one.unit, "regime"]) make("th", name, head).scope = "col";
      const body = make("tbody", undefined, table);
      known.reverse().forEach((at, place) => {
        if (place % stride) return;
        const row = make("tr", undefined, body);
        make("td", time(data.t[at]), row);
        make("td", number(one.values[at], one.places), row);
        make("td", REGIMES[data.regime[at]] ?? "", row);
      });
    });
  };

  const add = (one, height, into, extra) => {
    const figure = make("figure", undefined, into);
    figure.id = one.id;
    figure.dataset.signal = one.id;
    const caption = make("figcaption", undefined, figure);
    const name = make("span", undefined, caption);
    make("b", one.label, name);
    if (extra) make("small", ` ${extra}`, name);
    make("output", "", caption);
    chart(figure, one, height);
    twin(figure, one);
    show(figure, one, null);
  };

  readColours();
  const price = { id: "price", label: "price", unit: data.price_unit, places: 2, values: data.price };
  add(price, 180, main, "");
  let family = null, section = main;
  for (const one of data.signals) {
    if (one.family !== family) {
      family = one.family;
      section = make("section", undefined, main);
      make("h2", family, section);
    }
    const id = one.id === "price" ? "price_average" : one.id;
    const label = one.id === "price" ? "price, time-weighted" : one.label;
    add({ ...one, id, label }, 140, section, one.weight ? `weight ${one.weight} in the score` : "");
  }
  if (data.events.length) {
    const section = make("section", undefined, main);
    make("h2", "scheduled events", section);
    const list = make("ul", undefined, section);
    for (const event of data.events)
      make("li", `${event.title}: ${time(event.at)}, window ${time(event.opens)} to ${time(event.closes)}`, list);
  }
  if (data.absent.length) {
    const footer = document.getElementById("absent");
    make("h2", "without a value in this time", footer);
    const list = make("ul", undefined, footer);
    for (const one of data.absent) make("li", `${one.label}: ${one.why}`, list);
  }

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    readColours();
    for (const one of drawn) one.again();
  });
  let waiting = 0;
  addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => drawn.forEach((one) => one.resize()), 100);
  });
})();
