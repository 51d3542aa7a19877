// Silences: which alerts are to be quiet, when, and why.

import { get, list, may, ofTenant, one, patch, post, put, remove, session } from "./api.js";
import { asText, fromText, tenantInput } from "./documents.js";
import { editor } from "./editor.js";
import { inWords } from "./page_policy.js";
import { badge, button, card, confirm, dialog, doing, empty, field, fill, h, head, pager, table, toast } from "./ui.js";
import { when } from "./words.js";

const ORDER = { active: 0, pending: 1, expired: 2, disabled: 3 };
const KINDS = { active: "good", pending: "info", expired: "", disabled: "warn" };
const HOURS = [1, 2, 4, 8, 24, 72, 168];

function at(value) {
  if (value === null || value === undefined || value === "") return null;
  return typeof value === "number" ? value : Date.parse(/(Z|[+-]\d\d:?\d\d)$/.test(value) ? value : `${value}Z`);
}

export function stateOf(silence) {
  const now = Date.now();
  if (silence.enabled === false) return "disabled";
  if (at(silence.ends_at) !== null && at(silence.ends_at) <= now) return "expired";
  if (at(silence.starts_at) !== null && at(silence.starts_at) > now) return "pending";
  return "active";
}

const iso = (value) => new Date(at(value)).toISOString();

