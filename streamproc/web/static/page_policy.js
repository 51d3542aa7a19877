// One action policy, drawn as the tree it is, with a dry run that shows the way of an alert through it.

import { list, one, post } from "./api.js";
import { editPage } from "./collection.js";
import { POLICIES, POLICY_STARTERS } from "./kinds.js";
import { badge, button, card, failure, field, fill, h, link, loading, plural, select } from "./ui.js";
import { clock, reasonText, SEVERITIES, STATUSES } from "./words.js";

const SIGNS = { not: "is not", gt: ">", gte: "≥", lt: "<", lte: "≤", in: "is one of", not_in: "is none of", contains: "contains", starts_with: "begins with", regex: "matches", not_regex: "does not match", exists: "exists", eq: "is", "=~": "matches", "!=": "is not", "==": "is" };
const JOINED = { all: " and ", and: " and ", any: " or ", or: " or ", none: " nor " };

// A filter in words.
export function inWords(filter) {
  if (Array.isArray(filter)) return filter.map(inWords).join(" and ");
  if (!filter || typeof filter !== "object") return String(filter);
  if ("operator" in filter) return `${filter.object} ${SIGNS[filter.operator] || filter.operator} ${valueOf(filter.value)}`;
  return Object.entries(filter)
    .map(([name, value]) => {
      if (JOINED[name] && Array.isArray(value)) return `${name === "none" ? "neither " : ""}${value.length > 1 ? "(" : ""}${value.map(inWords).join(JOINED[name])}${value.length > 1 ? ")" : ""}`;
      if (value && typeof value === "object" && !Array.isArray(value)) return Object.entries(value).map(([sign, inner]) => (sign === "exists" ? `${name} is ${inner ? "there" : "not there"}` : `${name} ${SIGNS[sign] || sign} ${valueOf(inner)}`)).join(" and ");
      return `${name} is ${valueOf(value)}`;
    })
    .join(" and ");
}

const valueOf = (value) => (Array.isArray(value) ? value.join(", ") : String(value));

export function show(place) {
  const tree = h("div", {});
  const ladder = h("div", {});
  let taken = [];
  let shown = null;
  const draw = (document) => {
    if (!document) return;
    shown = document;
    fill(tree, policyTree(document, taken));
    fill(ladder, escalations(document));
  };
  return editPage(place, POLICIES, {
    starters: POLICY_STARTERS,
    readDocument: draw,
    beside: (item, whose, edit) => dryRun(item, whose, edit, (path) => {
      taken = path;
      draw(shown);
    }),
    layout: (settings, side) => h("div", { class: "stack" }, h("div", { class: "split" }, h("div", { class: "stack" }, card("The tree", { sub: "as it stands in the text below" }, tree), card("If nobody answers", ladder)), side), settings),
  });
}

function policyTree(policy, taken) {
  const groups = new Map((policy.groups || []).map((group) => [group.id, group]));
  const how = new Map(taken.map((one) => [one.path, one.taken]));
  const state = (path) => {
    if (!how.size) return "";
    return how.has(path) ? (["yes", "no", "told", "end"].includes(how.get(path)) ? "is-taken" : "is-taken is-passed") : "is-passed";
  };
  const note = (path) => (how.has(path) && !["yes", "no", "end", "told"].includes(how.get(path)) ? h("span", { class: "sub" }, how.get(path)) : null);

  function sequence(steps, path) {
    const parts = [];
    (steps || []).forEach((step, n) => {
      if (n) parts.push(h("span", { class: "link" }));
      parts.push(...node(step, `${path}[${n}]`));
    });
    return parts;
  }
  function node(step, path) {
    if (step?.condition) {
      const yes = sequence(step.then, `${path}.then`);
      const no = sequence(step.otherwise, `${path}.otherwise`);
      return [
        h("div", { class: ["node condition", state(path)] }, h("span", { class: "kind" }, step.condition.match === "any" ? "If any alert" : "If"), inWords(step.condition.when)),
        h("span", { class: "link" }),
        h("div", { class: "branches" }, branch(how.get(path) === "yes" ? "then ✓" : "then", yes, goesOn(step.then)), branch(how.get(path) === "no" ? "otherwise ✓" : "otherwise", no, goesOn(step.otherwise))),
      ];
    }
    if (step?.group) {
      const group = groups.get(step.group) || {};
      return [h("div", { class: ["node group", state(path)] }, h("span", { class: "kind" }, "Tell"), h("strong", {}, step.group), groupLines(group).map((line) => h("span", { class: "sub" }, h("br", {}), line)), note(path) && [h("br", {}), note(path)])];
    }
    if (step?.end) return [h("div", { class: ["node end", state(path)] }, "End")];
    return [h("div", { class: "node" }, "?")];
  }
  const branch = (word, parts, goesOn) => h("div", { class: ["branch", goesOn && "joins"] }, h("span", { class: "word" }, word), parts.length > 0 && [h("span", { class: "link" }), h("div", { class: "flow-seq" }, parts)], goesOn && h("span", { class: "tail" }));
  return h("div", { class: "flow", role: "group", "aria-label": `The tree of ${policy.name || policy.id || "the policy"}`, tabindex: "0" }, h("div", { class: "node start" }, "An alert"), h("span", { class: "link" }), sequence(policy.steps, "steps"), goesOn(policy.steps) && [h("span", { class: "link" }), h("div", { class: "node end" }, "End")]);
}

