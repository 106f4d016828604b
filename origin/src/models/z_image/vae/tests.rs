//! The decoder on slices against the one on tensors.

use super::super::checkpoint::made_up;
use super::*;

#[test]
fn slices_and_tensors_decode_the_same() {
    let shape = DecoderShape { latent: 3, blocks: vec![4, 8, 8], layers: 1, groups: 2, scaling: 0.36, shift: 0.11 };
    let directory = tempfile::tempdir().unwrap();
    made_up::write_decoder(directory.path(), &shape, 5).unwrap();
    let mut decoder = Decoder::load(directory.path(), shape, &Device::Cpu).unwrap();
    let latents = super::super::noise::noise(1, 3 * 5 * 7);
    let slices = decoder.decode(&latents, 5, 7).unwrap();
    decoder.kernels.by_slices = false;
    let tensors = decoder.decode(&latents, 5, 7).unwrap();
    assert_eq!((slices.len(), tensors.len()), (20 * 28 * 3, 20 * 28 * 3));
    let apart = slices.iter().zip(&tensors).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let most = slices.iter().copied().fold(0.0, |most: f32, number| most.max(number.abs()));
    assert!(apart < 1e-4 && most > 0.1, "{apart} of {most}");
    assert!(decoder.decode(&latents[1..], 5, 7).is_err());
}
