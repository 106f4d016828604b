//! Members of an answer in JSON: how they are written, and what schema they have.

use crate::random::Random;
use serde_json::{Map, Value, json};

/// A member of an object.
#[derive(Clone, Debug)]
pub(super) struct Field {
    /// Its name.
    pub(super) key: String,
    /// What it holds.
    pub(super) holds: Holds,
}

/// What a member holds.
#[derive(Clone, Debug)]
pub(super) enum Holds {
    Text(String),
    Number(usize),
    /// One of these words.
    Choice(&'static str, &'static [&'static str]),
    Texts(Vec<String>),
    Object(Vec<Field>),
    Objects(Vec<Vec<Field>>),
}

/// As Python's `json.dumps` writes it.
pub(super) fn written(fields: &[Field]) -> String {
    let members: Vec<String> =
        fields.iter().map(|field| format!("\"{}\": {}", field.key, field.holds.written())).collect();
    format!("{{{}}}", members.join(", "))
}

/// What a schema is called, and who writes it like this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writer {
    /// Titles everywhere, and objects in an object by reference.
    Pydantic,
    /// Nothing but what binds, and no other members.
    Zod,
}

impl Writer {
    /// One of them.
    pub(super) fn any(random: &mut Random) -> Self {
        if random.once_in(2) { Self::Pydantic } else { Self::Zod }
    }

    /// The schema of an object with these members.
    pub(super) fn schema(self, title: &str, fields: &[Field]) -> Value {
        let mut definitions = Map::new();
        let mut schema = self.object(fields, &mut definitions);
        if self == Self::Pydantic {
            schema["title"] = title.into();
            if !definitions.is_empty() {
                schema["$defs"] = definitions.into();
            }
        }
        schema
    }

    fn object(self, fields: &[Field], definitions: &mut Map<String, Value>) -> Value {
        let mut properties = Map::new();
        for field in fields {
            let mut schema = self.member(field, definitions);
            if self == Self::Pydantic && schema.get("$ref").is_none() {
                schema["title"] = title(&field.key).into();
            }
            properties.insert(field.key.clone(), schema);
        }
        let required: Vec<&str> = fields.iter().map(|field| field.key.as_str()).collect();
        let mut schema = json!({"type": "object", "properties": properties, "required": required});
        if self == Self::Zod {
            schema["additionalProperties"] = false.into();
        }
        schema
    }

    fn member(self, field: &Field, definitions: &mut Map<String, Value>) -> Value {
        let mut inner = |fields: &[Field]| match self {
            Self::Zod => self.object(fields, definitions),
            Self::Pydantic => {
                let name = title(&field.key);
                let schema = self.object(fields, definitions);
                definitions.insert(name.clone(), schema);
                json!({"$ref": format!("#/$defs/{name}")})
            }
        };
        match &field.holds {
            Holds::Text(_) => json!({"type": "string"}),
            Holds::Number(_) => json!({"type": "integer"}),
            Holds::Choice(_, words) => json!({"type": "string", "enum": words}),
            Holds::Texts(_) => json!({"type": "array", "items": {"type": "string"}}),
            Holds::Object(fields) => inner(fields),
            Holds::Objects(all) => {
                json!({"type": "array", "items": inner(all.first().map(Vec::as_slice).unwrap_or_default())})
            }
        }
    }
}

impl Holds {
    fn written(&self) -> String {
        match self {
            Self::Text(text) => format!("\"{text}\""),
            Self::Number(number) => number.to_string(),
            Self::Choice(word, _) => format!("\"{word}\""),
            Self::Texts(texts) => {
                let texts: Vec<String> = texts.iter().map(|text| format!("\"{text}\"")).collect();
                format!("[{}]", texts.join(", "))
            }
            Self::Object(fields) => written(fields),
            Self::Objects(all) => {
                let all: Vec<String> = all.iter().map(|fields| written(fields)).collect();
                format!("[{}]", all.join(", "))
            }
        }
    }

    /// What the type is called where a person names it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::Choice(..) => "string",
            Self::Number(_) => "integer",
            Self::Texts(_) => "list of strings",
            Self::Object(_) => "object",
            Self::Objects(_) => "list of objects",
        }
    }
}

fn title(key: &str) -> String {
    let words = key.split('_').map(|word| word[..1].to_uppercase() + &word[1..]);
    words.collect::<Vec<_>>().join("")
}
