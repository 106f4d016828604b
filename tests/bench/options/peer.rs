//! What others put in front of a model.

/// A gateway that people use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// nginx's `limit_req`.
    Nginx,
    /// FastAPI, SlowAPI and Redis, as people copy it.
    SlowApi,
    /// The same in its exact form.
    SlowApiMovingWindow,
    /// Flask-Limiter and Redis, as people copy it.
    Flask,
    /// The same in its exact form.
    FlaskMovingWindow,
    /// Express Gateway and Redis.
    ExpressGateway,
    /// LiteLLM's proxy and Redis.
    LiteLlm,
}

impl Peer {
    /// All of them.
    pub(crate) const ALL: [Self; 7] = [
        Self::Nginx,
        Self::SlowApi,
        Self::SlowApiMovingWindow,
        Self::Flask,
        Self::FlaskMovingWindow,
        Self::ExpressGateway,
        Self::LiteLlm,
    ];

    /// What it is called, on the command line and in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::SlowApi => "slowapi",
            Self::SlowApiMovingWindow => "slowapi-mw",
            Self::Flask => "flask",
            Self::FlaskMovingWindow => "flask-mw",
            Self::ExpressGateway => "express-gateway",
            Self::LiteLlm => "litellm",
        }
    }

    /// The one of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|peer| peer.name() == name)
    }

    /// Whether it counts in Redis.
    pub(crate) fn counts_in_redis(self) -> bool {
        self != Self::Nginx
    }
}
