// One channel: its settings, a test, what went through it.

import { may, one } from "./api.js";
import { attemptsCard } from "./attempts.js";
import { editPage, sealedHint } from "./collection.js";
import { CHANNELS, CHANNEL_STARTERS } from "./kinds.js";
import { tryOut } from "./trial.js";
import { button, doing } from "./ui.js";

export function show(place) {
  return editPage(place, CHANNELS, {
    starters: CHANNEL_STARTERS,
    actions: (item, whose) => [may("config:write") && button("Send a test", () => doing(null, () => tryOut(`/v1/channels/${one(item.id)}/test`, whose, item.name || item.id)))],
    beside: () => sealedHint(),
    below: (item) => item && attemptsCard(`channel/${item.id}`, item.tenant_id),
  });
}
