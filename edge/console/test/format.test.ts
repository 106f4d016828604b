import assert from "node:assert/strict";
import { test } from "node:test";
import {
  asLines,
  asLocal,
  bytes,
  clock,
  count,
  decimal,
  distance,
  fill,
  pairs,
  share,
  span,
  words,
} from "../src/format.ts";

test("lengths of time are written as the API writes them", () => {
  for (const [ms, text] of [
    [0, "0ms"],
    [999.4, "999ms"],
    [1500, "1.5s"],
    [59_999, "60s"],
    [60_000, "1m"],
    [125_000, "2m 5s"],
    [12_000_000, "3h 20m"],
    [3_600_000, "1h"],
    [31 * 86_400_000, "31d"],
  ] as const) {
    assert.equal(span(ms), text);
  }
});

test("numbers and distances are those of the language", () => {
  assert.equal(count(1234567, "en"), "1,234,567");
  assert.deepEqual([1234.56, 0.016, 0].map((value) => decimal(value, "en")), ["1,234.6", "0.02", "0"]);
  const moment = new Date(2026, 10, 30, 1, 2, 3).getTime();
  assert.deepEqual([clock("en", true)(moment), clock("zh", false)(moment)], ["01:02:03", "01:02"]);
  const now = Date.UTC(2026, 0, 31);
  assert.match(distance(now - 90 * 60_000, now, "en"), /1 h/);
  assert.match(distance(now + 3 * 86_400_000, now, "zh"), /3/);
  assert.equal(bytes(0, "en"), "0 B");
  assert.equal(bytes(1536, "en"), "1.5 KiB");
  assert.equal(bytes(64 * 1024 * 1024, "en"), "64 MiB");
});

test("a share lies between nothing and all, also of nothing", () => {
  assert.deepEqual([share(1, 4), share(9, 4), share(0, 0), share(1, 0), share(-1, 4)], [0.25, 1, 0, 1, 0]);
});

test("what is filled in is not looked at again", () => {
  assert.equal(fill("{a} {b} {c}", { a: "{b}", b: 2 }), "{b} 2 {c}");
});

test("lists may be written in any way", () => {
  assert.deepEqual(words(" a, b\n\nc,,d "), ["a", "b", "c", "d"]);
  assert.deepEqual(words(""), []);
});

test("lines of names and values are read, and what is none is named", () => {
  assert.deepEqual(pairs(" minute = 120\n\nurl=a=b "), { pairs: { minute: "120", url: "a=b" } });
  for (const wrong of ["minute", "= 1"]) assert.deepEqual(pairs(`a = 1\n${wrong}`), { wrong });
  // A name that every object has is a name like others.
  assert.deepEqual(Object.entries("pairs" in pairs("__proto__ = x") ? (pairs("__proto__ = x") as any).pairs : {}), [
    ["__proto__", "x"],
  ]);
  assert.equal(asLines({ a: 1, b: "x" }), "a = 1\nb = x");
});

test("a moment survives the way through its input", () => {
  const at = new Date(2026, 10, 30, 1, 2).getTime();
  assert.equal(new Date(asLocal(at)).getTime(), at);
});
