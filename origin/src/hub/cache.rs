//! The cache in Hugging Face's layout, which its own programs share: bytes lie in `blobs` under the ETag that the hub gives
//! them, `snapshots/COMMIT` has links to them by their files' names, `refs/REVISION` says which commit a revision was last.

use super::error::HubError;
use super::name::HubModel;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

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
        replace(&path, |draft| fs::write(draft, commit))
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
        // Relative, so that the cache can be moved.
        let target = Path::new(&"../".repeat(1 + file.split('/').count())).join("blobs").join(etag);
        replace(&path, |draft| symlink(&target, draft))
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

/// Makes a file or a link elsewhere and moves it here, so that whoever reads it meanwhile, this program or another, finds the
/// old one or the new one and never a gap.
fn replace(path: &Path, make: impl FnOnce(&Path) -> io::Result<()>) -> Result<(), HubError> {
    static DRAFTS: AtomicU64 = AtomicU64::new(0);
    make_parent(path)?;
    let number = DRAFTS.fetch_add(1, Ordering::Relaxed);
    let draft = PathBuf::from(format!("{}.{}-{number}.draft", path.display(), std::process::id()));
    // A program of this number may have died here before.
    let _ = fs::remove_file(&draft);
    make(&draft).and_then(|()| fs::rename(&draft, path)).map_err(|error| {
        let _ = fs::remove_file(&draft);
        HubError::disk(path)(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn what_is_written_again_is_there_all_the_while() {
        let folder = tempfile::tempdir().unwrap();
        let model: HubModel = "owner/name".parse().unwrap();
        let shelf = Shelf::new(folder.path(), &model);
        make_parent(&shelf.blob("etag")).unwrap();
        fs::write(shelf.blob("etag"), "bytes").unwrap();
        let again = || {
            shelf.link("commit", "file", "etag").unwrap();
            shelf.keep_commit("main", "commit").unwrap();
        };
        again();
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let writers = [0, 1].map(|_| scope.spawn(|| (0..2_000).for_each(|_| again())));
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    assert!(shelf.has("commit", "file"));
                    assert_eq!(shelf.commit("main").as_deref(), Some("commit"));
                }
            });
            let written = writers.map(|writer| writer.join().is_ok());
            over.store(true, Ordering::Relaxed);
            assert_eq!(written, [true, true]);
        });
        let names =
            |path: &Path| fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
        assert_eq!(names(&shelf.snapshot("commit")), ["file"]);
        assert_eq!(names(&shelf.folder.join("refs")), ["main"]);
    }
}
