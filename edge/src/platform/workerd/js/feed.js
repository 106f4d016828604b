// An answer that the edge writes itself.

export function feed() {
  let controller;
  let left = false;
  const readable = new ReadableStream({
    start(its) {
      controller = its;
    },
    cancel() {
      left = true;
    },
  });
  return {
    readable,
    // Whether the caller has taken all that was written.
    is_taken: () => controller.desiredSize > 0,
    is_left: () => left,
    // These fail only if the caller is gone.
    push(bytes) {
      try {
        controller.enqueue(bytes);
      } catch {
        left = true;
      }
    },
    end() {
      try {
        controller.close();
      } catch {}
    },
  };
}
