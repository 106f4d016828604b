//! One request at that origin, from its beginning to its end, whichever that is.

use super::{Fate, Origin, response};
use crate::platform::scripted::{Asked, Writer};
use crate::platform::sleep;
use serde_json::{Value, json};
use sluice_protocol::forward::grant::GrantClaims;
use sluice_protocol::forward::report::{StreamError, UsageMark, brief};
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::wire::sse;
use std::rc::Rc;

/// One request that runs.
pub(super) struct Run {
    pub(super) origin: Rc<Origin>,
    pub(super) claims: GrantClaims,
    /// What was asked, by whoever may have gone.
    pub(super) asked: Asked,
    pub(super) writer: Writer,
    pub(super) mark: String,
    /// What a response repeats, if one is asked for.
    pub(super) response: Option<response::Asked>,
    pub(super) prompt: u64,
    pub(super) most: u64,
    pub(super) fate: Fate,
}

impl Run {
    /// Whether there is an answer, or the beginning of one.
    pub(super) async fn whole(self) -> bool {
        let mut goes_on = self.step(self.prompt, 0).await;
        for place in 0..self.most {
            if self.is_odd_at(place) {
                match self.fate {
                    Fate::Silent => {
                        self.fall_silent().await;
                        return false;
                    }
                    _ => break,
                }
            }
            goes_on = goes_on && !self.is_gone() && self.step(0, 1).await;
        }
        self.origin.end(&self.claims);
        if !goes_on || matches!(self.fate, Fate::Cut | Fate::Failed) {
            self.writer.write("{\"choices\": [");
            self.writer.break_off();
            return false;
        }
        self.origin.end_whole(&self.claims);
        let (text, used) = (self.mark.repeat(self.most as usize), self.origin.used(&self.claims));
        let answer = match &self.response {
            Some(response) => response.answer(&text, used),
            None => json!({"choices": [{"message": {"role": "assistant", "content": text}}], "usage": used}),
        };
        self.writer.write(&answer.to_string());
        self.writer.end();
        true
    }

    pub(super) async fn ends(self) {
        self.whole().await;
    }

    async fn step(&self, prompt: u64, completion: u64) -> bool {
        self.origin.step(&self.claims, prompt, completion, || self.is_gone()).await
    }

    /// Whether nobody waits for its answer any more.
    fn is_gone(&self) -> bool {
        self.writer.is_closed() || self.asked.is_gone()
    }

    pub(super) async fn stream(self) {
        let mut goes_on = self.step(self.prompt, 0).await;
        for place in 0..self.most {
            if self.is_odd_at(place) {
                return match self.fate {
                    Fate::Silent => self.fall_silent().await,
                    Fate::Cut => {
                        // In the middle of an event.
                        self.writer.write("id: 1/1/0\ndata: {\"choices\": [{\"del");
                        self.origin.end(&self.claims);
                        self.writer.break_off();
                    }
                    _ => {
                        self.origin.end(&self.claims);
                        let refusal = Refusal::new(Reason::Draining, "It stops.");
                        let used = self.origin.used(&self.claims);
                        let error = serde_json::to_string(&StreamError::new(&refusal, Some(used.into())));
                        self.writer.write(&sse::event(&error.expect("an error is JSON")));
                        self.writer.end();
                    }
                };
            }
            goes_on = goes_on && self.step(0, 1).await;
            if !goes_on || !self.say_more() {
                self.origin.end(&self.claims);
                return self.writer.break_off();
            }
        }
        self.origin.end(&self.claims);
        let used = self.origin.used(&self.claims);
        match &self.response {
            Some(response) => {
                let answer = response.answer(&self.mark.repeat(self.most as usize), used);
                let event = json!({"type": "response.completed", "response": answer}).to_string();
                let mark = UsageMark::complete(used.into()).to_string();
                self.send(&sse::named_event("response.completed", Some(&mark), &event));
            }
            None => {
                self.say(None, &json!({"choices": [], "usage": used}));
                self.writer.write(&sse::event("[DONE]"));
            }
        }
        self.writer.end();
    }

    fn say_more(&self) -> bool {
        match &self.response {
            Some(_) => self.say(Some("response.output_text.delta"), &json!({"delta": self.mark})),
            None => self.say(None, &json!({"choices": [{"delta": {"content": self.mark}}]})),
        }
    }

    /// Says nothing more, until nobody listens or the time is over.
    async fn fall_silent(self) {
        while !self.is_gone() && self.step(0, 0).await {
            sleep(100).await;
        }
        self.origin.end(&self.claims);
        self.writer.break_off();
    }

    /// An event, in two pieces; whether anybody reads.
    fn say(&self, name: Option<&str>, event: &Value) -> bool {
        let used = brief(self.origin.used(&self.claims).into());
        let text = match name {
            Some(name) => sse::named_event(name, Some(&used), &event.to_string()),
            None => sse::event_with_id(&used, &event.to_string()),
        };
        self.send(&text)
    }

    fn send(&self, text: &str) -> bool {
        let middle = self.origin.rng.borrow_mut().below(text.len() as u64) as usize;
        self.writer.write(&text[..middle]) && self.writer.write(&text[middle..])
    }

    /// Whether its fate comes before this token.
    fn is_odd_at(&self, place: u64) -> bool {
        let is_odd = matches!(self.fate, Fate::Cut | Fate::Failed | Fate::Silent);
        is_odd && (place + 1 == self.most || self.origin.rng.borrow_mut().per_mille(250))
    }
}
