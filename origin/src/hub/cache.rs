//! The cache in Hugging Face's layout, which its own programs share: bytes lie in `blobs` under the ETag that the hub gives
//! them, `snapshots/COMMIT` has links to them by their files' names, `refs/REVISION` says which commit a revision was last.

use super::error::HubError;
use super::name::HubModel;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// One repository's part of the cache.
pub(super) struct Shelf {
    folder: PathBuf,
    locks: PathBuf,
}

impl Shelf {
    pub(super) fn new(cache: &Path, model: &HubModel) -> Self {
        Self { folder: cache.join(model.folder()), locks: cache.join(".locks").join(model.folder()) }
    }

    /// The commit that a revision stood for when it was last asked for. A commit stands for itself.
    pub(super) fn commit(&self, revision: &str) -> Option<String> {
        if revision.len() == 40 && revision.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Some(revision.to_ascii_lowercase());
        }
        let text = fs::read_to_string(self.folder.join("refs").join(revision)).ok()?;
        let commit = text.trim();
        (!commit.is_empty() && commit.bytes().all(|byte| byte.is_ascii_alphanumeric())).then(|| commit.to_owned())
    }

    /// Remembers what a revision stands for.
    pub(super) fn keep_commit(&self, revision: &str, commit: &str) -> Result<(), HubError> {
        if revision == commit {
            return Ok(());
        }
        let path = self.folder.join("refs").join(revision);
        make_parent(&path)?;
        fs::write(&path, commit).map_err(HubError::disk(&path))
    }

    /// A commit's files.
    pub(super) fn snapshot(&self, commit: &str) -> PathBuf {
        self.folder.join("snapshots").join(commit)
    }

    /// Whether a commit's file is there, whole.
    pub(super) fn has(&self, commit: &str, file: &str) -> bool {
        self.snapshot(commit).join(file).is_file()
    }

    /// Whether it is known that a commit has no such file.
    pub(super) fn lacks(&self, commit: &str, file: &str) -> bool {
        self.folder.join(".no_exist").join(commit).join(file).is_file()
    }

    /// Remembers that a commit has no such file.
    pub(super) fn keep_lack(&self, commit: &str, file: &str) -> Result<(), HubError> {
        let path = self.folder.join(".no_exist").join(commit).join(file);
        make_parent(&path)?;
        File::create(&path).map(drop).map_err(HubError::disk(&path))
    }

    /// Where bytes of this name belong.
    pub(super) fn blob(&self, etag: &str) -> PathBuf {
        self.folder.join("blobs").join(etag)
    }

    /// Lets a commit have these bytes under this name.
    pub(super) fn link(&self, commit: &str, file: &str, etag: &str) -> Result<(), HubError> {
        let path = self.snapshot(commit).join(file);
        make_parent(&path)?;
        // Relative, so that the cache can be moved.
        let target = Path::new(&"../".repeat(1 + file.split('/').count())).join("blobs").join(etag);
        match symlink(&target, &path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                fs::remove_file(&path).and_then(|()| symlink(&target, &path)).map_err(HubError::disk(&path))
            }
            linked => linked.map_err(HubError::disk(&path)),
        }
    }

    /// Keeps others, Hugging Face's own programs too, from writing the same bytes until the answer is dropped. `waiting` is
    /// called if somebody else writes them now.
    pub(super) fn lock(&self, etag: &str, waiting: impl FnOnce()) -> Result<File, HubError> {
        let path = self.locks.join(format!("{etag}.lock"));
        make_parent(&path)?;
        let file = File::create(&path).map_err(HubError::disk(&path))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => {
                waiting();
                file.lock().map_err(HubError::disk(&path))?;
                Ok(file)
            }
            Err(TryLockError::Error(error)) => Err(HubError::disk(&path)(error)),
        }
    }
}

pub(super) fn make_parent(path: &Path) -> Result<(), HubError> {
    let parent = path.parent().unwrap_or(path);
    fs::create_dir_all(parent).map_err(HubError::disk(parent))
}
