"use strict";
// Everything here only improves a page that is complete without it: values under the pointer, zoom, sorting, a list of
// events, a switch of the theme. Values are read back from the paths.
(() => {
const NS = "http://www.w3.org/2000/svg", doc = document, main = doc.querySelector("main");
if (!main) return;
const from = +main.dataset.from, to = +main.dataset.to, since = main.dataset.since === "1";
const all = (what, where) => [...(where || doc).querySelectorAll(what)];
const make = (name, attributes, text) => {
  const e = doc.createElementNS(NS, name);
  for (const k in attributes) e.setAttribute(k, attributes[k]);
  if (text !== undefined) e.textContent = text;
  return e;
};
const element = (name, className, text) => {
  const e = doc.createElement(name);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = text;
  return e;
};

// Numbers: three digits and a unit.
const digits = v => {
  const s = Math.abs(v);
  if (s === 0) return "0";
  if (s >= 1e5) return v.toExponential(2);
  for (const [least, n] of [[99.95, 0], [9.995, 1], [.9995, 2], [.0995, 3], [.00095, 4]]) if (s >= least) return v.toFixed(n);
  return v.toExponential(1);
};
const scale = (v, base, suffixes) => {
  let n = 0;
  while (Math.abs(v) >= base - .5 && n < suffixes.length - 1) { v /= base; n++; }
  return digits(v) + " " + suffixes[n];
};
const bytes = v => scale(v, 1024, ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]);
const count = v => scale(v, 1000, ["", "k", "M", "G", "T", "P"]).trim();
const time = s => {
  const a = Math.abs(s);
  for (const [least, by, unit] of [[7200, 1 / 3600, "h"], [120, 1 / 60, "min"], [.9995, 1, "s"], [9.995e-4, 1e3, "ms"], [9.995e-7, 1e6, "us"]])
    if (a >= least) return digits(s * by) + " " + unit;
  return a ? digits(s * 1e9) + " ns" : "0 s";
};
const shown = (v, unit) => {
  const per = unit.endsWith("/s") ? "/s" : "", base = per ? unit.slice(0, -2) : unit;
  const seconds = { s: 1, ms: 1e-3, us: 1e-6, ns: 1e-9 }[base];
  if (seconds) return time(v * seconds) + per;
  if (base === "bytes") return bytes(v) + per;
  if (base === "KiB") return bytes(v * 1024) + per;
  if (base === "percent") return digits(v) + " %";
  if (base === "celsius") return digits(v) + " °C";
  if (base === "count" || base === "pages" || base === "") return count(v) + per;
  return count(v) + " " + unit;
};
const moment = us => {
  if (since) return time(us / 1e6);
  return new Date(us / 1e3).toISOString().slice(11, to - from < 6e7 ? 23 : 19);
};

// The points of a path: absolute, with the starts of its pieces.
const known = new WeakMap();
const points = path => {
  let p = known.get(path);
  if (p) return p;
  p = { x: [], y: [], start: [] };
  let x = 0, y = 0, c = "", start = true;
  const n = [];
  const add = () => { p.x.push(x); p.y.push(y); p.start.push(start); start = false; };
  for (const [token] of (path.getAttribute("d") || "").matchAll(/[a-zA-Z]|-?[\d.]+/g)) {
    if (/[a-zA-Z]/.test(token)) { c = token; n.length = 0; continue; }
    n.push(+token);
    if ((c === "M" || c === "l") && n.length < 2) continue;
    if (c === "M") { [x, y] = n; start = true; }
    else if (c === "l") { x += n[0]; y += n[1]; }
    else if (c === "h") x += n[0];
    else if (c === "v") y += n[0];
    else if (c === "V") y = n[0];
    n.length = 0;
    add();
  }
  known.set(path, p);
  return p;
};
// The height at x, or null in a gap.
const at = (path, x) => {
  const p = points(path);
  let a = 0, b = p.x.length;
  while (a < b) { const m = (a + b) >> 1; if (p.x[m] <= x) a = m + 1; else b = m; }
  const i = a - 1, near = 2;
  if (i < 0) return p.x.length && p.x[0] - x <= near ? p.y[0] : null;
  if (i + 1 >= p.x.length || p.start[i + 1]) return x - p.x[i] <= near ? p.y[i] : null;
  const w = p.x[i + 1] - p.x[i];
  return w ? p.y[i] + (p.y[i + 1] - p.y[i]) * (x - p.x[i]) / w : p.y[i];
};

// Zoom: the part of the time that is shown, from 0 to 1.
let view = [0, 1], cursor = null;
const charts = all("svg.chart"), visible = new Set();
const boxes = all("svg.plot,svg.back").map(e => ({ e, size: e.getAttribute("viewBox").split(" ").map(Number) }));
const steps = [1, 2, 5, 10, 20, 50, 100, 200, 500].map(n => n * 1e3)
  .concat([1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800].map(n => n * 1e6));
const times = doc.getElementById("time"), timesBefore = times && times.innerHTML;
const lines = doc.querySelector("#back .tx"), linesBefore = lines && lines.getAttribute("d");
const zoom = (a, b) => {
  const least = Math.min(1, Math.max(1e-5, 2e3 / (to - from)));
  if (b - a < least) { const m = (a + b) / 2; a = m - least / 2; b = m + least / 2; }
  if (a < 0) { b = Math.min(1, b - a); a = 0; }
  if (b > 1) { a = Math.max(0, a - b + 1); b = 1; }
  view = [a, b];
  for (const { e, size } of boxes) e.setAttribute("viewBox", `${a * size[2]} 0 ${(b - a) * size[2]} ${size[3]}`);
  const isAll = a === 0 && b === 1;
  reset.hidden = isAll;
  if (!times) return;
  if (isAll) {
    times.innerHTML = timesBefore;
    if (lines) lines.setAttribute("d", linesBefore);
  } else {
    const start = from + a * (to - from), end = from + b * (to - from);
    const step = steps.find(s => s >= (end - start) / 6) || 604800e6;
    const group = make("g", { fill: "currentColor", "fill-opacity": ".7", "font-size": "11" });
    let d = "";
    for (let t = Math.ceil(start / step) * step; t <= end; t += step) {
      const place = (t - start) / (end - start);
      const text = since ? time(t / 1e6) : new Date(t / 1e3).toISOString().slice(11, step < 1e6 ? 23 : step < 6e7 ? 19 : 16);
      group.append(make("text", { x: place * 100 + "%", "text-anchor": place < .05 ? "start" : place > .95 ? "end" : "middle" }, text));
      d += `M${(t - from) / (to - from) * 960} 0v1000`;
    }
    times.replaceChildren(group);
    if (lines) lines.setAttribute("d", d);
  }
  point(cursor);
};

// The cross-hair, at the same time in all charts that can be seen.
const show = chart => {
  const frame = chart.querySelector(".in"), plot = chart.querySelector(".plot");
  let line = frame.querySelector(".cursor");
  const figure = chart.closest("figure"), legend = all(".legend [data-k] b", figure);
  const place = cursor === null ? -1 : (cursor - view[0]) / (view[1] - view[0]);
  if (place < 0 || place > 1) {
    if (line) line.remove();
    for (const b of legend) if (b.dataset.mean !== undefined) b.textContent = b.dataset.mean;
    return;
  }
  if (!line) {
    line = make("line", { class: "cursor", y1: 14, y2: 14 + +plot.getAttribute("height"), stroke: "currentColor", "stroke-opacity": ".6" });
    frame.append(line);
  }
  line.setAttribute("x1", place * 100 + "%");
  line.setAttribute("x2", place * 100 + "%");
  const low = +plot.dataset.low, high = +plot.dataset.high;
  let below = 0;
  for (const b of legend) {
    const k = b.parentNode.dataset.k, path = plot.querySelector(`.m[data-k="${k}"],.a[data-k="${k}"]`);
    if (!path) continue;
    if (b.dataset.mean === undefined) b.dataset.mean = b.textContent;
    const y = at(path, cursor * 960);
    let v = y === null ? null : high - y / 1000 * (high - low);
    if (v !== null && path.classList.contains("a")) { const top = v; v = Math.max(0, v - below); below = top; }
    b.textContent = v === null ? "–" : shown(v, plot.dataset.unit);
  }
};
const point = where => {
  cursor = where;
  now.textContent = cursor === null ? "" : moment(from + cursor * (to - from));
  visible.forEach(show);
};
const watch = new IntersectionObserver(entries => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) { visible.add(target); show(target); } else visible.delete(target);
  }
});
charts.forEach(chart => watch.observe(chart));

