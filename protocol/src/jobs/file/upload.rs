//! `POST /v1/files`: a file as a form sends it.

use super::Purpose;
use crate::refusal::{Reason, Refusal};
use crate::wire::multipart;
use std::ops::Range;

/// A file that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Its name there.
    pub name: String,
    /// Where it lies in the body.
    pub content: Range<usize>,
}

impl Upload {
    /// Reads a form. The only purpose that is served is `batch`.
    pub fn parse(content_type: &str, body: &[u8]) -> Result<Self, Refusal> {
        let wrong = |message: &'static str| Refusal::new(Reason::InvalidRequest, message);
        let Some(boundary) = multipart::boundary(content_type) else {
            let message = "Send the file as `content-type: multipart/form-data`, with its boundary.";
            return Err(Refusal::new(Reason::UnsupportedMediaType, message));
        };
        let parts = multipart::parts(body, boundary).ok_or_else(|| wrong("The body is no form of its boundary."))?;
        let (mut purpose, mut file) = (None, None);
        for part in parts {
            let text = || std::str::from_utf8(&body[part.content.clone()]).unwrap_or_default().to_owned();
            let is_twice = match part.name.as_str() {
                "purpose" => purpose.replace(text()).is_some(),
                "file" => {
                    let name = part.filename.clone().unwrap_or_else(|| "file".to_owned());
                    file.replace(Self { name, content: part.content }).is_some()
                }
                _ => {
                    let name: String = part.name.chars().take(64).collect();
                    let message = format!("`{name}` is not served here. Leave it out.");
                    return Err(Refusal::new(Reason::UnsupportedParameter, message).with_param(name));
                }
            };
            if is_twice {
                return Err(wrong("A field of the form is there twice."));
            }
        }
        let purpose = purpose.ok_or_else(|| wrong("`purpose` must be there.").with_param("purpose"))?;
        if purpose != Purpose::Batch.name() {
            let message = "`purpose` must be `batch`: files serve nothing else here.";
            return Err(Refusal::new(Reason::UnsupportedParameter, message).with_param("purpose"));
        }
        let file = file.ok_or_else(|| wrong("`file` must be there.").with_param("file"))?;
        if file.content.is_empty() {
            return Err(wrong("The file is empty.").with_param("file"));
        }
        if file.name.len() > MAX_NAME {
            return Err(wrong("The file's name is longer than 256 bytes.").with_param("file"));
        }
        Ok(file)
    }
}

/// The longest name, in bytes.
const MAX_NAME: usize = 256;
/// How much more than its file a form may have, in bytes.
pub const FORM_BYTES: u64 = 16 << 10;
