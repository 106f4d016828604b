//! A GPU, as a library that stands in for the driver's tells of it: what is told on, and what becomes of everything that a
//! driver can do wrong.

#[path = "../../nvml/stand_in.rs"]
mod stand_in;

use super::program::{program, signal};
use crate::harness::{BOUND, Edge, Harness, chat, client, parts, text_of, until, until_then};
use serde_json::{Value, json};
use sluice_origin::config::{Config, CudaNumbering, GpuChoice, GpuName, GpuSettings};
use sluice_origin::models::scripted::{OnGpu, Script};
use sluice_origin::server::Origin;
use stand_in::{StandIn, TOTAL, UUID};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, BufReader};

/// How often the driver is asked here. What is older than 100 ms counts as unknown.
const EVERY: Duration = Duration::from_millis(20);
/// Of the scripted model: 4,096 tokens for each of its requests, and so many bytes for each, are 20 GiB.
const TOKEN_BYTES: usize = (20 << 30) / 4096;
const GIB: u64 = 1 << 30;

/// Who computes.
#[derive(Clone, Copy)]
enum Engine {
    Cpu,
    Gpu,
}

fn settings(library: PathBuf) -> GpuSettings {
    GpuSettings { library: Some(library), every: EVERY, ..GpuSettings::default() }
}

fn named(index: u32) -> GpuChoice {
    GpuChoice::Named(GpuName::Index(index))
}

async fn serve(gpu: GpuSettings, engine: Engine) -> Harness {
    let script = Script::new(1);
    let script = match engine {
        Engine::Cpu => script,
        Engine::Gpu => script.on_gpu(OnGpu { ordinal: 0, token_bytes: TOKEN_BYTES }),
    };
    script.allow_all();
    let config = Config { slots: 1, queue: 0, kv_tokens: Some(4096), gpu, ..Config::local() };
    Harness::with_script(config, script).await
}

/// The samples of `/metrics` about the GPU: `NAME{LABELS} VALUE` with its name's beginning left away.
async fn gauges(harness: &Harness) -> Vec<String> {
    let text = harness.get("/metrics").send().await.unwrap().text().await.unwrap();
    text.lines().filter_map(|line| line.strip_prefix("sluice_origin_gpu_")).map(str::to_owned).collect()
}

/// The value of one of them.
async fn gauge(harness: &Harness, name: &str) -> Option<f64> {
    let all = gauges(harness).await;
    all.iter().find_map(|line| line.strip_prefix(name)?.split_once("} ")?.1.parse().ok())
}

async fn gpu(harness: &Harness) -> Value {
    harness.capacity().await["gpu"].clone()
}

/// How its memory presses, as each answer says.
async fn mem(harness: &Harness) -> Option<u8> {
    let answer = harness.get("/health").send().await.unwrap();
    let said = answer.headers()["x-sluice-capacity"].to_str().unwrap().to_owned();
    said.split(", mem=").nth(1).map(|percent| percent.parse().unwrap())
}

async fn until_watched(harness: &Harness) {
    until_then("something was read", async || gpu(harness).await.is_object()).await;
}

async fn answers(harness: &Harness) {
    let (status, answer) = parts(harness.post(&chat("hi")).send().await.unwrap()).await;
    assert_eq!((status, text_of(&answer)), (200, "ok"));
}

/// Nothing is told, and nobody misses anything.
async fn assert_unwatched(harness: &Harness) {
    assert_eq!(gpu(harness).await, Value::Null);
    assert_eq!((gauges(harness).await, mem(harness).await), (vec![], None));
    answers(harness).await;
}

