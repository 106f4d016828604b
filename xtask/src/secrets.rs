//! `cargo xtask secrets`: makes a deployment's secrets, and replaces them one after the other without a gap.
//!
//! They are kept in files that only their owner can read; what is printed is how to hand them over, and never a secret.

mod kept;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lexopt::{Arg, Parser, ValueExt};
use serde_json::Value;

use self::kept::{ADMIN, GRANTS, PEPPERS, Secrets, TOKEN, TOKENS, private_directory, read, write};
use crate::{
    dev::random,
    host::{
        process::{capture, command},
        workspace::{Workspace, hex},
    },
    setup,
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

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
