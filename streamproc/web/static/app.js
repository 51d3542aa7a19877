// The shell: who is signed in, where one is, the keys that work everywhere.

import { ask, list, may, Problem, session } from "./api.js";
import * as live from "./live.js";
import { providerLink, whoIsThere, whyNot } from "./provider.js";
import { refreshTimes } from "./words.js";
import { append, announce, button, dialog, doing, failure, fill, h, icon, select, toast } from "./ui.js";

// Of the address behind the #: /alerts/alt_1?status=open. Each page is a module, loaded when it is first opened.
const PAGES = [
  [/^\/alerts$/, () => import("./page_alerts.js"), "alerts", "Alerts"],
  [/^\/alerts\/(.+)$/, () => import("./page_alert.js"), "alerts", "Alert"],
  [/^\/incidents$/, () => import("./page_incidents.js"), "incidents", "Incidents"],
  [/^\/incidents\/(.+)$/, () => import("./page_incident.js"), "incidents", "Incident"],
  [/^\/inbox$/, () => import("./page_inbox.js"), "inbox", "Inbox"],
  [/^\/rules$/, () => import("./page_rules.js"), "rules", "Rules"],
  [/^\/rules\/(.+)$/, () => import("./page_rule.js"), "rules", "Rule"],
  [/^\/gallery$/, () => import("./page_gallery.js"), "gallery", "Rule templates"],
  [/^\/policies$/, () => import("./page_policies.js"), "policies", "Action policies"],
  [/^\/policies\/(.+)$/, () => import("./page_policy.js"), "policies", "Action policy"],
  [/^\/channels$/, () => import("./page_channels.js"), "channels", "Channels"],
  [/^\/channels\/(.+)$/, () => import("./page_channel.js"), "channels", "Channel"],
  [/^\/webhooks$/, () => import("./page_webhooks.js"), "webhooks", "Webhooks"],
  [/^\/webhooks\/(.+)$/, () => import("./page_webhook.js"), "webhooks", "Webhook"],
  [/^\/templates$/, () => import("./page_templates.js"), "templates", "Message templates"],
  [/^\/templates\/(.+)$/, () => import("./page_template.js"), "templates", "Message template"],
  [/^\/lists$/, () => import("./page_lists.js"), "lists", "Named lists"],
  [/^\/lists\/(.+)$/, () => import("./page_list.js"), "lists", "Named list"],
  [/^\/users$/, () => import("./page_users.js"), "users", "Users and groups"],
  [/^\/silences$/, () => import("./page_silences.js"), "silences", "Silences"],
  [/^\/statistics$/, () => import("./page_statistics.js"), "statistics", "Statistics"],
  [/^\/dead-letters$/, () => import("./page_letters.js"), "letters", "Dead letters"],
  [/^\/dead-letters\/(.+)$/, () => import("./page_letter.js"), "letters", "Dead letter"],
  [/^\/audit$/, () => import("./page_audit.js"), "audit", "Audit log"],
  [/^\/keys$/, () => import("./page_keys.js"), "keys", "API keys"],
];

const NAVIGATION = [
  ["Respond", [["/alerts", "alerts", "Alerts", "alerts:read"], ["/incidents", "incidents", "Incidents", "alerts:read"], ["/inbox", "inbox", "Inbox", "alerts:read"]]],
  ["Detect", [["/rules", "rules", "Rules", "rules:read"], ["/gallery", "gallery", "Rule templates", "rules:read"], ["/lists", "lists", "Named lists", "config:read"]]],
  [
    "Notify",
    [
      ["/policies", "policies", "Action policies", "config:read"],
      ["/channels", "channels", "Channels", "config:read"],
      ["/webhooks", "webhooks", "Webhooks", "config:read"],
      ["/templates", "templates", "Message templates", "config:read"],
      ["/users", "users", "Users and groups", "config:read"],
      ["/silences", "silences", "Silences", "config:read"],
    ],
  ],
  [
    "Operate",
    [
      ["/statistics", "statistics", "Statistics", "alerts:read"],
      ["/dead-letters", "letters", "Dead letters", "alerts:read"],
      ["/audit", "audit", "Audit log", "config:read"],
      ["/keys", "keys", "API keys", "admin"],
    ],
  ],
];

