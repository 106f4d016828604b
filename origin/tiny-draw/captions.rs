//! Captions: what people write who want such a picture, in English and in Chinese.
//!
//! A wording says some parts of a scene in some order. What it leaves out is what is usual: a medium size, the centre,
//! a white background, or a black one behind a white shape. Some wordings are kept from the training; every word of
//! theirs is in others, too.

mod chinese;
mod english;

use crate::random::Random;
use crate::scene::{Colour, Place, Scene, Size};

/// Which wordings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Those of the training.
    Trained,
    /// Those that are kept from it.
    Held,
}

/// A language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    /// English.
    English,
    /// Chinese.
    Chinese,
}

/// What a language calls the parts of a scene. Each list is of words for the same.
struct Words {
    trained: &'static [&'static str],
    held: &'static [&'static str],
    colours: [&'static [&'static str]; Colour::COUNT],
    /// Circle, square, triangle.
    shapes: [&'static [&'static str]; 3],
    /// Small, medium, large.
    sizes: [&'static [&'static str]; 3],
    /// Row by row.
    places: [&'static [&'static str]; Place::COUNT],
}

/// A scene and what is said of it.
#[derive(Clone, Debug)]
pub(crate) struct Captioned {
    /// What is meant.
    pub(crate) scene: Scene,
    /// What is said.
    pub(crate) caption: String,
}

impl Captioned {
    /// A scene of the training, or one with a pair of colour and shape that is kept from it.
    pub(crate) fn random(random: &mut Random, language: Language, kind: Kind, is_held: bool) -> Self {
        let words = match language {
            Language::English => &english::WORDS,
            Language::Chinese => &chinese::WORDS,
        };
        let wording = random.pick(if kind == Kind::Held { words.held } else { words.trained });
        let scene = usual(wording, Scene::random(random, is_held));
        let caption = words.filled(wording, &scene, random);
        let caption = if language == Language::English { english::written(&caption, random) } else { caption };
        Self { scene, caption }
    }

    /// One of the training, in either language.
    pub(crate) fn of_training(random: &mut Random) -> Self {
        let language = if random.below(10) < 6 { Language::English } else { Language::Chinese };
        Self::random(random, language, Kind::Trained, false)
    }
}

/// The scene with what is usual where this wording says nothing.
fn usual(wording: &str, mut scene: Scene) -> Scene {
    if !wording.contains("{size}") {
        scene.size = Size::Medium;
    }
    if !wording.contains("{place}") {
        scene.place = Place::CENTRE;
    }
    if !wording.contains("{background}") {
        scene.background = if scene.colour == Colour::WHITE { Colour::BLACK } else { Colour::WHITE };
    }
    scene
}

impl Words {
    fn filled(&self, wording: &str, scene: &Scene, random: &mut Random) -> String {
        let size = self.sizes[scene.size as usize];
        let parts = [
            ("{size}", size),
            ("{colour}", self.colours[scene.colour.0]),
            ("{shape}", self.shapes[scene.shape as usize]),
            ("{place}", self.places[scene.place.number()]),
            ("{background}", self.colours[scene.background.0]),
        ];
        // Alone between commas a size is never left out.
        let is_alone = !wording.contains("{size} {colour}") && !wording.contains("{size}{colour}");
        let mut word = |words: &[&'static str]| loop {
            let word = random.pick(words);
            if !(is_alone && word.is_empty()) {
                break word;
            }
        };
        parts.iter().fold(wording.to_owned(), |text, (name, words)| text.replace(name, word(words)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// Words of held-out wordings are known from others, and no wording is both.
    #[test]
    fn what_is_held_out_is_the_wording_and_not_its_words() {
        let apart = |wording: &&str| -> Vec<String> {
            let parts = wording.split(|character: char| "{}，, .;".contains(character));
            parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
        };
        let english = &english::WORDS;
        let mut known: HashSet<String> = english.trained.iter().flat_map(apart).collect();
        known.extend(english::OPENINGS.iter().flat_map(apart));
        assert!(english.held.iter().flat_map(apart).all(|word| known.contains(&word)));
        let characters =
            |wordings: &[&str]| wordings.iter().flat_map(|wording| wording.chars()).collect::<HashSet<_>>();
        assert!(characters(chinese::WORDS.held).is_subset(&characters(chinese::WORDS.trained)));
        for words in [english, &chinese::WORDS] {
            assert!(words.held.iter().all(|wording| !words.trained.contains(wording)));
        }
    }

    #[test]
    fn captions_say_what_their_scenes_are() {
        let mut random = Random::new(4);
        for number in 0..500 {
            let language = if number % 2 == 0 { Language::English } else { Language::Chinese };
            let kind = if number % 3 == 0 { Kind::Held } else { Kind::Trained };
            let Captioned { scene, caption } = Captioned::random(&mut random, language, kind, number % 5 == 0);
            assert!(!caption.contains(['{', '}']) && !caption.contains("  "), "{caption}");
            assert_eq!(scene.is_held(), number % 5 == 0);
            let words = if number % 2 == 0 { &english::WORDS } else { &chinese::WORDS };
            let says = |all: &[&str]| all.iter().any(|word| caption.to_lowercase().contains(&word.to_lowercase()));
            assert!(says(words.colours[scene.colour.0]) && says(words.shapes[scene.shape as usize]), "{caption}");
            assert!(scene.place == Place::CENTRE || says(words.places[scene.place.number()]), "{caption}");
            assert!(scene.size == Size::Medium || says(words.sizes[scene.size as usize]), "{caption}");
            assert_ne!(scene.colour, scene.background);
        }
    }
}
