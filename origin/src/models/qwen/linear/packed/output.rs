//! Where products go: rows of which threads write disjoint columns.
//!
//! A place of `unsafe`: threads write disjoint parts of one output.
#![allow(unsafe_code)]

use super::{Product, STRIP, Strips};
use candle_core::utils::barrier_pool;
use std::marker::PhantomData;
use std::ops::Range;

/// Cuts the strips of all matrices among threads, and lets each compute its part: some strips of one matrix into its
/// output.
pub(super) fn all(products: Vec<Product<'_>>, rows: usize, part: impl Fn(&Strips, Range<usize>, &Output<'_>) + Sync) {
    let products: Vec<(&Strips, Output<'_>)> =
        products.into_iter().map(|product| (&product.matrix.strips, Output::new(product, rows))).collect();
    let strips: usize = products.iter().map(|(_, output)| output.height.div_ceil(STRIP)).sum();
    barrier_pool().execute_chunked(strips, |range| {
        let mut first = 0;
        for (strips, output) in &products {
            let count = output.height.div_ceil(STRIP);
            let own = range.start.clamp(first, first + count) - first..range.end.clamp(first, first + count) - first;
            first += count;
            // The pool gives each strip to one thread.
            part(strips, own, output);
        }
    });
}

/// Cuts rows into tiles of at most this many and of about one size: of 9 rows with 8 at most two of 4 and 5.
pub(super) fn tiles(rows: usize, most: usize) -> Vec<Range<usize>> {
    let count = rows.div_ceil(most);
    (0..count).map(|tile| tile * rows / count..(tile + 1) * rows / count).collect()
}

/// Writes a strip of the rows of a tile. The strip is the caller's alone, as [`all`] gives it.
pub(super) fn write<const ROWS: usize>(
    sums: [[f32; STRIP]; ROWS],
    tile: &Range<usize>,
    strip: usize,
    output: &Output<'_>,
) {
    for (row, lanes) in tile.clone().zip(sums) {
        // SAFETY: this strip is this thread's alone.
        unsafe { output.write(row, strip, lanes) };
    }
}

/// Rows of `height` numbers, of which each thread writes columns of its own.
pub(super) struct Output<'a> {
    rows: Vec<*mut f32>,
    height: usize,
    bias: Option<&'a [f32]>,
    add: bool,
    /// The rows are borrowed for as long as this lives.
    borrowed: PhantomData<&'a mut [f32]>,
}

// SAFETY: threads write disjoint columns, as `write` demands, and nobody reads.
unsafe impl Sync for Output<'_> {}

impl<'a> Output<'a> {
    fn new(Product { matrix, bias, into }: Product<'a>, rows: usize) -> Self {
        let height = matrix.height;
        assert!(into.rows.len() == rows && into.rows.iter().all(|row| row.len() == height));
        assert!(bias.is_none_or(|bias| bias.len() == height));
        let add = into.add;
        let rows = into.rows.into_iter().map(<[f32]>::as_mut_ptr).collect();
        Self { rows, height, bias, add, borrowed: PhantomData }
    }

    /// # Safety
    /// Nobody else writes or reads this strip meanwhile.
    unsafe fn write(&self, row: usize, strip: usize, mut lanes: [f32; STRIP]) {
        let start = strip * STRIP;
        let count = STRIP.min(self.height - start);
        if let Some(bias) = self.bias {
            lanes.iter_mut().zip(&bias[start..start + count]).for_each(|(lane, bias)| *lane += bias);
        }
        // SAFETY: within the row, which has `height` numbers, and borrowed for as long as `self` lives.
        let target = unsafe { std::slice::from_raw_parts_mut(self.rows[row].add(start), count) };
        if self.add {
            target.iter_mut().zip(lanes).for_each(|(target, lane)| *target += lane);
        } else {
            target.copy_from_slice(&lanes[..count]);
        }
    }
}
