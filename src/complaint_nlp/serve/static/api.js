// Asking the server. A key, where it demands one, lives as long as this tab and is sent to this server alone.

import { $, problem } from "./dom.js";
import { number, setup, t, word } from "./texts.js";

const KEY = "desk.key";
let asking = null;

/** What is refused: `words` says it in the language of the moment, `detail` are the server's own words. */
export class Refused extends Error {
  constructor(words, detail = "") {
    super(detail);
    this.words = words;
  }
}

const unreachable = () => new Refused(() => t("unreachable"));

function askForKey(wasWrong) {
  asking ??= new Promise((resolve) => {
    const dialog = $("key");
    $("key-value").value = "";
    $("key-wrong").hidden = !wasWrong;
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

/** Word a problem by its code; answers of proxies have but a status. */
export function wording({ code, limit }, status, seconds) {
  const known = code in setup.texts.en.problems ? code : (setup.codes[status] ?? (status < 500 ? "invalid_value" : "server_error"));
  return word("problems", known, { limit: number(limit ?? setup.max_chars), megabytes: number((limit ?? 0) / 1e6), seconds: number(seconds || 5) });
}

async function refusal(response) {
  const given = (await response.json().catch(() => null)) ?? {};
  const seconds = Number(response.headers.get("Retry-After"));
  return new Refused(() => wording(given, response.status, seconds), typeof given.detail === "string" ? given.detail : `HTTP ${response.status}`);
}

/** Return the answer to a request; throws `Refused` with a reason to show. */
export async function send(path, { body, type = "application/json", signal } = {}) {
  for (;;) {
    const key = sessionStorage.getItem(KEY);
    let response;
    try {
      response = await fetch(path, { method: body === undefined ? "GET" : "POST", body, signal, credentials: "same-origin",
        headers: { "Content-Type": type, ...(key ? { "X-API-Key": key } : {}) } });
    } catch (error) {
      throw error.name === "AbortError" ? error : unreachable();
    }
    if (response.ok) return response;
    if (response.status !== 401) throw await refusal(response);
    // meanwhile another request may have asked for a key
    if (key !== sessionStorage.getItem(KEY)) continue;
    sessionStorage.removeItem(KEY);
    if (!(await askForKey(Boolean(key)))) throw new Refused(() => t("key_left"));
  }
}

// half a surrogate pair cannot be sent; browsers that know how repair it
const whole = (name, value) => (typeof value === "string" && value.toWellFormed ? value.toWellFormed() : value);

export async function post(path, content, signal) {
  const response = await send(path, { body: JSON.stringify(content, whole), signal });
  try {
    return await response.json();
  } catch (error) {
    throw error.name === "AbortError" ? error : unreachable(); // the answer was cut off
  }
}

/** Yield the objects of an NDJSON answer as they arrive, up to where it was cut off. */
export async function* lines(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    let read;
    try {
      read = await reader.read();
    } catch (error) {
      if (error.name === "AbortError") throw error;
      return;
    }
    if (read.done) return;
    const parts = (rest + read.value).split("\n");
    rest = parts.pop();
    for (const part of parts) if (part) yield JSON.parse(part);
  }
}

/** Show what was refused, or went wrong in the page. */
export function complain(error) {
  if (error instanceof Refused) return problem(error.words, error.message);
  console.error(error);
  return problem(() => t("failed"));
}

/** Run something; show what is refused. Returns undefined then. */
export async function attempt(work) {
  try {
    const result = await work();
    problem(null);
    return result;
  } catch (error) {
    if (error.name !== "AbortError") complain(error);
    return undefined;
  }
}
