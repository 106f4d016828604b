//! A call of a tool, as a model asks for it.

use crate::id::hex;
use serde::{Deserialize, Serialize};

/// One call of one tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerCall {
    /// By which the tool's result names the call that it answers.
    pub id: String,
    /// What kind of tool.
    #[serde(rename = "type")]
    pub kind: ToolKind,
    /// What is to be called.
    pub function: FunctionCall,
}

/// The kinds of tools that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ToolKind {
    /// A function of the caller's.
    Function,
}

/// A function and what it is called with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionCall {
    /// One of the functions that the request names.
    pub name: String,
    /// A JSON object, as the text that the model wrote; the beginning of one, or nothing, where the answer was cut off.
    pub arguments: String,
}

impl AnswerCall {
    /// A call of a function; its id is made of these bytes, which are to be random: it is unique among all calls of a
    /// conversation, and says nothing.
    pub fn new(id: [u8; 12], function: FunctionCall) -> Self {
        Self { id: format!("call_{}", hex(&id)), kind: ToolKind::Function, function }
    }
}
