//! What the environment says about the hub, by the names that Hugging Face's own programs read.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the hub is, who asks, and where files are kept.
#[derive(Clone, PartialEq, Eq)]
pub struct HubSettings {
    /// `https://huggingface.co` or another server that answers alike, without a slash at the end.
    pub endpoint: String,
    /// Sent to the endpoint and to nobody else.
    pub token: Option<String>,
    /// A PEM file with the certificates of authorities to know servers by, in place of the machine's.
    pub authorities: Option<PathBuf>,
    /// The cache, in Hugging Face's layout.
    pub cache: PathBuf,
    /// Asks nobody: serves what is in the cache.
    pub offline: bool,
    /// The wait before the second try of a request that failed; doubled before each further one.
    pub patience: Duration,
}

const ENDPOINT: &str = "https://huggingface.co";
const PATIENCE: Duration = Duration::from_secs(1);

impl HubSettings {
    /// Reads `HF_ENDPOINT`, `HF_TOKEN` (or the file that `hf auth login` writes), `HF_HUB_CACHE`, `HF_HOME`, `HF_HUB_OFFLINE`;
    /// and `SSL_CERT_FILE`, as OpenSSL and Python do. The errors say what is wrong with them, for the operator.
    pub fn from_environment(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, Vec<String>> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let mut mistakes = Vec::new();
        let home = variable("HF_HOME").map(PathBuf::from).or_else(|| {
            let cache = variable("XDG_CACHE_HOME").map(PathBuf::from);
            let cache = cache.or_else(|| variable("HOME").map(|home| Path::new(&home).join(".cache")))?;
            Some(cache.join("huggingface"))
        });
        let cache = variable("HF_HUB_CACHE").map(PathBuf::from).or_else(|| Some(home.as_ref()?.join("hub")));
        if cache.is_none() {
            mistakes.push("a model of the hub is kept below HF_HOME or HOME, and neither is set".to_owned());
        }
        let endpoint = match variable("HF_ENDPOINT").map(OsString::into_string) {
            None => Some(ENDPOINT.to_owned()),
            Some(Ok(text)) if is_endpoint(&text) => Some(text.trim_end_matches('/').to_owned()),
            Some(_) => {
                mistakes.push(format!("HF_ENDPOINT: not an address such as {ENDPOINT}"));
                None
            }
        };
        let token = match variable("HF_TOKEN").map(OsString::into_string) {
            Some(Ok(text)) => Some(text),
            Some(Err(_)) => {
                mistakes.push("HF_TOKEN: not a token".to_owned());
                None
            }
            None => {
                let file = variable("HF_TOKEN_PATH").map(PathBuf::from).or_else(|| Some(home?.join("token")));
                file.and_then(|file| std::fs::read_to_string(file).ok())
            }
        };
        let token = token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty());
        if token.as_ref().is_some_and(|token| !token.bytes().all(|byte| byte.is_ascii_graphic())) {
            mistakes.push("HF_TOKEN: not a token".to_owned());
        }
        let offline = variable("HF_HUB_OFFLINE")
            .is_some_and(|value| ["1", "on", "yes", "true"].iter().any(|yes| value.eq_ignore_ascii_case(yes)));
        let authorities = variable("SSL_CERT_FILE").map(PathBuf::from);
        match (cache, endpoint, mistakes.is_empty()) {
            (Some(cache), Some(endpoint), true) => {
                Ok(Self { endpoint, token, authorities, cache, offline, patience: PATIENCE })
            }
            _ => Err(mistakes),
        }
    }
}

/// The token is not shown.
impl fmt::Debug for HubSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubSettings")
            .field("endpoint", &self.endpoint)
            .field("authorities", &self.authorities)
            .field("cache", &self.cache)
            .field("offline", &self.offline)
            .finish_non_exhaustive()
    }
}

/// `http` or `https`, a host, perhaps a path; nothing behind it, and nobody's name before it.
fn is_endpoint(text: &str) -> bool {
    text.parse::<ureq::http::Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
            && uri.query().is_none()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<HubSettings, Vec<String>> {
        HubSettings::from_environment(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn the_cache_is_where_other_programs_look() {
        for (variables, cache) in [
            (&[("HOME", "/h")][..], "/h/.cache/huggingface/hub"),
            (&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")], "/x/huggingface/hub"),
            (&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x"), ("HF_HOME", "/f")], "/f/hub"),
            (&[("HF_HOME", "/f"), ("HF_HUB_CACHE", "/c")], "/c"),
            (&[("HOME", "/h"), ("HF_HOME", "")], "/h/.cache/huggingface/hub"),
        ] {
            assert_eq!(read(variables).unwrap().cache, Path::new(cache));
        }
    }

    #[test]
    fn a_token_comes_from_the_environment_or_the_file() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("token"), "hf_file\n").unwrap();
        let path = home.path().to_str().unwrap();
        assert_eq!(read(&[("HF_HOME", path)]).unwrap().token.as_deref(), Some("hf_file"));
        let both = read(&[("HF_HOME", path), ("HF_TOKEN", " hf_variable ")]).unwrap();
        assert_eq!(both.token.as_deref(), Some("hf_variable"));
        assert!(!format!("{both:?}").contains("hf_variable"));
        assert_eq!(read(&[("HF_HOME", "/nowhere")]).unwrap().token, None);
    }

    #[test]
    fn every_mistake_is_told() {
        let mistakes = read(&[("HF_ENDPOINT", "huggingface.co"), ("HF_TOKEN", "two\nlines")]).unwrap_err();
        for word in ["HF_HOME", "HF_ENDPOINT", "HF_TOKEN"] {
            assert!(mistakes.iter().any(|mistake| mistake.contains(word)), "{word}: {mistakes:?}");
        }
        for wrong in ["ftp://x", "https://", "https://x?y", "https://me@x"] {
            assert!(read(&[("HOME", "/h"), ("HF_ENDPOINT", wrong)]).is_err(), "{wrong}");
        }
        let right =
            read(&[("HOME", "/h"), ("HF_ENDPOINT", "http://mirror:8080/hub/"), ("HF_HUB_OFFLINE", "1")]).unwrap();
        assert_eq!((right.endpoint.as_str(), right.offline), ("http://mirror:8080/hub", true));
        let usual = read(&[("HOME", "/h"), ("SSL_CERT_FILE", "")]).unwrap();
        assert_eq!((usual.endpoint.as_str(), usual.authorities), (ENDPOINT, None));
        let own = read(&[("HOME", "/h"), ("SSL_CERT_FILE", "/etc/own.pem")]).unwrap();
        assert_eq!(own.authorities.as_deref(), Some(Path::new("/etc/own.pem")));
    }
}
