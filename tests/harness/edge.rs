//! The edge gate on the real runtime: workerd, configured as `wrangler.toml` says it is deployed.

pub mod between;
mod cache;
pub mod observed;

use crate::process::{Announces, Program};
use crate::tools;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// A running edge. Dropping it kills workerd without a warning, as a crash would.
pub struct Edge {
    address: SocketAddr,
    twin: Option<SocketAddr>,
    _program: Program,
}

/// What stands beside the deployed Worker.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    /// A second isolate of the same Worker, as another machine of Cloudflare's would be: its objects are the first one's.
    pub twin: bool,
    /// Variables that have another value there, as while a deploy is under way.
    pub twin_settings: Vec<(&'static str, String)>,
    /// The binding `FLOOD_SHIELD`: it refuses [`FLOODING`], fails for [`FAILING`], and lets everybody else through.
    pub shield: bool,
    /// Who decides what becomes of the messages to its objects: see [`between`].
    pub between: Option<SocketAddr>,
    /// What an isolate holds is to be seen: see [`observed`].
    pub observed: bool,
    /// The binding `ORIGIN`: another way to the origin than its address.
    pub through: Option<Through>,
    /// The console, as `wrangler.toml` has it: its files are served before the Worker is asked.
    pub console: bool,
}

/// A way to an origin that speaks TLS: whom to trust, and what to show it. All PEM.
#[derive(Clone, Debug)]
pub struct Through {
    /// Where the origin listens.
    pub address: SocketAddr,
    /// Who issued its certificate, which is for [`crate::tls::HOST`].
    pub authority: String,
    /// A certificate and its key.
    pub identity: Option<(String, String)>,
}

/// The address that the shield of [`Beside`] refuses.
pub const FLOODING: &str = "203.0.113.66";
/// The address for which it fails.
pub const FAILING: &str = "203.0.113.67";

/// Where an edge keeps what outlives it, and what it is started with.
pub struct EdgeFiles {
    directory: PathBuf,
    beside: Beside,
}

impl EdgeFiles {
    /// Writes workerd's configuration with these variables; the Durable Objects' disk is empty.
    pub fn create(directory: &Path, settings: &[(&str, String)]) -> Self {
        Self::create_beside(directory, settings, Beside::default())
    }

