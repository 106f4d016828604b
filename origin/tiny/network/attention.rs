//! The matrices of one layer's attention, before they are tensors.

/// The matrices of one layer's attention, row by row.
pub(crate) struct Attention {
    /// `[heads * width, hidden]`.
    pub(crate) query: Vec<f32>,
    /// `[key-value heads * width, hidden]`.
    pub(crate) key: Vec<f32>,
    /// `[key-value heads * width, hidden]`.
    pub(crate) value: Vec<f32>,
    /// `[hidden, heads * width]`.
    pub(crate) output: Vec<f32>,
}
