//! Keeps what people wrote apart from what the template wrote.

/// Covers control tokens in what people wrote with marks that nobody can guess, so that they pass through the template
/// (which may look into a message) and are found again behind it.
pub(crate) struct Marks {
    controls: Vec<String>,
    prefix: String,
}

/// A part of what a template wrote.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Text whose control tokens are control tokens.
    Text(&'a str),
    /// What a person wrote and looks like a control token.
    Covered(&'a str),
}

/// Private-use characters, which have no case and are no white space: one starts a mark, five of another range that are
/// this process's own follow, and one per control token ends it.
const MARK: char = '\u{f0000}';
const FIRST_INDEX: u32 = 0xf_0100;
const FIRST_RANDOM: u32 = 0xf_1000;

impl Marks {
    /// Marks for these control tokens. `random` decides how they are spelt: a person who spells one by chance or design
    /// has written that control token's text, no more.
    pub(crate) fn new(controls: Vec<String>, random: u64) -> Self {
        let own = (0..5).filter_map(|place| char::from_u32(FIRST_RANDOM + (random >> (12 * place) & 0xfff) as u32));
        Self { controls, prefix: std::iter::once(MARK).chain(own).collect() }
    }

    /// One pass: at every character, the longest control token that starts there.
    pub(crate) fn cover(&self, content: &str) -> String {
        let mut covered = String::with_capacity(content.len());
        let mut rest = content;
        while let Some(character) = rest.chars().next() {
            let special = (0u32..)
                .zip(&self.controls)
                .filter(|(_, special)| !special.is_empty() && rest.starts_with(special.as_str()))
                .max_by_key(|(_, special)| special.len());
            match special.and_then(|(index, special)| Some((char::from_u32(FIRST_INDEX + index)?, special))) {
                Some((index, special)) => {
                    covered.push_str(&self.prefix);
                    covered.push(index);
                    rest = &rest[special.len()..];
                }
                None => {
                    covered.push(character);
                    rest = &rest[character.len_utf8()..];
                }
            }
        }
        covered
    }

    /// What was covered, and what stands around it. None is empty.
    pub(crate) fn split<'b>(&'b self, rendered: &'b str) -> Vec<Piece<'b>> {
        let mut pieces = Vec::new();
        let mut rest = rendered;
        while let Some(at) = rest.find(self.prefix.as_str()) {
            pieces.push(Piece::Text(&rest[..at]));
            rest = &rest[at..];
            match self.mark(rest) {
                Some((special, length)) => {
                    pieces.push(Piece::Covered(special));
                    rest = &rest[length..];
                }
                // A mark that the template cut in two stands for nothing.
                None => rest = &rest[self.prefix.len()..],
            }
        }
        pieces.push(Piece::Text(rest));
        pieces.retain(|piece| !matches!(piece, Piece::Text("")));
        pieces
    }

    /// The control token whose mark `text` starts with, and the mark's length in bytes.
    pub(crate) fn mark(&self, text: &str) -> Option<(&str, usize)> {
        let index = text.strip_prefix(self.prefix.as_str())?.chars().next()?;
        let special = self.controls.get(u32::from(index).checked_sub(FIRST_INDEX)? as usize)?;
        Some((special, self.prefix.len() + index.len_utf8()))
    }

    /// Text as people wrote it.
    pub(crate) fn uncover(&self, text: &str) -> String {
        let spell = |piece| match piece {
            Piece::Text(text) | Piece::Covered(text) => text,
        };
        self.split(text).into_iter().map(spell).collect()
    }
}