    /// [`Self::create`] with something beside the Worker.
    pub fn create_beside(directory: &Path, settings: &[(&str, String)], beside: Beside) -> Self {
        let files = Self { directory: directory.to_path_buf(), beside };
        // workerd only embeds what is below its configuration.
        for name in ["index.js", "index_bg.wasm"] {
            fs::copy(tools::edge_build(name), directory.join(name)).expect("the stack's directory is writable");
        }
        fs::write(directory.join("cache.js"), cache::MODULE).expect("the stack's directory is writable");
        fs::write(directory.join("between.js"), between::MODULE).expect("the stack's directory is writable");
        let next = if files.beside.between.is_some() { "between.js" } else { "index.js" };
        fs::write(directory.join("observed.js"), observed::module(next)).expect("the stack's directory is writable");
        fs::write(directory.join("observer.js"), observed::OBSERVER).expect("the stack's directory is writable");
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

    /// Takes another build of the Worker than this repository's: `build` holds what `cargo xtask build-edge` left there.
    pub fn use_build(&self, build: &Path) {
        for name in ["index.js", "index_bg.wasm"] {
            let from = build.join(name);
            fs::copy(&from, self.directory.join(name)).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
        }
    }

    /// Starts workerd and waits until it listens.
    pub fn start(&self) -> Edge {
        // Its service of assets is one of workerd's experiments; the rest of workerd stays as it is.
        let experimental = self.beside.console.then_some("--experimental");
        let arguments = ["serve", "config.capnp", "--control-fd=3"].into_iter().chain(experimental);
        let arguments: Vec<_> = arguments.map(str::to_owned).collect();
        let program =
            Program::start(&tools::workerd(), &arguments, Announces::OnDescriptor3, &self.directory, &self.log());
        let sockets: &[&str] = if self.beside.twin { &["http", "twin"] } else { &["http"] };
        let mut ports = BTreeMap::new();
        program.announced(&self.log(), |line| {
            let event: serde_json::Value = serde_json::from_str(line).ok()?;
            if event["event"] == "listen" {
                ports.insert(event["socket"].as_str()?.to_owned(), u16::try_from(event["port"].as_u64()?).ok()?);
            }
            sockets.iter().all(|socket| ports.contains_key(*socket)).then_some(())
        });
        let address = |socket: &str| Some(SocketAddr::from(([127, 0, 0, 1], *ports.get(socket)?)));
        let twin = address("twin");
        Edge { address: address("http").expect("announced above"), twin, _program: program }
    }

    /// Takes the directory of all Gates away from a workerd that has not opened any of them yet: none can be opened.
    pub fn lose_gates(&self) {
        fs::remove_dir_all(self.disk().join("gate")).expect("workerd makes it when it starts");
    }

    /// Runs statements on the database of the only object of this kind, such as `registry`, while no workerd runs.
    pub fn change_object(&self, kind: &str, statements: &str) {
        let files = fs::read_dir(self.disk().join(kind)).expect("it was written to");
        let mut databases = files.filter_map(|file| Some(file.ok()?.path())).filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.ends_with(".sqlite") && !name.starts_with("metadata")
        });
        let database = databases.next().expect("there is one");
        assert_eq!(databases.next(), None);
        let script = "import sqlite3, sys\nwith sqlite3.connect(sys.argv[1]) as database: database.executescript(sys.stdin.read())";
        let mut python = std::process::Command::new(tools::python());
        // A month of rows is more than an argument may be.
        let mut python =
            python.args(["-c", script]).arg(database).stdin(Stdio::piped()).spawn().expect("Python is set up");
        let mut input = python.stdin.take().expect("it is piped");
        input.write_all(statements.as_bytes()).expect("it reads all of it");
        drop(input);
        assert!(python.wait().expect("it was started").success(), "{statements:.200}");
    }

    /// The Durable Objects' files, by their paths.
    pub fn dumps(&self) -> Vec<(String, Vec<u8>)> {
        let mut found = Vec::new();
        let mut directories = vec![self.disk()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).expect("it was there a moment ago").flatten() {
                let path = entry.path();
                match path.is_dir() {
                    true => directories.push(path),
                    false => found.push((path.display().to_string(), fs::read(&path).expect("a file can be read"))),
                }
            }
        }
        found
    }

    /// All that workerd and the Worker printed, every start of it.
    pub fn log(&self) -> PathBuf {
        self.directory.join("edge.log")
    }

    fn disk(&self) -> PathBuf {
        self.directory.join("objects")
    }

    fn config(&self, settings: &[(&str, String)]) -> String {
        let binding =
            |(name, value): &(&str, String)| format!("    (name = {}, text = {}),\n", quoted(name), quoted(value));
        let bindings: String = settings.iter().map(binding).collect();
        let wrangler = fs::read_to_string(tools::root().join("wrangler.toml")).expect("the repository has it");
        let deployed = |name: &str| {
            let value = wrangler.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_prefix("= "));
            value.unwrap_or_else(|| panic!("wrangler.toml has no {name}")).to_owned()
        };
        let if_set = |is_set: bool, text: &'static str| if is_set { text } else { "" };
        let Beside { twin, ref twin_settings, shield, between, observed, ref through, console } = self.beside;
        let between_service = between.map(|address| {
            format!("    (name = \"between\", external = (address = {}, http = ())),\n", quoted(&address.to_string()))
        });
        let worker = |name: &str, objects: &str, bindings: &str, class: &dyn Fn(&str) -> String| {
            WORKER
                .replace("@NAME@", name)
                .replace("@DATE@", &deployed("compatibility_date"))
                .replace("@FLAGS@", &deployed("compatibility_flags"))
                .replace("@OBJECTS@", objects)
                .replace("@GATE@", &class("Gate"))
                .replace("@REGISTRY@", &class("Registry"))
                .replace("@RESPONSES@", &class("Responses"))
                .replace("@JOBS@", &class("Jobs"))
                .replace("@METER@", &class("Meter"))
                .replace("@ALERTS@", &class("Alerts"))
                .replace("@ORIGIN@", if_set(through.is_some(), ORIGIN_BINDING))
                .replace("@SHIELD@", if_set(shield, SHIELD_BINDING))
                .replace("@OBSERVED_MODULES@", if_set(observed, OBSERVED_MODULES))
                .replace("@BETWEEN_MODULE@", if_set(between.is_some(), BETWEEN_MODULE))
                .replace("@BETWEEN@", if_set(between.is_some(), BETWEEN_BINDING))
                .replace("@BINDINGS@", bindings)
        };
        let console_files = if console { console_service(&deployed("run_worker_first")) } else { String::new() };
        let config = CONFIG
            .replace("@DISK@", &quoted(&self.disk().to_string_lossy()))
            .replace("@FRONT@", if console { "console" } else { "edge" })
            .replace("@CONSOLE_SERVICE@", &console_files)
            .replace("@TWIN_SERVICE@", if_set(twin, TWIN_SERVICE))
            .replace("@TWIN_SOCKET@", if_set(twin, TWIN_SOCKET))
            .replace("@BETWEEN_SERVICE@", &between_service.unwrap_or_default())
            .replace("@ORIGIN_SERVICE@", &through.as_ref().map(origin_service).unwrap_or_default())
            .replace("@EXTENSIONS@", if_set(shield, SHIELD_EXTENSION))
            .replace("@SHIELD_SOURCE@", &quoted(&shield_source()));
        let is_same = |(name, _): &&(&str, String)| twin_settings.iter().all(|(other, _)| other != name);
        let of_twin: String = settings.iter().filter(is_same).chain(twin_settings).map(binding).collect();
        let class_at_edge = |class: &str| format!("(className = {}, serviceName = \"edge\")", quoted(class));
        let twin_worker = if twin { worker("twin", "", &of_twin, &class_at_edge) } else { String::new() };
        config
            + &cache::SERVICE.replace("@DATE@", &deployed("compatibility_date"))
            + &worker("edge", OBJECTS, &bindings, &quoted)
            + &twin_worker
    }
}

