//! Settings: what was typed, checked into what may be served. All mistakes are told at once.

mod access;
mod draw;
mod gpu;
mod models;
mod traces;

use crate::grant::GrantKey;
use crate::system::gpu::PRESSES_FROM;
use crate::tls::TlsFiles;
use clap::{Args, Parser, Subcommand};
use sluice_protocol::request::bodies::chat::ChatBounds;
use sluice_protocol::route::setting::OriginName;
use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use crate::models::choice::Models;
pub use crate::settle::traces::collector::{Collector, HeadersSecret};
pub use crate::system::gpu::{CudaNumbering, GpuChoice, GpuName, GpuSettings};
pub use draw::{DrawArgs, DrawConfig};

/// Sluice's origin gate: serves a Qwen model and admits only what the hardware can hold.
#[derive(Debug, Parser)]
#[command(name = "sluice-origin", version, about, after_help = ENVIRONMENT)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What other parts of the program read from the environment.
const ENVIRONMENT: &str = "\
Models of the hub: Owner/Name, Owner/Name@REVISION, Owner/Name:FILE.gguf; with another name NAME=hf:Owner/Name. They are fetched
once, checked, and kept in Hugging Face's cache.

Environment besides the settings:
  HF_ENDPOINT, HF_TOKEN, HF_HOME, HF_HUB_CACHE, HF_HUB_OFFLINE, SSL_CERT_FILE
                                  the hub, an account's token, and where its models are kept, as Hugging Face's programs read them
  RUST_LOG                        what is logged to standard error, such as info or sluice_origin=debug
  CANDLE_NUM_THREADS              threads that compute (default: one per physical core); 1 suits the built-in model
  RAYON_NUM_THREADS               threads of what candle computes besides (default: one per core)
  CANDLE_BARRIER_POOL_SPIN_LIMIT  how long idle compute threads spin (default: 25000); lower it on shared machines";

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve a model until SIGTERM or SIGINT; a second signal ends at once. Prints one JSON line when ready
    Serve(Box<ServeArgs>),
    /// Print a new key pair for grants as one JSON line; the private half is the edge's secret
    Keygen {
        /// The key's name
        #[arg(long, default_value = "k1")]
        kid: String,
    },
    /// Draw one picture into a PNG file, with Z-Image-Turbo's network; prints one JSON line when it is there
    Draw(Box<DrawArgs>),
    /// Write the built-in model `tiny` in Hugging Face's layout
    Tiny {
        /// The directory; what has the same names there is written over
        directory: PathBuf,
        /// Write `tiny-embed`, the one that embeds, instead
        #[arg(long)]
        embed: bool,
    },
}

