// One rule: written with checks as one types, tried on recent events, backtested, its versions compared.

import { ask, get, may, one, ofTenant, post, put, remove, session } from "./api.js";
import { beginnings } from "./charts.js";
import { asText, bare, documentEditor, overtaken, tenantInput } from "./documents.js";
import { tryOut } from "./trial.js";
import { append, badge, button, card, confirm, doing, empty, failure, field, fill, h, head, link, loading, notice, pager, plural, select, severityBadge, table, tabs, toast } from "./ui.js";
import { clock, duration, groupText, number, when } from "./words.js";

const STARTER = `name: Excessive failed logins
description: Five failed logins from one address within five minutes
type: threshold
condition:
  action: user.login
  outcome: failure
  count: 5
  window_seconds: 300
  group_by: actor.ip
severity: high
category: identity
channels: []
cooldown_min: 30
`;
const SPANS = [["15", "15 minutes"], ["60", "hour"], ["360", "6 hours"], ["1440", "day"], ["10080", "week"]];

export async function show({ box, id, query, go, reopen, titled }) {
  const isNew = id === "new";
  const owner = query.get("owner") || session.tenant;
  const rule = isNew ? null : await get(`/v1/rules/${one(id)}`, ofTenant(owner));
  const whose = ofTenant(rule ? rule.tenant_id : owner);
  const own = may("rules:write") && !rule?.managed;
  const tenant = isNew ? tenantInput(true, "Tenant", () => edit.read()) : null;
  const text = rule ? await asText(bare(rule)) : STARTER;
  const said = h("div", { "aria-live": "polite" });
  titled(rule ? rule.name || rule.id : "New rule");

  const edit = documentEditor({
    text,
    label: "The rule, as YAML or JSON",
    readonly: !own,
    check: async (document) => {
      const owned = tenant ? ofTenant(tenant.value) : whose;
      if (session.who.operator && !owned.tenant_id) return [{ path: "", line: 1, message: "choose the tenant first", level: "error" }];
      const answer = await post("/v1/rules/validate", document, owned);
      return [...answer.errors.map((one) => ({ ...one, level: "error" })), ...answer.findings.map((one) => ({ ...one, finding: true }))];
    },
  });

  async function save(control) {
    await edit.read();
    if (!edit.state.document) return edit.box.goTo(1);
    if (!edit.state.valid) {
      toast("The rule has errors; they stand at their lines.", true);
      return undefined;
    }
    fill(said);
    control.disabled = true;
    try {
      if (isNew) {
        const made = await post("/v1/rules", edit.state.document, tenant ? ofTenant(tenant.value) : {});
        toast(`${made.name} is in force.`);
        go(`/rules/${one(made.id)}${session.who.operator ? `?owner=${one(made.tenant_id)}` : ""}`);
      } else {
        const after = await put(`/v1/rules/${one(id)}`, { ...edit.state.document, revision: rule.revision }, whose);
        toast(after.revision === rule.revision ? "Nothing was changed." : `Saved as revision ${after.revision}.`);
        reopen();
      }
    } catch (problem) {
      if (problem.status === 409 && problem.document?.revision) fill(said, overtaken(problem, reopen));
      else if (problem.document?.quota) fill(said, notice("warn", h("p", { class: "strong" }, "The plan's quota is used up."), h("p", {}, problem.message)));
      else if (problem.errors?.length) edit.refused(problem);
      else fill(said, failure(problem));
    }
    control.disabled = false;
    return undefined;
  }

  const saveButton = own && button(isNew ? "Create rule" : "Save", (event) => save(event.currentTarget), { kind: "primary" });
  const actions = [
    rule && may("rules:write") && button("Send a test", () => doing(null, () => tryOut(`/v1/rules/${one(id)}/test`, session.who.operator ? ofTenant(rule.tenant_id === "*" ? session.tenant : rule.tenant_id) : {}, rule.name))),
    rule && own && button(rule.enabled === false ? "Enable" : "Disable", (event) => doing(event.currentTarget, async () => {
      await ask("PATCH", `/v1/rules/${one(id)}`, { body: { enabled: rule.enabled === false }, query: whose });
      reopen();
    }, rule.enabled === false ? "Enabled." : "Disabled.")),
    rule && own && button("Delete", () => confirm(`Delete ${rule.name || rule.id}?`, "Its open alerts are resolved and what it has counted is forgotten. Disabling keeps both.", "Delete", async () => {
      await remove(`/v1/rules/${one(id)}`, whose);
      toast("Deleted.");
      go("/rules");
    }), { kind: "danger" }),
    saveButton,
  ];
  append(box, [
    head(rule ? rule.name || rule.id : "New rule", {
      crumb: link("/rules", "Rules"),
      after: rule && h("div", { class: "chips spaced" }, badge(rule.status, { active: "good", inactive: "bad" }[rule.status]), !Array.isArray(rule.severity) && rule.severity && severityBadge(rule.severity), rule.type && badge(rule.type.replaceAll("_", " ")), rule.open_alerts > 0 && link(`/alerts?rule=${one(rule.id)}`, plural(rule.open_alerts, "open alert")), h("span", { class: "sub" }, `revision ${rule.revision ?? "–"}, ${rule.updated_by || ""} `, rule.updated_at && when(rule.updated_at))),
      lead: isNew ? "Every field is checked as you write." : null,
      actions,
    }),
    rule?.problem && notice("bad", h("p", { class: "strong" }, "This rule is not in force."), h("p", {}, rule.problem)),
    rule?.managed && notice("info", h("p", {}, "Operators keep this rule for every tenant; it can be looked at and tried, not changed.")),
    said,
    tabs(
      "Rule",
      [
        ["edit", own ? "Edit and try" : "Look and try", () => h("div", { class: "split" }, card(null, tenant?.element, h("div", { class: tenant ? "spaced" : "" }, edit.element)), h("div", { class: "stack" }, tryCard(edit, rule, tenant), help()))],
        ["backtest", "Backtest", () => backtests(edit, rule, tenant)],
        ...(rule ? [["versions", "Versions", () => versions(id, whose, own, reopen, rule)]] : []),
      ],
      query.get("tab"),
    ),
  ]);
  edit.read();
  const leave = (event) => edit.state.dirty && event.preventDefault();
  addEventListener("beforeunload", leave);
  return { keys: { u: () => go("/rules") }, close: () => removeEventListener("beforeunload", leave) };
}

