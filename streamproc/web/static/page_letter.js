// One dead letter, whole.

import { get, may, one } from "./api.js";
import { replayButton } from "./page_letters.js";
import { badge, card, h, head, json, link, tabs } from "./ui.js";
import { number, when } from "./words.js";

const bytesOf = (text) => Uint8Array.from(atob(text || ""), (character) => character.charCodeAt(0));

// 16 bytes a line: where, in hexadecimal, as text.
function hexOf(bytes) {
  const lines = [];
  for (let at = 0; at < Math.min(bytes.length, 8192); at += 16) {
    const part = [...bytes.slice(at, at + 16)];
    const hex = part.map((one) => one.toString(16).padStart(2, "0")).join(" ");
    const text = part.map((one) => (one >= 32 && one < 127 ? String.fromCharCode(one) : ".")).join("");
    lines.push(`${at.toString(16).padStart(6, "0")}  ${hex.padEnd(47)}  ${text}`);
  }
  if (bytes.length > 8192) lines.push(`… ${number(bytes.length - 8192)} bytes more`);
  return lines.join("\n");
}

export async function show({ box, id, go, titled }) {
  const letter = await get(`/v1/dead-letters/${one(id)}`);
  const bytes = bytesOf(letter.value_base64);
  titled(`Dead letter ${letter.id}`);
  let pretty = null;
  try {
    pretty = JSON.parse(letter.text);
  } catch {
    // it is a dead letter, after all
  }
  const facts = [
    ["Reason", badge(letter.reason.replaceAll("_", " "), "bad")],
    ["Could not be used by", letter.by],
    ["Tenant", letter.tenant_id || "not known"],
    ["From", `${letter.origin.topic}, partition ${letter.origin.partition}, offset ${number(letter.origin.offset)}`],
    ["When", when(letter.at, true)],
    ["Size", `${number(letter.size)} bytes`],
    letter.key_base64 && ["Key", h("code", {}, new TextDecoder().decode(bytesOf(letter.key_base64)))],
    ...Object.entries(letter.headers).map(([name, value]) => [`Header ${name}`, h("code", {}, new TextDecoder().decode(bytesOf(value)))]),
  ].filter(Boolean);
  box.append(
    head(letter.message || letter.reason, { crumb: link("/dead-letters", "Dead letters"), actions: may("events:write") && [replayButton(letter)] }),
    h(
      "div",
      { class: "split" },
      card("The record", tabs("Record", [...(pretty ? [["json", "As JSON", () => json(pretty)]] : []), ...(letter.text !== null ? [["text", "As it came", () => h("pre", { class: "code", tabindex: "0" }, letter.text)]] : []), ["bytes", "Bytes", () => h("pre", { class: "code hex", tabindex: "0" }, hexOf(bytes))]])),
      card("About it", h("dl", { class: "facts" }, facts.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]))),
    ),
  );
  return { keys: { u: () => go("/dead-letters") } };
}
