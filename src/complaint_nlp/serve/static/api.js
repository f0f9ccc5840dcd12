// Asking the server. A key, where it demands one, lives as long as this tab and is sent to this server alone.

import { $, problem, say } from "./dom.js";
import { t } from "./texts.js";

const KEY = "desk.key";
let asking = null;

export class Refused extends Error {}

function headers(type) {
  const key = sessionStorage.getItem(KEY);
  return { "Content-Type": type, ...(key ? { "X-API-Key": key } : {}) };
}

function askForKey() {
  asking ??= new Promise((resolve) => {
    const dialog = $("key");
    $("key-value").value = "";
    dialog.returnValue = "";
    dialog.addEventListener("close", () => {
      asking = null;
      const given = dialog.returnValue === "ok" ? $("key-value").value.trim() : "";
      $("key-value").value = "";
      if (given) sessionStorage.setItem(KEY, given);
      resolve(Boolean(given));
    }, { once: true });
    dialog.showModal();
  });
  return asking;
}

async function refusal(response) {
  if (response.status === 429 || response.status === 503 || response.status === 504) return t("busy");
  const lead = response.status === 413 ? t("too_large") : t("refused");
  try {
    const { detail, title } = await response.json();
    return `${lead} ${typeof detail === "string" ? detail : (title ?? response.status)}`;
  } catch {
    return `${lead} HTTP ${response.status}`;
  }
}

/** Return the answer to a request; throws `Refused` with a reason to show. */
export async function send(path, { body, type = "application/json", signal } = {}) {
  for (;;) {
    let response;
    try {
      response = await fetch(path, { method: body === undefined ? "GET" : "POST", body, signal, headers: headers(type), credentials: "same-origin" });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Refused(t("unreachable"));
    }
    if (response.ok) return response;
    if (response.status !== 401 && response.status !== 403) throw new Refused(await refusal(response));
    sessionStorage.removeItem(KEY);
    if (!(await askForKey())) throw new Refused(t("key_needed"));
  }
}

// half a surrogate pair cannot be sent; browsers that know how repair it
const whole = (name, value) => (typeof value === "string" && value.toWellFormed ? value.toWellFormed() : value);

export async function post(path, content, signal) {
  const response = await send(path, { body: JSON.stringify(content, whole), signal });
  return response.json();
}

/** Yield the objects of an NDJSON answer as they arrive. */
export async function* lines(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    rest += value ?? "";
    const parts = rest.split("\n");
    rest = done ? "" : parts.pop();
    for (const part of parts) if (part) yield JSON.parse(part);
    if (done) return;
  }
}

/** Run something; show what is refused. Returns undefined then. */
export async function attempt(work) {
  try {
    const result = await work();
    problem("");
    return result;
  } catch (error) {
    if (error.name === "AbortError") return undefined;
    if (!(error instanceof Refused)) console.error(error);
    problem(error instanceof Refused ? error.message : t("failed"));
    say(t("failed"));
    return undefined;
  }
}
