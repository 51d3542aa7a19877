// The kinds of documents that have a list and a page of their own, and what a new one begins with.

import { one, patch, ofTenant } from "./api.js";
import { badge, button, doing, h, plural } from "./ui.js";

const onOff = (kind) => (redraw) => ({
  title: "Status",
  cell: (item) => [badge(item.enabled === false ? "disabled" : "enabled", item.enabled === false ? "warn" : "good"), item.enabled === false && [" ", button("Enable", (event) => doing(event.currentTarget, async () => {
    await patch(`${kind.path}/${one(item.id)}`, { enabled: true }, ofTenant(item.tenant_id));
    redraw();
  }, "Enabled."), { small: true, "aria-label": `Enable ${item.name || item.id}` })]],
});
const takes = { title: "Takes", cell: (item) => (item.events?.length ? item.events.map((one) => one.replace("alert.", "")).join(", ") : "every change") };

export const CHANNELS = {
  path: "/v1/channels", page: "/channels", one: "channel", many: "Channels", title: "Channel", icon: "channels",
  lead: "How people are told. Rules and policies name a channel by its id, or by its type.",
  none: ["No channels yet", "Slack, e-mail, PagerDuty and ten more: a channel takes a few lines."],
  about: (item) => item.type,
  columns: (redraw) => [{ title: "Type", cell: (item) => (item.type || item.id).replaceAll("_", " ") }, takes, onOff(CHANNELS)(redraw)],
};
export const WEBHOOKS = {
  path: "/v1/webhooks", page: "/webhooks", one: "webhook", many: "Webhooks", title: "Webhook", icon: "webhooks",
  lead: "HTTP endpoints that get signed messages. Secrets are shown once, and never again.",
  none: ["No webhooks yet", "A webhook posts every alert to an address of yours, signed."],
  columns: (redraw) => [{ title: "Format", cell: (item) => item.format || "standard" }, takes, onOff(WEBHOOKS)(redraw)],
};
export const TEMPLATES = {
  path: "/v1/templates", page: "/templates", one: "template", many: "Message templates", title: "Template", icon: "templates",
  lead: "What messages say, by method and language, in Liquid. Channels and action groups name one.",
  none: ["No templates yet", "Without one, every channel uses the product's own layout."],
  columns: () => [{ title: "Methods", cell: (item) => Object.keys(item.contents || {}).map((one) => one.replaceAll("_", " ")).join(", ") }],
};
export const POLICIES = {
  path: "/v1/policies", page: "/policies", one: "policy", many: "Action policies", title: "Policy", icon: "policies",
  lead: "Who is told of what, and who is next if nobody answers. A rule names its policy; the one with the id default is for all others.",
  none: ["No policies yet", "Without one, a rule's own channels are told."],
  columns: (redraw) => [
    { title: "Groups", cell: (item) => (item.groups || []).map((one) => one.id).join(", ") },
    { title: "Escalation", cell: (item) => (item.escalation?.length ? `${plural(item.escalation.length, "step")}${item.repeat ? `, ${item.repeat + 1} rounds` : ""}` : h("span", { class: "muted" }, "none")) },
    onOff(POLICIES)(redraw),
  ],
};

export const LISTS = {
  path: "/v1/lists", page: "/lists", one: "list", many: "Named lists", title: "List", icon: "lists",
  lead: "Values that rules look up, as in actor.id: {in: {list: vip-users}}. A change is in force at once, without touching the rules.",
  none: ["No lists yet", "A list keeps names or addresses in one place, for several rules."],
  deleting: "Rules that look values up in it will find none.",
  columns: () => [{ title: "Values", cell: (item) => [plural((item.values || []).length, "value"), h("span", { class: "sub" }, (item.values || []).slice(0, 6).join(", ") + ((item.values || []).length > 6 ? ", …" : ""))] }],
};

