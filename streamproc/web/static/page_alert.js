// One alert: why it is there, what was done, who was told and who was not.

import { get, one } from "./api.js";
import { act, allowed } from "./acting.js";
import { fitted, seriesChart } from "./charts.js";
import { listen, recent } from "./live.js";
import { badge, button, card, failure, fill, h, head, json, link, plural, safeLink, severityBadge, statusBadge } from "./ui.js";
import { ACTIONS, DELIVERY_KINDS, duration, groupText, number, PURPOSES, reasonText, when } from "./words.js";

export async function show({ box, id, go, titled }) {
  const path = `/v1/alerts/${one(id)}`;
  let alert = await get(path);
  alert = recent().find((one) => one.id === alert.id && one.revision > alert.revision) || alert;
  const top = h("div", { class: "alert-head" });
  const stale = h("div", { "aria-live": "polite" });
  const why = h("div", { class: "stack" });
  const chart = h("div", {});
  const events = h("div", {});
  const life = card("Timeline");
  const lifeBody = h("div", {});
  life.append(lifeBody);
  const facts = h("div", { class: "stack" });
  const told = card("Who was told");
  const toldBody = h("div", {});
  told.append(toldBody);
  const related = card("Related alerts");
  const relatedBody = h("div", {});
  related.append(relatedBody);
  box.append(top, stale, h("div", { class: "split" }, h("div", { class: "stack" }, why, chart, events, life), h("div", { class: "stack" }, told, facts, related)));

  function draw() {
    titled(alert.title);
    const primary = { open: "acknowledge", suppressed: "acknowledge", acknowledged: "resolve", escalated: "resolve", resolved: "reopen" }[alert.status];
    const actions = alert.status === "resolved" ? ["reopen", "comment"] : [alert.status !== "acknowledged" && "acknowledge", "resolve", alert.status !== "escalated" && "escalate", "assign", "snooze", "comment"].filter(Boolean);
    const words = { acknowledge: "Acknowledge", resolve: "Resolve", escalate: "Escalate", assign: "Assign", snooze: "Snooze", comment: "Comment", reopen: "Reopen" };
    const held = document.activeElement?.dataset?.action;
    fill(
      top,
      head(alert.title, {
        crumb: link("/alerts", "Alerts"),
        after: h("div", { class: "chips" }, severityBadge(alert.severity), statusBadge(alert.status), alert.trigger_count > 1 && badge(`Triggered ${number(alert.trigger_count)} times`), alert.late && badge("Late", "warn"), alert.backfill && badge("From a backfill"), h("span", { class: "sub" }, when(alert.created_at))),
        actions: [
          ...actions.filter(allowed).map((action) => button(words[action], () => on(action), { kind: action === primary ? "primary" : "", data: { action } })),
          allowed("acknowledge") && link(`/silences?alert=${one(alert.id)}`, "Silence…", { class: "button" }),
        ],
      }),
    );
    if (held) top.querySelector(`[data-action="${held}"]`)?.focus();
    fill(why, card("Why", h("p", { class: "reason" }, alert.reason || "The rule gives no reason."), alert.description && alert.description !== alert.reason && h("p", { class: "sub spaced" }, alert.description), stepsOf(alert)));
    drawEvents();
    drawFacts();
  }

  function drawEvents() {
    const sample = alert.context?.sample || [];
    const shown = sample.length ? sample : alert.event ? [alert.event] : [];
    const ids = alert.context?.event_ids || [];
    if (!shown.length) {
      fill(events);
      return;
    }
    const open = new Set([...events.querySelectorAll("details[open]")].map((one) => one.dataset.n));
    fill(
      events,
      card(
        sample.length ? "Sample events" : "The event",
        { sub: ids.length > shown.length ? `${shown.length} of ${plural(ids.length, "event")}` : undefined },
        shown.map((event, n) =>
          h(
            "details",
            { class: "event", open: shown.length === 1 || open.has(String(n)), data: { n: String(n) } },
            h("summary", {}, h("strong", {}, event.action || event.id || "event"), event.outcome && event.outcome !== "success" && badge(event.outcome, "warn"), h("span", { class: "sub" }, [event.actor?.email || event.actor?.id, event.actor?.ip].filter(Boolean).join(" · ")), event.event_time && when(event.event_time, true)),
            json(event),
          ),
        ),
      ),
    );
  }

  function drawFacts() {
    const rows = [
      ["Rule", [link(`/rules/${one(alert.rule.id)}${alert.rule.owner === "*" ? "?owner=*" : ""}`, alert.rule.name || alert.rule.id), h("span", { class: "sub" }, ` ${alert.rule.type}, revision ${alert.rule.revision}`)]],
      Object.keys(alert.group || {}).length > 0 && ["Group", Object.entries(alert.group).map(([name, value]) => h("div", {}, h("code", {}, name), " ", String(value)))],
      ["Tenant", alert.tenant_id],
      alert.category && ["Category", alert.category],
      ["Assigned to", alert.assignee || h("span", { class: "muted" }, "nobody")],
      alert.incident_id && ["Incident", link(`/incidents/${one(alert.incident_id)}`, alert.incident_id)],
      alert.acknowledged_by && ["Acknowledged", [alert.acknowledged_by, " ", when(alert.acknowledged_at)]],
      alert.resolution && ["Resolution", alert.resolution.replaceAll("_", " ")],
      alert.suppressed_by && ["Suppressed by", [alert.suppressed_by, alert.snoozed_until && [" until ", when(alert.snoozed_until, true)]]],
      ["Event time", when(alert.triggered_at, true)],
      ["Arrived", when(alert.created_at, true)],
      ["Last change", when(alert.updated_at)],
      alert.source && ["Source", alert.source],
      alert.mitre_tactics?.length > 0 && ["MITRE ATT&CK", alert.mitre_tactics.join(", ")],
      alert.mitre_techniques?.length > 0 && ["Techniques", h("span", { class: "chips" }, alert.mitre_techniques.map((technique) => (/^T\d{4}(\.\d{3})?$/.test(technique) ? safeLink(`https://attack.mitre.org/techniques/${technique.replace(".", "/")}/`, technique) : badge(technique))))],
      alert.runbook && ["Runbook", safeLink(alert.runbook, alert.runbook)],
      ["Id", h("code", {}, alert.id)],
    ].filter(Boolean);
    const assets = alert.affected_assets || [];
    fill(
      facts,
      card("About it", h("dl", { class: "facts" }, rows.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]))),
      assets.length > 0 && card("Affected", { sub: plural(assets.length, "asset") }, h("ul", { class: "plain-list" }, assets.map((asset) => h("li", {}, badge(asset.type), " ", asset.label || asset.id, asset.label && asset.label !== asset.id && h("span", { class: "sub" }, ` ${asset.id}`))))),
      Object.keys(alert.metadata || {}).length > 0 && card("Metadata", json(alert.metadata)),
    );
  }

  async function drawLife() {
    try {
      const { items } = await get(`${path}/timeline`);
      fill(lifeBody, h("ol", { class: "timeline" }, items.filter((entry) => entry.kind !== "attempt" || !entry.outcome || entry.outcome !== "delivered").map(entryOf)));
      drawTold(items.filter((entry) => entry.kind === "notification"));
    } catch (problem) {
      fill(lifeBody, failure(problem));
      fill(toldBody);
    }
  }

  function drawTold(items) {
    if (!items.length) {
      fill(toldBody, h("p", { class: "muted" }, "Nobody yet. If the rule names channels, the delivery process may not have got to it."));
      return;
    }
    const yes = items.filter((entry) => entry.told);
    const no = items.filter((entry) => !entry.told);
    const list = (entries) => h("ul", { class: "told" }, entries.map((entry) => h("li", {}, h("span", { class: "grow" }, channelOf(entry), entry.recipient && h("span", { class: "sub" }, ` ${entry.recipient}`), h("span", { class: "sub" }, entry.told ? ` ${PURPOSES[entry.purpose] || entry.purpose}` : [" ", whyNot(entry)])), badge(entry.state.replaceAll("_", " "), DELIVERY_KINDS[entry.state]), when(entry.updated_at))));
    fill(toldBody, yes.length > 0 && [h("h3", {}, "Told"), list(yes)], no.length > 0 && [h("h3", { class: yes.length ? "spaced" : "" }, "Not told, and why"), list(no)]);
  }

  async function drawRelated() {
    try {
      const { items } = await get(`${path}/related`);
      fill(
        relatedBody,
        items.length
          ? h("ul", { class: "told" }, items.slice(0, 8).map(({ same, alert: other }) => h("li", {}, severityBadge(other.severity), h("span", { class: "grow" }, link(`/alerts/${one(other.id)}`, other.title), h("span", { class: "sub" }, ` the same ${same.join(", ")}${groupText(other.group) ? ` · ${groupText(other.group)}` : ""}`)), statusBadge(other.status), when(other.created_at))))
          : h("p", { class: "muted" }, "None of the same group, actor or rule."),
      );
    } catch (problem) {
      fill(relatedBody, failure(problem));
    }
  }

  async function drawChart() {
    try {
      const series = await get(`${path}/series`);
      if (series.kind === "none" || series.points.length < 1) return fill(chart);
      const title = series.kind === "buckets" ? "Count against its baseline" : "Count within the window";
      const sub = series.kind === "buckets" ? `one bar is ${duration(series.bucket_seconds)}` : [series.window_seconds && `window ${duration(series.window_seconds)}`, !series.complete && "only the events that are kept"].filter(Boolean).join(", ");
      return fill(chart, card(title, { sub }, fitted((width) => seriesChart(series, width))));
    } catch {
      return fill(chart); // the rest of the page says the same in words
    }
  }

  async function on(action) {
    const after = await act(action, alert);
    if (after) become(after);
  }

  function become(after) {
    if (after.id !== alert.id || after.revision < alert.revision) return;
    const triggered = after.trigger_count !== alert.trigger_count;
    alert = after;
    draw();
    soon(triggered);
  }
  let waiting = null;
  function soon(triggered) {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      drawLife();
      if (triggered) drawChart();
    }, 350);
  }

  draw();
  drawLife();
  drawChart();
  drawRelated();
  const ended = listen({
    alert(after) {
      if (after.id === alert.id && after.revision > alert.revision) become(after);
    },
    async reload() {
      const after = await get(path).catch(() => null);
      if (after) become(after);
      else drawLife();
    },
  });
  // who is told is decided after the alert is there, and not in the stream of alerts
  const looks = [1500, 5000, 12000].map((ms) => setTimeout(drawLife, ms));
  const can = (action) => () => (alert.status === "resolved" && action !== "reopen" ? undefined : on(action));
  return {
    keys: { a: can("acknowledge"), r: can("resolve"), e: can("escalate"), u: () => go("/alerts") },
    close() {
      ended();
      clearTimeout(waiting);
      looks.forEach(clearTimeout);
    },
  };
}

