//! How each peer is started: in its best form, as its documentation configures it, with two workers, before the same
//! origin, with the same keys.

use super::group::find_program;
use super::{Mode, Peer, WORKERS};
use crate::load::requests::MODEL;
use anyhow::{Context, Result};
use harness::tools;
use serde_json::json;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// What a peer is started with.
pub(super) struct Place<'a> {
    /// Where set-up has installed the peers.
    pub(super) home: &'a Path,
    /// A directory of this start's own.
    pub(super) scratch: &'a Path,
    /// Where the origin listens.
    pub(super) origin: SocketAddr,
    /// Where Redis listens, for peers that count in it.
    pub(super) redis: Option<SocketAddr>,
    /// Where the peer is to listen.
    pub(super) address: SocketAddr,
    /// Where its administration is to listen, if it has one.
    pub(super) admin: SocketAddr,
    /// What it is to limit.
    pub(super) mode: Mode,
}

/// How to start a peer and how to know that it has.
pub(super) struct Recipe {
    /// What to run.
    pub(super) command: Command,
    /// A path that it answers once it runs.
    pub(super) ready: &'static str,
    /// What its log says for each worker that is ready, and how often that is.
    pub(super) says: Option<(&'static str, usize)>,
    /// How long all of that may take.
    pub(super) patience: Duration,
}

impl Place<'_> {
    /// How to start this peer here.
    pub(super) fn recipe(&self, peer: Peer) -> Result<Recipe> {
        match peer {
            Peer::Nginx => self.nginx(),
            Peer::SlowApi | Peer::SlowApiMovingWindow => self.slowapi(peer),
            Peer::Flask | Peer::FlaskMovingWindow => self.flask(peer),
            Peer::ExpressGateway => self.express_gateway(),
            Peer::LiteLlm => self.litellm(),
        }
    }

    /// What is left to do once it runs.
    pub(super) fn finish(&self, peer: Peer) -> Result<()> {
        if peer == Peer::ExpressGateway { self.express_gateway_users() } else { Ok(()) }
    }

    fn nginx(&self) -> Result<Recipe> {
        let (limit, window) = self.mode.limit();
        // What may come at once, beyond the first, is said apart from the rate.
        let (rate, burst) = match self.mode {
            Mode::Admit => ("1000000r/s".to_owned(), "burst=100000 nodelay".to_owned()),
            Mode::Refuse => ("1r/m".to_owned(), String::new()),
            Mode::Burst | Mode::Edge => {
                let rate = format!("{}r/m", u64::from(limit) * 60 / window.as_secs());
                (rate, format!("burst={} nodelay", limit - 1))
            }
        };
        let keys: String = Mode::KEYS.iter().map(|key| format!("\"Bearer {key}\" 1; ")).collect();
        let values = [("KEYS", keys), ("RATE", rate), ("BURST", burst)];
        self.write("nginx.conf", include_str!("apps/nginx.conf"), &values)?;
        let mut command = Command::new(find_program("nginx").context("nginx is not installed")?);
        command.args(["-e", "stderr", "-c", "nginx.conf", "-p"]).arg(self.scratch).current_dir(self.scratch);
        Ok(Recipe { command, ready: "/healthz", says: None, patience: START_TIME })
    }

    fn slowapi(&self, peer: Peer) -> Result<Recipe> {
        let mut command = Command::new(self.home.join("python/bin/uvicorn"));
        command.arg("slowapi_app:app").args(["--host", "127.0.0.1", "--port", &self.address.port().to_string()]);
        command.args(["--workers", &WORKERS.to_string(), "--loop", "uvloop", "--http", "httptools", "--no-access-log"]);
        self.python(&mut command, peer == Peer::SlowApiMovingWindow)?;
        let says = Some(("Application startup complete", WORKERS));
        Ok(Recipe { command, ready: "/healthz", says, patience: START_TIME })
    }

    fn flask(&self, peer: Peer) -> Result<Recipe> {
        let mut command = Command::new(self.home.join("python/bin/gunicorn"));
        command.args(["flask_app:app", "--bind", &self.address.to_string(), "--workers", &WORKERS.to_string()]);
        command.args(["--worker-class", "gthread", "--threads", "16", "--keep-alive", "75"]);
        self.python(&mut command, peer == Peer::FlaskMovingWindow)?;
        Ok(Recipe { command, ready: "/healthz", says: Some(("Booting worker", WORKERS)), patience: START_TIME })
    }

    /// The applications' settings. Fixed windows are what people copy, with headers off; moving windows with headers on are
    /// the best that both libraries can do.
    fn python(&self, command: &mut Command, moving_window: bool) -> Result<()> {
        let (limit, window) = self.mode.limit();
        command.current_dir(self.scratch).env("PYTHONPATH", apps()).env("PYTHONDONTWRITEBYTECODE", "1");
        command.env("BENCH_ORIGIN", format!("http://{}", self.origin)).env("BENCH_KEYS", Mode::KEYS.join(","));
        command.env("BENCH_REDIS", format!("redis://{}", self.redis()?));
        command.env("BENCH_LIMIT", format!("{limit} per {} second", window.as_secs()));
        command.env("BENCH_STRATEGY", if moving_window { "moving-window" } else { "fixed-window" });
        command.env("BENCH_HEADERS", if moving_window { "1" } else { "0" });
        Ok(())
    }

