// Building elements. Whatever comes from the API goes in as text: nothing here takes markup.

const SVG = "http://www.w3.org/2000/svg";

export function h(tag, properties, ...children) {
  return build(document.createElement(tag), properties, children);
}

export function s(tag, properties, ...children) {
  return build(document.createElementNS(SVG, tag), properties, children);
}

function build(element, properties, children) {
  for (const [name, value] of Object.entries(properties || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.setAttribute("class", Array.isArray(value) ? value.filter(Boolean).join(" ") : value);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name === "width%") element.style.width = `${value}%`;
    else if (name === "value" || name === "checked" || name === "indeterminate") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  append(element, children);
  return element;
}

export function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false || child === "") continue;
    element.append(child instanceof Node ? child : String(child));
  }
  return element;
}

export function fill(element, ...children) {
  element.replaceChildren();
  return append(element, children);
}

// An address such as https://…, and nothing that would run.
export function safeLink(address, text) {
  return /^https?:\/\//i.test(address) ? h("a", { href: address, rel: "noreferrer noopener", target: "_blank" }, text || address) : h("span", {}, text || address);
}

const PATHS = {
  alerts: "M8 2a4 4 0 0 0-4 4v3l-1.5 2.5h11L12 9V6a4 4 0 0 0-4-4ZM6.5 13.5a1.5 1.5 0 0 0 3 0",
  incidents: "M8 2 1.8 13.2h12.4L8 2Zm0 4.2v3.4m0 1.8v.1",
  inbox: "M2 9.5 4 3h8l2 6.5V13H2V9.5Zm0 0h3.5L6.5 11h3l1-1.5H14",
  rules: "M2.5 4h7M2.5 8h4M2.5 12h7M12 3v2m0 2v2m0 2v2M11 4h2M9 8h5m-3 4h3",
  gallery: "M2.5 2.5h4.5V7H2.5zM9 2.5h4.5V7H9zM2.5 9H7v4.5H2.5zM9 9h4.5v4.5H9z",
  policies: "M8 2v3m0 0H4v3m4-3h4v3M2.5 8h3v3h-3zM10.5 8h3v3h-3zM4 11v2.5m8-2.5v2.5",
  channels: "M2 7v2.5h2.5L9 13V3L4.5 7H2Zm10-1.5a3.5 3.5 0 0 1 0 5M13.5 4a6 6 0 0 1 0 8.5",
  webhooks: "M6.5 9.5 9.8 4M5 3.5a2.2 2.2 0 1 1 4 1M4.5 8a2.6 2.6 0 1 0 2.8 3.5h4M9 4.5l2.6 4.4M10 11.5a2 2 0 1 0 1.2-2.6",
  templates: "M3 2.5h7L13 5.5v8H3v-11Zm2.5 5h5m-5 3h5",
  users: "M6 8a2.6 2.6 0 1 0 0-5.2A2.6 2.6 0 0 0 6 8Zm-4.5 5.5c0-2.4 2-3.8 4.5-3.8s4.5 1.4 4.5 3.8M10.8 3.2a2.4 2.4 0 0 1 0 4.4m1.5 2.3c1.4.6 2.2 1.8 2.2 3.6",
  silences: "M2 2l12 12M6.2 2.7A4 4 0 0 1 12 6v3l.8 1.4M10.5 11.5h-8L4 9V6q0-.6.2-1.1M6.5 13.7a1.6 1.6 0 0 0 3 0",
  statistics: "M2.5 13.5v-5h2.5v5zM6.8 13.5v-11h2.5v11zM11 13.5V6h2.5v7.5z",
  letters: "M2 4h12v8.5H2zM2 4.5 8 9l6-4.5M5.5 2 8 4l2.5-2",
  audit: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12Zm0-9.5V8l2.5 1.5",
  keys: "M9.6 9.1A3.4 3.4 0 1 0 6.9 6.4L2.5 10.8v2.7h2.7V12h1.5v-1.5h1.5l1.4-1.4ZM10.8 5.2h.1",
  lists: "M5.5 4h8M5.5 8h8m-8 4h8M2.5 4h.1M2.5 8h.1m-.1 4h.1",
  menu: "M2.5 4.5h11M2.5 8h11m-11 3.5h11",
  search: "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10Zm3.6-1.4L14 14",
  theme: "M8 2.5v11A5.5 5.5 0 0 0 8 2.5Zm0 0A5.5 5.5 0 1 0 8 13.5",
  help: "M6 6.2a2 2 0 1 1 2.8 1.9c-.6.3-.8.6-.8 1.4m0 2v.1M8 14.2A6.2 6.2 0 1 0 8 1.8a6.2 6.2 0 0 0 0 12.4Z",
  close: "M4 4l8 8m0-8-8 8",
  check: "M3 8.5 6.5 12 13 4.5",
  external: "M9 2.5h4.5V7M13.5 2.5 8 8M6.5 4h-4v9.5H12v-4",
  out: "M6.5 2.5h-4v11h4M10 5l3 3-3 3m3-3H6",
};