const place = (chart, event) => {
  const box = chart.querySelector(".plot").getBoundingClientRect();
  // A zoomed drawing may be wider than what is seen of it.
  const frame = chart.getBoundingClientRect(), left = Math.max(box.left, frame.left);
  const share = Math.min(1, Math.max(0, (event.clientX - left) / (frame.right - left)));
  return view[0] + share * (view[1] - view[0]);
};
let drag = null;
for (const chart of charts) {
  chart.addEventListener("pointermove", event => {
    point(place(chart, event));
    if (drag && drag.chart === chart) {
      const share = v => (v - view[0]) / (view[1] - view[0]) * 100;
      const [a, b] = [share(drag.at), share(cursor)].sort((x, y) => x - y);
      drag.area.setAttribute("x", a + "%");
      drag.area.setAttribute("width", b - a + "%");
    }
    const plot = chart.querySelector(".plot[data-most]");
    if (plot) heat(chart, plot, event);
  });
  chart.addEventListener("pointerleave", () => { if (!drag) point(null); });
  chart.addEventListener("pointerdown", event => {
    if (event.button !== 0 || event.pointerType === "touch") return;
    const area = make("rect", { y: 14, height: chart.querySelector(".plot").getAttribute("height"), fill: "currentColor", "fill-opacity": ".12" });
    chart.querySelector(".in").append(area);
    drag = { chart, at: place(chart, event), area };
  });
  chart.addEventListener("dblclick", () => zoom(0, 1));
}
addEventListener("pointerup", event => {
  if (!drag) return;
  const { chart, at, area } = drag, end = place(chart, event);
  drag = null;
  area.remove();
  if (Math.abs(end - at) > (view[1] - view[0]) / 100) zoom(Math.min(at, end), Math.max(at, end));
});
const heat = (chart, plot, event) => {
  const box = plot.getBoundingClientRect(), names = plot.dataset.names.split("|");
  const row = Math.floor((event.clientY - box.top) / box.height * names.length);
  const legend = chart.closest("figure").querySelector(".legend");
  const text = legend.querySelector(".here") || legend.appendChild(element("span", "here"));
  const level = +(event.target.dataset.l || 0), most = +plot.dataset.most / 8;
  text.textContent = names[row] === undefined ? "" : `${names[row]}: ` + (level ? `${shown((level - 1) * most, plot.dataset.unit)} to ${shown(level * most, plot.dataset.unit)}` : "0 or no value");
};

