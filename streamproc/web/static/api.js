// Talking to the API: the session's cookie goes along by itself, its CSRF token is sent with every change, and what is
// refused becomes a Problem that says why.

export class Problem extends Error {
  constructor(status, document) {
    super(document.detail || document.title || `The server answered ${status}.`);
    this.status = status;
    this.document = document;
    this.errors = document.errors || [];
  }

  // The route is not there, as opposed to the thing that was asked for.
  get missingRoute() {
    return this.status === 405 || (this.status === 404 && this.message === "there is nothing at this address");
  }
}

export const session = {
  who: null, // the answer of /v1/session
  tenant: "", // which tenant an operator looks at; "" is all of them
  onExpired: () => {},
};

export function may(scope) {
  const scopes = session.who?.scopes || [];
  return scopes.includes("admin") || scopes.includes(scope);
}

function address(path, query) {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query || {})) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== "") parameters.append(name, one);
    }
  }
  const text = parameters.toString();
  return text ? `${path}?${text}` : path;
}

async function problemOf(response) {
  let document = {};
  try {
    document = await response.json();
  } catch {
    // an intermediary answered in its own words
  }
  return new Problem(response.status, document);
}

export async function ask(method, path, { query, body, text, headers } = {}) {
  const sent = { Accept: "application/json", ...headers };
  let content;
  if (body !== undefined) {
    sent["Content-Type"] = "application/json";
    content = JSON.stringify(body);
  } else if (text !== undefined) {
    content = text;
  }
  if (method !== "GET" && session.who?.csrf_token) sent["X-CSRF-Token"] = session.who.csrf_token;
  let response;
  try {
    response = await fetch(address(path, query), { method, headers: sent, body: content, credentials: "same-origin" });
  } catch {
    throw new Problem(0, { detail: "The server cannot be reached. Is it running, and are you online?" });
  }
  if (!response.ok) {
    const problem = await problemOf(response);
    if (problem.status === 401 && session.who && path !== "/v1/session") session.onExpired();
    throw problem;
  }
  if (response.status === 204) return null;
  return response.json();
}

export const get = (path, query) => ask("GET", path, { query });
export const post = (path, body = {}, query) => ask("POST", path, { body, query });
export const put = (path, body, query) => ask("PUT", path, { body, query });
export const patch = (path, body, query) => ask("PATCH", path, { body, query });
export const remove = (path, query) => ask("DELETE", path, { query });

// Lists: whose, for operators who have chosen a tenant.
export function list(path, query = {}) {
  return get(path, { ...ofTenant(), ...query });
}

export async function listAll(path, query = {}, most = 2000) {
  const items = [];
  let cursor;
  do {
    const page = await list(path, { limit: 500, ...query, cursor });
    items.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor && items.length < most);
  return items;
}

// The parameter that operators' keys need, and other keys must not have.
export function ofTenant(tenant = session.tenant) {
  return session.who?.operator && tenant ? { tenant_id: tenant } : {};
}

export const one = (id) => encodeURIComponent(id);
