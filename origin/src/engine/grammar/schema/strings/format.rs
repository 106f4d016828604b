//! `format`: those that say exactly which strings have them, as regular expressions. All others describe and bind
//! nothing (JSON Schema, validation, 7.2).

/// What a string of this format is; nothing of it has to be escaped in JSON. `None`: the format binds nothing.
pub(crate) fn lookup(name: &str) -> Option<&'static str> {
    Some(match name {
        "date" => DATE,
        "time" => TIME,
        "date-time" => DATE_TIME,
        "duration" => DURATION,
        "email" | "idn-email" => EMAIL,
        "hostname" | "idn-hostname" => HOSTNAME,
        "ipv4" => IPV4,
        "ipv6" => IPV6,
        "uuid" => UUID,
        "uri" | "iri" => URI,
        _ => return None,
    })
}

macro_rules! date {
    () => {
        concat!(
            "(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])",
            "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))",
            // Every fourth year, but of the full hundreds only every fourth.
            "|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)"
        )
    };
}
macro_rules! time {
    () => {
        concat!(
            "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:[.][0-9]{1,9})?",
            "(?:[zZ]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
        )
    };
}
/// A label of a host's name: without two dashes side by side, which are for names in other scripts.
macro_rules! label {
    () => {
        "[a-zA-Z0-9]{1,15}(?:-[a-zA-Z0-9]{1,15}){0,2}"
    };
}
macro_rules! host {
    () => {
        concat!(label!(), "(?:[.]", label!(), "){0,4}")
    };
}
macro_rules! byte {
    () => {
        "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
    };
}
macro_rules! ipv4 {
    () => {
        concat!(byte!(), "(?:[.]", byte!(), "){3}")
    };
}
macro_rules! path_char {
    () => {
        "(?:[a-zA-Z0-9._~!$&'()*+,;=:@-]|%[0-9a-fA-F]{2})"
    };
}

const DATE: &str = date!();
const TIME: &str = time!();
const DATE_TIME: &str = concat!(date!(), "[tT]", time!());
const DURATION: &str = concat!(
    "P(?:[0-9]{1,9}W|(?:[0-9]{1,9}Y(?:[0-9]{1,9}M(?:[0-9]{1,9}D)?)?|[0-9]{1,9}M(?:[0-9]{1,9}D)?|[0-9]{1,9}D)",
    "(?:T(?:[0-9]{1,9}H(?:[0-9]{1,9}M(?:[0-9]{1,9}S)?)?|[0-9]{1,9}M(?:[0-9]{1,9}S)?|[0-9]{1,9}S))?",
    "|T(?:[0-9]{1,9}H(?:[0-9]{1,9}M(?:[0-9]{1,9}S)?)?|[0-9]{1,9}M(?:[0-9]{1,9}S)?|[0-9]{1,9}S))"
);
const EMAIL: &str = concat!("[a-zA-Z0-9_+-]{1,20}(?:[.][a-zA-Z0-9_+-]{1,20}){0,2}@", host!());
const HOSTNAME: &str = host!();
const IPV4: &str = ipv4!();
const IPV6: &str = concat!(
    "(?:(?:[0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}",
    "|(?:[0-9a-fA-F]{1,4}:){6}:[0-9a-fA-F]{1,4}",
    "|(?:[0-9a-fA-F]{1,4}:){5}(?::[0-9a-fA-F]{1,4}){1,2}",
    "|(?:[0-9a-fA-F]{1,4}:){4}(?::[0-9a-fA-F]{1,4}){1,3}",
    "|(?:[0-9a-fA-F]{1,4}:){3}(?::[0-9a-fA-F]{1,4}){1,4}",
    "|(?:[0-9a-fA-F]{1,4}:){2}(?::[0-9a-fA-F]{1,4}){1,5}",
    "|[0-9a-fA-F]{1,4}:(?::[0-9a-fA-F]{1,4}){1,6}",
    "|:(?::[0-9a-fA-F]{1,4}){1,7}",
    "|(?:[0-9a-fA-F]{1,4}:){1,7}:|::)"
);
const UUID: &str = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}";
const URI: &str = concat!(
    "[a-zA-Z][a-zA-Z0-9+.-]{0,31}:",
    "(?://(?:(?:[a-zA-Z0-9._~!$&'()*+,;=:-]|%[0-9a-fA-F]{2}){1,64}@)?",
    "(?:",
    host!(),
    "|",
    ipv4!(),
    ")(?::[0-9]{1,4})?(?:/",
    path_char!(),
    "*)*|/?(?:",
    path_char!(),
    "+(?:/",
    path_char!(),
    "*)*)?)(?:[?](?:",
    path_char!(),
    "|[/?])*)?(?:[#](?:",
    path_char!(),
    "|[/?])*)?"
);
