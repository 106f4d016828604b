//! request, as a type: what a body asks for, checked against the model that is to draw, and the memory.

use crate::api::images::file::Encoding;
use crate::grant::check_pictures;
use crate::models::z_image::Order;
use crate::models::z_image::effort::Effort;
use crate::models::z_image::noise::seed_of;
use crate::models::z_image::size::Size;
use crate::models::{Draws, Models};
use crate::system::{memory, random_u64};
use sluice_protocol::forward::grant::GrantClaims;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::request::bodies::images::answer::ImageUsage;
use sluice_protocol::request::bodies::images::{AskedSize, ImageRequest};
use sluice_protocol::request::drawing::Drawing;
use sluice_protocol::request::model_name::no_model;
use std::sync::Arc;

/// Pictures that can be drawn.
pub(crate) struct PictureRequest {
    /// The model that draws.
    pub(crate) draws: Arc<Draws>,
    /// The first of them; the others have the seeds behind its own.
    pub(crate) order: Order,
    /// How many.
    pub(crate) count: usize,
    /// Tokens of the prompt.
    pub(crate) tokens: usize,
    /// How many previews each has.
    pub(crate) previews: usize,
    /// Whether to stream.
    pub(crate) stream: bool,
    /// How they are told.
    pub(crate) encoding: Encoding,
}

/// The seeds that are made up: all of them are exact in JSON, wherever they are told.
const SEEDS: u64 = 1 << 53;

impl PictureRequest {
    /// Reads a body. Refuses what its door refuses, another model's name, and what the model cannot draw. Takes time in proportion to the prompt: not for an async thread.
    pub(crate) fn read(body: &[u8], models: Option<&Models>, claims: Option<&GrantClaims>) -> Result<Self, Refusal> {
        let asked = ImageRequest::parse(body)?;
        let found = models.map(|models| models.wanted_drawing(&asked.model, claims.is_none()).cloned());
        let draws = found.unwrap_or_else(|| Err(no_model(&asked.model, [])))?;
        let size = match asked.size {
            AskedSize::Of { width, height } => draws.facts.bounds().parse(&format!("{width}x{height}"))?,
            AskedSize::Auto => draws.facts.usual(),
        };
        let asked_for = asked.drawing();
        let order = Order {
            size,
            steps: asked.steps_each() as usize,
            seed: asked.seed.unwrap_or_else(|| random_u64() % SEEDS),
            prompt: asked.prompt,
        };
        if let Some(claims) = claims {
            let pixels = u32::try_from(size.width * size.height).unwrap_or(u32::MAX);
            check_pictures(claims, Drawing { pixels, ..asked_for })?;
        }
        let tokens = draws.facts.check(&order)?.len();
        let wanted = Self {
            order,
            tokens,
            count: asked.n as usize,
            previews: usize::from(asked.partial_images),
            stream: asked.stream,
            encoding: Encoding {
                format: asked.format,
                quality: asked.compression,
                tells_prompt: asked.metadata_prompt,
            },
            draws,
        };
        wanted.fits()?;
        Ok(wanted)
    }

    /// Refuses what this machine has no memory for, whatever it does besides.
    fn fits(&self) -> Result<(), Refusal> {
        let needed = self.bytes();
        match self.draws.room {
            Some(room) if needed > room => {
                let (needed, room) = (memory::gib(needed), memory::gib(room));
                let why =
                    format!("A picture of {} needs {needed} of memory, and pictures have {room}.", self.order.size);
                Err(Refusal::new(Reason::InvalidRequest, why).with_param("size"))
            }
            _ => Ok(()),
        }
    }

    /// What each picture is.
    pub(crate) fn orders(&self) -> Vec<Order> {
        let seeded = |index| Order { seed: seed_of(self.order.seed, index as u64), ..self.order.clone() };
        (0..self.count).map(seeded).collect()
    }

    /// What all of them compute.
    pub(crate) fn effort(&self) -> Effort {
        let one = self.draws.facts.effort(self.order.size, self.tokens, self.order.steps);
        one.times(self.count, self.previews)
    }

    /// Bytes that they take at most: what one takes while it is drawn, with a preview beside it, and the pictures with their
    /// files.
    pub(crate) fn bytes(&self) -> u64 {
        let one = self.draws.facts.picture_bytes(self.order.size, self.tokens);
        let pixels = (self.order.size.width * self.order.size.height) as u64;
        // Three bytes a pixel as they are and as a file, and four of each as base64, as text and as JSON.
        let files = (self.count + self.previews) as u64 * pixels * (2 * 3 + 3 * 4);
        one * (1 + u64::from(self.previews > 0)) + files
    }

    /// What is told of so many of them, in OpenAI's words. The prompt counts once.
    pub(crate) fn usage(&self, pictures: usize, with_prompt: bool) -> ImageUsage {
        let text = if with_prompt { self.tokens as u64 } else { 0 };
        let Size { width, height } = self.order.size;
        // Both are bounded by their door, and no size has more pixels than fit.
        let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        ImageUsage::new(text, narrow(pictures), narrow(width * height))
    }
}
