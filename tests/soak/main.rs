//! An hour of hostile callers, all at once, beside one who behaves: `cargo xtask soak`.
//!
//! Both gates run as they are deployed, with the built-in model. The caller who behaves sends two small requests a second. It must
//! never be refused, and never wait as long as its lease. What the others are told must never be a fault of ours. When it is over,
//! both programs must hold no more memory than they did when the load was new.
//!
//! Read it in the order of the `mod` list.

// what is asked
mod options;
// what runs
mod gates;
// who behaves, and who does not
mod good;
mod shapes;
mod wire;
// what came of it
mod memory;
mod tally;

use gates::Gates;
use options::Options;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn main() -> ExitCode {
    let options = Options::read();
    let gates = Gates::start();
    let mut shapes = shapes::all(&gates);
    shapes.retain(|shape| shape.name.contains(&options.only));
    assert!(!shapes.is_empty(), "no shape has {:?} in its name", options.only);
    let over = AtomicBool::new(false);
    let begun = Instant::now();
    println!("{} hostile shapes beside one caller who behaves, for {:?}", shapes.len(), options.span);
    let (good, samples) = std::thread::scope(|scope| {
        let hostile: Vec<_> = shapes
            .iter()
            .flat_map(|shape| (0..shape.abreast).map(move |_| shape))
            .map(|shape| scope.spawn(|| shape.run(&over)))
            .collect();
        let good = scope.spawn(|| good::run(&gates, &over));
        let samples = memory::sample(&gates, options.span, |minute| progress(begun, minute, &shapes));
        over.store(true, Ordering::Relaxed);
        hostile.into_iter().for_each(|shape| shape.join().expect("a shape counts what goes wrong and does not panic"));
        (good.join().expect("the caller who behaves counts what goes wrong"), samples)
    });
    println!();
    let mut faults = Vec::new();
    for shape in &shapes {
        println!("{:<32} {}", shape.name, shape.tally.line());
        faults.extend(shape.tally.faults().map(|fault| format!("{}: {fault}", shape.name)));
    }
    println!("\n{}", good.line());
    faults.extend(good.faults(gates::LEASE));
    for (name, series) in &samples {
        println!("{name}: {}", series.line());
        faults.extend(series.growth().map(|growth| format!("{name} grew: {growth}")));
    }
    faults.extend(gates.deaths());
    match faults.as_slice() {
        [] => println!("\nnothing went wrong in {:.1} min", begun.elapsed().as_secs_f64() / 60.0),
        faults => println!("\nFAULTS\n{}", faults.join("\n")),
    }
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn progress(begun: Instant, sizes: &str, shapes: &[shapes::Shape]) {
    let acts: u64 = shapes.iter().map(|shape| shape.tally.acts()).sum();
    let faults: usize = shapes.iter().map(|shape| shape.tally.faults().count()).sum();
    let minutes = Duration::as_secs_f64(&begun.elapsed()) / 60.0;
    eprintln!("  {minutes:5.1} min: {acts} hostile acts, {faults} kinds of fault, {sizes}");
}
