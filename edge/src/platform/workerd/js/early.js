// Answers that are there before their request's body is.
//
// workerd ends some of the connections on which it sends one, without a word, and the answer may be lost with them, or
// the next request on that connection. So the answer waits for the body, which nobody keeps, for as long as workerd
// itself would: what is longer, or later, is left to it. That costs a quarter of what a refusal does, so only so many
// answers a second wait: a flood is not to have it.

const MOST_BYTES = 64 * 1024;
const MOST_MS = 1_000;
const MOST_A_SECOND = 250;
let second = 0;
let waited = 0;

// The answer, once the body of its request has been read or passed over.
export function after_body(request, answer) {
  // In the order of what they cost: each look at a request is a call of the platform's.
  const now = Date.now();
  if (now - second >= 1_000) [second, waited] = [now, 0];
  if (waited >= MOST_A_SECOND || request.method === "GET" || request.bodyUsed) return answer;
  const length = request.headers.get("content-length");
  const has_body = length === null ? request.headers.get("transfer-encoding") !== null : Number(length) <= MOST_BYTES;
  if (!has_body) return answer;
  waited += 1;
  return new Promise((resolve) => {
    const over = () => {
      clearTimeout(timer);
      resolve(answer);
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
