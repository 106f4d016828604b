// What happens now, told again and again: one stream after the other, each going on where the one before ended.

import type { Api } from "../api/client.ts";
import { eventsOf } from "../api/events.ts";
import { Refused, asRefused } from "../api/refusal.ts";
import type { Live } from "../api/schema.ts";
import type { Span } from "./slots.ts";

/** How far it was followed. Times are the edge's. */
export interface Place {
  /** When something was told last. */
  since: number | undefined;
  /** When all of the span was. */
  wholeAt: number;
}

/** Whoever wants to hear. */
export interface Listener {
  /** `isWhole`: it is of all the span, and not only of what has changed. */
  heard: (told: Live, isWhole: boolean) => void;
  /** Nothing comes at the moment. It is asked again all the same. */
  lost: (refused: Refused) => void;
}

/** How long is waited for what, in milliseconds. */
export const PATIENCE = {
  /** For the next event: they come every two seconds. */
  event: 15_000,
  /** Before it is asked again; twice as long after each failure, up to the longest. */
  again: 1_000,
  longest: 30_000,
};

/** Follows until it is stopped. */
export async function follow(
  api: Pick<Api, "open" | "ask">,
  span: Span,
  place: Place,
  signal: AbortSignal,
  listener: Listener,
  patience: typeof PATIENCE = PATIENCE,
): Promise<void> {
  let failures = 0;
  while (!signal.aborted) {
    const { since } = place;
    let hasTold = false;
    let wait = 0;
    try {
      const query = { span, ...(since === undefined ? {} : { since }) };
      for await (const told of views(api, query, signal, patience.event)) {
        const isWhole = since === undefined && !hasTold;
        listener.heard(told, isWhole);
        hasTold = true;
        failures = 0;
        place.since = told.now;
        if (isWhole) place.wholeAt = told.now;
        else if (told.now - place.wholeAt >= WHOLE_MS[span]) {
          // What is told by model is of all that one answer tells, so now and then all of it is asked for. If nobody
          // answers, the next time comes.
          place.wholeAt = told.now;
          const asked = api.ask("GET /admin/v1/live", { query: { span }, signal }).catch(() => undefined);
          const whole = await Promise.race([asked, pause(patience.event, signal)]);
          if (whole && !signal.aborted) listener.heard(whole.body, true);
        }
      }
      if (!hasTold) throw silent();
    } catch (error) {
      if (signal.aborted) return;
      const refused = asRefused(error);
      // One that breaks is asked again before anybody is told that it does.
      if (!hasTold || refused.code === SILENT) listener.lost(refused);
      wait = refused.retryAfterMs ?? 0;
      failures += 1;
    }
    await pause(Math.max(wait, Math.min(patience.again * 2 ** Math.max(failures - 1, 0), patience.longest)), signal);
  }
}

// One stream. It is left when nothing has come for too long.
async function* views(
  api: Pick<Api, "open">,
  query: { span: Span; since?: number },
  signal: AbortSignal,
  patienceMs: number,
): AsyncGenerator<Live> {
  const stop = new AbortController();
  const leave = () => stop.abort();
  signal.addEventListener("abort", leave);
  let timer = setTimeout(leave, patienceMs);
  try {
    const response = await api.open("GET /admin/v1/live/stream", { query, signal: stop.signal });
    for await (const { event, data } of eventsOf(response)) {
      if (event !== "live") continue;
      clearTimeout(timer);
      yield JSON.parse(data) as Live;
      timer = setTimeout(leave, patienceMs);
    }
  } catch (error) {
    throw stop.signal.aborted ? silent() : error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", leave);
    leave();
  }
}

function silent(): Refused {
  return new Refused({ status: 0, code: SILENT, message: "" });
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
  });
}

/** The code of a stream that tells nothing. */
const SILENT = "silent";
/** How often all of a span is asked for; a longer one is more to tell, and changes less. */
const WHOLE_MS: Record<Span, number> = { "5m": 15_000, hour: 60_000, day: 300_000 };
