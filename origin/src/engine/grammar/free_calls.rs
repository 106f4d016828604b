//! Calls in an answer that is free: from the mark that opens one to the mark that closes it, only a tool that was offered can be
//! called. Nothing is computed for the text around them.

use super::{DeadEnd, leave};
use llguidance::Matcher;

/// Binds calls and nothing else.
pub(super) struct FreeCalls {
    /// The token that opens a call.
    open: u32,
    /// What follows it, as it is at its beginning.
    rest: Box<Matcher>,
    /// The call that the model is in.
    call: Option<Box<Matcher>>,
}

impl FreeCalls {
    /// None is open. After the token `open` there has to be what `rest` says.
    pub(super) fn after(open: u32, rest: Box<Matcher>) -> Self {
        Self { open, rest, call: None }
    }

    /// The same for another answer.
    pub(super) fn fresh(&self) -> Self {
        Self::after(self.open, Box::new(self.rest.deep_clone()))
    }

    /// Inside of a call: sets the logits of all tokens that must not come next to minus infinity.
    pub(super) fn mask(&mut self, logits: &mut [f32]) -> Result<(), DeadEnd> {
        if let Some(call) = &mut self.call {
            leave(&call.compute_mask().map_err(|_| DeadEnd)?, logits);
        }
        Ok(())
    }

    /// Goes on with the token that was chosen. Returns whether it opens a call.
    pub(super) fn accept(&mut self, token: u32) -> Result<bool, DeadEnd> {
        match &mut self.call {
            Some(call) => {
                call.consume_token(token).map_err(|_| DeadEnd)?;
                if call.is_stopped() {
                    self.call = None;
                }
            }
            None if token == self.open => {
                self.call = Some(Box::new(self.rest.deep_clone()));
                return Ok(true);
            }
            None => {}
        }
        Ok(false)
    }
}