    fn express_gateway(&self) -> Result<Recipe> {
        let (limit, window) = self.mode.limit();
        let home = self.home.join("express-gateway");
        let models = home.join("node_modules/express-gateway/lib/config/models");
        fs::create_dir(self.scratch.join("models")).context("no directory for Express Gateway's models")?;
        for model in fs::read_dir(&models).with_context(|| format!("{} is missing", models.display()))?.flatten() {
            fs::copy(model.path(), self.scratch.join("models").join(model.file_name()))
                .context("cannot copy a model")?;
        }
        self.write("system.config.yml", include_str!("apps/system.config.yml"), &[])?;
        let values = [("LIMIT", limit.to_string()), ("WINDOW_MS", window.as_millis().to_string())];
        self.write("gateway.config.yml", include_str!("apps/gateway.config.yml"), &values)?;
        let mut command = Command::new(tools::root().join("node_modules/node/bin/node"));
        command.arg(apps().join("express_gateway.js")).arg(self.scratch).arg(WORKERS.to_string()).current_dir(home);
        command.env("EG_DISABLE_CONFIG_WATCH", "true").env("LOG_LEVEL", "warn");
        // Each worker listens twice: for callers and for its administration.
        Ok(Recipe { command, ready: "/healthz", says: Some(("listening", 2 * WORKERS)), patience: START_TIME })
    }

    fn express_gateway_users(&self) -> Result<()> {
        let http = reqwest::blocking::Client::builder().no_proxy().timeout(START_TIME).build()?;
        let post = |path: &str, body: serde_json::Value| -> Result<()> {
            let answer = http.post(format!("http://{}/{path}", self.admin)).json(&body).send()?;
            answer.error_for_status().map(drop).with_context(|| format!("Express Gateway refuses to make {path}"))
        };
        for key in Mode::KEYS {
            let (id, secret) = key.split_once(':').context("keys have two halves")?;
            post("users", json!({"username": id, "firstname": "bench", "lastname": "bench"}))?;
            let credential = json!({"keyId": id, "keySecret": secret});
            post("credentials", json!({"consumerId": id, "type": "key-auth", "credential": credential}))?;
        }
        Ok(())
    }

    fn litellm(&self) -> Result<Recipe> {
        let (limit, window) = self.mode.limit();
        self.write("config.yaml", include_str!("apps/litellm.yaml"), &[])?;
        // LiteLLM loads the hook from beside its configuration.
        self.write("litellm_auth.py", include_str!("apps/litellm_auth.py"), &[])?;
        let mut command = Command::new(self.home.join("litellm/bin/litellm"));
        command.args(["--config", "config.yaml", "--host", "127.0.0.1", "--port", &self.address.port().to_string()]);
        command.args(["--num_workers", &WORKERS.to_string()]).current_dir(self.scratch);
        command.env("BENCH_KEYS", Mode::KEYS.join(",")).env("BENCH_LIMIT", limit.to_string());
        command.env("LITELLM_RATE_LIMIT_WINDOW_SIZE", window.as_secs().to_string());
        command.env("LITELLM_LOCAL_MODEL_COST_MAP", "True").env("LITELLM_MODE", "PRODUCTION");
        command
            .env("PYTHONUNBUFFERED", "1")
            .env("LITELLM_LOG", "ERROR")
            .env("DISABLE_ADMIN_UI", "True")
            .env("HOME", self.scratch);
        let says = Some(("Proxy initialized with Config", WORKERS));
        Ok(Recipe { command, ready: "/health/liveliness", says, patience: LITELLM_START_TIME })
    }

    /// Writes a configuration with its `@NAMES@` filled in.
    fn write(&self, name: &str, template: &str, values: &[(&str, String)]) -> Result<()> {
        let mut text = template
            .replace("@WORKERS@", &WORKERS.to_string())
            .replace("@MODEL@", MODEL)
            .replace("@ORIGIN@", &self.origin.to_string())
            .replace("@PORT@", &self.address.port().to_string())
            .replace("@ADMIN_PORT@", &self.admin.port().to_string());
        if let Some(redis) = self.redis {
            text = text.replace("@REDIS_PORT@", &redis.port().to_string());
        }
        for (name, value) in values {
            text = text.replace(&format!("@{name}@"), value);
        }
        let path = self.scratch.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    fn redis(&self) -> Result<SocketAddr> {
        self.redis.context("it counts in Redis, and Redis does not run")
    }
}

/// The applications and configurations that this repository brings for peers.
fn apps() -> PathBuf {
    tools::root().join("tests/bench/peers/apps")
}

const START_TIME: Duration = Duration::from_secs(30);
/// It imports for long, in each worker; on a busy machine for minutes.
const LITELLM_START_TIME: Duration = Duration::from_secs(300);
