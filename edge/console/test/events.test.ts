import assert from "node:assert/strict";
import { test } from "node:test";
import { EventReader, type ServerEvent, eventsOf } from "../src/api/events.ts";

function read(stream: string, size: number): ServerEvent[] {
  const reader = new EventReader();
  const found: ServerEvent[] = [];
  for (let at = 0; at < stream.length; at += size) found.push(...reader.push(stream.slice(at, at + size)));
  return found;
}

const message = (data: string) => ({ event: "message", data });

test("events are put together from pieces of any size", () => {
  const stream = ': comment\n\ndata: {"a":1}\n\ndata:{"b":2}\r\n\r\nevent: x\ndata: [DONE]\n\n';
  for (const size of [1, 2, 3, 5, 1000]) {
    const events = [message('{"a":1}'), message('{"b":2}'), { event: "x", data: "[DONE]" }];
    assert.deepEqual(read(stream, size), events, `pieces of ${size}`);
  }
});

test("all three ends of lines end a line, also where a piece ends between them", () => {
  for (const end of ["\n", "\r\n", "\r"]) {
    const stream = ["event: live", "data: 1", "data: 2", "", "data: 3", "", ": a comment", ""];
    for (const size of [1, 2, 7, 1000]) {
      const found = read(stream.join(end), size);
      assert.deepEqual(found, [{ event: "live", data: "1\n2" }, message("3")], JSON.stringify([end, size]));
    }
  }
});

test("a name lasts for one event, and what has no data is none", () => {
  assert.deepEqual(read("event: a\n\ndata: 1\n\nevent: b\ndata: 2\n\ndata: 3\n\n", 1000), [
    message("1"),
    { event: "b", data: "2" },
    message("3"),
  ]);
});

test("one space behind the colon is no part of a value, and other members are passed over", () => {
  const stream = "id: 7\nretry: 1\ndata:  two\ndata\ndata:a: b\nnothing of ours: x\n\n";
  assert.deepEqual(read(stream, 1000), [message(" two\n\na: b")]);
});

test("an event that is not whole is none", () => {
  assert.deepEqual(read("data: 1\n\ndata: 2\n", 3), [message("1")]);
});

test("letters of several bytes are put together, and who wants no more ends the answer", async () => {
  const bytes = new TextEncoder().encode("data: 套餐 \u{1f600}\n\ndata: 2\n\n");
  let isEnded = false;
  const body = new ReadableStream({
    start: (piece) => bytes.forEach((_, at) => piece.enqueue(bytes.slice(at, at + 1))),
    cancel: () => void (isEnded = true),
  });
  for await (const { data } of eventsOf(new Response(body))) {
    assert.equal(data, "套餐 \u{1f600}");
    break;
  }
  assert.ok(isEnded);
  const none: ServerEvent[] = [];
  for await (const event of eventsOf(new Response(null))) none.push(event);
  assert.deepEqual(none, []);
});