export function icon(name) {
  return s(
    "svg",
    { viewBox: "0 0 16 16", fill: "none", stroke: "currentColor", "stroke-width": 1.4, "stroke-linecap": "round", "stroke-linejoin": "round", "aria-hidden": "true" },
    s("path", { d: PATHS[name] }),
  );
}

export function button(text, onclick, { kind, small, ...more } = {}) {
  return h("button", { type: "button", class: [kind, small && "small"], onclick, ...more }, text);
}

export const link = (to, text, properties) => h("a", { href: `#${to}`, ...properties }, text);
export const badge = (text, kind) => h("span", { class: ["badge", kind] }, text);
export const severityBadge = (severity) => h("span", { class: ["severity", severity] }, severity || "unknown");
export const statusBadge = (status) => h("span", { class: ["status", status] }, sentence(status || "unknown"));

export function sentence(word) {
  const text = String(word).replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export function plural(count, one, many = `${one}s`) {
  return `${Number(count).toLocaleString()} ${count === 1 ? one : many}`;
}

export function empty(title, text, ...more) {
  return h("div", { class: "empty" }, icon(more[0]?.icon || "check"), h("strong", {}, title), text && h("p", {}, text), more.filter((x) => x instanceof Node));
}

export function loading(lines = 5) {
  return h("div", { class: "loading", role: "status", "aria-label": "Loading" }, Array.from({ length: lines }, () => h("span", {})));
}

export function notice(kind, ...content) {
  return h("div", { class: ["notice", kind], role: kind === "bad" ? "alert" : undefined }, h("div", {}, content));
}

export function failure(problem) {
  if (problem.missingRoute) {
    return notice("info", h("p", { class: "strong" }, "This server does not offer this yet."), h("p", {}, "Its API has no such route. A newer release may have it."));
  }
  if (problem.status === 403) {
    const scope = problem.document?.scope;
    return notice("warn", h("p", { class: "strong" }, "Your key does not allow this."), h("p", {}, scope ? `It needs the scope ${scope}.` : problem.message));
  }
  return notice(
    "bad",
    h("p", { class: "strong" }, problem.message || String(problem)),
    problem.errors?.length > 1 && h("ul", {}, problem.errors.map((one) => h("li", {}, h("code", {}, one.path), " ", one.message))),
    problem.document?.request_id && h("p", { class: "sub" }, `Request ${problem.document.request_id}`),
  );
}

// Shows what a promise brings; before that, that it is under way; and what went wrong.
export function later(promise, show, lines) {
  const place = h("div", {}, loading(lines));
  promise.then(
    (found) => fill(place, show(found)),
    (problem) => {
      if (!(problem instanceof Error) || problem.status === undefined) console.error(problem);
      fill(place, failure(problem));
    },
  );
  return place;
}

export function card(title, ...content) {
  const options = content[0]?.constructor === Object ? content.shift() : {};
  return h(
    "section",
    { class: ["card", options.flush && "flush"], "aria-label": typeof title === "string" ? title : undefined },
    title && h("header", {}, h("h2", {}, title), options.actions && h("div", { class: "actions" }, options.actions), options.sub && h("span", { class: "sub" }, options.sub)),
    content,
  );
}

export function head(title, { crumb, lead, actions, after } = {}) {
  return h(
    "div",
    { class: "page-head" },
    h("div", {}, crumb && h("p", { class: "crumb" }, crumb), h("h1", { tabindex: "-1" }, title), lead && h("p", { class: "lead" }, lead), after),
    actions && h("div", { class: "actions" }, actions),
  );
}

// columns: {title, cell(item), kind, lead}. On a phone each row becomes a card with its columns' titles.
export function table(items, columns, caption) {
  return h(
    "div",
    { class: "table-wrap", tabindex: "0", role: "region", "aria-label": caption },
    h(
      "table",
      { class: "cards" },
      h("caption", { class: "visually-hidden" }, caption),
      h("thead", {}, h("tr", {}, columns.map((one) => h("th", { scope: "col", class: one.kind }, one.title || h("span", { class: "visually-hidden" }, "Actions"))))),
      h("tbody", {}, items.map((item) => h("tr", {}, columns.map((one) => h("td", { class: [one.kind, one.lead && "lead-cell"], data: { label: one.title || "" } }, h("div", { class: "cell" }, one.cell(item))))))),
    ),
  );
}

// A table that goes on: load(cursor) answers {items, next_cursor}.
export function pager(load, show, whenEmpty) {
  const place = h("div", {}, loading());
  const items = [];
  const next = async (cursor) => {
    try {
      const page = await load(cursor);
      items.push(...page.items);
      fill(place, items.length ? show(items) : whenEmpty);
      if (page.next_cursor) {
        const more = button("Show more", () => {
          more.disabled = true;
          next(page.next_cursor);
        });
        place.append(h("div", { class: "more" }, more));
      }
    } catch (problem) {
      fill(place, failure(problem));
    }
  };
  next();
  return place;
}

// Nobody reads on or works in there: it can be drawn anew by itself.
export function undisturbed(place) {
  return !document.hidden && scrollY < 40 && !place.contains(document.activeElement);
}

let fields = 0;

export function field(label, control, hint) {
  const id = control.id || `field-${++fields}`;
  control.id = id;
  const error = h("p", { class: "field-error", id: `${id}-error`, hidden: true });
  const described = [hint && `${id}-hint`, `${id}-error`].filter(Boolean).join(" ");
  control.setAttribute("aria-describedby", described);
  return h("div", { class: "field", data: { field: control.name || "" } }, h("label", { for: id }, label), control, hint && h("p", { class: "hint", id: `${id}-hint` }, hint), error);
}

export function select(name, options, value, more) {
  return h(
    "select",
    { name, ...more },
    options.map((option) => {
      const [key, text] = Array.isArray(option) ? option : [option, sentence(option)];
      return h("option", { value: key, selected: key === value }, text);
    }),
  );
}

// Errors at the fields they are about, the others above the form.
export function showErrors(form, problem) {
  for (const one of form.querySelectorAll("[data-field]")) {
    one.querySelector(".field-error").hidden = true;
    one.querySelector("[aria-describedby]")?.removeAttribute("aria-invalid");
  }
  form.querySelector(".form-problem")?.remove();
  if (!problem) return;
  const rest = [];
  let first = null;
  for (const error of problem.errors) {
    const place = [...form.querySelectorAll("[data-field]")].find((one) => one.dataset.field && (error.path === one.dataset.field || error.path.startsWith(`${one.dataset.field}.`) || error.path.startsWith(`${one.dataset.field}[`)));
    if (!place) {
      rest.push(error);
      continue;
    }
    const said = place.querySelector(".field-error");
    said.textContent = error.message;
    said.hidden = false;
    const control = place.querySelector("[aria-describedby]");
    control?.setAttribute("aria-invalid", "true");
    first ||= control;
  }
  if (rest.length || !problem.errors.length) {
    const above = rest.length ? notice("bad", rest.map((one) => h("p", {}, one.path && h("code", {}, one.path), one.path && " ", one.message))) : failure(problem);
    above.classList.add("form-problem");
    form.querySelector("footer")?.before(above);
  }
  (first || form.querySelector(".form-problem"))?.scrollIntoView({ block: "nearest" });
  first?.focus();
}

// A dialog with a form; `submit(values, form)` may throw a Problem, which is shown at its fields.
export function dialog(title, content, { submit, action = "Save", kind = "primary", wide, cancel = "Cancel" } = {}) {
  const before = document.activeElement;
  const id = `dialog-${++fields}`;
  return new Promise((resolve) => {
    let answer;
    const go = submit && h("button", { type: "submit", class: kind }, action);
    const form = h(
      "form",
      { method: "dialog", novalidate: true },
      h("header", {}, h("h2", { id }, title), h("button", { type: "button", class: "quiet icon-button", "aria-label": "Close", onclick: () => box.close() }, icon("close"))),
      content,
      h("footer", {}, h("button", { type: "button", onclick: () => box.close() }, submit ? cancel : "Close"), go),
    );
    const box = h("dialog", { "aria-labelledby": id, class: wide ? "wide" : undefined }, form);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (go.disabled) return;
      go.disabled = true;
      showErrors(form, null);
      try {
        answer = (await submit(valuesOf(form), form)) ?? true;
        if (answer !== "stay") box.close();
      } catch (problem) {
        if (problem.errors === undefined) console.error(problem);
        showErrors(form, problem.errors === undefined ? { errors: [], message: String(problem.message) } : problem);
      }
      go.disabled = false;
    });
    box.addEventListener("close", () => {
      box.remove();
      if (before?.isConnected) before.focus();
      resolve(answer);
    });
    document.body.append(box);
    box.showModal();
    (form.querySelector("[autofocus]") || form.querySelector("input:not([type=hidden]), select, textarea") || go || form.querySelector("footer button")).focus();
  });
}

