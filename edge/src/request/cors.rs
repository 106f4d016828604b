//! Pages of other origins: what a browser is told, where a setting allows it. What that is, `sluice_protocol::request::cors` decides.

use crate::platform::respond::HeaderList;
use crate::platform::{Fault, Response};
use crate::request::path::{methods, path_and_query, route_of};
use crate::request::{self, Incoming};
use sluice_protocol::id::RequestId;
use sluice_protocol::request::cors::{Origins, Preflight};
use sluice_protocol::wire::header;
use std::rc::Rc;

/// Who asks, where pages of other origins may: a page, or somebody who is none.
pub struct Page {
    origins: Rc<Origins>,
    origin: Option<String>,
    path: String,
}

impl Page {
    /// `None` where no page may call: then nothing of this is looked at.
    pub fn of(incoming: &Incoming, origins: &Rc<Origins>) -> Option<Self> {
        if **origins == Origins::None {
            return None;
        }
        let path = path_and_query(incoming.head.url()).0.to_owned();
        Some(Self { origin: request::header(incoming, header::ORIGIN), origins: origins.clone(), path })
    }

    /// The answer to a browser's question whether this page may call. Nobody else is asked, and credentials are not looked at:
    /// there are none in such a question.
    pub fn preflight(&self, incoming: &Incoming, id: RequestId) -> Option<Result<Response, Fault>> {
        if incoming.head.method() != "OPTIONS" {
            return None;
        }
        let method = request::header(incoming, header::REQUEST_METHOD);
        let headers = request::header(incoming, header::REQUEST_HEADERS);
        let asked =
            Preflight { origin: self.origin.as_deref(), method: method.as_deref(), headers: headers.as_deref() };
        let told = self.origins.preflight(&self.path, methods(route_of(&self.path).0), asked)?;
        let mut headers = HeaderList::new();
        headers.set(header::REQUEST_ID, id.to_string());
        for (name, value) in told {
            headers.set(name, value);
        }
        Some(Response::empty(NO_CONTENT, &headers.to_json()))
    }

    /// Adds to an answer what this page may read of it.
    pub fn tell(&self, response: &Response) -> Result<(), Fault> {
        for (name, value) in self.origins.headers(&self.path, self.origin.as_deref()) {
            response.set_header(name, &value)?;
        }
        Ok(())
    }
}

const NO_CONTENT: u16 = 204;
