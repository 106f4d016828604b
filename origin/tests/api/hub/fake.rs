//! A hub on loopback that answers as Hugging Face's does: small files behind a relative redirect, large ones behind one to
//! another server, which knows ranges; and what goes wrong between here and there. With TLS and without.

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

pub(crate) const REPOSITORY: &str = "Owner/Small-1.0";
pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// Two servers: the hub, and the one where large files lie. They end with the test's process.
pub(crate) struct FakeHub {
    pub(crate) url: String,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    store: String,
}

#[derive(Default)]
struct State {
    commit: String,
    files: BTreeMap<String, (Vec<u8>, bool)>,
    faults: VecDeque<Fault>,
    refusal: Option<(u16, &'static str)>,
    token: Option<&'static str>,
    held: bool,
    log: Vec<Asked>,
    sent: usize,
}

/// One request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// `HEAD config.json`.
    pub(crate) what: String,
    /// What `range` said.
    pub(crate) range: Option<String>,
    /// Whether it went to the server where large files lie.
    pub(crate) store: bool,
    pub(crate) token: Option<String>,
}

/// What becomes of the next `GET` of a large file.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// The connection ends after this many bytes of the body.
    Cut(usize),
    /// The range is not looked at.
    Whole,
    /// Another part than the one that was asked for.
    Elsewhere,
    /// The bytes are others.
    Corrupt,
    /// More bytes than there are.
    TooMany,
    /// This status, without a body.
    Status(u16),
}

impl FakeHub {
    /// A hub that has these files; those of a name that ends in `.safetensors` or `.gguf` are large.
    pub(crate) fn start(files: &[(&str, Vec<u8>)]) -> Self {
        Self::with_tls(files, None, None)
    }

