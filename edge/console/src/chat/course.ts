// One chat, from the request to its last event: what the playground shows of it at each moment.

import type { Api } from "../api/client.ts";
import { eventsOf } from "../api/events.ts";
import { Refused, asRefused, readRefusal } from "../api/refusal.ts";
import { type ChatRequest, type ChatUsage, bodyOf, readEvent } from "./events.ts";
import { type HeaderLimit, limitsOf, toldHeaders } from "./limits.ts";

/** How far it is. */
export interface Course {
  state: "idle" | "waiting" | "streaming" | "done" | "stopped" | "refused";
  text: string;
  thought: string;
  finish: string | null;
  status?: number;
  headers: Array<[string, string]>;
  limits: HeaderLimit[];
  usage?: ChatUsage;
  firstMs?: number;
  wholeMs?: number;
  refused?: Refused;
}

/** Before anything was sent. */
export const START: Course = { state: "idle", text: "", thought: "", finish: null, headers: [], limits: [] };

/** Sends a chat and shows each of its moments, until it is over or stopped. */
export async function chat(api: Api, request: ChatRequest, signal: AbortSignal, show: (course: Course) => void) {
  const begun = performance.now();
  let course: Course = { ...START, state: "waiting" };
  const move = (change: Partial<Course>) => {
    course = { ...course, ...change };
    show(course);
  };
  move({});
  try {
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify(bodyOf(request));
    const response = await api.send("/v1/chat/completions", { method: "POST", headers, body, signal });
    move({ status: response.status, headers: toldHeaders(response.headers), limits: limitsOf(response.headers) });
    if (!response.ok) throw readRefusal(response.status, response.headers, await response.text());
    move({ state: "streaming" });
    for await (const { data } of eventsOf(response)) {
      const event = readEvent(data);
      if (!event) continue;
      if (event.error) {
        const { message, code } = event.error;
        throw new Refused({ status: response.status, code: code ?? "error", message });
      }
      const isFirst = course.firstMs === undefined && event.text + event.thought !== "";
      move({
        text: course.text + event.text,
        thought: course.thought + event.thought,
        finish: event.finish ?? course.finish,
        ...(event.usage ? { usage: event.usage } : {}),
        ...(isFirst ? { firstMs: performance.now() - begun } : {}),
      });
    }
    move({ state: "done", wholeMs: performance.now() - begun });
  } catch (error) {
    if (signal.aborted) move({ state: "stopped", wholeMs: performance.now() - begun });
    else move({ state: "refused", refused: asRefused(error), wholeMs: performance.now() - begun });
  }
}