const SHORTCUTS = [
  ["j", "Next alert in the list"],
  ["k", "Previous alert in the list"],
  ["Enter", "Open the alert"],
  ["x", "Select or unselect it"],
  ["a", "Acknowledge"],
  ["r", "Resolve"],
  ["e", "Escalate to an incident"],
  ["/", "Search"],
  ["u", "Back to the list"],
  ["g then a, r, i, s", "Go to alerts, rules, incidents, statistics"],
  ["t", "Light or dark"],
  ["?", "These keys"],
];

const app = document.getElementById("app");
let page = null; // {keys: {j: f}, close()}: what the open page answered
let shown = 0;
let leader = 0;

export function go(to, { replace } = {}) {
  if (replace) {
    history.replaceState(null, "", `#${to}`);
    return;
  }
  location.hash = to;
}

function place() {
  const [path, query] = (location.hash.slice(1) || "/alerts").split("?");
  return { path, query: new URLSearchParams(query || "") };
}

async function open() {
  const main = document.getElementById("main");
  if (!main) return;
  const { path, query } = place();
  const found = PAGES.map(([pattern, load, area, title]) => ({ match: pattern.exec(path), load, area, title })).find((one) => one.match);
  page?.close?.();
  page = null;
  const turn = ++shown;
  closeMenu();
  for (const one of document.querySelectorAll(".side a[data-area]")) {
    if (one.dataset.area === found?.area) one.setAttribute("aria-current", "page");
    else one.removeAttribute("aria-current");
  }
  const box = h("div", { class: "page" });
  if (!found) {
    fill(main, append(box, [h("h1", { tabindex: "-1" }, "There is no such page"), h("p", {}, h("a", { href: "#/alerts" }, "To the alerts"))]));
    return;
  }
  titled(found.title);
  try {
    const module = await found.load();
    if (turn !== shown) return;
    fill(main, box);
    scrollTo(0, 0);
    const made = await module.show({ box, id: found.match[1] ? decodeURIComponent(found.match[1]) : null, query, go, reopen: open, titled });
    if (turn !== shown) {
      made?.close?.();
      return;
    }
    page = made || {};
    if (opened) (box.querySelector("h1") || main).focus({ preventScroll: true });
    opened = true;
  } catch (problem) {
    if (!(problem instanceof Problem)) console.error(problem);
    if (turn === shown) fill(main, append(box, [problem instanceof Problem ? failure(problem) : failure({ message: `The page failed: ${problem.message}`, errors: [] })]));
  }
}

let opened = false;

export function titled(text) {
  document.title = `${text} · streamproc`;
}

function shell() {
  const who = session.who;
  const side = h(
    "nav",
    { class: "side", id: "side", "aria-label": "Pages" },
    h("a", { class: "brand", href: "#/alerts" }, h("img", { src: "/static/icon.svg", alt: "" }), "streamproc"),
    NAVIGATION.map(([title, entries]) => {
      const own = entries.filter(([, , , scope]) => may(scope));
      return own.length ? [h("h2", {}, title), h("ul", {}, own.map(([to, area, text]) => h("li", {}, h("a", { href: `#${to}`, data: { area } }, icon(area), text, area === "alerts" && h("span", { class: "count", id: "open-count", hidden: true })))))] : null;
    }),
    h("p", { class: "side-foot" }, h("a", { href: "/docs", target: "_blank", rel: "noopener" }, "The HTTP API")),
  );
  const status = h("span", { class: "live", id: "live", role: "status" });
  const top = h(
    "header",
    { class: "top" },
    h("button", { type: "button", class: "quiet icon-button menu-button", id: "menu", "aria-label": "Pages", "aria-expanded": "false", "aria-controls": "side", onclick: toggleMenu }, icon("menu")),
    status,
    h("span", { class: "grow" }),
    who.operator && tenants(),
    h("span", { class: "who", title: `Key ${who.key_id}` }, who.operator ? who.name : `${who.name} · ${who.tenant_id}`),
    h("button", { type: "button", class: "quiet icon-button", "aria-label": "Light or dark", onclick: () => window.toggleTheme() }, icon("theme")),
    h("button", { type: "button", class: "quiet icon-button", "aria-label": "Keyboard shortcuts", onclick: help }, icon("help")),
    h("button", { type: "button", class: "quiet icon-button", "aria-label": "Sign out", onclick: signOut }, icon("out")),
  );
  const skip = h("a", { class: "skip", href: "#main", onclick: (event) => { event.preventDefault(); document.getElementById("main").focus(); } }, "To the content");
  fill(app, h("div", { class: "shell" }, skip, side, top, h("main", { id: "main", tabindex: "-1" })));
  showState(live.state);
}

