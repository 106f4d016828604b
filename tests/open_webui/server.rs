//! The program itself, as `pip` installs it.

use harness::process::{Announces, Program};
use serde_json::json;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long it may take to serve: it makes its database first.
const PATIENCE: Duration = Duration::from_secs(180);

/// An Open WebUI that serves. Dropping it ends it, and what it kept is gone.
pub(crate) struct OpenWebUi {
    url: String,
    log: PathBuf,
    directory: TempDir,
    _program: Program,
}

impl OpenWebUi {
    /// Starts what lies in `home`, with a connection of OpenAI's kind to `openai` and one of Ollama's to `ollama`, and waits
    /// until it serves. All else is as it comes, but that it may ask nobody else for anything.
    pub(crate) fn start(home: &Path, openai: &str, ollama: &str, keys: &[String; 2]) -> Self {
        let directory = TempDir::with_prefix("sluice-open-webui-").expect("the machine has a directory for such files");
        let port = free_port();
        let data = directory.path().display().to_string();
        let ollama_keys = json!({"0": {"enable": true, "key": keys[1]}}).to_string();
        let settings: [(&str, &str); 10] = [
            ("PATH", "/usr/local/bin:/usr/bin:/bin"),
            ("HOME", &data),
            ("DATA_DIR", &data),
            ("OFFLINE_MODE", "true"),
            ("HF_HUB_OFFLINE", "1"),
            ("WEBUI_SECRET_KEY", "of-this-run"),
            ("OPENAI_API_BASE_URL", openai),
            ("OPENAI_API_KEY", &keys[0]),
            ("OLLAMA_BASE_URL", ollama),
            ("OLLAMA_API_CONFIGS", &ollama_keys),
        ];
        let mut arguments: Vec<String> = settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let program = home.join("env/bin/open-webui").display().to_string();
        let port_text = port.to_string();
        arguments.extend(
            [program.as_str(), "serve", "--host", "127.0.0.1", "--port", port_text.as_str()].map(str::to_owned),
        );
        let log = home.join("open-webui.log");
        // Another run's would be read as this one's.
        let _ = std::fs::remove_file(&log);
        let program = Program::start_at(
            "info",
            Path::new("/usr/bin/env"),
            &arguments,
            Announces::OnDescriptor3,
            directory.path(),
            &log,
        );
        let server = Self { url: format!("http://127.0.0.1:{port}"), log, directory, _program: program };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                begun.elapsed() < PATIENCE,
                "Open WebUI does not serve; what it said is in {}",
                server.log.display()
            );
            std::thread::sleep(Duration::from_millis(200));
        }
        server
    }

    /// Where it serves.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// What it said.
    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// Its data, and what is made beside them.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }
}

/// A port that nobody has: it takes a number, and no socket.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("it is bound").port()
}
