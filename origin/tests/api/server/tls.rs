//! The listener's own TLS, with real handshakes: a certificate, callers' certificates, and files that change.

use crate::harness::{BOUND, until_then};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use sluice_origin::config::Config;
use sluice_origin::models::scripted::Script;
use sluice_origin::server::{Origin, RunningOrigin};
use sluice_origin::tls::TlsFiles;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Issues certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Its own certificate, PEM.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// How a server of this name speaks TLS.
    pub(crate) fn serves(&self, name: &str) -> Arc<ServerConfig> {
        let (certificate, key) = self.issue(name);
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap());
        Arc::new(config.unwrap())
    }

    /// A certificate for this name and its key, both PEM.
    fn issue(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }
}

struct Listener {
    origin: RunningOrigin,
    files: TempDir,
}

impl Listener {
    /// An origin with a certificate of `authority`; with `clients`, callers need one of theirs.
    async fn new(authority: &Authority, clients: Option<&Authority>) -> Self {
        let files = tempfile::tempdir().unwrap();
        let path = |name: &str| files.path().join(name);
        put(files.path(), authority.issue("localhost"));
        if let Some(clients) = clients {
            std::fs::write(path("clients"), clients.0.pem()).unwrap();
        }
        let tls = TlsFiles { certificate: path("cert"), key: path("key"), clients: clients.map(|_| path("clients")) };
        let script = Script::new(1);
        script.allow_all();
        let config = Config { tls: Some(tls), slots: 1, ..Config::local() };
        Self { origin: Origin::start(config, script.backend()).await.unwrap(), files }
    }

    /// What a request for `/ready` is answered by a caller that trusts `authority`, and brings `certificate`.
    async fn ask(&self, authority: &Authority, certificate: Option<(String, String)>) -> Result<String, String> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.0.pem().as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match certificate {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
                config.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap()).unwrap()
            }
        };
        let stream = TcpStream::connect(self.origin.address()).await.unwrap();
        let said = async {
            let name = ServerName::try_from("localhost").unwrap();
            let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
            stream.write_all(b"GET /ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            Ok::<_, std::io::Error>(answer)
        };
        tokio::time::timeout(BOUND, said).await.unwrap().map_err(|error| error.to_string())
    }
}

fn put(directory: &Path, (certificate, key): (String, String)) {
    std::fs::write(directory.join("cert"), certificate).unwrap();
    std::fs::write(directory.join("key"), key).unwrap();
}

#[tokio::test]
async fn a_listener_with_a_certificate_speaks_tls_and_nothing_else() {
    let (ours, other) = (Authority::new(), Authority::new());
    let listener = Listener::new(&ours, None).await;
    assert!(listener.origin.url().starts_with("https://"));
    assert!(listener.ask(&ours, None).await.unwrap().starts_with("HTTP/1.1 200"));
    let refused = listener.ask(&other, None).await.unwrap_err();
    assert!(refused.contains("invalid peer certificate"), "{refused}");
    let mut plain = TcpStream::connect(listener.origin.address()).await.unwrap();
    plain.write_all(b"GET /ready HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(BOUND, plain.read_to_end(&mut answer)).await.unwrap();
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
}

#[tokio::test]
async fn callers_without_a_certificate_of_the_right_authority_are_not_greeted() {
    let (ours, callers, other) = (Authority::new(), Authority::new(), Authority::new());
    let listener = Listener::new(&ours, Some(&callers)).await;
    assert!(listener.ask(&ours, Some(callers.issue("edge"))).await.unwrap().starts_with("HTTP/1.1 200"));
    for certificate in [None, Some(other.issue("edge")), Some(ours.issue("edge"))] {
        let refused = listener.ask(&ours, certificate).await;
        assert!(refused.as_ref().is_err_and(|why| why.contains("received fatal alert")), "{refused:?}");
    }
    assert!(listener.ask(&ours, Some(callers.issue("edge"))).await.is_ok());
}

#[tokio::test]
async fn files_that_change_are_in_force_and_bad_ones_leave_the_old() {
    let (old, new) = (Authority::new(), Authority::new());
    let listener = Listener::new(&old, None).await;
    assert!(listener.ask(&old, None).await.is_ok());
    // In the middle of an exchange: a certificate without its key.
    std::fs::write(listener.files.path().join("cert"), new.issue("localhost").0).unwrap();
    assert!(listener.ask(&old, None).await.is_ok());
    put(listener.files.path(), new.issue("localhost"));
    until_then("the new certificate is in force", async || listener.ask(&new, None).await.is_ok()).await;
    assert!(listener.ask(&old, None).await.is_err());
    std::fs::remove_file(listener.files.path().join("key")).unwrap();
    assert!(listener.ask(&new, None).await.is_ok());
}
