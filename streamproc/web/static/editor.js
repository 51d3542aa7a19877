// A text field for documents: line numbers, colours, and what is wrong shown on its line.

import { append, fill, h } from "./ui.js";

const LINE = /^(\s*(?:- )*)("[^"]*"|'[^']*'|[^\s"'#:{}[\],][^:#{}[\]]*?)(\s*:)(?=\s|$)(.*)$/;
const VALUE = /("(?:[^"\\]|\\.)*"|'(?:[^']|'')*')|(#.*$)|(?<![\w.-])(-?\d+(?:\.\d+)?|true|false|null|~)(?![\w.:/-])/g;

function values(text) {
  const parts = [];
  let at = 0;
  for (const found of text.matchAll(VALUE)) {
    if (found[2] && found.index > 0 && !/\s/.test(text[found.index - 1])) continue;
    parts.push(text.slice(at, found.index), h("span", { class: found[1] ? "tok-text" : found[2] ? "tok-note" : "tok-number" }, found[0]));
    at = found.index + found[0].length;
  }
  parts.push(text.slice(at));
  return parts;
}

function colouredLine(text) {
  const found = LINE.exec(text);
  if (!found) return values(text);
  return [found[1], h("span", { class: "tok-key" }, found[2]), found[3], ...values(found[4])];
}

// `changed(text)` is told of each change. `mark([{line, level, message}])` shows problems on their lines.
export function editor({ text = "", label, changed, readonly, rows }) {
  const area = h("textarea", { spellcheck: "false", autocapitalize: "off", autocomplete: "off", wrap: "off", "aria-label": label, readonly });
  area.value = text;
  if (rows) area.rows = rows;
  const behind = h("pre", { "aria-hidden": "true" });
  const gutter = h("div", { class: "gutter", "aria-hidden": "true" });
  const element = h("div", { class: "editor" }, gutter, h("div", { class: "body" }, behind, area));
  if (rows) area.style.height = `calc(${rows} * 1.6em + 22px)`;
  let marks = [];

  function draw() {
    const lines = area.value.split("\n");
    const byLine = new Map();
    for (const one of marks) if (!byLine.has(one.line) || one.level === "error") byLine.set(one.line, one);
    fill(
      behind,
      lines.map((line, n) => {
        const mark = byLine.get(n + 1);
        return h("div", { class: mark && (mark.level === "error" ? "is-wrong" : "is-doubtful") }, colouredLine(line), mark && h("span", { class: "inline-note" }, mark.inline || mark.message));
      }),
    );
    fill(gutter, lines.map((_, n) => h("div", { class: byLine.has(n + 1) && (byLine.get(n + 1).level === "error" ? "has-error" : "has-warning") }, String(n + 1))));
    scrolled();
  }
  function scrolled() {
    behind.scrollTop = gutter.scrollTop = area.scrollTop;
    behind.scrollLeft = area.scrollLeft;
  }
  function goTo(line) {
    const lines = area.value.split("\n");
    const start = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
    area.focus();
    area.setSelectionRange(start, start + (lines[line - 1] || "").length);
    area.scrollTop = Math.max(0, (line - 6) * parseFloat(getComputedStyle(area).lineHeight));
  }
  area.addEventListener("scroll", scrolled);
  area.addEventListener("input", () => {
    draw();
    changed?.(area.value);
  });
  area.addEventListener("keydown", (event) => {
    // a new line begins where the one above does; Tab goes on to the next control, as everywhere
    if (event.key !== "Enter" || event.shiftKey || event.ctrlKey || event.metaKey || area.readOnly) return;
    const before = area.value.slice(0, area.selectionStart);
    const line = before.slice(before.lastIndexOf("\n") + 1);
    const indent = /^\s*/.exec(line)[0] + (/:\s*$/.test(line) ? "  " : "");
    if (!indent) return;
    event.preventDefault();
    area.setRangeText(`\n${indent}`, area.selectionStart, area.selectionEnd, "end");
    area.dispatchEvent(new Event("input"));
  });
  new ResizeObserver(() => {
    gutter.style.height = `${area.offsetHeight}px`;
    scrolled();
  }).observe(area);
  draw();
  return {
    element,
    area,
    goTo,
    get text() {
      return area.value;
    },
    set text(value) {
      area.value = value;
      draw();
      changed?.(value);
    },
    mark(found) {
      marks = found;
      if (found.some((one) => one.level === "error")) area.setAttribute("aria-invalid", "true");
      else area.removeAttribute("aria-invalid");
      draw();
    },
  };
}

const snake = (text) => text.replace(/([a-z0-9])([A-Z])/g, "$1_$2").toLowerCase();

const snaked = (lines) => new Map(Object.entries(lines).map(([one, line]) => [snake(one), line]));

// Whether the path itself was written.
export const hasLine = (lines, path) => snaked(lines).has(snake(path));

// The line of a path such as condition.group_by[0], or of the nearest part above it that was written.
export function lineOf(lines, path) {
  const known = snaked(lines);
  let at = snake(path || "");
  while (at && !known.has(at)) at = at.slice(0, Math.max(at.lastIndexOf("."), at.lastIndexOf("["), 0));
  return known.get(at) ?? 1;
}

// Problems as a list below the editor; each leads to its line.
export function problemList(found, box) {
  return h(
    "ul",
    { class: "problems" },
    found.map((one) =>
      h(
        "li",
        {},
        h("button", { type: "button", class: one.level === "error" ? "bad" : one.level === "hint" ? "info" : "warn", onclick: () => box.goTo(one.line) }, h("span", { class: "nowrap" }, `Line ${one.line}`), append(h("span", {}), [one.path && h("code", {}, one.path), one.path && " ", one.message])),
      ),
    ),
  );
}
