// Users and their groups; users also from a CSV file, with what is wrong in each row.

import { ask, list, listAll, may, ofTenant, one, post, put, remove, session } from "./api.js";
import { tenantInput } from "./documents.js";
import { badge, button, card, checkbox, checks, confirm, dialog, doing, empty, fill, h, head, field, notice, pager, plural, table, tabs, toast } from "./ui.js";
import { when } from "./words.js";

const EXAMPLE = "ID,Name,Enable,Phone,SMS,Voice,Mailbox\ntest01,Kumer,true,86-13800138000,true,true,kumer@example.net\n";

export function show({ box, query }) {
  const write = may("config:write");
  const users = h("div", {});
  const groups = h("div", {});
  const tenantColumn = () => (session.who.operator && !session.tenant ? [{ title: "Tenant", cell: (item) => item.tenant_id }] : []);

  function drawUsers() {
    fill(users, card(null, { flush: true }, pager(
      (cursor) => list("/v1/users", { limit: 100, cursor }),
      (items) =>
        table(
          items,
          [
            { title: "User", lead: true, cell: (user) => [h("span", { class: "strong" }, user.name), h("span", { class: "sub" }, user.id)] },
            ...tenantColumn(),
            { title: "Mail", cell: (user) => user.email || h("span", { class: "muted" }, "none") },
            { title: "Phone", cell: (user) => (user.phone ? [user.phone, h("span", { class: "sub" }, [user.sms && "texts", user.voice && "calls"].filter(Boolean).join(", "))] : h("span", { class: "muted" }, "none")) },
            { title: "Roles", cell: (user) => (user.roles || ["member"]).join(", ") },
            { title: "Status", cell: (user) => [badge(user.enabled === false ? "disabled" : "enabled", user.enabled === false ? "warn" : "good"), user.quiet_hours && h("span", { class: "sub" }, `quiet ${user.quiet_hours.start}–${user.quiet_hours.end}`)] },
            { title: "", cell: (user) => write && h("div", { class: "actions" }, button("Edit", () => editUser(user), { small: true, "aria-label": `Edit ${user.name}` }), button("Delete", () => confirm(`Delete ${user.name}?`, "Nobody of this name is told any more.", "Delete", async () => {
              await remove(`/v1/users/${one(user.id)}`, ofTenant(user.tenant_id));
              toast("Deleted.");
              drawUsers();
            }), { small: true, kind: "danger", "aria-label": `Delete ${user.name}` })) },
          ],
          "Users",
        ),
      empty("No users yet", "Users are told by e-mail, text message or call. Many at once come from a CSV file.", { icon: "users" }, write && button("New user", () => editUser(null), { kind: "primary" })),
    )));
  }
  function drawGroups() {
    fill(groups, card(null, { flush: true }, pager(
      (cursor) => list("/v1/user-groups", { limit: 100, cursor }),
      (items) =>
        table(
          items,
          [
            { title: "Group", lead: true, cell: (group) => [h("span", { class: "strong" }, group.name), h("span", { class: "sub" }, group.id)] },
            ...tenantColumn(),
            { title: "Members", cell: (group) => ((group.members || []).length ? [plural(group.members.length, "member"), h("span", { class: "sub" }, group.members.slice(0, 8).join(", ") + (group.members.length > 8 ? ", …" : ""))] : h("span", { class: "muted" }, "nobody")) },
            { title: "Status", cell: (group) => badge(group.enabled === false ? "disabled" : "enabled", group.enabled === false ? "warn" : "good") },
            { title: "Last change", cell: (group) => when(group.updated_at) },
            { title: "", cell: (group) => write && h("div", { class: "actions" }, button("Edit", () => editGroup(group), { small: true, "aria-label": `Edit ${group.name}` }), button("Delete", () => confirm(`Delete ${group.name}?`, "Its members stay.", "Delete", async () => {
              await remove(`/v1/user-groups/${one(group.id)}`, ofTenant(group.tenant_id));
              toast("Deleted.");
              drawGroups();
            }), { small: true, kind: "danger", "aria-label": `Delete ${group.name}` })) },
          ],
          "Groups",
        ),
      empty("No groups yet", "A group of users is told together, by a policy's action group.", { icon: "users" }, write && button("New group", () => editGroup(null), { kind: "primary" })),
    )));
  }

  async function editUser(user) {
    const tenant = user ? null : tenantInput(false);
    const input = (name, value, more) => h("input", { name, value: value ?? "", ...more });
    const done = await dialog(
      user ? `Edit ${user.name}` : "New user",
      h(
        "div",
        { class: "form" },
        tenant?.element,
        h("div", { class: "form-row" }, field("Id", input("id", user?.id, { readonly: Boolean(user), spellcheck: "false" }), "5 to 60 letters, digits, _ - or ."), field("Name", input("name", user?.name, { maxlength: 20 }))),
        h("div", { class: "form-row" }, field("Mail", input("email", user?.email, { type: "email", inputmode: "email" })), field("Phone", input("phone", user?.phone, { placeholder: "86-13800138000", inputmode: "tel" }), "Country and number, with a dash between them.")),
        field("Roles", input("roles", (user?.roles || ["member"]).join(", ")), "With commas between them. Without recipients in a rule, mail goes to admin and owner."),
        h("div", {}, checkbox("sms", "May get text messages", user?.sms), checkbox("voice", "May be called", user?.voice), checkbox("enabled", "Enabled", user ? user.enabled !== false : true)),
      ),
      {
        submit: async (values) => {
          const roles = values.roles.split(",").map((one_) => one_.trim()).filter(Boolean);
          const document = { ...values, roles };
          delete document.tenant_id;
          if (user) return put(`/v1/users/${one(user.id)}`, { ...Object.fromEntries(Object.entries(user).filter(([name]) => ["quiet_hours", "language"].includes(name))), ...document, revision: user.revision }, ofTenant(user.tenant_id));
          return post("/v1/users", document, tenant ? ofTenant(tenant.value) : {});
        },
      },
    );
    if (done) {
      toast("Saved.");
      drawUsers();
    }
  }

  async function editGroup(group) {
    const tenant = group ? null : tenantInput(false);
    const known = await listAll("/v1/users", group ? ofTenant(group.tenant_id) : {}).catch(() => []);
    const members = group?.members || [];
    const options = [...known.map((user) => [user.id, `${user.name} (${user.id})`]), ...members.filter((id) => !known.some((user) => user.id === id)).map((id) => [id, `${id} (not there)`])];
    const done = await dialog(
      group ? `Edit ${group.name}` : "New group",
      h(
        "div",
        { class: "form" },
        tenant?.element,
        h("div", { class: "form-row" }, field("Id", h("input", { name: "id", value: group?.id ?? "", readonly: Boolean(group), spellcheck: "false" }), "5 to 60 letters, digits, _ - or ."), field("Name", h("input", { name: "name", value: group?.name ?? "", maxlength: 20 }))),
        h("fieldset", {}, h("legend", { class: "label" }, "Members"), options.length ? checks("members", options, members) : h("p", { class: "hint" }, "There are no users yet.")),
        checkbox("enabled", "Enabled", group ? group.enabled !== false : true),
      ),
      {
        submit: async (values) => {
          const document = { ...values, members: values.members || [] };
          delete document.tenant_id;
          if (group) return put(`/v1/user-groups/${one(group.id)}`, { ...document, revision: group.revision }, ofTenant(group.tenant_id));
          return post("/v1/user-groups", document, tenant ? ofTenant(tenant.value) : {});
        },
      },
    );
    if (done) {
      toast("Saved.");
      drawGroups();
    }
  }

  function importUsers() {
    const tenant = tenantInput(false);
    const text = h("textarea", { name: "csv", rows: 9, class: "mono", spellcheck: "false", placeholder: EXAMPLE });
    const file = h("input", { type: "file", accept: ".csv,text/csv", name: "file", onchange: async () => {
      if (file.files[0]) text.value = await file.files[0].text();
    } });
    const found = h("div", { "aria-live": "polite" });
    const send = (dry) => ask("POST", "/v1/users/import", { text: text.value, headers: { "Content-Type": "text/csv" }, query: { ...(tenant ? ofTenant(tenant.value) : {}), dry_run: dry } });
    async function check() {
      try {
        const answer = await send(true);
        fill(found, notice("good", h("p", { class: "strong" }, `The file is in order: ${plural(answer.users, "user")}`), h("p", {}, `${answer.created} new, ${answer.updated} changed, ${answer.unchanged} as they were.`)));
        return true;
      } catch (problem) {
        const lines = text.value.split(/\r?\n/);
        const rows = problem.errors.map((error) => ({ ...error, line: Number(/^line (\d+)/.exec(error.path)?.[1] || 0) }));
        const wrong = new Set(rows.map((row) => row.line)).size;
        fill(
          found,
          notice("bad", h("p", { class: "strong" }, rows.length ? `${plural(wrong, "row")} ${wrong === 1 ? "has" : "have"} errors; nothing was imported.` : problem.message)),
          rows.length > 0 && table(rows, [{ title: "Line", lead: true, cell: (row) => h("span", { class: "strong" }, row.line ? `Line ${row.line}` : "File") }, { title: "What is wrong", cell: (row) => row.message }, { title: "The row", cell: (row) => h("code", {}, lines[row.line - 1] || "") }], "Errors"),
        );
        return false;
      }
    }
    return dialog(
      "Import users from CSV",
      h(
        "div",
        { class: "form" },
        h("p", { class: "sub" }, "Columns: ID, Name, Enable, Phone, SMS, Voice, Mailbox. Users whom the file lacks stay as they are. One wrong row, and nothing is imported."),
        tenant?.element,
        field("File", file),
        field("Or its text", text),
        h("div", {}, button("Check only", (event) => doing(event.currentTarget, check))),
        found,
      ),
      {
        wide: true,
        action: "Import",
        submit: async () => {
          if (!(await check())) return "stay";
          const answer = await send(false);
          toast(`Imported: ${answer.created} new, ${answer.updated} changed.`);
          drawUsers();
          return true;
        },
      },
    );
  }

  box.append(
    head("Users and groups", {
      lead: "People who can be told, and groups of them, as policies name them.",
      actions: write ? [button("Import CSV", importUsers), button("New group", () => editGroup(null)), button("New user", () => editUser(null), { kind: "primary" })] : [],
    }),
    tabs("Users and groups", [["users", "Users", () => (drawUsers(), users)], ["groups", "Groups", () => (drawGroups(), groups)]], query.get("tab")),
  );
}
