"use strict";
(function () {
  const run = JSON.parse(document.getElementById("run").textContent);
  const curves = JSON.parse(document.getElementById("curves").textContent);
  const plots = document.getElementById("plots");
  const made = [];
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const palette = ["--c1", "--c2", "--c3", "--c4", "--c5", "--c7", "--c8", "--c6"];

  const take = document.getElementById("take");
  take.href = URL.createObjectURL(new Blob([document.getElementById("run").textContent], { type: "application/json" }));
  take.download = "run.json";

  const three = (v) => (v >= 100 ? Math.round(v).toLocaleString("en") : String(+v.toPrecision(3)));
  const micros = (v) => (v == null ? "" : v < 1e3 ? three(v) + " µs" : v < 1e6 ? three(v / 1e3) + " ms" : three(v / 1e6) + " s");
  const number = (v) => (v == null ? "" : Math.round(v).toLocaleString("en"));
  const short = (v) => (v == null ? "" : Math.abs(v) >= 1e6 ? +(v / 1e6).toPrecision(3) + "M" : Math.abs(v) >= 1e3 ? +(v / 1e3).toPrecision(3) + "k" : String(+v.toPrecision(4)));
  const share = (v) => (v == null ? "" : +v.toPrecision(3) + " %");
  const second = (v) => (v == null ? "" : v + " s");

  // The moments at which the daemon was ended are drawn through every plot over time.
  const ends = (u) => {
    const c = u.ctx;
    c.save();
    c.strokeStyle = color("--bad");
    c.setLineDash([4, 4]);
    for (const r of run.restarts || []) {
      const x = u.valToPos(r.at_seconds, "x", true);
      c.beginPath();
      c.moveTo(x, u.bbox.top);
      c.lineTo(x, u.bbox.top + u.bbox.height);
      c.stroke();
    }
    c.restore();
  };

  function plot(title, note, data, series, options) {
    const box = document.createElement("div");
    box.className = "plot";
    const head = document.createElement("h3");
    head.textContent = title;
    const text = document.createElement("p");
    text.textContent = note;
    const canvas = document.createElement("div");
    box.append(head, text, canvas);
    plots.append(box);
    const draw = () => {
      canvas.replaceChildren();
      const axis = { stroke: color("--quiet"), grid: { stroke: color("--grid"), width: 1 }, ticks: { stroke: color("--grid"), width: 1 } };
      const u = new uPlot({
        width: canvas.clientWidth, height: 280,
        padding: [null, 36, null, null],
        legend: { markers: { width: 0, fill: (_, i) => (i > 0 ? color(series[i - 1].color || palette[(i - 1) % palette.length]) : null) } },
        cursor: { drag: { x: true, y: false } },
        scales: { x: { time: false, ...options.x }, y: { ...options.y } },
        axes: [{ ...axis, values: (_, v) => v.map(options.xText || second), ...(options.time === false ? {} : { incrs: [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200] }), ...(options.xAxis && options.xAxis()) }, { ...axis, size: 68, values: (_, v) => v.map(options.axisText), ...(options.yAxis && options.yAxis()) }],
        series: [{ label: options.xLabel || "second", value: (_, v) => (options.xValue || second)(v) }].concat(series.map((s, i) => ({
          width: 1.75, points: { show: data[0].length < 60, size: 4 }, spanGaps: true, ...s,
          stroke: color(s.color || palette[i % palette.length]),
          fill: s.area ? color(s.color || palette[i % palette.length]) + "55" : undefined,
          value: s.text || ((_, v) => options.text(v)),
        }))),
        bands: options.bands,
        hooks: options.time === false ? {} : { draw: [ends] },
      }, data, canvas);
      return u;
    };
    made.push({ draw, u: null });
  }

  const rows = run.series || [];
  const column = (name) => rows.map((r) => r[name]);
  const at = column("second");
  const positive = (values) => values.map((v) => (v > 0 ? v : null));
  const powers = (every) => (_, splits) => splits.map((v) => (Math.abs(Math.log10(v) / every - Math.round(Math.log10(v) / every)) < 1e-9 ? v : null));
  const decades = powers(1), others = powers(2);
  // "99.999 %" is a wide word: on a narrow plot every other one is left out.
  const ninesAxis = () => Object.assign(logAxis(), { filter: (u, splits) => (u.width < 460 ? others : decades)(u, splits) });
  const logAxis = () => ({ filter: decades, grid: { stroke: color("--grid"), width: 1, filter: decades }, ticks: { stroke: color("--grid"), width: 1, filter: decades } });

  if (rows.length > 0) {
    plot("Rate", "requests a second: those that became due, and how they ended", [at, column("offered"), column("answered"), column("logged"), column("denied")],
      [{ label: "offered", color: "--c6", dash: [6, 4] }, { label: "answered", color: "--c1" }, { label: "logged", color: "--c3" }, { label: "denied", color: "--c2" }],
      { y: { range: (_, low, high) => [0, Math.max(high * 1.06, 1)] }, axisText: short, text: number });

    plot("Latency", "from the due time to the final answer, by second; logarithmic", [at].concat(["p50_us", "p90_us", "p99_us", "p99_9_us", "max_us"].map((n) => positive(column(n)))),
      [{ label: "p50", color: "--c3" }, { label: "p90", color: "--c1" }, { label: "p99", color: "--c2" }, { label: "p99.9", color: "--c5" }, { label: "longest", color: "--c6", width: 1 }],
      { y: { distr: 3 }, axisText: (v) => (v == null ? "" : micros(v)), text: micros, yAxis: logAxis });
  }

  if (curves.length > 0) {
    const xs = [...new Set(curves.flatMap((c) => c.points.map((p) => p[0])))].sort((a, b) => a - b);
    const nines = (x) => (x == null ? "" : x <= 1 ? "0 %" : +(100 * (1 - 1 / x)).toFixed(Math.max(0, Math.ceil(Math.log10(x)) - 1)) + " %");
    const data = [xs].concat(curves.map((c) => { const by = new Map(c.points); return xs.map((x) => (by.has(x) && by.get(x) > 0 ? by.get(x) : null)); }));
    plot("Percentiles", "how long the fastest so many took, of the whole run; both axes logarithmic", data, curves.map((c) => ({ label: c.title, points: { show: false } })),
      { x: { distr: 3 }, y: { distr: 3 }, axisText: (v) => (v == null ? "" : micros(v)), text: micros, xText: nines, xValue: nines, xLabel: "percentile", time: false,
        xAxis: ninesAxis, yAxis: logAxis });
  }

  const bounded = (run.prizes || []).map((p, i) => ({ p, i })).filter((z) => z.p.total > 0).slice(0, 8);
  if (rows.length > 0 && rows[0].left && bounded.length > 0) {
    plot("Stock", "what each prize had left by the answers so far, as a share of its stock; below zero would be oversold",
      [[at[0]].concat(at.map((s) => s + 1))].concat(bounded.map((z) => [100].concat(rows.map((r) => (100 * r.left[z.i]) / z.p.total)))),
      bounded.map((z) => ({ label: z.p.id + " of " + number(z.p.total) })),
      { y: { range: (_, low) => [Math.min(0, low * 1.1), 104] }, axisText: share, text: share });
  }

  if (rows.length > 0) {
    const parts = [["won", "--c3", (r) => r.won], ["missed", "--c1", (r) => r.logged - r.won], ["denied", "--c2", (r) => r.denied], ["refused, asked again", "--c4", (r) => r.refused], ["errors", "--c5", (r) => r.errors]]
      .filter((p) => p[0] !== "refused, asked again" && p[0] !== "errors" || rows.some((r) => p[2](r) > 0));
    const values = parts.map((p) => rows.map(p[2]));
    const sums = values.map((_, i) => at.map((_, k) => values.slice(0, i + 1).reduce((s, v) => s + v[k], 0)));
    // The topmost sum is drawn first, so that each area is what its own part adds.
    const order = parts.map((_, i) => parts.length - 1 - i);
    plot("Outcomes", "answers a second, stacked", [at].concat(order.map((i) => sums[i])),
      order.map((i) => ({ label: parts[i][0], color: parts[i][1], area: i === 0, points: { show: false }, text: (u, v, si, k) => (k == null ? "" : number(values[i][k])) })),
      { y: { range: (_, low, high) => [0, Math.max(high * 1.06, 1)] }, axisText: short, text: number,
        bands: order.slice(0, -1).map((i, k) => ({ series: [k + 1, k + 2], fill: color(parts[i][1]) + "55" })) });
    plot("Generator", "the busiest load thread's share of a processor: near 100 % the generator makes the figures, and the run is INVALID", [at, rows.map((r) => 100 * r.busy)],
      [{ label: "busy", color: "--c7", area: true }], { y: { range: [0, 100] }, axisText: share, text: share });
  }

  if (rows.some((r) => r.resident_bytes > 0)) {
    const mebibytes = (v) => (v == null ? "" : number(v) + " MiB");
    plot("Memory", "of the daemon's process at the end of each second", [at, rows.map((r) => (r.resident_bytes > 0 ? r.resident_bytes / 1048576 : null))],
      [{ label: "resident", color: "--c4", area: true }], { y: { range: (_, low, high) => [0, Math.max(high * 1.06, 1)] }, axisText: mebibytes, text: mebibytes });
  }

  // Drawn when all boxes stand, so that each has its width.
  const again = () => made.forEach((m) => { if (m.u) m.u.destroy(); m.u = m.draw(); });
  again();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  let waiting = 0;
  addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(again, 120); });
})();
