import assert from "node:assert/strict";
import { test } from "node:test";
import { asCurl, asPython, bodyOf, readEvent } from "../src/chat/events.ts";
import { limitsOf, toldHeaders } from "../src/chat/limits.ts";

test("an event tells text, thought, usage or an error", () => {
  const told = readEvent('{"choices":[{"delta":{"content":"hi","reasoning_content":"hm"},"finish_reason":"stop"}]}');
  assert.deepEqual([told?.text, told?.thought, told?.finish, told?.usage], ["hi", "hm", "stop", null]);
  const usage = readEvent('{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}');
  assert.deepEqual([usage?.text, usage?.usage?.total_tokens], ["", 3]);
  assert.deepEqual(readEvent('{"error":{"message":"no","code":"x"}}')?.error, { message: "no", code: "x" });
  assert.equal(readEvent("[DONE]"), null);
});

const REQUEST = { model: "tiny", message: 'It\'s "quoted" and \u{1f600}', system: " ", maxTokens: 48 };

test("a request says what is in the form and nothing else", () => {
  assert.deepEqual(bodyOf(REQUEST), {
    model: "tiny",
    messages: [{ role: "user", content: REQUEST.message }],
    max_tokens: 48,
    stream: true,
    stream_options: { include_usage: true },
  });
  const other = bodyOf({ ...REQUEST, system: "Be brief.", maxTokens: null });
  assert.deepEqual([(other.messages as unknown[]).length, "max_tokens" in other], [2, false]);
});

test("a snippet is the same call, with the key left to the shell", () => {
  const curl = asCurl("http://127.0.0.1:8787", REQUEST);
  const body = curl.match(/-d '(.*)'$/s)?.[1]?.replaceAll("'\\''", "'");
  assert.deepEqual(JSON.parse(body ?? ""), bodyOf(REQUEST));
  assert.ok(curl.includes('"authorization: Bearer $SLUICE_KEY"'));
  const python = asPython("http://127.0.0.1:8787", REQUEST);
  assert.ok(python.includes('base_url="http://127.0.0.1:8787/v1"') && python.includes("max_tokens=48"));
});

test("limits are read from the headers that the edge writes", () => {
  // As protocol/src/limit/standing/ratelimit.rs has it.
  const headers = new Headers({
    "ratelimit-policy":
      '"second";q=5;w=1, "minute";q=60;w=60, "burst";q=900;w=30;qu="tokens", "parallel";q=2;qu="concurrent-requests"',
    ratelimit: '"second";r=5, "minute";r=2;t=1, "burst";r=500;t=1, "parallel";r=1',
  });
  assert.deepEqual(
    limitsOf(headers).map((limit) => [
      limit.name,
      limit.quota,
      limit.remaining,
      limit.windowSeconds,
      limit.moreInSeconds,
    ]),
    [
      ["second", 5, 5, 1, null],
      ["minute", 60, 2, 60, 1],
      ["burst", 900, 500, 30, 1],
      ["parallel", 2, 1, null, null],
    ],
  );
  assert.deepEqual(
    limitsOf(headers).map((limit) => limit.unit),
    [null, null, "tokens", "concurrent-requests"],
  );
  assert.deepEqual(limitsOf(new Headers()), []);
});

test("headers that say nothing of the call are left out", () => {
  const headers = new Headers({
    date: "x",
    "x-request-id": "req_1",
    "x-ratelimit-limit-requests": "5",
    ratelimit: "r",
  });
  assert.deepEqual(
    toldHeaders(headers).map(([name]) => name),
    ["ratelimit", "x-ratelimit-limit-requests", "x-request-id"],
  );
});
