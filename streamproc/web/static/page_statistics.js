// Statistics, and whether it works.

import { list, one, session } from "./api.js";
import { alertsOverTime, bars, gauge } from "./charts.js";
import { badge, card, empty, failure, fill, h, head, link, loading, notice, plural, select, table } from "./ui.js";
import { ago, DELIVERY_KINDS, number, percent, reasonText, when } from "./words.js";

const SPANS = [["24", "Last day"], ["168", "Last week"], ["720", "Last 30 days"], ["2160", "Last 90 days"]];

export function show({ box }) {
  const span = select("hours", SPANS, "168", { "aria-label": "Span" });
  const place = h("div", {}, loading(10));
  box.append(head("Statistics", { lead: "What came, what was done about it, and whether everything works.", actions: [span] }), place);
  async function draw() {
    try {
      const stats = await list("/v1/stats", { hours: span.value });
      fill(place, whole(stats));
    } catch (problem) {
      fill(place, failure(problem));
    }
  }
  span.addEventListener("change", draw);
  draw();
  const timer = setInterval(() => !document.hidden && !place.contains(document.activeElement) && draw(), 10_000);
  return { close: () => clearInterval(timer) };
}

function whole(stats) {
  return h(
    "div",
    { class: "stack" },
    health(stats.health),
    stats.warning && notice("warn", h("p", { class: "strong" }, stats.warning)),
    h("dl", { class: "tiles" }, tile("Alerts", number(stats.alerts)), tile("Triggers", number(stats.triggers)), tile("Open now", number(stats.by_status.open || 0)), tile("Escalated now", number(stats.by_status.escalated || 0)), tile("Rules that fired", number(stats.rule_count))),
    card("Alerts over time", { sub: "by severity" }, stats.alerts ? alertsOverTime(stats.alerts_per_hour, stats.since, stats.until) : empty("No alerts in this span", "", { icon: "statistics" })),
    h(
      "div",
      { class: "grid-2" },
      card("Acknowledged", { sub: "by a person: acknowledged, escalated or resolved" }, stats.acknowledgement_rate === null ? h("p", { class: "muted" }, "There were no alerts.") : [h("p", { class: "strong" }, `${percent(stats.acknowledgement_rate)} of ${plural(stats.alerts, "alert")}`), gauge(stats.acknowledgement_rate), h("p", { class: "sub" }, "Under 70 %, there may be too many alerts of little value: adjust thresholds, or disable noisy rules.")]),
      card("Not told, by reason", stats.suppressions.length ? bars(stats.suppressions.map((one) => ({ name: reasonText(one.reason), title: one.reason, value: one.triggers })), "Suppressions by reason") : h("p", { class: "muted" }, "Every notification went out.")),
    ),
    h(
      "div",
      { class: "grid-2" },
      card("Noisiest rules", { sub: "by triggers" }, stats.rules.length ? bars(stats.rules.slice(0, 10).map((rule) => ({ name: rule.name || rule.rule_id, value: rule.triggers, text: `${number(rule.triggers)}`, kind: rule.warning ? "bad" : "", to: `/rules/${one(rule.rule_id)}${session.who.operator ? `?owner=${one(rule.owner)}` : ""}`, note: h("span", { class: "sub" }, ` ${percent(rule.acknowledgement_rate)} acknowledged`) })), "Noisiest rules") : h("p", { class: "muted" }, "No rule fired.")),
      card("Deliveries", { flush: true, sub: "by channel and outcome" }, stats.deliveries.length ? table(stats.deliveries, [{ title: "Channel", lead: true, cell: (entry) => (entry.channel ? entry.channel.replace("/", " ") : h("span", { class: "muted" }, "none")) }, { title: "Outcome", cell: (entry) => [badge(entry.state.replaceAll("_", " "), DELIVERY_KINDS[entry.state]), entry.reason && entry.reason !== "ok" && h("span", { class: "sub" }, reasonText(entry.reason))] }, { title: "Count", kind: "number", cell: (entry) => number(entry.deliveries) }], "Deliveries") : h("p", { class: "muted loading" }, "Nothing was sent.")),
    ),
  );
}

function tile(name, value, hint, text) {
  return h("div", { class: "tile" }, h("dt", {}, name), h("dd", { class: text ? "text" : undefined }, value, hint && h("div", { class: "hint" }, hint)));
}

function health(health) {
  const lag = health.lag.map((one) => ({ ...one, bad: one.records !== null && one.records > 10_000 }));
  const problems = health.problems.length;
  const off = health.disabled_endpoints.length;
  const works = !problems && !off && !lag.some((one) => one.bad) && health.read_model === "current";
  return card(
    "Is it working?",
    { actions: [badge(works ? "Everything works" : "Look below", works ? "good" : "warn")] },
    h(
      "dl",
      { class: "tiles" },
      health.events_per_second !== null && tile("Events per second", number(Math.round(health.events_per_second * 10) / 10), "over the last minute"),
      tile("Last alert", health.last_alert_at ? when(health.last_alert_at) : "never", undefined, true),
      tile("Last delivery", health.last_delivery_at ? when(health.last_delivery_at) : "never", undefined, true),
      lag.map((one) => tile(`Lag of the ${one.process}`, one.records === null ? "–" : number(one.records), one.records === null ? "it has never read" : "records")),
      tile("Documents with errors", number(problems)),
      tile("Endpoints off", number(off)),
      health.read_model !== "current" && tile("Read model", "behind", health.read_model_behind === null ? "" : `${number(health.read_model_behind)} records`, true),
    ),
    problems > 0 && h("div", { class: "spaced" }, h("h3", {}, "Not in force, because of errors"), h("ul", { class: "told" }, health.problems.map((one_) => h("li", {}, badge(one_.kind, "bad"), h("span", { class: "grow" }, one_.kind === "rule" ? link(`/rules/${one(one_.id)}${session.who.operator ? `?owner=${one(one_.tenant_id)}` : ""}`, one_.id) : one_.id, h("span", { class: "sub" }, ` ${one_.problem}`)))))),
    off > 0 && h("div", { class: "spaced" }, h("h3", {}, "Switched off"), h("ul", { class: "told" }, health.disabled_endpoints.map((one_) => h("li", {}, badge(one_.kind, "warn"), h("span", { class: "grow" }, link(`/${one_.kind}s/${one(one_.id)}${session.who.operator ? `?owner=${one(one_.tenant_id)}` : ""}`, one_.name || one_.id), h("span", { class: "sub" }, ` ${ago(one_.since)} by ${one_.by}`)))))),
  );
}
