//! An origin that costs next to nothing: it reads a request and answers the same completion every time, or lists its model.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

/// Starts it on a free port; it ends with the process.
pub(crate) fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("a bound listener has an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A connection that breaks is the other side's affair.
            std::thread::spawn(move || serve(&stream, |_| {}).is_ok());
        }
    });
    address
}

/// Answers all that comes on a connection; `asked` hears the first line of each request.
pub(crate) fn serve(stream: &TcpStream, asked: impl Fn(&str)) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let answer = |body: &str| {
        let length = body.len();
        format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
    };
    let (completion, models) = (answer(COMPLETION), answer(MODELS));
    let mut reader = BufReader::new(stream);
    let (mut line, mut body) = (String::new(), Vec::new());
    loop {
        let (mut length, mut closes, mut is_first, mut lists) = (0, false, true, false);
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if std::mem::take(&mut is_first) {
                asked(&line);
            }
            lists |= line.starts_with("GET /v1/models");
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            } else if let Some(value) = lower.strip_prefix("connection:") {
                closes = value.trim() == "close";
            }
            if line == "\r\n" {
                break;
            }
        }
        body.resize(length, 0);
        reader.read_exact(&mut body)?;
        (&*stream).write_all(if lists { models.as_bytes() } else { completion.as_bytes() })?;
        if closes {
            return Ok(());
        }
    }
}

const COMPLETION: &str = r#"{"id":"chatcmpl-stub","object":"chat.completion","created":1790000000,"model":"stub","choices":[{"index":0,"message":{"role":"assistant","content":"A fixed window forgets at its edge what a sliding window remembers."},"finish_reason":"stop"}],"usage":{"prompt_tokens":42,"completion_tokens":14,"total_tokens":56}}"#;

const MODELS: &str = r#"{"object":"list","data":[{"id":"stub","object":"model","created":1790000000}]}"#;
