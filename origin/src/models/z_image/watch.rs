//! Who watches while a picture is drawn: asked whether to go on, told how far it is.

/// Asked and told from the thread that computes.
pub trait Watch {
    /// Whether to go on. Asked before each block of a network: of the text encoder, the transformer and the decoder. It
    /// may wait, so that another model computes meanwhile. After a no nothing more is computed.
    fn goes_on(&mut self) -> bool {
        true
    }

    /// So many of so many steps are done.
    fn stepped(&mut self, _done: usize, _of: usize) {}
}

/// Nobody watches: it goes on to the end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nobody;

impl Watch for Nobody {}