#[tokio::test]
async fn what_a_gpu_does_is_told() {
    let driver = StandIn::new();
    let harness = serve(settings(driver.library()), Engine::Gpu).await;
    until_watched(&harness).await;
    let mut told = gpu(&harness).await;
    let age = told.as_object_mut().unwrap().remove("age-ms").unwrap();
    assert!(age.as_u64().unwrap() < 10_000, "{age}");
    let expected = json!({
        "index": 0, "uuid": UUID, "utilization": 0.37, "memory-used-bytes": 40 * GIB, "memory-total-bytes": TOTAL,
        "temperature-celsius": 61, "power-watts": 412.5,
    });
    assert_eq!(told, expected);
    let labels = format!("{{gpu=\"0\",uuid=\"{UUID}\"}}");
    until_then("all is told", async || gauges(&harness).await.len() == 7 && mem(&harness).await == Some(0)).await;
    let all = gauges(&harness).await;
    for (name, value) in [
        ("utilization_ratio", "0.37"),
        ("memory_used_bytes", "42949672960.0"),
        ("memory_total_bytes", "85899345920.0"),
        ("memory_pressure_ratio", "0.0"),
        ("temperature_celsius", "61.0"),
        ("power_watts", "412.5"),
    ] {
        assert!(all.contains(&format!("{name}{labels} {value}")), "{name}: {all:?}");
    }
    assert!(all.iter().any(|line| line.starts_with(&format!("reading_age_seconds{labels} "))), "{all:?}");
    // It is read again and again.
    driver.say("temperature", 62);
    until_then("the next reading is told", async || gauge(&harness, "temperature_celsius").await == Some(62.0)).await;
    assert_eq!((driver.calls("loaded"), driver.calls("nvmlInit_v2")), (1, 1));
    // Nobody asks on when nobody wants to know.
    drop(harness);
    until("the driver is let go", || driver.calls("unloaded") == 1).await;
}

#[tokio::test]
async fn memory_that_others_take_presses_and_our_own_pool_does_not() {
    let driver = StandIn::new();
    driver.say("others", 4 * GIB);
    driver.memory(40 * GIB, Some(36 * GIB));
    let harness = serve(GpuSettings { presses_from: 0, ..settings(driver.library()) }, Engine::Gpu).await;
    until_then("its memory is known", async || mem(&harness).await == Some(0)).await;
    // 20 of the 40 GiB are for the pool. It fills:
    let becomes = async |free: u64, own: Option<u64>, expected: u8| {
        driver.memory(free * GIB, own.map(|own| own * GIB));
        let what = format!("mem={expected} with {free} GiB free of which {own:?} are ours");
        until_then(&what, async || mem(&harness).await == Some(expected)).await;
        let used = f64::from(u32::try_from(80 - free).unwrap()) * GIB as f64;
        until_then("the same is measured", async || {
            let pressure = gauge(&harness, "memory_pressure_ratio").await;
            let is_used = gauge(&harness, "memory_used_bytes").await == Some(used);
            is_used && pressure == Some(f64::from(expected) / 100.0)
        })
        .await;
    };
    becomes(20, Some(56), 0).await;
    // Others take half of what is spare, whether or not the pool is full.
    becomes(10, Some(56), 50).await;
    becomes(30, Some(36), 50).await;
    becomes(0, Some(56), 100).await;
    becomes(40, Some(36), 0).await;
    // Where the driver does not know us any more, all of the pool may be ours.
    becomes(30, None, 0).await;
    becomes(10, None, 50).await;
    // It refuses nobody: that is for who sends requests.
    answers(&harness).await;
}

#[tokio::test]
async fn it_presses_from_where_the_setting_says_and_where_something_computes() {
    for (engine, presses_from, expected) in
        [(Engine::Gpu, 50, Some(50)), (Engine::Gpu, 75, Some(0)), (Engine::Gpu, 100, None), (Engine::Cpu, 50, None)]
    {
        let driver = StandIn::new();
        driver.memory(40 * GIB, Some(36 * GIB));
        let choice = named(0);
        let harness = serve(GpuSettings { choice, presses_from, ..settings(driver.library()) }, engine).await;
        until_watched(&harness).await;
        // Three quarters of the spare memory are gone.
        driver.memory(25 * GIB, Some(36 * GIB));
        let used = Some((55 * GIB) as f64);
        until_then("that is seen", async || gauge(&harness, "memory_used_bytes").await == used).await;
        until_then(&format!("mem={expected:?} from {presses_from}"), async || mem(&harness).await == expected).await;
    }
}

