// Charts, drawn as SVG by hand. Each has a text that says the same to those who do not see it.

import { fill, h, s, sentence } from "./ui.js";
import { clock, number, SEVERITIES } from "./words.js";

// As wide as its place, so that its text is as large as text elsewhere.
export function fitted(draw) {
  const place = h("div", { class: "fitted" });
  let drawn = 0;
  new ResizeObserver(() => {
    const width = Math.round(place.clientWidth);
    if (width < 40 || Math.abs(width - drawn) < 4) return;
    drawn = width;
    fill(place, draw(width));
  }).observe(place);
  return place;
}

function ticks(most) {
  const rough = most / 4 || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max([1, 2, 2.5, 5, 10].map((one) => one * power).find((one) => one >= rough), most <= 4 ? 1 : 0);
  const found = [];
  for (let value = 0; value < most + step * 0.999; value += step) found.push(value);
  return found;
}

function frame(label, width, height, most) {
  const left = 20 + 7 * number(ticks(most).at(-1)).length;
  const marks = ticks(most);
  const top = marks.at(-1);
  const y = (value) => height - 24 - (value / top) * (height - 42);
  const svg = s("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  for (const mark of marks) {
    svg.append(s("line", { class: "axis", x1: left, x2: width, y1: y(mark), y2: y(mark) }), s("text", { x: left - 7, y: y(mark) + 4, "text-anchor": "end" }, number(mark)));
  }
  return { svg, y, left };
}

function times(svg, height, entries) {
  let last = -Infinity;
  for (const [x, text, anchor] of entries) {
    if (x - last < 92) continue;
    last = x;
    svg.append(s("text", { x, y: height - 6, "text-anchor": anchor || "middle" }, text));
  }
}

// What an alert counted, with its threshold and, of a baseline, the mean.
export function seriesChart(series, width) {
  const { points, threshold, mean } = series;
  const height = 210;
  const most = Math.max(...points.map((one) => one.count), threshold || 0, 1) * 1.08;
  const label = `${series.kind === "buckets" ? "Counts per bucket" : "The count within the window"}: ${points.length} points, the last ${number(points.at(-1)?.count)}${threshold ? `, the threshold ${number(Math.round(threshold * 10) / 10)}` : ""}`;
  const { svg, y, left } = frame(label, width, height, most);
  const right = width - 8;
  if (series.kind === "buckets") {
    const step = (right - left) / points.length;
    points.forEach((one, n) => {
      const over = threshold !== null && one.count >= threshold;
      const bar = s("rect", { class: ["bar", over && "over"], x: left + n * step + step * 0.12, width: Math.max(1, step * 0.76), y: y(one.count), height: Math.max(0.5, y(0) - y(one.count)), rx: Math.min(3, step / 4) }, s("title", {}, `${clock(one.at)}: ${number(one.count)}`));
      svg.append(bar);
    });
    times(svg, height, points.map((one, n) => [left + n * step + step / 2, day(one.at, series.bucket_seconds), n === 0 ? "start" : n === points.length - 1 ? "end" : "middle"]).filter((_, n) => n % Math.ceil(points.length / Math.max(2, Math.floor(width / 110))) === 0));
  } else {
    const start = Date.parse(points[0].at);
    const span = Math.max(1, Date.parse(points.at(-1).at) - start);
    const x = (at) => (points.length === 1 ? (left + right) / 2 : left + 8 + ((Date.parse(at) - start) / span) * (right - left - 16));
    const path = points.map((one, n) => (n ? `H${x(one.at)}V${y(one.count)}` : `M${x(one.at)},${y(one.count)}`)).join("");
    if (points.length > 1) {
      svg.append(s("path", { class: "area", d: `${path}V${y(0)}H${x(points[0].at)}Z` }), s("path", { class: "line", d: path }));
    }
    for (const one of points) {
      svg.append(s("circle", { class: ["point", threshold !== null && one.count >= threshold && "over"], cx: x(one.at), cy: y(one.count), r: points.length > 60 ? 2 : 4 }, s("title", {}, `${clock(one.at)}: ${number(one.count)}`)));
    }
    times(svg, height, points.length === 1 ? [[x(points[0].at), clock(points[0].at)]] : [[left + 2, clock(points[0].at), "start"], [right, clock(points.at(-1).at), "end"]]);
  }
  rule(svg, y, left, width, mean, "mean", "Mean");
  rule(svg, y, left, width, threshold, "threshold", "Threshold", mean);
  return svg;
}

function rule(svg, y, left, width, value, kind, text, other) {
  if (value === null || value === undefined) return;
  const close = other !== null && other !== undefined && Math.abs(y(value) - y(other)) < 14;
  svg.append(
    s("line", { class: kind, x1: left, x2: width, y1: y(value), y2: y(value) }),
    s("text", { class: `${kind}-label`, x: close ? left + 100 : left + 6, y: y(value) - 5 }, `${text} ${number(Math.round(value * 10) / 10)}`),
  );
}

