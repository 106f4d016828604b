//! How noise becomes a picture: at which noise levels the network is asked, and how far each answer is followed.
//!
//! As diffusers' `FlowMatchEulerDiscreteScheduler` computes for this pipeline: with the shift of the config, and not
//! with one that depends on the picture's size.

/// How many steps a picture may take. Turbo is made for eight.
pub const MOST_STEPS: usize = 50;
/// The steps that the model is made for.
pub const STEPS: usize = 8;

/// One question to the network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The share of noise in the latents: 1 at first.
    pub sigma: f64,
    /// The share after this step: 0 after the last.
    pub next: f64,
}

impl Step {
    /// The time that the network is told: 0 is noise alone, 1 is none.
    pub fn time(&self) -> f64 {
        1.0 - self.sigma
    }

    /// Follows the network's answer, from this step's noise to the next one's (Euler). The network tells the direction
    /// to less noise, so that the reference negates it first.
    pub fn follow(&self, latents: &mut [f32], answer: &[f32]) {
        let way = (self.next - self.sigma) as f32;
        for (latent, answer) in latents.iter_mut().zip(answer) {
            *latent += way * -answer;
        }
    }

    /// Where the network's answer leads to, from latents of this step's noise: what they are without it.
    pub fn clean(&self, latents: &[f32], answer: &[f32]) -> Vec<f32> {
        let way = self.sigma as f32;
        latents.iter().zip(answer).map(|(latent, answer)| latent + way * answer).collect()
    }
}

/// The steps of a picture: with `u` from 1 in even steps, `sigma = shift * u / (1 + (shift - 1) * u)`.
pub fn steps(count: usize, shift: f64) -> Vec<Step> {
    let sigma = |step: usize| {
        let left = 1.0 - step as f64 / count as f64;
        shift * left / (1.0 + (shift - 1.0) * left)
    };
    (0..count).map(|step| Step { sigma: sigma(step), next: sigma(step + 1) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_steps_are_the_reference_ones() {
        // diffusers 0.42.1, of this scheduler's config.
        let expected = [1.0, 0.9545, 0.9, 0.8333, 0.75, 0.6429, 0.5, 0.3, 0.0];
        let steps = steps(8, 3.0);
        for (step, pair) in steps.iter().zip(expected.windows(2)) {
            assert!((step.sigma - pair[0]).abs() < 5e-5 && (step.next - pair[1]).abs() < 5e-5, "{step:?}");
            assert!((step.time() - (1.0 - pair[0])).abs() < 5e-5);
        }
        assert_eq!(steps.len(), 8);
    }

    /// A network that always tells the way from this noise to a picture gets there, whatever the steps are.
    #[test]
    fn a_straight_way_is_followed_to_its_end() {
        let (noise, picture) = ([0.5f32, -1.0, 2.0], [1.0f32, 0.0, -0.25]);
        let answer: Vec<f32> = noise.iter().zip(&picture).map(|(noise, picture)| picture - noise).collect();
        for count in [1, 2, 8, MOST_STEPS] {
            for shift in [1.0, 3.0, 6.0] {
                let mut latents = noise;
                for step in steps(count, shift) {
                    // And is seen from everywhere on it.
                    let clean = step.clean(&latents, &answer);
                    assert!(clean.iter().zip(&picture).all(|(found, wanted)| (found - wanted).abs() < 1e-5));
                    step.follow(&mut latents, &answer);
                }
                assert!(
                    latents.iter().zip(&picture).all(|(found, wanted)| (found - wanted).abs() < 1e-5),
                    "{latents:?}"
                );
            }
        }
    }
}
