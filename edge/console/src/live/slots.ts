// What happens now, as the page knows it: what was told is put together, what was not told is filled in, and added up.

import type { Live, LiveLimit, LiveModel, LiveRequests, LiveSlot } from "../api/schema.ts";

/** Spans that can be looked at. */
export const SPANS = ["5m", "hour", "day"] as const;
export type Span = (typeof SPANS)[number];

/** What becomes of requests, in the order in which it is shown. */
export const OUTCOMES = ["served", "cut", "refused", "failed", "left"] as const;

/** What was told so far. */
export interface Known {
  span: Span;
  /** What was told last. */
  last: Live;
  /** Slots in which something was counted, by when they began. */
  slots: Map<number, LiveSlot>;
  /** By model, in all of the span; and when that was told. */
  models: LiveModel[];
  modelsAt: number;
  /** How many requests were in flight, by five seconds. Nobody tells how many there were before. */
  inFlight: Map<number, number>;
}

/** Takes what is told. `isWhole`: it is of all the span, and not only of what has changed. */
export function take(known: Known | undefined, span: Span, told: Live, isWhole: boolean): Known {
  const isSame = known?.span === span;
  const slots = new Map(isSame && !isWhole ? known.slots : []);
  for (const slot of told.slots) slots.set(slot.at, slot);
  const first = told.now - SPAN_MS[span] - told.slot_ms;
  for (const at of slots.keys()) if (at < first) slots.delete(at);
  const models = isWhole || !isSame ? told : { models: known.models, now: known.modelsAt };
  const inFlight = new Map(known?.inFlight);
  inFlight.set(begin(told.now, SHORT_MS), told.in_flight);
  for (const at of inFlight.keys()) if (at < told.now - SPAN_MS["5m"]) inFlight.delete(at);
  return { span, last: told, slots, models: models.models, modelsAt: models.now, inFlight };
}

/** All slots of the span up to the one that is not over, also those in which nothing was counted. */
export function filled({ span, last, slots }: Known): LiveSlot[] {
  return timesOf(last.now, SPAN_MS[span], last.slot_ms).map((at) => slots.get(at) ?? nothing(at));
}

/** How many requests were in flight in the last five minutes, as far as that is known. */
export function inFlightOf({ last, inFlight }: Known): Array<{ at: number; count: number | null }> {
  return timesOf(last.now, SPAN_MS["5m"], SHORT_MS).map((at) => ({ at, count: inFlight.get(at) ?? null }));
}

/** How many there were in each second of a slot. Of one that is not over nobody knows. */
export function perSecond(count: number, slot: LiveSlot, { now, slot_ms }: Live): number | null {
  return slot.at + slot_ms > now ? null : (count * 1000) / slot_ms;
}

/** The last that is known. */
export function latest(values: Array<number | null>): number | null {
  return values.findLast((value) => value !== null) ?? null;
}

/** Requests by what became of them, in all slots. */
export function requestsOf(slots: LiveSlot[]): LiveRequests {
  const all = { ...NONE };
  for (const { requests } of slots) for (const outcome of OUTCOMES) all[outcome] += requests[outcome];
  return all;
}

/** How often each limit refused, the most often first. */
export function refusalsOf(slots: LiveSlot[]): LiveLimit[] {
  const found = new Map<string, LiveLimit>();
  for (const { plan, limit, count } of slots.flatMap((slot) => slot.refused_by ?? [])) {
    const id = JSON.stringify([plan, limit]);
    found.set(id, { plan, limit, count: (found.get(id)?.count ?? 0) + count });
  }
  const named = (one: LiveLimit) => `${one.plan}\n${one.limit}`;
  return [...found.values()].sort((a, b) => b.count - a.count || (named(a) < named(b) ? -1 : 1));
}

/** How many requests were refused, by the refusal's code, the most first. */
export function codesOf(slots: LiveSlot[]): Array<[code: string, count: number]> {
  const found = new Map<string, number>();
  for (const [code, count] of slots.flatMap((slot) => Object.entries(slot.refused ?? {}))) {
    found.set(code, (found.get(code) ?? 0) + count);
  }
  return [...found].sort(([one, a], [other, b]) => b - a || (one < other ? -1 : 1));
}

function nothing(at: number): LiveSlot {
  const tokens = { prompt: 0, cached: 0, completion: 0, thinking: 0 };
  return { at, requests: NONE, tokens, images: 0, image_steps: 0, gate_calls: 0, gate_rows: 0, failed_logins: 0, lapsed: 0 };
}

// When slots begin: those of a span, up to now.
function timesOf(now: number, spanMs: number, slotMs: number): number[] {
  const length = spanMs / slotMs;
  return Array.from({ length }, (_, place) => begin(now, slotMs) - (length - 1 - place) * slotMs);
}

function begin(at: number, slotMs: number): number {
  return at - (at % slotMs);
}

const NONE: LiveRequests = { served: 0, cut: 0, refused: 0, failed: 0, left: 0 };
const SHORT_MS = 5_000;
const SPAN_MS: Record<Span, number> = { "5m": 300_000, hour: 3_600_000, day: 86_400_000 };