export const LIST_STARTERS = [["list", "List", "id: vip-users\nvalues:\n  - alice\n  - bob\n"]];
export const CHANNEL_STARTERS = [
  ["slack", "Slack", "id: slack\ntype: slack\nname: Security in Slack\nurl: https://hooks.slack.com/services/…\n"],
  ["email", "E-mail", "id: email\ntype: email\nname: Mail to the team\nhost: smtp.example.com\nusername: alerts@example.com\npassword: ${SMTP_PASSWORD}\nsender: Alerts <alerts@example.com>\nrecipients: [soc@example.com]\n"],
  ["message_center", "Inbox", "id: inbox\ntype: message_center\nname: Inbox of the dashboard\n"],
  ["pagerduty", "PagerDuty", "id: pagerduty\ntype: pagerduty\nname: On call\nrouting_key: ${PAGERDUTY_KEY}\nevents: [alert.triggered, alert.acknowledged, alert.resolved]\n"],
  ["teams", "Teams", "id: teams\ntype: teams\nname: Security in Teams\nurl: https://…\n"],
  ["dingtalk", "DingTalk", "id: dingtalk\ntype: dingtalk\naccess_token: ${DINGTALK_TOKEN}\nsecret: ${DINGTALK_SECRET}\n"],
  ["wecom", "WeCom", "id: wecom\ntype: wecom\nkey: ${WECOM_KEY}\n"],
  ["lark", "Lark", "id: lark\ntype: lark\ntoken: ${LARK_TOKEN}\n"],
  ["sms", "Text message", "id: sms\ntype: sms\nprovider: twilio\naccount_sid: AC…\nauth_token: ${TWILIO_TOKEN}\nsender: \"+15550100\"\nrecipients: []\n"],
  ["voice", "Voice call", "id: voice\ntype: voice\nprovider: twilio\naccount_sid: AC…\nauth_token: ${TWILIO_TOKEN}\nsender: \"+15550100\"\nrecipients: []\n"],
  ["eventbridge", "EventBridge", "id: eventbridge\ntype: eventbridge\nprovider: aws\nregion: eu-central-1\nbus: default\naccess_key_id: AKIA…\naccess_key_secret: ${EVENTBRIDGE_SECRET}\n"],
  ["function_compute", "Function Compute", "id: function\ntype: function_compute\nurl: https://…\n"],
];
export const WEBHOOK_STARTERS = [
  ["standard", "Standard Webhooks", "id: security\nname: Security system\nurl: https://security.example.com/alerts\nformat: standard\nevents: [alert.triggered, alert.acknowledged, alert.resolved]\n# then rotate its secret: the new one is shown once\n"],
  ["trailbase", "Trailbase's shape", "id: trailbase\nname: Client written for Trailbase\nurl: https://client.example.com/api/alerts\nformat: trailbase\nsecret: ${TRAILBASE_WEBHOOK_SECRET}\nevents: [alert.triggered]\nretry_config: {max_attempts: 5, backoff_multiplier: 2}\n"],
  ["immutable", "Immutable's shape", "id: immutable\nname: Client written for Immutable\nurl: https://client.example.com/alerts\nformat: immutable\nsecret: ${IMMUTABLE_SECRET}\n"],
];
export const TEMPLATE_STARTERS = [
  ["short", "Short text", "id: short\nname: Short\ncontents:\n  default:\n    en:\n      subject: \"{{ alert.severity | upcase }}: {{ alert.title }}\"\n      text: \"{{ alert.reason }}\"\n"],
  ["mail", "E-mail", "id: mail\nname: Mail to the team\ncontents:\n  email:\n    en:\n      subject: \"[{{ alert.severity }}] {{ alert.title }}\"\n      text: |\n        {{ alert.reason }}\n\n        Rule: {{ rule.name }}\n        First seen: {{ alert.triggered_at }}\n"],
];
export const POLICY_STARTERS = [
  ["plain", "By severity", "id: default\nname: By severity\ngroups:\n  - id: team\n    channels: [slack]\n  - id: oncall\n    channels: [pagerduty]\n    min_severity: high\nsteps:\n  - condition: {when: {severity: {in: [high, critical]}}}\n    then:\n      - group: oncall\n      - group: team\n    otherwise:\n      - group: team\n"],
  ["escalation", "With escalation", "id: escalating\nname: With escalation\ngroups:\n  - id: first\n    channels: [slack]\n  - id: second\n    channels: [email]\n    recipients: {roles: [admin]}\nsteps:\n  - group: first\nescalation:\n  - {after_minutes: 10, group: second}\n  - {after_minutes: 20, group: second}\nrepeat: 1\n"],
];
