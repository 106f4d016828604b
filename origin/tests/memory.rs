//! What a picture takes of memory, counted by the allocator: the only test of this program, so nothing else counts.
//!
//! A place of `unsafe`: an allocator.
#![allow(unsafe_code)]
// What a test's helper cannot do fails the test.
#![allow(clippy::unwrap_used)]

use sluice_origin::models::qwen::precision::Precision;
use sluice_origin::models::qwen::shape::Shape;
use sluice_origin::models::z_image::checkpoint::made_up::MadeUp;
use sluice_origin::models::z_image::checkpoint::shape::{DecoderShape, TransformerShape};
use sluice_origin::models::z_image::size::Size;
use sluice_origin::models::z_image::{Order, ZImage};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that are allocated, and the most that were at once.
static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: memory is the system's; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST.fetch_max(now, Ordering::Relaxed);
        // SAFETY: the caller keeps to the contract, which is the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The proportions of the published networks, a tenth and a sixteenth as wide; a text encoder that needs most of a long
/// prompt's memory.
fn model() -> MadeUp {
    let small = MadeUp::smallest();
    MadeUp {
        text: Shape { hidden: 256, intermediate: 1_024, layers: 10, heads: 8, kv_heads: 4, head_dim: 32, ..small.text },
        transformer: TransformerShape {
            caption: 256,
            dim: 384,
            heads: 3,
            layers: 2,
            refiners: 1,
            axes: [32, 48, 48],
            lengths: [1_536, 512, 512],
            ..small.transformer
        },
        decoder: DecoderShape { blocks: vec![8, 16, 32, 32], layers: 2, ..small.decoder },
        shift: small.shift,
    }
}

/// Bytes that drawing takes above what there was, at most.
fn taken(model: &mut ZImage, order: &Order) -> u64 {
    let before = NOW.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    drop(model.draw(order).unwrap());
    (MOST.load(Ordering::Relaxed) - before) as u64
}

/// Never less than a picture takes, so that whoever reserves it has it; and no more than so many times as much, so that
/// it refuses nobody for nothing. The text encoder needs most of the first size,
/// the transformer of the second, the decoder of the others.
#[test]
fn a_picture_takes_no_more_than_was_said_before() {
    let directory = tempfile::tempdir().unwrap();
    model().write(directory.path(), 1).unwrap();
    for precision in [Precision::F32, Precision::Bf16] {
        let mut model = ZImage::load(directory.path(), precision).unwrap();
        for on_tensors in [false, true] {
            if on_tensors {
                model.compute_on_tensors();
            }
            // Whatever is made once, at first use.
            let prompt = "a red square".to_owned();
            let order = |width, height, prompt: &str| Order {
                prompt: prompt.to_owned(),
                size: Size { width, height },
                steps: 2,
                seed: 1,
            };
            model.draw(&order(64, 64, &prompt)).unwrap();
            let sizes = [
                (64, 64, "1".repeat(480)),
                (128, 128, "1".repeat(390)),
                (64, 192, prompt.clone()),
                (256, 256, prompt.clone()),
                (512, 192, prompt.clone()),
            ];
            // What differs in BF16 is what a thread widens; tensors are slow here.
            let count = match (precision, on_tensors) {
                (Precision::F32, false) => 5,
                (Precision::F32, true) => 4,
                (_, false) => 2,
                (_, true) => 0,
            };
            for (width, height, prompt) in sizes.into_iter().take(count) {
                let order = order(width, height, &prompt);
                let said = model.picture_bytes(order.size, model.check(&order).unwrap().len());
                let taken = taken(&mut model, &order);
                let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
                println!(
                    "{precision:?}, tensors {on_tensors}, {}, {} characters: {:.1} of {:.1} MiB",
                    order.size,
                    prompt.len(),
                    mib(taken),
                    mib(said)
                );
                assert!(taken <= said, "{} took {taken}, and not {said} at most", order.size);
                assert!(said < 3 * taken, "{} took {taken}, and {said} were said", order.size);
            }
        }
    }
}