function day(at, seconds) {
  const date = new Date(at);
  if (seconds >= 86400) return date.toLocaleDateString(undefined, { month: "short", day: "numeric" });
  return date.toLocaleString(undefined, { month: "short", day: "numeric", hour: "2-digit", hour12: false });
}

// Alerts over time by severity. `hours`: [{hour, severity, alerts}], summed into at most 48 bars.
export function alertsOverTime(hours, since, until) {
  const used = SEVERITIES.filter((severity) => hours.some((one) => one.severity === severity && one.alerts));
  return h("figure", {}, fitted((width) => stacked(hours, since, until, width)), h("figcaption", { class: "legend" }, used.map((one) => h("span", {}, h("i", { class: `dot dot-${one}` }), sentence(one)))));
}

function stacked(hours, since, until, wide) {
  const start = Date.parse(since);
  const total = Math.max(1, Math.ceil((Date.parse(until) - start) / 3_600_000));
  const width = [1, 2, 3, 6, 12, 24, 48, 168].find((one) => total / one <= 48) || 720;
  const count = Math.ceil(total / width);
  const bars = Array.from({ length: count }, () => ({}));
  for (const one of hours) {
    const place = Math.min(count - 1, Math.max(0, Math.floor((Date.parse(one.hour) - start) / 3_600_000 / width)));
    bars[place][one.severity] = (bars[place][one.severity] || 0) + one.alerts;
  }
  const sums = bars.map((bar) => Object.values(bar).reduce((a, b) => a + b, 0));
  const all = sums.reduce((a, b) => a + b, 0);
  const height = 220;
  const { svg, y, left } = frame(`${number(all)} alerts over time, by severity; ${number(Math.max(...sums, 0))} in the fullest ${width === 1 ? "hour" : `${width} hours`}`, wide, height, Math.max(...sums, 1));
  const step = (wide - left) / count;
  bars.forEach((bar, n) => {
    let below = 0;
    const at = new Date(start + n * width * 3_600_000);
    for (const severity of [...SEVERITIES].reverse()) {
      if (!bar[severity]) continue;
      svg.append(
        s("rect", { class: `fill-${severity}`, x: left + n * step + step * 0.1, width: Math.max(1, step * 0.8), y: y(below + bar[severity]), height: y(below) - y(below + bar[severity]) }, s("title", {}, `${clock(at)}: ${number(bar[severity])} ${severity}`)),
      );
      below += bar[severity];
    }
  });
  times(svg, height, bars.map((_, n) => [left + n * step + step / 2, day(start + n * width * 3_600_000, total > 72 ? 86400 : 3600), n === 0 ? "start" : "middle"]).filter((_, n) => n % Math.ceil(count / Math.max(2, Math.floor(wide / 120))) === 0 && n * step < wide - 120));
  return svg;
}

// When alerts of a simulation began.
export const beginnings = (timeline) => fitted((width) => columns(timeline, width));

function columns(timeline, width) {
  const { buckets } = timeline;
  const height = 150;
  const most = Math.max(...buckets.map((one) => one.alerts), 1);
  const total = buckets.reduce((sum, one) => sum + one.alerts, 0);
  const { svg, y, left } = frame(`${number(total)} alerts over ${buckets.length} spans of time`, width, height, most);
  const step = (width - left) / Math.max(1, buckets.length);
  buckets.forEach((one, n) => {
    if (one.alerts) svg.append(s("rect", { class: "bar", x: left + n * step + step * 0.12, width: Math.max(1.5, step * 0.76), y: y(one.alerts), height: y(0) - y(one.alerts), rx: 2 }, s("title", {}, `${clock(one.at)}: ${number(one.alerts)}`)));
  });
  times(svg, height, [[left + 2, clock(buckets[0].at), "start"], [width, clock(buckets.at(-1).at), "end"]]);
  return svg;
}

// entries: [{name, value, text, kind, to}]
export function bars(entries, label) {
  const most = Math.max(...entries.map((one) => one.value), 1);
  return h(
    "ul",
    { class: "bars", "aria-label": label },
    entries.map((one) =>
      h("li", {}, h("span", { class: "name", title: one.title || one.name }, one.to ? h("a", { href: `#${one.to}` }, one.name) : one.name, one.note), h("span", { class: "value" }, one.text ?? number(one.value)), h("span", { class: "track", "aria-hidden": "true" }, h("span", { class: one.kind === "bad" ? "bar-bad" : "", "width%": (one.value / most) * 100 }))),
    ),
  );
}

export function gauge(rate) {
  return h("div", { class: ["gauge", rate < 0.7 && "is-low"], role: "img", "aria-label": `${Math.round(rate * 100)} % acknowledged; at least 70 % are wanted` }, h("span", { "width%": rate * 100 }), h("i", {}), h("em", {}, "70 % wanted"));
}
