import assert from "node:assert/strict";
import { test } from "node:test";
import { Api } from "../src/api/client.ts";
import { chatBody, chatCall, chatCurl, chatPython, readEvent } from "../src/play/chat.ts";
import { type Call, type Course, follow } from "../src/play/course.ts";
import { limitsOf, toldHeaders } from "../src/play/limits.ts";
import { pictureBody, pictureCall, pictureCurl, picturePython, readNote } from "../src/play/picture.ts";

test("an event tells text, thought or usage", () => {
  const told = readEvent('{"choices":[{"delta":{"content":"hi","reasoning_content":"hm"},"finish_reason":"stop"}]}');
  assert.deepEqual([told?.text, told?.thought, told?.finish, told?.usage], ["hi", "hm", "stop", null]);
  const usage = readEvent('{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}');
  assert.deepEqual([usage?.text, usage?.usage?.total_tokens], ["", 3]);
  assert.equal(readEvent("[DONE]"), null);
});

const REQUEST = { model: "tiny", message: 'It\'s "quoted" and \u{1f600}', system: " ", maxTokens: 48 };

test("a request says what is in the form and nothing else", () => {
  assert.deepEqual(chatBody(REQUEST), {
    model: "tiny",
    messages: [{ role: "user", content: REQUEST.message }],
    max_tokens: 48,
    stream: true,
    stream_options: { include_usage: true },
  });
  const other = chatBody({ ...REQUEST, system: "Be brief.", maxTokens: null });
  assert.deepEqual([(other.messages as unknown[]).length, "max_tokens" in other], [2, false]);
});

test("a snippet is the same call, with the key left to the shell", () => {
  const curl = chatCurl("http://127.0.0.1:8787", REQUEST);
  const body = curl.match(/-d '(.*)'$/s)?.[1]?.replaceAll("'\\''", "'");
  assert.deepEqual(JSON.parse(body ?? ""), chatBody(REQUEST));
  assert.ok(curl.includes('"authorization: Bearer $SLUICE_KEY"'));
  const python = chatPython("http://127.0.0.1:8787", REQUEST);
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

const PICTURE = {
  model: "tiny-draw",
  prompt: "It's red",
  size: "512x512",
  steps: 4,
  seed: 7,
  format: "webp" as const,
  hasPreviews: true,
};

test("a request for a picture says what is in the form and nothing else", () => {
  const body = { model: "tiny-draw", prompt: "It's red", size: "512x512", num_inference_steps: 4, seed: 7 };
  assert.deepEqual(pictureBody(PICTURE), { ...body, output_format: "webp" });
  const plain = { ...PICTURE, size: "", steps: null, seed: null, format: "png" as const, hasPreviews: false };
  assert.deepEqual(pictureBody(plain), { model: "tiny-draw", prompt: "It's red" });
  assert.deepEqual(pictureCall(plain).body, { ...pictureBody(plain), stream: true });
  assert.equal(pictureCall(PICTURE).body["partial_images"], 3);
  const curl = pictureCurl("http://127.0.0.1:8787", PICTURE);
  const sent = curl.match(/-d '(.*)' \|$/m)?.[1]?.replaceAll("'\\''", "'");
  assert.deepEqual(JSON.parse(sent ?? ""), pictureBody(PICTURE));
  assert.ok(curl.includes("picture.webp"));
  const python = picturePython("http://127.0.0.1:8787", PICTURE);
  assert.ok(python.includes('output_format="webp"') && python.includes('extra_body={"num_inference_steps":4,"seed":7}'));
  assert.ok(!picturePython("http://127.0.0.1:8787", plain).includes("extra_body"));
});

test("comments tell the line and the steps, as origin/src/api/images/stream.rs writes them", () => {
  assert.deepEqual(readNote("queued, 2 ahead"), { ahead: 2 });
  assert.deepEqual(readNote("queued, 0 ahead, begins in about 12 s"), { ahead: 0, beginsInSeconds: 12 });
  assert.deepEqual(readNote("step 3 of 8"), { steps: { done: 3, all: 8 } });
  assert.deepEqual(readNote("step 3 of 8, picture 2 of 4"), { steps: { done: 3, all: 8 } });
  for (const other of ["", "drawing", "queued", "step x of 8", "constructor"]) assert.deepEqual(readNote(other), {});
});

// Follows a call whose answer is this; returns each moment that was shown.
async function moments<C extends Course>(call: Call<C>, answer: Response | Error, stop?: AbortController) {
  const shown: C[] = [];
  const api = {
    send: async () => {
      if (answer instanceof Error) throw answer;
      return answer;
    },
  } as unknown as Api;
  await follow(api, call, stop?.signal ?? new AbortController().signal, (course) => shown.push(course));
  return shown;
}

test("a picture is followed from the line to its last event", async () => {
  const stream = [
    ": queued, 1 ahead, begins in about 3 s\n\n",
    ": step 1 of 2\n\n",
    'event: image_generation.partial_image\ndata: {"type":"image_generation.partial_image","b64_json":"AA=="}\n\n',
    ": step 2 of 2\n\n",
    'event: image_generation.completed\ndata: {"type":"image_generation.completed","b64_json":"AQ==",' +
      '"usage":{"input_tokens":5,"output_tokens":16}}\n\n',
  ];
  const shown = await moments(pictureCall(PICTURE), new Response(stream.join("")));
  assert.deepEqual(
    shown.map((one) => [one.state, one.ahead ?? null, one.steps?.done ?? null, one.image ?? null, one.isWhole]),
    [
      ["waiting", null, null, null, false],
      ["waiting", null, null, null, false],
      ["streaming", null, null, null, false],
      ["streaming", 1, null, null, false],
      ["streaming", 1, 1, null, false],
      // Comments of one piece are told before its events.
      ["streaming", 1, 2, null, false],
      ["streaming", 1, 2, "data:image/webp;base64,AA==", false],
      ["streaming", 1, 2, "data:image/webp;base64,AQ==", true],
      ["done", 1, 2, "data:image/webp;base64,AQ==", true],
    ],
  );
  const last = shown.at(-1);
  assert.deepEqual([last?.usage?.output_tokens, typeof last?.firstMs, typeof last?.wholeMs], [16, "number", "number"]);
  assert.deepEqual([shown[6]?.firstMs, shown[5]?.firstMs], [last?.firstMs, undefined]);
});

test("every way in which a call ends is told", async () => {
  const error = '{"error":{"message":"no place","code":"queue_full","param":"n"}}';
  const [chat, picture] = [chatCall(REQUEST), pictureCall(PICTURE)];
  for (const call of [chat, picture] as unknown as Array<Call<Course>>) {
    const refused = (await moments(call, new Response(error, { status: 429 }))).at(-1);
    assert.deepEqual([refused?.state, refused?.status, refused?.refused?.param], ["refused", 429, "n"]);
    const broken = (await moments(call, new Response(`event: error\ndata: ${error}\n\n`))).at(-1);
    assert.deepEqual([broken?.state, broken?.refused?.code], ["refused", "queue_full"]);
    const bent = (await moments(call, new Response('data: {"b64\n\n'))).at(-1);
    assert.equal(bent?.state, "refused");
    const stop = new AbortController();
    stop.abort();
    assert.equal((await moments(call, new Error("aborted"), stop)).at(-1)?.state, "stopped");
  }
});
