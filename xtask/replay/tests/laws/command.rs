//! The command, as it is called. `SLUICE_BLESS=1 cargo test -p sluice-replay` writes the golden files anew.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

fn at(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice-replay"));
    command.args(arguments).current_dir(at("")).output().unwrap()
}

fn golden(name: &str, found: &[u8]) {
    if std::env::var_os("SLUICE_BLESS").is_some() {
        fs::write(at(name), found).unwrap();
    }
    let expected = fs::read_to_string(at(name)).unwrap_or_default();
    assert_eq!(String::from_utf8_lossy(found), expected, "{name} differs from its golden file");
}

#[test]
fn a_table_and_json() {
    let both = ["--log", "log.txt", "--plans", "candidate.json", "--against", "current.json"];
    for (arguments, name) in [
        (&both[..4], "candidate.txt"),
        (&both[..], "against.txt"),
        (&[&both[..], &["--json"]].concat()[..], "against.out.json"),
    ] {
        let output = run(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        golden(name, &output.stdout);
    }
}

/// A table with a time zone that there is not.
const NOWHERE: &str = r#"{"plans": {"a": {"limits": [
    {"name": "day", "kind": "budget", "limit": 1, "period": "day", "zone": "Europe/Nowhere"}]}}}"#;

/// Nothing is half told: a mistake is all that there is.
#[test]
fn a_mistake_is_told_alone() {
    let directory = tempfile::tempdir().unwrap();
    let half = directory.path().join("half.txt");
    let text = fs::read_to_string(at("log.txt")).unwrap();
    fs::write(&half, &text[..text.len() - 40]).unwrap();
    let table = directory.path().join("table.json");
    fs::write(&table, NOWHERE).unwrap();
    let (half, table) = (half.to_str().unwrap(), table.to_str().unwrap());
    for (arguments, told) in [
        (&["--log", half, "--plans", "current.json"][..], "the line breaks off"),
        (&["--log", "log.txt", "--plans", table], "plans.a.limits[0].zone: must be a time zone that exists"),
        (&["--log", "log.txt", "--plans", "log.txt"], "not JSON"),
        (&["--log", "none.txt", "--plans", "current.json"], "cannot read none.txt"),
        (&["--log", "log.txt"], "--plans FILE"),
        (&["--plans", "current.json"], "--log FILE"),
        (&["--log", "log.txt", "--plan", "current.json"], "invalid option"),
    ] {
        let output = run(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && output.stdout.is_empty(), "{arguments:?}");
        assert!(error.starts_with("error: ") && error.contains(told), "{arguments:?}: {error}");
    }
}

/// What is piped in is read, and an example is a log.
#[test]
fn an_example_is_replayed_from_standard_input() {
    let made = run(&["--example", "200", "--plans", "current.json", "--seed", "7"]);
    assert!(made.status.success());
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("log.txt");
    fs::write(&file, &made.stdout).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice-replay"));
    command.args(["--log", "-", "--plans", "current.json"]).current_dir(at(""));
    let output = command.stdin(fs::File::open(&file).unwrap()).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("200 of 200 decisions are as the log has them"), "{told}");
}

/// The page's replays are run as it has them, and the first one's table is the one that it shows.
#[test]
fn the_page_shows_what_the_command_says() {
    let page = fs::read_to_string(at("../../../../docs/replay.md")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    for name in ["log.txt", "candidate.json", "current.json"] {
        fs::copy(at(name), directory.path().join(name)).unwrap();
    }
    let blocks = page.split("```sh\n").skip(1).filter_map(|block| block.split("```").next());
    let commands =
        blocks.flat_map(str::lines).filter_map(|line| line.split_once("cargo xtask replay ")).map(|(_, rest)| rest);
    let mut told = Vec::new();
    for command in commands {
        let (arguments, to) =
            command.split_once(" > ").map_or((command, None), |(arguments, to)| (arguments, Some(to)));
        let mut tool = Command::new(env!("CARGO_BIN_EXE_sluice-replay"));
        // A test has no time for a million.
        tool.args(arguments.replace("1000000", "3000").split(' ')).current_dir(directory.path());
        let output = tool.output().unwrap();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        if let Some(to) = to {
            fs::write(directory.path().join(to), &output.stdout).unwrap();
        }
        told.push(String::from_utf8(output.stdout).unwrap());
    }
    assert_eq!(told.len(), 5, "the page has other commands");
    assert!(page.contains(&format!("```text\n{}```", told[0])), "the page does not show\n{}", told[0]);
}

/// Whoever collects lines finds each of their members on the page.
#[test]
fn the_page_names_each_member_of_a_line() {
    let page = fs::read_to_string(at("../../../../docs/replay.md")).unwrap();
    let lines = fs::read_to_string(at("../../../../protocol/tests/golden/telemetry.txt")).unwrap();
    let requests =
        lines.lines().filter(|line| line.contains("\"outcome\":")).map(|line| &line[line.find('{').unwrap()..]);
    let mut members = 0;
    for line in requests {
        for (member, _) in serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(line).unwrap() {
            assert!(page.contains(&format!("`{member}`")), "{member}");
            members += 1;
        }
    }
    assert!(members > 100, "{members}");
}