impl Edge {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its second isolate listens, if it has one.
    pub fn twin(&self) -> Option<SocketAddr> {
        self.twin
    }
}

/// The platform's own binding is known by the name of its class.
fn shield_source() -> String {
    format!(
        "class Ratelimit {{ async limit({{ key }}) {{ if (key === '{FAILING}') throw new Error('a shield that fails'); \
         return {{ success: key !== '{FLOODING}' }}; }} }}\nexport default () => new Ratelimit();"
    )
}

fn origin_service(through: &Through) -> String {
    let identity = through.identity.as_ref().map(|(certificate, key)| {
        format!(", keypair = (privateKey = {}, certificateChain = {})", quoted(key), quoted(certificate))
    });
    let tls = format!("(trustedCertificates = [{}]{})", quoted(&through.authority), identity.unwrap_or_default());
    format!(
        "    (name = \"origin\", external = (address = {}, https = (tlsOptions = {tls}, certificateHost = {}))),\n",
        quoted(&through.address.to_string()),
        quoted(crate::tls::HOST)
    )
}

/// Files before the Worker, as Cloudflare serves them. `worker_first` is what `wrangler.toml` says of whose path is whose.
fn console_service(worker_first: &str) -> String {
    let headers = fs::read_to_string(tools::edge_build("assets/_headers")).expect("it was found just now");
    let worker_first: serde_json::Value =
        serde_json::from_str(worker_first).expect("TOML writes such a list like JSON");
    let config = serde_json::json!({"run_worker_first": worker_first, "headers": headers}).to_string();
    let folder = tools::root().join("edge/build/assets").display().to_string();
    format!(
        "    (name = \"console\", assets = (path = {}, config = {}, userWorker = \"edge\")),\n",
        quoted(&folder),
        quoted(&config)
    )
}