// Whether what follows is reached from the end of these steps.
function goesOn(steps) {
  return !(steps || []).some((step) => step?.end || (step?.condition && !goesOn(step.then) && !goesOn(step.otherwise)));
}

function groupLines(group) {
  const people = group.recipients || {};
  const listed = (value) => (Array.isArray(value) ? value : value ? [value] : []);
  return [
    listed(group.channels).length ? listed(group.channels).join(", ") : "the rule's own channels",
    [...listed(people.users), ...listed(people.user_groups).map((one) => `group ${one}`), ...listed(people.roles).map((one) => `role ${one}`)].join(", "),
    group.min_severity && `from ${group.min_severity}`,
    group.active_hours && `${group.active_hours.start}–${group.active_hours.end} ${group.active_hours.timezone || "UTC"}`,
  ].filter(Boolean);
}

function escalations(policy) {
  const steps = policy.escalation || [];
  if (!steps.length) return h("p", { class: "muted" }, "Nothing more happens: the policy has no escalation.");
  const entries = [{ at: 0, text: "Told", sub: "by the tree above" }];
  let at = 0;
  for (let round = 0; round <= (policy.repeat || 0) && entries.length < 24; round += 1) {
    for (const step of steps) {
      at += Number(step.after_minutes) || 0;
      entries.push({ at, text: step.group, sub: round ? `round ${round + 1}` : `${step.after_minutes} min later` });
    }
  }
  const minutes = (value) => (value >= 60 && value % 30 === 0 ? `${value / 60} h` : `${value} min`);
  return h("div", { tabindex: "0", role: "group", "aria-label": "Escalation", class: "table-wrap" }, h("ol", { class: "steps" }, entries.map((one) => h("li", {}, h("strong", {}, one.at ? `+${minutes(one.at)}` : "0"), h("div", {}, one.text), h("div", { class: "sub" }, one.sub)))), h("p", { class: "sub" }, "Acknowledging, resolving or silencing the alert ends it."));
}

function dryRun(item, whose, edit, tookPath) {
  const place = h("div", { "aria-live": "polite" });
  const alert = select("alert", [["", "Of my making"]], "");
  const severity = select("severity", SEVERITIES, "high");
  const status = select("status", STATUSES, "open");
  const category = select("category", [["", "None"], "identity", "endpoint", "network", "cloud", "compliance"], "");
  const rule = h("input", { placeholder: "any", spellcheck: "false" });
  const own = h("div", { class: "form" }, field("Severity", severity), field("Status", status), field("Category", category), field("Rule's id", rule));
  const known = new Map();
  list("/v1/alerts", { limit: 15, ...whose }).then(
    (found) => {
      for (const one of found.items) {
        known.set(one.id, one);
        alert.append(h("option", { value: one.id }, `${one.severity}: ${one.title}`));
      }
    },
    () => {},
  );
  alert.addEventListener("change", () => {
    own.hidden = Boolean(alert.value);
  });
  async function run(control) {
    await edit.read();
    if (!edit.state.document) return;
    const made = known.get(alert.value) || { severity: severity.value, status: status.value, category: category.value || null, rule: { id: rule.value || "any" } };
    fill(place, loading(2));
    control.disabled = true;
    try {
      const policy = { ...edit.state.document };
      const id = item?.id || policy.id || "new";
      const answer = await post(`/v1/policies/${one(id)}/dry-run`, { alert: made, policy }, whose);
      tookPath(answer.path);
      fill(place, happened(answer));
    } catch (problem) {
      fill(place, failure(problem));
    }
    control.disabled = false;
  }
  return card("Dry run", h("p", { class: "sub" }, "The way of an alert through the policy as it stands in the text. Nobody is told."), h("div", { class: "form spaced" }, field("Alert", alert), own, h("div", {}, button("Run", (event) => run(event.currentTarget), { kind: "primary" }))), h("div", { class: "spaced" }, place));
}

function happened(answer) {
  const audience = (one) => [one.channels.length ? one.channels.join(", ") : "the rule's channels", one.users.length > 0 && `: ${one.users.join(", ")}`, one.quiet.length > 0 && h("span", { class: "sub" }, ` in quiet hours: ${one.quiet.join(", ")}`), one.lacking.length > 0 && h("span", { class: "sub" }, ` not found: ${one.lacking.map((who) => who.name).join(", ")}`)];
  return h(
    "div",
    { class: "stack" },
    h("div", {}, h("h3", {}, answer.told.length ? `Told: ${plural(answer.told.length, "group")}` : "Nobody would be told"), h("ul", { class: "told" }, answer.told.map((one) => h("li", {}, badge(one.group, "good"), h("span", { class: "grow" }, audience(one)))))),
    answer.withheld.length > 0 && h("div", {}, h("h3", {}, "Not told, and why"), h("ul", { class: "told" }, answer.withheld.map((one) => h("li", {}, badge(one.group), h("span", { class: "grow" }, reasonText(one.reason), one.opens_at && ` until ${clock(one.opens_at)}`))))),
    answer.escalations.length > 0 && h("div", {}, h("h3", {}, "If nobody answers"), h("ul", { class: "told" }, answer.escalations.map((one) => h("li", {}, h("span", { class: "sub nowrap" }, clock(one.at)), badge(one.group, one.withheld ? "" : "info"), h("span", { class: "grow" }, one.withheld ? reasonText(one.withheld) : audience(one)))))),
  );
}

