// Dead letters: records that could not be used.

import { list, may, one, post } from "./api.js";
import { badge, button, card, doing, empty, h, head, link, pager, table } from "./ui.js";
import { number, when } from "./words.js";

export function replayButton(letter, small) {
  const control = button("Replay", () => doing(control, () => post(`/v1/dead-letters/${one(letter.id)}/replay`), (sent) => `Sent again to ${sent.topic}. If it is still wrong, it comes back as a new letter.`), { small, "aria-label": `Replay ${letter.id}` });
  return control;
}

export function show({ box }) {
  box.append(
    head("Dead letters", { lead: "Records that could not be used, raw, each with the reason. Once the cause is mended they can be sent again." }),
    card(null, { flush: true }, pager(
      (cursor) => list("/v1/dead-letters", { cursor }),
      (items) =>
        table(
          items,
          [
            { title: "Letter", lead: true, cell: (letter) => [link(`/dead-letters/${one(letter.id)}`, letter.message || letter.reason, { class: "strong" }), h("span", { class: "sub" }, letter.text ? letter.text.slice(0, 110) : `${number(letter.size)} bytes that are no text`)] },
            { title: "Reason", cell: (letter) => badge(letter.reason.replaceAll("_", " "), "bad") },
            { title: "Tenant", cell: (letter) => letter.tenant_id || h("span", { class: "muted" }, "not known") },
            { title: "From", cell: (letter) => [letter.origin.topic, h("span", { class: "sub" }, `partition ${letter.origin.partition}, offset ${number(letter.origin.offset)}`)] },
            { title: "When", cell: (letter) => when(letter.at) },
            { title: "", cell: (letter) => may("events:write") && h("div", { class: "actions" }, replayButton(letter, true)) },
          ],
          "Dead letters",
        ),
      empty("No dead letters", "Every record that came could be used.", { icon: "letters" }),
    )),
  );
}
