//! Numbered places, each for one holder at a time: what JavaScript says later of a holder that is gone concerns nobody.

/// All places.
pub struct Places<T> {
    all: Vec<(u32, Option<T>)>,
    free: Vec<usize>,
}

/// A place and its holder, which no other holder of it had within four thousand million.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which place.
    pub number: usize,
    /// Which of its holders.
    pub holder: u32,
}

impl<T> Default for Places<T> {
    fn default() -> Self {
        Self { all: Vec::new(), free: Vec::new() }
    }
}

impl<T> Places<T> {
    /// Puts this into a place that is free.
    pub fn take(&mut self, value: T) -> Place {
        let number = self.free.pop().unwrap_or_else(|| {
            self.all.push((0, None));
            self.all.len() - 1
        });
        let (holder, state) = &mut self.all[number];
        *holder = holder.wrapping_add(1);
        *state = Some(value);
        Place { number, holder: *holder }
    }

    /// What its holder has put there; nothing if it has given it back.
    pub fn get(&self, Place { number, holder }: Place) -> Option<&T> {
        let (last, state) = self.all.get(number)?;
        state.as_ref().filter(|_| *last == holder)
    }

    /// Frees a place for others; hands out what its holder had there.
    pub fn give_back(&mut self, place: Place) -> Option<T> {
        self.get(place)?;
        self.free.push(place.number);
        self.all[place.number].1.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_one_holder_and_nobody_finds_what_is_anothers() {
        let mut places = Places::default();
        let first = places.take('a');
        let second = places.take('b');
        assert_eq!((places.get(first), places.get(second)), (Some(&'a'), Some(&'b')));
        assert_eq!(places.give_back(first), Some('a'));
        assert_eq!(places.get(first), None);
        assert_eq!(places.give_back(first), None);
        let third = places.take('c');
        assert_eq!((third.number, places.get(third)), (first.number, Some(&'c')));
        // Who had it before finds and frees nothing.
        assert_eq!(places.get(first), None);
        assert_eq!(places.give_back(first), None);
        assert_eq!(places.get(Place { number: 9, holder: 0 }), None);
    }

    #[test]
    fn there_are_as_many_as_are_held_at_once() {
        let mut places = Places::default();
        for _ in 0..1_000 {
            let taken: Vec<_> = (0..5).map(|value| places.take(value)).collect();
            taken.into_iter().for_each(|place| assert!(places.give_back(place).is_some()));
        }
        assert_eq!(places.all.len(), 5);
    }
}
