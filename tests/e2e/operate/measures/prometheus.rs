//! Prometheus itself: it takes the rules, understands what both gates tell, and reads them as docs/measures.md says.

use super::gpu::stand_in::{StandIn, UUID};
use super::{NOT_HERE, SCRAPER, admins, metrics_as, of_origin};
use harness::caller::{Caller, hello, hello_stream};
use harness::process::{Announces, Program};
use harness::secrets::ADMIN_TOKEN;
use harness::tools::root;
use harness::wait::{SOON, until, until_true};
use harness::{RunningStack, Stack};
use serde_json::Value;
use sluice_protocol::refusal::Reason;
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The programs, wherever both are on PATH, or where `cargo xtask setup --clients` leaves them.
fn tool(name: &str) -> PathBuf {
    const PROGRAMS: [&str; 2] = ["prometheus", "promtool"];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&path).chain([root().join("target/sluice/prometheus/usr/bin")]);
    let found = folders.find(|folder| PROGRAMS.iter().all(|program| folder.join(program).is_file()));
    found.expect("Prometheus is not there: run `cargo xtask test`, or `cargo xtask setup --clients`").join(name)
}

fn promtool(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(tool("promtool"));
    command.args(arguments).current_dir(root());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = command.spawn().unwrap_or_else(|error| panic!("promtool does not start: {error}"));
    let mut stdin = running.stdin.take().expect("piped above");
    stdin.write_all(input.as_bytes()).expect("promtool reads all of it");
    drop(stdin);
    running.wait_with_output().expect("promtool ends")
}

/// All that it has printed.
fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

#[track_caller]
fn takes(arguments: &[&str], input: &str) {
    let output = promtool(arguments, input);
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn rules_are_rules_and_wake_somebody_when_they_should() {
    takes(&["check", "rules", "docs/prometheus-rules.yml"], "");
    takes(&["test", "rules", "tests/e2e/operate/rules.yml"], "");
    // Every rule is tried, in both directions.
    let rules = fs::read_to_string(root().join("docs/prometheus-rules.yml")).expect("the repository has them");
    let tried = fs::read_to_string(root().join("tests/e2e/operate/rules.yml")).expect("and how they are tried");
    for name in rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(tried.contains(&format!("alertname: {name}}}")), "no day on which {name} is silent");
        assert!(tried.contains(&format!("alertname: {name}\n")), "no day on which {name} is not");
    }
}

