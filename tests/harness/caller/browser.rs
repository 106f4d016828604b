//! Callers that are pages in a real browser: Chromium without a window, and a server that shows it one page.

use super::raw::split_head;
use crate::process::{Announces, Program};
use crate::tools;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;
use tempfile::TempDir;

/// Where pages of one origin come from: a port of its own.
pub struct Site {
    address: SocketAddr,
    listener: TcpListener,
}

impl Site {
    /// Listens.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        Self { address, listener }
    }

    /// The origin of its pages, as browsers write it.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Opens a page whose script is this module, in a browser of its own, and returns what the script gives to its function
    /// `tell`. `settings` are what it finds as `settings`.
    pub fn run(self, script: &str, settings: &Value) -> Value {
        // `<` begins nothing that a page's parser knows.
        let settings = settings.to_string().replace('<', "\\u003c");
        let page = PAGE.replace("@SETTINGS@", &settings).replace("@SCRIPT@", script);
        let (sender, told) = mpsc::channel();
        let url = self.origin();
        std::thread::spawn(move || {
            // Ends with the test's process: nobody else connects.
            for stream in self.listener.incoming().flatten() {
                if let Some(value) = serve(stream, &page) {
                    let _ = sender.send(value);
                }
            }
        });
        browse(&url, &told)
    }
}

/// Shows the page, or takes what it tells.
fn serve(mut stream: TcpStream, page: &str) -> Option<Value> {
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let (mut received, mut chunk) = (Vec::new(), [0; 16 * 1024]);
    let (line, body) = loop {
        if let Some((head, rest)) = split_head(&received) {
            let length = head
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
            if rest.len() >= length.unwrap_or(0) {
                break (head.lines().next()?.to_owned(), rest.to_vec());
            }
        }
        match stream.read(&mut chunk).ok()? {
            0 => return None,
            read => received.extend_from_slice(&chunk[..read]),
        }
    };
    let answer = |kind: &str, body: &str| {
        format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
    };
    if line.starts_with("POST /told ") {
        let _ = stream.write_all(answer("text/plain", "").as_bytes());
        return serde_json::from_slice(&body).ok();
    }
    let is_page = line.starts_with("GET / ");
    let _ = stream.write_all(answer("text/html; charset=utf-8", if is_page { page } else { "" }).as_bytes());
    None
}

fn browse(url: &str, told: &Receiver<Value>) -> Value {
    let profile = TempDir::with_prefix("sluice-browser-").expect("the machine has a directory for temporary files");
    let log: PathBuf = profile.path().join("browser.log");
    let arguments = FLAGS.iter().map(|flag| (*flag).to_owned());
    let own = [format!("--user-data-dir={}", profile.path().join("profile").display()), url.to_owned()];
    let arguments: Vec<_> = arguments.chain(own).collect();
    let _browser = Program::start(&tools::browser(), &arguments, Announces::OnDescriptor3, profile.path(), &log);
    told.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        panic!("the page told nothing; the browser's log:\n{}", std::fs::read_to_string(&log).unwrap_or_default())
    })
}

const PAGE: &str = r#"<!doctype html>
<meta charset="utf-8">
<link rel="icon" href="data:,">
<title>a page that calls</title>
<script type="module">
const settings = @SETTINGS@;
const tell = (found) => fetch("/told", { method: "POST", body: JSON.stringify(found) });
try {
@SCRIPT@
} catch (error) {
  tell({ broken: `${error.stack}` });
}
</script>
"#;
/// No window, no sandbox (tests run as root in containers), and no word to anybody but the page's server and the gates.
const FLAGS: [&str; 12] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-breakpad",
    "--disable-dev-shm-usage",
    "--no-proxy-server",
    "--incognito",
];
/// How long a page may take, the browser's start included: a loaded machine takes twenty seconds for that alone.
const PATIENCE: Duration = Duration::from_secs(120);
