//! `scheduler/scheduler_config.json`.

use super::{Members, positive};
use serde_json::json;

/// Reads the config; returns how far sigmas are shifted. Says what is wrong with it, for the operator.
pub(crate) fn shift(json: &[u8]) -> Result<f64, String> {
    let mut members = Members::read(json)?;
    members.class("FlowMatchEulerDiscreteScheduler")?;
    let shift = positive("shift", members.take("shift")?)?;
    members.says(&[
        ("num_train_timesteps", json!(1000)),
        ("use_dynamic_shifting", json!(false)),
        ("invert_sigmas", json!(false)),
        ("use_karras_sigmas", json!(false)),
        ("use_exponential_sigmas", json!(false)),
        ("use_beta_sigmas", json!(false)),
        ("stochastic_sampling", json!(false)),
    ])?;
    // These are of the dynamic shift, which is off.
    members.ignore(&["base_shift", "max_shift", "base_image_seq_len", "max_image_seq_len", "time_shift_type"]);
    members.end()?;
    Ok(shift)
}
