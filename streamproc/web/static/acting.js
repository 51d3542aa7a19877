// What people do with alerts: the dialogs, and what is said when somebody else was faster.

import { get, may, one, post } from "./api.js";
import { badge, dialog, field, h, notice, select, statusBadge, toast } from "./ui.js";
import { when } from "./words.js";

const note = (hint = "Kept with the alert, for others to read.") => field("Note (optional)", h("textarea", { name: "note", rows: 3, maxlength: 1000 }), hint);

const RESOLUTIONS = [
  ["resolved", "Resolved"],
  ["mitigated", "Mitigated"],
  ["false_positive", "False positive"],
  ["expected", "Expected activity"],
  ["duplicate", "Duplicate"],
];

export const SCOPES = { escalate: "sentinel:respond" };
export const allowed = (action) => may(SCOPES[action] || "alerts:write");

// What each action asks for before it is done. `values` become the request's body.
const FORMS = {
  acknowledge: { title: "Acknowledge", button: "Acknowledge", done: "Acknowledged.", content: () => note() },
  resolve: {
    title: "Resolve",
    button: "Resolve",
    done: "Resolved.",
    content: () => h("div", { class: "form" }, field("How did it end?", select("resolution", RESOLUTIONS, "resolved")), note()),
  },
  escalate: {
    title: "Escalate to an incident",
    button: "Escalate",
    done: "Escalated.",
    content: () =>
      h("div", { class: "form" }, field("Incident", h("input", { name: "incident_id", placeholder: "a new one", spellcheck: "false" }), "The id of an incident that is there already, such as inc_…; empty: a new one."), note()),
    values: (values) => ({ ...values, incident_id: values.incident_id || null }),
  },
  assign: {
    title: "Assign",
    button: "Assign",
    done: "Assigned.",
    content: () => h("div", { class: "form" }, field("To whom", h("input", { name: "assignee", maxlength: 200 }), "Empty: to nobody."), note()),
    values: (values) => ({ ...values, assignee: values.assignee || null }),
  },
  comment: {
    title: "Comment",
    button: "Comment",
    done: "Kept.",
    content: () => field("Comment", h("textarea", { name: "note", rows: 4, maxlength: 1000, required: true })),
  },
  snooze: {
    title: "Snooze",
    button: "Snooze",
    done: "Snoozed.",
    content: () =>
      h(
        "div",
        { class: "form" },
        field("For how long", select("minutes", [["30", "30 minutes"], ["60", "1 hour"], ["240", "4 hours"], ["480", "8 hours"], ["1440", "1 day"], ["10080", "1 week"]], "60"), "Nobody is told of it until then."),
        note(),
      ),
    values: ({ minutes, ...values }) => ({ ...values, until: new Date(Date.now() + Number(minutes) * 60_000).toISOString() }),
  },
  reopen: { title: "Reopen", button: "Reopen", done: "Reopened.", content: () => note() },
};

// Asks, and does it; answers the alert after it, or undefined when nothing was done.
export function act(action, alert) {
  const form = FORMS[action];
  if (!allowed(action)) {
    toast(`Your key does not allow this: it needs the scope ${SCOPES[action] || "alerts:write"}.`, true);
    return Promise.resolve(undefined);
  }
  let seen = alert;
  return dialog(form.title, [h("p", { class: "sub" }, alert.title), form.content(alert)], {
    action: form.button,
    submit: async (values, box) => {
      const sent = form.values ? form.values(values) : values;
      if (!sent.note) delete sent.note;
      try {
        const after = await post(`/v1/alerts/${one(alert.id)}/${action}`, { ...sent, revision: seen.revision });
        if (after.status === "pending") {
          toast("No worker has answered yet. The command waits in Kafka, and is applied when one does.");
          return { ...seen };
        }
        toast(form.done);
        return after;
      } catch (problem) {
        if (problem.status !== 409) throw problem;
        const now = await get(`/v1/alerts/${one(alert.id)}`).catch(() => null);
        showChange(box, seen, now, problem);
        if (now) seen = now;
        return "stay";
      }
    },
  }).then((after) => (after === undefined && seen !== alert ? seen : after));
}

// "What changed" between the alert as it was shown and as it is.
function showChange(box, before, now, problem) {
  box.querySelector(".stale")?.remove();
  const history = (now?.history || []).filter((entry) => entry.revision > before.revision);
  const place = notice(
    "warn",
    h("p", { class: "strong" }, "This alert has changed since you saw it."),
    h("p", {}, problem.message),
    history.length > 0 && h("ul", {}, history.map((entry) => h("li", {}, entry.by, ": ", entry.action, " ", when(entry.at), entry.note && ` (“${entry.note}”)`))),
    now && h("p", {}, statusBadge(before.status), " → ", statusBadge(now.status), now.assignee !== before.assignee && [" ", badge(`assigned to ${now.assignee || "nobody"}`)]),
    h("p", { class: "sub" }, "Submit again to do it on the alert as it is now."),
  );
  place.classList.add("stale");
  place.setAttribute("role", "alert");
  box.querySelector("footer").before(place);
}

// The same for several; answers the ids that were done.
export function actOnAll(action, ids, rest) {
  const form = FORMS[action];
  return dialog(`${form.title}: ${ids.length} alerts`, form.content(), {
    action: form.button,
    submit: async (values) => {
      const sent = form.values ? form.values(values) : values;
      for (const name of Object.keys(sent)) if (sent[name] === "" || (sent[name] === null && name !== "assignee")) delete sent[name];
      const answer = await post("/v1/alerts/bulk", { action, ids, ...sent, ...rest });
      const done = answer.items.filter((item) => item.status === "done");
      const others = answer.items.filter((item) => item.status !== "done");
      if (others.length) toast(`${done.length} of ${ids.length} done. ${others[0].detail || others[0].status}`, true);
      else toast(`${form.done} ${done.length} alerts.`);
      return done.map((item) => item.id);
    },
  });
}
