//! Paths of requests, and the methods that each route for callers has.

use sluice_protocol::request::door::Door;

/// Splits a URL that the platform has already parsed: `https://host/path?query`.
pub fn path_and_query(url: &str) -> (&str, &str) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest.find('/').map_or("/", |slash| &rest[slash..]);
    path.split_once('?').unwrap_or((path, ""))
}

/// A path as the table of routes names it, and the model, the response, the file or the batch that it names.
pub fn route_of(path: &str) -> (&str, &str) {
    if let Some(model) = path.strip_prefix("/v1/models/").filter(|model| !model.is_empty()) {
        return ("/v1/models/{model}", model);
    }
    if let Some((id, rest)) = path.strip_prefix("/v1/files/").map(|rest| rest.split_once('/').unwrap_or((rest, ""))) {
        match rest {
            "" if !id.is_empty() && !path.ends_with('/') => return ("/v1/files/{file}", id),
            "content" if !id.is_empty() => return ("/v1/files/{file}/content", id),
            _ => return (path, ""),
        }
    }
    if let Some((id, rest)) = path.strip_prefix("/v1/batches/").map(|rest| rest.split_once('/').unwrap_or((rest, ""))) {
        match rest {
            "" if !id.is_empty() && !path.ends_with('/') => return ("/v1/batches/{batch}", id),
            "cancel" if !id.is_empty() => return ("/v1/batches/{batch}/cancel", id),
            _ => return (path, ""),
        }
    }
    let response = path.strip_prefix("/v1/responses/").filter(|rest| !OTHERS.contains(rest));
    match response.map(|rest| rest.split_once('/').unwrap_or((rest, ""))) {
        Some((id, "")) if !path.ends_with('/') => ("/v1/responses/{response}", id),
        Some((id, "input_items")) if !id.is_empty() => ("/v1/responses/{response}/input_items", id),
        Some((id, "cancel")) if !id.is_empty() => ("/v1/responses/{response}/cancel", id),
        _ => (path, ""),
    }
}

/// What OpenAI has there besides responses; none of it is served.
const OTHERS: [&str; 2] = ["compact", "input_tokens"];

/// The methods of a route for callers; `None` if there is none.
pub fn methods(route: &str) -> Option<&'static str> {
    match route {
        "/v1/auth/token" | "/leaks/github" | "/api/show" => Some("POST"),
        _ if Door::of(route).is_some() => Some("POST"),
        "/v1/models" | "/v1/models/{model}" | "/v1/key" | "/v1/usage" | "/.well-known/jwks.json" | "/healthz" => {
            Some("GET, HEAD")
        }
        "/v1/responses/{response}" => Some("GET, HEAD, DELETE"),
        "/v1/responses/{response}/input_items" => Some("GET, HEAD"),
        "/v1/files" | "/v1/batches" => Some("GET, HEAD, POST"),
        "/v1/files/{file}" => Some("GET, HEAD, DELETE"),
        "/v1/files/{file}/content" | "/v1/batches/{batch}" => Some("GET, HEAD"),
        "/v1/batches/{batch}/cancel" | "/v1/responses/{response}/cancel" => Some("POST"),
        "/" | "/metrics" | "/api/tags" | "/api/ps" | "/api/version" => Some("GET, HEAD"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_split_where_the_platform_joined_them() {
        let cases = [
            ("https://a.example/v1/models?x=1", ("/v1/models", "x=1")),
            ("http://127.0.0.1:8787/", ("/", "")),
            ("http://h", ("/", "")),
            ("http://h/a?b?c", ("/a", "b?c")),
        ];
        for (url, parts) in cases {
            assert_eq!(path_and_query(url), parts, "{url}");
        }
    }

    #[test]
    fn a_response_is_whatever_follows_in_its_path() {
        let [one, items] = ["/v1/responses/{response}", "/v1/responses/{response}/input_items"];
        for (path, parts) in [
            ("/v1/responses", ("/v1/responses", "")),
            ("/v1/responses/", ("/v1/responses/", "")),
            ("/v1/responses/resp_1", (one, "resp_1")),
            ("/v1/responses/x", (one, "x")),
            ("/v1/responses/resp_1/input_items", (items, "resp_1")),
            ("/v1/responses//input_items", ("/v1/responses//input_items", "")),
            ("/v1/responses/resp_1/", ("/v1/responses/resp_1/", "")),
            ("/v1/responses/resp_1/cancel", ("/v1/responses/{response}/cancel", "resp_1")),
            ("/v1/responses//cancel", ("/v1/responses//cancel", "")),
            ("/v1/responses/resp_1/input_items/x", ("/v1/responses/resp_1/input_items/x", "")),
            ("/v1/responses/compact", ("/v1/responses/compact", "")),
        ] {
            assert_eq!(route_of(path), parts, "{path}");
        }
    }

    #[test]
    fn a_model_is_whatever_follows_in_its_path() {
        let one = "/v1/models/{model}";
        for (path, parts) in [
            ("/v1/models", ("/v1/models", "")),
            ("/v1/models/", ("/v1/models/", "")),
            ("/v1/models/tiny", (one, "tiny")),
            ("/v1/models/Owner/Name", (one, "Owner/Name")),
            ("/v1/models/%2e%2e%2fadmin", (one, "%2e%2e%2fadmin")),
            ("/v1/modelsx", ("/v1/modelsx", "")),
        ] {
            assert_eq!(route_of(path), parts, "{path}");
        }
        assert_eq!((methods(one), methods("/v1/models/")), (Some("GET, HEAD"), None));
    }
}
