//! The platform's cache. workerd has none of its own: it asks a service, which is put what is to be kept as an HTTP answer in a
//! body. Both isolates of a test have the same one, as those at one place of Cloudflare's have.

/// The service.
pub(super) const SERVICE: &str = r#"const cache :Workerd.Worker = (
  modules = [(name = "cache.js", esModule = embed "cache.js")],
  compatibilityDate = @DATE@,
);
"#;
/// What that service does.
pub(super) const MODULE: &str = r#"const kept = new Map();
export default {
  async fetch(request) {
    if (request.method === "PUT") {
      const bytes = new Uint8Array(await request.arrayBuffer());
      const text = new TextDecoder("latin1").decode(bytes);
      const end = text.indexOf("\r\n\r\n");
      const headers = text.slice(0, end).split("\r\n").slice(1).map((line) => line.split(/: ?(.*)/s).slice(0, 2));
      const age = /max-age=(\d+)/.exec(new Headers(headers).get("cache-control"))[1];
      kept.set(request.url, { headers, body: bytes.slice(end + 4), until: Date.now() + 1000 * age });
      return new Response(null, { status: 204 });
    }
    const entry = kept.get(request.url);
    const is_there = entry !== undefined && entry.until > Date.now();
    if (request.method === "PURGE") return new Response(null, { status: kept.delete(request.url) ? 200 : 404 });
    if (!is_there) return new Response(null, { status: 504, headers: { "cf-cache-status": "MISS" } });
    return new Response(entry.body, { headers: [...entry.headers, ["cf-cache-status", "HIT"]] });
  },
};
"#;
