//! What wakes somebody. The numbers are where to begin: a deployment changes them in its copy of the file.

/// A rule.
pub(super) struct Alert {
    /// Its name.
    pub(super) name: &'static str,
    /// What is true while something is wrong, in Prometheus' language.
    pub(super) query: String,
    /// For how long it is to be true before somebody is told.
    pub(super) lasts: &'static str,
    /// Who is told.
    pub(super) severity: Severity,
    /// What is wrong, in a line.
    pub(super) summary: &'static str,
    /// What that means, and where to look.
    pub(super) says: &'static str,
}

/// Who is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
    /// Somebody, now.
    Critical,
    /// Somebody, today.
    Warning,
}

/// All of them; what is worst comes first.
pub(super) fn alerts() -> Vec<Alert> {
    vec![
        no_origin(),
        origin_down(),
        origin_unread(),
        origin_full(),
        errors(),
        slow(),
        surge(),
        failed_logins(),
        unmeasured(),
    ]
}

fn no_origin() -> Alert {
    Alert {
        name: "SluiceNoOrigin",
        query: "max(sluice_origin_up{job=\"sluice-edge\"}) == 0".to_owned(),
        lasts: "1m",
        severity: Severity::Critical,
        summary: "No origin takes requests",
        says: "Most isolates of the edge can reach none. Whoever asks is refused.",
    }
}

fn origin_down() -> Alert {
    Alert {
        name: "SluiceOriginDown",
        query: "max by (origin) (sluice_origin_up{job=\"sluice-edge\"}) == 0".to_owned(),
        lasts: "5m",
        severity: Severity::Warning,
        summary: "An origin takes no requests: {{ $labels.origin }}",
        says: "Most isolates of the edge say so. GET /admin/v1/origins tells what they saw last.",
    }
}

fn origin_unread() -> Alert {
    Alert {
        name: "SluiceOriginNotRead",
        query: "up{job=\"sluice-origin\"} == 0".to_owned(),
        lasts: "5m",
        severity: Severity::Warning,
        summary: "Prometheus cannot read the origin at {{ $labels.instance }}",
        says: "It is down, or not reached from here, or was started without --open-metrics.",
    }
}

fn origin_full() -> Alert {
    Alert {
        name: "SluiceOriginFull",
        query: "max by (origin) (sluice_origin_in_use_ratio{job=\"sluice-edge\"}) >= 0.95".to_owned(),
        lasts: "10m",
        severity: Severity::Warning,
        summary: "An origin has been full for ten minutes: {{ $labels.origin }}",
        says: "Nearly all of its slots and places in its queue are taken, so what comes next is refused; or its GPU has hardly any \
               memory to spare.",
    }
}

fn errors() -> Alert {
    let of = |extra: &str| format!("sum(rate(sluice_requests_total{{job=\"sluice-edge\"{extra}}}[5m]))");
    Alert {
        name: "SluiceErrors",
        query: format!("{}\n  / {}\n  > 0.05", of(",outcome=~\"failed|cut\""), of("")),
        lasts: "10m",
        severity: Severity::Critical,
        summary: "{{ $value | humanizePercentage }} of requests fail or are cut",
        says: "Refusals for a reason of the caller's are not among them. The row `Refusals` has the codes.",
    }
}

fn slow() -> Alert {
    let buckets = "sluice_time_to_first_token_seconds_bucket{job=\"sluice-edge\"}[5m]";
    Alert {
        name: "SluiceFirstTokenSlow",
        query: format!("histogram_quantile(0.95,\n  sum by (le, model) (rate({buckets})))\n  > 10"),
        lasts: "10m",
        severity: Severity::Warning,
        summary: "Streams of {{ $labels.model }} begin late: one of twenty after {{ $value | humanizeDuration }}",
        says: "Since they were admitted. `sluice_origin_wait_seconds` says whether they wait for a slot.",
    }
}

/// A limit that refuses a little all day long is as it should be.
fn surge() -> Alert {
    let of = |function: &str, span: &str| {
        let measure = "sluice_limit_refusals_total{job=\"sluice-edge\"}";
        format!("sum by (plan, limit) ({function}({measure}[{span}]))")
    };
    let (many, now, before) = (of("increase", "10m"), of("rate", "10m"), of("rate", "1d"));
    Alert {
        name: "SluiceLimitSurge",
        query: format!("{many} > 100\n  and {now}\n  > 5 * {before}"),
        lasts: "5m",
        severity: Severity::Warning,
        summary: "The limit {{ $labels.limit }} of {{ $labels.plan }} refuses five times as often as in the last day",
        says: "Somebody asks for far more than before, or a plan was changed. GET /admin/v1/usage says who.",
    }
}

fn failed_logins() -> Alert {
    Alert {
        name: "SluiceFailedLogins",
        query: "sum(increase(sluice_failed_logins_total{job=\"sluice-edge\"}[10m])) > 10".to_owned(),
        lasts: "0m",
        severity: Severity::Warning,
        summary: "{{ $value | humanize }} logins of admins failed within ten minutes",
        says: "GET /admin/v1/failed-logins says from where.",
    }
}

fn unmeasured() -> Alert {
    Alert {
        name: "SluiceNotMeasured",
        query: "absent(sluice_isolates{job=\"sluice-edge\"})".to_owned(),
        lasts: "5m",
        severity: Severity::Critical,
        summary: "Nothing is read from the edge",
        says: "It is down, one of its Meters cannot be asked, or its token for /metrics is not good any more. No other rule can say \
               anything meanwhile.",
    }
}
