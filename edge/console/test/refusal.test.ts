import assert from "node:assert/strict";
import { test } from "node:test";
import { Refused, asRefused, fieldOf, mistakesOf, readRefusal, refusedLimits, untold } from "../src/api/refusal.ts";

const error = (message: string, code = "invalid_request", param: string | null = null) =>
  JSON.stringify({ error: { message, type: "invalid_request_error", param, code } });
const refused = (message: string, param: string | null = null, code = "invalid_request") =>
  readRefusal(400, new Headers(), error(message, code, param));
const TABLE = "The table has mistakes, and the old one stays: ";

test("a refusal is read with its wait and its request", () => {
  const headers = new Headers({ "retry-after-ms": "4210", "retry-after": "5", "x-request-id": "req_1" });
  const found = readRefusal(429, headers, error("Over the limit.", "rate_limit_exceeded", "model"));
  assert.deepEqual(
    [found.status, found.code, found.message, found.param, found.retryAfterMs, found.requestId],
    [429, "rate_limit_exceeded", "Over the limit.", "model", 4210, "req_1"],
  );
  assert.equal(readRefusal(503, new Headers({ "retry-after": "2" }), error("x")).retryAfterMs, 2000);
});

test("an answer that is no refusal of ours is told all the same", () => {
  for (const text of ["<html>bad gateway", "", "null", '{"error":"text"}', '{"error":{"code":7}}']) {
    const found = readRefusal(502, new Headers({ "retry-after": "soon" }), text);
    assert.deepEqual([found.code, found.message, found.retryAfterMs], ["http_502", text, null]);
  }
  assert.equal(readRefusal(500, new Headers(), "x".repeat(9999)).message.length, 500);
});

test("whatever is thrown is a refusal", () => {
  const known = refused("x");
  assert.equal(asRefused(known), known);
  assert.deepEqual([asRefused(new TypeError("fetch failed")).code, asRefused("x").message], ["unreachable", "x"]);
  assert.ok(asRefused(null) instanceof Refused);
});

test("each mistake of a table has its place", () => {
  const message = `${TABLE}plans.a.lease: must be 5s to 2h; plans.a.limits[0].limit: must be at least 1; plans.B: is no \
name; (table): has no member \`colour\`; anonymous: must name a plan of this table; costs[0]: needs at least one of \
request, prompt_token; alerts[0].when: has \`for\`, which \`errors\` does not take; alerts[1].name: \
stands twice; and 3 more`;
  assert.deepEqual(mistakesOf(refused(message)), [
    { at: "plans.a.lease", problem: "must be 5s to 2h" },
    { at: "plans.a.limits[0].limit", problem: "must be at least 1" },
    { at: "plans.B", problem: "is no name" },
    { at: "(table)", problem: "has no member `colour`" },
    { at: "anonymous", problem: "must name a plan of this table" },
    { at: "costs[0]", problem: "needs at least one of request, prompt_token" },
    { at: "alerts[0].when", problem: "has `for`, which `errors` does not take" },
    { at: "alerts[1].name", problem: "stands twice" },
  ]);
  assert.equal(untold(refused(message)), 3);
});

test("a table that is only tried has its mistakes at the same places", () => {
  const message = "The table has mistakes: plans.a.lease: must be 5s to 2h; anonymous: must name a plan of this table";
  assert.deepEqual(mistakesOf(refused(message)), [
    { at: "plans.a.lease", problem: "must be 5s to 2h" },
    { at: "anonymous", problem: "must name a plan of this table" },
  ]);
  assert.deepEqual(mistakesOf(refused("The table has mistakes of another sort: a: b")), []);
});

test("a semicolon inside of a mistake parts nothing", () => {
  const message = `${TABLE}(table): not JSON: expected value; somewhere at line 3 column 5`;
  assert.deepEqual(mistakesOf(refused(message)), [
    { at: "(table)", problem: "not JSON: expected value; somewhere at line 3 column 5" },
  ]);
});

test("a plan that is in use is a mistake at its place", () => {
  const found = mistakesOf(refused("The table has no plan `a`, which key_1 names; the old table stays.", "plans.a"));
  assert.deepEqual(
    found.map(({ at }) => at),
    ["plans.a"],
  );
  for (const [message, param] of [
    ["It has changed meanwhile.", null],
    ["No.", "model"],
  ] as const) {
    assert.deepEqual(mistakesOf(refused(message, param)), []);
  }
});

test("a parameter names the field that it is in", () => {
  assert.deepEqual(["overrides.minute", "scopes[1]", "plan", null].map(fieldOf), ["overrides", "scopes", "plan", null]);
});

test("a refusal by limits names them", () => {
  const message =
    "Over the limit of this key's account (`minute`: 60 requests in 60 s; `tokens`: 20 in 1 s). Retry in 2 s.";
  assert.deepEqual(refusedLimits(refused(message, null, "rate_limit_exceeded")), ["minute", "tokens"]);
  assert.deepEqual(refusedLimits(refused(message, null, "model_not_found")), []);
  const budget = "Over the limit of this key's account (`money`: a budget of 0.05 USD a month of this account, this \
request needs 0.01 USD and 0.00 USD are left). Retry in 3 days.";
  for (const code of ["budget_exceeded", "insufficient_credits"]) {
    assert.deepEqual(refusedLimits(refused(budget, null, code)), ["money"]);
  }
});