/// Cap'n Proto's text literals are written like JSON's, as far as our values go.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

const CONFIG: &str = r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "edge", worker = .edge),
@CONSOLE_SERVICE@@TWIN_SERVICE@@BETWEEN_SERVICE@@ORIGIN_SERVICE@    (name = "disk", disk = (path = @DISK@, writable = true)),
    (name = "cache", worker = .cache),
    (name = "internet", network = (allow = ["public", "private", "local"])),
  ],
  sockets = [
    (name = "http", address = "127.0.0.1:0", http = (), service = "@FRONT@"),
@TWIN_SOCKET@  ],
@EXTENSIONS@);
"#;
const WORKER: &str = r#"const @NAME@ :Workerd.Worker = (
  modules = [
@OBSERVED_MODULES@@BETWEEN_MODULE@    (name = "index.js", esModule = embed "index.js"),
    (name = "index_bg.wasm", wasm = embed "index_bg.wasm"),
  ],
  compatibilityDate = @DATE@,
  compatibilityFlags = @FLAGS@,
  cacheApiOutbound = "cache",
@OBJECTS@  bindings = [
    (name = "GATE", durableObjectNamespace = @GATE@),
    (name = "REGISTRY", durableObjectNamespace = @REGISTRY@),
    (name = "RESPONSES", durableObjectNamespace = @RESPONSES@),
    (name = "JOBS", durableObjectNamespace = @JOBS@),
    (name = "METER", durableObjectNamespace = @METER@),
    (name = "ALERTS", durableObjectNamespace = @ALERTS@),
@SHIELD@@BETWEEN@@ORIGIN@@BINDINGS@  ],
);
"#;
const OBJECTS: &str = r#"  durableObjectNamespaces = [
    (className = "Gate", uniqueKey = "gate", enableSql = true),
    (className = "Registry", uniqueKey = "registry", enableSql = true),
    (className = "Responses", uniqueKey = "responses", enableSql = true),
    (className = "Jobs", uniqueKey = "jobs", enableSql = true),
    (className = "Meter", uniqueKey = "meter", enableSql = true),
    (className = "Alerts", uniqueKey = "alerts", enableSql = true),
  ],
  durableObjectStorage = (localDisk = "disk"),
"#;
const TWIN_SERVICE: &str = "    (name = \"twin\", worker = .twin),\n";
const TWIN_SOCKET: &str = "    (name = \"twin\", address = \"127.0.0.1:0\", http = (), service = \"twin\"),\n";
const OBSERVED_MODULES: &str = r#"    (name = "observed.js", esModule = embed "observed.js"),
    (name = "observer.js", esModule = embed "observer.js"),
"#;
const BETWEEN_MODULE: &str = "    (name = \"between.js\", esModule = embed \"between.js\"),\n";
const BETWEEN_BINDING: &str = "    (name = \"BETWEEN\", service = \"between\"),\n";
const ORIGIN_BINDING: &str = "    (name = \"ORIGIN\", service = \"origin\"),\n";
const SHIELD_BINDING: &str = "    (name = \"FLOOD_SHIELD\", wrapped = (moduleName = \"test:shield\")),\n";
const SHIELD_EXTENSION: &str = r#"  extensions = [
    (modules = [(name = "test:shield", internal = true, esModule = @SHIELD_SOURCE@)]),
  ],
"#;
