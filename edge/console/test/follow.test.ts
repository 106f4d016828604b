import assert from "node:assert/strict";
import { test } from "node:test";
import type { Api } from "../src/api/client.ts";
import { Refused } from "../src/api/refusal.ts";
import type { Live } from "../src/api/schema.ts";
import { type Place, follow } from "../src/live/follow.ts";

const PATIENCE = { event: 40, again: 1, longest: 8 };
const MODELS_MS = 15_000;

type Said = string | Error;
interface Asked {
  route: string;
  query: { span?: string; since?: number };
}

const live = (now: number) => `event: live\ndata: ${JSON.stringify({ now })}\n\n`;

// An edge whose streams say these things, one after the other; the last stays open. What was heard is written down, and
// it is left when `until` has been.
async function followed(streams: Said[][], until: string, place: Place = { since: undefined, wholeAt: 0 }) {
  const stop = new AbortController();
  const asked: Asked[] = [];
  const heard: string[] = [];
  const note = (what: string) => {
    heard.push(what);
    if (what === until) stop.abort();
  };
  const api = {
    open: async (route: string, { query, signal }: { query: Asked["query"]; signal: AbortSignal }) => {
      asked.push({ route, query });
      const says = streams.shift() ?? [];
      if (says[0] instanceof Error) throw says[0];
      const isLast = streams.length === 0;
      const body = new ReadableStream({
        start: (piece) => signal.addEventListener("abort", () => piece.error(signal.reason)),
        pull(piece) {
          const said = says.shift();
          if (said instanceof Error) piece.error(said);
          else if (said !== undefined) piece.enqueue(new TextEncoder().encode(said));
          else if (!isLast) piece.close();
        },
      });
      return new Response(body);
    },
    ask: async (route: string, { query }: { query: Asked["query"] }) => {
      asked.push({ route, query });
      return { body: { now: place.since } as Live };
    },
  } as unknown as Api;
  const listener = {
    heard: (told: Live, isWhole: boolean) => note(`${isWhole ? "whole" : "more"} ${told.now}`),
    lost: (refused: Refused) => note(`lost ${refused.code}`),
  };
  await follow(api, "5m", place, stop.signal, listener, PATIENCE);
  const named = ({ route, query }: Asked) => `${route.split("/").at(-1)} ${query.since ?? ""}`.trim();
  return { asked: asked.map(named), heard };
}

test("the first event is of all the span, and the next stream goes on where one ended", async () => {
  const { asked, heard } = await followed([[live(10), ": nothing\n\n", live(15)], [live(20)]], "more 20");
  assert.deepEqual(heard, ["whole 10", "more 15", "more 20"]);
  assert.deepEqual(asked, ["stream", "stream 15"]);
});

test("who comes back goes on where it left, and asks for all of it where that is long ago", async () => {
  const place = { since: 100, wholeAt: 90 };
  const { asked, heard } = await followed([[live(105), live(105 + MODELS_MS)]], "whole 15105", place);
  assert.deepEqual(heard, ["more 105", "more 15105", "whole 15105"]);
  assert.deepEqual(asked, ["stream 100", "live"]);
  assert.deepEqual(place, { since: 15105, wholeAt: 15105 });
});

test("a stream that breaks is asked again before anybody is told", async () => {
  const { asked, heard } = await followed([[live(10), new TypeError("network error")], [live(15)]], "more 15");
  assert.deepEqual(heard, ["whole 10", "more 15"]);
  assert.deepEqual(asked, ["stream", "stream 10"]);
});

test("who is refused is told, and asks again and again", async () => {
  const refused = () => new Refused({ status: 503, code: "gate_unavailable", message: "Wait.", retryAfterMs: 2 });
  const { asked, heard } = await followed([[refused()], [refused()], [], [live(10)]], "whole 10");
  assert.deepEqual(heard, ["lost gate_unavailable", "lost gate_unavailable", "lost silent", "whole 10"]);
  assert.deepEqual(asked, ["stream", "stream", "stream", "stream"]);
});

test("a stream that tells nothing for too long is left", async () => {
  const { heard } = await followed([[live(10), ": no Meter tells anything\n\n"]], "lost silent");
  assert.deepEqual(heard, ["whole 10", "lost silent"]);
});

test("who is left at once asks nothing", async () => {
  const stop = new AbortController();
  stop.abort();
  const api = { open: () => assert.fail("it asks"), ask: () => assert.fail("it asks") } as unknown as Api;
  const listener = { heard: () => {}, lost: () => {} };
  await follow(api, "day", { since: undefined, wholeAt: 0 }, stop.signal, listener, PATIENCE);
});
