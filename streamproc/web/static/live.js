// One stream of alerts for the whole dashboard. While it is not open, those who listen are told to look for themselves
// every ten seconds.

import { session, ofTenant } from "./api.js";

const REFRESH_MS = 10_000;
const HEARD_MS = 30_000;
const MOST_HEARD = 500;
const listeners = new Set();
const heard = new Map(); // id → {alert, at}, the longest ago first
let source = null;
let timer = null;
export let state = "opening";

// {alert(record), reload(), state(word)}; answers what ends it.
export function listen(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

// What was heard of lately. An answer of the API may be older: by being on its way, or for coming from another of its processes.
export function recent() {
  const since = performance.now() - HEARD_MS;
  return [...heard.values()].filter((one) => one.at >= since).map((one) => one.alert);
}

function hear(alert) {
  heard.delete(alert.id);
  heard.set(alert.id, { alert, at: performance.now() });
  if (heard.size > MOST_HEARD) heard.delete(heard.keys().next().value);
  tell("alert", alert);
}

// Runs `work` once, `ms` after it was first asked for; what asks meanwhile is served by that. Its `cancel` forgets it.
export function gathered(work, ms) {
  let waiting = null;
  const ask = () => {
    waiting ||= setTimeout(() => {
      waiting = null;
      work();
    }, ms);
  };
  ask.cancel = () => {
    clearTimeout(waiting);
    waiting = null;
  };
  return ask;
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
  for (const name of ["hello", "reset"]) {
    source.addEventListener(name, () => {
      become("live");
      tell("reload"); // what came before it was open, or while it was away
    });
  }
  source.addEventListener("alert", (event) => {
    become("live");
    hear(JSON.parse(event.data));
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
  heard.clear(); // it may have been another tenant's
  clearInterval(timer);
}

addEventListener("offline", () => become("off"));
addEventListener("online", () => session.who && start());
