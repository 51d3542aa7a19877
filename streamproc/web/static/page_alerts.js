// The live list. Rows are kept by id and changed in place, so that neither the scroll nor the focus is lost when alerts
// arrive.

import { list, session } from "./api.js";
import { act, actOnAll, allowed } from "./acting.js";
import { gathered, listen, recent } from "./live.js";
import { announce, button, empty, failure, fill, h, head, icon, loading, plural, select, sentence, severityBadge, statusBadge } from "./ui.js";
import { ACTIVE, groupText, number, SEVERITIES, STATUSES, when } from "./words.js";

const PAGE = 60;
const MOST = 600; // rows; older ones are behind "Show more"

export async function show({ box, query, go }) {
  const filters = {
    status: query.has("status") ? query.get("status").split(",").filter(Boolean) : [...ACTIVE],
    severity: (query.get("severity") || "").split(",").filter(Boolean),
    rule_id: query.get("rule") || "",
    category: query.get("category") || "",
    assignee: query.get("assignee") || "",
    q: query.get("q") || "",
  };
  const rows = new Map(); // id → {alert, element}
  const selected = new Set();
  let cursor = null;
  let view = 0; // changes with the filters
  let shown = null; // the view whose rows are there
  let asking = null; // the view whose newest page is on its way
  let again = false; // it is to be asked for once more after that

  const search = h("input", { type: "search", placeholder: "Search titles, reasons, groups", "aria-label": "Search alerts", value: filters.q, maxlength: 500 });
  const severities = h("div", { class: "chips", role: "group", "aria-label": "Severity" });
  const statuses = h("div", { class: "chips foldable", role: "group", "aria-label": "Status" });
  const category = select("category", [["", "Any category"], "identity", "endpoint", "network", "cloud", "compliance"], filters.category, { "aria-label": "Category", class: "foldable" });
  const body = h("ul", { "aria-label": "Alerts" });
  const said = h("span", { class: "grow" });
  const all = h("input", { type: "checkbox", "aria-label": "Select all that are shown", onchange: () => pickAll(all.checked) });
  const below = h("div", {});
  const bulk = h("div", { class: "bulk", role: "toolbar", "aria-label": "With the selected alerts", hidden: true });
  const about = h("div", {});
  const fold = h("button", { type: "button", class: "menu-button small", "aria-expanded": "false", onclick: () => {
    const folded = bar.classList.toggle("is-folded");
    fold.setAttribute("aria-expanded", String(!folded));
  } }, "Filters");
  const bar = h("div", { class: "filters is-folded", role: "search" }, h("div", { class: "search" }, icon("search"), search, h("kbd", { "aria-hidden": "true" }, "/")), severities, fold, statuses, category);

  box.append(head("Alerts"), about, bar, h("section", { class: "alert-list", "aria-label": "List" }, h("header", {}, h("label", { class: "pick" }, all), said), body, below), bulk);

  let counts = null;
  function chips() {
    fill(severities, SEVERITIES.map((one) => chip(one, filters.severity, [h("span", { class: `dot dot-${one}` }), sentence(one), counts && h("span", { class: "number" }, number(counts.open_by_severity[one] || 0))])));
    fill(statuses, STATUSES.map((one) => chip(one, filters.status, [sentence(one), counts && h("span", { class: "number" }, number(counts.by_status[one] || 0))])));
    fill(
      about,
      (filters.rule_id || filters.assignee) &&
        h("p", { class: "filters" }, filters.rule_id && button(`Rule ${filters.rule_id} ×`, () => ((filters.rule_id = ""), changed()), { kind: "chip", "aria-label": `Show alerts of all rules, not only ${filters.rule_id}` }), filters.assignee && button(`Assigned to ${filters.assignee} ×`, () => ((filters.assignee = ""), changed()), { kind: "chip" })),
    );
  }
  function chip(value, chosen, content) {
    const made = h("button", { type: "button", class: "chip", "aria-pressed": String(chosen.includes(value)), data: { value } }, content);
    made.addEventListener("click", () => {
      if (chosen.includes(value)) chosen.splice(chosen.indexOf(value), 1);
      else chosen.push(value);
      const group = made.parentElement;
      changed();
      group.querySelector(`[data-value="${value}"]`).focus();
    });
    return made;
  }
  async function count() {
    try {
      counts = await list("/v1/stats", { hours: 1 });
      const held = document.activeElement?.dataset?.value;
      const group = document.activeElement?.parentElement;
      chips();
      if (held && (group === severities || group === statuses)) group.querySelector(`[data-value="${held}"]`).focus();
    } catch {
      // chips without numbers do as well
    }
  }

  function wanted() {
    return { status: filters.status.join(","), severity: filters.severity.join(","), rule_id: filters.rule_id, category: filters.category, assignee: filters.assignee, q: filters.q };
  }
  function passes(alert) {
    return (
      (!filters.status.length || filters.status.includes(alert.status)) &&
      (!filters.severity.length || filters.severity.includes(alert.severity)) &&
      (!filters.rule_id || alert.rule.id === filters.rule_id) &&
      (!filters.category || alert.category === filters.category) &&
      (!filters.assignee || alert.assignee === filters.assignee)
    );
  }
  function changed() {
    const text = new URLSearchParams();
    const { status, severity, rule_id: rule, category: kind, assignee, q } = wanted();
    if (status !== ACTIVE.join(",")) text.set("status", status);
    for (const [name, value] of Object.entries({ severity, rule, category: kind, assignee, q })) if (value) text.set(name, value);
    go(`/alerts${text.size ? `?${text}` : ""}`, { replace: true });
    chips();
    selected.clear();
    view += 1;
    load();
  }

  // The newest page, for a view that is not shown yet or once more into what is shown: when the stream opens, or while
  // it does not, or when text is searched for. One at a time, so that slow answers are shown before the next is asked for.
  async function load() {
    if (asking === view) return void (again = true);
    const own = (asking = view);
    again = false;
    if (shown !== view && !rows.size) fill(below, loading(8));
    try {
      const page = await list("/v1/alerts", { ...wanted(), limit: PAGE });
      if (own !== view) return;
      newest(page);
    } catch (problem) {
      if (own === view && shown !== view) fill(below, failure(problem)); // else the next one may do better
    }
    if (own !== view) return;
    asking = null;
    if (again) load();
  }
  function newest(page) {
    const lately = recent();
    if (shown === view) {
      const there = new Set([...page.items, ...lately].map((alert) => alert.id));
      const oldest = page.next_cursor ? page.items.at(-1)?.created_at : "";
      for (const [id, row] of [...rows]) if (!there.has(id) && row.alert.created_at >= oldest) drop(id);
    } else {
      rows.clear();
      body.replaceChildren();
      cursor = page.next_cursor;
    }
    for (const alert of page.items) put(alert, shown === view);
    shown = view;
    for (const alert of lately) if (rows.has(alert.id) || !filters.q) settle(alert);
    after();
  }
  async function more(control) {
    control.disabled = true;
    const own = view;
    const page = await list("/v1/alerts", { ...wanted(), limit: PAGE, cursor }).catch((problem) => void fill(below, failure(problem)));
    if (!page || own !== view) return;
    cursor = page.next_cursor;
    const first = page.items[0]?.id;
    for (const alert of page.items) put(alert);
    after();
    rows.get(first)?.element.querySelector(".alert-title").focus();
  }

  function put(alert, isNew = false) {
    const known = rows.get(alert.id);
    if (known && known.alert.revision > alert.revision) return;
    const element = row(alert, isNew && !known);
    if (known) {
      const focused = known.element.contains(document.activeElement) && document.activeElement.className;
      known.element.replaceWith(element);
      known.element = element;
      known.alert = alert;
      if (focused) element.querySelector(`.${focused.split(" ")[0]}`)?.focus({ preventScroll: true });
      return;
    }
    rows.set(alert.id, { alert, element });
    const later = (one) => one.alert.created_at < alert.created_at || (one.alert.created_at === alert.created_at && one.alert.id < alert.id);
    let next = null;
    if (isNew) for (const sibling of body.children) {
      if (later(rows.get(sibling.dataset.id))) {
        next = sibling;
        break;
      }
    }
    body.insertBefore(element, next);
  }
  function drop(id) {
    const row = rows.get(id);
    if (!row) return;
    if (row.element.contains(document.activeElement)) {
      const next = row.element.nextElementSibling || row.element.previousElementSibling;
      next?.querySelector(".alert-title").focus({ preventScroll: true });
    }
    row.element.remove();
    rows.delete(id);
    selected.delete(id);
  }
  function row(alert, isNew) {
    const pick = h("input", { type: "checkbox", class: "picked", checked: selected.has(alert.id), "aria-label": `Select ${alert.title}`, onchange: () => choose(alert.id, pick.checked) });
    return h(
      "li",
      { class: ["alert-row", `is-${alert.severity}`, isNew && "is-new", selected.has(alert.id) && "is-selected", alert.status === "resolved" && "is-done"], data: { id: alert.id } },
      h("label", { class: "pick" }, pick),
      h("span", { class: "labels" }, severityBadge(alert.severity)),
      h(
        "div",
        { class: "alert-what" },
        h("a", { class: "alert-title", href: `#/alerts/${encodeURIComponent(alert.id)}` }, alert.title),
        alert.trigger_count > 1 && h("span", { class: "times", title: `Triggered ${alert.trigger_count} times` }, `×${number(alert.trigger_count)}`),
        h("p", { class: "alert-reason", title: alert.reason }, alert.reason),
      ),
      h("div", { class: "alert-group" }, h("span", { title: groupText(alert.group) }, groupText(alert.group) || alert.rule.name), h("span", { class: "sub" }, [session.who.operator && !session.tenant && alert.tenant_id, alert.assignee && `→ ${alert.assignee}`, alert.category].filter(Boolean).join(" · "))),
      h("span", { class: "state" }, statusBadge(alert.status)),
      h("span", { class: "alert-when" }, when(alert.created_at), h("span", { class: "visually-hidden" }, ` ${alert.status}`)),
    );
  }
  function after() {
    while (rows.size > MOST && body.lastElementChild) {
      rows.delete(body.lastElementChild.dataset.id);
      body.lastElementChild.remove();
      cursor = null;
    }
    fill(said, rows.size ? `${plural(rows.size, "alert")}${cursor ? " and more" : ""}, the newest first` : "");
    const none = filters.q || filters.severity.length || filters.rule_id || filters.category
      ? empty("Nothing matches", "No alert passes these filters. Fewer of them show more.", { icon: "search" }, button("Clear the filters", () => {
          Object.assign(filters, { q: "", rule_id: "", category: "", assignee: "" });
          filters.severity.length = 0;
          search.value = category.value = "";
          changed();
        }))
      : empty("All quiet", "Alerts appear here the moment a rule fires; there is no need to reload.", { icon: "check" });
    fill(below, !rows.size ? none : cursor && h("div", { class: "more" }, button("Show more", (event) => more(event.currentTarget))));
    showSelection();
  }

  function choose(id, on) {
    if (on) selected.add(id);
    else selected.delete(id);
    const row = rows.get(id);
    row?.element.classList.toggle("is-selected", on);
    const pick = row?.element.querySelector(".picked");
    if (pick) pick.checked = on;
    showSelection();
  }
  function pickAll(on) {
    for (const id of rows.keys()) choose(id, on);
  }
  function showSelection() {
    all.checked = rows.size > 0 && selected.size === rows.size;
    all.indeterminate = selected.size > 0 && !all.checked;
    const was = bulk.hidden;
    bulk.hidden = !selected.size;
    if (!selected.size) return;
    const actions = ["acknowledge", "resolve", "escalate", "assign", "snooze"].filter(allowed);
    fill(bulk, h("strong", {}, `${selected.size} selected`), actions.map((action) => button(sentence(action), () => onAll(action), { small: true, kind: action === "acknowledge" ? "primary" : "" })), button("Clear", () => pickAll(false), { small: true, kind: "quiet" }));
    if (was) announce(`${selected.size} selected. A toolbar with actions is below the list.`);
  }
  async function onAll(action) {
    const ids = [...selected].slice(0, 200);
    const done = await actOnAll(action, ids);
    if (!done) return;
    pickAll(false);
    load();
  }

  function current() {
    const element = document.activeElement?.closest?.(".alert-row");
    return element ? rows.get(element.dataset.id) : null;
  }
  function move(step) {
    const here = document.activeElement?.closest?.(".alert-row");
    const next = here ? (step > 0 ? here.nextElementSibling : here.previousElementSibling) : body.firstElementChild;
    const title = next?.querySelector(".alert-title");
    title?.focus({ preventScroll: true });
    title?.closest(".alert-row").scrollIntoView({ block: "nearest" });
  }
  async function on(action) {
    if (selected.size) return onAll(action);
    const here = current();
    if (!here) return announce("Choose an alert first, with j and k.");
    const after_ = await act(action, here.alert);
    if (!after_) return undefined;
    arrived(after_);
    return undefined;
  }

  // A change of an alert, from the stream or from ourselves.
  function arrived(alert) {
    const known = rows.has(alert.id);
    if (filters.q && !known && passes(alert)) return void soon(); // whether the text is in it, the server knows
    const there = settle(alert);
    if (there && !known) announce(`New ${alert.severity} alert: ${alert.title}`);
    if (there || known) after();
  }
  // Where it belongs now; answers whether that is in the list.
  function settle(alert) {
    const known = rows.get(alert.id);
    if (known && known.alert.revision >= alert.revision) return true; // it is drawn already
    if (!passes(alert)) {
      drop(alert.id);
      return false;
    }
    const oldest = body.lastElementChild && rows.get(body.lastElementChild.dataset.id);
    if (!known && cursor && oldest && alert.created_at < oldest.alert.created_at) return false; // it belongs to a later page
    put(alert, !known);
    return true;
  }
  const soon = gathered(load, 800);
  const recount = gathered(count, 1500);
  const ended = listen({
    alert(alert) {
      arrived(alert);
      recount();
    },
    reload() {
      load();
      count();
    },
  });

  let typing = null;
  search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      filters.q = search.value.trim();
      changed();
    }, 220);
  });
  category.addEventListener("change", () => {
    filters.category = category.value;
    changed();
  });

  chips();
  count();
  load();
  return {
    keys: {
      j: () => move(1),
      k: () => move(-1),
      x: () => {
        const here = current();
        if (here) choose(here.alert.id, !selected.has(here.alert.id));
      },
      a: () => on("acknowledge"),
      r: () => on("resolve"),
      e: () => on("escalate"),
      Escape: () => pickAll(false),
    },
    close() {
      ended();
      soon.cancel();
      recount.cancel();
    },
  };
}