export function valuesOf(form) {
  const values = {};
  for (const control of form.elements) {
    if (!control.name) continue;
    if (control.type === "checkbox" && control.dataset.many !== undefined) {
      values[control.name] ||= [];
      if (control.checked) values[control.name].push(control.value);
    } else if (control.type === "checkbox") values[control.name] = control.checked;
    else if (control.type !== "file") values[control.name] = control.value.trim();
  }
  return values;
}

export function checks(name, options, chosen = []) {
  return h(
    "div",
    { class: "checks" },
    options.map(([value, text]) => h("label", { class: "check" }, h("input", { type: "checkbox", name, value, checked: chosen.includes(value), data: { many: "" } }), text)),
  );
}

export function checkbox(name, text, checked) {
  return h("label", { class: "check" }, h("input", { type: "checkbox", name, checked }), text);
}

export async function confirm(title, text, action, submit) {
  return dialog(title, h("p", {}, text), { action, kind: "danger", submit: async () => (await submit?.()) ?? true });
}

export function toast(text, bad = false) {
  const close = h("button", { type: "button", class: "quiet icon-button small", "aria-label": "Dismiss", onclick: () => box.remove() }, icon("close"));
  const box = h("div", { class: ["toast", bad && "is-bad"], role: bad ? "alert" : "status" }, h("span", {}, text), close);
  const place = document.getElementById("toasts");
  place.append(box);
  while (place.children.length > 4) place.firstChild.remove();
  setTimeout(() => box.remove(), bad ? 12000 : 5000);
}

