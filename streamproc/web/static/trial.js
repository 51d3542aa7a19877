// Test notifications: one attempt through each channel, and what came of it.

import { post } from "./api.js";
import { badge, confirm, dialog, h, table } from "./ui.js";
import { number, reasonText } from "./words.js";

export async function tryOut(path, query, what) {
  const answer = await new Promise((resolve) => {
    confirm(`Test ${what}`, "A message that is marked as a test goes out now, for real, through every channel. Nothing is recorded as an alert.", "Send the test", async () => {
      resolve(await post(path, {}, query).catch((problem) => { throw problem; }));
    }).then((done) => done === undefined && resolve(undefined));
  });
  if (!answer) return;
  showTrial(answer);
}

export function showTrial(answer) {
  const title = answer.failed ? `${number(answer.failed)} of ${number(answer.failed + answer.delivered)} failed` : "Delivered";
  dialog(
    title,
    table(
      answer.items,
      [
        { title: "Channel", lead: true, cell: (item) => [h("span", { class: "strong" }, item.channel), item.type && h("span", { class: "sub" }, item.type)] },
        { title: "Outcome", cell: (item) => [badge(item.delivered ? "delivered" : "failed", item.delivered ? "good" : "bad"), !item.delivered && h("span", { class: "sub" }, reasonText(item.reason))] },
        { title: "Answer", cell: (item) => [item.status ? `HTTP ${item.status} ` : "", `${number(item.latency_ms)} ms`, (item.detail || item.excerpt) && h("span", { class: "sub" }, item.detail || item.excerpt)] },
      ],
      "Outcomes",
    ),
    { wide: true },
  );
}

