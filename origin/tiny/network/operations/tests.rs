//! The gradients against differences, and the rest against what it replaces.

use super::*;
use crate::random::Random;
use candle_core::{Device, Var};

/// Normally distributed numbers.
fn random(shape: &[usize], seed: u64) -> Var {
    let mut random = Random::new(seed);
    let numbers: Vec<f32> = (0..shape.iter().product()).map(|_| random.normal()).collect();
    Var::from_tensor(&Tensor::from_vec(numbers, shape, &Device::Cpu).unwrap()).unwrap()
}

/// Compares gradients with differences: of a sum of the outputs, each with a weight of its own.
fn check(variables: &[Var], function: impl Fn() -> Tensor) {
    let weights = random(function().dims(), 99);
    let value = || (function() * weights.as_tensor()).unwrap().sum_all().unwrap();
    let gradients = value().backward().unwrap();
    for variable in variables {
        let gradient = numbers(gradients.get(variable).unwrap()).unwrap();
        let original = numbers(variable).unwrap();
        for index in 0..original.len() {
            let moved = |by: f32| {
                let mut numbers = original.clone();
                numbers[index] += by;
                variable.set(&made(numbers, variable).unwrap()).unwrap();
                value().to_scalar::<f32>().unwrap()
            };
            let expected = (moved(0.01) - moved(-0.01)) / 0.02;
            let found = gradient[index];
            assert!((expected - found).abs() < 0.02 * (1.0 + expected.abs()), "{index}: {expected} {found}");
        }
        variable.set(&made(original, variable).unwrap()).unwrap();
    }
}

#[test]
fn every_gradient_is_what_differences_say() {
    let (input, weight) = (random(&[3, 8], 1), random(&[8], 2));
    check(&[input.clone(), weight.clone()], || rms_norm(&input, &weight, 1e-6).unwrap());
    let up = random(&[3, 8], 3);
    check(&[input.clone(), up.clone()], || swiglu(&input, &up).unwrap());
    let scores = random(&[2, 6, 3], 4);
    check(std::slice::from_ref(&scores), || causal_softmax(&scores, 0.5).unwrap());
    check(std::slice::from_ref(&input), || cross_entropy(&input, Arc::new(vec![1, 7, 0])).unwrap());
    let joined = random(&[6, 8], 5);
    let angles = Angles::new(&frequencies(100.0, 4), 0..3);
    check(std::slice::from_ref(&joined), || split_heads(&joined, 3, 4, Some(&angles)).unwrap());
    let split = random(&[2, 2, 3, 4], 6);
    check(std::slice::from_ref(&split), || join_heads(&split, 3, 4).unwrap());
}

#[test]
fn what_was_split_is_joined_again() {
    let joined = random(&[6, 8], 5);
    let split = split_heads(&joined, 3, 4, None).unwrap();
    assert_eq!(split.dims(), [2, 2, 3, 4]);
    assert_eq!(numbers(&join_heads(&split, 3, 4).unwrap()).unwrap(), numbers(&joined).unwrap());
    let row = |tensor: &Tensor| numbers(tensor).unwrap()[..4].to_vec();
    let second = joined.as_tensor().narrow(0, 1, 1).unwrap();
    assert_eq!(row(&split.get(0).unwrap().get(0).unwrap().get(1).unwrap()), row(&second));
}

#[test]
fn the_exponential_is_close() {
    for step in -8_600..8_700 {
        let number = step as f32 / 100.0;
        let expected = number.exp();
        assert!((exp(number) / expected - 1.0).abs() < 4e-7, "{number}");
    }
    assert!(exp(f32::NEG_INFINITY) < 1e-37);
}
