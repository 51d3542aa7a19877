// The message center: what channels of that type delivered.

import { get, list, listAll, one } from "./api.js";
import { badge, card, empty, fill, h, head, link, pager, severityBadge, statusBadge, table, undisturbed } from "./ui.js";
import { PURPOSES, when } from "./words.js";

export async function show({ box }) {
  const channels = (await listAll("/v1/channels").catch(() => [])).filter((one) => one.type === "message_center" || (!one.type && one.id === "message_center"));
  const lead = "Messages that went to the message center, for those who read alerts here rather than in a chat.";
  box.append(head("Inbox", { lead }));
  if (!channels.length) {
    box.append(card(null, empty("No inbox yet", "A channel of type message_center delivers here. Create one, and name it in rules or policies.", { icon: "inbox" }, link("/channels/new?type=message_center", "Create the channel", { class: "button primary" }))));
    return undefined;
  }
  const names = [...new Set(channels.map((channel) => `channel/${channel.id}`))].join(",");
  const known = new Map();
  async function load(cursor) {
    const page = await list("/v1/deliveries", { channel: names, state: "delivered", limit: 25, cursor });
    const missing = [...new Set(page.items.map((item) => item.alert_id))].filter((id) => !known.has(id));
    await Promise.all(missing.map(async (id) => known.set(id, await get(`/v1/alerts/${one(id)}`).catch(() => null))));
    return page;
  }
  const place = h("div", {});
  const draw = () =>
    fill(
      place,
      card(null, { flush: true }, pager(
        load,
        (items) =>
          table(
            items,
            [
              {
                title: "Message",
                lead: true,
                cell: (item) => {
                  const alert = known.get(item.alert_id);
                  return alert ? [link(`/alerts/${one(alert.id)}`, alert.title, { class: "strong" }), h("span", { class: "sub" }, alert.reason)] : h("code", {}, item.alert_id);
                },
              },
              { title: "Severity", cell: (item) => (known.get(item.alert_id) ? severityBadge(known.get(item.alert_id).severity) : badge("gone")) },
              { title: "Told", cell: (item) => `${PURPOSES[item.purpose] || item.purpose}${item.silent_count ? `, ${item.silent_count} silent before` : ""}` },
              { title: "For", cell: (item) => item.recipient || "everybody" },
              { title: "Alert now", cell: (item) => (known.get(item.alert_id) ? statusBadge(known.get(item.alert_id).status) : "") },
              { title: "When", cell: (item) => when(item.updated_at) },
            ],
            "Messages",
          ),
        empty("Nothing yet", "Messages appear here as they are delivered.", { icon: "inbox" }),
      )),
    );
  box.append(place);
  draw();
  const timer = setInterval(() => undisturbed(place) && draw(), 10_000);
  return { close: () => clearInterval(timer) };
}
