//! Between the edge and its Durable Objects: a test sees each message before its object does, and what the object keeps,
//! and says what becomes of it. Nothing of this is in the Worker: its module stands behind another one that is written
//! here, which the test answers over a socket.

use crate::origin::raw::RawOrigin;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sluice_protocol::admin::RegistryCall;
use sluice_protocol::hop::gate_call::{Call, Envelope, decode_envelope};
use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// One message on its way to an object.
#[derive(Clone, Debug)]
pub struct Message {
    /// As it was sent.
    pub bytes: Vec<u8>,
    /// To which object.
    pub to: To,
    /// The rows that the object keeps, by their ids, before it is asked.
    pub rows: BTreeMap<i64, Vec<u8>>,
}

/// An object of the edge's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// An account's Gate.
    Gate,
    /// The Registry; its rows are plan tables.
    Registry,
}

/// What becomes of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives, and so does its answer.
    Pass,
    /// It does not arrive: the object fails over it.
    Fail,
    /// It does not arrive: the object cannot be reached.
    Unreachable,
    /// It does not arrive: the object has too much to do.
    Overload,
    /// It arrives, and its answer does not.
    LoseAnswer,
    /// The object is asked this in its place.
    Ask(Vec<u8>),
    /// It does not arrive, and this is its answer.
    Answer(Vec<u8>),
    /// It does not arrive: the object has this row from now on, and fails. It reads it when the edge is started again.
    Keep(i64, Vec<u8>),
}

impl Message {
    /// What a Gate is asked; panics if it is for another object.
    pub fn envelope(&self) -> Envelope {
        assert_eq!(self.to, To::Gate);
        decode_envelope(&self.bytes).expect("a message of this version")
    }

    /// How many requests want to be admitted with it.
    pub fn asks(&self) -> usize {
        if self.to != To::Gate {
            return 0;
        }
        self.envelope().calls.iter().filter(|call| matches!(call, Call::Admit(_) | Call::Readmit { .. })).count()
    }

    /// How many commands of admins it carries to a Gate.
    pub fn commands(&self) -> usize {
        if self.to != To::Gate {
            return 0;
        }
        self.envelope().calls.iter().filter(|call| matches!(call, Call::Do(_))).count()
    }

    /// What the Registry is asked, if it is for the Registry.
    pub fn registry_call(&self) -> Option<RegistryCall> {
        (self.to == To::Registry).then(|| serde_json::from_slice(&self.bytes).expect("a call of this version"))
    }
}

/// Decides over messages; it may wait, and the message waits with it.
pub type Decide = Arc<dyn Fn(&Message) -> Fate + Send + Sync>;

/// The test's end of the socket.
pub struct Between {
    origin: RawOrigin,
    decide: Arc<Mutex<Decide>>,
    seen: Arc<Mutex<Vec<Message>>>,
}

impl Between {
    /// Listens; everything passes.
    pub fn start() -> Self {
        let decide: Arc<Mutex<Decide>> = Arc::new(Mutex::new(Arc::new(|_| Fate::Pass)));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let reply = {
            let (decide, seen) = (decide.clone(), seen.clone());
            move |received: &crate::origin::raw::Received, socket: &mut std::net::TcpStream| {
                let message = read(&received.body);
                lock(&seen).push(message.clone());
                let decide = lock(&decide).clone();
                let body = write(decide(&message)).to_string();
                let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
                // It fails if the edge is gone.
                let _ = socket.write_all(format!("{head}{body}").as_bytes());
            }
        };
        Self { origin: RawOrigin::start(Arc::new(reply)), decide, seen }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.origin.address()
    }

    /// Decides over every message from now on.
    pub fn decide(&self, decide: impl Fn(&Message) -> Fate + Send + Sync + 'static) {
        *lock(&self.decide) = Arc::new(decide);
    }

    /// Lets everything pass from now on.
    pub fn pass(&self) {
        self.decide(|_| Fate::Pass);
    }

    /// All messages so far, in the order in which they were sent.
    pub fn seen(&self) -> Vec<Message> {
        lock(&self.seen).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read(body: &[u8]) -> Message {
    let value: Value = serde_json::from_slice(body).expect("our own module writes JSON");
    let bytes = |value: &Value| STANDARD.decode(value.as_str().expect("a text")).expect("base64");
    let rows = value["rows"].as_array().expect("a list").iter();
    Message {
        bytes: bytes(&value["message"]),
        to: if value["to"] == "gate" { To::Gate } else { To::Registry },
        rows: rows.map(|row| (row[0].as_i64().expect("an id"), bytes(&row[1]))).collect(),
    }
}

fn write(fate: Fate) -> Value {
    let text = |bytes: Vec<u8>| STANDARD.encode(bytes);
    match fate {
        Fate::Pass => json!({"fate": "pass"}),
        Fate::Fail => json!({"fate": "fail"}),
        Fate::Unreachable => json!({"fate": "unreachable"}),
        Fate::Overload => json!({"fate": "overload"}),
        Fate::LoseAnswer => json!({"fate": "lose"}),
        Fate::Ask(bytes) => json!({"fate": "ask", "bytes": text(bytes)}),
        Fate::Answer(bytes) => json!({"fate": "answer", "bytes": text(bytes)}),
        Fate::Keep(id, bytes) => json!({"fate": "keep", "id": id, "bytes": text(bytes)}),
    }
}

/// The module in front of the Worker's own.
pub(crate) const MODULE: &str = r#"import deployed, { Gate as DeployedGate, Registry as DeployedRegistry, Responses, Jobs } from "index.js";

export default deployed;
// Nobody decides over messages to these.
export { Responses, Jobs };

const unpack = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const message_of = (bytes) => new Request("http://object/", { method: "POST", body: bytes });
// As Cloudflare marks an error that is none of the object's code.
const marked = (text, mark) => Object.assign(new Error(text), { [mark]: true });
const pack = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));

function between(Deployed, to, table) {
  return class extends Deployed {
    async fetch(request) {
      const header = request.headers.get("secret-message");
      const bytes = header === null
        ? new Uint8Array(await request.arrayBuffer())
        : unpack(header.replaceAll("-", "+").replaceAll("_", "/"));
      const message = header === null ? message_of(bytes) : request;
      const told = JSON.stringify({ to, message: pack(bytes), rows: this.#rows() });
      const answer = await this.env.BETWEEN.fetch("http://between/", { method: "POST", body: told });
      const { fate, id, bytes: given } = await answer.json();
      switch (fate) {
        case "pass": return super.fetch(message);
        case "lose": await super.fetch(message); throw marked("the answer is lost", "retryable");
        case "unreachable": throw marked("the object cannot be reached", "retryable");
        case "overload": throw marked("the object has too much to do", "overloaded");
        case "ask": return super.fetch(message_of(unpack(given)));
        case "answer": return new Response(unpack(given));
        case "keep":
          this.ctx.storage.sql.exec(`INSERT OR REPLACE INTO ${table} (id, value) VALUES (?, ?)`, id, unpack(given));
          await this.ctx.storage.sync();
      }
      throw new Error("the object fails");
    }

    #rows() {
      const sql = this.ctx.storage.sql;
      const made = [...sql.exec("SELECT name FROM sqlite_master WHERE name = ?", table)].length > 0;
      const rows = made ? [...sql.exec(`SELECT id, value FROM ${table}`)] : [];
      return rows.map(({ id, value }) => [id, pack(new Uint8Array(value))]);
    }
  };
}

export const Gate = between(DeployedGate, "gate", "gate");
export const Registry = between(DeployedRegistry, "registry", "plans");
"#;
