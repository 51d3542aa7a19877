// One stream of alerts for the whole dashboard. While it is not open, those who listen are told to look for themselves
// every ten seconds.

import { session, ofTenant } from "./api.js";

const REFRESH_MS = 10_000;
const listeners = new Set();
let source = null;
let timer = null;
export let state = "off";

// {alert(record), reload(), state(word)}; answers what ends it.
export function listen(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function tell(name, ...values) {
  for (const one of [...listeners]) one[name]?.(...values);
}

function become(word) {
  if (state === word) return;
  state = word;
  tell("state", word);
}

export function start() {
  stop();
  if (!session.who) return;
  const query = new URLSearchParams(ofTenant()).toString();
  source = new EventSource(`/v1/stream${query ? `?${query}` : ""}`);
  let opened = false;
  source.addEventListener("hello", () => {
    if (opened) tell("reload"); // what came while it was away
    opened = true;
    become("live");
  });
  source.addEventListener("reset", () => {
    opened = true;
    become("live");
    tell("reload");
  });
  source.addEventListener("alert", (event) => {
    become("live");
    tell("alert", JSON.parse(event.data));
  });
  source.addEventListener("error", () => become(navigator.onLine ? "polling" : "off"));
  timer = setInterval(() => {
    if (state === "live" && source.readyState === EventSource.OPEN) return;
    if (!document.hidden) tell("reload");
    if (source.readyState === EventSource.CLOSED) start(); // it does not come back by itself after an error's answer
  }, REFRESH_MS);
}

export function stop() {
  source?.close();
  source = null;
  clearInterval(timer);
}

addEventListener("offline", () => become("off"));
addEventListener("online", () => session.who && start());
