// Answers that are there before their request's body is.
//
// workerd ends some of the connections on which it sends one, without a word, and the answer may be lost with them, or
// the next request on that connection. So the answer waits for the body, which nobody keeps, for as long as workerd
// itself would: what is longer, or later, is left to it.

const MOST_BYTES = 64 * 1024;
const MOST_MS = 1_000;

// Settles once the body of a request that is answered has been read or passed over; nothing, where the answer need not wait.
export function body_passed(request) {
  const length = request.headers.get("content-length");
  const has_body = length === null ? request.headers.get("transfer-encoding") !== null : Number(length) <= MOST_BYTES;
  if (!has_body || request.bodyUsed) return undefined;
  return new Promise((resolve) => {
    const over = () => {
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(over, MOST_MS);
    (length === null ? pass_over(request.body.getReader({ mode: "byob" })) : request.arrayBuffer()).then(over, over);
  });
}

async function pass_over(reader) {
  for (let passed = 0, done = false; !done && passed <= MOST_BYTES; ) {
    const read = await reader.read(new Uint8Array(MOST_BYTES / 4));
    done = read.done;
    passed += read.value?.byteLength ?? 0;
  }
}
