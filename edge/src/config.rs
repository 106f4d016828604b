//! Settings: read once for an isolate, checked whole, all mistakes reported together.

mod jobs;
mod origins;
mod reader;
mod table;
mod traces;

use crate::auth;
use crate::auth::admins::{AccessAdmins, AdminToken, parse_admin_tokens};
use crate::auth::issuers::Issuers;
use crate::auth::reporters::Reporters;
use crate::auth::short_tokens::ShortTokens;
use crate::hop::meter::How as Measured;
use crate::limit::calendar;
use crate::platform::sign::{Signer, parse_seeds};
use crate::platform::{Env, isolate_local};
use crate::request::BodyLimits;
use crate::route::Origins as Route;
use crate::telemetry::Lines;
pub use jobs::JobSettings;
use origins::{How, Where};
pub use reader::{Mistake, Vars};
use reader::{Reader, parse_number};
use sluice_protocol::account::DEFAULT_MAX_TOKENS;
use sluice_protocol::alerts::webhook::{Webhook, parse_webhooks};
use sluice_protocol::auth::alias::Aliases;
use sluice_protocol::auth::key::Peppers;
use sluice_protocol::limit::plan::PlanTable;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::request::bodies::chat::ChatBounds;
use sluice_protocol::request::cors::Origins;
use sluice_protocol::telemetry::RequestLog;
use sluice_protocol::telemetry::trace::setting::Export;
use sluice_protocol::time::Millis;
use std::cell::RefCell;
use std::rc::Rc;

/// The checked settings.
pub struct Config {
    /// What auth is set to.
    pub auth: auth::Settings,
    /// Where requests are sent on.
    pub route: Rc<Route>,
    /// Who may administer.
    pub admin_tokens: Vec<AdminToken>,
    /// Who else may, if Cloudflare Access vouches for them.
    pub admin_access: Option<AccessAdmins>,
    /// What accounts may do, until an admin puts another table in force.
    pub plans: Rc<PlanTable>,
    /// Who may report leaked keys, if anybody.
    pub reporters: Option<Reporters>,
    /// Whose pages may call.
    pub origins: Rc<Origins>,
    /// Other names for models.
    pub aliases: Aliases,
    /// What a body may be.
    pub bodies: BodyLimits,
    /// What a chat request may ask for.
    pub chat: ChatBounds,
    /// How long a response is kept that is to be, in milliseconds; 0 if none is.
    pub responses_kept_ms: Millis,
    /// What jobs are set to.
    pub jobs: JobSettings,
    /// What becomes of requests' lines.
    pub lines: Lines,
    /// Who is told of alerts.
    pub webhooks: Vec<Webhook>,
    /// Where spans of requests are exported to, if anywhere.
    pub traces: Option<Rc<Export>>,
}