/// `serve`, as typed.
#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8081", env = "SLUICE_BIND")]
    pub bind: String,
    /// A public key that grants are signed with, KID=BASE64URL; at most two
    #[arg(long = "grant-key", value_name = "KID=PUBLIC", env = "SLUICE_GRANT_KEYS", value_delimiter = ',')]
    pub grant_keys: Vec<String>,
    /// This origin's name, where its edge has several (ORIGINS): grants for another one are refused
    #[arg(long, value_name = "NAME", env = "SLUICE_NAME")]
    pub name: Option<String>,
    /// Serve without grants; loopback only, for local use
    #[arg(long)]
    pub open: bool,
    /// Answer /metrics and /capacity without a grant, as /health and /ready are
    #[arg(long, env = "SLUICE_OPEN_METRICS")]
    pub open_metrics: bool,
    /// Address of a collector of traces that speaks OTLP over HTTP, such as http://127.0.0.1:4318; without it none are told
    #[arg(long, value_name = "URL", env = "SLUICE_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
    /// What each message to the collector carries, as NAME=VALUE with values percent-encoded. Several: after a comma. A
    /// secret: better in the environment
    #[arg(long, value_name = "HEADERS", env = "SLUICE_OTLP_HEADERS", hide_env_values = true)]
    pub otlp_headers: Option<HeadersSecret>,
    /// The share of traces that are told of those that begin here, 0 to 1; a caller's traceparent decides for its own
    #[arg(long, value_name = "SHARE", default_value_t = OTLP_SAMPLE, env = "SLUICE_OTLP_SAMPLE")]
    pub otlp_sample: f64,
    /// The GPU whose figures are told: a number or UUID as nvidia-smi -L has them, or none; without it the one that computes,
    /// if one does
    #[arg(long, value_name = "GPU", env = "SLUICE_GPU")]
    pub gpu: Option<String>,
    /// From so many percent of the GPU's spare memory taken on the edge is told that its memory presses; 100: never
    #[arg(long, value_name = "PERCENT", default_value_t = PRESSES_FROM, env = "SLUICE_GPU_MEMORY_PRESSURE")]
    pub gpu_memory_pressure: u8,
    /// The library of NVIDIA's driver that tells these figures; without it the system looks for libnvidia-ml.so.1
    #[arg(long, value_name = "FILE", env = "SLUICE_NVML_LIBRARY")]
    pub nvml_library: Option<PathBuf>,
    /// PEM file of the listener's certificate and those that it was issued with; read again when it changes
    #[arg(long, value_name = "FILE", env = "SLUICE_TLS_CERT")]
    pub tls_cert: Option<PathBuf>,
    /// PEM file of its private key
    #[arg(long, value_name = "FILE", env = "SLUICE_TLS_KEY")]
    pub tls_key: Option<PathBuf>,
    /// PEM file of the authorities that callers' certificates must come from; without it callers need none
    #[arg(long, value_name = "FILE", env = "SLUICE_TLS_CLIENT_CA")]
    pub tls_client_ca: Option<PathBuf>,
    /// NAME=PATH of a directory in Hugging Face's layout or a GGUF file; Owner/Name of the hub; or tiny or tiny-embed,
    /// the built-in models and the default. Several: again, or after a comma
    #[arg(long, value_name = "MODEL", env = "SLUICE_MODEL", value_delimiter = ',')]
    pub model: Vec<String>,
    /// The shape of a model with made-up weights, for load tests: such as Qwen3-0.6B. Listed after those of --model
    #[arg(long, value_name = "SHAPE", env = "SLUICE_RANDOM", value_delimiter = ',')]
    pub random: Vec<String>,
    /// The name of a model that makes embeddings and no answers although its files do not say so. Several: again, or
    /// after a comma
    #[arg(long, value_name = "NAME", env = "SLUICE_EMBEDDING", value_delimiter = ',')]
    pub embedding: Vec<String>,
    /// The name of a model that says how well documents fit a query, as Qwen3-Reranker does, and answers nothing. Several:
    /// again, or after a comma
    #[arg(long, value_name = "NAME", env = "SLUICE_RERANKER", value_delimiter = ',')]
    pub reranker: Vec<String>,
    /// What safetensors are turned into when they are loaded: f32, q8_0 or q4k; a GGUF file's types are its own
    #[arg(long, value_name = "TYPE", env = "SLUICE_DTYPE")]
    pub dtype: Option<String>,
    /// Tokens that all running requests of one model may hold, prompts and answers; if left out, the models share what
    /// fits into memory
    #[arg(long, value_name = "N", env = "SLUICE_KV_TOKENS")]
    pub kv_tokens: Option<usize>,
    /// Requests that run at once, of all models together
    #[arg(long, default_value_t = SLOTS, env = "SLUICE_SLOTS")]
    pub slots: usize,
    /// Requests that may wait for a slot
    #[arg(long, default_value_t = QUEUE, env = "SLUICE_QUEUE")]
    pub queue: usize,
    /// How long a request may wait for a slot
    #[arg(long, default_value_t = QUEUE_TIMEOUT_MS, env = "SLUICE_QUEUE_TIMEOUT_MS")]
    pub queue_timeout_ms: u64,
    /// Requests for pictures that may wait while one is drawn
    #[arg(long, default_value_t = IMAGE_QUEUE, env = "SLUICE_IMAGE_QUEUE")]
    pub image_queue: usize,
    /// How long such a request may wait
    #[arg(long, default_value_t = IMAGE_QUEUE_TIMEOUT_MS, env = "SLUICE_IMAGE_QUEUE_TIMEOUT_MS")]
    pub image_queue_timeout_ms: u64,
    /// How many percent of the time pictures have while texts are computed, too; texts go first for a second
    #[arg(long, value_name = "PERCENT", default_value_t = IMAGE_SHARE, env = "SLUICE_IMAGE_SHARE")]
    pub image_share: u8,
    /// How long a stopping origin lets requests finish
    #[arg(long, default_value_t = DRAIN_TIMEOUT_MS, env = "SLUICE_DRAIN_TIMEOUT_MS")]
    pub drain_timeout_ms: u64,
    /// Largest request body, in bytes
    #[arg(long, default_value_t = MAX_BODY, env = "SLUICE_MAX_BODY")]
    pub max_body: usize,
    /// How long a request's body may take to arrive
    #[arg(long, default_value_t = BODY_TIMEOUT_MS, env = "SLUICE_BODY_TIMEOUT_MS")]
    pub body_timeout_ms: u64,
    /// How long a reader may take nothing before its answer ends
    #[arg(long, default_value_t = STALL_TIMEOUT_MS, env = "SLUICE_STALL_TIMEOUT_MS")]
    pub stall_timeout_ms: u64,
    /// How long one step of the model may take before /ready says no
    #[arg(long, default_value_t = HEARTBEAT_TIMEOUT_MS, env = "SLUICE_HEARTBEAT_TIMEOUT_MS")]
    pub heartbeat_timeout_ms: u64,
    /// max_tokens where a request names none
    #[arg(long, default_value_t = DEFAULT_MAX_TOKENS, env = "SLUICE_DEFAULT_MAX_TOKENS")]
    pub default_max_tokens: u32,
    /// Largest max_tokens that a request may name
    #[arg(long, default_value_t = MAX_TOKENS, env = "SLUICE_MAX_TOKENS")]
    pub max_tokens: u32,
}

