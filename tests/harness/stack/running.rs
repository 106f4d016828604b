//! Both gates, running.

use crate::caller::Caller;
use crate::caller::raw::{self, RawConnection};
use crate::edge::between::Between;
use crate::edge::observed::{self, Observed};
use crate::edge::{Edge, EdgeFiles};
use crate::origin::raw::Received;
use crate::origin::{OriginKind, OriginSettings, TestOrigin};
use crate::secrets;
use crate::watch::{Kind, Place, TOKENS, Watch};
use serde_json::Value;
use sluice_origin::models::scripted::Script;
use sluice_protocol::admin::CreatedKey;
use sluice_protocol::forward::capacity::Capacity;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// The plan that [`Stack`]'s limits make.
pub const PLAN: &str = "test";

/// Both gates, running. Dropping them kills what was started, searches what it left behind for secrets (see [`crate::watch`]),
/// and forgets it.
pub struct RunningStack {
    /// A client of the edge, and its admin.
    pub edge: Caller,
    // Fields are dropped in this order: the edge before its origin, and both before their files.
    gate: Option<Edge>,
    parts: Parts,
    is_searched: bool,
}

/// What a stack is made of besides the edge's process.
pub(crate) struct Parts {
    pub(crate) origin: TestOrigin,
    pub(crate) between: Option<Between>,
    pub(crate) files: EdgeFiles,
    pub(crate) settings: Vec<(&'static str, String)>,
    pub(crate) kind: OriginKind,
    pub(crate) origin_settings: OriginSettings,
    pub(crate) watch: Arc<Watch>,
    pub(crate) directory: TempDir,
}

impl RunningStack {
    pub(crate) fn start(parts: Parts) -> Self {
        let gate = parts.gate();
        Self { edge: Caller::new(gate.address()), gate: Some(gate), parts, is_searched: false }
    }

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
        self.parts.between.as_ref().expect("the stack was made `with_between`")
    }

    /// What the first isolate holds.
    pub fn seen_inside(&self) -> Observed {
        self.seen_inside_of(self.edge_address())
    }

    /// What the isolate behind this address holds; the stack was made `observed`.
    pub fn seen_inside_of(&self, address: SocketAddr) -> Observed {
        Observed::read(&Caller::new(address).send(|http, base| http.get(format!("{base}{}", observed::PATH))).json())
    }

    /// Lets the Worker's WebAssembly trap at the next promise that it waits for; the stack was made `observed`.
    pub fn trap_inside(&self) {
        Caller::new(self.edge_address()).send(|http, base| http.get(format!("{base}{}", observed::TRAP))).ok();
    }

    /// Ends the scripted origin and starts it again where it was, with these grant keys: `KID=PUBLIC`.
    pub fn restart_origin_with(&mut self, grant_keys: &[String]) {
        self.parts.origin_settings.bind = self.parts.origin.address();
        self.parts.origin_settings.grant_keys = grant_keys.to_vec();
        // The one that is there goes first: both have one place.
        self.parts.origin = TestOrigin::Down;
        self.parts.origin =
            TestOrigin::start(&self.parts.kind, &self.parts.origin_settings, self.parts.directory.path());
    }

    /// Where the origin listens.
    pub fn origin_address(&self) -> SocketAddr {
        self.parts.origin.address()
    }

    /// The hold on the scripted model.
    pub fn script(&self) -> &Script {
        self.parts.origin.script()
    }

    /// The origin's places at this moment, as it says itself.
    pub fn capacity(&self) -> Capacity {
        let answer = Caller::new(self.origin_address()).send(|http, base| http.get(format!("{base}/capacity"))).ok();
        serde_json::from_value(answer.json()).expect("a capacity")
    }

    /// Sends an origin that is a process of its own a signal, by its name without `SIG`.
    pub fn signal_origin(&self, name: &str) {
        self.parts.origin.signal(name);
    }

    /// Drains the scripted origin, on a thread of its own: it is gone afterwards.
    pub fn drain_origin(&mut self) -> std::thread::JoinHandle<()> {
        let origin = std::mem::replace(&mut self.parts.origin, TestOrigin::Down);
        std::thread::spawn(move || origin.drain())
    }

    /// What a socket origin received.
    pub fn received(&self) -> Vec<Received> {
        self.parts.origin.received()
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
        self.start_edge();
    }

    fn start_edge(&mut self) {
        let gate = self.parts.gate();
        self.edge = Caller::new(gate.address());
        self.gate = Some(gate);
    }

    /// Kills workerd and starts it again with no Gate that can be opened.
    pub fn lose_gates(&mut self) {
        self.restart_edge();
        self.parts.files.lose_gates();
    }

    /// Kills workerd, runs a statement on the Registry's own database, and starts it again: for what no request can do.
    pub fn restart_edge_with_registry(&mut self, statement: &str) {
        self.restart_edge_with_object("registry", statement);
    }

