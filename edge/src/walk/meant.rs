//! request, what it means: which model, and what the route goes by.

use crate::auth::principal::Principal;
use crate::call::{Around, Call};
use crate::limit;
use crate::platform::Body;
use sluice_protocol::auth::principal::Mark;
use sluice_protocol::hop::gate_call::Ask;
use sluice_protocol::limit::plan::PlanTable;
use sluice_protocol::refusal::Refusal;
use sluice_protocol::request::bodies::question::Question;
use sluice_protocol::request::endpoint::Endpoint;
use sluice_protocol::request::model_name::renamed;
use sluice_protocol::route::beginning::Beginning;
use sluice_protocol::route::setting::Region;

/// route, what it goes by: the conversation that a request goes on with, and where its caller is. `key`: by what a repetition
/// of a request for pictures is known.
pub(super) fn whence(
    call: &Call<'_>,
    principal: &Principal,
    ask: &Ask,
    body: &Body,
    key: Option<&str>,
) -> (Option<Beginning>, Option<Region>) {
    let account = principal.account.name();
    let beginning = match (ask.endpoint, ask.session) {
        // Vectors remember nothing.
        (Endpoint::Embeddings, _) => None,
        // What was drawn is kept where it was.
        (Endpoint::Images, _) => key.map(|key| Beginning::of_session(account, Mark::of(key))),
        (_, Some(session)) => Some(Beginning::of_session(account, session)),
        (_, None) => Beginning::of_body(&body.bytes()),
    };
    (beginning, Region::parse(&call.incoming.request.continent()))
}

/// request, its model: which one answers, and what is sent on. Where it has another name here, all that follows sees that one, and
/// so does the origin.
pub(super) async fn meant(
    around: Around<'_>,
    table: &PlanTable,
    principal: &Principal,
    question: &Question,
    body: Body,
) -> Result<(String, Body), Refusal> {
    let (scope, name) = (question.endpoint().into(), question.model());
    let meant = limit::model_meant(around.env, table, principal, &around.config.aliases, (scope, name)).await?;
    Ok(match meant.and_then(|model| renamed(&body.bytes(), &model).map(|bytes| (model, bytes))) {
        Some((model, bytes)) => (model, Body::of_bytes(&bytes)),
        None => (name.to_owned(), body),
    })
}
