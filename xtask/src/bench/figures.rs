//! What is made of several rounds.

/// The middle value; not a number where there is none.
pub(super) fn median(values: Option<&mut Vec<f64>>) -> f64 {
    match values {
        Some(values) if !values.is_empty() => {
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        }
        _ => f64::NAN,
    }
}
