//! From schemas that all hold at once to alternatives without choices. Each alternative is a set of schemas whose own
//! keywords all hold.

use super::document::{Document, Id, Json};
use super::fuel::Fuel;
use super::keywords::{at, binds_nothing, check, text_of};
use std::collections::{BTreeSet, HashMap};

/// Schemas whose own keywords hold together. Their `$ref`, `allOf`, `anyOf` and `oneOf` have been followed.
pub(super) type Clause = BTreeSet<Id>;

/// Follows schemas, and remembers what it has seen.
pub(super) struct Clauses {
    anchors: HashMap<String, Option<Id>>,
    /// Schemas that were checked, together with what holds with them.
    checked: BTreeSet<Id>,
    pub(super) fuel: Fuel,
    /// Options of a `oneOf`: no value may fit two of them.
    pub(super) apart: BTreeSet<(Id, Id)>,
}

/// How many alternatives schemas that hold at once may have.
const MAX_CLAUSES: usize = 1000;

impl Clauses {
    pub(super) fn of(document: &Document, fuel: Fuel) -> Self {
        Self { anchors: anchors(document), checked: BTreeSet::new(), fuel, apart: BTreeSet::new() }
    }

    /// Spends fuel.
    pub(super) fn pay(&mut self, steps: usize) -> Result<(), String> {
        self.fuel.pay(steps as u64)
    }

    /// All alternatives. `loose`: options of `oneOf` may overlap.
    pub(super) fn expand(&mut self, document: &Document, all: &[Id], loose: bool) -> Result<Vec<Clause>, String> {
        struct Open {
            clause: Clause,
            pending: Vec<Id>,
            choices: Vec<Id>,
        }
        for schema in all {
            self.check(document, *schema)?;
        }
        let mut open = vec![Open { clause: Clause::new(), pending: all.to_vec(), choices: Vec::new() }];
        let mut done = Vec::new();
        'next: while let Some(mut one) = open.pop() {
            while let Some(schema) = one.pending.pop() {
                self.pay(1 + one.clause.len() / 8)?;
                if is_never(document, schema) {
                    continue 'next;
                }
                if !matches!(document.get(schema), Json::Object(_)) || !one.clause.insert(schema) {
                    continue;
                }
                one.pending.extend(self.target(document, schema)?);
                one.pending.extend(options(document, schema, "allOf").iter().rev());
                for name in ["oneOf", "anyOf"] {
                    one.choices.extend(document.member(schema, name));
                    let options = options(document, schema, name);
                    if name == "oneOf" && !loose {
                        self.pay(options.len() * options.len())?;
                        for (number, option) in options.iter().enumerate() {
                            self.apart.extend(options[..number].iter().map(|other| (*other, *option)));
                        }
                    }
                }
            }
            let Some(choice) = one.choices.pop() else {
                done.push(one.clause);
                if done.len() > MAX_CLAUSES {
                    return Err("it is too large: its choices have too many combinations".into());
                }
                continue;
            };
            let Json::Array(options) = document.get(choice) else { continue };
            self.pay(options.len() * (1 + one.clause.len()))?;
            for option in options.iter().rev() {
                open.push(Open { clause: one.clause.clone(), pending: vec![*option], choices: one.choices.clone() });
            }
        }
        Ok(done)
    }

    /// What a schema refers to.
    fn target(&self, document: &Document, schema: Id) -> Result<Option<Id>, String> {
        let Some(reference) = text_of(document, schema, "$ref") else { return Ok(None) };
        let short: String = reference.chars().take(100).collect();
        let wrong = |why: &str| Err(at(document, schema, &format!("`$ref` to `{short}` {why}")));
        let own = text_of(document, Document::ROOT, "$id").unwrap_or_default();
        let Some((base, fragment)) = reference.split_once('#') else {
            return match reference == own && !own.is_empty() {
                true => Ok(Some(Document::ROOT)),
                false => wrong("is not served: only references inside of the schema are (`#/...`)"),
            };
        };
        if !base.is_empty() && base != own.trim_end_matches('#') {
            return wrong("is not served: only references inside of the schema are (`#/...`)");
        }
        if document.around(schema).any(|above| {
            above != Document::ROOT
                && ["$id", "id"].iter().any(|id| text_of(document, above, id).is_some_and(|id| !id.starts_with('#')))
        }) {
            return wrong("stands in a schema with an `$id` of its own, which is not served");
        }
        let found = match fragment {
            "" => Some(Document::ROOT),
            pointer if pointer.starts_with('/') => document.follow(pointer),
            anchor => self.anchors.get(anchor).copied().flatten(),
        };
        match found {
            Some(found) => Ok(Some(found)),
            None => wrong("was not found"),
        }
    }

    /// Checks a schema and all that holds with it, and that none of it holds because of itself. Without recursion.
    fn check(&mut self, document: &Document, schema: Id) -> Result<(), String> {
        let mut open: Vec<(Id, Vec<Id>)> = Vec::new();
        let mut on_the_way = BTreeSet::new();
        let mut next = Some(schema);
        loop {
            if let Some(schema) = next.take().filter(|schema| !self.checked.contains(schema)) {
                self.pay(1)?;
                check(document, schema)?;
                if !on_the_way.insert(schema) {
                    return Err(at(document, schema, "it refers to itself, so that nothing fits it"));
                }
                let mut with: Vec<Id> = self.target(document, schema)?.into_iter().collect();
                for name in ["allOf", "anyOf", "oneOf"] {
                    with.extend(options(document, schema, name));
                }
                open.push((schema, with));
            }
            let Some((schema, rest)) = open.last_mut() else { return Ok(()) };
            match rest.pop() {
                Some(more) => next = Some(more),
                None => {
                    on_the_way.remove(schema);
                    self.checked.insert(*schema);
                    open.pop();
                }
            }
        }
    }
}

/// Whether a schema plainly says that nothing fits it: `false`, or `not` of anything.
pub(super) fn is_never(document: &Document, schema: Id) -> bool {
    matches!(document.get(schema), Json::Bool(false))
        || document.member(schema, "not").is_some_and(|not| binds_nothing(document, not))
}

fn options<'a>(document: &'a Document, schema: Id, name: &str) -> &'a [Id] {
    match document.member(schema, name).map(|id| document.get(id)) {
        Some(Json::Array(options)) => options,
        _ => &[],
    }
}

/// Names that references may use; `None`: two schemas have this one.
fn anchors(document: &Document) -> HashMap<String, Option<Id>> {
    let mut anchors = HashMap::new();
    for schema in document.ids() {
        let names = ["$anchor", "$id", "id"].map(|name| (name, text_of(document, schema, name)));
        for (name, text) in names.into_iter().filter_map(|(name, text)| Some((name, text?))) {
            let anchor =
                if name == "$anchor" { Some(text) } else { text.strip_prefix('#').filter(|text| !text.is_empty()) };
            if let Some(anchor) = anchor {
                anchors.entry(anchor.to_owned()).and_modify(|known| *known = None).or_insert(Some(schema));
            }
        }
    }
    anchors
}