// Tables that sort.
for (const table of all("table")) {
  const body = table.tBodies[0];
  if (!body || body.rows.length < 2 || body.querySelector(".group")) continue;
  all("thead th", table).forEach((th, n) => {
    if (!th.textContent) return;
    const button = element("button", "", th.textContent);
    th.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = th.getAttribute("aria-sort") !== "descending";
      all("thead th", table).forEach(other => other.removeAttribute("aria-sort"));
      th.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = row => { const cell = row.cells[n]; return cell.dataset.v === undefined ? cell.textContent : +cell.dataset.v; };
      const order = (a, b) => typeof a === "number" && typeof b === "number" ? a - b
        : typeof a === "number" ? 1 : typeof b === "number" ? -1 : a.localeCompare(b, "en", { numeric: true });
      const rows = [...body.rows].map(row => [key(row), row]);
      rows.sort((a, b) => (down ? -1 : 1) * order(a[0], b[0]));
      body.append(...rows.map(([, row]) => row));
    });
  });
}

// Events: one is chosen, and the others stay closed also in browsers that do not do that themselves.
for (const grid of all(".events")) {
  const events = all(":scope > details", grid);
  const label = element("label", "", "Event "), select = element("select");
  events.forEach((e, n) => {
    const option = element("option", "", e.querySelector("summary").firstChild.textContent.trim());
    option.value = n;
    select.append(option);
    e.addEventListener("toggle", () => {
      if (!e.open) return;
      select.value = n;
      events.forEach(other => { if (other !== e) other.open = false; });
    });
  });
  select.addEventListener("change", () => { events[select.value].open = true; });
  label.append(select);
  grid.before(label);
}

// Tools: the time under the pointer, the whole time again, light or dark.
const tools = element("div", "tools"), now = element("span", "now"), reset = element("button", "", "Whole time"), theme = element("button", "", "Light / dark");
reset.hidden = true;
reset.addEventListener("click", () => zoom(0, 1));
theme.addEventListener("click", () => {
  const isDark = doc.documentElement.dataset.theme ? doc.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  doc.documentElement.dataset.theme = isDark ? "light" : "dark";
});
theme.title = "Keys: left and right move the cross-hair, + and - zoom, 0 shows the whole time, t is this";
tools.append(now, reset, theme);
(doc.querySelector("nav") || main).prepend(tools);
addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
  const width = view[1] - view[0], middle = cursor === null ? (view[0] + view[1]) / 2 : cursor;
  const move = by => {
    const next = Math.min(1, Math.max(0, middle + by * width * (event.shiftKey ? .1 : .005)));
    if (next < view[0] || next > view[1]) zoom(view[0] + by * width / 4, view[1] + by * width / 4);
    point(next);
  };
  switch (event.key) {
    case "ArrowLeft": move(-1); break;
    case "ArrowRight": move(1); break;
    case "+": case "=": zoom(middle - width / 4, middle + width / 4); break;
    case "-": zoom(middle - width, middle + width); break;
    case "0": case "Escape": point(null); zoom(0, 1); break;
    case "t": theme.click(); break;
    default: return;
  }
  event.preventDefault();
});
})();