function help() {
  return card(
    "While you write",
    h("ul", { class: "plain-list sub" }, h("li", {}, "YAML and JSON are both read; a ", h("code", {}, "#"), " begins a comment."), h("li", {}, "Errors stand at the end of their line, and in the list below the text."), h("li", {}, "Tab leaves the text; Enter keeps the indentation.")),
  );
}

// The tenant whose events are played: an operator's rule for every tenant has none of its own.
function playedTenant(rule, tenant) {
  const named = tenant ? tenant.value : rule?.tenant_id;
  if (!session.who.operator) return { given: () => ({}), element: null };
  if (named && named !== "*") return { given: () => ({ tenant_id: tenant ? tenant.value : named }), element: null };
  const input = tenantInput(false, "Whose events");
  const own = tenant?.element.querySelector("input");
  const needed = () => {
    input.element.hidden = Boolean(own) && own.value.trim() !== "*";
  };
  own?.addEventListener("change", needed);
  needed();
  return { given: () => ({ tenant_id: tenant && tenant.value && tenant.value !== "*" ? tenant.value : input.value || session.tenant }), element: input.element };
}

function tryCard(edit, rule, tenant) {
  const span = select("minutes", SPANS, "60", { "aria-label": "How far back" });
  const place = h("div", { "aria-live": "polite" });
  const whose = playedTenant(rule, tenant);
  const events = h("textarea", { rows: 6, spellcheck: "false", class: "mono", placeholder: '[{"action": "user.login", "outcome": "failure", "actor": {"ip": "203.0.113.7"}}]', "aria-label": "Events, a JSON list" });
  const kept = (document) => ({ ...document, ...(rule?.tenant_id === "*" ? { tenant_id: "*" } : {}) });
  async function play(more, control) {
    await edit.read();
    if (!edit.state.valid) {
      fill(place, notice("bad", "The rule has errors. What is wrong stands at its lines."));
      return;
    }
    fill(place, loading(3));
    control.disabled = true;
    try {
      const answer = await post("/v1/simulate", { rule: kept(edit.state.document), ...more, ...whose.given() });
      fill(place, simulated(answer));
    } catch (problem) {
      fill(place, failure(problem));
    }
    control.disabled = false;
  }
  return card(
    "Try it",
    h("p", { class: "sub" }, "Plays the rule as it stands in the editor. Nothing is stored, nobody is told."),
    whose.element && h("div", { class: "spaced" }, whose.element),
    h("div", { class: "field spaced" }, h("span", { class: "label" }, "On events of the last"), h("div", { class: "secret" }, span, button("Simulate", (event) => play({ recent: { minutes: Number(span.value) } }, event.currentTarget), { kind: "primary" }))),
    h(
      "details",
      { class: "spaced" },
      h("summary", {}, "On events of your own"),
      h("div", { class: "form" }, events, h("div", {}, button("Simulate these", (event) => {
        let list_;
        try {
          list_ = JSON.parse(events.value);
        } catch (error) {
          fill(place, notice("bad", `The events are not JSON: ${error.message}`));
          return;
        }
        play({ events: Array.isArray(list_) ? list_ : [list_] }, event.currentTarget);
      }))),
    ),
    h("div", { class: "spaced" }, place),
  );
}

