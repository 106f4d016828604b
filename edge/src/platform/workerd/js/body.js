// Bodies. They are collected here and enter WebAssembly whole or not at all: what a request that is gone had sent is
// garbage with it, while WebAssembly's memory only grows.

// A body is read in pieces of this size, each of which is whole before anybody hears of it, however finely it was sent.
// What is no longer than one is not read here, and not counted.
const PIECE = 16 * 1024;
// After so long without a new piece, in milliseconds, a body makes room for others. One that the platform has ended
// without a word is forgotten so long after its time.
const STALLED_MS = 1_000;
// Bodies that are read in pieces, by the time of their last one, and how many bytes they hold together. Of another
// request's a request touches nothing but these numbers and lists: the platform forbids it.
const reading = new Set();
let held = 0;

// All of a caller's body, as bytes, or why not: "large" (more than `max` bytes), "late" (not there after `ms`) or
// "full" (all that are read would hold more than `room` bytes). If it breaks off, the promise fails.
export function collect_body(request, max, ms, room) {
  return new Promise((resolve, reject) => {
    const body = { pieces: [], held: 0, at: 0, until: Date.now() + ms, why: undefined, reader: undefined };
    const timer = setTimeout(() => {
      body.why ??= "late";
      if (body.reader) stop(body.reader);
      over(resolve, body.why);
    }, ms);
    const over = (tell, value) => {
      clearTimeout(timer);
      forget(body);
      tell(value);
    };
    in_pieces(request, max, room, body).then((value) => over(resolve, value), (error) => over(reject, error));
  });
}

// All of what somebody else answers, as bytes or their buffer, or "large". Each promise around another one has a price.
export function collect_answer(response, max) {
  const { headers } = response;
  const length = headers.has("content-encoding") ? null : headers.get("content-length");
  if (length === null) return in_pieces(response, max, Infinity, { pieces: [] });
  return Number(length) > max ? Promise.resolve("large") : response.arrayBuffer();
}

async function in_pieces(source, max, room, body) {
  if (source.body === null) return new Uint8Array();
  const reader = body.reader = source.body.getReader({ mode: "byob" });
  let length = 0;
  for (let size = PIECE / 4; ; size = PIECE) {
    if (room < Infinity && !make_room(body, size, room)) return stop(reader, "full");
    const { done, value } = await reader.read(new Uint8Array(size), { min: size });
    if (body.why) return stop(reader, body.why);
    length += value?.byteLength ?? 0;
    if (length > max) return stop(reader, "large");
    if (value?.byteLength) body.pieces.push(value);
    if (done) return joined(body.pieces, length);
  }
}

// What the sender still sends is not read.
function stop(reader, why) {
  reader.cancel().catch(() => {});
  return why;
}

function joined(pieces, length) {
  if (pieces.length === 1) return pieces[0];
  const all = new Uint8Array(length);
  let place = 0;
  for (const piece of pieces) {
    all.set(piece, place);
    place += piece.byteLength;
  }
  return all;
}

// Counts the piece that a body is to have next. Where there is no room for it, bodies that have stalled lose what they
// hold.
function make_room(body, size, room) {
  reading.delete(body);
  body.at = Date.now();
  for (const other of reading) {
    const is_gone = body.at > other.until + STALLED_MS;
    if (!is_gone && (held + size <= room || body.at - other.at < STALLED_MS)) break;
    other.why = "full";
    other.pieces.length = 0;
    // The piece that it waits for is there as long as it is.
    const kept = is_gone ? 0 : Math.min(other.held, PIECE);
    held -= other.held - kept;
    other.held = kept;
    if (is_gone) reading.delete(other);
  }
  const has_room = held + size <= room;
  if (has_room) {
    held += size;
    body.held += size;
    reading.add(body);
  }
  return has_room;
}

function forget(body) {
  reading.delete(body);
  held -= body.held;
  body.held = 0;
}
