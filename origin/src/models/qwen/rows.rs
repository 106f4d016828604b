//! Rows of numbers on the CPU: how they are made, where they go, and how they are reached inside tensors.

use candle_core::utils::barrier_pool;
use candle_core::{CpuStorage, Result, Storage, Tensor};
use half::bf16;
use std::ops::Deref;
use std::sync::{Mutex, PoisonError};

/// Writes the row of this number.
pub(crate) type Fill<'a> = dyn Fn(usize, &mut [f32]) + Sync + 'a;

/// Where products go: one slice per row.
pub(crate) struct Target<'a> {
    pub(crate) rows: Vec<&'a mut [f32]>,
    /// Whether they are added to what is there.
    pub(crate) add: bool,
}

impl<'a> Target<'a> {
    /// `[rows, height]`, to be overwritten.
    pub(crate) fn all(numbers: &'a mut [f32], height: usize) -> Self {
        Self { rows: numbers.chunks_exact_mut(height).collect(), add: false }
    }

    /// `[rows, height]`, to be added to.
    pub(crate) fn added(numbers: &'a mut [f32], height: usize) -> Self {
        Self { add: true, ..Self::all(numbers, height) }
    }
}

/// The numbers of a CPU tensor's storage.
pub(crate) fn slice(storage: &Storage) -> Result<&[f32]> {
    match storage {
        Storage::Cpu(CpuStorage::F32(numbers)) => Ok(numbers),
        _ => candle_core::bail!("the CPU computes in F32"),
    }
}

/// The numbers of a contiguous F32 tensor on the CPU.
pub(crate) fn numbers(tensor: &Tensor) -> Result<impl Deref<Target = [f32]> + '_> {
    let (guard, layout) = tensor.storage_and_layout();
    slice(&guard)?;
    if !layout.is_contiguous() {
        candle_core::bail!("the CPU computes with contiguous tensors");
    }
    Ok(Numbers { guard, start: layout.start_offset(), count: tensor.elem_count() })
}

/// The numbers of a contiguous BF16 tensor on the CPU.
pub(crate) fn halves(tensor: &Tensor) -> Result<impl Deref<Target = [bf16]> + '_> {
    let (guard, layout) = tensor.storage_and_layout();
    if !layout.is_contiguous() || bf16s(&guard).is_none() {
        candle_core::bail!("not a contiguous matrix in BF16 on the CPU");
    }
    Ok(Halves { guard, start: layout.start_offset(), count: tensor.elem_count() })
}

fn bf16s(storage: &Storage) -> Option<&[bf16]> {
    match storage {
        Storage::Cpu(CpuStorage::BF16(numbers)) => Some(numbers),
        _ => None,
    }
}

/// The same in BF16.
struct Halves<Guard> {
    guard: Guard,
    start: usize,
    count: usize,
}

impl<Guard: Deref<Target = Storage>> Deref for Halves<Guard> {
    type Target = [bf16];

    fn deref(&self) -> &[bf16] {
        let numbers = bf16s(&self.guard).expect("looked at when this was made");
        &numbers[self.start..][..self.count]
    }
}

/// Numbers whose tensor is locked for reading.
struct Numbers<Guard> {
    guard: Guard,
    start: usize,
    count: usize,
}

impl<Guard: Deref<Target = Storage>> Deref for Numbers<Guard> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        let numbers = slice(&self.guard).expect("looked at when this was made");
        &numbers[self.start..][..self.count]
    }
}

/// Does some work on each of these parts, on all threads.
pub(crate) fn in_parallel<T: Send>(parts: Vec<T>, work: impl Fn(usize, T) + Sync) {
    if parts.len() < 2 {
        parts.into_iter().for_each(|part| work(0, part));
        return;
    }
    let parts: Vec<Mutex<Option<T>>> = parts.into_iter().map(|part| Mutex::new(Some(part))).collect();
    barrier_pool().execute_chunked(parts.len(), |range| {
        for number in range {
            // Each part is taken once; no thread can have panicked with it locked.
            let part = parts[number].lock().unwrap_or_else(PoisonError::into_inner).take();
            part.into_iter().for_each(|part| work(number, part));
        }
    });
}
