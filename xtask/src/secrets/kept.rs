//! A deployment's secrets, in memory and in files that only their owner can read.

use std::{
    fs::{self, DirBuilder, Permissions},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::Path,
};

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

use crate::{dev::write_private, host::workspace::hex};

// Names of the files. Those in capitals are the settings that they hold.
pub(super) const PEPPERS: &str = "KEY_PEPPERS";
pub(super) const GRANTS: &str = "GRANT_KEYS";
pub(super) const TOKENS: &str = "TOKEN_KEYS";
pub(super) const ADMIN: &str = "ADMIN_TOKENS";
const PUBLIC: &str = "grant-public";
pub(super) const TOKEN: &str = "admin-token";

/// A deployment's secrets, as the files hold them. Not printed: no `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Secrets {
    /// Epochs and peppers: the one in force, and then one before it or one that is announced.
    pub(super) peppers: Vec<(u8, String)>,
    /// Names, seeds and public keys of grant keys, newest first.
    pub(super) grants: Vec<(String, String, String)>,
    /// Names and seeds of the keys that short tokens are signed with, in the same order.
    pub(super) tokens: Vec<(String, String)>,
    /// The admin's token.
    pub(super) admin: String,
}

impl Secrets {
    /// One that was announced takes its place; the epochs before the newest two are retired with this.
    pub(super) fn add_pepper(&mut self, pepper: String) {
        let next = self.next_epoch();
        put_in_force(&mut self.peppers, next, pepper);
    }

    /// Known from now on, and not in force yet. The epoch before the one in force is retired with this.
    pub(super) fn announce_pepper(&mut self, pepper: String) {
        self.peppers.truncate(1);
        self.peppers.push((self.next_epoch(), pepper));
    }

    fn next_epoch(&self) -> u8 {
        self.peppers.first().map_or(0, |(epoch, _)| *epoch).wrapping_add(1)
    }

    /// A new one in force; one before it is left.
    pub(super) fn add_grant(&mut self, (seed, public): (String, String)) {
        let kid = next_name('k', self.grants.iter().map(|(kid, ..)| kid));
        self.grants.insert(0, (kid, seed, public));
        self.grants.truncate(2);
    }

    /// As [`Self::add_pepper`].
    pub(super) fn add_token_key(&mut self, seed: String) {
        let next = next_name('t', self.tokens.iter().take(1).map(|(kid, _)| kid));
        put_in_force(&mut self.tokens, next, seed);
    }

    /// As [`Self::announce_pepper`].
    pub(super) fn announce_token_key(&mut self, seed: String) {
        self.tokens.truncate(1);
        self.tokens.push((next_name('t', self.tokens.iter().map(|(kid, _)| kid)), seed));
    }

    /// What each file holds: the secrets by the names of their settings, the public halves, and the token itself.
    pub(super) fn files(&self) -> [(&'static str, String); 6] {
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

/// Makes a directory that only its owner may enter.
pub(super) fn private_directory(dir: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .and_then(|()| fs::set_permissions(dir, Permissions::from_mode(0o700)))
        .with_context(|| format!("cannot create {}", dir.display()))
}

/// What the files hold; nothing, if none is there. Half of them is an error: a secret that was lost is not to be replaced
/// by the way.
pub(super) fn read(dir: &Path) -> Result<Secrets> {
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

/// Writes all files, readable for their owner alone.
pub(super) fn write(dir: &Path, secrets: &Secrets) -> Result<()> {
    secrets.files().iter().try_for_each(|(name, text)| write_private(&dir.join(name), text))
}
