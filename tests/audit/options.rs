//! What is to be audited, and what it claims.

use crate::observation::Claim;
use crate::question::Check;
use clap::Parser;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

/// Fires bursts and paced load at an OpenAI-compatible gateway and reports what its limits are really worth.
///
/// Every check takes a key of its own, whose window must not be in use. What is claimed as a violation is certain: it
/// holds wherever between the first byte sent and the first byte answered the gateway's decisions were. Ends with 0 if
/// no check failed, 1 if one did, 2 if nothing could be audited.
#[derive(Parser)]
#[command(name = "sluice-audit")]
pub(crate) struct Options {
    /// The gateway's base, such as http://127.0.0.1:8787 or http://127.0.0.1:4000/v1; plain HTTP only.
    #[arg(long)]
    pub(crate) url: String,
    /// The model to name in requests.
    #[arg(long)]
    pub(crate) model: String,
    /// A fresh key; once for each check, or all of them with commas between.
    #[arg(long = "key", required = true, env = "AUDIT_KEYS", hide_env_values = true, value_delimiter = ',')]
    pub(crate) keys: Vec<String>,
    /// The claim: at most so many requests ...
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=300))]
    limit: u16,
    /// ... in any span of this length, such as 700ms, 5s or 1m (at most 1h).
    #[arg(long, value_parser = duration)]
    window: Duration,
    /// The claim: at most so many requests of a key at once.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=64))]
    parallel: Option<u16>,
    /// How long a slot may be held at most after its connection was killed.
    #[arg(long, value_parser = duration, default_value = "30s")]
    pub(crate) lease: Duration,
    /// How many streams to kill.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub(crate) kills: u16,
    /// max_tokens of streams: enough for one to last some seconds.
    #[arg(long, default_value_t = 1024)]
    pub(crate) stream_tokens: u32,
    /// The status with which the gateway refuses (nginx's limit_req says 503 unless told otherwise).
    #[arg(long, value_name = "STATUS", default_value_t = 429, value_parser = clap::value_parser!(u16).range(400..=599))]
    pub(crate) refused_with: u16,
    /// Which checks to run; all if left out.
    #[arg(long, value_delimiter = ',')]
    pub(crate) checks: Vec<Check>,
    /// Writes the report as JSON, too.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Needed where the gateway is not on this machine: this is load, and whoever fires it must be allowed to.
    #[arg(long)]
    i_own_this_gateway: bool,
}

/// Where requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// The gateway's address.
    pub(crate) address: SocketAddr,
    /// What the `host` header says.
    pub(crate) host: String,
    /// The path of chat completions.
    pub(crate) path: String,
}

impl Options {
    /// The claim.
    pub(crate) fn claim(&self) -> Claim {
        Claim { limit: self.limit.into(), window: self.window, parallel: self.parallel.map(usize::from) }
    }

    /// The checks to run, in order.
    pub(crate) fn chosen(&self) -> Vec<Check> {
        let is_chosen = |check: &Check| self.checks.is_empty() || self.checks.contains(check);
        Check::ALL.into_iter().filter(is_chosen).collect()
    }

    /// Where requests go, if they may.
    pub(crate) fn target(&self) -> Result<Target, String> {
        if self.window.is_zero() || self.window > Duration::from_secs(3600) {
            return Err("--window takes a time from 1ms to 1h".into());
        }
        let target = Target::parse(&self.url)?;
        if !target.address.ip().is_loopback() && !self.i_own_this_gateway {
            let address = target.address;
            return Err(format!(
                "{address} is not on this machine; say --i-own-this-gateway if you may put load on it"
            ));
        }
        Ok(target)
    }
}

impl Target {
    fn parse(url: &str) -> Result<Self, String> {
        let Some(rest) = url.strip_prefix("http://") else {
            return Err("only http:// is spoken: TLS would hide when bytes leave and come; put a local TLS client \
                        (stunnel, socat, a reverse proxy) before an https gateway"
                .into());
        };
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let path = path.trim_matches('/');
        let base = if path.is_empty() { "/v1".to_owned() } else { format!("/{path}") };
        let base = if base.ends_with("/v1") { base } else { format!("{base}/v1") };
        let bracketed = host.starts_with('[') && host.ends_with(']');
        let with_port = if host.contains(':') && !bracketed { host.to_owned() } else { format!("{host}:80") };
        let addresses: Vec<_> = with_port.to_socket_addrs().map_err(|error| format!("{host}: {error}"))?.collect();
        // `localhost` has two, and most gateways listen on this one.
        let older = addresses.iter().find(|address| address.is_ipv4());
        let address = *older.or(addresses.first()).ok_or_else(|| format!("{host} has no address"))?;
        Ok(Self { address, host: host.to_owned(), path: format!("{base}/chat/completions") })
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("a duration is a whole number and ms, s, m or h".into()),
    };
    let number: u32 = number.parse().map_err(|_| "a duration begins with a whole number".to_owned())?;
    Ok(Duration::from_millis(u64::from(number) * unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_completed() {
        for (url, path) in [
            ("http://127.0.0.1:8787", "/v1/chat/completions"),
            ("http://127.0.0.1:8787/v1/", "/v1/chat/completions"),
            ("http://127.0.0.1:8787/llm", "/llm/v1/chat/completions"),
        ] {
            let target = Target::parse(url).unwrap();
            assert_eq!((target.path.as_str(), target.host.as_str()), (path, "127.0.0.1:8787"), "{url}");
        }
        assert!(Target::parse("https://127.0.0.1").unwrap_err().contains("TLS"));
    }

    #[test]
    fn a_machine_that_is_not_ours_takes_a_word() {
        let options = |more: &[&str]| {
            let line =
                ["x", "--url", "http://192.0.2.1", "--model", "m", "--key", "k", "--limit", "1", "--window", "1s"];
            Options::try_parse_from(line.iter().chain(more)).unwrap()
        };
        assert!(options(&[]).target().unwrap_err().contains("--i-own-this-gateway"));
        assert!(options(&["--i-own-this-gateway"]).target().is_ok());
    }

    #[test]
    fn durations_are_read() {
        assert_eq!(duration("700ms"), Ok(Duration::from_millis(700)));
        assert_eq!(duration("1h"), Ok(Duration::from_secs(3_600)));
        assert!(duration("5").is_err() && duration("s").is_err());
    }
}