#[tokio::test]
async fn who_has_no_driver_tries_once_and_serves() {
    let driver = StandIn::new();
    let directory = tempfile::tempdir().unwrap();
    let text = directory.path().join("libnvidia-ml.so.1");
    std::fs::write(&text, "no library").unwrap();
    for library in [text, directory.path().join("missing.so")] {
        let harness = serve(settings(library), Engine::Gpu).await;
        assert_unwatched(&harness).await;
    }
    // The driver itself is not there (9), is another version than its library (18), or has not this device.
    for (count, (function, code)) in
        [("nvmlInit_v2", 9), ("nvmlInit_v2", 18), ("nvmlDeviceGetHandleByIndex_v2", 2)].iter().enumerate()
    {
        driver.say(&format!("fail.{function}"), code);
        let harness = serve(GpuSettings { choice: named(0), ..settings(driver.library()) }, Engine::Gpu).await;
        until("it was tried", || driver.calls("unloaded") == count + 1).await;
        // Had it been there a moment later, nobody would have looked.
        driver.unsay(&format!("fail.{function}"));
        for _ in 0..20 {
            assert_unwatched(&harness).await;
        }
        assert_eq!(driver.calls("loaded"), count + 1, "{function} {code}");
    }
}

#[tokio::test]
async fn nobody_looks_for_a_gpu_that_is_not_meant() {
    let driver = StandIn::new();
    for (choice, engine) in
        [(GpuChoice::Engine, Engine::Cpu), (GpuChoice::None, Engine::Cpu), (GpuChoice::None, Engine::Gpu)]
    {
        let harness = serve(GpuSettings { choice, ..settings(driver.library()) }, engine).await;
        assert_unwatched(&harness).await;
    }
    assert_eq!(driver.calls("loaded"), 0);
}

#[tokio::test]
async fn the_device_is_the_one_that_computes() {
    let other = "GPU-00eeddcc-bbaa-9988-7766-554433221100";
    let uuid = |text: &str| GpuChoice::Named(GpuName::Uuid(text.into()));
    for (devices, choice, visible, by_bus, expected) in [
        (2, GpuChoice::Engine, None, true, Some(UUID)),
        (2, GpuChoice::Engine, Some("1,0"), true, Some(other)),
        (2, GpuChoice::Engine, Some(other), false, Some(other)),
        // The beginning of a UUID, as long as it is no other's.
        (2, GpuChoice::Engine, Some("GPU-00e"), false, Some(other)),
        (2, GpuChoice::Engine, Some("GPU-00"), false, None),
        (2, GpuChoice::Engine, Some(""), true, None),
        (2, GpuChoice::Engine, Some("2"), true, None),
        // CUDA has the fastest first, the driver goes by slots: of several nobody knows which is which.
        (2, GpuChoice::Engine, None, false, None),
        (2, GpuChoice::Engine, Some("1"), false, None),
        (1, GpuChoice::Engine, None, false, Some(UUID)),
        (2, named(1), None, false, Some(other)),
        (2, named(1), Some("0"), true, Some(other)),
        (2, uuid("GPU-0011"), Some("1"), true, Some(UUID)),
        (2, uuid("GPU-00aa"), None, true, None),
    ] {
        let driver = StandIn::new();
        driver.say("count", devices);
        driver.say("uuid.1", other);
        let numbering = CudaNumbering { visible: visible.map(str::to_owned), by_bus };
        let what = format!("{choice:?} of {devices}, {numbering:?}");
        let is_sought = expected.is_some();
        let harness = serve(GpuSettings { choice, numbering, ..settings(driver.library()) }, Engine::Gpu).await;
        if is_sought {
            until_watched(&harness).await;
        } else {
            // Either nobody asked the driver, or it was let go.
            let is_over = || driver.calls("loaded") == driver.calls("unloaded");
            until("nobody asks", is_over).await;
        }
        assert_eq!(gpu(&harness).await["uuid"].as_str(), expected, "{what}");
    }
}

