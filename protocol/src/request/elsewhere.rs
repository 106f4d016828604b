//! Paths that are not served, and where their callers most likely meant to go: a base URL lacks `/v1`, has it twice, or
//! ends in a slash too many.

use crate::refusal::{Reason, Refusal};
use crate::request::door::Door;

/// The path that this one was most likely meant to be, if there is one. `is_served` says which there are.
pub fn meant(path: &str, is_served: impl Fn(&str) -> bool) -> Option<String> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != "v1").collect();
    if parts.is_empty() || parts.len() > MAX_PARTS || path.len() > MAX_BYTES {
        return None;
    }
    // A client may add its whole path to a base URL that ends in a path already.
    (0..parts.len()).find_map(|from| {
        let rest = parts[from..].join("/");
        [format!("/v1/{rest}"), format!("/{rest}")].into_iter().find(|known| known != path && is_served(known))
    })
}

/// What a caller is told of a path that is not served: where else to go, or `served`, a sentence about what there is.
pub fn no_path(path: &str, served: &str, is_served: impl Fn(&str) -> bool) -> Refusal {
    let rest = match meant(path, is_served) {
        Some(meant) if meant.starts_with("/api/") => {
            format!("Did you mean {meant}? Clients of Ollama's want a base URL without a path.")
        }
        Some(meant) if meant.starts_with(Door::Messages.path()) => {
            format!("Did you mean {meant}? Clients of Anthropic's want a base URL without a path.")
        }
        Some(meant) if !meant.starts_with("/v1/") => format!("Did you mean {meant}?"),
        Some(meant) => format!("Did you mean {meant}? Clients of OpenAI's want a base URL that ends in /v1."),
        None => served.to_owned(),
    };
    Refusal::new(Reason::NotFound, format!("There is no such path. {rest}"))
}

/// No path of ours has more, with what a client may put before it.
const MAX_PARTS: usize = 8;
/// What is longer is not repeated to whoever sent it.
const MAX_BYTES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    const SERVED: [&str; 7] = [
        "/v1/chat/completions",
        "/v1/models",
        "/healthz",
        "/leaks/github",
        "/api/chat",
        "/v1/messages",
        "/v1/responses",
    ];

    #[test]
    fn a_base_url_that_is_wrong_is_seen() {
        let is_served = |path: &str| SERVED.contains(&path);
        for (path, right) in [
            ("/chat/completions", Some("/v1/chat/completions")),
            ("/v1/v1/chat/completions", Some("/v1/chat/completions")),
            ("/v1/chat/completions/", Some("/v1/chat/completions")),
            ("//v1//models", Some("/v1/models")),
            ("/openai/v1/chat/completions", Some("/v1/chat/completions")),
            ("/v1/chat/completions/v1/chat/completions", Some("/v1/chat/completions")),
            ("/models", Some("/v1/models")),
            ("/v1/healthz", Some("/healthz")),
            ("/v1/api/chat", Some("/api/chat")),
            ("/api/chat/", Some("/api/chat")),
            ("/v1/v1/messages", Some("/v1/messages")),
            ("/messages", Some("/v1/messages")),
            ("/v1", None),
            ("/", None),
            ("/responses", Some("/v1/responses")),
            ("/v1/v1/responses", Some("/v1/responses")),
            ("/v1/embeddings", None),
            ("/a/b/c/d/e/f/g/h/models", None),
        ] {
            assert_eq!(meant(path, is_served).as_deref(), right, "{path}");
            let message = no_path(path, "Others are.", is_served).message;
            assert_eq!(message.contains("Did you mean"), right.is_some(), "{message}");
        }
        for (path, wanted) in [
            ("/chat/completions", "OpenAI's want a base URL that ends in /v1"),
            ("/v1/v1/messages", "Anthropic's want a base URL without a path"),
            ("/v1/api/chat", "Ollama's want a base URL without a path"),
        ] {
            let message = no_path(path, "", is_served).message;
            assert!(message.contains(wanted), "{message}");
        }
        // Whoever is right is not sent elsewhere: it is asked only for what is not served.
        assert_eq!(meant("/v1/models", is_served), None);
    }
}
