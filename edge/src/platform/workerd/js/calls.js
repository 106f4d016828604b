import { env } from "cloudflare:workers";

// What takes several calls of the platform's, as one call out of WebAssembly: each has a price, and so has each object that
// the platform shows to JavaScript. Plumbing only: what is asked for and what is made of it is decided in Rust.

// A request's method, its URL and these headers, a line each (no header's value and no URL has a line's end in it): an equals
// sign and the value, or nothing for a header that was not sent.
export function request_head(request, names) {
  return `${request.method}\n${request.url}${lines(request.headers, names)}`;
}

// These headers of a request alone, in the same way, behind an empty line.
export function request_rest(request, names) {
  return lines(request.headers, names);
}

// A response's status and these headers, in the same way: a few of them where it is a success.
export function response_head(response, names, few) {
  const { status, headers } = response;
  return `${status}${lines(headers, status < 300 ? few : names)}`;
}

function lines(headers, names) {
  let text = "";
  for (const name of names) {
    const value = headers.get(name);
    text += value === null ? "\n" : `\n=${value}`;
  }
  return text;
}

// The continent that a request comes from, if the platform knows.
export function continent(request) {
  return request.cf?.continent ?? "";
}

// An answer; its headers are JSON.
export function respond(status, headers, body) {
  return new Response(body, { status, headers: JSON.parse(headers) });
}

// An answer whose body is these bytes, one after the other.
export function respond_parts(status, headers, parts) {
  return new Response(new Blob(parts), { status, headers: JSON.parse(headers) });
}

// A request to somebody else; its headers are JSON.
export function send(url, method, headers, body) {
  return fetch(url, { method, headers: JSON.parse(headers), body, redirect: "manual" });
}

// The same to an origin. Its binding, where there is one, is the way to it: a private service
// behind a tunnel, or a client certificate.
export function send_to_origin(binding, url, method, headers, body) {
  const way = env[binding];
  if (!way) return send(url, method, headers, body);
  return way.fetch(url, { method, headers: JSON.parse(headers), body, redirect: "manual" });
}

// What the cache has under a key: a note and bytes, or nothing. The host is nobody's: whatever is asked of this Worker is
// another key.
export async function cache_match(key) {
  const kept = await caches.default.match(cache_url(key));
  if (kept === undefined) return undefined;
  return [kept.headers.get("x-sluice-note") ?? "", new Uint8Array(await kept.arrayBuffer())];
}

// Keeps bytes and a note there, for so many seconds at most.
export function cache_put(key, seconds, note, body) {
  const headers = { "cache-control": `max-age=${seconds}`, "x-sluice-note": note };
  return caches.default.put(cache_url(key), new Response(body, { headers }));
}

function cache_url(key) {
  return `http://sluice-cache.invalid/${key}`;
}

// A message to the Durable Object of this name: a string goes as a header, bytes as a body.
export async function hop(namespace, name, message) {
  const init = typeof message === "string" ? { headers: { "secret-message": message } } : { method: "POST", body: message };
  const response = await namespace.getByName(name).fetch("http://object/", init);
  if (!response.ok) throw Object.assign(new Error("the object failed; its log says why"), { remote: true });
  return response.headers.get("secret-answer") ?? response.arrayBuffer();
}

// What an object answers, in the same way.
export function answer_hop(message) {
  return typeof message === "string" ? new Response(null, { headers: { "secret-answer": message } }) : new Response(message);
}

// Runs a statement for one row; how many rows were read and how many written.
export function put_row(sql, statement, id, value) {
  const { rowsRead, rowsWritten } = sql.exec(statement, id, value);
  return [rowsRead, rowsWritten];
}

// Runs a function whose writes are kept all together, or not at all if it throws.
export function transaction(storage, body) {
  storage.transactionSync(body);
}

// Tells `settle` of a promise's end, for this holder of this slot.
export function watch(promise, slot, holder, settle) {
  promise.then((value) => settle(slot, holder, true, value), (error) => settle(slot, holder, false, error));
}

// The same after so many milliseconds. A timer with arguments of its own would cost a handle for each of them.
export function settle_in(ms, slot, holder, settle) {
  setTimeout(() => settle(slot, holder, true), ms);
}

// Timers that have not gone off, by the numbers of their bells. Where WebAssembly breaks, the front of the module (`entry.js`)
// stops those of the request that met it: they would hold it, and nobody answers it any more.
const timers = (globalThis.timersOfDeadlines ??= []);

// Rings the bell that has this number, after so many milliseconds.
export function ring_in(ms, ring, number, holder) {
  const timer = setTimeout(() => {
    if (timers[number] !== timer) return;
    timers[number] = 0;
    ring(number, holder, true);
  }, ms);
  timers[number] = timer;
}

export function stop_ringing(number) {
  clearTimeout(timers[number]);
  timers[number] = 0;
}

// Rings it when the signal is aborted.
export function ring_on_abort(signal, ring, number, holder) {
  signal.addEventListener("abort", () => ring(number, holder, false));
}

export function sign(key, data) {
  return crypto.subtle.sign("Ed25519", key, data);
}

// What the platform calls the algorithms of tokens, by their names in a token's header.
const ALGORITHMS = {
  RS256: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
  ES256: { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" },
  EdDSA: { name: "Ed25519" },
};

// A public key of one of them; its document is a SubjectPublicKeyInfo.
export function import_verifier(algorithm, document) {
  return crypto.subtle.importKey("spki", document, ALGORITHMS[algorithm], false, ["verify"]);
}

export function verify(algorithm, key, signature, data) {
  return crypto.subtle.verify(ALGORITHMS[algorithm], key, signature, data);
}
