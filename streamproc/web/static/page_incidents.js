// Incidents: what alerts were escalated to.

import { list, one } from "./api.js";
import { gathered, listen } from "./live.js";
import { card, empty, fill, h, head, link, pager, severityBadge, statusBadge, table, undisturbed } from "./ui.js";
import { number, when } from "./words.js";

export function show({ box, query, go, reopen }) {
  const status = query.get("status") || "";
  const chip = (value, text) => h("button", { type: "button", class: "chip", "aria-pressed": String(status === value), onclick: () => (go(`/incidents${value ? `?status=${value}` : ""}`)) }, text);
  const place = h("div", {});
  const draw = () =>
    fill(
      place,
      card(null, { flush: true }, pager(
        (cursor) => list("/v1/incidents", { status, cursor }),
        (items) =>
          table(
            items,
            [
              { title: "Incident", lead: true, cell: (incident) => [link(`/incidents/${one(incident.id)}?tenant=${one(incident.tenant_id)}`, incident.title, { class: "strong" }), h("span", { class: "sub" }, incident.id)] },
              { title: "Severity", cell: (incident) => severityBadge(incident.severity) },
              { title: "Status", cell: (incident) => statusBadge(incident.status) },
              { title: "Alerts", kind: "number", cell: (incident) => number(incident.alert_count) },
              { title: "Opened", cell: (incident) => [when(incident.created_at), h("span", { class: "sub" }, `by ${incident.created_by}`)] },
              { title: "Last change", cell: (incident) => when(incident.updated_at) },
            ],
            "Incidents",
          ),
        empty("No incidents", "Escalating an alert makes one, or adds the alert to one there is.", { icon: "incidents" }),
      )),
    );
  box.append(head("Incidents", { lead: "What alerts were escalated to. An incident is resolved once all of its alerts are." }), h("div", { class: "filters" }, h("div", { class: "chips", role: "group", "aria-label": "Status" }, chip("", "All"), chip("open", "Open"), chip("resolved", "Resolved"))), place);
  draw();
  const soon = gathered(draw, 400);
  const ended = listen({ alert: (alert) => alert.incident_id && soon(), reload: () => undisturbed(place) && soon() });
  return {
    close() {
      ended();
      soon.cancel();
    },
  };
}