function tenants() {
  const box = select("tenant", [["", "All tenants"], ...(session.tenant ? [[session.tenant, session.tenant]] : [])], session.tenant, { "aria-label": "Tenant" });
  box.addEventListener("change", () => {
    session.tenant = box.value;
    remember("tenant", box.value);
    live.start();
    count();
    open();
  });
  if (may("config:read")) {
    list("/v1/plans", { limit: 500, tenant_id: undefined }).then(
      (found) => {
        const names = [...new Set([...found.items.map((one) => one.tenant_id), session.tenant])].filter((one) => one && one !== "*").sort();
        fill(box, h("option", { value: "" }, "All tenants"), names.map((name) => h("option", { value: name }, name)));
        box.value = session.tenant;
      },
      () => {},
    );
  }
  return box;
}

function remember(name, value) {
  try {
    sessionStorage.setItem(name, value);
  } catch {
    // then it holds until the page is left
  }
}

function remembered(name) {
  try {
    return sessionStorage.getItem(name) || "";
  } catch {
    return "";
  }
}

const STATES = {
  opening: ["is-polling", "Connecting", "The stream of alerts is being opened."],
  live: ["is-live", "Live", "Alerts are shown as they come."],
  polling: ["is-polling", "Every 10 s", "The stream is not open; the list is refreshed every ten seconds."],
  off: ["is-off", "Not connected", "The server cannot be reached."],
};

function showState(word) {
  const status = document.getElementById("live");
  if (!status) return;
  const [kind, text, title] = STATES[word];
  status.className = `live ${kind}`;
  fill(status, text);
  status.title = title;
}

async function count() {
  if (!may("alerts:read")) return;
  try {
    const stats = await list("/v1/stats", { hours: 1 });
    const place = document.getElementById("open-count");
    if (!place) return;
    const open = stats.by_status.open || 0;
    place.hidden = !open;
    fill(place, open > 9999 ? "9999+" : String(open), h("span", { class: "visually-hidden" }, " open"));
  } catch {
    // the number is only a help
  }
}

live.listen({ state: showState, alert: live.gathered(count, 1500), reload: count });

function toggleMenu() {
  const side = document.getElementById("side");
  if (side.classList.contains("is-open")) return closeMenu();
  side.classList.add("is-open");
  document.getElementById("menu").setAttribute("aria-expanded", "true");
  document.querySelector(".shell").append(h("div", { class: "scrim", onclick: closeMenu }));
  side.querySelector("a").focus();
  return undefined;
}

function closeMenu() {
  const side = document.getElementById("side");
  if (!side?.classList.contains("is-open")) return;
  side.classList.remove("is-open");
  document.getElementById("menu").setAttribute("aria-expanded", "false");
  document.querySelector(".scrim")?.remove();
}

function help() {
  if (document.querySelector("dialog[open]")) return;
  dialog(
    "Keyboard shortcuts",
    h("dl", { class: "shortcuts" }, SHORTCUTS.map(([keys, text]) => [h("dt", {}, keys.split(" then ").map((one, n) => [n ? " then " : "", h("kbd", {}, one)])), h("dd", {}, text)])),
  );
}