// The defaults, in the order of the settings.
const OTLP_SAMPLE: f64 = 1.0;
const SLOTS: usize = 4;
const QUEUE: usize = 16;
const QUEUE_TIMEOUT_MS: u64 = 30_000;
const IMAGE_QUEUE: usize = 16;
const IMAGE_QUEUE_TIMEOUT_MS: u64 = 300_000;
const IMAGE_SHARE: u8 = 50;
const DRAIN_TIMEOUT_MS: u64 = 30_000;
const MAX_BODY: usize = 1 << 20;
const BODY_TIMEOUT_MS: u64 = 10_000;
const STALL_TIMEOUT_MS: u64 = 30_000;
const HEARTBEAT_TIMEOUT_MS: u64 = 30_000;
const DEFAULT_MAX_TOKENS: u32 = 512;
const MAX_TOKENS: u32 = 32_768;

/// What an origin runs by. Everything in it may be served.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen.
    pub bind: SocketAddr,
    /// Who may call.
    pub access: Access,
    /// Its name, where its edge has several.
    pub name: Option<OriginName>,
    /// Whether `/metrics` and `/capacity` are answered without a grant.
    pub open_metrics: bool,
    /// Who collects traces; nobody without it.
    pub collector: Option<Collector>,
    /// Which GPU is watched, and how its memory presses.
    pub gpu: GpuSettings,
    /// What the listener's TLS is read from; plain HTTP without it.
    pub tls: Option<TlsFiles>,
    /// Requests that run at once, of all models together; at least 1.
    pub slots: usize,
    /// Tokens that all that run on one model may hold together; `None`: the models share what fits into memory.
    pub kv_tokens: Option<usize>,
    /// Requests that may wait.
    pub queue: usize,
    /// How long a request may wait.
    pub queue_timeout: Duration,
    /// Requests for pictures that may wait.
    pub image_queue: usize,
    /// How long such a request may wait.
    pub image_queue_timeout: Duration,
    /// How many percent of the time pictures have while texts are computed, too; 1 to 99.
    pub image_share: u8,
    /// How long [`crate::server::RunningOrigin::drain`] lets requests finish.
    pub drain_timeout: Duration,
    /// Largest body in bytes.
    pub max_body: usize,
    /// How long a body may take.
    pub body_timeout: Duration,
    /// How long a reader may take nothing.
    pub stall_timeout: Duration,
    /// How old the engine's last beat may be before `/ready` says no.
    pub heartbeat_timeout: Duration,
    /// Bounds of `max_tokens`.
    pub bounds: ChatBounds,
}

impl Config {
    /// The default settings for an origin in the same process: loopback, a free port, no grants.
    pub fn local() -> Self {
        Self {
            bind: SocketAddr::from(([127, 0, 0, 1], 0)),
            access: Access::Open,
            name: None,
            open_metrics: false,
            collector: None,
            gpu: GpuSettings::default(),
            tls: None,
            slots: SLOTS,
            kv_tokens: None,
            queue: QUEUE,
            queue_timeout: Duration::from_millis(QUEUE_TIMEOUT_MS),
            image_queue: IMAGE_QUEUE,
            image_queue_timeout: Duration::from_millis(IMAGE_QUEUE_TIMEOUT_MS),
            image_share: IMAGE_SHARE,
            drain_timeout: Duration::from_millis(DRAIN_TIMEOUT_MS),
            max_body: MAX_BODY,
            body_timeout: Duration::from_millis(BODY_TIMEOUT_MS),
            stall_timeout: Duration::from_millis(STALL_TIMEOUT_MS),
            heartbeat_timeout: Duration::from_millis(HEARTBEAT_TIMEOUT_MS),
            bounds: ChatBounds { default_max_tokens: DEFAULT_MAX_TOKENS, max_max_tokens: MAX_TOKENS },
        }
    }
}

/// Who may call an origin.
#[derive(Clone, Debug)]
pub enum Access {
    /// Anybody who can reach it. Loopback only.
    Open,
    /// Whoever brings a grant signed with one of these keys: one, or two while keys are exchanged.
    Granted(Vec<GrantKey>),
}

/// Every mistake in the settings.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors(pub Vec<String>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the settings cannot be served:")?;
        self.0.iter().try_for_each(|mistake| write!(f, "\n  {mistake}"))
    }
}