#[tokio::test]
async fn what_cannot_be_and_what_is_not_known_is_left_out() {
    for (name, value, lost) in [
        ("utilization", "101", &["utilization"][..]),
        ("temperature", "4000", &["temperature-celsius"]),
        ("power", "4294967295", &["power-watts"]),
        ("free", "18446744073709551615", &["memory-used-bytes", "memory-total-bytes"]),
        ("used", "18446744073709551615", &["memory-used-bytes", "memory-total-bytes"]),
        ("total", "0", &["memory-used-bytes", "memory-total-bytes"]),
        ("fail.nvmlDeviceGetTemperature", "3", &["temperature-celsius"]),
        ("fail.nvmlDeviceGetPowerUsage", "999", &["power-watts"]),
        ("fail.nvmlDeviceGetUtilizationRates", "3", &["utilization"]),
        ("fail.nvmlDeviceGetMemoryInfo_v2", "4", &["memory-used-bytes", "memory-total-bytes"]),
        ("fail.nvmlDeviceGetIndex", "3", &["index"]),
        ("fail.nvmlDeviceGetComputeRunningProcesses_v3", "4", &[]),
        // The driver says by this that it does not know.
        ("own", "18446744073709551615", &[]),
    ] {
        let driver = StandIn::new();
        driver.say(name, value);
        let harness = serve(settings(driver.library()), Engine::Gpu).await;
        until_watched(&harness).await;
        let told = gpu(&harness).await;
        let all =
            ["index", "utilization", "memory-used-bytes", "memory-total-bytes", "temperature-celsius", "power-watts"];
        let missing: Vec<_> = all.into_iter().filter(|member| told.get(member).is_none()).collect();
        assert_eq!(missing, lost, "{name}: {told}");
        let has_memory = told.get("memory-total-bytes").is_some();
        let fewer = lost.iter().filter(|member| **member != "index").count() + usize::from(!has_memory);
        until_then(&format!("with {name}={value} the rest is measured"), async || {
            gauges(&harness).await.len() == 7 - fewer && mem(&harness).await == has_memory.then_some(0)
        })
        .await;
    }
}

#[tokio::test]
async fn a_gpu_that_is_lost_is_unknown_until_it_is_back() {
    let driver = StandIn::new();
    let harness = serve(settings(driver.library()), Engine::Gpu).await;
    until_watched(&harness).await;
    for code in [15, 1, 999] {
        driver.say("fail.all", code);
        until_then("its figures are unknown", async || gauges(&harness).await.len() == 1).await;
        assert_eq!(mem(&harness).await, None, "{code}");
        // What it was last, and how old that is.
        let told = gpu(&harness).await;
        assert_eq!(told["temperature-celsius"], 61);
        assert!(told["age-ms"].as_u64().unwrap() >= 100, "{told}");
        assert!(gauge(&harness, "reading_age_seconds").await.unwrap() >= 0.1);
        answers(&harness).await;
        driver.unsay("fail.all");
        until_then("it is back", async || mem(&harness).await == Some(0) && gauges(&harness).await.len() == 7).await;
    }
    assert!(driver.calls("loaded") >= 4, "the library is loaded anew");
    // Another one has its number meanwhile. It is known by its name, and keeps the number that it had.
    driver.say("fail.all", 15);
    until_then("it is gone again", async || mem(&harness).await.is_none()).await;
    driver.say("count", 2);
    driver.say("uuid.0", "GPU-another");
    driver.say("uuid.1", UUID);
    driver.unsay("fail.all");
    until_then("it is back again", async || mem(&harness).await == Some(0)).await;
    let told = gpu(&harness).await;
    assert_eq!((&told["uuid"], &told["index"]), (&json!(UUID), &json!(0)));
}