// Whatever a button starts: while it runs it cannot be started again, and what fails is said.
export async function doing(control, work, done) {
  if (control) control.disabled = true;
  try {
    const found = await work();
    if (done) toast(typeof done === "function" ? done(found) : done);
    return found;
  } catch (problem) {
    if (problem.errors === undefined) console.error(problem);
    toast(problem.message, true);
    return undefined;
  } finally {
    if (control) control.disabled = false;
  }
}

export function announce(text) {
  const place = document.getElementById("said");
  place.textContent = "";
  setTimeout(() => {
    place.textContent = text;
  }, 50);
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast("Copied.");
  } catch {
    toast("This browser does not let pages copy; select the text instead.", true);
  }
}

export function secretShown(text) {
  return h("div", { class: "secret" }, h("code", { class: "mono" }, text), button("Copy", () => copy(text)));
}

// tabs: [id, title, () => element]; an element is made when its tab is first chosen.
export function tabs(label, list, chosen, onChange) {
  const made = new Map();
  const panel = h("div", { role: "tabpanel", tabindex: "-1" });
  const heads = list.map(([id, title]) =>
    h("button", { type: "button", role: "tab", id: `tab-${id}`, "aria-controls": "tab-panel", onclick: () => choose(id), data: { id } }, title),
  );
  panel.id = "tab-panel";
  function choose(id, quiet) {
    const entry = list.find(([one]) => one === id) || list[0];
    if (!made.has(entry[0])) made.set(entry[0], entry[2]());
    fill(panel, made.get(entry[0]));
    panel.setAttribute("aria-labelledby", `tab-${entry[0]}`);
    for (const one of heads) {
      const here = one.dataset.id === entry[0];
      one.setAttribute("aria-selected", here);
      one.tabIndex = here ? 0 : -1;
    }
    if (!quiet) onChange?.(entry[0]);
  }
  const bar = h("div", { class: "tabs", role: "tablist", "aria-label": label }, heads);
  bar.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const place = heads.indexOf(document.activeElement);
    const next = heads[(place + step + heads.length) % heads.length];
    next.focus();
    choose(next.dataset.id);
  });
  choose(chosen || list[0][0], true);
  const box = h("div", {}, bar, panel);
  box.choose = choose;
  return box;
}

// JSON with its parts coloured, as text nodes.
export function json(value) {
  return h("pre", { class: "code", tabindex: "0" }, coloured(typeof value === "string" ? value : JSON.stringify(value, null, 2)));
}

export function coloured(text) {
  const parts = [];
  const pattern = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)\b/g;
  let at = 0;
  for (const found of text.matchAll(pattern)) {
    if (found.index > at) parts.push(text.slice(at, found.index));
    const [all, quoted, colon, plain] = found;
    if (plain) parts.push(h("span", { class: "tok-number" }, plain));
    else {
      parts.push(h("span", { class: colon ? "tok-key" : "tok-text" }, quoted));
      if (colon) parts.push(colon);
    }
    at = found.index + all.length;
  }
  parts.push(text.slice(at));
  return parts;
}
