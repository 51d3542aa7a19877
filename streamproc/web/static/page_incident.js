// One incident with its alerts.

import { get, one, ofTenant, session } from "./api.js";
import { gathered, listen } from "./live.js";
import { card, fill, h, head, link, plural, severityBadge, statusBadge, table, undisturbed } from "./ui.js";
import { when } from "./words.js";

export async function show({ box, id, query, go, titled }) {
  const place = h("div", {});
  async function draw() {
    const incident = await get(`/v1/incidents/${one(id)}`, ofTenant(query.get("tenant") || session.tenant));
    titled(incident.title);
    fill(
      place,
      head(incident.title, {
        crumb: link("/incidents", "Incidents"),
        after: h("div", { class: "chips spaced" }, severityBadge(incident.severity), statusBadge(incident.status), h("span", { class: "sub" }, `${plural(incident.alert_count, "alert")}, opened by ${incident.created_by} `, when(incident.created_at)), h("code", {}, incident.id)),
      }),
      card("Alerts", { flush: true }, table(
        incident.alerts,
        [
          { title: "Alert", lead: true, cell: (alert) => [link(`/alerts/${one(alert.id)}`, alert.title, { class: "strong" }), alert.note && h("span", { class: "sub" }, `“${alert.note}”`)] },
          { title: "Severity", cell: (alert) => severityBadge(alert.severity) },
          { title: "Status", cell: (alert) => statusBadge(alert.status) },
          { title: "Rule", cell: (alert) => alert.rule_id },
          { title: "Linked", cell: (alert) => [when(alert.linked_at), h("span", { class: "sub" }, `by ${alert.linked_by}`)] },
        ],
        "Alerts of the incident",
      )),
    );
  }
  await draw();
  box.append(place);
  const soon = gathered(() => draw().catch(() => {}), 400); // what is shown stays, and the next one may do better
  const ended = listen({ alert: (alert) => alert.incident_id === id && soon(), reload: () => undisturbed(place) && soon() });
  return {
    keys: { u: () => go("/incidents") },
    close() {
      ended();
      soon.cancel();
    },
  };
}