    /// The same with the database of the only object of this kind.
    pub fn restart_edge_with_object(&mut self, kind: &str, statements: &str) {
        self.gate = None;
        self.parts.files.change_object(kind, statements);
        self.start_edge();
    }

    /// [`Self::restart_edge`] with another value of a variable, as a deploy brings it.
    pub fn restart_edge_with(&mut self, name: &'static str, value: impl Into<String>) {
        self.parts.settings.retain(|(known, _)| *known != name);
        self.parts.settings.push((name, value.into()));
        self.parts.watch.settings(&self.parts.settings);
        self.parts.files.configure(&self.parts.settings);
        self.restart_edge();
    }

    /// What the edge has logged so far.
    pub fn edge_log(&self) -> String {
        std::fs::read_to_string(self.parts.files.log()).expect("workerd's log is there since its start")
    }

    /// What the origin has logged so far, if it is a process of its own.
    pub fn origin_log(&self) -> Option<String> {
        self.parts
            .origin
            .log()
            .map(|log| std::fs::read_to_string(log).expect("the origin's log is there since its start"))
    }

    /// Every file that outlives the edge's process, and what the edge was built from: for a search in them. Nothing runs meanwhile.
    pub fn dumps(&mut self) -> Vec<(String, Vec<u8>)> {
        self.gate = None;
        let dumps = self.parts.files.dumps();
        self.start_edge();
        dumps
    }

    /// Checks that nothing secret is in any log: none of the deployment's secrets, none of these keys, no prompt, and no
    /// signed token (the JSON of whose header begins in one of a few ways in base64).
    pub fn check_logs(&self, keys: &[&str]) {
        let fixed = TOKENS.iter().chain(&[secrets::PROMPT]).chain(keys).map(|text| (*text).to_owned());
        let hidden: Vec<_> = secrets::all().into_iter().chain(fixed).collect();
        for (gate, log) in [("edge", Some(self.edge_log())), ("origin", self.origin_log())] {
            let Some(log) = log else { continue };
            for secret in &hidden {
                assert!(!log.contains(secret), "{secret} is in the log of the {gate}:\n{log}");
            }
        }
    }

    /// Where the stack keeps its files: for a test that leaves something there.
    pub fn directory(&self) -> &Path {
        self.parts.directory.path()
    }

    /// Ends the stack and says which secrets of its run are where. Dropping it does the same, and fails if there are any.
    pub fn end(mut self) -> Vec<String> {
        self.search()
    }

    fn search(&mut self) -> Vec<String> {
        self.is_searched = true;
        self.gate = None;
        let parts = &mut self.parts;
        let mut places = Vec::new();
        let mut add = |name: String, bytes: Vec<u8>, kind| places.push(Place { name, bytes, kind });
        if let TestOrigin::Raw(origin) = &parts.origin {
            for Received { line, headers, body } in origin.received() {
                let headers = headers.iter().map(|(name, value)| format!("\n{name}: {value}"));
                let head: String = [line.clone()].into_iter().chain(headers).collect();
                add(format!("what the origin was sent: {line}"), [head.as_bytes(), &body].concat(), Kind::Received);
            }
        }
        for message in parts.between.iter().flat_map(Between::seen) {
            add(format!("a message to the {:?}", message.to), message.bytes, Kind::Kept);
        }
        let origin_log = parts.origin.log().map(Path::to_owned);
        // What it writes at its end is searched, too.
        parts.origin = TestOrigin::Down;
        let logs = [("the edge's log", Some(parts.files.log())), ("the origin's log", origin_log)];
        let logs = logs.into_iter().filter_map(|(name, log): (_, Option<PathBuf>)| Some((name, log?)));
        logs.for_each(|(name, log)| add(name.into(), std::fs::read(log).unwrap_or_default(), Kind::Kept));
        parts.files.dumps().into_iter().for_each(|(path, bytes)| add(path, bytes, Kind::Kept));
        parts.watch.answers().into_iter().for_each(|(name, bytes)| add(name, bytes, Kind::Answered));
        parts.watch.is_over();
        parts.watch.search(&places)
    }
}

impl Parts {
    /// Starts workerd; whatever is asked of it is this stack's.
    fn gate(&self) -> Edge {
        let gate = self.files.start();
        [Some(gate.address()), gate.twin()].into_iter().flatten().for_each(|address| self.watch.listens(address));
        gate
    }
}

impl Drop for RunningStack {
    fn drop(&mut self) {
        // A test that fails already says why.
        if self.is_searched || std::thread::panicking() {
            return;
        }
        let found = self.search();
        assert!(found.is_empty(), "secrets are where they do not belong:\n{}", found.join("\n"));
    }
}
