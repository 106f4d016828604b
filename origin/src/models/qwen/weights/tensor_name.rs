//! The tensors of a network, and what files call them.

/// A tensor of the network. Each has a name in Hugging Face's layout and one in GGUF's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Embedding,
    Head,
    Norm,
    /// Of a layer: its number, and which one.
    Layer(usize, Part),
}

/// A tensor of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    InputNorm,
    Query,
    Key,
    Value,
    QueryBias,
    KeyBias,
    ValueBias,
    QueryNorm,
    KeyNorm,
    Output,
    OutputBias,
    PostNorm,
    Gate,
    Up,
    Down,
}

impl Name {
    pub(crate) fn hugging_face(self) -> String {
        match self {
            Self::Embedding => "model.embed_tokens.weight".into(),
            Self::Head => "lm_head.weight".into(),
            Self::Norm => "model.norm.weight".into(),
            Self::Layer(layer, part) => format!("model.layers.{layer}.{}", part.names().0),
        }
    }

    pub(crate) fn gguf(self) -> String {
        match self {
            Self::Embedding => "token_embd.weight".into(),
            Self::Head => "output.weight".into(),
            Self::Norm => "output_norm.weight".into(),
            Self::Layer(layer, part) => format!("blk.{layer}.{}", part.names().1),
        }
    }

    /// Whether it stands before the first layer or behind the last.
    pub(crate) fn is_end(self) -> bool {
        matches!(self, Self::Embedding | Self::Head)
    }
}

impl Part {
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::InputNorm => ("input_layernorm.weight", "attn_norm.weight"),
            Self::Query => ("self_attn.q_proj.weight", "attn_q.weight"),
            Self::Key => ("self_attn.k_proj.weight", "attn_k.weight"),
            Self::Value => ("self_attn.v_proj.weight", "attn_v.weight"),
            Self::QueryBias => ("self_attn.q_proj.bias", "attn_q.bias"),
            Self::KeyBias => ("self_attn.k_proj.bias", "attn_k.bias"),
            Self::ValueBias => ("self_attn.v_proj.bias", "attn_v.bias"),
            Self::QueryNorm => ("self_attn.q_norm.weight", "attn_q_norm.weight"),
            Self::KeyNorm => ("self_attn.k_norm.weight", "attn_k_norm.weight"),
            Self::Output => ("self_attn.o_proj.weight", "attn_output.weight"),
            Self::OutputBias => ("self_attn.o_proj.bias", "attn_output.bias"),
            Self::PostNorm => ("post_attention_layernorm.weight", "ffn_norm.weight"),
            Self::Gate => ("mlp.gate_proj.weight", "ffn_gate.weight"),
            Self::Up => ("mlp.up_proj.weight", "ffn_up.weight"),
            Self::Down => ("mlp.down_proj.weight", "ffn_down.weight"),
        }
    }
}
