//! In what order members stand: the schema's first, in its order, then those whose names are free; and how many.

use crate::engine::grammar::schema::Compiler;
use crate::engine::grammar::schema::rules::{Sym, Ways};
use std::collections::HashMap;

/// A member that an object may have.
pub(super) struct Member {
    pub(super) parts: Vec<Sym>,
    pub(super) is_required: bool,
}

/// What an object may consist of.
pub(super) struct Members {
    pub(super) known: Vec<Member>,
    /// One member of any other name; two of them may have one name.
    pub(super) free: Option<Sym>,
    pub(super) comma: Sym,
    /// Whether members are counted as if no two of a free name were the same.
    pub(super) loose: bool,
}

/// How many places and counts there may be where members are counted.
const MAX_COUNTED: u64 = 4000;

impl Compiler {
    /// Members in their order, with nothing counted: at least one.
    pub(super) fn any_of(&mut self, members: &Members) -> Result<Option<Sym>, String> {
        let all = members.known.len() + usize::from(members.free.is_some());
        let mut tails = HashMap::new();
        (all > 0).then(|| self.first(members, 0, all, &mut tails)).transpose()
    }

    /// At least one of some members, of which the first one has no comma in front.
    fn first(
        &mut self,
        members: &Members,
        from: usize,
        to: usize,
        tails: &mut HashMap<(usize, usize), Vec<Sym>>,
    ) -> Result<Sym, String> {
        if to - from == 1 {
            let way = match members.known.get(from) {
                Some(member) => member.parts.clone(),
                None => members.free.iter().cloned().chain([members.more(0, None)]).collect(),
            };
            return self.rules.rule(vec![way]);
        }
        let middle = from.midpoint(to);
        let mut ways =
            vec![[vec![self.first(members, from, middle, tails)?], self.tail(members, middle, to, tails)?].concat()];
        if !members.known[from..middle].iter().any(|member| member.is_required) {
            ways.push(vec![self.first(members, middle, to, tails)?]);
        }
        self.rules.rule(ways)
    }

    /// Any of some members, each with a comma in front.
    fn tail(
        &mut self,
        members: &Members,
        from: usize,
        to: usize,
        tails: &mut HashMap<(usize, usize), Vec<Sym>>,
    ) -> Result<Vec<Sym>, String> {
        if let Some(tail) = tails.get(&(from, to)) {
            return Ok(tail.clone());
        }
        let tail = if to - from == 1 {
            match members.known.get(from) {
                Some(member) => {
                    let parts = [std::slice::from_ref(&members.comma), &member.parts].concat();
                    if member.is_required { parts } else { vec![Sym::Repeat(parts, 0, Some(1))] }
                }
                None => vec![members.more(0, None)],
            }
        } else {
            let middle = from.midpoint(to);
            let parts = [self.tail(members, from, middle, tails)?, self.tail(members, middle, to, tails)?].concat();
            if parts.len() > 8 { vec![self.rules.rule(vec![parts])?] } else { parts }
        };
        tails.insert((from, to), tail.clone());
        Ok(tail)
    }

    /// Members in their order, at least one, of which there are so many.
    pub(super) fn counted(&mut self, members: &Members, least: u64, most: Option<u64>) -> Result<Option<Sym>, String> {
        let all = members.known.len() as u64;
        // Beyond this many, it does not matter how many there were.
        let enough = most.unwrap_or_else(|| least.max(1)).min(all).max(1);
        if (all + 1) * (enough + 1) > MAX_COUNTED {
            return Err("it is too large: too many members are counted".into());
        }
        let Ok(enough) = usize::try_from(enough) else { return Ok(None) };
        // What may come after so many members of the schema's were looked at, of which so many were taken.
        let mut after: Vec<Option<Sym>> = Vec::new();
        for taken in 0..=enough {
            let ways = members.at_the_end(taken as u64, least, most);
            after.push(if ways.is_empty() { None } else { Some(self.rules.rule(ways)?) });
        }
        for member in members.known.iter().rev() {
            let mut before = Vec::new();
            for taken in 0..=enough {
                let mut ways = Vec::new();
                let has_room = most.is_none_or(|most| (taken as u64) < most);
                if let Some(then) = after[(taken + 1).min(enough)].as_ref().filter(|_| has_room) {
                    let comma = (taken > 0).then(|| members.comma.clone());
                    ways.push(comma.into_iter().chain(member.parts.iter().cloned()).chain([then.clone()]).collect());
                }
                ways.extend(after[taken].iter().filter(|_| !member.is_required).map(|then| vec![then.clone()]));
                before.push(if ways.is_empty() { None } else { Some(self.rules.rule(ways)?) });
            }
            after = before;
        }
        Ok(after.swap_remove(0))
    }
}

impl Members {
    /// More members of free names, each with a comma in front.
    fn more(&self, least: u64, most: Option<u64>) -> Sym {
        Sym::Repeat([self.comma.clone()].into_iter().chain(self.free.clone()).collect(), least, most)
    }

    /// What may come after all of the schema's members, of which so many are there.
    fn at_the_end(&self, taken: u64, least: u64, most: Option<u64>) -> Ways {
        let missing = least.saturating_sub(taken);
        let room = most.map(|most| most.saturating_sub(taken)).map(|room| room.min(i32::MAX as u64));
        match (&self.free, taken) {
            // An empty object is written elsewhere.
            (None, 0) => Vec::new(),
            (None, _) if missing == 0 => vec![Vec::new()],
            (None, _) => Vec::new(),
            // Two of them may have one name, and are one member then.
            (Some(_), _) if missing > 1 && !self.loose => Vec::new(),
            (Some(_), _) if room.is_some_and(|room| room < missing.max(u64::from(taken == 0))) => Vec::new(),
            (Some(free), 0) => {
                let more = self.more(missing.saturating_sub(1), room.map(|room| room - 1));
                vec![vec![free.clone(), more]]
            }
            (Some(_), _) => vec![vec![self.more(missing, room)]],
        }
    }
}
