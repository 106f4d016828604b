//! What went wrong.

use std::fmt;
use wasm_bindgen::JsValue;

/// What went wrong, for the log. The platform's own error is kept as it is: whoever it is thrown to looks at its marks.
#[derive(Debug)]
pub enum Fault {
    /// The platform threw it.
    Thrown(JsValue),
    /// We say so.
    Said(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Thrown(error) => match error.as_string() {
                Some(text) => f.write_str(&text),
                None => write!(f, "{error:?}"),
            },
            Self::Said(text) => f.write_str(text),
        }
    }
}

impl From<JsValue> for Fault {
    fn from(error: JsValue) -> Self {
        Self::Thrown(error)
    }
}

impl From<worker::Error> for Fault {
    fn from(error: worker::Error) -> Self {
        Self::Thrown(error.into())
    }
}

impl From<&str> for Fault {
    fn from(text: &str) -> Self {
        Self::Said(text.to_owned())
    }
}

impl From<String> for Fault {
    fn from(text: String) -> Self {
        Self::Said(text)
    }
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Self::Said(error.to_string())
    }
}

impl From<Fault> for JsValue {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Thrown(error) => error,
            Fault::Said(text) => js_sys::Error::new(&text).into(),
        }
    }
}

impl From<Fault> for worker::Error {
    fn from(fault: Fault) -> Self {
        JsValue::from(fault).into()
    }
}
