//! `cargo xtask secrets`: makes a deployment's secrets, and replaces them one after the other without a gap.
//!
//! They are kept in files that only their owner can read; what is printed is how to hand them over, and never a secret.

use std::{
    fs::{self, DirBuilder, Permissions},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lexopt::{Arg, Parser, ValueExt};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{
    dev::{random, write_private},
    process::{capture, command},
    setup,
    workspace::{Workspace, hex},
};

const USAGE: &str = "\
Usage: cargo xtask secrets [--dir DIR] [--announce WHAT | --rotate WHAT | --retire WHAT]

Makes all secrets of a deployment, in files of DIR, and prints the commands that hand them to Cloudflare and to the origin.
Secrets that are there already stay as they are.

  --dir DIR        where they are kept (.sluice/secrets)
  --announce WHAT  a new one that is known and makes nothing yet: `peppers` or `tokens`
  --rotate WHAT    the announced one is in force, or a new one, beside the one before: `peppers`, `grants`, `tokens`
                   or `admin`
  --retire WHAT    only the one in force is left: `peppers`, `grants` or `tokens`

docs/keys.md says in which order, and what to wait for in between.
";

/// What is made and replaced.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Peppers,
    Grants,
    Tokens,
    Admin,
}

/// A deployment's secrets, as the files hold them. Not printed: no `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
struct Secrets {
    /// Epochs and peppers: the one in force, and then one before it or one that is announced.
    peppers: Vec<(u8, String)>,
    /// Names, seeds and public keys of grant keys, newest first.
    grants: Vec<(String, String, String)>,
    /// Names and seeds of the keys that short tokens are signed with, in the same order.
    tokens: Vec<(String, String)>,
    /// The admin's token.
    admin: String,
}

