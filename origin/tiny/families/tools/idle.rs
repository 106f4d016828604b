//! Tools that no question here needs, as front ends send dozens of them with each message: for notes, files, calendars
//! and the like.

use crate::dialogue::Split;
use crate::families::words::{NAMES, WORDS};
use crate::random::Random;
use serde_json::{Map, Value, json};

/// What tools are for: one of it, and several.
struct Subjects {
    train: &'static [(&'static str, &'static str)],
    held: &'static [(&'static str, &'static str)],
}

const SUBJECTS: Subjects = Subjects {
    train: &[
        ("note", "notes"),
        ("memory", "memories"),
        ("chat", "chats"),
        ("channel message", "channel messages"),
        ("file", "files"),
        ("calendar event", "calendar events"),
        ("task", "tasks"),
        ("contact", "contacts"),
        ("image", "images"),
        ("web page", "web pages"),
        ("reminder", "reminders"),
        ("document", "documents"),
        ("folder", "folders"),
        ("bookmark", "bookmarks"),
        ("ticket", "tickets"),
        ("mail", "mails"),
        ("prompt", "prompts"),
        ("knowledge base", "knowledge bases"),
        ("song", "songs"),
        ("order", "orders"),
        ("customer", "customers"),
        ("table row", "table rows"),
        ("meeting", "meetings"),
        ("alarm", "alarms"),
        ("device", "devices"),
    ],
    held: &[
        ("invoice", "invoices"),
        ("recipe", "recipes"),
        ("project", "projects"),
        ("photo", "photos"),
        ("automation", "automations"),
        ("skill", "skills"),
        ("article", "articles"),
        ("thread", "threads"),
    ],
};

/// What is done, what is said of it, and what has to be said for it.
const DEEDS: &[(&str, &[&str], &[&str])] = &[
    (
        "search_{s}",
        &[
            "Search the user's {s} for words and return those that fit best.",
            "Look for {s} by what is in them. Returns ids, titles and a part of the text.",
            "Finds {s}. Use it when the user asks for something that may stand in one of the {s}.",
        ],
        &["query", "count", "start", "end"],
    ),
    (
        "list_{s}",
        &[
            "List the {s} that the user can see, the newest first.",
            "Lists all {s} with their ids. Long lists come in pages.",
            "Returns the user's {s}, with title, id and when they were changed.",
        ],
        &["count", "skip", "sort"],
    ),
    (
        "view_{o}",
        &[
            "Get the whole text of a {o} by its id.",
            "Read one {o}. Call search_{s} first if the id is not known.",
            "Returns a {o} with everything in it.",
        ],
        &["id"],
    ),
    (
        "create_{o}",
        &[
            "Create a new {o} with a title and a text.",
            "Writes a new {o} for the user and returns its id. Do this only if the user asks for it.",
            "Make a {o}.",
        ],
        &["title", "content", "tags"],
    ),
    (
        "update_{o}",
        &[
            "Change the text of a {o} that is there already.",
            "Replaces what a {o} says with a new text. The old text is lost.",
            "Update a {o}.",
        ],
        &["id", "content", "title"],
    ),
    (
        "delete_{o}",
        &[
            "Delete a {o} by its id. This cannot be undone.",
            "Removes one of the {s}. Ask the user before.",
            "Delete a {o}.",
        ],
        &["id"],
    ),
    (
        "share_{o}",
        &["Share a {o} with other users.", "Let other people see a {o}, and say whether they may change it."],
        &["id", "users", "write"],
    ),
    (
        "count_{s}",
        &["Count the {s} that hold these words.", "How many {s} there are. Returns a number."],
        &["query", "start"],
    ),
    ("move_{o}", &["Move a {o} to another folder.", "Puts a {o} where it belongs."], &["id", "folder"]),
    (
        "export_{s}",
        &[
            "Export {s} to a file that the user can download.",
            "Writes {s} into one file, in the format that is wanted.",
        ],
        &["format", "start", "end"],
    ),
];

/// What a parameter is called, its type, and what is said of it.
const PARAMETERS: &[(&str, &str, &[&str])] = &[
    ("query", "string", &["The words to look for", "What to search for", "Words or a whole sentence"]),
    ("count", "integer", &["How many to return at most (5 if left out)", "The most results", "Number of results"]),
    ("start", "string", &["Only what is newer than this day", "The first day, as year, month and day"]),
    ("end", "string", &["Only what is older than this day", "The last day, as year, month and day"]),
    ("skip", "integer", &["How many to leave out at the beginning", "Results to skip"]),
    ("sort", "string", &["What to sort by", "The order of the results"]),
    ("id", "string", &["The id of the {o}", "Which {o}, by its id", "The {o}'s id, as search_{s} returns it"]),
    ("title", "string", &["The title of the {o}", "A short title"]),
    ("content", "string", &["The text of the {o}", "What is to stand in the {o}, as Markdown"]),
    ("tags", "array", &["Words that the {o} is found by", "Tags"]),
    ("users", "array", &["The names of the users", "Who may see the {o}"]),
    ("write", "boolean", &["Whether they may change it too", "True if the {o} may be changed"]),
    ("folder", "string", &["The id of the folder", "Where to put the {o}"]),
    ("format", "string", &["The format of the file", "How it is written"]),
];

/// A tool that no question of the families needs.
pub(crate) fn tool(random: &mut Random, split: Split) -> Value {
    let (one, several) = match split {
        Split::Train => *random.choose(SUBJECTS.train),
        Split::Held if random.once_in(3) => *random.choose(SUBJECTS.train),
        Split::Held => *random.choose(SUBJECTS.held),
    };
    of(random, one, several)
}

/// So many different ones.
pub(crate) fn tools(random: &mut Random, split: Split, count: usize) -> Vec<Value> {
    let mut tools: Vec<Value> = Vec::new();
    while tools.len() < count {
        let tool = tool(random, split);
        if tools.iter().all(|other| other["function"]["name"] != tool["function"]["name"]) {
            tools.push(tool);
        }
    }
    tools
}

fn of(random: &mut Random, one: &str, several: &str) -> Value {
    let (name, descriptions, parameters) = random.choose(DEEDS);
    let filled = |text: &str| text.replace("{o}", one).replace("{s}", several);
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (number, parameter) in parameters.iter().enumerate() {
        let Some((_, kind, said)) = PARAMETERS.iter().find(|(known, ..)| known == parameter) else { continue };
        let mut schema = json!({"type": kind});
        if *kind == "array" {
            schema["items"] = json!({"type": "string"});
        }
        if !random.once_in(4) {
            schema["description"] = (filled(random.pick(said)) + &example(random)).into();
        }
        if number == 0 || random.once_in(4) {
            required.push(json!(parameter));
        }
        properties.insert((*parameter).to_owned(), schema);
        if random.once_in(8) {
            break;
        }
    }
    let mut text = filled(random.pick(descriptions));
    if random.once_in(3) {
        text = format!("{text} {}", filled(random.pick(descriptions)));
    }
    let mut parameters = json!({"type": "object", "properties": properties});
    if random.once_in(2) {
        parameters["required"] = required.into();
    }
    let name = filled(name).replace(' ', "_");
    json!({"type": "function", "function": {"name": name, "description": text, "parameters": parameters}})
}

/// What a description may end with: words that stand in questions too, and are not meant here.
fn example(random: &mut Random) -> String {
    match random.below(8) {
        0 => format!(", for example '{}'", random.pick(WORDS)),
        1 => format!(", for example '{}'", random.pick(NAMES)),
        2 => format!(", such as {}", random.below(100)),
        _ => ".".to_owned(),
    }
}
