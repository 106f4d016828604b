//! TLS on the origin's own listener, for an origin that is reached over a network that others use: its certificate, and
//! the authorities that callers' certificates must come from (mTLS). And how the origin knows the servers that it calls.
//!
//! Files are read again when they change: a certificate that is renewed needs no restart. Connections that are open keep
//! what they were greeted with.

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_native_certs::{load_certs_from_paths, load_native_certs};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio_rustls::TlsAcceptor;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsConfigBuilder};

/// The files that a listener's TLS is read from, all PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The listener's certificate, and behind it those that it was issued with.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authorities that callers' certificates must come from. Without them callers need no certificate.
    pub clients: Option<PathBuf>,
}

/// What a listener greets with.
pub(crate) struct Tls {
    files: TlsFiles,
    current: Mutex<Current>,
}

struct Current {
    config: Arc<ServerConfig>,
    /// Of the files, as they were last looked at: also where they could not be used.
    digest: [u8; 32],
    looked: Instant,
}

/// Files are looked at this often at most, and only when somebody connects.
const LOOK: Duration = Duration::from_secs(1);

impl Tls {
    /// Reads the files. Says for the operator which of them cannot be used and why.
    pub(crate) fn new(files: TlsFiles) -> Result<Self, String> {
        let contents = Contents::read(&files)?;
        let current = Current { config: contents.config(&files)?, digest: contents.digest(), looked: Instant::now() };
        Ok(Self { files, current: Mutex::new(current) })
    }

    /// What a connection that comes now is greeted with. Blocks for as long as reading three small files takes, once a
    /// second at most. Files that cannot be used leave the last good ones in force.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.acceptor_at(Instant::now())
    }

    fn acceptor_at(&self, now: Instant) -> TlsAcceptor {
        // Nothing in there panics halfway through a change.
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(current.looked) >= LOOK {
            current.looked = now;
            self.look(&mut current);
        }
        TlsAcceptor::from(Arc::clone(&current.config))
    }

    fn look(&self, current: &mut Current) {
        let contents = match Contents::read(&self.files) {
            Ok(contents) => contents,
            Err(why) => {
                // Told once: until the files are others again.
                if current.digest != [0; 32] {
                    tracing::warn!(why, "the certificates cannot be read again; the old ones stay");
                }
                current.digest = [0; 32];
                return;
            }
        };
        let digest = contents.digest();
        if digest == current.digest {
            return;
        }
        current.digest = digest;
        match contents.config(&self.files) {
            Ok(config) => {
                current.config = config;
                tracing::info!("the certificates have changed and are in force");
            }
            Err(why) => tracing::warn!(why, "the certificates have changed and cannot be used; the old ones stay"),
        }
    }
}

/// The files' bytes. The key's are a secret: nothing prints them.
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    clients: Option<Vec<u8>>,
}

impl Contents {
    fn read(files: &TlsFiles) -> Result<Self, String> {
        let read = |path: &Path| std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
        Ok(Self {
            certificate: read(&files.certificate)?,
            key: read(&files.key)?,
            clients: files.clients.as_deref().map(read).transpose()?,
        })
    }

    fn digest(&self) -> [u8; 32] {
        let parts = [Some(&self.certificate), Some(&self.key), self.clients.as_ref()];
        let mut digest = Sha256::new();
        for part in parts {
            digest.update(part.map_or(0, Vec::len).to_le_bytes());
            digest.update(part.map_or(&[][..], Vec::as_slice));
        }
        digest.finalize().into()
    }

    fn config(&self, files: &TlsFiles) -> Result<Arc<ServerConfig>, String> {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let builder = match (&self.clients, &files.clients) {
            (Some(clients), Some(path)) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(path, clients)? {
                    roots.add(certificate).map_err(|error| format!("{}: {error}", path.display()))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
                builder.with_client_cert_verifier(verifier.map_err(|error| format!("{}: {error}", path.display()))?)
            }
            _ => builder.with_no_client_auth(),
        };
        let chain = certificates(&files.certificate, &self.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|_| format!("{}: holds no private key in PEM", files.key.display()))?;
        let mut config = builder.with_single_cert(chain, key).map_err(|error| {
            format!("{} and {} do not belong together: {error}", files.certificate.display(), files.key.display())
        })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(format!("{}: holds no certificate in PEM", path.display())),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// How the origin speaks TLS to servers that it calls; it knows none of them yet.
pub(crate) fn client_tls() -> TlsConfigBuilder {
    TlsConfig::builder().unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
}

/// The authorities to know such servers by: those of a PEM file, or the machine's, in place of which `SSL_CERT_FILE` may
/// name others. `None`: there are none.
pub(crate) fn known_servers(authorities: Option<&Path>) -> Option<RootCerts> {
    let found = match authorities {
        Some(file) => load_certs_from_paths(Some(file), None),
        None => load_native_certs(),
    };
    let roots = found.certs.iter().map(|certificate| Certificate::from_der(certificate).to_owned());
    (!found.certs.is_empty()).then(|| RootCerts::from(roots))
}

/// What an operator is told where [`known_servers`] finds none.
pub(crate) const NO_SERVERS: &str = "there are no certificates on this machine to know a server by";