/// More slots than this are a mistake: every one holds a sequence's memory.
const MAX_SLOTS: usize = 1024;
/// More tokens than this are a mistake: no machine holds them.
const MAX_KV_TOKENS: u64 = 1 << 40;
/// More waiting than this is a mistake: nobody's patience lasts that long.
const MAX_QUEUE: usize = 65_536;
/// Bodies are held in memory, one per place.
const MOST_BODY: usize = 64 << 20;
/// No wait is longer than a day.
const MAX_MS: u64 = 24 * 60 * 60 * 1000;

impl ServeArgs {
    /// Checks everything, and tells every mistake that there is.
    pub fn check(self) -> Result<(Config, Models), ConfigErrors> {
        let mut mistakes = Vec::new();
        let bind = match self.bind.to_socket_addrs().map(|mut found| found.next()) {
            Ok(Some(address)) => Some(address),
            _ => {
                mistakes.push(format!("--bind {}: not an address with a port, such as 127.0.0.1:8081", self.bind));
                None
            }
        };
        let access = self.access(bind, &mut mistakes);
        let name = self.named(&mut mistakes);
        let collector = self.collector(&mut mistakes);
        let gpu = self.gpu(&mut mistakes);
        let tls = self.tls(&mut mistakes);
        let models = self.models(&mut mistakes);
        let mut number = |name: &str, value: u64, least: u64, most: u64| {
            if !(least..=most).contains(&value) {
                mistakes.push(format!("--{name} {value}: must be from {least} to {most}"));
            }
        };
        number("slots", self.slots as u64, 1, MAX_SLOTS as u64);
        number("kv-tokens", self.kv_tokens.unwrap_or(1) as u64, 1, MAX_KV_TOKENS);
        number("queue", self.queue as u64, 0, MAX_QUEUE as u64);
        number("max-body", self.max_body as u64, 1, MOST_BODY as u64);
        number("max-tokens", self.max_tokens.into(), 1, u32::MAX.into());
        number("default-max-tokens", self.default_max_tokens.into(), 1, self.max_tokens.into());
        number("queue-timeout-ms", self.queue_timeout_ms, 0, MAX_MS);
        number("image-queue", self.image_queue as u64, 0, MAX_QUEUE as u64);
        number("image-queue-timeout-ms", self.image_queue_timeout_ms, 0, MAX_MS);
        number("image-share", self.image_share.into(), 1, 99);
        number("drain-timeout-ms", self.drain_timeout_ms, 0, MAX_MS);
        number("body-timeout-ms", self.body_timeout_ms, 1, MAX_MS);
        number("stall-timeout-ms", self.stall_timeout_ms, 1, MAX_MS);
        // The idle engine beats ten times a second.
        number("heartbeat-timeout-ms", self.heartbeat_timeout_ms, 250, MAX_MS);
        let (Some(bind), Some(access), Some(models), true) = (bind, access, models, mistakes.is_empty()) else {
            return Err(ConfigErrors(mistakes));
        };
        let config = Config {
            bind,
            access,
            name,
            open_metrics: self.open_metrics,
            collector,
            gpu,
            tls,
            slots: self.slots,
            kv_tokens: self.kv_tokens,
            queue: self.queue,
            queue_timeout: Duration::from_millis(self.queue_timeout_ms),
            image_queue: self.image_queue,
            image_queue_timeout: Duration::from_millis(self.image_queue_timeout_ms),
            image_share: self.image_share,
            drain_timeout: Duration::from_millis(self.drain_timeout_ms),
            max_body: self.max_body,
            body_timeout: Duration::from_millis(self.body_timeout_ms),
            stall_timeout: Duration::from_millis(self.stall_timeout_ms),
            heartbeat_timeout: Duration::from_millis(self.heartbeat_timeout_ms),
            bounds: ChatBounds { default_max_tokens: self.default_max_tokens, max_max_tokens: self.max_tokens },
        };
        Ok((config, models))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn check(arguments: &[&str]) -> Result<(Config, Models), Vec<String>> {
        let cli = Cli::try_parse_from(["sluice-origin", "serve"].iter().chain(arguments)).unwrap();
        match cli.command {
            Command::Serve(arguments) => arguments.check().map_err(|errors| errors.0),
            _ => panic!("not serve"),
        }
    }

    #[test]
    fn every_mistake_is_told() {
        let mistakes = check(&[
            "--bind",
            "nowhere",
            "--slots",
            "0",
            "--model",
            "x",
            "--max-body",
            "0",
            "--grant-key",
            "a=b",
            "--name",
            "A",
        ]);
        let mistakes = mistakes.unwrap_err();
        for word in ["--bind", "--slots", "--model", "--max-body", "--grant-key", "--name"] {
            assert!(mistakes.iter().any(|mistake| mistake.contains(word)), "{word}: {mistakes:?}");
        }
    }
}
