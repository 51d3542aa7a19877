// The latest deliveries through one channel, with their attempts, and making them again.

import { list, may, ofTenant, one, post, session } from "./api.js";
import { badge, button, card, doing, empty, h, link, pager, table } from "./ui.js";
import { DELIVERY_KINDS, number, PURPOSES, reasonText, when } from "./words.js";

export function attemptsCard(channel, tenant) {
  return card("Recent deliveries", { flush: true }, pager(
    (cursor) => list("/v1/deliveries", { ...ofTenant(tenant), channel, limit: 15, cursor }),
    (items) => deliveriesTable(items),
    empty("Nothing was sent through it yet", "", { icon: "inbox" }),
  ));
}

export function deliveriesTable(items) {
  return table(
    items,
    [
      { title: "When", lead: true, cell: (item) => when(item.updated_at) },
      { title: "Alert", cell: (item) => [link(`/alerts/${one(item.alert_id)}`, `${item.alert_id.slice(0, 12)}…`, { class: "mono" }), h("span", { class: "sub" }, PURPOSES[item.purpose] || item.purpose)] },
      { title: "Outcome", cell: (item) => [badge(item.state.replaceAll("_", " "), DELIVERY_KINDS[item.state]), item.reason && item.reason !== "ok" && h("span", { class: "sub" }, reasonText(item.reason)), item.detail && h("span", { class: "sub" }, item.detail)] },
      { title: "Attempts", cell: (item) => attempts(item) },
      { title: "", cell: (item) => h("div", { class: "actions" }, ["delivered", "gave_up", "superseded"].includes(item.state) && may("alerts:write") && replayButton(item)) },
    ],
    "Deliveries",
  );
}

function replayButton(item) {
  const control = button("Replay", () => doing(control, () => post(`/v1/deliveries/${one(item.id)}/replay`, {}, session.who.operator ? {} : undefined).catch((problem) => {
    if (problem.missingRoute) throw new Error("This server cannot replay deliveries yet.");
    throw problem;
  }), "It is being made again."), { small: true });
  return control;
}

function attempts(item) {
  if (!item.attempts.length) return h("span", { class: "muted" }, "none");
  const last = item.attempts.at(-1);
  return h(
    "details",
    {},
    h("summary", {}, `${number(item.attempts.length)}, ${last.status ? `HTTP ${last.status}` : reasonText(last.reason)}, ${number(last.latency_ms)} ms`),
    h("ol", { class: "timeline spaced" }, item.attempts.map((one) => h("li", { class: one.outcome === "delivered" ? "t-told" : "t-failed" }, `${one.status ? `HTTP ${one.status}` : reasonText(one.reason)}, ${number(one.latency_ms)} ms `, when(one.at, true), one.detail && h("div", { class: "sub" }, one.detail), one.excerpt && h("pre", { class: "code", tabindex: "0" }, one.excerpt)))),
  );
}
