// One call of the playground, from its request to its last event: what is shown of it at each moment.

import type { Api } from "../api/client.ts";
import { type ServerEvent, eventsOf } from "../api/events.ts";
import { Refused, asRefused, readRefusal } from "../api/refusal.ts";
import { type HeaderLimit, limitsOf, toldHeaders } from "./limits.ts";

/** How far it is, whatever is asked for. */
export interface Course {
  state: "idle" | "waiting" | "streaming" | "done" | "stopped" | "refused";
  status?: number;
  headers: Array<[string, string]>;
  limits: HeaderLimit[];
  /** From the request to the first thing that a person sees. */
  firstMs?: number;
  wholeMs?: number;
  refused?: Refused;
}

/** Before anything was sent. */
export const START: Course = { state: "idle", headers: [], limits: [] };

/** A call whose answer is a stream of events. */
export interface Call<C extends Course> {
  path: string;
  body: Record<string, unknown>;
  start: C;
  /** What an event, other than an error, changes. */
  read: (course: C, event: ServerEvent) => Partial<C>;
  /** What a comment changes. */
  note?: (course: C, comment: string) => Partial<C>;
  /** Whether there is something to be seen. */
  hasBegun: (course: C) => boolean;
}

/** Sends a call and shows each of its moments, until it is over or stopped. */
export async function follow<C extends Course>(
  api: Api,
  call: Call<C>,
  signal: AbortSignal,
  show: (course: C) => void,
): Promise<void> {
  const begun = performance.now();
  let course: C = { ...call.start, state: "waiting" };
  // What is said of any course, and what only this kind has.
  const move = (common: Partial<Course>, own?: Partial<C>) => {
    const next = { ...course, ...own, ...common };
    const isFirst = next.firstMs === undefined && call.hasBegun(next);
    course = isFirst ? { ...next, firstMs: performance.now() - begun } : next;
    show(course);
  };
  move({});
  try {
    const headers = { "content-type": "application/json" };
    const response = await api.send(call.path, { method: "POST", headers, body: JSON.stringify(call.body), signal });
    move({ status: response.status, headers: toldHeaders(response.headers), limits: limitsOf(response.headers) });
    if (!response.ok) throw readRefusal(response.status, response.headers, await response.text());
    move({ state: "streaming" });
    for await (const event of eventsOf(response, (comment) => move({}, call.note?.(course, comment)))) {
      const error = errorOf(event.data);
      if (error) throw new Refused({ status: response.status, ...error });
      move({}, call.read(course, event));
    }
    move({ state: "done", wholeMs: performance.now() - begun });
  } catch (error) {
    if (signal.aborted) move({ state: "stopped", wholeMs: performance.now() - begun });
    else move({ state: "refused", refused: asRefused(error), wholeMs: performance.now() - begun });
  }
}

// What an event says that ends a stream before its end.
function errorOf(data: string): { message: string; code: string } | null {
  // Pictures are long, and one is no error.
  if (!data.startsWith("{") || !data.includes('"error"')) return null;
  const { error } = JSON.parse(data) as { error?: { message?: string; code?: string | null } | null };
  return error ? { message: error.message ?? "", code: error.code ?? "error" } : null;
}
