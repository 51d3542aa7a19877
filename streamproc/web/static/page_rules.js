// Rules: what is watched for.

import { list, may, one, ofTenant, patch, session } from "./api.js";
import { badge, button, card, doing, empty, h, head, icon, link, pager, select, severityBadge, table, fill } from "./ui.js";
import { number, SEVERITIES, when } from "./words.js";

const KINDS = { active: "good", disabled: "", inactive: "bad" };
const TYPES = ["threshold", "pattern", "anomaly", "compliance", "new_country", "new_value", "high_volume_destructive", "ingestion_spike", "repeated_action", "off_hours", "sequence", "absence", "impossible_travel"];

export const ruleLink = (rule, text, more) => link(`/rules/${one(rule.id)}${session.who.operator ? `?owner=${one(rule.tenant_id)}` : ""}`, text ?? rule.name ?? rule.id, more);

export function severityOf(severity) {
  if (!Array.isArray(severity)) return severityBadge(severity);
  const words = severity.map((one) => one.severity).filter(Boolean);
  return h("span", { class: "chips" }, words.slice(0, 3).map(severityBadge));
}

export function show({ box }) {
  const filters = { q: "", severity: "", type: "", status: "" };
  const search = h("input", { type: "search", placeholder: "Search rules", "aria-label": "Search rules", maxlength: 200 });
  const place = h("div", {});
  const choose = (name, options) => {
    const made = select(name, options, "", { "aria-label": name });
    made.addEventListener("change", () => {
      filters[name] = made.value;
      draw();
    });
    return made;
  };
  const write = may("rules:write");

  function toggle(rule) {
    if (rule.managed || !write) return badge(rule.status, KINDS[rule.status]);
    const control = button(rule.enabled === false ? "Enable" : "Disable", () =>
      doing(
        control,
        async () => {
          await patch(`/v1/rules/${one(rule.id)}`, { enabled: rule.enabled === false }, ofTenant(rule.tenant_id));
          draw();
        },
        rule.enabled === false ? `${rule.name} is enabled.` : `${rule.name} is disabled.`,
      ), { small: true, "aria-label": `${rule.enabled === false ? "Enable" : "Disable"} ${rule.name}` });
    return control;
  }

  function draw() {
    fill(
      place,
      card(null, { flush: true }, pager(
        (cursor) => list("/v1/rules", { ...filters, limit: 100, cursor }),
        (items) =>
          table(
            items,
            [
              { title: "Rule", lead: true, cell: (rule) => [ruleLink(rule, rule.name || rule.id, { class: "strong" }), h("span", { class: "sub" }, rule.description || rule.id), rule.problem && h("span", { class: "sub" }, badge("Error", "bad"), " ", rule.problem)] },
              ...(session.who.operator && !session.tenant ? [{ title: "Tenant", cell: (rule) => (rule.tenant_id === "*" ? "every tenant" : rule.tenant_id) }] : []),
              { title: "Type", cell: (rule) => (rule.type || "").replaceAll("_", " ") },
              { title: "Severity", cell: (rule) => severityOf(rule.severity) },
              { title: "Status", cell: (rule) => [badge(rule.status, KINDS[rule.status]), rule.mode === "shadow" && [" ", badge("shadow", "info")], rule.managed && h("span", { class: "sub" }, "of every tenant")] },
              { title: "Open", kind: "number", cell: (rule) => (rule.open_alerts ? link(`/alerts?rule=${one(rule.id)}`, number(rule.open_alerts)) : h("span", { class: "muted" }, "0")) },
              { title: "Last fired", cell: (rule) => when(rule.last_triggered_at) },
              { title: "", cell: (rule) => h("div", { class: "actions" }, toggle(rule)) },
            ],
            "Rules",
          ),
        filters.q || filters.type || filters.severity || filters.status
          ? empty("Nothing matches", "No rule passes these filters.", { icon: "search" })
          : empty("No rules yet", "Templates are the quickest way to a first rule: there are more than a hundred, each with tests and a runbook.", { icon: "rules" }, link("/gallery", "See the templates", { class: "button primary" })),
      )),
    );
  }
  let typing = null;
  search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      filters.q = search.value.trim();
      draw();
    }, 220);
  });
  box.append(
    head("Rules", { lead: "What is watched for. A change is in force everywhere within seconds.", actions: [link("/gallery", "From a template", { class: "button" }), write && link("/rules/new", "New rule", { class: "button primary" })] }),
    h("div", { class: "filters" }, h("div", { class: "search" }, icon("search"), search, h("kbd", { "aria-hidden": "true" }, "/")), choose("severity", [["", "Any severity"], ...SEVERITIES]), choose("type", [["", "Any type"], ...TYPES]), choose("status", [["", "Any status"], "active", "disabled", "inactive"])),
    place,
  );
  draw();
}
