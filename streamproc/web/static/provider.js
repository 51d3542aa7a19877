// Signing in with an identity provider: the link to it, what went wrong there, and coming back from it.

import { get } from "./api.js";
import { h } from "./ui.js";

const WHY = new Map([
  ["expired", "The sign-in took too long, or was begun in another window. Try again."],
  ["denied", "The identity provider did not let you in."],
  ["provider", "The identity provider did not answer as it should. Try again, or sign in with a key."],
  ["token", "What the identity provider sent does not hold. Whoever runs streamproc finds the reason in the log."],
  ["often", "There were too many sign-ins from your address. Wait a moment, then try again."],
  ["kafka", "The session could not be kept. Try again in a moment."],
]);
const LEFT = "left-for-provider";

// Why a sign-in came to nothing, as the address says; the address then leads to the alerts again.
export function whyNot() {
  const [path, query] = location.hash.slice(1).split("?");
  if (path !== "/sign-in") return "";
  history.replaceState(null, "", "#/alerts");
  return WHY.get(new URLSearchParams(query || "").get("error")) || "";
}

// The link to the provider, which leads back to the page that was asked for; nothing where there is none.
export async function providerLink() {
  const { oidc } = await get("/v1/sign-in");
  if (!oidc) return null;
  const next = encodeURIComponent(location.hash.slice(1) || "/alerts");
  return h("a", { class: "button primary", href: `${oidc.path}?next=${next}`, onclick: () => mark(true) }, `Sign in with ${oidc.name}`);
}

// Who is signed in. Straight from the provider, the process that answers may not have heard of the session yet.
export async function whoIsThere() {
  const waits = mark(false) ? [400, 1600] : [];
  for (;;) {
    try {
      return await get("/v1/session");
    } catch (problem) {
      if (problem.status !== 401 || !waits.length) throw problem;
      await new Promise((done) => setTimeout(done, waits.shift()));
    }
  }
}

// Whether somebody left for the provider from this window; then set anew.
function mark(left) {
  try {
    const before = sessionStorage.getItem(LEFT) !== null;
    if (left) sessionStorage.setItem(LEFT, "1");
    else sessionStorage.removeItem(LEFT);
    return before;
  } catch {
    return false; // then nothing is waited for
  }
}