// Of a sequence: its steps, as they came.
function stepsOf(alert) {
  const steps = alert.context?.steps;
  if (!Array.isArray(steps) || !steps.length) return null;
  return h("ol", { class: "timeline spaced" }, steps.map((step, n) => h("li", { class: "t-trigger" }, `Step ${n + 1}: `, step.action || step.event_id || "", " ", when(step.event_time, true))));
}

const channelOf = (entry) => (entry.channel ? entry.channel.replace("/", " ") : "Everybody");

function whyNot(entry) {
  if (entry.state === "suppressed") return [reasonText(entry.reason), entry.triggers > 1 && ` (${number(entry.triggers)} triggers)`, entry.detail && `: ${entry.detail}`];
  if (entry.state === "pending" || entry.state === "retrying") return [entry.reason ? reasonText(entry.reason) : "on its way", entry.next_at && [", next attempt ", when(entry.next_at)]];
  return [reasonText(entry.reason), entry.detail && `: ${entry.detail}`];
}

function entryOf(entry) {
  const at = h("div", {}, when(entry.at, true));
  if (entry.kind === "triggered") return h("li", { class: "t-trigger" }, h("strong", {}, "Triggered"), entry.event_id && h("span", { class: "sub" }, ` by event ${entry.event_id}`), at);
  if (entry.kind === "updated") return h("li", { class: "t-trigger" }, h("strong", {}, `Triggered ${number(entry.trigger_count)} times by then`), entry.reason && h("div", { class: "sub" }, entry.reason), at);
  if (entry.kind === "action") {
    const more = [
      entry.resolution && ` as ${entry.resolution.replaceAll("_", " ")}`,
      entry.incident_id && [" to ", link(`/incidents/${one(entry.incident_id)}`, entry.incident_id)],
      entry.action === "assign" && ` to ${entry.assignee || "nobody"}`,
      entry.until && [" until ", when(entry.until, true)],
      entry.reason && ` (${reasonText(entry.reason)})`,
    ];
    return h("li", { class: "t-action" }, h("strong", {}, ACTIONS[entry.action] || entry.action || `${entry.from} → ${entry.to}`), more, h("span", { class: "sub" }, ` by ${entry.by}`), entry.note && h("blockquote", {}, entry.note), at);
  }
  if (entry.kind === "attempt") {
    return h("li", { class: "t-failed" }, h("strong", {}, `Attempt ${entry.number} failed`), h("span", { class: "sub" }, ` ${channelOf(entry)}: ${reasonText(entry.reason)}${entry.status ? ` (HTTP ${entry.status})` : ""}`), entry.detail && h("div", { class: "sub" }, entry.detail), at);
  }
  const told = entry.told;
  return h("li", { class: told ? "t-told" : entry.state === "gave_up" ? "t-failed" : "t-not" }, h("strong", {}, told ? "Told " : entry.state === "suppressed" ? "Not told: " : `${entry.state.replaceAll("_", " ")}: `), channelOf(entry), h("span", { class: "sub" }, told ? ` ${PURPOSES[entry.purpose] || entry.purpose}` : [" ", whyNot(entry)]), at);
}
