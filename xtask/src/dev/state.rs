//! What `dev` keeps between runs: secrets, the issued key, the edge's storage, logs. Readable by its owner alone.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow, bail};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    process::{capture, command},
    tools::hex,
};

/// The grant key's name; a deployment that rotates has one name per key.
const KEY_ID: &str = "dev";

/// The state directory, held by one `dev` at a time.
pub(super) struct State {
    dir: PathBuf,
    /// Released when the process ends, however it ends.
    _lock: File,
}

/// What both gates are configured with. Never printed: no `Debug`.
pub(super) struct Secrets {
    /// `KEY_PEPPERS`: one epoch is enough where nothing rotates.
    peppers: String,
    /// `GRANT_KEYS`: what the edge signs with.
    grant_keys: String,
    /// The other half, for the origin's `--grant-key`.
    pub(super) grant_public: String,
    /// Bearer of the admin routes.
    pub(super) admin_token: String,
}

impl State {
    /// Creates the directory if missing, and takes hold of it.
    pub(super) fn open(dir: &Path) -> Result<Self> {
        for dir in [dir.to_path_buf(), dir.join("edge"), dir.join("origin"), dir.join("log")] {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&dir)
                .and_then(|()| fs::set_permissions(&dir, Permissions::from_mode(0o700)))
                .with_context(|| format!("cannot create {}; choose another with --state DIR", dir.display()))?;
        }
        let lock = File::create(dir.join("lock")).with_context(|| format!("cannot write in {}", dir.display()))?;
        if lock.try_lock().is_err() {
            bail!("another `cargo xtask dev` uses {}: stop it, or pass --state DIR for a second one", dir.display());
        }
        Ok(Self { dir: dir.to_path_buf(), _lock: lock })
    }

    /// A path inside the directory.
    pub(super) fn path(&self, relative: &str) -> PathBuf {
        self.dir.join(relative)
    }

    /// The secrets of the last run, or new ones. `origin` is the binary that makes key pairs.
    pub(super) fn secrets(&self, origin: &Path) -> Result<Secrets> {
        let file = self.path("secrets.json");
        if let Ok(text) = fs::read_to_string(&file) {
            let found = serde_json::from_str(&text).ok().as_ref().and_then(Secrets::from_json);
            return found.with_context(|| format!("{} is damaged: remove it, new secrets are made", file.display()));
        }
        let made = Secrets::make(origin)?;
        write_private(&file, &made.to_json().to_string())?;
        Ok(made)
    }

    /// Writes the edge's secrets where wrangler reads them; returns the file.
    pub(super) fn write_edge_env(&self, secrets: &Secrets) -> Result<PathBuf> {
        let file = self.path("edge.env");
        let admin = hex(&Sha256::digest(&secrets.admin_token));
        let text = format!(
            "KEY_PEPPERS=\"{}\"\nGRANT_KEYS=\"{}\"\nADMIN_TOKENS=\"dev:{admin}\"\n",
            secrets.peppers, secrets.grant_keys
        );
        write_private(&file, &text)?;
        Ok(file)
    }

    /// The key issued by an earlier run: its id and the key itself.
    pub(super) fn issued_key(&self) -> Option<(String, String)> {
        let text = fs::read_to_string(self.path("key.json")).ok()?;
        let issued: Value = serde_json::from_str(&text).ok()?;
        Some((issued["id"].as_str()?.to_owned(), issued["key"].as_str()?.to_owned()))
    }

    /// Keeps an issued key for the next run.
    pub(super) fn keep_key(&self, id: &str, key: &str) -> Result<()> {
        write_private(&self.path("key.json"), &json!({"id": id, "key": key}).to_string())
    }
}

impl Secrets {
    fn make(origin: &Path) -> Result<Self> {
        let mut keygen = command(origin);
        keygen.args(["keygen", "--kid", KEY_ID]);
        let printed = capture(keygen)?;
        let pair: Value = serde_json::from_str(&printed).context("`sluice-origin keygen` did not print JSON")?;
        let part =
            |name: &str| pair[name].as_str().ok_or_else(|| anyhow!("`sluice-origin keygen` printed no `{name}`"));
        Ok(Self {
            peppers: format!("1:{}", hex(&random()?)),
            grant_keys: format!("{}:{}", part("kid")?, part("private")?),
            grant_public: format!("{}={}", part("kid")?, part("public")?),
            admin_token: format!("sla_{}", URL_SAFE_NO_PAD.encode(random()?)),
        })
    }

    fn to_json(&self) -> Value {
        json!({
            "peppers": self.peppers,
            "grant_keys": self.grant_keys,
            "grant_public": self.grant_public,
            "admin_token": self.admin_token,
        })
    }

    fn from_json(json: &Value) -> Option<Self> {
        let text = |name: &str| json[name].as_str().map(str::to_owned);
        Some(Self {
            peppers: text("peppers")?,
            grant_keys: text("grant_keys")?,
            grant_public: text("grant_public")?,
            admin_token: text("admin_token")?,
        })
    }
}

/// 256 bits from the system.
pub(crate) fn random() -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    let read = File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut bytes));
    read.context("cannot read /dev/urandom")?;
    Ok(bytes)
}

/// Replaces the file in one step, readable by its owner alone from the first byte on.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<()> {
    let fresh = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(text.as_bytes())?;
        fs::rename(&fresh, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn nobody_else_can_read_the_state() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(&dir.path().join("state")).unwrap();
        state.keep_key("key_1", "slc_1").unwrap();
        assert_eq!(mode(&state.dir), 0o700);
        assert_eq!(mode(&state.path("key.json")), 0o600);
        assert_eq!(state.issued_key(), Some(("key_1".to_owned(), "slc_1".to_owned())));
    }

    #[test]
    fn a_state_directory_serves_one_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let _first = State::open(dir.path()).unwrap();
        assert!(State::open(dir.path()).is_err());
    }

    #[test]
    fn secrets_survive_the_file() {
        let secrets = Secrets {
            peppers: "1:aa".to_owned(),
            grant_keys: "dev:s".to_owned(),
            grant_public: "dev=p".to_owned(),
            admin_token: "sla_x".to_owned(),
        };
        let again = Secrets::from_json(&secrets.to_json()).unwrap();
        assert_eq!(again.to_json(), secrets.to_json());
        assert!(Secrets::from_json(&json!({"peppers": "1:aa"})).is_none());
    }
}