impl Config {
    /// Reads and checks everything.
    pub fn read(vars: &impl Vars) -> Result<Self, Vec<Mistake>> {
        let mut reader = Reader::new(vars);
        let places = Where::read(&mut reader);
        let peppers = reader.required("KEY_PEPPERS", |text| Peppers::parse(text).map_err(Into::into));
        let signer = reader.required("GRANT_KEYS", parse_grant_keys);
        let admin_tokens = reader.required("ADMIN_TOKENS", parse_admin_tokens);
        let admin_access = reader.or_default("ADMIN_ACCESS", AccessAdmins::parse);
        let plans = reader.or_default("PLANS", parse_plans);
        let issuers = reader.or_default("JWT_ISSUERS", Issuers::parse);
        let short_tokens = reader.or_default("TOKEN_KEYS", ShortTokens::parse);
        let reporters = reader.or_default("LEAK_REPORTS", Reporters::parse);
        let origins = reader.or_default("CORS_ORIGINS", Origins::parse);
        let aliases = reader.or_default("MODEL_ALIASES", Aliases::parse);
        let hedge = reader.or_default("ORIGINS_HEDGE", parse_hedge);
        let max_body = reader.or_default("MAX_BODY_BYTES", |text| parse_number(text, 1, 100 << 20));
        let body_timeout = reader.or_default("BODY_TIMEOUT_MS", |text| parse_number(text, 1, 600_000));
        let timeout = reader.or_default("ORIGIN_TIMEOUT_MS", |text| parse_number(text, 1, 7_200_000));
        let idle = reader.or_default("ORIGIN_IDLE_MS", |text| parse_number(text, 1, 7_200_000));
        let kept = reader.or_default("RESPONSES_KEPT_MS", |text| parse_number(text, 0, MAX_KEPT_MS));
        let jobs = JobSettings::read(&mut reader);
        let request_log = reader.or_default("REQUEST_LOG", RequestLog::parse);
        let replay_hours = reader.or_default("REPLAY_HOURS", |text| parse_number(text, 0, MAX_REPLAY_HOURS));
        let webhooks = reader.or_default("ALERT_WEBHOOKS", parse_webhooks);
        let traces = traces::read(&mut reader);
        // Whatever is missing here has left a mistake there.
        let (
            Some(places),
            Some(peppers),
            Some(signer),
            Some(admin_tokens),
            Some(admin_access),
            Some(plans),
            Some(issuers),
            Some(short_tokens),
            Some(reporters),
            Some(origins),
            Some(aliases),
            Some(hedge),
            Some(max_body),
            Some(body_timeout),
            Some(timeout),
            Some(idle),
            Some(responses_kept_ms),
            Some(jobs),
            Some(request_log),
            Some(replay_hours),
            Some(webhooks),
            Some(traces),
        ) = (
            places,
            peppers,
            signer,
            admin_tokens,
            admin_access,
            plans,
            issuers,
            short_tokens,
            reporters,
            origins,
            aliases,
            hedge,
            max_body,
            body_timeout,
            timeout,
            idle,
            kept,
            jobs,
            request_log,
            replay_hours,
            webhooks,
            traces,
        )
        else {
            return Err(reader.mistakes);
        };
        let [body_timeout_ms, origin_timeout_ms, origin_idle_ms] =
            [body_timeout, timeout, idle].map(|ms| u32::try_from(ms).unwrap_or(u32::MAX));
        if let Some(plan) = issuers.missing_plan(|plan| plans.get(plan).is_some()) {
            let problem = format!("names the plan `{plan}`, which the plan table does not have");
            return Err(vec![Mistake { setting: "JWT_ISSUERS", problem }]);
        }
        if let Some(model) = places.missing_model(&aliases) {
            let problem = format!("names the model `{model}`, which no origin of ORIGINS has");
            return Err(vec![Mistake { setting: "MODEL_ALIASES", problem }]);
        }
        let how = How { timeout_ms: origin_timeout_ms, idle_ms: origin_idle_ms, signer, hedges: hedge };
        let plans = Rc::new(plans);
        let chat = CHAT_BOUNDS;
        Ok(Self {
            auth: auth::Settings { peppers, issuers, short_tokens },
            route: Rc::new(places.route(how)),
            admin_tokens,
            admin_access,
            plans,
            reporters,
            origins: Rc::new(origins),
            aliases,
            bodies: BodyLimits { max: max_body, timeout_ms: body_timeout_ms },
            chat,
            responses_kept_ms,
            jobs,
            lines: Lines { log: request_log, kept_ms: replay_hours * HOUR_MS },
            webhooks,
            traces,
        })
    }

    /// How what is counted is handed on.
    pub fn measured(&self) -> Measured {
        Measured { is_watched: !self.webhooks.is_empty(), kept_ms: self.lines.kept_ms }
    }
}

/// The edge only refuses what no origin could want; the origin knows its model and decides the rest.
const CHAT_BOUNDS: ChatBounds = ChatBounds { default_max_tokens: DEFAULT_MAX_TOKENS, max_max_tokens: 1_000_000 };

/// The longest time that a response is kept, in milliseconds: OpenAI's thirty days.
const MAX_KEPT_MS: u64 = 30 * 24 * 60 * 60 * 1000;

/// The longest time that requests are kept for a replay: a day.
const MAX_REPLAY_HOURS: u64 = 24;
const HOUR_MS: Millis = 60 * 60 * 1000;

/// The settings, read once for an isolate: its environment does not change while it lives.
pub fn config_of(env: &Env) -> Result<Rc<Config>, Refusal> {
    isolate_local! {
        static CONFIG: RefCell<Option<Rc<Config>>> = const { RefCell::new(None) };
    }
    CONFIG.with_borrow_mut(|cached| {
        if let Some(config) = cached {
            return Ok(config.clone());
        }
        let config = Config::read(env).map_err(|mistakes| {
            let all: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
            Refusal::new(Reason::Misconfigured, "This deployment is not set up yet; its log says what is missing.")
                .with_detail(format!("settings: {}", all.join("; ")))
        })?;
        Ok(cached.insert(Rc::new(config)).clone())
    })
}

/// Signs with the first; a second one is only there so that the two gates can be changed one after the other.
fn parse_grant_keys(text: &str) -> Result<Signer, String> {
    let seeds = parse_seeds(text)?;
    let (kid, seed) = seeds.first().ok_or("holds no key")?;
    Ok(Signer::new(kid, seed))
}

