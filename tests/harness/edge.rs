//! The edge gate on the real runtime: workerd, configured as `wrangler.toml` says it is deployed.

use crate::process::{Announces, Program};
use crate::tools;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// A running edge. Dropping it kills workerd without a warning, as a crash would.
pub struct Edge {
    address: SocketAddr,
    _program: Program,
}

/// Where an edge keeps what outlives it, and what it is started with.
pub struct EdgeFiles {
    directory: PathBuf,
}

impl EdgeFiles {
    /// Writes workerd's configuration with these variables; the Durable Objects' disk is empty.
    pub fn create(directory: &Path, settings: &[(&str, String)]) -> Self {
        let files = Self { directory: directory.to_path_buf() };
        // workerd only embeds what is below its configuration.
        for name in ["index.js", "index_bg.wasm"] {
            fs::copy(tools::edge_build(name), directory.join(name)).expect("the stack's directory is writable");
        }
        fs::create_dir(files.disk()).expect("the stack's directory is new");
        files.configure(settings);
        files
    }

    /// Writes the configuration anew; the next start reads it.
    pub fn configure(&self, settings: &[(&str, String)]) {
        let file = self.directory.join("config.capnp");
        fs::write(file, self.config(settings)).expect("the stack's directory is writable");
    }

    /// Writes a configuration whose only module is this script: something to compare the edge with.
    pub fn create_with_script(directory: &Path, script: &str) -> Self {
        let files = Self::create(directory, &[]);
        fs::write(directory.join("index.js"), script).expect("the stack's directory is writable");
        let config = fs::read_to_string(directory.join("config.capnp")).expect("it was written above");
        let cut = |config: &str, from: &str, to: &str| {
            let start = config.find(from).expect("the configuration has this part");
            let end = config[start..].find(to).expect("and it ends") + start + to.len();
            format!("{}{}", &config[..start], &config[end..])
        };
        let config = cut(&config, "  durableObjectNamespaces", "  ],\n");
        let config = cut(&config, "  durableObjectStorage", ",\n");
        let config = cut(&config, "  bindings", "  ],\n");
        fs::write(directory.join("config.capnp"), config).expect("the stack's directory is writable");
        files
    }

    /// Starts workerd and waits until it listens.
    pub fn start(&self) -> Edge {
        let arguments = ["serve", "config.capnp", "--control-fd=3"].map(str::to_owned);
        let program =
            Program::start(&tools::workerd(), &arguments, Announces::OnDescriptor3, &self.directory, &self.log());
        let port = program.announced(&self.log(), |line| {
            let event: serde_json::Value = serde_json::from_str(line).ok()?;
            (event["event"] == "listen").then(|| u16::try_from(event["port"].as_u64()?).ok())?
        });
        Edge { address: SocketAddr::from(([127, 0, 0, 1], port)), _program: program }
    }

    /// All that workerd and the Worker printed, every start of it.
    pub fn log(&self) -> PathBuf {
        self.directory.join("edge.log")
    }

    fn disk(&self) -> PathBuf {
        self.directory.join("objects")
    }

    fn config(&self, settings: &[(&str, String)]) -> String {
        let bindings: String = settings
            .iter()
            .map(|(name, value)| format!("    (name = {}, text = {}),\n", quoted(name), quoted(value)))
            .collect();
        let wrangler = fs::read_to_string(tools::root().join("wrangler.toml")).expect("the repository has it");
        let deployed = |name: &str| {
            let value = wrangler.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_prefix("= "));
            value.unwrap_or_else(|| panic!("wrangler.toml has no {name}")).to_owned()
        };
        CONFIG
            .replace("@DISK@", &quoted(&self.disk().to_string_lossy()))
            .replace("@DATE@", &deployed("compatibility_date"))
            .replace("@FLAGS@", &deployed("compatibility_flags"))
            .replace("@BINDINGS@", &bindings)
    }
}

impl Edge {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Cap'n Proto's text literals are written like JSON's, as far as our values go.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

const CONFIG: &str = r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "edge", worker = .edge),
    (name = "disk", disk = (path = @DISK@, writable = true)),
    (name = "internet", network = (allow = ["public", "private", "local"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "edge")],
);
const edge :Workerd.Worker = (
  modules = [
    (name = "index.js", esModule = embed "index.js"),
    (name = "index_bg.wasm", wasm = embed "index_bg.wasm"),
  ],
  compatibilityDate = @DATE@,
  compatibilityFlags = @FLAGS@,
  durableObjectNamespaces = [
    (className = "Gate", uniqueKey = "gate", enableSql = true),
    (className = "Registry", uniqueKey = "registry", enableSql = true),
  ],
  durableObjectStorage = (localDisk = "disk"),
  bindings = [
    (name = "GATE", durableObjectNamespace = "Gate"),
    (name = "REGISTRY", durableObjectNamespace = "Registry"),
@BINDINGS@  ],
);
"#;
