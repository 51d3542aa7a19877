// Rule templates: the packs, to be taken into use.

import { get, listAll, may, one, ofTenant, post, session } from "./api.js";
import { tenantInput } from "./documents.js";
import { badge, button, dialog, empty, failure, field, fill, h, head, icon, link, loading, safeLink, select, sentence, severityBadge, toast } from "./ui.js";
import { SEVERITIES } from "./words.js";

export async function show({ box, go }) {
  const place = h("div", {}, loading(8));
  const search = h("input", { type: "search", placeholder: "Search templates, such as root or T1110", "aria-label": "Search templates" });
  const packs = h("div", { class: "chips", role: "group", "aria-label": "Pack" });
  const severity = select("severity", [["", "Any severity"], ...SEVERITIES], "", { "aria-label": "Severity" });
  const filters = { pack: "", q: "", severity: "" };
  box.append(head("Rule templates", { lead: "Rules that come with the product, each with tests and a runbook. Enabling one makes it a rule of yours, to be changed as you like." }), h("div", { class: "filters" }, h("div", { class: "search" }, icon("search"), search, h("kbd", { "aria-hidden": "true" }, "/")), packs, severity), place);
  let all = [];
  try {
    all = await listAll("/v1/rule-templates");
  } catch (problem) {
    fill(place, failure(problem));
    return;
  }
  const names = [...new Set(all.map((one) => one.pack))];

  function draw() {
    fill(packs, [["", "All"], ...names.map((name) => [name, sentence(name)])].map(([value, text]) => h("button", { type: "button", class: "chip", "aria-pressed": String(filters.pack === value), data: { value }, onclick: () => { filters.pack = value; draw(); packs.querySelector(`[data-value="${value}"]`).focus(); } }, text, " ", h("span", { class: "number" }, String(value ? all.filter((one) => one.pack === value).length : all.length)))));
    const words = filters.q.toLowerCase();
    const found = all.filter((one) => (!filters.pack || one.pack === filters.pack) && (!filters.severity || one.severity === filters.severity) && (!words || [one.id, one.name, one.description, ...one.mitre_techniques, ...one.mitre_tactics].join(" ").toLowerCase().includes(words)));
    fill(place, found.length ? h("ul", { class: "grid-3" }, found.map(entry)) : empty("Nothing matches", "No template passes these filters.", { icon: "search" }));
  }
  function entry(template) {
    const there = template.enabled !== null;
    return h(
      "li",
      { class: "card" },
      h("div", { class: "chips" }, severityBadge(template.severity), badge(template.pack), there && badge(template.enabled ? "in use" : "disabled", template.enabled ? "good" : "")),
      h("h2", { class: "spaced" }, template.name),
      h("p", { class: "sub" }, template.description),
      h("p", { class: "sub spaced" }, [template.type.replaceAll("_", " "), ...template.mitre_techniques].join(" · ")),
      h("div", { class: "actions spaced" }, there ? link(`/rules/${one(template.id)}${session.who.operator ? `?owner=${one(session.tenant)}` : ""}`, "Open the rule", { class: "button small" }) : may("rules:write") && button("Enable", () => enable(template), { small: true, "aria-label": `Enable ${template.name}` }), button("Look", () => look(template), { small: true, "aria-label": `Look at ${template.name}` })),
    );
  }
  async function look(template) {
    const whole = await get(`/v1/rule-templates/${one(template.id)}`, ofTenant()).catch((problem) => void toast(problem.message, true));
    if (whole) dialog(template.name, [h("p", {}, template.description), template.runbook && h("p", {}, "Runbook: ", safeLink(template.runbook)), h("pre", { class: "code", tabindex: "0" }, whole.yaml)], { wide: true });
  }
  async function enable(template) {
    const tenant = tenantInput(true);
    const made = await dialog(
      `Enable ${template.name}`,
      h("div", { class: "form" }, tenant?.element, field("Severity", select("severity", SEVERITIES, template.severity)), field("Channels", h("input", { name: "channels", placeholder: "email, slack" }), "Ids or types of channels, with commas between them. Empty: alerts are recorded, and the policy decides who is told."), field("Id", h("input", { name: "id", placeholder: template.id, spellcheck: "false" }), "Empty: the template's.")),
      {
        action: "Enable",
        submit: async (values) => {
          const overrides = {};
          if (values.severity !== template.severity) overrides.severity = values.severity;
          const channels = values.channels.split(",").map((one) => one.trim()).filter(Boolean);
          if (channels.length) overrides.channels = channels;
          return post(`/v1/rule-templates/${one(template.id)}/enable`, { overrides, ...(values.id ? { id: values.id } : {}), ...(tenant ? { tenant_id: tenant.value || undefined } : {}) });
        },
      },
    );
    if (!made?.id) return;
    toast(`${made.name} is in force.`);
    go(`/rules/${one(made.id)}${session.who.operator ? `?owner=${one(made.tenant_id)}` : ""}`);
  }
  search.addEventListener("input", () => {
    filters.q = search.value.trim();
    draw();
  });
  severity.addEventListener("change", () => {
    filters.severity = severity.value;
    draw();
  });
  draw();
}

