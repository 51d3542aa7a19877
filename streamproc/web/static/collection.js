// What is configured as documents: a list of each kind, and one thing written as text with its errors at their lines.

import { get, list, may, one, ofTenant, post, put, remove, session } from "./api.js";
import { asText, bare, documentEditor, overtaken, tenantInput } from "./documents.js";
import { button, card, confirm, empty, failure, fill, h, head, link, pager, table, toast } from "./ui.js";
import { when } from "./words.js";

// kind: {path, page, one, many, lead, columns, none, icon}
export function listPage(box, kind, { actions = [], above } = {}) {
  const write = may("config:write");
  const place = h("div", {});
  const draw = () =>
    fill(
      place,
      card(null, { flush: true }, pager(
        (cursor) => list(kind.path, { limit: 100, cursor }),
        (items) =>
          table(
            items,
            [
              { title: kind.title, lead: true, cell: (item) => [link(addressOf(kind, item), item.name || item.id, { class: "strong" }), h("span", { class: "sub" }, item.name ? item.id : kind.about?.(item))] },
              ...(session.who.operator && !session.tenant ? [{ title: "Tenant", cell: (item) => item.tenant_id }] : []),
              ...kind.columns(draw),
              { title: "Last change", cell: (item) => [when(item.updated_at), h("span", { class: "sub" }, `by ${item.updated_by}`)] },
            ],
            kind.many,
          ),
        empty(kind.none[0], kind.none[1], { icon: kind.icon }, write && link(`${kind.page}/new`, `New ${kind.one}`, { class: "button primary" })),
      )),
    );
  box.append(head(kind.many, { lead: kind.lead, actions: [...actions, write && link(`${kind.page}/new`, `New ${kind.one}`, { class: "button primary" })] }));
  if (above) box.append(above);
  box.append(place);
  draw();
  return draw;
}

export const addressOf = (kind, item) => `${kind.page}/${one(item.id)}${session.who.operator ? `?owner=${one(item.tenant_id)}` : ""}`;

// The thing, or null for a new one, and what its page needs. `starters`: [[id, title, text]].
export async function editPage({ box, id, query, go, reopen, titled }, kind, { starters, beside, below, actions = () => [], aboveText, readDocument, layout }) {
  const isNew = id === "new";
  const owner = query.get("owner") || session.tenant;
  const item = isNew ? null : await get(`${kind.path}/${one(id)}`, ofTenant(owner));
  const whose = item ? ofTenant(item.tenant_id) : {};
  const write = may("config:write");
  const tenant = isNew ? tenantInput(false, "Tenant", () => edit.read()) : null;
  const starter = starters?.find(([name]) => name === query.get("type")) || starters?.[0];
  const said = h("div", { "aria-live": "polite" });
  const title = item ? item.name || item.id : `New ${kind.one}`;
  titled(title);
  const edit = documentEditor({
    text: item ? await asText(bare(item)) : starter[2],
    label: `The ${kind.one}, as YAML or JSON`,
    readonly: !write,
    check: async (document) => {
      const owned = tenant ? ofTenant(tenant.value) : whose;
      if (session.who.operator && !owned.tenant_id) return [{ path: "", line: 1, message: "choose the tenant first", level: "error" }];
      const answer = await post(`${kind.path}/validate`, { ...(item && { id: item.id }), ...document }, owned);
      return answer.errors.map((one) => ({ ...one, level: "error" }));
    },
    told: (state) => readDocument?.(state.document),
  });

  async function save(control) {
    await edit.read();
    if (!edit.state.document) return edit.box.goTo(1);
    fill(said);
    control.disabled = true;
    try {
      const after = isNew
        ? await post(kind.path, edit.state.document, tenant ? ofTenant(tenant.value) : {})
        : await put(`${kind.path}/${one(id)}`, { ...edit.state.document, revision: item.revision }, whose);
      toast(isNew ? `${after.name || after.id} is in force.` : after.revision === item.revision ? "Nothing was changed." : `Saved as revision ${after.revision}.`);
      if (isNew) go(addressOf(kind, after));
      else reopen();
    } catch (problem) {
      if (!isNew && problem.status === 409) fill(said, overtaken(problem, reopen));
      else if (problem.errors?.length) edit.refused(problem);
      else fill(said, failure(problem));
    }
    control.disabled = false;
    return undefined;
  }

  const choices = isNew && starters.length > 1 && h("div", { class: "chips", role: "group", "aria-label": "Begin with" }, starters.map(([name, text]) => h("button", { type: "button", class: "chip", "aria-pressed": String(name === starter[0]), onclick: (event) => {
    for (const other of event.currentTarget.parentElement.children) other.setAttribute("aria-pressed", String(other === event.currentTarget));
    edit.box.text = starters.find(([one]) => one === name)[2];
  } }, text)));
  const side = beside?.(item, whose, edit);
  const main = card(item ? "Settings" : null, choices && h("div", { class: "filters" }, choices), tenant && h("div", { class: "filters" }, tenant.element), aboveText, edit.element);
  box.append(
    head(title, {
      crumb: link(kind.page, kind.many),
      after: item && h("p", { class: "sub" }, h("code", {}, item.id), ` revision ${item.revision}, ${item.updated_by} `, when(item.updated_at)),
      actions: [
        ...(item ? actions(item, whose) : []),
        item && write && button("Delete", () => confirm(`Delete ${title}?`, kind.deleting || "What names it will say so.", "Delete", async () => {
          await remove(`${kind.path}/${one(id)}`, whose);
          toast("Deleted.");
          go(kind.page);
        }), { kind: "danger" }),
        write && button(isNew ? "Create" : "Save", (event) => save(event.currentTarget), { kind: "primary" }),
      ],
    }),
    said,
    layout ? layout(main, side) : side ? h("div", { class: "split" }, main, h("div", { class: "stack" }, side)) : main,
    below?.(item, whose, edit) || "",
  );
  edit.read();
  const leave = (event) => edit.state.dirty && event.preventDefault();
  addEventListener("beforeunload", leave);
  return { keys: { u: () => go(kind.page) }, close: () => removeEventListener("beforeunload", leave) };
}

export const sealedHint = () => card("Secrets", h("p", { class: "sub" }, "A secret shows as ", h("code", {}, "(sealed)"), ". Leave it so to keep it; write another to replace it. ", h("code", {}, "${ENV_VAR}"), " is looked up by the delivery process."));
