import assert from "node:assert/strict";
import { test } from "node:test";
import { around, diff } from "../src/plan/diff.ts";
import { placeOf, placeOfMessage } from "../src/plan/place.ts";
import { at, limitInWords, parse, planNames, pretty, put, written } from "../src/plan/table.ts";

const TABLE = {
  plans: {
    "a-b": { lease: "1s", limits: [{ name: "w", kind: "window", limit: 1, window: "1h" }, { kind: "bucket" }] },
    c: { limits: [] },
  },
  costs: [{ request: 1 }],
};
const TEXT = pretty(TABLE);
const shown = (path: string, text = TEXT) => {
  const place = placeOf(text, path);
  return place && text.slice(place.start, place.end);
};

test("a path is found where its member stands", () => {
  assert.equal(shown("plans.a-b.lease"), '"lease": "1s"');
  assert.equal(shown("plans.a-b.limits[0].window"), '"window": "1h"');
  assert.equal(shown("costs[0].request"), '"request": 1');
  assert.equal(placeOf(TEXT, "plans.a-b.lease")?.line, 4);
  assert.equal(shown("plans.c"), '"c": {\n      "limits": []\n    }');
});

test("what is missing is shown by what is around it", () => {
  assert.equal(shown("plans.a-b.limits[1].name"), '{\n          "kind": "bucket"\n        }');
  assert.equal(shown("plans.none"), shown("plans"));
  assert.equal(shown("anonymous"), "{");
  assert.equal(shown("(table)"), "{");
  assert.equal(placeOf("", "plans"), null);
});

test("names with letters of JSON's own, and texts that stop being JSON", () => {
  assert.equal(shown('plans.a"b\\', '{"plans": {"a\\"b\\\\": 1}}'), '"a\\"b\\\\": 1');
  assert.equal(shown("plans.a", '{"plans": {"a": 1, oops'), '"a": 1');
  for (const text of ['{"a', '{"a": "\\', "[1, 2", '{"a":', "{,}", "\\"]) assert.doesNotThrow(() => placeOf(text, "a"));
});

test("a line and a column are a place", () => {
  assert.deepEqual(placeOfMessage("ab\ncd\nef", "not JSON: expected `,` at line 2 column 2"), {
    start: 4,
    end: 5,
    line: 2,
  });
  assert.equal(placeOfMessage("ab", "must be a number"), null);
});

test("members are put and taken out, and all others stay as they stand", () => {
  const changed = put(TABLE, ["plans", "a-b", "limits", 0, "limit"], 7);
  assert.equal(at(changed, ["plans", "a-b", "limits", 0, "limit"]), 7);
  assert.equal(pretty(changed).replace('"limit": 7', '"limit": 1'), TEXT);
  assert.deepEqual(at(put(TABLE, ["plans", "a-b", "limits", 0], undefined), ["plans", "a-b", "limits"]), [
    { kind: "bucket" },
  ]);
  assert.deepEqual(planNames(put(TABLE, ["plans", "c"], undefined)), ["a-b"]);
  assert.deepEqual(planNames(put(TABLE, ["plans", "new"], { limits: [] })), ["a-b", "c", "new"]);
  assert.deepEqual(put(undefined, ["a", 0], true), { a: [true] });
  assert.equal(at(TABLE, ["plans", "toString"]), undefined);
  assert.deepEqual([planNames(null), planNames([]), planNames({ plans: 1 })], [[], [], []]);
});

test("paths are written as the API names them", () => {
  assert.equal(written(["plans", "a-b", "limits", 2, "window"]), "plans.a-b.limits[2].window");
});

test("a text that is no table says why", () => {
  assert.deepEqual(parse("{}"), { table: {} });
  assert.ok("problem" in parse("{"));
});

test("limits are told in a few words", () => {
  assert.equal(limitInWords({ kind: "window", limit: 60, window: "1m" }), "60 / 1m");
  assert.equal(limitInWords({ kind: "window", unit: "tokens", limit: 9, window: "1d" }), "9 tokens / 1d");
  assert.equal(limitInWords({ kind: "bucket", capacity: 10, refill: 2 }), "10 +2 / 1s");
  assert.equal(limitInWords({ kind: "parallel", limit: 4 }), "≤ 4");
});

const signs = (lines: ReturnType<typeof around>) =>
  lines.map((line) => (line === null ? "..." : { same: " ", added: "+", removed: "-" }[line.kind] + line.text));

test("a difference names what goes and what comes", () => {
  assert.deepEqual(signs(diff("a\nb\nc", "a\nx\nc\nd")), [" a", "-b", "+x", " c", "+d"]);
  assert.deepEqual(signs(diff("same", "same")), [" same"]);
  assert.deepEqual(signs(around(diff("1\n2\n3\n4\n5\n6\n7", "0\n1\n2\n3\n4\n5\n6\n8"), 1)), [
    "+0",
    " 1",
    "...",
    " 6",
    "-7",
    "+8",
  ]);
  assert.deepEqual(around(diff("a", "a"), 2), []);
});

test("a difference put back together is both texts, whatever they are", () => {
  let seed = 7;
  const random = (below: number) => (seed = (seed * 48271) % 2147483647) % below;
  for (let round = 0; round < 300; round += 1) {
    const text = () => Array.from({ length: random(12) + 1 }, () => "abc"[random(3)]).join("\n");
    const [before, after] = [text(), text()];
    const lines = diff(before, after);
    const side = (other: string) =>
      lines
        .filter(({ kind }) => kind !== other)
        .map((line) => line.text)
        .join("\n");
    assert.deepEqual([side("added"), side("removed")], [before, after]);
  }
  const [long, other] = [3000, 2999].map((length) => Array.from({ length }, (_, n) => `${length} ${n}`).join("\n"));
  assert.equal(diff(long as string, other as string).length, 5999);
});
