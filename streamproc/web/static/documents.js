// Documents that people write as text: read, checked, saved; errors at their lines.

import { listAll, post, session } from "./api.js";
import { editor, hasLine, lineOf, problemList } from "./editor.js";
import { failure, field, fill, h, notice } from "./ui.js";

const ANSWERED = ["revision", "updated_at", "updated_by", "status", "problem", "managed", "last_triggered_at", "open_alerts", "kind", "tenant_id"];

// A document without what only answers have.
export function bare(document) {
  const { id, name, description, ...rest } = document;
  const ordered = { id, name, description, ...rest };
  return Object.fromEntries(Object.entries(ordered).filter(([field_, value]) => !ANSWERED.includes(field_) && value !== null && value !== undefined));
}

export async function asText(document) {
  return (await post("/dashboard/write", { document })).text;
}

export async function fromText(text) {
  return post("/dashboard/read", { text });
}

// For operators: whose a new thing is. `every`: also "*".
export function tenantInput(every, label = "Tenant", changed = undefined) {
  if (!session.who.operator) return null;
  const known = h("datalist", { id: "known-tenants" });
  listAll("/v1/plans", { tenant_id: undefined }).then(
    (found) => fill(known, [...(every ? ["*"] : []), ...found.map((one) => one.tenant_id).filter((one) => one !== "*")].map((name) => h("option", { value: name }))),
    () => {},
  );
  const input = h("input", { name: "tenant_id", value: session.tenant, list: "known-tenants", autocomplete: "off", spellcheck: "false", onchange: () => changed?.() });
  const element = h("div", {}, field(label, input, every ? "Whose it is; * is every tenant." : null), known);
  return { element, get value() { return input.value.trim(); } };
}

// An editor that reads its text as one writes. `check(document)` answers [{path, message, level}], and may be absent;
// `told(state)` hears {document, errors, findings} after each reading.
export function documentEditor({ text, label, check, told, readonly, rows }) {
  const verdict = h("p", { class: "verdict", role: "status" });
  const problems = h("div", {});
  let turn = 0;
  let waiting = null;
  const state = { document: null, lines: {}, valid: false, dirty: false };
  const box = editor({
    text,
    label,
    readonly,
    rows: rows || Math.min(30, Math.max(12, text.split("\n").length + 3)),
    changed() {
      state.dirty = true;
      clearTimeout(waiting);
      waiting = setTimeout(read, 260);
    },
  });

  function show(found) {
    const marked = found.map((one) => ({ ...one, line: one.line ?? lineOf(state.lines, one.path), inline: one.path && !hasLine(state.lines, one.path) ? `${one.path} ${one.message}` : one.message })).sort((a, b) => a.line - b.line);
    box.mark(marked);
    fill(problems, marked.length > 0 && problemList(marked, box));
    const wrong = marked.filter((one) => one.level === "error" && !one.finding).length;
    const text = wrong ? `${wrong} ${wrong === 1 ? "error" : "errors"}` : marked.length ? `Valid, with ${marked.length} ${marked.length === 1 ? "remark" : "remarks"}` : check ? "Valid" : "Reads well";
    fill(verdict, h("span", { class: ["badge", wrong ? "bad" : marked.length ? "warn" : "good"] }, text));
  }

  async function read() {
    clearTimeout(waiting);
    const own = ++turn;
    try {
      const found = await fromText(box.text);
      if (own !== turn) return state;
      if (found.error) {
        Object.assign(state, { document: null, valid: false });
        show([{ ...found.error, path: "", level: "error" }]);
      } else {
        Object.assign(state, { document: found.document, lines: found.lines });
        const said = check ? await check(found.document) : [];
        if (own !== turn) return state;
        state.valid = !said.some((one) => one.level === "error" && !one.finding);
        show(said);
      }
      told?.(state);
    } catch (problem) {
      if (own !== turn) return state;
      if (problem.errors === undefined) console.error(problem);
      fill(problems, failure(problem));
    }
    return state;
  }

  return {
    element: h("div", {}, box.element, h("div", { class: "spaced" }, verdict), problems),
    box,
    state,
    read,
    // What a server refused, at the lines of its paths.
    refused(problem) {
      if (!problem.errors?.length) {
        fill(problems, failure(problem));
        return;
      }
      state.valid = false;
      show(problem.errors.map((one) => ({ ...one, level: "error" })));
      box.goTo(lineOf(state.lines, problem.errors[0].path));
    },
  };
}

// 409 or 412: somebody else changed it. Answers an element that says what.
export function overtaken(problem, reload) {
  const changed = problem.document?.changed || [];
  return notice(
    "warn",
    h("p", { class: "strong" }, "Somebody changed this since you opened it; nothing was saved."),
    h("p", {}, problem.message),
    changed.length > 0 && h("ul", {}, changed.map((one) => h("li", {}, `Revision ${one.revision} by ${one.by}: ${(one.changes || []).map((change) => change.path).join(", ") || "it"}`))),
    h("p", {}, h("button", { type: "button", class: "small", onclick: reload }, "Load what is there now")),
  );
}

