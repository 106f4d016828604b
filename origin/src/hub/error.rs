//! Why a model of the hub is not here: what happened, and what to do.

use std::io;
use std::path::PathBuf;

/// A model that could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// Nobody answered, and the cache does not help.
    #[error("{endpoint} cannot be reached ({why}), and {missing} is not in the cache {}; check the network, or set HF_ENDPOINT to a mirror", cache.display())]
    Unreachable {
        /// Whom it asked.
        endpoint: String,
        /// What went wrong.
        why: String,
        /// The file that is needed.
        missing: String,
        /// Where it looked.
        cache: PathBuf,
    },
    /// `HF_HUB_OFFLINE` is set, and the cache does not help.
    #[error("HF_HUB_OFFLINE is set, and {missing} is not in the cache {}", cache.display())]
    Offline {
        /// The file that is needed.
        missing: String,
        /// Where it looked.
        cache: PathBuf,
    },
    /// 401, and no token was sent.
    #[error(
        "{endpoint} shows {repository} to nobody unknown (401): there is no such model, or it is private or gated. If the name is right, set HF_TOKEN to a token of an account that may read it"
    )]
    Unknown {
        /// Whom it asked.
        endpoint: String,
        /// `Owner/Name`.
        repository: String,
    },
    /// 401, with a token.
    #[error(
        "{endpoint} does not take this token for {repository} (401): HF_TOKEN, or the file `token` in HF_HOME, has ended or belongs to somebody else"
    )]
    WrongToken {
        /// Whom it asked.
        endpoint: String,
        /// `Owner/Name`.
        repository: String,
    },
    /// 403.
    #[error("{endpoint} lets only some read {repository} (403{}): accept its terms at {endpoint}/{repository}, and set HF_TOKEN to a token of that account{}", said.as_ref().map(|said| format!(": {said}")).unwrap_or_default(), if *token { "; the one that was sent may not" } else { "" })]
    Gated {
        /// Whom it asked.
        endpoint: String,
        /// `Owner/Name`.
        repository: String,
        /// Its own words.
        said: Option<String>,
        /// Whether a token was sent.
        token: bool,
    },
    /// 404 for the repository.
    #[error("{endpoint} has no model {repository} (404)")]
    NoModel {
        /// Whom it asked.
        endpoint: String,
        /// `Owner/Name`.
        repository: String,
    },
    /// 404 for the revision.
    #[error("{repository} has no revision {revision} (404)")]
    NoRevision {
        /// `Owner/Name`.
        repository: String,
        /// What was asked for.
        revision: String,
    },
    /// 404 for a file that is needed.
    #[error("{repository} has no file {file} (404); {hint}")]
    NoFile {
        /// `Owner/Name`.
        repository: String,
        /// The file.
        file: String,
        /// What is served instead.
        hint: &'static str,
    },
    /// An answer that a hub does not give.
    #[error("{url}: {why}")]
    Odd {
        /// What was asked for, without a query: that may be a signature.
        url: String,
        /// What is odd about the answer.
        why: String,
    },
    /// The connection broke again and again.
    #[error("{file}: the connection broke {tries} times in a row ({why}); what has come is kept: start again to go on")]
    Broken {
        /// The file.
        file: String,
        /// How often.
        tries: u32,
        /// The last reason.
        why: String,
    },
    /// What came is not what the hub says.
    #[error(
        "{file}: what came has the SHA-256 {found}, and the hub says {expected}; something on the way changes it. It was deleted"
    )]
    Wrong {
        /// The file.
        file: String,
        /// What the hub says.
        expected: String,
        /// What came.
        found: String,
    },
    /// The cache cannot be written.
    #[error("{}: {error}{}", path.display(), disk_hint(error))]
    Disk {
        /// What was written.
        path: PathBuf,
        /// Why it failed.
        error: io::Error,
    },
    /// There are no certificates to know the hub by.
    #[error(
        "no certificate of an authority was found{} to know {endpoint} by: install ca-certificates, or set SSL_CERT_FILE to a PEM file that has some", file.as_ref().map(|file| format!(" in {} (SSL_CERT_FILE)", file.display())).unwrap_or_default()
    )]
    NoCertificates {
        /// Whom it wanted to ask.
        endpoint: String,
        /// Where it looked, if not at the machine's.
        file: Option<PathBuf>,
    },
}

impl HubError {
    pub(super) fn disk(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |error| Self::Disk { path, error }
    }
}

fn disk_hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; make room, or set HF_HOME to a directory on another disk. What has come is kept"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "; set HF_HOME to a directory that can be written"
        }
        _ => "",
    }
}
