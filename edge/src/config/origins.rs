//! Where requests are sent on: `ORIGINS`, or `ORIGIN_URL`, its short form for one.

use super::{Reader, Vars};
use crate::forward::pressure::Pressure;
use crate::forward::{ONLY_BINDING, Origin};
use crate::platform::sign::Signer;
use crate::route::Origins;
use sluice_protocol::auth::alias::Aliases;
use sluice_protocol::route::list::{OriginList, Source};
use std::rc::Rc;

/// What the settings say.
pub(super) enum Where {
    /// One origin, without a name, at this URL.
    One(String),
    /// Several, by their names; or one that has a name.
    Several(OriginList),
}

/// How all of them are spoken to.
pub(super) struct How {
    /// How long one may be silent before it answers, in milliseconds.
    pub(super) timeout_ms: u32,
    /// How long one may be silent inside a stream, in milliseconds.
    pub(super) idle_ms: u32,
    /// What grants are signed with.
    pub(super) signer: Signer,
    /// Whether streams that begin late are hedged.
    pub(super) hedges: bool,
}

impl Where {
    /// Reads both settings, one of which must be set.
    pub(super) fn read(reader: &mut Reader<'_, impl Vars>) -> Option<Self> {
        match reader.listed("ORIGINS", OriginList::parse) {
            Some(None) => reader.required("ORIGIN_URL", parse_url).map(Self::One),
            several if reader.is_set("ORIGIN_URL") => {
                // Whatever is wrong with the list has been told.
                let beside = several.is_some();
                reader.required::<()>("ORIGIN_URL", |text| match parse_url(text) {
                    Ok(_) if beside => Err("must not be set beside ORIGINS".to_owned()),
                    Ok(_) => Ok(()),
                    Err(problem) => Err(problem),
                });
                None
            }
            several => several.flatten().map(Self::Several),
        }
    }

    /// A model that these aliases lead to and no origin has, as far as the settings say which they have.
    pub(super) fn missing_model<'a>(&self, aliases: &'a Aliases) -> Option<&'a str> {
        let Self::Several(list) = self else { return None };
        list.missing_model(aliases.models())
    }

    /// The origins.
    pub(super) fn route(self, how: How) -> Origins {
        let How { timeout_ms, idle_ms, signer, hedges } = how;
        let one = |url: String| Origin {
            name: None,
            url,
            binding: ONLY_BINDING.to_owned(),
            timeout_ms,
            idle_ms,
            signer: Rc::new(signer),
            is_hedged: false,
            pressure: Pressure::default(),
        };
        match self {
            Self::One(url) => Origins::one(one(url), hedges),
            Self::Several(list) => Origins::of_list(&list, &one(String::new()), Source::Settings, hedges),
        }
    }
}

fn parse_url(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    match rest {
        Some(rest) if !rest.is_empty() && !rest.contains(['?', '#', ' ']) => Ok(text.trim_end_matches('/').to_owned()),
        _ => Err("must be a URL that starts with https:// or http:// and has no query".into()),
    }
}
