//! route: which origin serves a request. Today there is one, which is set.

use crate::config::Config;
use crate::forward::Origin;

/// The origin for the next request.
pub fn choose(config: &Config) -> &Origin {
    &config.origin
}

/// How many percent of the places of all origins are in use, as far as they said within the last second.
pub fn pressure(config: &Config) -> u8 {
    config.origin.pressure.percent()
}
