//! Certificates for an origin that speaks TLS to callers with certificates of their own, and for such a caller.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use sluice_origin::tls::TlsFiles;
use std::fs;
use std::path::Path;

/// The name in the origin's certificate.
pub const HOST: &str = "origin.test";

/// All PEM.
#[derive(Clone)]
pub struct Certificates {
    /// Issued the others.
    pub authority: String,
    /// The origin's, and its key.
    pub origin: (String, String),
    /// The edge's, and its key.
    pub edge: (String, String),
}

impl Certificates {
    /// New ones.
    pub fn make() -> Self {
        let made = "a key that was just made signs";
        let mut params = CertificateParams::new(Vec::new()).expect("no name is no bad name");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect(made)).expect(made);
        let issue = |name: &str| {
            let key = KeyPair::generate().expect(made);
            let params = CertificateParams::new(vec![name.to_owned()]).expect("a good name");
            (params.signed_by(&key, &authority).expect(made).pem(), key.serialize_pem())
        };
        Self { origin: issue(HOST), edge: issue("edge.test"), authority: authority.pem() }
    }

    /// Writes what the origin reads.
    pub fn write(&self, directory: &Path) -> TlsFiles {
        let put = |name: &str, text: &str| {
            let path = directory.join(name);
            fs::write(&path, text).expect("the stack's directory is writable");
            path
        };
        TlsFiles {
            certificate: put("origin.pem", &self.origin.0),
            key: put("origin.key", &self.origin.1),
            clients: Some(put("authority.pem", &self.authority)),
        }
    }
}
