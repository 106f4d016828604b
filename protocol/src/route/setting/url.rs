//! Where an origin listens. Prompts pass there, so a network that others share is to be crossed by TLS. So is the way to a
//! collector of spans.

use core::net::IpAddr;

/// Reads a URL. Plain HTTP is for this machine, or for a network that is said to be private.
pub(crate) fn read(text: &str, is_private: bool) -> Result<String, String> {
    let (rest, is_plain) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => (rest, false),
        (None, Some(rest)) => (rest, true),
        (None, None) => return Err(SHAPE.to_owned()),
    };
    let host = host_of(rest.split('/').next().unwrap_or_default());
    if host.is_empty() || rest.contains(['?', '#', ' ', '@']) {
        return Err(SHAPE.to_owned());
    }
    if is_plain && !is_private && !is_here(host) {
        return Err(
            "must start with https://; `\"private\": true` says that its network is your own, such as a tunnel"
                .to_owned(),
        );
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// A host without its port.
fn host_of(authority: &str) -> &str {
    match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    }
}

fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

const SHAPE: &str = "must be a URL that starts with https:// or http:// and has no query and no credentials";