    /// The same behind TLS, as `localhost`; `store`: for the server where large files lie.
    pub(crate) fn with_tls(
        files: &[(&str, Vec<u8>)],
        tls: Option<Arc<ServerConfig>>,
        store_tls: Option<Arc<ServerConfig>>,
    ) -> Self {
        let (hub, store) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        let address = |listener: &TcpListener, tls: &Option<Arc<ServerConfig>>| match tls {
            None => format!("http://{}", listener.local_addr().unwrap()),
            Some(_) => format!("https://localhost:{}", listener.local_addr().unwrap().port()),
        };
        let (url, address) = (address(&hub, &tls), address(&store, &store_tls));
        let state = State { commit: COMMIT.into(), ..State::default() };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new(), store: address });
        for (listener, is_store, tls) in [(hub, false, tls), (store, true, store_tls)] {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || {
                for stream in listener.incoming() {
                    let (shared, tls) = (Arc::clone(&shared), tls.clone());
                    // A client that is gone is no fault of the hub's.
                    std::thread::spawn(move || match tls {
                        None => shared.plain(stream.unwrap(), is_store).is_some(),
                        Some(tls) => shared.behind_tls(stream.unwrap(), tls, is_store).is_some(),
                    });
                }
            });
        }
        let hub = Self { url, shared };
        for (name, bytes) in files {
            hub.put(name, bytes.clone());
        }
        hub
    }

    /// Adds a file, or changes it.
    pub(crate) fn put(&self, name: &str, bytes: Vec<u8>) {
        let large = name.ends_with(".safetensors") || name.ends_with(".gguf");
        self.shared.lock().files.insert(name.to_owned(), (bytes, large));
    }

    /// The branch stands for this commit now.
    pub(crate) fn commit(&self, commit: &str) {
        commit.clone_into(&mut self.shared.lock().commit);
    }

    /// The next requests for large files go wrong like this, one after another.
    pub(crate) fn faults(&self, faults: impl IntoIterator<Item = Fault>) {
        self.shared.lock().faults.extend(faults);
    }

    /// Everybody is refused with this status and this `x-error-code`.
    pub(crate) fn refuse(&self, status: u16, code: &'static str) {
        self.shared.lock().refusal = Some((status, code));
    }

    /// Only who brings this token is answered.
    pub(crate) fn require(&self, token: &'static str) {
        self.shared.lock().token = Some(token);
    }

    /// Large files wait until they are let go.
    pub(crate) fn hold(&self, held: bool) {
        self.shared.lock().held = held;
        self.shared.changed.notify_all();
    }

    /// What was asked since the last call.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.shared.lock().log)
    }

    /// The same as `METHOD file` alone, without what the store was asked.
    pub(crate) fn asked_for(&self) -> Vec<String> {
        self.asked().into_iter().filter(|asked| !asked.store).map(|asked| asked.what).collect()
    }

    /// Bytes of large files that were sent.
    pub(crate) fn sent(&self) -> usize {
        self.shared.lock().sent
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn plain(&self, mut stream: TcpStream, is_store: bool) -> Option<()> {
        self.answer(&mut stream, is_store)?;
        stream.shutdown(Shutdown::Write).ok()
    }

    fn behind_tls(&self, stream: TcpStream, tls: Arc<ServerConfig>, is_store: bool) -> Option<()> {
        let mut stream = StreamOwned::new(ServerConnection::new(tls).ok()?, stream);
        self.answer(&mut stream, is_store)?;
        stream.conn.send_close_notify();
        stream.flush().ok()?;
        stream.sock.shutdown(Shutdown::Write).ok()
    }

    fn answer(&self, stream: &mut (impl Read + Write), is_store: bool) -> Option<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).ok()?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).ok()?;
        let mut lines = head.lines();
        let first = lines.next()?;
        let headers: BTreeMap<String, String> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let mut words = first.split(' ');
        let (method, target) = (words.next()?, words.next()?);
        let path = target.split('?').next()?;
        let file = path.rsplit_once("/resolve/").map_or(path, |(_, rest)| rest);
        let file = file.split_once('/').map_or(file, |(_, file)| file).trim_start_matches("cache/").to_owned();
        let range = headers.get("range").cloned();
        let token = headers.get("authorization").cloned();
        let asked =
            Asked { what: format!("{method} {file}"), range: range.clone(), store: is_store, token: token.clone() };
        self.lock().log.push(asked);
        let head = method == "HEAD";
        let reply = if is_store { self.store(&file, range) } else { self.hub(path, &file, token.as_deref()) };
        let Reply { status, headers, body, cut } = reply;
        let mut text = format!("HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        stream.write_all((text + "\r\n").as_bytes()).ok()?;
        if !head {
            let sent = cut.map_or(body.len(), |cut| cut.min(body.len()));
            if is_store {
                self.lock().sent += sent;
            }
            stream.write_all(&body[..sent]).ok()?;
        }
        stream.flush().ok()
    }

    /// The hub itself: what a file is, and where it lies.
    fn hub(&self, path: &str, file: &str, token: Option<&str>) -> Reply {
        let state = self.lock();
        if let Some((status, code)) = state.refusal {
            return Reply::status(status).with("x-error-code", code).with("x-error-message", "because we say so");
        }
        if state.token.is_some_and(|wanted| token != Some(&format!("Bearer {wanted}"))) {
            return Reply::status(401);
        }
        let resolved = path.starts_with("/cache/");
        let known = [format!("/{REPOSITORY}/resolve/main/"), format!("/{REPOSITORY}/resolve/{}/", state.commit)];
        if !resolved && !known.iter().any(|known| path.starts_with(known)) {
            let code = if path.contains(REPOSITORY) { "RevisionNotFound" } else { "RepoNotFound" };
            return Reply::status(404).with("x-error-code", code);
        }
        let commit = state.commit.clone();
        let Some((bytes, large)) = state.files.get(file).cloned() else {
            return Reply::status(404).with("x-error-code", "EntryNotFound").with("x-repo-commit", &commit);
        };
        match (large, resolved) {
            (true, _) => Reply::status(302)
                .with("location", &format!("{}/store/{file}?signature=secret", self.store))
                .with("x-repo-commit", &commit)
                .with("x-linked-size", &bytes.len().to_string())
                .with("x-linked-etag", &format!("\"{}\"", hash(&bytes)))
                .with("etag", "\"another\""),
            (false, false) => {
                Reply::status(307).with("location", &format!("/cache/{file}")).with("x-repo-commit", &commit)
            }
            (false, true) => Reply { body: bytes.clone(), ..Reply::status(200) }
                .with("etag", &format!("W/\"{}\"", &hash(&bytes)[..40])),
        }
    }

    /// Where large files lie.
    fn store(&self, file: &str, range: Option<String>) -> Reply {
        let mut state = self.changed.wait_while(self.lock(), |state| state.held).unwrap();
        let fault = state.faults.pop_front();
        let file = file.trim_start_matches("store/");
        let bytes = state.files.get(file).map(|(bytes, _)| bytes.clone()).unwrap_or_default();
        drop(state);
        let start = range.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
        let (total, from) = (bytes.len(), start.unwrap_or(0));
        let part = |from: usize| {
            let range = format!("bytes {from}-{}/{total}", total - 1);
            Reply { body: bytes[from..].to_vec(), ..Reply::status(206) }.with("content-range", &range)
        };
        let reply = if start.is_some() { part(from) } else { Reply { body: bytes.clone(), ..Reply::status(200) } };
        match fault {
            None => reply,
            Some(Fault::Cut(count)) => Reply { cut: Some(count), ..reply },
            Some(Fault::Whole) => Reply { body: bytes.clone(), ..Reply::status(200) },
            Some(Fault::Elsewhere) => part(from + 1),
            Some(Fault::Corrupt) => Reply { body: reply.body.iter().map(|byte| byte ^ 1).collect(), ..reply },
            Some(Fault::TooMany) => Reply { body: [reply.body, vec![0; 9]].concat(), ..reply },
            Some(Fault::Status(status)) => Reply::status(status),
        }
    }
}

struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    cut: Option<usize>,
}

impl Reply {
    fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), cut: None }
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// In hex.
pub(crate) fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
