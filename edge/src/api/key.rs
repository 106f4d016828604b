//! `GET /v1/key`: a caller's own limits and what is left of them. Nothing is counted.

use crate::call::{Answered, Call, Known};
use crate::limit;
use crate::platform::respond;
use sluice_protocol::hop::gate_call::own_key::OwnKey;

/// Serves whoever has a valid key. The outer error is a refusal, the inner one the platform's.
pub async fn serve(call: &Call<'_>) -> Answered {
    let Known { table, principal } = call.caller().await?;
    let described = limit::describe(call.env, &table, &principal).await?;
    Ok(respond::json(200, &OwnKey::new(&principal.account, principal.key, described), call.id))
}
