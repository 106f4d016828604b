//! What a picture takes of memory, counted, beside what is computed from its size. A program of its own: it counts what
//! all of it allocates.
//!
//! A place of `unsafe`: an allocator that counts.
#![allow(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "what a test cannot do fails it")]

use sluice_origin::models::qwen::precision::Precision;
use sluice_origin::models::z_image::checkpoint::made_up::MadeUp;
use sluice_origin::models::z_image::size::Size;
use sluice_origin::models::z_image::watch::Nobody;
use sluice_origin::models::z_image::{Order, ZImage};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: everything is the system's, which keeps the contract; counting touches nothing of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Relaxed) + layout.size();
        MOST.fetch_max(now, Relaxed);
        // SAFETY: the caller's layout, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        // SAFETY: what `alloc` gave for this layout, which was the system's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Where the transformer takes most, and where the decoder does; small pictures, large ones, oblong ones.
#[test]
fn a_picture_takes_what_its_size_says() {
    let smallest = MadeUp::smallest();
    let mut wide = smallest.clone();
    wide.transformer.dim = 384;
    wide.transformer.heads = 6;
    wide.transformer.axes = [16, 24, 24];
    let mut deep = smallest;
    deep.decoder.blocks = vec![64, 64, 128];
    let mut wrong = Vec::new();
    for (name, made_up, sizes) in
        [("wide", wide, [(64, 64), (128, 256), (256, 256)]), ("deep", deep, [(128, 128), (384, 128), (256, 512)])]
    {
        let directory = tempfile::tempdir().unwrap();
        made_up.write(directory.path(), 1).unwrap();
        for precision in [Precision::F32, Precision::Bf16] {
            let mut model = ZImage::load(directory.path(), precision).unwrap();
            for (width, height) in sizes {
                let size = Size { width, height };
                let order = Order { prompt: "a red square".into(), size, steps: 1, seed: 1 };
                let tokens = model.check(&order).unwrap().len();
                let before = NOW.load(Relaxed);
                MOST.store(before, Relaxed);
                drop(model.draw(&order, &mut Nobody).unwrap());
                let taken = (MOST.load(Relaxed) - before) as f64 / 1e6;
                let said = model.picture_bytes(size, tokens) as f64 / 1e6;
                let line = format!("{name} {precision:?} {size}: {taken:.1} MB taken, {said:.1} MB said");
                println!("{line}");
                if !(taken <= said && said <= 1.5 * taken) {
                    wrong.push(line);
                }
                // Nothing of it is kept.
                let kept = NOW.load(Relaxed).saturating_sub(before);
                assert!(kept < 1 << 20, "{kept} bytes stay");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
