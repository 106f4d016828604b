//! Both gates, started together.

pub mod running;

use crate::edge::between::Between;
use crate::edge::{Beside, EdgeFiles, Through};
use crate::origin::raw::Reply;
use crate::origin::{OriginKind, OriginSettings, TestOrigin};
use crate::tls::Certificates;
use crate::watch::Watch;
use crate::{issuers, secrets};
use running::{PLAN, Parts, RunningStack};
use serde_json::{Map, Value, json};
use sluice_origin::config::{Collector, GpuSettings, HeadersSecret};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

/// Both gates, not started yet: what a test says about them; all else is as deployed.
#[must_use]
pub struct Stack {
    limits: Vec<Value>,
    plan: Map<String, Value>,
    table: Map<String, Value>,
    plans: Option<String>,
    beside: Beside,
    between: bool,
    kind: OriginKind,
    origin: OriginSettings,
    certificates: Option<(Certificates, bool)>,
    settings: Vec<(&'static str, Option<String>)>,
}

impl Default for Stack {
    fn default() -> Self {
        Self::new()
    }
}

impl Stack {
    /// A plan without limits, and a scripted model with room for everybody.
    pub fn new() -> Self {
        Self {
            limits: Vec::new(),
            plan: Map::new(),
            table: Map::new(),
            plans: None,
            beside: Beside::default(),
            between: false,
            kind: OriginKind::Scripted,
            origin: OriginSettings::default(),
            certificates: None,
            settings: Vec::new(),
        }
    }

    /// Adds a window to the plan, such as `37 per 1h`.
    pub fn limit(mut self, text: &str) -> Self {
        let (limit, window) = text.split_once(" per ").expect("a limit is `<number> per <duration>`");
        let limit: u32 = limit.parse().expect("a limit starts with a number");
        let name = format!("window-{}", self.limits.len());
        self.limits.push(json!({"name": name, "kind": "window", "limit": limit, "window": window}));
        self
    }

    /// Adds a parallel limit to the plan.
    pub fn parallel(mut self, limit: u32) -> Self {
        self.limits.push(json!({"name": "parallel", "kind": "parallel", "limit": limit}));
        self
    }

    /// Adds a limit to the plan, as a plan table has it.
    pub fn with(mut self, limit: Value) -> Self {
        self.limits.push(limit);
        self
    }

    /// How long an admitted request may take.
    pub fn lease(self, duration: &'static str) -> Self {
        self.plan("lease", duration)
    }

    /// Sets a member of the plan.
    pub fn plan(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.plan.insert(member.to_owned(), value.into());
        self
    }

    /// Sets a member of the plan table.
    pub fn table(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.table.insert(member.to_owned(), value.into());
        self
    }

    /// The whole plan table, in place of the one plan that limits are added to.
    pub fn plans(mut self, json: impl Into<String>) -> Self {
        self.plans = Some(json.into());
        self
    }

    /// Requests that the origin runs at once.
    pub fn slots(mut self, slots: usize) -> Self {
        self.origin.slots = slots;
        self
    }

    /// The longest prompt and answer together, in tokens, of a scripted or made-up model.
    pub fn context(mut self, tokens: usize) -> Self {
        self.origin.context = tokens;
        self
    }

    /// The real router with a network of made-up weights, which computes and remembers.
    pub fn made_up_origin(mut self) -> Self {
        self.kind = OriginKind::MadeUp;
        self
    }

    /// A scripted origin whose model computes on a GPU, as this library tells of it.
    pub fn on_gpu(mut self, library: PathBuf) -> Self {
        let every = Duration::from_millis(100);
        self.origin.gpu = Some(GpuSettings { library: Some(library), every, ..GpuSettings::default() });
        self
    }

    /// A scripted origin whose model embeds, with vectors of this length.
    pub fn embeds(mut self, vectors: usize) -> Self {
        self.origin.vectors = Some(vectors);
        self
    }

    /// Requests that may wait at the origin.
    pub fn queue(mut self, queue: usize) -> Self {
        self.origin.queue = queue;
        self
    }

    /// How long a request may wait at the origin.
    pub fn queue_timeout_ms(mut self, wait: u64) -> Self {
        self.origin.queue_timeout = Duration::from_millis(wait);
        self
    }

    /// How long the scripted origin lets requests finish when it drains.
    pub fn drain_timeout_ms(mut self, wait: u64) -> Self {
        self.origin.drain_timeout = Duration::from_millis(wait);
        self
    }

    /// The real origin with a model that draws, of made-up weights, beside the built-in one, in a process of its own.
    pub fn drawing_origin(mut self) -> Self {
        self.kind = OriginKind::Draws;
        self
    }

    /// The real origin with the built-in model, in a process of its own.
    pub fn tiny_origin(mut self) -> Self {
        self.kind = OriginKind::Tiny;
        self
    }

    /// The real origin as it is started when nothing is said of models, in a process of its own.
    pub fn built_in_origin(mut self) -> Self {
        self.kind = OriginKind::BuiltIn;
        self
    }

    /// The real origin with a model whose answers never end by themselves, in a process of its own.
    pub fn real_origin(mut self) -> Self {
        self.kind = OriginKind::Real;
        self
    }

