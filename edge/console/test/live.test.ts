import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { Live, LiveSlot } from "../src/api/schema.ts";
import { codesOf, filled, inFlightOf, latest, perSecond, refusalsOf, requestsOf, take } from "../src/live/slots.ts";
import { highest, roundUp, stacked, standing, sums } from "../src/part/path.ts";

const NOW = 1_790_000_003_000;
const SLOT = 5_000;
const OPEN = NOW - (NOW % SLOT);

function slot(at: number, served: number, more: Partial<LiveSlot> = {}): LiveSlot {
  const requests = { served, cut: 0, refused: 0, failed: 0, left: 0 };
  const tokens = { prompt: 10 * served, cached: 0, completion: served, thinking: 0 };
  return { at, requests, tokens, images: 0, image_steps: 0, gate_calls: 0, gate_rows: 0, failed_logins: 0, lapsed: 0, ...more };
}

function told(slots: LiveSlot[], more: Partial<Live> = {}): Live {
  const models = [{ model: "tiny", requests: slot(0, 1).requests, tokens: slot(0, 1).tokens, images: 0, image_steps: 0 }];
  return { now: NOW, slot_ms: SLOT, in_flight: 2, isolates: 1, origins: [], total: slot(0, 0), models, slots, ...more };
}

const served = (slots: LiveSlot[]) => slots.map((one) => one.requests.served);

test("what the edge writes is understood", () => {
  const file = new URL("../../../protocol/tests/golden/admin_live.json", import.meta.url);
  const golden = JSON.parse(readFileSync(file, "utf8")) as Live;
  const slots = filled(take(undefined, "hour", golden, true));
  assert.deepEqual(requestsOf(slots), golden.total.requests);
  assert.deepEqual(codesOf(slots), Object.entries(golden.total.refused ?? {}));
  const count = (limits: LiveSlot["refused_by"]) => (limits ?? []).reduce((all, limit) => all + limit.count, 0);
  assert.equal(count(refusalsOf(slots)), count(golden.total.refused_by));
});

test("a later slot takes the place of one that began at the same time", () => {
  const first = take(undefined, "5m", told([slot(OPEN - SLOT, 3), slot(OPEN, 1)]), true);
  const next = told([slot(OPEN, 4), slot(OPEN + SLOT, 2)], { now: NOW + SLOT });
  const known = take(first, "5m", next, false);
  assert.deepEqual(served([...known.slots.values()]), [3, 4, 2]);
  assert.deepEqual(served([...first.slots.values()]), [3, 1], "what was known is not changed");
});

test("what is whole takes the place of everything, and models are of what was whole", () => {
  const first = take(undefined, "5m", told([slot(OPEN - SLOT, 3)]), true);
  const next = take(first, "5m", told([slot(OPEN, 1)], { now: NOW + 1, models: [] }), false);
  assert.deepEqual([next.models.length, next.modelsAt], [1, NOW]);
  const whole = take(next, "5m", told([slot(OPEN, 5)], { now: NOW + 2, models: [] }), true);
  assert.deepEqual([served([...whole.slots.values()]), whole.models.length, whole.modelsAt], [[5], 0, NOW + 2]);
});

test("another span begins anew, but for what nobody tells again", () => {
  const first = take(undefined, "5m", told([slot(OPEN, 3)]), true);
  const other = take(first, "day", told([], { now: NOW + SLOT, slot_ms: 60_000, in_flight: 7 }), true);
  assert.equal(other.slots.size, 0);
  const flights = inFlightOf(other).filter(({ count }) => count !== null);
  assert.deepEqual(flights, [
    { at: OPEN, count: 2 },
    { at: OPEN + SLOT, count: 7 },
  ]);
});

test("what is older than the span is forgotten", () => {
  const first = take(undefined, "5m", told([slot(OPEN - 300_000, 9), slot(OPEN, 3)]), true);
  const later = take(first, "5m", told([], { now: NOW + 600_000 }), false);
  assert.deepEqual([later.slots.size, later.inFlight.size], [0, 1]);
});

test("slots in which nothing was counted are there with zeros, up to the one that is not over", () => {
  const known = take(undefined, "5m", told([slot(OPEN - 2 * SLOT, 3), slot(OPEN, 1)]), true);
  const slots = filled(known);
  assert.deepEqual([slots.length, slots[0]?.at, slots.at(-1)?.at], [60, OPEN - 59 * SLOT, OPEN]);
  assert.deepEqual(served(slots).slice(-4), [0, 3, 0, 1]);
  assert.deepEqual(slots[0]?.tokens, { prompt: 0, cached: 0, completion: 0, thinking: 0 });
  for (const [span, slotMs, count] of [
    ["hour", SLOT, 720],
    ["day", 60_000, 1440],
  ] as const) {
    assert.equal(filled(take(undefined, span, told([], { slot_ms: slotMs }), true)).length, count);
  }
});

test("a rate is of slots that are over", () => {
  const live = told([]);
  assert.equal(perSecond(50, slot(OPEN - SLOT, 0), live), 10);
  assert.equal(perSecond(50, slot(OPEN, 0), live), null);
  assert.equal(perSecond(90, slot(0, 0), told([], { slot_ms: 60_000 })), 1.5);
  assert.deepEqual([latest([1, 0, null]), latest([null]), latest([])], [0, null, null]);
});

test("what was counted is added up, and what was most comes first", () => {
  const limit = (plan: string, name: string, count: number) => ({ plan, limit: name, count });
  const slots = [
    slot(0, 2, { refused: { a: 1, b: 1 }, refused_by: [limit("team", "hour", 1), limit("team", "day", 1)] }),
    slot(5, 3, { refused: { b: 2 }, refused_by: [limit("team", "hour", 2), limit("other", "hour", 1)] }),
    slot(10, 0),
  ];
  assert.deepEqual(requestsOf(slots), { served: 5, cut: 0, refused: 0, failed: 0, left: 0 });
  assert.deepEqual(refusalsOf(slots), [limit("team", "hour", 3), limit("other", "hour", 1), limit("team", "day", 1)]);
  assert.deepEqual(codesOf(slots), [
    ["b", 3],
    ["a", 1],
  ]);
  assert.equal(slots[0]?.refused_by?.[0]?.count, 1, "what was told is not changed");
});

test("a chart's height is a round number that is not less", () => {
  const round = [0, 0.07, 1, 1.1, 2, 7, 9, 11, 13, 99, 100, 101, 248, 1_394.6].map(roundUp);
  assert.deepEqual(round, [1, 1, 1, 1.2, 2, 8, 10, 12, 15, 100, 100, 120, 300, 1_500]);
  assert.deepEqual([highest([[1, null], [3]]), highest([[]]), sums([[1, null], [2, 3]])], [3, 0, [3, 3]]);
});

test("few slots are bars that stand on each other, and what is nothing is not drawn", () => {
  const [below, above, none] = stacked([[5, null], [5, 0], [0, 0]], 10);
  assert.deepEqual([below, above, none], ["M0.12 100V50H0.88V100Z", "M0.12 50V0H0.88V50Z", ""]);
  assert.equal(standing([null, 10], 10), "M1.12 100V0H1.88V100Z");
});

test("many slots are one area, there and back", () => {
  const values = Array.from({ length: 121 }, (_, place) => (place === 1 ? 10 : 0));
  const path = standing(values, 10);
  assert.ok(path.startsWith("M0 100V100H1V0H2V100H3"), path);
  assert.ok(path.endsWith("V100H1V100H0Z"), path);
  assert.equal(standing(values.map(() => null), 10), "");
});
