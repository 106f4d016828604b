//! English.

use super::Words;
use crate::random::Random;

/// What may stand before a wording that begins with the shape.
pub(super) const OPENINGS: &[&str] =
    &["draw", "please draw", "paint", "please paint", "show me", "a picture of", "an image of", "there is"];

pub(super) const WORDS: Words = Words {
    trained: &[
        "a {size} {colour} {shape} {place} on a {background} background",
        "a {size} {colour} {shape} {place}, {background} background",
        "a {size} {colour} {shape} {place} against a {background} background",
        "a {size} {colour} {shape} {place} with a {background} background",
        "a {size} {colour} {shape} {place} on {background}",
        "a {size} {colour} {shape} {place}, and the background is {background}",
        "on a {background} background, a {size} {colour} {shape} {place}",
        "{place}, a {size} {colour} {shape} on a {background} background",
        "{place} of a {background} background is a {size} {colour} {shape}",
        "a {background} background with a {size} {colour} {shape} {place}",
        "a {background} picture and a {size} {colour} {shape} {place}",
        "{size} {colour} {shape}, {place}, {background} background",
        "{colour} {shape}, {size}, {place}; the background is {background}",
        "the {shape} is {colour} and {size}, it is {place}, the background is {background}",
        "a {size} {colour} {shape} on a {background} background",
        "a {colour} {shape} on a {background} background",
        "a {colour} {shape} {place} on a {background} background",
        "a {size} {colour} {shape} {place}",
        "a {colour} {shape} {place}",
        "a {size} {colour} {shape}",
        "a {colour} {shape}",
    ],
    held: &[
        "{place} there is a {size} {colour} {shape}, and the background is {background}",
        "please paint a {background} background and a {size} {colour} {shape} {place}",
        "a {colour} {shape}, {size}, {place}, against a {background} background",
        "the background is {background}; {place} is a {size} {colour} {shape}",
        "a {size} {colour} {shape} on a {background} background, {place}",
        "on {background}, {place}, a {size} {colour} {shape}",
    ],
    colours: [
        &["red"],
        &["orange"],
        &["yellow"],
        &["green"],
        &["blue"],
        &["purple", "violet"],
        &["pink"],
        &["black"],
        &["white"],
        &["gray", "grey"],
    ],
    shapes: [&["circle", "circle", "disc", "dot"], &["square", "square", "box"], &["triangle"]],
    sizes: [&["small", "little", "tiny"], &["medium", "medium-sized", ""], &["large", "big", "huge"]],
    places: [
        &["in the upper left", "at the top left", "in the top left corner", "in the upper left corner"],
        &["at the top", "near the top", "in the upper middle"],
        &["in the upper right", "at the top right", "in the top right corner", "in the upper right corner"],
        &["on the left", "at the left", "on the left side"],
        &["in the center", "in the centre", "in the middle"],
        &["on the right", "at the right", "on the right side"],
        &["in the lower left", "at the bottom left", "in the bottom left corner", "in the lower left corner"],
        &["at the bottom", "near the bottom", "in the lower middle"],
        &["in the lower right", "at the bottom right", "in the bottom right corner", "in the lower right corner"],
    ],
};

/// As somebody writes it: with an opening or without, capitals and a full stop or not, and "an" where it belongs.
pub(super) fn written(text: &str, random: &mut Random) -> String {
    // A medium size may be no word.
    let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
    let mut text = words.join(" ").replace(" ,", ",");
    if text.starts_with("a ") && random.once_in(3) {
        text = format!("{} {text}", random.pick(OPENINGS));
    }
    text = text.replace("a orange", "an orange");
    if random.once_in(3) {
        // All of it begins with a letter of ASCII.
        text = text[..1].to_uppercase() + &text[1..];
        text.push('.');
    }
    text
}
