//! The members of OpenAI's door for pictures, by name.
//!
//! After `types/image_generate_params.py` of openai-python, vLLM-Omni's `docs/serving/image_generation_api.md`, SGLang's
//! `multimodal_gen/runtime/entrypoints/openai/protocol.py`, Ollama's and stable-diffusion.cpp's routes of this path, and
//! what hosts of other models document.

use super::owners::{A, O, OURS, S, V, X};
use crate::request::door::Door;
use crate::request::member::{Fate, Member, Table};

pub(super) const TABLE: Table = Table { doors: &[Door::Images], members: MEMBERS, within: None };

const fn served(name: &'static str, of: u16) -> Member {
    Member::new(name, of, [Fate::Served; 2])
}

const fn passes(name: &'static str, of: u16) -> Member {
    Member::new(name, of, [Fate::Passes; 2])
}

/// Served nowhere; taken if it is one of these.
const fn refused(name: &'static str, of: u16, nothing: &'static [&'static str]) -> Member {
    Member::new(name, of, [Fate::Refused(nothing); 2])
}

const UNGUIDED: &str = "models that draw here are distilled: they follow the prompt without guidance";
const NO_EDITS: &str = "pictures are drawn from a prompt alone";
const HOW: &str = "how a picture is computed, and not which";
const NO_VIDEOS: &str = "no videos are made here";

const MEMBERS: &[Member] = &[
    refused("background", O | V | S, &[r#""auto""#, r#""opaque""#]).note("pictures are opaque"),
    refused("cfg_scale", X, &["0", "1"]).note(UNGUIDED),
    refused("clip_skip", X, &["0", "-1"]),
    refused("enable_teacache", S, &["false"]),
    refused("extra_args", V, &["{}"]),
    refused("extra_body", O | V, &["{}"]).note("a client's argument that was sent as a member: send what is in it"),
    refused("fps", S, &[]).note(NO_VIDEOS),
    refused("generator_device", V | S, &[r#""cpu""#]).note("noise is drawn on the host, so that a seed is a picture"),
    refused("guidance_scale", V | S | X, &["0", "1"]).note(UNGUIDED),
    refused("guidance_scale_2", V | S, &["0", "1"]).note(UNGUIDED),
    refused("height", V | S | X, &["0"]).instead("size"),
    refused("image", O | V | X, &["[]"]).note(NO_EDITS),
    refused("image_url", X, &[r#""""#]).note(NO_EDITS),
    refused("input_fidelity", O, &[]).note(NO_EDITS),
    passes("keep_alive", A).note("how long a model stays loaded"),
    refused("lora", V, &["{}", "[]"]),
    refused("mask", O | V, &[]).note(NO_EDITS),
    refused("max_sequence_length", V | X, &[]).note("a prompt that is too long is refused"),
    served("model", O | V | S | A),
    refused("moderation", O, &[r#""auto""#, r#""low""#]).note("nothing is moderated"),
    served("n", O | V | S | X).note("1 to 10; each is one picture to limits"),
    refused("negative_prompt", V | S | X, &[r#""""#]).note(UNGUIDED),
    refused("num_frames", S, &["1"]).note(NO_VIDEOS),
    refused("num_images", X, &["1"]).instead("n"),
    refused("num_images_per_prompt", X, &["1"]).instead("n"),
    served("num_inference_steps", V | S | X).note("1 to 50"),
    served("output_compression", O | S).note("0 to 100, of `jpeg` and `webp`; a `png` loses nothing"),
    served("output_format", O | V | S).note("`png`, `jpeg` or `webp`"),
    served("partial_images", O).note("0 to 3, with `stream`"),
    refused("priority", V | S, &["0"]).note("an operator's plans say who goes first"),
    served("prompt", O | V | S | A | X).note("a text of at most 32,000 characters"),
    refused("quality", O | V | S, &[r#""auto""#]).note("`num_inference_steps` says how much is computed"),
    passes("request_id", V).note("each request has one of ours"),
    refused("response_format", O | V | S | A, &[r#""b64_json""#]).note("nothing is kept that a URL could name"),
    passes("rid", S).note("each request has one of ours"),
    served("safety_identifier", O).note("the end user where there is no `user`"),
    refused("sampler", X, &[r#""""#]).note("a model's schedule is its own"),
    refused("scheduler", X, &[r#""""#]).note("a model's schedule is its own"),
    served("seed", V | S | X).note("of the first picture; the next has the next one"),
    served("size", O | V | S | A).note("`auto`, or `WIDTHxHEIGHT` in multiples of 16"),
    refused("steps", X, &["0"]).instead("num_inference_steps"),
    served("stream", O),
    refused("strength", X, &[]).note(NO_EDITS),
    refused("style", O | S, &[]).note("say it in the `prompt`"),
    refused("true_cfg_scale", V | S, &["0", "1"]).note(UNGUIDED),
    served("user", O | V | S).note("the end user, for limits that count by it"),
    passes("vae_use_slicing", V).note(HOW),
    passes("vae_use_tiling", V).note(HOW),
    refused("width", V | S | X, &["0"]).instead("size"),
    served("with_prompt", OURS)
        .note("whether a `png` tells its prompt beside model, seed and steps; false unless said"),
];
