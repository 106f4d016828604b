//! What `dev` keeps between runs: secrets, the issued key, the edge's storage, logs. Readable by its owner alone.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow, bail};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::host::{
    process::{capture, command},
    workspace::hex,
};

/// The grant key's name; a deployment that rotates has one name per key.
const KEY_ID: &str = "dev";
/// The name of the key that short tokens are signed with.
const TOKEN_KEY_ID: &str = "dev-token";

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
    /// `TOKEN_KEYS`: what short tokens are signed with.
    token_keys: String,
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
            let damaged = || format!("{} is damaged: remove it, new secrets are made", file.display());
            let mut json: Value = serde_json::from_str(&text).with_context(damaged)?;
            // A directory of before there were short tokens.
            if json.is_object() && json.get("token_keys").is_none() {
                json["token_keys"] = KeyPair::make(origin, TOKEN_KEY_ID)?.private().into();
                write_private(&file, &json.to_string())?;
            }
            return Secrets::from_json(&json).with_context(damaged);
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
            "KEY_PEPPERS=\"{}\"\nGRANT_KEYS=\"{}\"\nTOKEN_KEYS=\"{}\"\nADMIN_TOKENS=\"dev:{admin}\"\n",
            secrets.peppers, secrets.grant_keys, secrets.token_keys
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
        let (grant, token) = (KeyPair::make(origin, KEY_ID)?, KeyPair::make(origin, TOKEN_KEY_ID)?);
        Ok(Self {
            peppers: format!("1:{}", hex(&random()?)),
            grant_keys: grant.private(),
            grant_public: format!("{}={}", grant.kid, grant.public),
            token_keys: token.private(),
            admin_token: format!("sla_{}", URL_SAFE_NO_PAD.encode(random()?)),
        })
    }

    fn to_json(&self) -> Value {
        json!({
            "peppers": self.peppers,
            "grant_keys": self.grant_keys,
            "grant_public": self.grant_public,
            "token_keys": self.token_keys,
            "admin_token": self.admin_token,
        })
    }

    fn from_json(json: &Value) -> Option<Self> {
        let text = |name: &str| json[name].as_str().map(str::to_owned);
        Some(Self {
            peppers: text("peppers")?,
            grant_keys: text("grant_keys")?,
            grant_public: text("grant_public")?,
            token_keys: text("token_keys")?,
            admin_token: text("admin_token")?,
        })
    }
}

/// A pair that the origin's program makes. Does not print.
struct KeyPair {
    kid: String,
    seed: String,
    public: String,
}

impl KeyPair {
    fn make(origin: &Path, kid: &str) -> Result<Self> {
        let mut keygen = command(origin);
        keygen.args(["keygen", "--kid", kid]);
        let printed = capture(keygen)?;
        let pair: Value = serde_json::from_str(&printed).context("`sluice-origin keygen` did not print JSON")?;
        let part = |name: &str| {
            let part = pair[name].as_str().map(str::to_owned);
            part.ok_or_else(|| anyhow!("`sluice-origin keygen` printed no `{name}`"))
        };
        Ok(Self { kid: part("kid")?, seed: part("private")?, public: part("public")? })
    }

    /// As the edge's settings have it.
    fn private(&self) -> String {
        format!("{}:{}", self.kid, self.seed)
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
    fn a_directory_of_before_is_given_the_secrets_that_it_lacks() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(&dir.path().join("state")).unwrap();
        let old = json!({"peppers": "1:aa", "grant_keys": "dev:s", "grant_public": "dev=p", "admin_token": "sla_x"});
        write_private(&state.path("secrets.json"), &old.to_string()).unwrap();
        // In the place of the origin's program.
        let keygen = dir.path().join("keygen");
        fs::write(&keygen, "#!/bin/sh\necho '{\"kid\":\"'$3'\",\"private\":\"seed\",\"public\":\"half\"}'\n").unwrap();
        fs::set_permissions(&keygen, Permissions::from_mode(0o700)).unwrap();
        let secrets = state.secrets(&keygen).unwrap();
        assert_eq!((secrets.token_keys.as_str(), secrets.peppers.as_str()), ("dev-token:seed", "1:aa"));
        // The next run finds them.
        assert_eq!(state.secrets(Path::new("/nowhere")).unwrap().to_json(), secrets.to_json());
        let env = fs::read_to_string(state.write_edge_env(&secrets).unwrap()).unwrap();
        assert!(env.contains("TOKEN_KEYS=\"dev-token:seed\"\n"), "{env}");
    }

    #[test]
    fn secrets_survive_the_file() {
        let secrets = Secrets {
            peppers: "1:aa".to_owned(),
            grant_keys: "dev:s".to_owned(),
            grant_public: "dev=p".to_owned(),
            token_keys: "dev-token:t".to_owned(),
            admin_token: "sla_x".to_owned(),
        };
        let again = Secrets::from_json(&secrets.to_json()).unwrap();
        assert_eq!(again.to_json(), secrets.to_json());
        assert!(Secrets::from_json(&json!({"peppers": "1:aa"})).is_none());
    }
}
