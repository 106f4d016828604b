//! The origins that an edge can have in a test.

pub mod raw;

use crate::caller::MODEL;
use crate::process::{Announces, Program};
use crate::wait::{SOON, until};
use crate::{secrets, tools};
use raw::{RawOrigin, Received, Reply};
use serde_json::Value;
use sluice_origin::config::{Access, Collector, Config, GpuSettings};
use sluice_origin::models::qwen::Qwen;
use sluice_origin::models::qwen::precision::Precision;
use sluice_origin::models::qwen::shape::Shape;
use sluice_origin::models::scripted::{OnGpu, Script};
use sluice_origin::models::z_image::checkpoint::made_up::MadeUp;
use sluice_origin::models::{Backend, endless};
use sluice_origin::server::{Origin, RunningOrigin};
use sluice_origin::text::Text;
use sluice_origin::tls::TlsFiles;
use sluice_protocol::route::setting::OriginName;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;
use tokio::runtime::Runtime;

/// The name of the model that draws.
pub const DRAWS: &str = "z-image";

/// Which origin.
#[derive(Clone)]
pub enum OriginKind {
    /// The real router in this process, with a model whose steps the test hands out.
    Scripted,
    /// The real router in this process, with a network of made-up weights that remembers, and the built-in model's text side.
    MadeUp,
    /// The real program with a model whose answers never end by themselves.
    Real,
    /// The real program with the built-in model.
    Tiny,
    /// The real program with a model that draws, of made-up weights, beside the built-in one.
    Draws,
    /// The real program, told nothing of models.
    BuiltIn,
    /// A socket that answers with given bytes.
    Raw(Reply),
    /// Nothing listens.
    Down,
}

/// What may be set about an origin.
#[derive(Clone)]
pub struct OriginSettings {
    /// Requests that run at once.
    pub slots: usize,
    /// Requests that wait.
    pub queue: usize,
    /// The longest prompt and answer together, in tokens, of a model in this process.
    pub context: usize,
    /// The length of a scripted model's vectors, if it embeds.
    pub vectors: Option<usize>,
    /// How long they wait.
    pub queue_timeout: Duration,
    /// How long a scripted origin that drains lets requests finish.
    pub drain_timeout: Duration,
    /// Whom an origin in this process tells of its requests.
    pub collector: Option<Collector>,
    /// What a scripted origin's TLS is read from.
    pub tls: Option<TlsFiles>,
    /// The grant keys that it knows: `KID=PUBLIC`.
    pub grant_keys: Vec<String>,
    /// Where it listens.
    pub bind: SocketAddr,
    /// Its name, where its edge has several.
    pub name: Option<OriginName>,
    /// The GPU on which a scripted model says that it computes, as this library tells of it.
    pub gpu: Option<GpuSettings>,
}

impl Default for OriginSettings {
    fn default() -> Self {
        Self {
            slots: 8,
            queue: 256,
            context: 4096,
            vectors: None,
            queue_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(30),
            collector: None,
            tls: None,
            grant_keys: secrets::grant_publics().into(),
            bind: (Ipv4Addr::LOCALHOST, 0).into(),
            name: None,
            gpu: None,
        }
    }
}

/// An origin that runs. Dropping it ends it.
pub enum TestOrigin {
    /// See [`OriginKind::Scripted`].
    Scripted(RunningOrigin, Script),
    /// See [`OriginKind::Real`].
    Real(Program, SocketAddr, PathBuf),
    /// See [`OriginKind::Raw`].
    Raw(RawOrigin),
    /// See [`OriginKind::Down`].
    Down,
}

