//! Memory for weights, in large pages where the system has them.
//!
//! A decode reads every weight once. In pages of 4 KiB the processor looks up an address for every 64 lines, and its
//! prefetch ends with the page. Two threads read 24 to 30 GB/s that way, and 30 to 36 in pages of 2 MiB. A matrix is
//! seldom a whole number of large pages, so the matrices of a model lie one after another.
//!
//! A place of `unsafe`: lists lie in memory that others share.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::fmt::{Debug, Formatter};
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::Arc;

/// A large page of x86-64, and of arm64 with pages of 4 KiB.
const LARGE: usize = 2 << 20;
/// Bytes that are allocated at once. Pages that nothing is written to take no memory.
const CHUNK: usize = 64 << 20;

/// Room for the lists of one model, one after another.
#[derive(Debug, Default)]
pub struct Pages {
    /// What is being filled, and how much of it is.
    current: Option<(Arc<Chunk>, usize)>,
}

impl Pages {
    /// An empty list with room for so many. Panics if these are more bytes than addresses.
    pub fn list<T: Copy>(&mut self, capacity: usize) -> List<T> {
        let layout = Layout::array::<T>(capacity).expect("fewer bytes than addresses");
        assert!(layout.align() <= LARGE);
        let fits = |(chunk, used): (Arc<Chunk>, usize)| {
            let start = used.next_multiple_of(layout.align());
            (start + layout.size() <= chunk.layout.size()).then_some((chunk, start))
        };
        let (chunk, start) =
            self.current.take().and_then(fits).unwrap_or_else(|| (Arc::new(Chunk::new(layout.size().max(CHUNK))), 0));
        self.current = Some((Arc::clone(&chunk), start + layout.size()));
        // SAFETY: `start` and the list behind it are within the chunk, as looked at above.
        let first = unsafe { chunk.start.add(start) }.cast();
        List { first, len: 0, capacity, _chunk: chunk }
    }
}

/// A list in a chunk that others share. Items are pushed once and never changed.
pub struct List<T> {
    first: NonNull<T>,
    len: usize,
    capacity: usize,
    /// Holds the memory.
    _chunk: Arc<Chunk>,
}

// SAFETY: as a `Vec<T>`: a list owns its part of the chunk, which no other list overlaps.
unsafe impl<T: Send> Send for List<T> {}
// SAFETY: as a `Vec<T>`: a shared list is only read.
unsafe impl<T: Sync> Sync for List<T> {}

impl<T: Copy> List<T> {
    /// Panics if there is no more room.
    pub fn push(&mut self, item: T) {
        assert!(self.len < self.capacity, "a list of {} is full", self.capacity);
        // SAFETY: within this list's part of the chunk, which is aligned for `T` and this list's alone.
        unsafe { self.first.add(self.len).write(item) };
        self.len += 1;
    }
}

impl<T> Deref for List<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: so many were written, and the chunk lives as long as this list.
        unsafe { std::slice::from_raw_parts(self.first.as_ptr(), self.len) }
    }
}

impl<T> Debug for List<T> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} of {}", self.len, self.capacity)
    }
}

/// Memory that begins and ends with a large page.
#[derive(Debug)]
struct Chunk {
    start: NonNull<u8>,
    layout: Layout,
}

// SAFETY: the memory is the chunk's, whichever thread frees it; lists take care of what lies in it.
unsafe impl Send for Chunk {}
// SAFETY: nothing is read or written through a chunk.
unsafe impl Sync for Chunk {}

impl Chunk {
    fn new(bytes: usize) -> Self {
        let layout = Layout::from_size_align(bytes, LARGE).expect("fewer bytes than addresses").pad_to_align();
        // SAFETY: the layout is not empty.
        let start = unsafe { alloc(layout) };
        let start = NonNull::new(start).unwrap_or_else(|| handle_alloc_error(layout));
        // Where there are none, it stays with small ones.
        #[cfg(target_os = "linux")]
        // SAFETY: these pages are ours alone, and the advice changes nothing of what is in them.
        unsafe {
            libc::madvise(start.as_ptr().cast(), layout.size(), libc::MADV_HUGEPAGE);
        }
        Self { start, layout }
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, and no list that points into it is left.
        unsafe { dealloc(self.start.as_ptr(), self.layout) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq)]
    #[repr(align(64))]
    struct Line([u8; 64]);

    /// Lists of all sizes, filled in turns, hold what was pushed to them, each in its own place, as long as any lives.
    #[test]
    fn lists_lie_apart_and_outlive_their_pages() {
        let sizes = [0, 1, 3, 1_000, 0, CHUNK / 64 - 500, CHUNK / 64 + 1, 7];
        let mut pages = Pages::default();
        let mut lists: Vec<(List<u16>, List<Line>)> =
            sizes.iter().map(|size| (pages.list(*size), pages.list(*size))).collect();
        drop(pages);
        let line = |number: usize, at: usize| Line([(number * 31 + at) as u8; 64]);
        for at in 0..*sizes.iter().max().unwrap() {
            for (number, (small, large)) in lists.iter_mut().enumerate().filter(|(number, _)| at < sizes[*number]) {
                small.push((number * 7 + at) as u16);
                large.push(line(number, at));
            }
        }
        lists.remove(2);
        for (number, (small, large)) in [0, 1, 3, 4, 5, 6, 7].into_iter().zip(&lists) {
            assert_eq!((small.len(), large.len()), (sizes[number], sizes[number]));
            assert!(small.iter().enumerate().all(|(at, found)| *found == (number * 7 + at) as u16), "list {number}");
            assert!(large.iter().enumerate().all(|(at, found)| *found == line(number, at)), "list {number}");
            assert!(large.as_ptr().is_aligned() && small.as_ptr().is_aligned());
        }
    }

    #[test]
    #[should_panic(expected = "a list of 2 is full")]
    fn a_full_list_takes_nothing() {
        let mut list = Pages::default().list(2);
        (0..3).for_each(|number| list.push(number));
    }
}
