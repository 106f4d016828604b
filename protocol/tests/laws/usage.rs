//! What was used, by hours and by days.

mod asked;
mod kept;

use sluice_protocol::auth::principal::Mark;
use sluice_protocol::id::RequestId;
use sluice_protocol::limit::ask::Facts;
use sluice_protocol::request::cost::Rate;
use sluice_protocol::request::cost::price::Price;
use sluice_protocol::request::endpoint::Endpoint;
use sluice_protocol::usage::{Cell, HOUR_MS, Sum, User, Whose};

/// An hour to begin with.
const HOUR: u64 = 497_222;
const START: u64 = HOUR * HOUR_MS;
const RATE: Rate = Rate {
    request: 5,
    prompt_token: 1,
    completion_token: 3,
    thinking_token: 0,
    image_step: 0,
    image_kilopixel: 0,
    image_kilopixel_step: 2,
    price: Price {
        prompt: 100_000_000,
        cached: 20_000_000,
        completion: 400_000_000,
        image_kilopixel_step: 7_000_000_000,
        per: 1_000_000,
    },
};

fn request(number: u32) -> RequestId {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&number.to_le_bytes());
    RequestId(id)
}

/// A request of one of some keys, models and users, by a number of each.
fn facts(number: u32, [key, model, user]: [u8; 3]) -> Facts {
    Facts {
        key: Mark::of_key([key; 4]),
        model: format!("model-{model}"),
        user: user.checked_sub(1).map(|user| Mark::of(&format!("user-{user}"))),
        endpoint: if model == 0 { Endpoint::Embeddings } else { Endpoint::Chat },
        rate: RATE,
        request: request(number),
        ..crate::oracle::facts(1)
    }
}

fn whose([key, model, user]: [u8; 3]) -> Whose {
    let Facts { key, model, user, endpoint, .. } = facts(0, [key, model, user]);
    Whose { key: Some(key), model: Some(model), endpoint: Some(endpoint), user: user.map_or(User::None, User::One) }
}

fn sum_of<'c>(cells: impl IntoIterator<Item = &'c Cell>) -> Sum {
    let mut all = Sum::default();
    cells.into_iter().for_each(|cell| all.add(&cell.sum));
    all
}
