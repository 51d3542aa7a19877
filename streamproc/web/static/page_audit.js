// Who changed what.

import { list } from "./api.js";
import { changesTable } from "./page_rule.js";
import { badge, card, empty, fill, h, head, icon, pager, select, table } from "./ui.js";
import { when } from "./words.js";

const KINDS = ["rule", "channel", "webhook", "policy", "silence", "template", "user", "user_group", "list", "key", "plan", "delivery", "dead_letter", "tenant"];

export function show({ box }) {
  const kind = select("kind", [["", "Everything"], ...KINDS], "", { "aria-label": "Kind" });
  const target = h("input", { type: "search", placeholder: "Id of what was changed", "aria-label": "Id of what was changed", spellcheck: "false" });
  const place = h("div", {});
  const draw = () =>
    fill(
      place,
      card(null, { flush: true }, pager(
        (cursor) => list("/v1/audit", { kind: kind.value, target_id: target.value.trim(), cursor }),
        (items) =>
          table(
            items,
            [
              { title: "Change", lead: true, cell: (entry) => [h("span", { class: "strong" }, entry.target_id), " ", badge(entry.action.replace(".", " "))] },
              { title: "Tenant", cell: (entry) => entry.tenant_id },
              { title: "By", cell: (entry) => [entry.actor.name, h("span", { class: "sub" }, [entry.actor.key_id, entry.actor.ip].filter(Boolean).join(" · "))] },
              { title: "What", cell: (entry) => (entry.fields.length ? h("details", {}, h("summary", {}, entry.fields.map((one) => one.path).slice(0, 4).join(", ") + (entry.fields.length > 4 ? ", …" : "")), changesTable(entry.fields)) : h("span", { class: "muted" }, "–")) },
              { title: "When", cell: (entry) => when(entry.at) },
            ],
            "Changes",
          ),
        empty("Nothing was changed", "Changes through the dashboard, the API and the command line are listed here, and are events that rules can watch.", { icon: "audit" }),
      )),
    );
  let typing = null;
  target.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(draw, 250);
  });
  kind.addEventListener("change", draw);
  box.append(head("Audit log", { lead: "Who changed what. Each change is also an event of the tenant, such as streamproc.rule.update, so that rules can watch it." }), h("div", { class: "filters" }, h("div", { class: "search" }, icon("search"), target, h("kbd", { "aria-hidden": "true" }, "/")), kind), place);
  draw();
}