/// Makes what is missing, replaces what is to be replaced, and says what to do with it.
pub(crate) fn run(workspace: &Workspace, mut args: Parser) -> Result<()> {
    let mut dir = workspace.path(".sluice/secrets");
    let (mut announce, mut rotate, mut retire) = (None, None, None);
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Long("dir") => dir = PathBuf::from(args.value()?),
            Arg::Long("announce") => announce = Some(what(&args.value()?.string()?)?),
            Arg::Long("rotate") => rotate = Some(what(&args.value()?.string()?)?),
            Arg::Long("retire") => retire = Some(what(&args.value()?.string()?)?),
            Arg::Long("help") | Arg::Short('h') => {
                print!("{USAGE}");
                return Ok(());
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let changes: Vec<_> = [announce, rotate, retire].into_iter().flatten().collect();
    ensure!(changes.len() < 2, "one thing at a time: --announce, --rotate or --retire\n\n{USAGE}");
    private_directory(&dir)?;
    let mut secrets = read(&dir)?;
    let is_new = secrets == Secrets::default();
    ensure!(!is_new || changes.is_empty(), "{} holds no secrets yet: make them first", dir.display());
    let node = setup::run(workspace)?.node.binary();
    let pair = || key_pair(&node);
    if is_new {
        secrets = Secrets { peppers: vec![(1, hex(&random()?))], admin: token()?, ..Secrets::default() };
        secrets.add_grant(pair()?);
        secrets.add_token_key(pair()?.0);
    }
    match announce {
        Some(What::Peppers) => secrets.announce_pepper(hex(&random()?)),
        Some(What::Tokens) => secrets.announce_token_key(pair()?.0),
        Some(What::Grants | What::Admin) => {
            bail!("`grants` are announced at the origin, `admin` has no second one: rotate")
        }
        None => {}
    }
    match rotate {
        Some(What::Peppers) => secrets.add_pepper(hex(&random()?)),
        Some(What::Grants) => secrets.add_grant(pair()?),
        Some(What::Tokens) => secrets.add_token_key(pair()?.0),
        Some(What::Admin) => secrets.admin = token()?,
        None => {}
    }
    match retire {
        Some(What::Peppers) => secrets.peppers.truncate(1),
        Some(What::Grants) => secrets.grants.truncate(1),
        Some(What::Tokens) => secrets.tokens.truncate(1),
        Some(What::Admin) => bail!("an admin's token has no second one: rotate it"),
        None => {}
    }
    write(&dir, &secrets)?;
    print!("{}", told(&dir, &secrets, changes.first().copied()));
    Ok(())
}

impl Secrets {
    /// One that was announced takes its place; the epochs before the newest two are retired with this.
    fn add_pepper(&mut self, pepper: String) {
        let next = self.next_epoch();
        put_in_force(&mut self.peppers, next, pepper);
    }

    /// Known from now on, and not in force yet. The epoch before the one in force is retired with this.
    fn announce_pepper(&mut self, pepper: String) {
        self.peppers.truncate(1);
        self.peppers.push((self.next_epoch(), pepper));
    }

    fn next_epoch(&self) -> u8 {
        self.peppers.first().map_or(0, |(epoch, _)| *epoch).wrapping_add(1)
    }

    fn add_grant(&mut self, (seed, public): (String, String)) {
        let kid = next_name('k', self.grants.iter().map(|(kid, ..)| kid));
        self.grants.insert(0, (kid, seed, public));
        self.grants.truncate(2);
    }

    fn add_token_key(&mut self, seed: String) {
        let next = next_name('t', self.tokens.iter().take(1).map(|(kid, _)| kid));
        put_in_force(&mut self.tokens, next, seed);
    }

    fn announce_token_key(&mut self, seed: String) {
        self.tokens.truncate(1);
        self.tokens.push((next_name('t', self.tokens.iter().map(|(kid, _)| kid)), seed));
    }

    /// What each file holds: the secrets by the names of their settings, the public halves, and the token itself.
    fn files(&self) -> [(&'static str, String); 6] {
        let join = |parts: Vec<String>| parts.join(",");
        [
            (PEPPERS, join(self.peppers.iter().map(|(epoch, pepper)| format!("{epoch}:{pepper}")).collect())),
            (GRANTS, join(self.grants.iter().map(|(kid, seed, _)| format!("{kid}:{seed}")).collect())),
            (PUBLIC, join(self.grants.iter().map(|(kid, _, public)| format!("{kid}={public}")).collect())),
            (TOKENS, join(self.tokens.iter().map(|(kid, seed)| format!("{kid}:{seed}")).collect())),
            (ADMIN, format!("ops:{}", hex(&Sha256::digest(&self.admin)))),
            (TOKEN, self.admin.clone()),
        ]
    }
}

/// Puts the announced one before the others, or this one.
fn put_in_force<N: PartialEq>(all: &mut Vec<(N, String)>, next: N, fresh: String) {
    match all.get(1) {
        Some((name, _)) if *name == next => all.swap(0, 1),
        _ => all.insert(0, (next, fresh)),
    }
    all.truncate(2);
}

/// The next one after these names: `k3` after `k2`.
fn next_name<'a>(letter: char, names: impl Iterator<Item = &'a String>) -> String {
    let newest = names.filter_map(|name| name.trim_start_matches(letter).parse::<u32>().ok()).max().unwrap_or(0);
    format!("{letter}{}", newest + 1)
}

fn what(word: &str) -> Result<What> {
    Ok(match word {
        "peppers" => What::Peppers,
        "grants" => What::Grants,
        "tokens" => What::Tokens,
        "admin" => What::Admin,
        _ => bail!("there are `peppers`, `grants`, `tokens` and `admin`\n\n{USAGE}"),
    })
}

fn token() -> Result<String> {
    Ok(format!("sla_{}", URL_SAFE_NO_PAD.encode(random()?)))
}

/// An Ed25519 seed and its public key, both in base64url.
fn key_pair(node: &Path) -> Result<(String, String)> {
    const SCRIPT: &str = "const { privateKey } = require('crypto').generateKeyPairSync('ed25519'); \
                          console.log(JSON.stringify(privateKey.export({ format: 'jwk' })))";
    let mut node = command(node);
    node.args(["-e", SCRIPT]);
    let jwk: Value = serde_json::from_str(&capture(node)?).context("node did not print a key")?;
    let part = |name: &str| jwk[name].as_str().map(str::to_owned).with_context(|| format!("a key without `{name}`"));
    Ok((part("d")?, part("x")?))
}

fn private_directory(dir: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .and_then(|()| fs::set_permissions(dir, Permissions::from_mode(0o700)))
        .with_context(|| format!("cannot create {}", dir.display()))
}

/// What the files hold; nothing, if none is there. Half of them is an error: a secret that was lost is not to be replaced
/// by the way.
fn read(dir: &Path) -> Result<Secrets> {
    let names = [PEPPERS, GRANTS, PUBLIC, TOKENS, TOKEN];
    let found = names.map(|name| fs::read_to_string(dir.join(name)).ok());
    let [Some(peppers), Some(grants), Some(public), Some(tokens), Some(admin)] = found else {
        let there: Vec<_> = names.into_iter().filter(|name| dir.join(name).exists()).collect();
        ensure!(there.is_empty(), "{} holds only {}: put the others back", dir.display(), there.join(", "));
        return Ok(Secrets::default());
    };
    let damaged = |name: &str| format!("{} is damaged", dir.join(name).display());
    let pepper = |entry: &str| {
        let (epoch, pepper) = entry.trim().split_once(':')?;
        Some((epoch.parse().ok()?, pepper.to_owned()))
    };
    let peppers = peppers.split(',').map(pepper).collect::<Option<Vec<_>>>().with_context(|| damaged(PEPPERS))?;
    let grant = |(private, public): (&str, &str)| {
        let ((kid, seed), (same, public)) = (private.trim().split_once(':')?, public.trim().split_once('=')?);
        (kid == same).then(|| (kid.to_owned(), seed.to_owned(), public.to_owned()))
    };
    let grants = grants.split(',').zip(public.split(',')).map(grant).collect::<Option<Vec<_>>>();
    let grants = grants.with_context(|| damaged(GRANTS))?;
    let token_key = |entry: &str| entry.trim().split_once(':').map(|(kid, seed)| (kid.to_owned(), seed.to_owned()));
    let tokens = tokens.split(',').map(token_key).collect::<Option<Vec<_>>>().with_context(|| damaged(TOKENS))?;
    Ok(Secrets { peppers, grants, tokens, admin: admin.trim().to_owned() })
}

fn write(dir: &Path, secrets: &Secrets) -> Result<()> {
    secrets.files().iter().try_for_each(|(name, text)| write_private(&dir.join(name), text))
}

/// What is to be done with them. Public halves are shown, secrets never are.
fn told(dir: &Path, secrets: &Secrets, only: Option<What>) -> String {
    let dir = dir.display();
    let put = |name: &str| format!("wrangler secret put {name} < {dir}/{name}\n");
    let public = secrets.files()[2].1.clone();
    let origin = format!("sluice-origin serve --grant-key {public} ...\n");
    let is = |what| only.is_none_or(|only| only == what);
    let mut text = format!("The secrets are in {dir}. Hand them over, in this order:\n\n");
    if is(What::Grants) {
        text += "# The origin first: it must know a key before anything is signed with it.\n";
        text += &origin;
        text += &put(GRANTS);
    }
    if is(What::Peppers) {
        text += &put(PEPPERS);
    }
    if is(What::Tokens) {
        text += &put(TOKENS);
    }
    if is(What::Admin) {
        text += &put(ADMIN);
        text += &format!("# The token itself, for whoever administers: $(cat {dir}/{TOKEN})\n");
    }
    text
}

const PEPPERS: &str = "KEY_PEPPERS";
const GRANTS: &str = "GRANT_KEYS";
const TOKENS: &str = "TOKEN_KEYS";
const ADMIN: &str = "ADMIN_TOKENS";
const PUBLIC: &str = "grant-public";
const TOKEN: &str = "admin-token";

#[cfg(test)]
mod tests {
    use super::*;

    fn made() -> Secrets {
        let peppers = vec![(1, "aa".repeat(32))];
        let mut secrets = Secrets { peppers, admin: "sla_x".into(), ..Secrets::default() };
        secrets.add_grant(("seed1".into(), "public1".into()));
        secrets.add_token_key("seed9".into());
        secrets
    }

    #[test]
    fn what_is_written_reads_back_and_is_its_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("secrets");
        private_directory(&dir).unwrap();
        assert!(read(&dir).unwrap() == Secrets::default());
        let mut secrets = made();
        for step in 0..4 {
            write(&dir, &secrets).unwrap();
            assert!(read(&dir).unwrap() == secrets, "step {step}");
            secrets.add_pepper("bb".repeat(32));
            secrets.add_grant((format!("seed{step}"), format!("public{step}")));
            secrets.add_token_key(format!("seed{step}"));
        }
        for (name, _) in secrets.files() {
            let mode = fs::metadata(dir.join(name)).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{name}");
        }
        fs::remove_file(dir.join(GRANTS)).unwrap();
        assert!(read(&dir).is_err(), "half of them is not none of them");
    }

    #[test]
    fn the_newest_comes_first_and_two_live() {
        let mut secrets = made();
        secrets.add_pepper("bb".into());
        secrets.add_pepper("cc".into());
        secrets.add_grant(("seed2".into(), "public2".into()));
        secrets.add_grant(("seed3".into(), "public3".into()));
        secrets.add_token_key("seed8".into());
        let [(_, peppers), (_, grants), (_, public), (_, tokens), ..] = secrets.files();
        assert_eq!(tokens, "t2:seed8,t1:seed9");
        assert_eq!(peppers, "3:cc,2:bb");
        assert_eq!(grants, "k3:seed3,k2:seed2");
        assert_eq!(public, "k3=public3,k2=public2");
    }

    #[test]
    fn what_is_announced_is_second_until_it_is_in_force() {
        let mut secrets = made();
        let both = |secrets: &Secrets| [secrets.files()[0].1.clone(), secrets.files()[3].1.clone()];
        let a = "aa".repeat(32);
        // Announced again: what was announced before has made nothing, and is forgotten.
        for pepper in ["xx", "bb"] {
            secrets.announce_pepper(pepper.into());
            secrets.announce_token_key("seed8".into());
        }
        assert_eq!(both(&secrets), [format!("1:{a},2:bb"), "t1:seed9,t2:seed8".into()]);
        secrets.add_pepper("unused".into());
        secrets.add_token_key("unused".into());
        assert_eq!(both(&secrets), [format!("2:bb,1:{a}"), "t2:seed8,t1:seed9".into()]);
        // The next one: the first is retired as soon as its place is needed.
        secrets.announce_pepper("cc".into());
        secrets.announce_token_key("seed7".into());
        assert_eq!(both(&secrets), ["2:bb,3:cc".to_owned(), "t2:seed8,t3:seed7".into()]);
        let mut last = Secrets { peppers: vec![(255, "zz".into())], ..made() };
        last.announce_pepper("yy".into());
        assert_eq!(both(&last)[0], "255:zz,0:yy");
        last.add_pepper("unused".into());
        assert_eq!(both(&last)[0], "0:yy,255:zz");
    }

    #[test]
    fn what_is_printed_holds_no_secret() {
        let secrets = made();
        let text = told(Path::new("/x"), &secrets, None);
        assert!(text.contains("wrangler secret put KEY_PEPPERS < /x/KEY_PEPPERS") && text.contains("k1=public1"));
        for hidden in ["aa".repeat(32).as_str(), "seed1", "seed9", "sla_x"] {
            assert!(!text.contains(hidden));
        }
        let only = told(Path::new("/x"), &secrets, Some(What::Peppers));
        assert!(only.contains(PEPPERS) && !only.contains(GRANTS));
    }
}
