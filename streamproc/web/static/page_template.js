// One template, with what a message of it would say.

import { list, one, post } from "./api.js";
import { editPage } from "./collection.js";
import { TEMPLATES, TEMPLATE_STARTERS } from "./kinds.js";
import { button, card, failure, field, fill, h, loading, notice, select } from "./ui.js";

const METHODS = ["email", "slack", "teams", "dingtalk", "wecom", "lark", "sms", "voice", "webhook", "eventbridge", "function_compute", "message_center"];

export function show(place) {
  return editPage(place, TEMPLATES, {
    starters: TEMPLATE_STARTERS,
    beside: (item, whose, edit) => previewCard(item, whose, edit),
  });
}

function previewCard(item, whose, edit) {
  const method = select("method", METHODS, "email");
  const language = select("language", [["en", "English"], ["zh", "Chinese"]], "en");
  const alert = select("alert", [["", "An example"]], "");
  const shown = h("div", { "aria-live": "polite" });
  list("/v1/alerts", { limit: 15 }).then(
    (found) => alert.append(...found.items.map((one) => h("option", { value: one.id }, one.title))),
    () => {},
  );
  async function preview(control) {
    await edit.read();
    if (!edit.state.document) {
      fill(shown, notice("bad", "The text cannot be read; what is wrong stands at its line."));
      return;
    }
    fill(shown, loading(3));
    control.disabled = true;
    try {
      const answer = await post(`/v1/templates/${one(item?.id || edit.state.document.id || "new")}/preview`, { template: edit.state.document, method: method.value, language: language.value, ...(alert.value ? { alert_id: alert.value } : {}) }, whose);
      fill(shown, message(answer));
    } catch (problem) {
      if (problem.missingRoute) fill(shown, notice("info", h("p", {}, "This server does not preview templates over HTTP yet. ", h("code", {}, "streamproc config preview-template"), " does on the command line.")));
      else if (problem.errors?.length) edit.refused(problem);
      else fill(shown, failure(problem));
      if (problem.errors?.length) fill(shown);
    }
    control.disabled = false;
  }
  return card("Preview", h("div", { class: "form" }, field("Method", method), field("Language", language), field("Alert", alert), h("div", {}, button("Preview", (event) => preview(event.currentTarget), { kind: "primary" }))), h("div", { class: "spaced" }, shown));
}

// Whatever parts the message has, as text; HTML too.
function message(answer) {
  const parts = Object.entries(answer.message || answer).filter(([, value]) => typeof value === "string" && value);
  return h("div", { class: "stack" }, parts.map(([name, value]) => h("div", {}, h("p", { class: "label" }, name.replaceAll("_", " ")), h("pre", { class: "code", tabindex: "0" }, value))));
}