#[test]
fn what_both_gates_tell_is_understood() {
    // With names in which there is whatever a name may have.
    let golden =
        fs::read_to_string(root().join("protocol/tests/golden/metrics.txt")).expect("the protocol's tests have it");
    assert!(golden.contains(r#"="a \"b\\c\nd""#), "{golden}");
    takes(&["check", "metrics"], &golden);
    let driver = StandIn::new();
    let stack = Stack::new().limit("2 per 1h").on_gpu(driver.library()).start();
    until_true("the driver was asked", SOON, || of_origin(&stack).contains(UUID));
    served_and_refused(&stack);
    let requests = || Some(metrics_as(&stack, Some(ADMIN_TOKEN)).ok().text().to_owned());
    let (edge, _) = until("requests are told", PATIENCE, || requests().filter(|text| text.contains("sluice_answer_")));
    takes(&["check", "metrics"], &edge);
    // OpenMetrics names a counter without the ending that its samples have; promtool, which reads the older form,
    // misses what it is. It finds nothing else.
    let output = promtool(&["check", "metrics"], &of_origin(&stack));
    let said = said(&output);
    assert!(matches!(output.status.code(), Some(0 | 3)), "{said}");
    assert!(said.lines().all(|line| line.ends_with("_total no help text")), "{said}");
}

/// As on the page, with other addresses: Prometheus reads both, and every curve of the board is there.
#[test]
fn prometheus_reads_both_gates_as_the_page_says_and_the_board_is_full() {
    let driver = StandIn::new();
    let stack = Stack::new().limit("2 per 1h").setting("ADMIN_TOKENS", admins()).on_gpu(driver.library()).start();
    let directory = tempfile::tempdir().expect("the machine has a directory for temporary files");
    let (address, _prometheus) = start(&stack, directory.path());
    let api = Api(Caller::new(address));
    let is_ready = || api.0.send(|http, base| http.get(format!("{base}/-/ready"))).status == READY;
    until_true("it is ready", PATIENCE, is_ready);
    let is_read = || {
        let targets = api.ask("GET", "/api/v1/targets", "")["data"]["activeTargets"].clone();
        let all = targets.as_array().cloned().unwrap_or_default();
        (all.len() == 2 && all.iter().all(|target| target["health"] == "up")).then_some(all)
    };
    let (targets, _) = until("both are read", PATIENCE, is_read);
    let mut jobs: Vec<_> = targets.iter().map(|target| target["labels"]["job"].as_str()).collect();
    jobs.sort_unstable();
    assert_eq!(jobs, [Some("sluice-edge"), Some("sluice-origin")]);

    let board = fs::read(root().join("docs/grafana.json")).expect("the repository has the board");
    let board: Value = serde_json::from_slice(&board).expect("a board is JSON");
    let panels = board["panels"].as_array().expect("a list").iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().cloned().unwrap_or_default());
    let mut empty: Vec<_> = targets.map(|target| target["expr"].as_str().expect("a query").to_owned()).collect();
    empty.retain(|query| !NOT_HERE.iter().any(|name| query.contains(name)));
    assert!(empty.len() > 30, "{empty:?}");
    stack.edge.admin_as("not the token", "GET", "/keys", None).refused(Reason::InvalidAdminToken);
    let begun = Instant::now();
    while !empty.is_empty() {
        assert!(begun.elapsed() < PATIENCE, "these have no value: {empty:#?}");
        // Something goes on all the time, so that there are rates.
        served_and_refused(&stack);
        empty.retain(|query| !api.has(query));
    }
    until_true("each rule is understood", PATIENCE, || {
        let rules = api.ask("GET", "/api/v1/rules", "");
        let rules = rules["data"]["groups"][0]["rules"].as_array().expect("a list").clone();
        assert!(rules.len() >= 9 && rules.iter().all(|rule| rule["health"] != "err"), "{rules:?}");
        rules.iter().all(|rule| rule["health"] == "ok")
    });
}

/// One whole answer, one stream, one refusal by a limit, and one by the origin.
fn served_and_refused(stack: &RunningStack) {
    stack.script().allow_all();
    let key = stack.key();
    stack.edge.chat(Some(&key.key), &hello(8)).ok();
    stack.edge.chat(Some(&key.key), &hello_stream(8)).ok();
    stack.edge.chat(Some(&key.key), &hello(8)).refused(Reason::RateLimited);
    Caller::new(stack.origin_address()).send(|http, base| http.get(format!("{base}/nowhere")));
}

/// Starts it, with the settings of the page.
fn start(stack: &RunningStack, directory: &Path) -> (SocketAddr, Program) {
    let page = fs::read_to_string(root().join("docs/measures.md")).expect("the repository has the page");
    let settings = page.split_once("```yaml\n").and_then(|(_, rest)| rest.split_once("```"));
    let (settings, _) = settings.expect("the page has them");
    let mut settings = settings.to_owned();
    for (on_page, here) in [
        ("scrape_interval: 15s", "scrape_interval: 1s\n  evaluation_interval: 1s"),
        ("scheme: https", "scheme: http"),
        ("edge.example", &stack.edge_address().to_string()),
        ("127.0.0.1:8081", &stack.origin_address().to_string()),
    ] {
        assert!(settings.contains(on_page), "{on_page} is not on the page: {settings}");
        settings = settings.replace(on_page, here);
    }
    let put = |name: &str, text: &str| fs::write(directory.join(name), text).expect("the directory is writable");
    put("prometheus.yml", &settings);
    put("sluice-token", SCRAPER);
    put("prometheus-rules.yml", &fs::read_to_string(root().join("docs/prometheus-rules.yml")).expect("the rules"));
    let config = directory.join("prometheus.yml").display().to_string();
    takes(&["check", "config", &config], "");
    // It says where it listens on standard error, which is made its output.
    let program = tool("prometheus").display().to_string();
    let arguments = ["-c", "exec \"$0\" \"$@\" 2>&1", &program, "--config.file=prometheus.yml"].map(str::to_owned);
    let more = ["--storage.tsdb.path=data", "--web.listen-address=127.0.0.1:0", "--log.format=json"].map(str::to_owned);
    let arguments: Vec<_> = arguments.into_iter().chain(more).collect();
    let log = directory.join("log");
    let program = Program::start(Path::new("/bin/sh"), &arguments, Announces::OnOutput, directory, &log);
    let address = program.announced(&log, |line| {
        let line: Value = serde_json::from_str(line).ok()?;
        (line["msg"] == "Listening on").then(|| line["address"].as_str()?.parse().ok())?
    });
    (address, program)
}

/// Prometheus' own API.
struct Api(Caller);

impl Api {
    fn ask(&self, method: &str, path: &str, body: &str) -> Value {
        let method = method.parse().expect("a method's name");
        let answer = self.0.send(|http, base| {
            let request = http.request(method, format!("{base}{path}"));
            request.header("content-type", "application/x-www-form-urlencoded").body(body.to_owned())
        });
        answer.ok().json()
    }

    /// Whether a query of the board's has a value now.
    fn has(&self, query: &str) -> bool {
        let query = query.replace("$model", ".*").replace("$plan", ".*").replace("$__rate_interval", "1m");
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let answer = self.ask("POST", "/api/v1/query", &format!("query={encoded}"));
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        answer["data"]["result"].as_array().is_some_and(|found| !found.is_empty())
    }
}

/// How long anything may take: something is counted, handed on within 2.5 seconds, and read twice.
/// What it answers once it is.
const READY: u16 = 200;
const PATIENCE: Duration = Duration::from_secs(60);