export async function show({ box, query, go }) {
  const write = may("config:write");
  const place = h("div", {});
  function draw() {
    fill(place, card(null, { flush: true }, pager(
      (cursor) => list("/v1/silences", { limit: 200, cursor }),
      (items) =>
        table(
          [...items].sort((a, b) => ORDER[stateOf(a)] - ORDER[stateOf(b)] || (at(b.ends_at) || 0) - (at(a.ends_at) || 0)),
          [
            { title: "Silence", lead: true, cell: (silence) => [h("span", { class: "strong" }, silence.comment), h("span", { class: "sub" }, `${silence.id} by ${silence.author}`)] },
            ...(session.who.operator && !session.tenant ? [{ title: "Tenant", cell: (silence) => silence.tenant_id }] : []),
            { title: "State", cell: (silence) => badge(stateOf(silence), KINDS[stateOf(silence)]) },
            { title: "Quiet", cell: (silence) => inWords(silence.matchers) },
            { title: "When", cell: (silence) => [silence.recurring && h("span", {}, recurring(silence.recurring)), silence.starts_at && h("div", {}, "from ", when(iso(silence.starts_at), true)), silence.ends_at && h("div", {}, "until ", when(iso(silence.ends_at), true))] },
            {
              title: "",
              cell: (silence) =>
                write &&
                h(
                  "div",
                  { class: "actions" },
                  stateOf(silence) === "active" && button("Expire now", (event) => doing(event.currentTarget, async () => {
                    const now = new Date();
                    const starts = at(silence.starts_at);
                    await patch(`/v1/silences/${one(silence.id)}`, { ends_at: new Date(Math.max(now.getTime(), (starts || 0) + 1)).toISOString() }, ofTenant(silence.tenant_id));
                    draw();
                  }, "The silence is over."), { small: true, "aria-label": `Expire ${silence.id} now` }),
                  button("Edit", () => edit(silence), { small: true, "aria-label": `Edit ${silence.id}` }),
                  button("Delete", () => confirm(`Delete the silence ${silence.id}?`, silence.comment, "Delete", async () => {
                    await remove(`/v1/silences/${one(silence.id)}`, ofTenant(silence.tenant_id));
                    toast("Deleted.");
                    draw();
                  }), { small: true, kind: "danger", "aria-label": `Delete ${silence.id}` }),
                ),
            },
          ],
          "Silences",
        ),
      empty("No silences", "While a silence holds, the alerts it names are recorded and nobody is told. Make one for planned work, or from an alert's page.", { icon: "silences" }, write && button("New silence", () => edit(null), { kind: "primary" })),
    )));
  }

  async function edit(silence, from) {
    const tenant = silence ? null : tenantInput(false);
    if (tenant && from) tenant.element.querySelector("input").value = from.tenant_id;
    const matchers = silence?.matchers || from?.matchers || { severity: { in: ["low", "informational"] } };
    const area = editor({ text: await asText(matchers), label: "Matchers", rows: 6 });
    const local = (value) => {
      const date = new Date(value);
      return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
    };
    const starts = h("input", { name: "starts_at", type: "datetime-local", value: silence?.starts_at ? local(at(silence.starts_at)) : local(Date.now()) });
    const ends = h("input", { name: "ends_at", type: "datetime-local", value: silence?.ends_at ? local(at(silence.ends_at)) : silence ? "" : local(Date.now() + 2 * 3_600_000) });
    const done = await dialog(
      silence ? `Edit ${silence.id}` : "New silence",
      h(
        "div",
        { class: "form" },
        tenant?.element,
        h("div", { class: "field", data: { field: "matchers" } }, h("span", { class: "label" }, "Which alerts"), area.element, h("p", { class: "hint" }, "Fields of the alert: rule.id, severity, category, tenant_id, group… All must hold."), h("p", { class: "field-error", hidden: true })),
        h("div", { class: "form-row" }, field("From", starts), field("Until", ends, silence?.recurring ? "Empty: it goes on coming again." : null)),
        h("div", { class: "chips", role: "group", "aria-label": "For" }, HOURS.map((hours) => button(hours < 24 ? `${hours} h` : `${hours / 24} d`, () => {
          ends.value = local((Date.parse(starts.value) || Date.now()) + hours * 3_600_000);
        }, { kind: "chip" }))),
        silence?.recurring && h("p", { class: "sub" }, `Comes again: ${recurring(silence.recurring)}`),
        field("Why", h("input", { name: "comment", value: silence?.comment || from?.comment || "", maxlength: 1024 })),
      ),
      {
        wide: true,
        action: silence ? "Save" : "Silence",
        submit: async (values) => {
          const read = await fromText(area.text);
          if (read.error) {
            area.mark([{ ...read.error, level: "error" }]);
            throw Object.assign(new Error(`Line ${read.error.line}: ${read.error.message}`), { errors: [{ path: "matchers", message: `line ${read.error.line}: ${read.error.message}` }] });
          }
          const document = { matchers: read.document, comment: values.comment, author: silence?.author || session.who.name };
          for (const [name, value] of [["starts_at", values.starts_at], ["ends_at", values.ends_at]]) if (value) document[name] = new Date(value).toISOString();
          if (silence) return put(`/v1/silences/${one(silence.id)}`, { ...document, ...(silence.recurring ? { recurring: silence.recurring } : {}), enabled: silence.enabled !== false, revision: silence.revision }, ofTenant(silence.tenant_id));
          return post("/v1/silences", document, tenant ? ofTenant(tenant.value) : {});
        },
      },
    );
    if (done) {
      toast(silence ? "Saved." : "The silence holds.");
      draw();
    }
  }

  box.append(head("Silences", { lead: "While one holds, the alerts it names are recorded and nobody is told.", actions: write && [button("New silence", () => edit(null), { kind: "primary" })] }), place);
  draw();
  if (query.get("alert") && write) {
    const alert = await get(`/v1/alerts/${one(query.get("alert"))}`).catch(() => null);
    if (alert) {
      const group = Object.fromEntries(Object.entries(alert.group || {}).map(([name, value]) => [`group.${name}`, value]));
      go("/silences", { replace: true });
      edit(null, { tenant_id: alert.tenant_id, matchers: { "rule.id": alert.rule.id, ...group }, comment: alert.title });
    }
  }
}

function recurring(hours) {
  if (hours.schedule) return `${hours.schedule} for ${hours.duration}`;
  return `${(hours.days || ["daily"]).join(", ")} ${hours.start}–${hours.end} ${hours.timezone || "UTC"}`;
}
