//! The keys and values of one sequence, on the CPU.

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
#[derive(Clone, Copy, Debug)]
pub(crate) struct Store<'a> {
    pub(crate) keys: &'a [f32],
    pub(crate) values: &'a [f32],
    /// Positions that there is room for; whole tiles.
    pub(crate) capacity: usize,
}

/// What all layers remember of one sequence: one piece of memory, which allocators give back to the system as soon as
/// it is released, where many smaller ones would stay.
#[derive(Debug)]
pub(crate) struct Stores {
    /// Layer by layer: keys, then values.
    numbers: Vec<f32>,
    heads: Heads,
    capacity: usize,
}

impl Stores {
    /// Room for at least this many positions. The pages are the kernel's until they are written.
    pub(crate) fn new(layers: usize, heads: Heads, positions: usize) -> Self {
        let capacity = positions.next_multiple_of(TILE);
        Self { numbers: vec![0.0; layers * 2 * heads.key * capacity * heads.width], heads, capacity }
    }

    /// What a layer remembers.
    pub(crate) fn layer(&self, layer: usize) -> Store<'_> {
        let size = self.size();
        let (keys, values) = self.numbers[2 * layer * size..][..2 * size].split_at(size);
        Store { keys, values, capacity: self.capacity }
    }

    /// What a layer remembers for each of its key heads.
    pub(crate) fn heads_mut(&mut self, layer: usize) -> impl Iterator<Item = HeadMut<'_>> {
        let (size, head) = (self.size(), self.capacity * self.heads.width);
        let (keys, values) = self.numbers[2 * layer * size..][..2 * size].split_at_mut(size);
        keys.chunks_exact_mut(head).zip(values.chunks_exact_mut(head)).map(|(keys, values)| HeadMut { keys, values })
    }

    /// Remembers another sequence's first positions. Whatever lies behind them in the last tile comes along, and is
    /// overwritten before anybody looks at it.
    pub(crate) fn copy_prefix(&mut self, from: &Self, positions: usize) {
        let count = positions.next_multiple_of(TILE) * self.heads.width;
        let (size, other) = (self.capacity * self.heads.width, from.capacity * from.heads.width);
        // Both have as many layers and heads: of keys, then of values.
        for (to, from) in self.numbers.chunks_exact_mut(size).zip(from.numbers.chunks_exact(other)) {
            to[..count].copy_from_slice(&from[..count]);
        }
    }

    /// Numbers of a layer's keys, or of its values.
    fn size(&self) -> usize {
        self.heads.key * self.capacity * self.heads.width
    }
}

/// One key head's part of a layer's memory.
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
