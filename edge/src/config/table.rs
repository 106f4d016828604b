//! Everything that can be set at the edge. docs/settings.md lists the same, and a check compares the two.

/// One setting, as docs/settings.md lists it.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The name of the variable or secret.
    pub name: &'static str,
    /// The value where none is set; empty if it must be set.
    pub default: &'static str,
    /// What it does.
    pub meaning: &'static str,
}

/// Everything that can be set at the edge.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "ORIGIN_URL",
        default: "",
        meaning: "where the origin gate listens, such as https://origin.example; not where `ORIGINS` is set",
    },
    Setting {
        name: "ORIGINS",
        default: "",
        meaning: "several origins, in place of `ORIGIN_URL`, as JSON: a list of objects with `name`, `url` and, if need be, `models`, `aliases`, `weight`, `region` and `private`: see docs/origins.md",
    },
    Setting {
        name: "ORIGINS_HEDGE",
        default: "off",
        meaning: "`p95`: a stream that has not begun by the time in which 95 of 100 do is sent to a second origin, too; or `off`: see docs/origins.md",
    },
    Setting {
        name: "KEY_PEPPERS",
        default: "",
        meaning: "secret; `<epoch>:<64 hex digits>`, newest first, at most two",
    },
    Setting {
        name: "GRANT_KEYS",
        default: "",
        meaning: "secret; `<kid>:<base64url Ed25519 seed>`, newest first, at most two",
    },
    Setting {
        name: "ADMIN_TOKENS",
        default: "",
        meaning: "secret; `<name>:<SHA-256 of the token in hex>` and, if it may not do everything, `:<scope>+<scope>`; comma separated",
    },
    Setting {
        name: "ADMIN_ACCESS",
        default: "",
        meaning: "admins by Cloudflare Access, as JSON: `team` (its URL), `audience`, `admins` (scopes by e-mail) and `services` (by client id): see docs/administration.md",
    },
    Setting {
        name: "PLANS",
        default: "built-in",
        meaning: "the plan table as JSON, until one is put at `/admin/v1/plans`",
    },
    Setting { name: "JWT_ISSUERS", default: "[]", meaning: "who may issue tokens, as JSON: see docs/tokens.md" },
    Setting {
        name: "TOKEN_KEYS",
        default: "",
        meaning: "secret; what short tokens are signed with, like `GRANT_KEYS` and never the same; without it there are none",
    },
    Setting {
        name: "LEAK_REPORTS",
        default: "",
        meaning: "who may report leaked keys: `github`, or a URL with keys like GitHub's; without it nobody",
    },
    Setting {
        name: "CORS_ORIGINS",
        default: "",
        meaning: "whose pages may call from a browser: origins such as https://app.example, comma separated, or `*` for all; without it none: see docs/tokens.md",
    },
    Setting {
        name: "MODEL_ALIASES",
        default: "{}",
        meaning: "other names for models, as JSON: each whole or a beginning and `*`, and the model that answers, such as `{\"claude-*\": \"qwen3\"}`: see docs/requests.md",
    },
    Setting { name: "MAX_BODY_BYTES", default: "1048576", meaning: "the largest body that is read, in bytes" },
    Setting {
        name: "BODY_TIMEOUT_MS",
        default: "20000",
        meaning: "how long a body may take to arrive, in milliseconds",
    },
    Setting {
        name: "ORIGIN_TIMEOUT_MS",
        default: "600000",
        meaning: "how long the origin may be silent before it answers, in milliseconds",
    },
    Setting {
        name: "ORIGIN_IDLE_MS",
        default: "30000",
        meaning: "how long the origin may be silent inside a stream, in milliseconds; it says something every 2 seconds",
    },
    Setting {
        name: "RESPONSES_KEPT_MS",
        default: "86400000",
        meaning: "how long a response is kept that was asked for with `store: true`, in milliseconds, from the last one of its conversation; 0 keeps none, and refuses `store`: see docs/requests.md",
    },
    Setting {
        name: "JOBS_KEPT_MS",
        default: "604800000",
        meaning: "how long files and batches are kept, in milliseconds, from when they were made or were over; 0 serves none, and no responses in the background: see docs/jobs.md",
    },
    Setting {
        name: "JOBS_BYTES",
        default: "67108864",
        meaning: "how many bytes of files, of lines of batches, and of responses in the background that wait, an account may have",
    },
    Setting { name: "JOBS_FILE_BYTES", default: "16777216", meaning: "the largest file that is taken, in bytes" },
    Setting {
        name: "JOBS_PARALLEL",
        default: "4",
        meaning: "how many lines of an account's batches run at once, and how many of its responses in the background",
    },
    Setting {
        name: "REQUEST_LOG",
        default: "off",
        meaning: "of which requests the log has a line: `off`, `known` (for an answer, of known callers) or `all`: see docs/administration.md",
    },
    Setting {
        name: "REPLAY_HOURS",
        default: "24",
        meaning: "for how many hours what plans have decided is kept, so that other plans can be tried on it, whatever `REQUEST_LOG` says; 0 keeps nothing: see docs/replay.md",
    },
    Setting {
        name: "ALERT_WEBHOOKS",
        default: "{}",
        meaning: "secret; who is told of alerts, as JSON: by name, `url`, `form`, `secret` and, if need be, `private`: see docs/alerts.md",
    },
    Setting {
        name: "OTLP_ENDPOINT",
        default: "",
        meaning: "where spans of requests are exported to, by OTLP as JSON: a URL, to which `/v1/traces` is added; without it none are: see docs/measures.md",
    },
    Setting {
        name: "OTLP_HEADERS",
        default: "",
        meaning: "secret; what is sent there beside them: `<name>=<value>`, comma separated, values percent-encoded",
    },
    Setting {
        name: "OTLP_SAMPLE",
        default: "1",
        meaning: "which share of traces is exported, from `0` to `1`, such as `0.1`",
    },
];

/// The setting of this name.
pub fn known(name: &str) -> &'static Setting {
    SETTINGS.iter().find(|setting| setting.name == name).expect("every setting that is read is in the table")
}
