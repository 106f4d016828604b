//! Where a webhook listens. Whoever may set one must not reach what only this deployment can: so a webhook has a public
//! name, and no address in any notation. To what a name resolves is for the platform to look at.

/// Reads a URL, and tells it with its host in small letters and without a dot at its end. What is private may be
/// anything that is a URL without credentials and fragment. The problem shows nothing of it.
pub(super) fn read(text: &str, is_private: bool) -> Result<String, String> {
    if text.len() > MAX_URL {
        return Err(format!("must be at most {MAX_URL} characters long"));
    }
    // The platform's reader of URLs takes a backslash for a slash and leaves out what is no text: nothing of that is
    // let through.
    if !text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\#\"<>^`{|}".contains(&byte)) {
        return Err("must be plain ASCII, without spaces, backslashes, angle brackets and a fragment".to_owned());
    }
    let (scheme, rest) = text.split_once("://").ok_or(SHAPE)?;
    if scheme != "https" && scheme != "http" {
        return Err(SHAPE.to_owned());
    }
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if authority.contains('@') {
        return Err("must not have credentials".to_owned());
    }
    let (host, port) = split_port(authority);
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    if port.is_some_and(|port| !is_port(port)) || !is_host(&host) {
        return Err(SHAPE.to_owned());
    }
    let private = "; `\"private\": true` says that it is in a network of your own";
    let needs_private = match port {
        _ if scheme == "http" => Some("must start with https://"),
        _ if !is_public(&host) => Some("must have a public name as its host, and no address"),
        Some(port) if port != "443" => Some("must be at port 443"), // not a status: a port
        _ => None,
    };
    if let Some(problem) = needs_private.filter(|_| !is_private) {
        return Err(format!("{problem}{private}"));
    }
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    Ok(format!("{scheme}://{host}{port}{path}"))
}

/// The host of what [`read`] has told.
pub(super) fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    split_port(&rest[..rest.find(['/', '?']).unwrap_or(rest.len())]).0
}

/// The host, with its brackets if it has any, and the port.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    let from = authority.rfind(']').unwrap_or(0);
    match authority[from..].find(':') {
        Some(colon) => (&authority[..from + colon], Some(&authority[from + colon + 1..])),
        None => (authority, None),
    }
}

fn is_port(text: &str) -> bool {
    let is_number = text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number && text.parse::<u32>().is_ok_and(|port| (1..=0xffff).contains(&port))
}

/// Whether this is a name of labels, or something in brackets that only a private webhook may have.
fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<core::net::Ipv6Addr>().is_ok();
    }
    let is_label = |label: &str| {
        let is_good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (1..=63).contains(&label.len())
            && label.bytes().all(is_good)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= 253 && host.split('.').all(is_label)
}

/// Whether a host may be one that anybody can reach. A top-level domain begins with a letter and has no digit unless it
/// is written in punycode, and whatever ends in a number is an address: `127.1`, `0x7f.1`, `2130706433`.
fn is_public(host: &str) -> bool {
    let Some((_, last)) = host.rsplit_once('.') else { return false };
    let is_top = last.starts_with("xn--") || (last.len() >= 2 && last.bytes().all(|byte| byte.is_ascii_lowercase()));
    is_top && !NOT_PUBLIC_TOPS.contains(&last) && !METADATA.contains(&host)
}

const SHAPE: &str = "must be a URL such as https://hooks.example.com/path, with a name as its host";
/// The longest URL, in bytes.
const MAX_URL: usize = 1_024;
/// Top-level domains of names that mean something here and nothing elsewhere. `arpa` has `home.arpa`.
const NOT_PUBLIC_TOPS: [&str; 11] =
    ["arpa", "corp", "home", "internal", "intranet", "invalid", "lan", "local", "localdomain", "localhost", "private"];
/// Names at which clouds tell a machine its own credentials, where they do not end in one of the above.
const METADATA: [&str; 3] = ["metadata.azure.com", "metadata.packet.net", "metadata.platformequinix.com"];
