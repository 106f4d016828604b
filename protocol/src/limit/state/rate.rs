//! What requests cost, as rows have it: texts where it always was, and pictures behind all else.

use crate::limit::lease::Metered;
use crate::request::cost::Rate;
use crate::request::cost::price::Price;
use crate::request::cost::work::Work;
use serde::{Deserialize, Serialize};

/// What a request may use, and what that costs, but for pictures.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct PackedMetered {
    work: Work,
    rate: PackedRate,
    is_enforced: bool,
}

/// What it costs, but for pictures.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct PackedRate {
    pub(super) weights: PackedWeights,
    /// Of a prompt, of what is remembered of one, and of an answer.
    prices: [u64; 3],
    per: u32,
}

/// For a request, a prompt's token, an answer's, a thought's, an image's step and 1,000 pixels of one.
pub(super) type PackedWeights = [u32; 6];

/// What the steps of pictures cost, of a rate by its place.
#[derive(Serialize, Deserialize)]
pub(super) struct PackedPictureRate {
    rate: u32,
    weight: u32,
    price: u64,
}

/// The most that it takes in a row, in bytes.
pub(super) const MAX_PICTURE_RATE: usize = 3 + 5 + 9;

impl PackedRate {
    /// Of formulas alone.
    pub(super) const fn of_weights(weights: PackedWeights) -> Self {
        Self { weights, prices: [0; 3], per: 0 }
    }
}

impl From<Rate> for PackedRate {
    fn from(rate: Rate) -> Self {
        let Rate { request, prompt_token, completion_token, thinking_token, image_step, image_kilopixel, .. } = rate;
        let Price { prompt, cached, completion, per, .. } = rate.price;
        Self {
            weights: [request, prompt_token, completion_token, thinking_token, image_step, image_kilopixel],
            prices: [prompt, cached, completion],
            per,
        }
    }
}

impl From<PackedRate> for Rate {
    fn from(PackedRate { weights, prices, per }: PackedRate) -> Self {
        let [request, prompt_token, completion_token, thinking_token, image_step, image_kilopixel] = weights;
        let [prompt, cached, completion] = prices;
        Self {
            request,
            prompt_token,
            completion_token,
            thinking_token,
            image_step,
            image_kilopixel,
            image_kilopixel_step: 0,
            price: Price { prompt, cached, completion, image_kilopixel_step: 0, per },
        }
    }
}

impl PackedMetered {
    /// Of formulas alone.
    pub(super) const fn new(work: Work, rate: PackedRate, is_enforced: bool) -> Self {
        Self { work, rate, is_enforced }
    }

    /// As it was, with what pictures cost at its lease's rate, if that has any: both are those of one request.
    pub(super) fn unpack(self, of_lease: Option<Rate>) -> Metered {
        let mut rate = Rate::from(self.rate);
        if let Some(of_lease) = of_lease {
            rate.image_kilopixel_step = of_lease.image_kilopixel_step;
            rate.price.image_kilopixel_step = of_lease.price.image_kilopixel_step;
        }
        Metered { work: self.work, rate, is_enforced: self.is_enforced }
    }
}

impl From<Metered> for PackedMetered {
    fn from(Metered { work, rate, is_enforced }: Metered) -> Self {
        Self { work, rate: rate.into(), is_enforced }
    }
}

/// What pictures cost at each of these rates at which they cost anything.
pub(super) fn of_pictures(rates: &[Rate]) -> Vec<PackedPictureRate> {
    let each = (0..).zip(rates).map(|(place, rate)| PackedPictureRate {
        rate: place,
        weight: rate.image_kilopixel_step,
        price: rate.price.image_kilopixel_step,
    });
    each.filter(|one| one.weight > 0 || one.price > 0).collect()
}

/// All rates as they were. `None` if one that pictures cost something at is not there.
pub(super) fn unpack(rates: Vec<PackedRate>, of_pictures: Vec<PackedPictureRate>) -> Option<Vec<Rate>> {
    let mut rates: Vec<Rate> = rates.into_iter().map(Rate::from).collect();
    for PackedPictureRate { rate, weight, price } in of_pictures {
        let rate = rates.get_mut(rate as usize)?;
        rate.image_kilopixel_step = weight;
        rate.price.image_kilopixel_step = price;
    }
    Some(rates)
}
