//! The loops on slices against candle's operations on tensors.

use super::*;
use crate::engine::sampler::SplitMix64;
use proptest::prelude::*;

fn random(seed: u64, rows: usize, width: usize) -> Tensor {
    let mut source = SplitMix64::new(seed);
    let numbers = (0..rows * width).map(|_| (source.uniform() * 4.0 - 2.0) as f32).collect();
    Tensor::from_vec(numbers, (rows, width), &Device::Cpu).unwrap()
}

fn apart(left: &Tensor, right: &Tensor) -> f32 {
    assert_eq!(left.dims(), right.dims());
    (left - right).unwrap().abs().unwrap().flatten_all().unwrap().max(0).unwrap().to_scalar().unwrap()
}

/// A part that is computed by both kinds of kernels.
type Computed<'a> = &'a dyn Fn(&Kernels) -> Result<Tensor>;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Rows beyond one block of any kernel, widths beyond and below a vector.
    #[test]
    fn slices_and_tensors_compute_the_same(rows in 1usize..300, heads in 1usize..4, pairs in 1usize..20, seed in any::<u64>()) {
        let ours = Kernels::new(&Device::Cpu, DType::F32);
        let theirs = Kernels { by_slices: false, ..ours.clone() };
        let (head, width) = (2 * pairs, heads * 2 * pairs);
        let (a, b, c) = (random(seed, rows, width), random(seed ^ 1, rows, width), random(seed ^ 2, rows, width));
        let weights = random(seed ^ 3, 1, width).squeeze(0).unwrap();
        let of_head = random(seed ^ 4, 1, head).squeeze(0).unwrap();
        let angle = random(seed ^ 5, rows, pairs);
        let angles = Angles { cosines: angle.cos().unwrap(), sines: angle.sin().unwrap() };
        let both: [(&str, Computed<'_>); 6] = [
            ("normed", &|way| way.normed(&a, &weights, 1e-5)),
            ("plus_normed", &|way| way.plus_normed(&b, &a, &weights, 1e-5)),
            ("centred", &|way| way.centred(&a, &weights, 1e-6)),
            ("turned", &|way| way.turned(&a, &of_head, &angles, 1e-5)),
            ("swiglu", &|way| way.swiglu(&a, &b)),
            ("attention", &|way| way.attention([&a, &b, &c], heads)),
        ];
        for (name, compute) in both {
            // A row of two numbers that are alike has hardly any deviation, which both divide by.
            if name == "centred" && width < 4 {
                continue;
            }
            let off = apart(&compute(&ours).unwrap(), &compute(&theirs).unwrap());
            prop_assert!(off < 2e-5, "{}: {}", name, off);
        }
    }
}