export function simulated(answer) {
  const fired = answer.alert_count;
  return h(
    "div",
    { class: "stack" },
    notice(fired ? "warn" : "good", h("p", { class: "strong" }, fired ? `Would have fired ${plural(fired, "time")}` : "Would not have fired"), h("p", {}, `${plural(answer.events, "event")}, ${number(answer.matches)} matched the filter, ${plural(answer.triggers, "trigger")}${answer.late ? `, ${number(answer.late)} late` : ""}${answer.truncated ? "; there were more events than are played" : ""}`)),
    answer.events === 0 && h("p", { class: "sub" }, "There were no events in this span: try a longer one, or events of your own."),
    answer.rejected.count > 0 && notice("bad", h("p", {}, `${plural(answer.rejected.count, "event")} could not be read:`), answer.rejected.first.map((one) => h("p", {}, one))),
    fired > 0 && answer.timeline.buckets.length > 1 && beginnings(answer.timeline),
    fired > 0 &&
      h(
        "ul",
        { class: "told" },
        answer.alerts.slice(0, 8).map((alert) => h("li", {}, severityBadge(alert.severity), h("span", { class: "grow" }, alert.title, h("span", { class: "sub" }, ` ${groupText(alert.group) || alert.reason}`)), alert.trigger_count > 1 && h("span", { class: "times" }, `×${number(alert.trigger_count)}`), h("span", { class: "sub" }, clock(alert.triggered_at)))),
      ),
    fired > 8 && h("p", { class: "sub" }, `and ${number(fired - 8)} more`),
  );
}

