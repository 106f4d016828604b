//! Who may call, and over what: `--grant-key`, `--open`, `--tls-...`.

use super::{Access, ServeArgs};
use crate::grant::GrantKey;
use crate::tls::{Tls, TlsFiles};
use sluice_protocol::route::setting::OriginName;
use std::net::SocketAddr;

impl ServeArgs {
    /// Its name among several, which is the audience of its grants.
    pub(super) fn named(&self, mistakes: &mut Vec<String>) -> Option<OriginName> {
        let text = self.name.as_deref().filter(|text| !text.is_empty())?;
        let name = OriginName::parse(text);
        if name.is_none() {
            mistakes.push("--name: must be small letters, digits and hyphens, as the edge's ORIGINS has it".into());
        }
        if self.open {
            mistakes.push("--name is what grants are for, and --open serves without them".into());
        }
        name
    }

    pub(super) fn tls(&self, mistakes: &mut Vec<String>) -> Option<TlsFiles> {
        let files = match (&self.tls_cert, &self.tls_key, &self.tls_client_ca) {
            (Some(certificate), Some(key), clients) => {
                TlsFiles { certificate: certificate.clone(), key: key.clone(), clients: clients.clone() }
            }
            (None, None, None) => return None,
            _ => {
                mistakes.push("--tls-cert and --tls-key belong together, and --tls-client-ca needs both".into());
                return None;
            }
        };
        if let Err(why) = Tls::new(files.clone()) {
            mistakes.push(why);
        }
        Some(files)
    }

    pub(super) fn access(&self, bind: Option<SocketAddr>, mistakes: &mut Vec<String>) -> Option<Access> {
        let texts: Vec<&String> = self.grant_keys.iter().filter(|text| !text.is_empty()).collect();
        let mut keys: Vec<GrantKey> = Vec::new();
        for text in &texts {
            match text.parse::<GrantKey>() {
                Ok(key) if keys.iter().any(|other| other.kid() == key.kid()) => {
                    mistakes.push(format!("--grant-key: two keys are named {}", key.kid()));
                }
                Ok(key) => keys.push(key),
                Err(why) => mistakes.push(format!("--grant-key: {why}")),
            }
        }
        if texts.len() > 2 {
            mistakes.push("--grant-key: at most two keys live at once".into());
        }
        match (self.open, texts.is_empty()) {
            (false, true) => {
                mistakes.push(
                    "nobody may call: give --grant-key KID=PUBLIC (see `sluice-origin keygen`), or --open for local use"
                        .into(),
                );
                None
            }
            (true, false) => {
                mistakes.push("--open and --grant-key exclude each other".into());
                None
            }
            (true, true) if bind.is_some_and(|bind| !bind.ip().is_loopback()) => {
                mistakes.push(format!("--open serves anybody, so --bind must be loopback and not {}", self.bind));
                None
            }
            (true, true) => Some(Access::Open),
            (false, false) => Some(Access::Granted(keys)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;
    use super::*;

    #[test]
    fn who_may_call_is_never_left_open() {
        assert!(check(&[]).unwrap_err()[0].contains("--open"));
        assert!(check(&["--open", "--bind", "0.0.0.0:0"]).unwrap_err()[0].contains("loopback"));
        assert!(matches!(check(&["--open"]).unwrap().0.access, Access::Open));
        let keys: Vec<String> = (0..3).map(|n| format!("k{n}={}", crate::grant::generate_key().1)).collect();
        assert!(
            matches!(check(&["--grant-key", &keys[..2].join(",")]).unwrap().0.access, Access::Granted(k) if k.len() == 2)
        );
        assert!(check(&["--grant-key", &keys.join(",")]).unwrap_err()[0].contains("at most two"));
        assert!(check(&["--open", "--grant-key", &keys[0]]).unwrap_err()[0].contains("exclude"));
        assert!(check(&["--grant-key", &keys[0], "--grant-key", &keys[0]]).unwrap_err()[0].contains("two keys"));
    }

    #[test]
    fn certificates_are_read_before_anything_is_served() {
        let files = tempfile::tempdir().unwrap();
        let path = |name: &str| files.path().join(name).to_str().unwrap().to_owned();
        let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        let other = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        std::fs::write(path("cert"), made.cert.pem()).unwrap();
        std::fs::write(path("key"), made.signing_key.serialize_pem()).unwrap();
        std::fs::write(path("other"), other.signing_key.serialize_pem()).unwrap();
        std::fs::write(path("text"), "no PEM").unwrap();
        let (cert, key) = (path("cert"), path("key"));
        let served = check(&["--open", "--tls-cert", &cert, "--tls-key", &key, "--tls-client-ca", &cert]).unwrap().0;
        assert_eq!(served.tls.unwrap().clients, Some(path("cert").into()));
        assert_eq!(check(&["--open"]).unwrap().0.tls, None);
        for (arguments, word) in [
            (vec!["--tls-cert", &cert], "belong together"),
            (vec!["--tls-client-ca", &cert], "needs both"),
            (vec!["--tls-cert", &path("none"), "--tls-key", &key], "none: No such file"),
            (vec!["--tls-cert", &path("text"), "--tls-key", &key], "holds no certificate"),
            (vec!["--tls-cert", &cert, "--tls-key", &path("text")], "holds no private key"),
            (vec!["--tls-cert", &cert, "--tls-key", &path("other")], "do not belong together"),
            (vec!["--tls-cert", &cert, "--tls-key", &key, "--tls-client-ca", &key], "holds no certificate"),
        ] {
            let arguments: Vec<&str> = ["--open", "--slots", "0"].into_iter().chain(arguments).collect();
            let mistakes = check(&arguments).unwrap_err();
            // Beside the other mistakes.
            assert_eq!(mistakes.len(), 2, "{mistakes:?}");
            assert!(mistakes[0].contains(word), "{word}: {mistakes:?}");
        }
    }
}
