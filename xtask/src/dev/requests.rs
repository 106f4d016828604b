//! The requests that the edge has served, as a person reads them: a line for each, made from the edge's own.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::PathBuf,
};

use serde_json::Value;

/// What comes to the edge's log.
pub(super) struct Requests {
    log: PathBuf,
    read: u64,
    /// A line whose end has not come yet.
    begun: String,
}

impl Requests {
    /// What is written from now on.
    pub(super) fn after_now(log: PathBuf) -> Self {
        let read = fs::metadata(&log).map_or(0, |log| log.len());
        Self { log, read, begun: String::new() }
    }

    /// A line for each request that has come since the last look. A log that cannot be read has none: this is for looking on.
    pub(super) fn new_lines(&mut self) -> Vec<String> {
        if fs::metadata(&self.log).map_or(0, |log| log.len()) <= self.read {
            return Vec::new();
        }
        let mut said = Vec::new();
        let came = File::open(&self.log).and_then(|mut log| {
            log.seek(SeekFrom::Start(self.read))?;
            log.read_to_end(&mut said)
        });
        self.read += came.unwrap_or_default() as u64;
        self.begun.push_str(&String::from_utf8_lossy(&said));
        let end = self.begun.rfind('\n').map_or(0, |at| at + 1);
        let whole: String = self.begun.drain(..end).collect();
        whole.lines().filter_map(told).collect()
    }
}

/// Time, status, what became of it, path, model, who, tokens, milliseconds, id. `None` for a line of something else.
fn told(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line.get(line.find('{')?..=line.rfind('}')?)?).ok()?;
    let outcome = line["outcome"].as_str()?;
    let (request, at, ms) = (line["request"].as_str()?, line["at"].as_u64()?, line["ms"].as_u64()?);
    let text = |name: &str| line[name].as_str().unwrap_or("-").to_owned();
    let seconds = at / 1_000 % 86_400;
    let status = line["status"].as_u64().map_or("-".to_owned(), |status| status.to_string());
    let why = line["code"].as_str().map(|code| format!(" ({code})")).unwrap_or_default();
    let tokens = match (line["prompt_tokens"].as_u64(), line["completion_tokens"].as_u64()) {
        (Some(prompt), Some(completion)) => format!("{prompt} + {completion} tokens"),
        _ => "-".to_owned(),
    };
    Some(format!(
        "{:02}:{:02}:{:02}Z  {status:>3} {outcome}{why}  {}  {}  {}  {tokens}  {ms} ms  {request}",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60,
        text("path"),
        text("model"),
        text("subject"),
    ))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const SERVED: &str = r#"{"request":"r1","at":1790000000000,"path":"/v1/chat/completions","account":"a","subject":"a.1","model":"tiny","outcome":"served","status":200,"prompt_tokens":12,"completion_tokens":34,"ms":420}"#;
    const REFUSED: &str = r#"{"request":"r2","at":1790000001000,"path":"/v1/models","outcome":"refused","status":401,"code":"invalid_api_key","ms":1}"#;

    #[test]
    fn each_request_has_a_line_as_soon_as_its_own_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("edge.log");
        fs::write(&path, format!("{SERVED}\n")).unwrap();
        let mut requests = Requests::after_now(path.clone());
        assert_eq!(requests.new_lines(), Vec::<String>::new(), "what was there before is not told");
        let mut log = File::options().append(true).open(&path).unwrap();
        let (begin, rest) = SERVED.split_at(40);
        write!(log, "[wrangler:info] GET / 200 OK\n\u{1b}[2m{begin}").unwrap();
        assert_eq!(requests.new_lines(), Vec::<String>::new());
        write!(log, "{rest}\u{1b}[0m\n{{\"audit\":1,\"hash\":\"ab\"}}\n{REFUSED}\n").unwrap();
        assert_eq!(
            requests.new_lines(),
            [
                "14:13:20Z  200 served  /v1/chat/completions  tiny  a.1  12 + 34 tokens  420 ms  r1",
                "14:13:21Z  401 refused (invalid_api_key)  /v1/models  -  -  -  1 ms  r2",
            ]
        );
        assert_eq!(requests.new_lines(), Vec::<String>::new());
    }
}
