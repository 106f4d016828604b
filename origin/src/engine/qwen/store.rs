//! One layer's keys and values of one sequence, on the CPU.

/// Positions whose keys lie together, and that are looked at together: a tile of keys and one of values fit the nearest
/// cache.
pub(crate) const TILE: usize = 64;

/// The heads of a network, as attention sees them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heads {
    /// Query heads.
    pub(crate) query: usize,
    /// Key-value heads; divides `query`.
    pub(crate) key: usize,
    /// Width of one head.
    pub(crate) width: usize,
}

/// One layer's keys and values of one sequence, in the order in which attention reads them.
///
/// Keys lie in tiles of 64 positions, transposed: `[key heads, tiles, width, 64]`, so that a query meets 64 keys by
/// multiplying vectors and never adds up the parts of one. Values lie as they are: `[key heads, positions, width]`.
#[derive(Debug)]
pub(crate) struct Store {
    pub(super) keys: Vec<f32>,
    pub(super) values: Vec<f32>,
    /// Positions that there is room for; whole tiles.
    pub(super) capacity: usize,
}

impl Store {
    /// Room for at least this many positions. The pages are the kernel's until they are written.
    pub(crate) fn new(heads: Heads, positions: usize) -> Self {
        let capacity = positions.next_multiple_of(TILE);
        let size = heads.key * capacity * heads.width;
        Self { keys: vec![0.0; size], values: vec![0.0; size], capacity }
    }

    /// Remembers rows from this position on. `keys` and `values` are `[rows, key heads, width]`; they fit.
    #[cfg(test)]
    pub(crate) fn write(&mut self, heads: Heads, position: usize, keys: &[f32], values: &[f32]) {
        let Heads { key: count, width, .. } = heads;
        for (head, mut part) in self.heads_mut(heads).enumerate() {
            for (row, (keys, values)) in keys.chunks(count * width).zip(values.chunks(count * width)).enumerate() {
                part.write(position + row, &keys[head * width..][..width], &values[head * width..][..width]);
            }
        }
    }

    /// What it remembers for each of its key heads.
    pub(crate) fn heads_mut(&mut self, heads: Heads) -> impl Iterator<Item = HeadMut<'_>> {
        let size = self.capacity * heads.width;
        let parts = self.keys.chunks_exact_mut(size).zip(self.values.chunks_exact_mut(size));
        parts.map(|(keys, values)| HeadMut { keys, values })
    }

    /// Remembers another store's first positions. Whatever lies behind them in the last tile comes along, and is
    /// overwritten before anybody looks at it.
    pub(crate) fn copy_prefix(&mut self, heads: Heads, from: &Self, positions: usize) {
        let positions = positions.next_multiple_of(TILE) * heads.width;
        for head in 0..heads.key {
            let (to, at) = (head * self.capacity * heads.width, head * from.capacity * heads.width);
            self.keys[to..][..positions].copy_from_slice(&from.keys[at..][..positions]);
            self.values[to..][..positions].copy_from_slice(&from.values[at..][..positions]);
        }
    }
}

/// One key head's part of a [`Store`].
pub(crate) struct HeadMut<'a> {
    keys: &'a mut [f32],
    values: &'a mut [f32],
}

impl HeadMut<'_> {
    /// Remembers one row at this position, for which there is room.
    pub(crate) fn write(&mut self, position: usize, key: &[f32], value: &[f32]) {
        let width = key.len();
        let (tile, at) = (position / TILE, position % TILE);
        let columns = &mut self.keys[tile * TILE * width..][..TILE * width];
        for (number, line) in key.iter().zip(columns.chunks_exact_mut(TILE)) {
            line[at] = *number;
        }
        self.values[position * width..][..width].copy_from_slice(value);
    }
}
