//! One request on its way through the routes: what each of them is handed.

use crate::auth;
use crate::auth::principal::{Principal, principal};
use crate::config::Config;
use crate::limit::{plans, remembered};
use crate::platform::{Context, Env, Fault, Response};
use crate::request::{Incoming, shield};
use sluice_protocol::hop::gate_call::remembered::Want;
use sluice_protocol::id::RequestId;
use sluice_protocol::limit::plan::PlanTable;
use sluice_protocol::refusal::Refusal;
use sluice_protocol::time::Millis;
use std::rc::Rc;

/// A request that is being served.
pub struct Call<'a> {
    /// What was sent.
    pub incoming: &'a Incoming,
    /// The environment.
    pub env: &'a Env,
    /// What keeps a task alive.
    pub context: &'a Context,
    /// The settings.
    pub config: &'a Config,
    /// Its id.
    pub id: RequestId,
    /// When it came.
    pub since: Millis,
}

/// What serves a request, whoever sent it.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// The environment.
    pub env: &'a Env,
    /// What keeps a task alive.
    pub context: &'a Context,
    /// The settings.
    pub config: &'a Config,
}

/// An answer. The outer error is a refusal; the inner one is the platform's, while the answer was built.
pub type Answered = Result<Result<Response, Fault>, Refusal>;

/// Who calls, and the plans that decide.
pub struct Known {
    /// The table.
    pub table: Rc<PlanTable>,
    /// Who.
    pub principal: Principal,
}

impl<'a> Call<'a> {
    /// What serves it.
    pub const fn around(&self) -> Around<'a> {
        Around { env: self.env, context: self.context, config: self.config }
    }

    /// request and auth, for routes that need no more of them: who calls, and the plans that decide. Whom its Gate did not know a
    /// moment ago is refused without asking again.
    pub async fn caller(&self) -> Result<Known, Refusal> {
        let head = &self.incoming.head;
        shield::pass(self.env, head).await?;
        let credential = auth::credential(head, self.env, self.context, &self.config.auth).await?;
        let table = plans::for_caller(self.env, &self.config.plans, self.context).await;
        let principal = principal(&credential, head, &table)?;
        match remembered::of(&table, &principal, Want::Identity).and_then(|answer| answer.refusal()) {
            Some(refusal) => Err(refusal),
            None => Ok(Known { table, principal }),
        }
    }
}
