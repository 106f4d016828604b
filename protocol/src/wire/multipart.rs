//! Forms that carry files: `multipart/form-data` (RFC 7578), as clients send them.

use std::ops::Range;

/// One field of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// Its name.
    pub(crate) name: String,
    /// The name of the file that it is, if it is one.
    pub(crate) filename: Option<String>,
    /// Where its content lies in the body.
    pub(crate) content: Range<usize>,
}

/// What separates the fields of a form with this content type; `None` if it is no form's.
pub(crate) fn boundary(content_type: &str) -> Option<&str> {
    let (kind, rest) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameter(rest, "boundary")?;
    let is_good = (1..=70).contains(&boundary.len()) && boundary.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    is_good.then_some(boundary)
}

/// All fields, in order. `None` for a body that is no whole form of this boundary, or has more than a few fields.
pub(crate) fn parts(body: &[u8], boundary: &str) -> Option<Vec<Part>> {
    let delimiter = format!("\r\n--{boundary}");
    let mut parts = Vec::new();
    // The first one stands at the beginning of the body, where no line ends before it.
    let mut at = body.starts_with(&delimiter.as_bytes()[2..]).then(|| delimiter.len() - 2)?;
    loop {
        let rest = &body[at..];
        if rest.starts_with(b"--") {
            return Some(parts);
        }
        let head = at + rest.strip_prefix(b"\r\n").map(|_| 2)?;
        let head_end = head + find(&body[head..], b"\r\n\r\n").filter(|length| *length <= MAX_HEAD)?;
        let content = head_end + 4;
        // A field without content ends with the line that ends its head.
        let end = content + find(&body[content..], delimiter.as_bytes())?;
        let (name, filename) = disposition(std::str::from_utf8(&body[head..head_end]).ok()?)?;
        parts.push(Part { name, filename, content: content..end });
        if parts.len() > MAX_PARTS {
            return None;
        }
        at = end + delimiter.len();
    }
}

fn disposition(head: &str) -> Option<(String, Option<String>)> {
    let line = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
    })?;
    let (kind, rest) = line.split_once(';')?;
    let text = |name| parameter(rest, name).map(|value| value.replace("%22", "\""));
    kind.trim().eq_ignore_ascii_case("form-data").then_some(())?;
    Some((text("name")?, text("filename")))
}

/// The parameter of this name, with or without quotes.
fn parameter<'t>(mut text: &'t str, name: &str) -> Option<&'t str> {
    loop {
        let (found, rest) = text.trim_start_matches([' ', ';']).split_once('=')?;
        let (value, rest) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => rest.split_once(';').unwrap_or((rest, "")),
        };
        if found.trim().eq_ignore_ascii_case(name) {
            return Some(value.trim());
        }
        text = rest;
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(place) = bytes[from..].iter().position(|byte| *byte == wanted[0]) {
        let at = from + place;
        if bytes[at..].starts_with(wanted) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

/// The longest head of a field, in bytes.
const MAX_HEAD: usize = 4 << 10;
/// How many fields a form may have.
const MAX_PARTS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn form(fields: &[(&str, &str)]) -> String {
        let field = |(head, content): &(&str, &str)| {
            format!("--b\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n")
        };
        fields.iter().map(field).collect::<String>() + "--b--\r\n"
    }

    #[test]
    fn a_form_is_read_as_clients_write_it() {
        let content = "{\"a\": 1}\r\n{\"b\": \"--b\"}\n\r\n-";
        let body = form(&[("name=\"purpose\"", "batch"), ("name=\"file\"; filename=\"a;b.jsonl\"", content)]);
        let parts = parts(body.as_bytes(), "b").unwrap();
        let [purpose, file] = &parts[..] else { panic!("{parts:?}") };
        assert_eq!((&*purpose.name, &purpose.filename, &body[purpose.content.clone()]), ("purpose", &None, "batch"));
        assert_eq!((&*file.name, file.filename.as_deref()), ("file", Some("a;b.jsonl")));
        assert_eq!(&body[file.content.clone()], content);
    }

    #[test]
    fn what_is_no_whole_form_is_none() {
        let good = form(&[("name=\"file\"", "x")]);
        for cut in 0..good.len() - 4 {
            assert_eq!(parts(&good.as_bytes()[..cut], "b"), None, "{cut}");
        }
        let many = form(&[("name=\"file\"", "x"); MAX_PARTS + 1]);
        for bad in ["", "--", "x", &many, &form(&[("title=\"file\"", "x")]), &good.replace("form-data", "inline")] {
            assert_eq!(parts(bad.as_bytes(), "b"), None);
        }
        let content_type = |text| boundary(text);
        assert_eq!(content_type("multipart/form-data; boundary=b"), Some("b"));
        assert_eq!(content_type("Multipart/Form-Data; charset=utf-8; Boundary=\"a b\""), Some("a b"));
        for bad in ["", "multipart/form-data", "multipart/form-data; boundary=", "application/json; boundary=b"] {
            assert_eq!(content_type(bad), None, "{bad}");
        }
        assert_eq!(content_type(&format!("multipart/form-data; boundary={}", "x".repeat(71))), None);
    }
}
