// Times, and the API's words as people say them.

import { h } from "./ui.js";

export const SEVERITIES = ["critical", "high", "medium", "low", "informational"];
export const STATUSES = ["open", "acknowledged", "escalated", "suppressed", "resolved"];
export const ACTIVE = ["open", "acknowledged", "escalated"];

const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "narrow" });
const STEPS = [
  [60, "second", 1],
  [3600, "minute", 60],
  [86400, "hour", 3600],
  [86400 * 30, "day", 86400],
  [86400 * 365, "month", 86400 * 30],
  [Infinity, "year", 86400 * 365],
];

export function ago(text) {
  const seconds = (Date.parse(text) - Date.now()) / 1000;
  if (Number.isNaN(seconds)) return "";
  if (Math.abs(seconds) < 5) return "now";
  const [, unit, size] = STEPS.find(([limit]) => Math.abs(seconds) < limit);
  return RELATIVE.format(Math.trunc(seconds / size), unit);
}

export function exact(text) {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return String(text ?? "");
  return at.toLocaleString(undefined, { year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short" });
}

export function clock(text) {
  const at = new Date(text);
  const sameDay = at.toDateString() === new Date().toDateString();
  return at.toLocaleString(undefined, { ...(sameDay ? {} : { month: "short", day: "numeric" }), hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
}

// Shown as how long ago, kept current by the shell, the exact time in its title.
export function when(text, absolute = false) {
  if (!text) return h("span", { class: "muted" }, "never");
  return h("time", { datetime: text, title: exact(text), data: absolute ? {} : { ago: text } }, absolute ? clock(text) : ago(text));
}

export function refreshTimes() {
  for (const one of document.querySelectorAll("time[data-ago]")) {
    const text = ago(one.dataset.ago);
    if (one.textContent !== text) one.textContent = text;
  }
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "";
  const parts = [
    [86400, "d"],
    [3600, "h"],
    [60, "min"],
    [1, "s"],
  ];
  const found = parts.find(([size]) => seconds >= size && seconds % size === 0) || parts.find(([size]) => seconds >= size) || parts[3];
  const value = seconds / found[0];
  return `${Number.isInteger(value) ? value : value.toFixed(1)} ${found[1]}`;
}

export const number = (value) => (value === null || value === undefined ? "–" : Number(value).toLocaleString());
export const percent = (value) => (value === null || value === undefined ? "–" : `${Math.round(value * 100)} %`);
export const groupText = (group) => Object.entries(group || {}).map(([name, value]) => `${name} ${value}`).join(", ");

export const ACTIONS = {
  acknowledge: "Acknowledged",
  resolve: "Resolved",
  reopen: "Reopened",
  escalate: "Escalated",
  assign: "Assigned",
  comment: "Commented",
  snooze: "Snoozed",
  suppress: "Suppressed",
  unsuppress: "No longer suppressed",
};

export const PURPOSES = {
  triggered: "that it triggered",
  updated: "that it triggered again",
  reopened: "that it was reopened",
  acknowledged: "that it was acknowledged",
  resolved: "that it was resolved",
  escalated: "that it was escalated",
};

// Why somebody was not told, or a delivery failed.
export const REASONS = {
  ok: "delivered",
  timeout: "it did not answer in time",
  connection: "no connection",
  tls: "its certificate does not hold",
  protocol: "its answer was not HTTP",
  rate_limited: "it asked us to slow down",
  server_error: "it failed (5xx)",
  client_error: "it refused the message (4xx)",
  redirect: "it redirects, which is never followed",
  gone: "it is gone (410)",
  provider_error: "the provider answered with an error",
  bad_answer: "its answer could not be read",
  forbidden_address: "its address is not allowed",
  settings: "its settings or content cannot be used",
  internal_error: "a fault of ours",
  channel_gone: "the channel was deleted",
  attempts_exhausted: "every attempt failed",
  newer: "a newer update replaced it",
  overtaken: "a later one was sent before it",
  trigger_failed: "it never learned of the alert",
  cooldown: "within the rule's cooldown",
  waiting: "an earlier message is still on its way",
  shadow: "the rule is in shadow mode",
  disabled: "the channel or the rule is disabled",
  no_channel: "the rule names no channel that is configured",
  not_subscribed: "no channel takes this kind of message",
  rule_gone: "the rule was deleted",
  backfill: "it comes from a backfill",
  silence: "a silence holds",
  snoozed: "it is snoozed",
  inhibited: "another active alert keeps it quiet",
  quiet_hours: "quiet hours",
  below_severity: "below the group's minimum severity",
  no_group: "no action group of the policy takes it",
  no_recipient: "nobody whom the channel could reach",
  resolved_meanwhile: "it was resolved before the message went out",
  recipient_gone: "the recipient is gone",
  endpoint_off: "the endpoint was switched off after failing",
  already_told: "it was told already",
  rate_limit: "over the rate limit",
  quota: "over the quota",
};

export const reasonText = (reason) => REASONS[reason] || String(reason ?? "").replaceAll("_", " ");

export const DELIVERY_KINDS = { delivered: "good", suppressed: "", failed: "bad", gave_up: "bad", pending: "info", retrying: "warn" };