const GOES = { a: "/alerts", r: "/rules", i: "/incidents", s: "/statistics" };

addEventListener("keydown", (event) => {
  if (event.key === "Escape") closeMenu();
  if (!session.who || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (document.querySelector("dialog[open]")) return;
  const at = event.target;
  if (at.matches?.("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]")) {
    if (event.key === "Escape") at.blur();
    return;
  }
  if (Date.now() - leader < 1500 && GOES[event.key]) {
    leader = 0;
    event.preventDefault();
    go(GOES[event.key]);
    return;
  }
  leader = event.key === "g" ? Date.now() : 0;
  const search = event.key === "/" && document.querySelector("input[type=search]");
  const todo = event.key === "?" ? help : event.key === "t" ? window.toggleTheme : search ? () => (search.focus(), search.select()) : page?.keys?.[event.key];
  if (!todo) return;
  event.preventDefault();
  todo();
});

async function signOut() {
  live.stop();
  await doing(null, () => ask("DELETE", "/v1/session"));
  session.who = null;
  signIn();
}

function signIn(said) {
  live.stop();
  page?.close?.();
  page = null;
  session.who = null;
  titled("Sign in");
  const key = h("input", { name: "key", type: "password", autocomplete: "current-password", required: true, placeholder: "sp_…", spellcheck: "false", id: "key", "aria-describedby": "key-hint key-error" });
  const error = h("p", { class: "field-error", id: "key-error", role: "alert", hidden: true });
  const submit = h("button", { type: "submit", class: "primary" }, "Sign in");
  const ways = h("div", { class: "ways", hidden: true });
  providerLink().then(
    (link) => {
      if (!link) return;
      append(ways, [link, h("p", { class: "or" }, "or with a key")]);
      ways.hidden = false;
      submit.classList.remove("primary");
    },
    () => {}, // a key opens all the same
  );
  const form = h(
    "form",
    { class: "form" },
    h("div", { class: "field" }, h("label", { for: "key" }, "API key"), key, h("p", { class: "hint", id: "key-hint" }, "The key is sent once. A cookie that scripts cannot read stands for it after that."), error),
    submit,
    h("p", { class: "sub" }, "The first start wrote an administrator's key to the file admin.key in the data directory."),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    submit.disabled = true;
    error.hidden = true;
    try {
      session.who = await ask("POST", "/v1/session", { body: { key: key.value.trim() } });
      key.value = "";
      begin();
    } catch (problem) {
      error.textContent = problem.status === 401 || problem.status === 422 ? "This key does not open anything. It may have been revoked, or have expired." : problem.message;
      error.hidden = false;
      key.setAttribute("aria-invalid", "true");
      key.focus();
    }
    submit.disabled = false;
  });
  fill(
    app,
    h(
      "main",
      { class: "sign-in", id: "main", tabindex: "-1" },
      h("div", { class: "card" }, h("h1", { class: "brand" }, h("img", { src: "/static/icon.svg", alt: "" }), "streamproc"), said && h("p", { class: "sub", role: "status" }, said), ways, form),
    ),
  );
  key.focus();
}

function begin() {
  session.tenant = session.who.operator ? remembered("tenant") : "";
  opened = false;
  shell();
  live.start();
  count();
  open();
  announce("Signed in.");
}

session.onExpired = () => signIn("Your session is over. Sign in again.");
addEventListener("hashchange", () => session.who && open());
setInterval(refreshTimes, 5000);

const refused = whyNot();
whoIsThere().then(
  (who) => {
    if (!who.csrf_token) return signIn(refused);
    session.who = who;
    begin();
    if (refused) toast(refused, true);
    return undefined;
  },
  (problem) => (problem.status === 401 ? signIn(refused) : fill(app, h("main", { class: "sign-in" }, h("div", { class: "card" }, failure(problem), h("p", { class: "spaced" }, button("Try again", () => location.reload())))))),
);