impl TestOrigin {
    /// Starts it; `directory` is for its files.
    pub fn start(kind: &OriginKind, settings: &OriginSettings, directory: &Path) -> Self {
        match kind {
            OriginKind::Scripted => scripted(settings),
            OriginKind::MadeUp => made_up(settings),
            OriginKind::Real => {
                // The model is made once and kept beside the programs.
                let made = tools::root().join("target/e2e/endless");
                endless::ensure(&made).expect("a directory for a model");
                real(settings, directory, &format!("{MODEL}={}", made.display()))
            }
            OriginKind::Tiny => real(settings, directory, MODEL),
            OriginKind::Draws => {
                let made = directory.join("draws");
                MadeUp::smallest().write(&made, 1).expect("a directory for a model");
                real(settings, directory, &format!("{DRAWS}={},{MODEL}", made.display()))
            }
            OriginKind::BuiltIn => real(settings, directory, ""),
            OriginKind::Raw(reply) => Self::Raw(RawOrigin::start(reply.clone())),
            OriginKind::Down => Self::Down,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        match self {
            Self::Scripted(origin, _) => origin.address(),
            Self::Real(_, address, _) => *address,
            Self::Raw(origin) => origin.address(),
            // A privileged port that nobody has served for decades: no other test can be given it.
            Self::Down => (Ipv4Addr::LOCALHOST, 1).into(),
        }
    }

    /// The hold on the scripted model.
    pub fn script(&self) -> &Script {
        match self {
            Self::Scripted(_, script) => script,
            _ => panic!("this origin has no script"),
        }
    }

    /// Drains a scripted origin.
    pub fn drain(self) {
        match self {
            Self::Scripted(origin, _script) => RUNTIME.block_on(origin.drain()),
            _ => panic!("this origin is not in this process"),
        }
    }

    /// Sends an origin that is a process of its own a signal, by its name without `SIG`.
    pub fn signal(&self, name: &str) {
        match self {
            Self::Real(program, ..) => program.signal(name),
            _ => panic!("this origin is no process of its own"),
        }
    }

    /// What a socket origin received.
    pub fn received(&self) -> Vec<Received> {
        match self {
            Self::Raw(origin) => origin.received(),
            _ => panic!("this origin keeps nothing of what it receives"),
        }
    }

    /// The log of an origin that is a process of its own.
    pub fn log(&self) -> Option<&Path> {
        match self {
            Self::Real(_, _, log) => Some(log),
            _ => None,
        }
    }
}

/// Origins in this process run here, whichever test's thread started them.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a machine that runs tests has threads")
});

fn scripted(settings: &OriginSettings) -> TestOrigin {
    let script = match settings.vectors {
        None => Script::with_context(settings.slots, settings.context),
        Some(vectors) => Script::embedding(settings.slots, vectors),
    };
    let script = if settings.gpu.is_some() { script.on_gpu(OnGpu { ordinal: 0, token_bytes: 0 }) } else { script };
    serve(settings, &script, || backend(&script))
}

/// Its steps are its own: nobody hands them out.
fn made_up(settings: &OriginSettings) -> TestOrigin {
    let text = || Text::tiny().expect("the built-in model is whole");
    let config = std::fs::read(tools::root().join("origin/tiny/model/config.json")).expect("the repository has it");
    let mut config: Value = serde_json::from_slice(&config).expect("a configuration is JSON");
    config["max_position_embeddings"] = settings.context.into();
    let shape = Shape::parse(config.to_string().as_bytes()).expect("the built-in model's shape, with another context");
    // Slots to spare hold what was said before.
    let network = || Qwen::random(shape.clone(), 2 * settings.slots, Precision::Q8_0, 7).expect("a shape of ours");
    let backend = || Backend { name: MODEL.into(), model: Box::new(network()), text: text() };
    serve(settings, &Script::new(1), backend)
}

fn serve(settings: &OriginSettings, script: &Script, backend: impl Fn() -> Backend) -> TestOrigin {
    let keys = settings.grant_keys.iter().map(|key| key.parse().expect("a key as `sluice-origin keygen` writes it"));
    let config = Config {
        bind: settings.bind,
        access: Access::Granted(keys.collect()),
        open_metrics: true,
        name: settings.name.clone(),
        slots: settings.slots,
        queue: settings.queue,
        queue_timeout: settings.queue_timeout,
        drain_timeout: settings.drain_timeout,
        collector: settings.collector.clone(),
        tls: settings.tls.clone(),
        gpu: settings.gpu.clone().unwrap_or_default(),
        ..Config::local()
    };
    // An origin that was there before has closed its door, or does so in a moment.
    let (origin, _) =
        until("the origin's port is free", SOON, || RUNTIME.block_on(Origin::start(config.clone(), backend())).ok());
    TestOrigin::Scripted(origin, script.clone())
}

fn backend(script: &Script) -> Backend {
    Backend { name: MODEL.into(), ..script.backend() }
}

fn real(settings: &OriginSettings, directory: &Path, model: &str) -> TestOrigin {
    let log = directory.join("origin.log");
    let name = settings.name.iter().map(|name| format!("--name={name}"));
    let arguments = [
        "serve".to_owned(),
        format!("--bind={}", settings.bind),
        format!("--grant-key={}", settings.grant_keys.join(",")),
        // Tests look at its capacity.
        "--open-metrics".to_owned(),
        format!("--slots={}", settings.slots),
        format!("--queue={}", settings.queue),
        format!("--queue-timeout-ms={}", settings.queue_timeout.as_millis()),
        format!("--model={model}"),
    ];
    let arguments: Vec<String> = arguments.into_iter().chain(name).collect();
    let program = Program::start(&tools::origin(), &arguments, Announces::OnOutput, directory, &log);
    let address = program.announced(&log, |line| {
        let event: Value = serde_json::from_str(line).ok()?;
        (event["event"] == "listening").then(|| event["url"].as_str()?.strip_prefix("http://")?.parse().ok())?
    });
    TestOrigin::Real(program, address, log)
}