    /// An origin that answers with these bytes and keeps what it receives.
    pub fn raw_origin(mut self, reply: Reply) -> Self {
        self.kind = OriginKind::Raw(reply);
        self
    }

    /// Nothing listens where the origin should be.
    pub fn no_origin(mut self) -> Self {
        self.kind = OriginKind::Down;
        self
    }

    /// The origin speaks TLS to callers with a certificate; the edge reaches it through its binding `ORIGIN` and brings
    /// its own, or none.
    pub fn behind_tls(mut self, brings: bool) -> Self {
        self.certificates = Some((Certificates::make(), brings));
        self
    }

    /// Both gates tell whoever collects traces there of all requests; the origin is one in this process.
    pub fn collected_at(mut self, collector: SocketAddr) -> Self {
        let url = format!("http://{collector}");
        let collector = Collector::new(&url, &HeadersSecret::default(), 1.0);
        self.origin.collector = Some(collector.expect("an address of this machine"));
        self.setting("OTLP_ENDPOINT", url)
    }

    /// How long the origin may be silent before it answers.
    pub fn origin_timeout_ms(self, timeout: u64) -> Self {
        self.setting("ORIGIN_TIMEOUT_MS", timeout.to_string())
    }

    /// How long the origin may be silent inside a stream.
    pub fn origin_idle_ms(self, idle: u64) -> Self {
        self.setting("ORIGIN_IDLE_MS", idle.to_string())
    }

    /// A second isolate of the edge beside the first: [`RunningStack::twin`].
    pub fn with_twin(mut self) -> Self {
        self.beside.twin = true;
        self
    }

    /// Another value of a variable for the second isolate, as while a deploy is under way.
    pub fn twin_setting(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.beside.twin_settings.push((name, value.into()));
        self
    }

    /// A flood shield: see [`Beside`].
    pub fn with_shield(mut self) -> Self {
        self.beside.shield = true;
        self
    }

    /// The test decides what becomes of messages to Durable Objects: [`RunningStack::between`].
    pub fn with_between(mut self) -> Self {
        self.between = true;
        self
    }

    /// The console at `/console/`, beside the Worker.
    pub fn with_console(mut self) -> Self {
        self.beside.console = true;
        self
    }

    /// What an isolate of the edge holds is to be seen: [`RunningStack::seen_inside`].
    pub fn observed(mut self) -> Self {
        self.beside.observed = true;
        self
    }

    /// The grant keys that the origin knows: `KID=PUBLIC`, comma separated.
    pub fn origin_grant_keys(mut self, keys: &str) -> Self {
        self.origin.grant_keys = keys.split(',').map(str::to_owned).collect();
        self
    }

    /// The largest body that the edge reads.
    pub fn max_body(self, bytes: u64) -> Self {
        self.setting("MAX_BODY_BYTES", bytes.to_string())
    }

    /// Sets any variable of the edge.
    pub fn setting(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.settings.push((name, Some(value.into())));
        self
    }

    /// Leaves a variable of the edge out.
    pub fn without(mut self, name: &'static str) -> Self {
        self.settings.push((name, None));
        self
    }

    /// Starts everything and waits until both gates listen.
    pub fn start(mut self) -> RunningStack {
        let directory = TempDir::with_prefix("sluice-e2e-").expect("the machine has a directory for temporary files");
        self.origin.tls = self.certificates.as_ref().map(|(certificates, _)| certificates.write(directory.path()));
        let origin = TestOrigin::start(&self.kind, &self.origin, directory.path());
        let settings = self.edge_settings(origin.address());
        let between = self.between.then(Between::start);
        let watch = Watch::start(&settings, &issuers::secrets());
        watch.settings(&self.beside.twin_settings);
        let through = self.certificates.take().map(|(certificates, brings)| {
            [&certificates.origin.1, &certificates.edge.1].into_iter().for_each(|key| watch.pem(key));
            let identity = brings.then_some(certificates.edge);
            Through { address: origin.address(), authority: certificates.authority, identity }
        });
        let beside = Beside { between: between.as_ref().map(Between::address), through, ..self.beside };
        let files = EdgeFiles::create_beside(directory.path(), &settings, beside);
        let (kind, origin_settings) = (self.kind, self.origin);
        RunningStack::start(Parts { origin, between, files, settings, kind, origin_settings, watch, directory })
    }

    fn edge_settings(&self, origin: SocketAddr) -> Vec<(&'static str, String)> {
        let mut plan = json!({"priority": 1, "limits": self.limits});
        let mut table = Value::from(self.table.clone());
        for (member, value) in &self.plan {
            plan[member] = value.clone();
        }
        table["plans"] = json!({PLAN: plan});
        let plans = self.plans.clone().unwrap_or_else(|| table.to_string());
        let mut all = vec![
            ("ORIGIN_URL", format!("http://{origin}")),
            ("KEY_PEPPERS", secrets::key_peppers()),
            ("GRANT_KEYS", secrets::grant_keys()),
            ("ADMIN_TOKENS", secrets::admin_tokens()),
            ("PLANS", plans),
        ];
        for (name, value) in &self.settings {
            all.retain(|(known, _)| known != name);
            all.extend(value.clone().map(|value| (*name, value)));
        }
        all
    }
}
