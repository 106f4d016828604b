//! What a request met at an origin, as far as it says something about that origin.

use crate::refusal::Reason;
use crate::time::Millis;

/// What a request met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Met {
    /// Its answer began, or the origin had a reason of the request's own to refuse it: it works.
    Served,
    /// No answer began: the connection was refused, or reset.
    Unreached,
    /// The origin took the request, and says nothing at all, to nobody.
    Silent,
    /// It answered that it failed, or what no origin answers.
    Broken,
    /// It had no room, for about so many milliseconds.
    Full(Option<Millis>),
    /// It stops, or its model is being loaded: it takes nothing new.
    NotReady,
    /// It does not have that model.
    NoModel,
    /// Nothing that tells of the origin: its caller left, or its time was over.
    Nothing,
}

impl Met {
    /// What a refusal of an origin's says of it.
    pub const fn of_refusal(reason: Reason, wait: Option<Millis>) -> Self {
        match reason {
            Reason::Overloaded | Reason::QueueTimeout => Self::Full(wait),
            Reason::Draining | Reason::ModelLoading => Self::NotReady,
            Reason::ModelNotFound => Self::NoModel,
            Reason::Cancelled | Reason::DeadlineExceeded => Self::Nothing,
            Reason::OriginFailed | Reason::OriginSilent | Reason::Internal | Reason::Misconfigured => Self::Broken,
            // It counted the prompt, and asks for more.
            Reason::GrantTooSmall => Self::Served,
            // The two gates are not set up for each other.
            other if !other.passes_edge() => Self::Broken,
            _ => Self::Served,
        }
    }

    /// Whether another origin may serve a request that met this before its first byte.
    pub const fn goes_on(self) -> bool {
        match self {
            Self::Unreached | Self::Silent | Self::Broken | Self::Full(_) | Self::NotReady | Self::NoModel => true,
            Self::Served | Self::Nothing => false,
        }
    }

    /// Whether all is well, for a breaker; `None` if it says nothing of that.
    pub const fn is_well(self) -> Option<bool> {
        match self {
            Self::Served => Some(true),
            Self::Unreached | Self::Silent | Self::Broken => Some(false),
            Self::Full(_) | Self::NotReady | Self::NoModel | Self::Nothing => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_callers_own_is_tried_nowhere_else_and_says_that_the_origin_works() {
        for reason in Reason::ALL {
            let met = Met::of_refusal(*reason, None);
            if reason.is_callers()
                && reason.passes_edge()
                && !matches!(reason, Reason::ModelNotFound | Reason::Cancelled)
            {
                assert_eq!((met, met.goes_on()), (Met::Served, false), "{reason:?}");
            }
            if reason.is_refunded() && *reason != Reason::GrantTooSmall {
                assert!(met.goes_on(), "{reason:?}: nobody counts it, so somebody may serve it");
            }
        }
        assert_eq!(Met::of_refusal(Reason::InvalidGrant, None), Met::Broken);
    }
}
