//! Stop strings, across token boundaries.

/// Passes text through until a stop string comes. Holds back only what may still become one.
#[derive(Debug)]
pub(crate) struct StopFilter {
    stops: Vec<String>,
    held: String,
    /// Which of them came.
    found: Option<usize>,
}

impl StopFilter {
    /// None of the stops is empty.
    pub(crate) fn new(stops: Vec<String>) -> Self {
        debug_assert!(stops.iter().all(|stop| !stop.is_empty()));
        Self { stops, held: String::new(), found: None }
    }

    /// Takes more text and appends to `out` what is certain not to be part of a stop string. True once one has come:
    /// the earliest counts, of those that begin at one place the shortest, and nothing from its first character on is
    /// passed. Not to be called after that.
    pub(crate) fn push(&mut self, text: &str, out: &mut String) -> bool {
        if self.stops.is_empty() {
            out.push_str(text);
            return false;
        }
        self.held.push_str(text);
        let places = self
            .stops
            .iter()
            .enumerate()
            .filter_map(|(which, stop)| self.held.find(stop.as_str()).map(|at| (at, stop.len(), which)));
        if let Some((at, _, which)) = places.min() {
            self.found = Some(which);
            out.push_str(&self.held[..at]);
            self.held.clear();
            return true;
        }
        let keep = self.stops.iter().map(|stop| overlap(&self.held, stop)).max().unwrap_or(0);
        let pass = self.held.len() - keep;
        out.push_str(&self.held[..pass]);
        self.held.drain(..pass);
        false
    }

    /// The stop string that came, if one did.
    pub(crate) fn found(&self) -> Option<&str> {
        self.found.map(|which| self.stops[which].as_str())
    }

    /// Appends what was held back, at the end of an answer in which no stop string came.
    pub(crate) fn finish(&mut self, out: &mut String) {
        out.push_str(&self.held);
        self.held.clear();
    }
}

/// How many bytes at the end of `text` are a beginning of `stop`, at most all but one of its bytes.
pub(super) fn overlap(text: &str, stop: &str) -> usize {
    let longest = text.len().min(stop.len() - 1);
    // A match of a beginning of `stop` starts at one of its character borders; `ends_with` compares whole bytes.
    (1..=longest)
        .rev()
        .find(|len| stop.is_char_boundary(*len) && text.as_bytes().ends_with(&stop.as_bytes()[..*len]))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(stops: &[&str], pieces: &[&str]) -> (Vec<String>, bool) {
        let mut filter = StopFilter::new(stops.iter().map(ToString::to_string).collect());
        let mut passed = Vec::new();
        for piece in pieces {
            let mut out = String::new();
            let stopped = filter.push(piece, &mut out);
            passed.push(out);
            if stopped {
                return (passed, true);
            }
        }
        let mut out = String::new();
        filter.finish(&mut out);
        passed.push(out);
        (passed, false)
    }

    #[test]
    fn a_stop_across_pieces_is_never_shown() {
        assert_eq!(run(&["END"], &["a E", "N", "D b"]), (vec!["a ".into(), String::new(), String::new()], true));
    }

    #[test]
    fn what_only_looked_like_a_stop_is_shown_after_all() {
        assert_eq!(run(&["END"], &["E", "N", "O"]), (vec!["".into(), "".into(), "ENO".into(), "".into()], false));
        assert_eq!(run(&["END"], &["xEN"]), (vec!["x".into(), "EN".into()], false));
    }

    #[test]
    fn the_earliest_of_several_counts() {
        assert_eq!(run(&["yz", "x"], &["axyz"]), (vec!["a".into()], true));
        assert_eq!(run(&["é"], &["aéb"]), (vec!["a".into()], true));
    }

    #[test]
    fn the_one_that_came_is_told() {
        let found = |stops: &[&str], pieces: &[&str]| {
            let mut filter = StopFilter::new(stops.iter().map(ToString::to_string).collect());
            let _ = pieces.iter().any(|piece| filter.push(piece, &mut String::new()));
            filter.found().map(str::to_owned)
        };
        assert_eq!(found(&["yz", "x"], &["axyz"]).as_deref(), Some("x"));
        assert_eq!(found(&["yz", "x"], &["ay", "zx"]).as_deref(), Some("yz"));
        assert_eq!(found(&["ab", "a"], &["ab"]).as_deref(), Some("a"));
        assert_eq!(found(&["ab", "a"], &["b"]), None);
        assert_eq!(found(&[], &["b"]), None);
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(
            text in "[abé]{0,24}",
            stops in proptest::collection::vec("[abé]{1,4}", 0..4),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let mut borders: Vec<usize> = cuts.iter().map(|cut| {
                let borders: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
                borders[cut.index(borders.len())]
            }).chain([0, text.len()]).collect();
            borders.sort_unstable();
            let pieces: Vec<&str> = borders.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
            let stops: Vec<&str> = stops.iter().map(String::as_str).collect();
            let end = stops.iter().filter_map(|stop| text.find(stop)).min();
            let (passed, stopped) = run(&stops, &pieces);
            // In pieces the first stop to be complete counts, which for overlapping stops may be a later one.
            prop_assert_eq!(stopped, end.is_some());
            if !stopped {
                prop_assert_eq!(passed.concat(), text);
            } else {
                prop_assert!(text.starts_with(&passed.concat()));
                prop_assert!(stops.iter().any(|stop| text[passed.concat().len()..].starts_with(stop)));
            }
        }
    }
}
