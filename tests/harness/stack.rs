//! Both gates, started together.

use crate::between::Between;
use crate::caller::Caller;
use crate::edge::{Beside, Edge, EdgeFiles, Through};
use crate::origin::{OriginKind, OriginSettings, TestOrigin};
use crate::raw::{self, RawConnection};
use crate::raw_origin::{Received, Reply};
use crate::secrets;
use crate::tls::Certificates;
use serde_json::{Map, Value, json};
use sluice_origin::scripted::Script;
use sluice_protocol::admin::CreatedKey;
use sluice_protocol::capacity::Capacity;
use std::net::SocketAddr;
use std::time::Duration;
use tempfile::TempDir;

/// The plan that [`Stack`]'s limits make.
pub const PLAN: &str = "test";

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

/// Both gates, running. Dropping them kills what was started and forgets what was kept.
pub struct RunningStack {
    /// A client of the edge, and its admin.
    pub edge: Caller,
    // Fields are dropped in this order: the edge before its origin, and both before their files.
    gate: Option<Edge>,
    origin: TestOrigin,
    between: Option<Between>,
    files: EdgeFiles,
    settings: Vec<(&'static str, String)>,
    kind: OriginKind,
    origin_settings: OriginSettings,
    directory: TempDir,
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

    /// The real origin with the built-in model, in a process of its own.
    pub fn tiny_origin(mut self) -> Self {
        self.kind = OriginKind::Tiny;
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

    /// How long the origin may be silent before it answers.
    pub fn origin_timeout_ms(self, timeout: u64) -> Self {
        self.setting("ORIGIN_TIMEOUT_MS", timeout.to_string())
    }

    /// A second isolate of the edge beside the first: [`RunningStack::twin`].
    pub fn with_twin(mut self) -> Self {
        self.beside.twin = true;
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
        let through = self.certificates.take().map(|(certificates, brings)| Through {
            address: origin.address(),
            authority: certificates.authority,
            identity: brings.then_some(certificates.edge),
        });
        let beside = Beside { between: between.as_ref().map(Between::address), through, ..self.beside };
        let files = EdgeFiles::create_beside(directory.path(), &settings, beside);
        let gate = files.start();
        let edge = Caller::new(gate.address());
        let (kind, origin_settings) = (self.kind, self.origin);
        RunningStack { edge, gate: Some(gate), origin, between, files, settings, kind, origin_settings, directory }
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

impl RunningStack {
    /// A new key of the plan [`PLAN`], with an account of its own.
    pub fn key(&self) -> CreatedKey {
        self.edge.issue_key(PLAN)
    }

    /// Where the edge listens.
    pub fn edge_address(&self) -> SocketAddr {
        self.gate.as_ref().expect("only restart_edge takes it, and puts one back").address()
    }

    /// A client of the second isolate.
    pub fn twin(&self) -> Caller {
        Caller::new(self.twin_address())
    }

    /// Where the second isolate listens.
    pub fn twin_address(&self) -> SocketAddr {
        let gate = self.gate.as_ref().expect("only restart_edge takes it, and puts one back");
        gate.twin().expect("the stack was made `with_twin`")
    }

    /// What decides over messages to Durable Objects.
    pub fn between(&self) -> &Between {
        self.between.as_ref().expect("the stack was made `with_between`")
    }

    /// Ends the scripted origin and starts it again where it was, with these grant keys: `KID=PUBLIC`.
    pub fn restart_origin_with(&mut self, grant_keys: &[String]) {
        self.origin_settings.bind = self.origin.address();
        self.origin_settings.grant_keys = grant_keys.to_vec();
        // The one that is there goes first: both have one place.
        self.origin = TestOrigin::Down;
        self.origin = TestOrigin::start(&self.kind, &self.origin_settings, self.directory.path());
    }

    /// Where the origin listens.
    pub fn origin_address(&self) -> SocketAddr {
        self.origin.address()
    }

    /// The hold on the scripted model.
    pub fn script(&self) -> &Script {
        self.origin.script()
    }

    /// The origin's places at this moment, as it says itself.
    pub fn capacity(&self) -> Capacity {
        let answer = Caller::new(self.origin_address()).send(|http, base| http.get(format!("{base}/capacity"))).ok();
        serde_json::from_value(answer.json()).expect("a capacity")
    }

    /// What a socket origin received.
    pub fn received(&self) -> Vec<Received> {
        self.origin.received()
    }

    /// Sends a chat request and leaves its answer on the way: for clients that read slowly, or leave.
    pub fn open_chat(&self, key: &str, body: &Value) -> RawConnection {
        self.open_chat_at(self.edge_address(), key, body)
    }

    /// [`Self::open_chat`] at one of the two isolates.
    pub fn open_chat_at(&self, address: SocketAddr, key: &str, body: &Value) -> RawConnection {
        let headers = [crate::caller::bearer(key), "Content-Type: application/json".into()];
        let request = raw::request("POST", "/v1/chat/completions", &headers, body.to_string().as_bytes());
        RawConnection::send(address, &request)
    }

    /// Kills workerd in the middle of whatever it does and starts it again on the same disk.
    pub fn restart_edge(&mut self) {
        self.gate = None;
        let gate = self.files.start();
        self.edge = Caller::new(gate.address());
        self.gate = Some(gate);
    }

    /// Kills workerd and starts it again with no Gate that can be opened.
    pub fn lose_gates(&mut self) {
        self.restart_edge();
        self.files.lose_gates();
    }

    /// Kills workerd, runs a statement on the Registry's own database, and starts it again: for what no request can do.
    pub fn restart_edge_with_registry(&mut self, statement: &str) {
        self.gate = None;
        self.files.change_registry(statement);
        let gate = self.files.start();
        self.edge = Caller::new(gate.address());
        self.gate = Some(gate);
    }

    /// [`Self::restart_edge`] with another value of a variable, as a deploy brings it.
    pub fn restart_edge_with(&mut self, name: &'static str, value: impl Into<String>) {
        self.settings.retain(|(known, _)| *known != name);
        self.settings.push((name, value.into()));
        self.files.configure(&self.settings);
        self.restart_edge();
    }

    /// What the edge has logged so far.
    pub fn edge_log(&self) -> String {
        std::fs::read_to_string(self.files.log()).expect("workerd's log is there since its start")
    }

    /// What the origin has logged so far, if it is a process of its own.
    pub fn origin_log(&self) -> Option<String> {
        self.origin.log().map(|log| std::fs::read_to_string(log).expect("the origin's log is there since its start"))
    }

    /// Every file that outlives the edge's process, and what the edge was built from: for a search in them. Nothing runs meanwhile.
    pub fn dumps(&mut self) -> Vec<(String, Vec<u8>)> {
        self.gate = None;
        let dumps = self.files.dumps();
        let gate = self.files.start();
        self.edge = Caller::new(gate.address());
        self.gate = Some(gate);
        dumps
    }

    /// Checks that nothing secret is in any log: none of the deployment's secrets, none of these keys, no prompt, and no
    /// signed token (the JSON of whose header begins with these letters in base64).
    pub fn check_logs(&self, keys: &[&str]) {
        let fixed = [crate::caller::PROMPT.to_owned(), "eyJ".to_owned()];
        let keys = keys.iter().map(|key| (*key).to_owned());
        let hidden: Vec<_> = secrets::all().into_iter().chain(fixed).chain(keys).collect();
        for (gate, log) in [("edge", Some(self.edge_log())), ("origin", self.origin_log())] {
            let Some(log) = log else { continue };
            for secret in &hidden {
                assert!(!log.contains(secret), "{secret} is in the log of the {gate}:\n{log}");
            }
        }
    }
}