fn parse_plans(text: &str) -> Result<PlanTable, String> {
    if text == "built-in" {
        return Ok(PlanTable::built_in());
    }
    PlanTable::parse_with(text, calendar::knows).map_err(|mistakes| {
        let all: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
        format!("is not a plan table: {}", all.join("; "))
    })
}

/// Whether streams that begin late are hedged.
fn parse_hedge(text: &str) -> Result<bool, String> {
    match text {
        "p95" => Ok(true),
        "off" => Ok(false),
        _ => Err("must be `p95` or `off`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::table::SETTINGS;
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use std::collections::HashMap;

    impl Vars for HashMap<&str, String> {
        fn get(&self, name: &str) -> Option<String> {
            self.get(name).cloned()
        }
    }

    fn good() -> HashMap<&'static str, String> {
        HashMap::from([
            ("ORIGIN_URL", "http://127.0.0.1:1/".to_owned()),
            ("KEY_PEPPERS", format!("1:{}", "ab".repeat(32))),
            ("GRANT_KEYS", format!("k1:{}", URL_SAFE_NO_PAD.encode([7; 32]))),
            ("ADMIN_TOKENS", format!("ops:{}", "cd".repeat(32))),
        ])
    }

    #[test]
    fn the_defaults_are_those_of_the_table() {
        let config = Config::read(&good()).map_err(|mistakes| format!("{mistakes:?}")).unwrap();
        let default = |name: &str| SETTINGS.iter().find(|setting| setting.name == name).unwrap().default;
        assert_eq!(config.bodies.max.to_string(), default("MAX_BODY_BYTES"));
        assert_eq!(config.bodies.timeout_ms.to_string(), default("BODY_TIMEOUT_MS"));
        let origin = &config.route.all()[0];
        assert_eq!(origin.timeout_ms.to_string(), default("ORIGIN_TIMEOUT_MS"));
        assert_eq!(origin.idle_ms.to_string(), default("ORIGIN_IDLE_MS"));
        assert_eq!((origin.url.as_str(), origin.name.as_deref()), ("http://127.0.0.1:1", None));
        assert_eq!((origin.binding.as_str(), config.route.are_several()), ("ORIGIN", false));
    }

    #[test]
    fn all_mistakes_are_reported_together_and_none_shows_a_value() {
        let secret = "hunter2";
        let vars: HashMap<_, _> = SETTINGS.iter().map(|setting| (setting.name, secret.to_owned())).collect();
        let mistakes = Config::read(&vars).err().unwrap();
        assert_eq!(mistakes.len(), SETTINGS.len(), "{mistakes:?}");
        assert!(mistakes.iter().all(|mistake| !mistake.problem.contains(secret)), "{mistakes:?}");
        assert_eq!(Config::read(&HashMap::new()).err().unwrap().len(), 4);
    }

    #[test]
    fn several_origins_take_the_place_of_the_one() {
        let list = r#"[{"name": "a", "url": "https://a", "models": ["m"]}, {"name": "b-2", "url": "https://b", "models": ["m"]}]"#;
        let with = |more: &[(&'static str, &str)]| {
            let mut vars = good();
            vars.remove("ORIGIN_URL");
            vars.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
            Config::read(&vars).map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        let route = with(&[("ORIGINS", list)]).unwrap().route;
        let told: Vec<_> = route.all().iter().map(|origin| (origin.name.as_deref(), origin.binding.as_str())).collect();
        assert_eq!(told, [(Some("a"), "ORIGIN_A"), (Some("b-2"), "ORIGIN_B_2")]);
        let both = with(&[("ORIGINS", list), ("ORIGIN_URL", "https://c")]).err().unwrap();
        assert_eq!(both, ["ORIGIN_URL must not be set beside ORIGINS"]);
        let nobody = with(&[("ORIGINS", list), ("MODEL_ALIASES", r#"{"gpt-*": "other"}"#)]).err().unwrap();
        assert_eq!(nobody, ["MODEL_ALIASES names the model `other`, which no origin of ORIGINS has"]);
        // All mistakes of it, and those of other settings.
        let wrong = r#"[{"name": "a", "url": "http://plain.example"}, {"name": "a", "url": "https://b", "wieght": 2}]"#;
        let mistakes = with(&[("ORIGINS", wrong), ("MAX_BODY_BYTES", "x")]).err().unwrap();
        assert_eq!(mistakes.len(), 4, "{mistakes:?}");
        assert!(mistakes[..3].iter().all(|mistake| mistake.starts_with("ORIGINS origin ")), "{mistakes:?}");
    }
}
