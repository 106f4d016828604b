//! Calls among the items of an answer: they have arguments, which come in pieces, and no parts.

use sluice_protocol::request::bodies::chat::AnswerCall;
use sluice_protocol::request::bodies::responses::{ItemStatus, OutputItem, What, kind};

/// A call that has begun.
pub(super) struct OpenCall {
    /// Its item's id.
    id: String,
    /// What has come of it.
    call: AnswerCall,
}

impl OpenCall {
    /// The item of this id.
    pub(super) fn new(id: String, call: AnswerCall) -> Self {
        Self { id, call }
    }

    /// As it begins: nothing is in it.
    pub(super) fn empty(&self) -> OutputItem {
        self.item(String::new(), ItemStatus::InProgress)
    }

    /// As far as it has come.
    pub(super) fn ended(&self, status: ItemStatus) -> OutputItem {
        self.item(self.call.function.arguments.clone(), status)
    }

    fn item(&self, arguments: String, status: ItemStatus) -> OutputItem {
        let (id, call_id, name) = (self.id.clone(), self.call.id.clone(), self.call.function.name.clone());
        OutputItem::FunctionCall { id, call_id, name, arguments, status }
    }

    /// Takes more of its arguments.
    pub(super) fn add(&mut self, more: &str) {
        self.call.function.arguments += more;
    }

    /// More of its arguments.
    pub(super) fn delta<'a>(&'a self, output_index: usize, delta: &'a str) -> (&'static str, What<'a>) {
        (kind::ARGUMENTS_DELTA, What::ArgumentsDelta { item_id: &self.id, output_index, delta })
    }

    /// All of them.
    pub(super) fn done(&self, output_index: usize) -> (&'static str, What<'_>) {
        let (name, arguments) = (&self.call.function.name, &self.call.function.arguments);
        (kind::ARGUMENTS_DONE, What::Arguments { item_id: &self.id, output_index, name, arguments })
    }
}
