// One webhook: its settings, its secret, a test, the latest attempts.

import { may, one, post } from "./api.js";
import { attemptsCard } from "./attempts.js";
import { editPage, sealedHint } from "./collection.js";
import { WEBHOOKS, WEBHOOK_STARTERS } from "./kinds.js";
import { tryOut } from "./trial.js";
import { button, card, dialog, doing, field, h, notice, secretShown, select } from "./ui.js";
import { when } from "./words.js";

const OVERLAPS = [["86400", "One day"], ["3600", "One hour"], ["604800", "One week"], ["0", "Not at all: the old secret signs no longer"]];

export function show(place) {
  return editPage(place, WEBHOOKS, {
    starters: WEBHOOK_STARTERS,
    actions: (item, whose) =>
      may("config:write")
        ? [button("Send a test", () => doing(null, () => tryOut(`/v1/webhooks/${one(item.id)}/test`, whose, item.name || item.id))), button("Rotate the secret", () => rotate(item, whose, place.reopen))]
        : [],
    beside: (item) => [item && secretCard(item), sealedHint()],
    below: (item) => item && attemptsCard(`webhook/${item.id}`, item.tenant_id),
  });
}

function secretCard(item) {
  const old = (item.secrets || []).filter((one) => one.expires_at && Date.parse(one.expires_at) > Date.now());
  const says = item.secret || item.secrets?.length ? "Messages are signed." : "Messages are not signed: there is no secret. Rotating makes one.";
  return card("Signature", h("p", {}, says), old.map((one) => h("p", { class: "sub" }, "An old secret signs beside it until ", when(one.expires_at, true), ".")));
}

async function rotate(item, whose, reopen) {
  const made = await dialog(
    `Rotate the secret of ${item.name || item.id}`,
    [h("p", {}, "A new secret is made and shown once. Until the time below the old one signs too, so that the receiver can change over without a gap."), field("The old secret goes on for", select("overlap", OVERLAPS, "86400"))],
    { action: "Rotate", submit: (values) => post(`/v1/webhooks/${one(item.id)}/rotate-secret`, { overlap_seconds: Number(values.overlap) }, whose) },
  );
  if (!made?.secret) return;
  await dialog("The new secret", [
    notice("warn", h("p", { class: "strong" }, "Copy it now. It is not shown again.")),
    secretShown(made.secret),
    made.old_until && h("p", { class: "sub" }, made.signs_with_both ? "Both sign until " : "This signature has room for one: the new secret signs alone. The old one would have gone on until ", when(made.old_until, true), "."),
  ]);
  reopen();
}
