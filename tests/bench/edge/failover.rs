//! What it costs a request that its origin has just been killed: two stub origins, of which one is ended and started again.

use crate::figures::median;
use crate::options::Options;
use crate::stub;
use crate::workers::Sluice;
use harness::caller::hello;
use harness::wait::{SOON, until_true};
use serde_json::{Value, json};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

/// Kills of the origin, and the requests that meet each: after these nobody is sent there.
const LEAST_KILLS: usize = 20;
const MEET: usize = 2;

/// A stub that can be ended, with all of its connections, and started again where it was.
struct Mortal {
    address: SocketAddr,
    served: Arc<AtomicUsize>,
    life: Option<Life>,
}

struct Life {
    is_over: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
    accepts: thread::JoinHandle<()>,
}

impl Mortal {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let served = Arc::new(AtomicUsize::new(0));
        let life = Some(live(listener, served.clone()));
        Self { address, served, life }
    }

    fn kill(&mut self) {
        let Some(life) = self.life.take() else { return };
        life.is_over.store(true, Ordering::Relaxed);
        // What it waits for comes, and it hears that it is over.
        drop(TcpStream::connect(self.address));
        life.accepts.join().expect("it asserts nothing");
        for stream in life.open.lock().expect("nobody panics").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn revive(&mut self) {
        let listener = TcpListener::bind(self.address).expect("the port was its own a moment ago");
        self.life = Some(live(listener, self.served.clone()));
    }

    fn served(&self) -> usize {
        self.served.load(Ordering::Relaxed)
    }
}

fn live(listener: TcpListener, served: Arc<AtomicUsize>) -> Life {
    let (is_over, open) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
    let (over, kept) = (is_over.clone(), open.clone());
    let accepts = thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if over.load(Ordering::Relaxed) {
                return;
            }
            kept.lock().expect("nobody panics").extend(stream.try_clone());
            let served = served.clone();
            let count = move |line: &str| {
                // Probes are no requests of callers.
                served.fetch_add(usize::from(line.starts_with("POST")), Ordering::Relaxed);
            };
            thread::spawn(move || stub::serve(&stream, count).is_ok());
        }
    });
    Life { is_over, open, accepts }
}

/// A line for those whose origin was killed and for those whose was not, in turns.
pub(crate) fn run(options: &Options) -> Value {
    let (mut dying, living) = (Mortal::start(), Mortal::start());
    let origin = |name: &str, at: &Mortal| json!({"name": name, "url": format!("http://{}", at.address), "models": [harness::caller::MODEL]});
    let sluice = Sluice::start_with(&json!([origin("dying", &dying), origin("living", &living)]));
    let key = sluice.key("open");
    let http = reqwest::blocking::Client::builder().no_proxy().build().expect("options without a fault");
    let url = format!("http://{}/v1/chat/completions", sluice.address);
    let ask = |session: &str| {
        let begun = Instant::now();
        let answer = http.post(&url).bearer_auth(&key).header("x-session-id", session).json(&hello(4)).send();
        let answer = answer.and_then(reqwest::blocking::Response::error_for_status).expect("an origin answers it");
        answer.bytes().expect("it comes to its end");
        begun.elapsed().as_secs_f64() * 1e3
    };
    let (mut other, mut direct, mut number) = (Vec::new(), Vec::new(), 0);
    for _ in 0..options.rounds.max(LEAST_KILLS) {
        // Conversations that each of them remembers.
        let (mut of_dying, mut of_living) = (Vec::new(), Vec::new());
        while of_dying.len() < MEET || of_living.len() < MEET {
            number += 1;
            let (session, before) = (format!("conversation-{number}"), dying.served());
            ask(&session);
            if dying.served() > before { of_dying.push(session) } else { of_living.push(session) }
        }
        dying.kill();
        for (gone, here) in of_dying.iter().zip(&of_living).take(MEET) {
            other.push(ask(gone));
            direct.push(ask(here));
        }
        dying.revive();
        until_true("the origin is sent requests again", SOON, || {
            let before = dying.served();
            ask(&of_dying[0]);
            dying.served() > before
        });
    }
    print(&other, &direct)
}

fn print(other: &[f64], direct: &[f64]) -> Value {
    let quantile = |all: &[f64], part: f64| {
        let mut all = all.to_vec();
        all.sort_by(f64::total_cmp);
        all[((all.len() - 1) as f64 * part).round() as usize]
    };
    let middle = |all: &[f64]| median(all.iter().copied());
    let added = middle(other) - middle(direct);
    let worst = quantile(other, 0.95) - middle(direct);
    println!(
        "\n{} requests whose origin had just been killed, beside {} of another origin's, in turns\n\
         killed: {:.1} ms (95 %: {:.1}); another's: {:.1} ms (95 %: {:.1}); a failover adds {added:.1} ms (95 %: {worst:.1})",
        other.len(),
        direct.len(),
        middle(other),
        quantile(other, 0.95),
        middle(direct),
        quantile(direct, 0.95),
    );
    json!({
        "requests": other.len(), "killed_ms": middle(other), "direct_ms": middle(direct),
        "added_ms": added, "added_ms_p95": worst,
    })
}
