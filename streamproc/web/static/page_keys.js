// API keys: made, rotated, revoked. Their text is shown once.

import { list, ofTenant, one, post } from "./api.js";
import { tenantInput } from "./documents.js";
import { badge, button, card, checks, confirm, dialog, empty, field, fill, h, head, notice, pager, secretShown, select, table, toast } from "./ui.js";
import { when } from "./words.js";

const SCOPES = [
  ["events:write", "events:write: send events"],
  ["alerts:read", "alerts:read: see alerts"],
  ["alerts:write", "alerts:write: act on them"],
  ["sentinel:respond", "sentinel:respond: escalate"],
  ["rules:read", "rules:read: see rules"],
  ["rules:write", "rules:write: change them"],
  ["config:read", "config:read: see settings"],
  ["config:write", "config:write: change them"],
  ["admin", "admin: everything, and keys"],
];
const SESSION = "oidc-"; // of somebody who signed in with an identity provider: it has no text
const ENDS = [["", "Never"], ["30", "In 30 days"], ["90", "In 90 days"], ["365", "In a year"]];

function stateOf(key) {
  if (key.revoked_at) return ["revoked", "bad"];
  if (key.expires_at && Date.parse(key.expires_at) <= Date.now()) return ["expired", "warn"];
  return ["holds", "good"];
}

function once(made) {
  return dialog("The key", [notice("warn", h("p", { class: "strong" }, "Copy it now. It is not shown again.")), secretShown(made.token), made.old_until && h("p", { class: "sub" }, "The text before opens too, until ", when(made.old_until, true), ".")]);
}

export function show({ box }) {
  const place = h("div", {});
  const draw = () =>
    fill(
      place,
      card(null, { flush: true }, pager(
        (cursor) => list("/v1/keys", { cursor }),
        (items) =>
          table(
            items,
            [
              { title: "Key", lead: true, cell: (key) => [h("span", { class: "strong" }, key.name), h("span", { class: "sub" }, `${key.id}${key.last4.length ? ` ends in ${key.last4.join(", ")}` : ""}`)] },
              { title: "Tenant", cell: (key) => (key.tenant_id === "*" ? "every tenant" : key.tenant_id) },
              { title: "Scopes", cell: (key) => h("span", { class: "chips" }, key.scopes.map((one_) => badge(one_))) },
              { title: "State", cell: (key) => [badge(...stateOf(key)), key.expires_at && !key.revoked_at && h("span", { class: "sub" }, "ends ", when(key.expires_at))] },
              { title: "Made", cell: (key) => when(key.created_at) },
              {
                title: "",
                cell: (key) =>
                  stateOf(key)[0] === "holds" &&
                  h("div", { class: "actions" }, !key.id.startsWith(SESSION) && button("Rotate", () => rotate(key), { small: true, "aria-label": `Rotate ${key.name}` }), button("Revoke", () => confirm(`Revoke ${key.name}?`, "From now on it opens nothing, nor do sessions that were opened with it.", "Revoke", async () => {
                    await post(`/v1/keys/${one(key.id)}/revoke`, {}, ofTenant(key.tenant_id));
                    toast("Revoked.");
                    draw();
                  }), { small: true, kind: "danger", "aria-label": `Revoke ${key.name}` })),
              },
            ],
            "API keys",
          ),
        empty("No keys", "", { icon: "keys" }),
      )),
    );
  async function create() {
    const tenant = tenantInput(true);
    const made = await dialog(
      "New key",
      h("div", { class: "form" }, tenant?.element, field("Name", h("input", { name: "name", maxlength: 64 }), "What or who uses it."), h("fieldset", { class: "field", data: { field: "scopes" } }, h("legend", { class: "label" }, "Scopes"), checks("scopes", SCOPES, ["alerts:read"]), h("p", { class: "field-error", hidden: true })), field("Expires", select("expires", ENDS, "90"))),
      {
        action: "Create",
        submit: ({ name, scopes, expires }) => post("/v1/keys", { name, scopes, ...(expires ? { expires_at: new Date(Date.now() + Number(expires) * 86_400_000).toISOString() } : {}), ...(tenant ? { tenant_id: tenant.value || undefined } : {}) }),
      },
    );
    if (!made?.token) return;
    draw();
    await once(made);
  }
  async function rotate(key) {
    const made = await dialog(`Rotate ${key.name}`, [h("p", {}, "A new text for the same key, shown once."), field("The old text opens too for", select("overlap", [["86400", "One day"], ["3600", "One hour"], ["0", "Not at all"]], "86400"))], {
      action: "Rotate",
      submit: ({ overlap }) => post(`/v1/keys/${one(key.id)}/rotate`, { overlap_seconds: Number(overlap) }, ofTenant(key.tenant_id)),
    });
    if (!made?.token) return;
    draw();
    await once(made);
  }
  box.append(head("API keys", { lead: "A key is bound to a tenant and to scopes. Only its end is kept in the clear.", actions: [button("New key", create, { kind: "primary" })] }), place);
  draw();
}
