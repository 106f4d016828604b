//! One file's bytes into the cache: gone on with where they broke off, checked, and only then given their name.

use super::cache::{Shelf, make_parent};
use super::client::{Arriving, Client, Failure, Found};
use super::error::HubError;
use super::name::HubModel;
use super::progress::Progress;
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

/// One file to be fetched.
pub(super) struct Download<'a> {
    pub(super) client: &'a Client,
    pub(super) shelf: &'a Shelf,
    pub(super) model: &'a HubModel,
    pub(super) file: &'a str,
    pub(super) found: &'a Found,
    /// The first wait between two tries.
    pub(super) patience: Duration,
}

/// How often a connection may break without a byte in between.
pub(super) const TRIES: u32 = 5;
const BUFFER: usize = 1 << 16;

impl Download<'_> {
    /// Brings the bytes into the cache, unless they are there.
    pub(super) fn run(&self) -> Result<(), HubError> {
        let blob = self.shelf.blob(&self.found.etag);
        if blob.is_file() {
            return Ok(());
        }
        let what = self.what();
        let _lock =
            self.shelf.lock(&self.found.etag, || tracing::info!("{what}: another program fetches it; waiting"))?;
        if blob.is_file() {
            return Ok(());
        }
        let draft = PathBuf::from(format!("{}.incomplete", blob.display()));
        make_parent(&draft)?;
        let options = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&draft);
        let mut file = options.map_err(HubError::disk(&draft))?;
        let resumed = self.transfer(&mut file, &draft)?;
        if let Err(wrong) = self.verify(&mut file, &draft) {
            // What an earlier start has left may be the reason: once more, from nothing.
            file.set_len(0).map_err(HubError::disk(&draft))?;
            let outcome = match resumed {
                true => self.transfer(&mut file, &draft).and_then(|_| self.verify(&mut file, &draft)),
                false => Err(wrong),
            };
            if let Err(error) = outcome {
                if matches!(error, HubError::Wrong { .. }) {
                    // Nothing is to go on with it.
                    let _ = fs::remove_file(&draft);
                }
                return Err(error);
            }
        }
        file.sync_all().and_then(|()| fs::rename(&draft, &blob)).map_err(HubError::disk(&draft))
    }

    /// Fetches what is missing of the file. Says whether some of it was there.
    fn transfer(&self, file: &mut File, draft: &Path) -> Result<bool, HubError> {
        let whole = self.found.bytes;
        let mut at = file.metadata().map_err(HubError::disk(draft))?.len();
        if at > whole {
            file.set_len(0).map_err(HubError::disk(draft))?;
            at = 0;
        }
        let resumed = at > 0;
        let mut progress = Progress::begin(self.what(), at, whole);
        let mut failures = 0;
        while at < whole {
            let before = at;
            let why = match self.part(file, draft, &mut at, &mut progress) {
                Ok(()) if at == whole => break,
                Ok(()) => format!("it ended after {at} of {whole} bytes"),
                Err(Failure::Network(why)) => why,
                Err(Failure::Final(error)) => return Err(error),
            };
            failures = if at > before { 1 } else { failures + 1 };
            if failures >= TRIES {
                return Err(HubError::Broken { file: self.what(), tries: failures, why });
            }
            tracing::warn!("{}: {why}; going on", self.what());
            sleep(self.patience * 2_u32.pow(failures - 1));
        }
        progress.end();
        Ok(resumed)
    }

    /// One connection's share.
    fn part(&self, file: &mut File, draft: &Path, at: &mut u64, progress: &mut Progress) -> Result<(), Failure> {
        let disk = |error| Failure::Final(HubError::disk(draft)(error));
        let Arriving { start, mut reader } = self.client.read(self.model, self.found, self.file, *at)?;
        if start < *at {
            // A server that cannot begin in the middle.
            file.set_len(start).map_err(disk)?;
        }
        *at = start;
        file.seek(SeekFrom::Start(start)).map_err(disk)?;
        let mut buffer = vec![0; BUFFER];
        loop {
            let count = reader.read(&mut buffer).map_err(|error| Failure::Network(error.to_string()))?;
            if count == 0 {
                return Ok(());
            }
            if *at + count as u64 > self.found.bytes {
                let why = format!("it sends more than the {} bytes that it says the file has", self.found.bytes);
                return Err(Failure::Final(HubError::Odd { url: self.what(), why }));
            }
            file.write_all(&buffer[..count]).map_err(disk)?;
            *at += count as u64;
            progress.at(*at);
        }
    }

    /// Compares with what the hub says: a large file's ETag is its SHA-256. Of a small one it tells the size alone.
    fn verify(&self, file: &mut File, draft: &Path) -> Result<(), HubError> {
        let expected = self.found.etag.to_ascii_lowercase();
        if expected.len() != 64 || !expected.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(());
        }
        file.rewind().map_err(HubError::disk(draft))?;
        let mut progress = Progress::begin(format!("checking {}", self.what()), 0, self.found.bytes);
        let (mut hash, mut buffer, mut at) = (Sha256::new(), vec![0; BUFFER], 0);
        loop {
            let count = file.read(&mut buffer).map_err(HubError::disk(draft))?;
            if count == 0 {
                break;
            }
            hash.update(&buffer[..count]);
            at += count as u64;
            progress.at(at);
        }
        progress.end();
        let found: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        match found == expected {
            true => Ok(()),
            false => Err(HubError::Wrong { file: self.what(), expected, found }),
        }
    }

    fn what(&self) -> String {
        format!("{} {}", self.model.repository(), self.file)
    }
}