function backtests(edit, rule, tenant) {
  const hours = select("hours", [["1", "hour"], ["6", "6 hours"], ["24", "day"], ["72", "3 days"], ["168", "week"]], "24", { "aria-label": "How far back" });
  const place = h("div", { "aria-live": "polite" });
  const whose = playedTenant(rule, tenant);
  let job = null;
  async function follow(id) {
    while (place.isConnected && job === id) {
      const found = await get(`/v1/backtests/${one(id)}`);
      draw(found);
      if (!["queued", "running"].includes(found.state)) {
        job = null;
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 600));
    }
  }
  function draw(found) {
    const { percent, read, events } = found.progress;
    if (found.state === "done") return fill(place, h("p", { class: "sub" }, `Over the last ${duration(found.hours * 3600)}, in ${Math.max(1, Math.round((Date.parse(found.ended_at) - Date.parse(found.started_at)) / 1000))} s`), simulated(found.result));
    if (found.state === "failed") return fill(place, notice("bad", h("p", { class: "strong" }, "The backtest failed."), h("p", {}, found.error)));
    if (found.state === "cancelled") return fill(place, notice("info", "Cancelled."));
    return fill(place, h("p", {}, found.state === "queued" ? "Waiting for its turn…" : `${number(read)} records read, ${number(events)} of them this tenant's events`), h("progress", { max: 100, value: percent ?? undefined, "aria-label": "Progress" }), h("p", { class: "spaced" }, button("Cancel", (event) => doing(event.currentTarget, () => remove(`/v1/backtests/${one(found.id)}`)), { small: true })));
  }
  return card(
    "Backtest",
    h("p", { class: "sub" }, "The same rule engine over every event the topic still has of a span, as a job that you may leave."),
    whose.element && h("div", { class: "spaced" }, whose.element),
    h("div", { class: "filters spaced" }, h("span", {}, "Over the last"), hours, button("Start", (event) => doing(event.currentTarget, async () => {
      await edit.read();
      if (!edit.state.valid) throw new Error("The rule has errors; they stand at their lines.");
      const document = rule?.tenant_id === "*" ? { ...edit.state.document, tenant_id: "*" } : edit.state.document;
      const made = await post("/v1/backtests", { rule: document, hours: Number(hours.value), ...whose.given() });
      job = made.id;
      draw(made);
      follow(made.id).catch((problem) => fill(place, failure(problem)));
    }), { kind: "primary" })),
    place,
  );
}

function versions(id, whose, own, reopen, rule) {
  const place = h("div", {});
  const compare = async (from, to) => {
    fill(place, loading(3));
    try {
      const diff = await get(`/v1/rules/${one(id)}/diff`, { ...whose, from, to });
      fill(place, card(`Revision ${diff.from} against ${diff.to}`, changesTable(diff.changes)));
      place.scrollIntoView({ block: "nearest" });
    } catch (problem) {
      fill(place, failure(problem));
    }
  };
  return h(
    "div",
    { class: "stack" },
    card(null, { flush: true }, pager(
      (cursor) => get(`/v1/rules/${one(id)}/versions`, { ...whose, cursor }),
      (items) =>
        table(
          items,
          [
            { title: "Revision", lead: true, cell: (version) => [h("span", { class: "strong" }, `Revision ${version.revision} `), version.current && badge("in force", "good")] },
            { title: "When", cell: (version) => when(version.updated_at) },
            { title: "By", cell: (version) => version.updated_by },
            { title: "Changed", cell: (version) => (version.changes === null ? h("span", { class: "muted" }, version.revision === 1 ? "created" : "not kept") : version.changes.map((one) => one.path).join(", ") || "nothing") },
            {
              title: "",
              cell: (version) =>
                h(
                  "div",
                  { class: "actions" },
                  version.revision > 1 && button("What it changed", () => compare(version.revision - 1, version.revision), { small: true }),
                  !version.current && button("Against now", () => compare(version.revision, rule.revision), { small: true }),
                  !version.current && own && button("Restore", () => confirm(`Restore revision ${version.revision}?`, "The rule becomes what it was then, as a new revision.", "Restore", async () => {
                    await put(`/v1/rules/${one(id)}`, { ...bare(version.rule), revision: rule.revision }, whose);
                    toast(`Restored revision ${version.revision}.`);
                    reopen();
                  }), { small: true }),
                ),
            },
          ],
          "Versions",
        ),
      empty("No versions are kept", "", { icon: "audit" }),
    )),
    place,
  );
}

export function changesTable(changes) {
  if (!changes.length) return h("p", { class: "muted" }, "They say the same.");
  const shown = (value) => (value === null || value === undefined ? h("span", { class: "muted" }, "–") : typeof value === "string" ? value : JSON.stringify(value, null, 1));
  return h(
    "div",
    { class: "table-wrap", tabindex: "0", role: "region", "aria-label": "Changes" },
    h("table", { class: "diff" }, h("thead", {}, h("tr", {}, ["Field", "Before", "After"].map((one) => h("th", { scope: "col" }, one)))), h("tbody", {}, changes.map((one) => h("tr", {}, h("td", {}, one.path), h("td", { class: "was" }, shown(one.before)), h("td", { class: "is" }, shown(one.after)))))),
  );
}

