// An answer on its way from the origin to its caller.

// Pipes a body through `see`, which says of each chunk what passes (bytes, or nothing for the chunk as it is), and at its end
// adds what `rest` still holds. Where it `waits`, the body's end is not the answer's: that is for `end` to write.
//
// Of the ways to relay a body this is the one in which the origin's connection closes at once when the caller leaves and our
// code learns of it: `ended` settles. It also settles where the origin breaks off, but not where it falls silent, as the
// platform's pipe looks at its signal only when something comes. So the end can be written behind its back.
export function pipe(body, see, rest, waits) {
  let controller;
  const transformer = {
    start(its) {
      controller = its;
    },
    transform(chunk) {
      const part = see(chunk);
      if (part === undefined) controller.enqueue(chunk);
      else if (part.byteLength > 0) controller.enqueue(part);
    },
    flush() {
      const left = rest();
      if (left.byteLength > 0) controller.enqueue(left);
    },
  };
  // One chunk may wait for the caller: so it can be told whether everything that came was taken.
  const through = new TransformStream(transformer, undefined, { highWaterMark: 1 });
  const stop = new AbortController();
  // If the origin breaks off, the caller is still told inside the stream.
  const ended = body.pipeTo(through.writable, { preventAbort: true, preventClose: waits, signal: stop.signal });
  return {
    readable: through.readable,
    ended,
    // Whether the caller has taken all that came: then silence is the origin's.
    is_taken: () => controller.desiredSize > 0,
    // Writes these bytes, if there are any, and ends the answer, however the pipe is. It fails only if the caller is gone.
    end(bytes) {
      try {
        if (bytes.byteLength > 0) controller.enqueue(bytes);
        controller.terminate();
      } catch {}
      stop.abort();
    },
  };
}
