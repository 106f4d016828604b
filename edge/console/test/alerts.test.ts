import assert from "node:assert/strict";
import { test } from "node:test";
import { aboutOf, inWords, kindOf, openText } from "../src/alerts/incident.ts";
import type { AlertIncident, AlertRule } from "../src/api/schema.ts";
import { en } from "../src/text/en.ts";
import { zh } from "../src/text/zh.ts";

const incident = (facts: Record<string, string>, rule = "r"): AlertIncident => ({
  id: "1-1",
  rule,
  title: "title",
  text: "text",
  facts,
  since: 1,
});
const rule = (kind: AlertRule["kind"], name = "r"): AlertRule => ({
  name,
  kind,
  says: "",
  muted: false,
  send: [],
  unknown: [],
  is_full: false,
});
const KEY = { account: "a1", key: "key_1", count: "1200", within: "1h" };
const BUDGET = { account: "a1", plan: "p", budget: "b", percent: "80", until: "2026-01-01T00:00:00Z" };

test("facts say of which kind an incident is, whatever its rule says by now", () => {
  assert.equal(kindOf(incident(KEY), []), "key_refused");
  assert.equal(kindOf(incident(BUDGET), [rule("errors")]), "budget");
  assert.equal(kindOf(incident({ origin: "east" }), [rule("lapsed")]), "origin_down");
  assert.equal(kindOf(incident({ count: "3", requests: "9", within: "1m" }), []), "errors");
});

test("where they do not, its rule does, if it could be", () => {
  const counted = incident({ count: "3", within: "1m" });
  assert.equal(kindOf(counted, [rule("errors", "other"), rule("lapsed")]), "lapsed");
  assert.equal(kindOf(counted, [rule("failed_logins")]), "failed_logins");
  assert.equal(kindOf(incident({}), [rule("origin_down")]), "origin_down");
  for (const kind of ["origin_down", "budget", "key_refused", "errors"] as const) {
    assert.equal(kindOf(counted, [rule(kind)]), undefined, kind);
  }
  assert.equal(kindOf(incident({}), [rule("lapsed")]), undefined);
  assert.equal(kindOf(counted, []), undefined);
});

test("what it is about stands in one order, and whoever has no key is told once", () => {
  assert.deepEqual(aboutOf(KEY), [
    ["account", "a1"],
    ["key", "key_1"],
  ]);
  assert.deepEqual(aboutOf({ key: "ip:203.0.113.7", account: "ip:203.0.113.7" }), [["account", "ip:203.0.113.7"]]);
  assert.deepEqual(
    aboutOf(BUDGET).map(([name]) => name),
    ["account", "plan", "budget", "until"],
  );
  assert.deepEqual(aboutOf({ count: "1" }), []);
});

test("each kind has its sentence, and one that lacks a fact has none", () => {
  assert.equal(inWords(en.alerts.happened.key_refused, KEY, "en"), "Refused 1,200 times within 1h");
  assert.equal(inWords(zh.alerts.happened.budget, BUDGET, "zh"), "已用 80%");
  assert.equal(inWords(en.alerts.happened.origin_down, {}, "en"), "Takes no requests");
  assert.equal(inWords(en.alerts.happened.errors, KEY, "en"), undefined);
  assert.equal(inWords("{toString}", {}, "en"), undefined);
});

test("names in facts are taken as they are", () => {
  assert.equal(inWords("{count} of {within}", { count: "{within}", within: "<b>$&" }, "en"), "{within} of <b>$&");
  assert.equal(inWords("{count}", { count: "9".repeat(30) }, "en"), "9".repeat(30));
});

test("how many are open, if any is", () => {
  assert.equal(openText(0, en.alerts.some, "en"), undefined);
  assert.equal(openText(1, en.alerts.some, "en"), "1 incident is open");
  assert.equal(openText(1200, en.alerts.some, "en"), "1,200 incidents are open");
});