#[tokio::test]
async fn a_driver_that_hangs_holds_up_nobody() {
    let driver = StandIn::new();
    for function in ["nvmlInit_v2", "nvmlDeviceGetCount_v2", "nvmlDeviceGetUUID"] {
        driver.say(&format!("hang.{function}"), 1);
        let before = driver.calls(function);
        let choice = GpuChoice::Named(GpuName::Uuid(UUID[..12].into()));
        let harness = serve(GpuSettings { choice, ..settings(driver.library()) }, Engine::Gpu).await;
        until("it hangs", || driver.calls(function) > before).await;
        assert_unwatched(&harness).await;
        driver.unsay(&format!("hang.{function}"));
        until_watched(&harness).await;
    }
    let harness = serve(settings(driver.library()), Engine::Gpu).await;
    until_watched(&harness).await;
    driver.say("hang.nvmlDeviceGetMemoryInfo_v2", 1);
    until_then("what was read is old", async || mem(&harness).await.is_none()).await;
    let before = gpu(&harness).await["age-ms"].as_u64().unwrap();
    let begun = Instant::now();
    for _ in 0..50 {
        answers(&harness).await;
        assert_eq!(gauges(&harness).await.len(), 1);
    }
    // Far below any call's bound, even on a machine that is busy.
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(gpu(&harness).await["age-ms"].as_u64().unwrap() > before);
    driver.unsay("hang.nvmlDeviceGetMemoryInfo_v2");
    until_then("it answers again", async || mem(&harness).await == Some(0)).await;
    // Nor does it hold up the end.
    driver.say("hang.nvmlDeviceGetMemoryInfo_v2", 1);
    until_then("it hangs again", async || mem(&harness).await.is_none()).await;
    let (begun, mut harness) = (Instant::now(), harness);
    harness.origin.take().unwrap().drain().await;
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn who_looks_needs_a_grant_as_for_the_places() {
    let driver = StandIn::new();
    let edge = Edge::new("k1");
    let script = Script::new(1).on_gpu(OnGpu { ordinal: 0, token_bytes: 1 });
    let gpu = settings(driver.library());
    let config = Config { slots: 1, queue: 0, access: edge.access(), gpu, ..Config::local() };
    let origin = Origin::start(config, script.backend()).await.unwrap();
    let client = client();
    until_then("it was read", async || {
        let answer = client.get(format!("{}/health", origin.url())).send().await.unwrap();
        answer.headers()["x-sluice-capacity"].to_str().unwrap().contains("mem=")
    })
    .await;
    for path in ["/capacity", "/metrics"] {
        let answer = client.get(format!("{}{path}", origin.url())).send().await.unwrap();
        assert_eq!(answer.status(), 401);
        assert!(!answer.text().await.unwrap().contains(UUID));
    }
}

/// The program says so in one line, and serves.
#[tokio::test]
async fn the_log_says_once_that_there_is_no_driver() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing.so").display().to_string();
    let mut command = program(&["serve", "--open", "--bind", "127.0.0.1:0", "--gpu", "0", "--nvml-library", &missing]);
    let mut child = command.env("HOME", directory.path()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut errors = BufReader::new(child.stderr.take().unwrap()).lines();
    let begin = async {
        assert!(output.next_line().await.unwrap().unwrap().contains("listening"));
        let mut lines = Vec::new();
        while !lines.last().is_some_and(|line: &String| line.contains("no GPU is watched")) {
            lines.push(errors.next_line().await.unwrap().expect("it says so before it ends"));
        }
        lines
    };
    let mut lines = tokio::time::timeout(BOUND, begin).await.unwrap();
    signal(&child, "TERM").await;
    let ended = tokio::time::timeout(BOUND, child.wait()).await.unwrap().unwrap();
    assert_eq!(ended.code(), Some(0));
    while let Some(line) = errors.next_line().await.unwrap() {
        lines.push(line);
    }
    let said: Vec<_> = lines.iter().filter(|line| line.to_lowercase().contains("gpu")).collect();
    assert!(said.len() == 1 && said[0].contains("WARN") && said[0].contains("missing.so"), "{lines:?}");
}
