//! The input of a call that was cut off: Anthropic's shape has an object for it, and no text.

/// Of the text of an object that was cut off: as much of it as is certain, with what it left open closed. A member or an
/// item whose value had not come to its end is left out; so a number at the end is, which might have had more digits.
/// Nothing at all is an empty object. A text that is no JSON becomes none.
pub(super) fn closed(text: &str) -> String {
    let mut reader = Reader::default();
    for (at, byte) in text.bytes().enumerate() {
        reader.take(at, byte);
    }
    match reader.certain {
        None => "{}".to_owned(),
        Some(Certain { end, open }) => text[..end].chars().chain(open.into_iter().rev()).collect(),
    }
}

/// Where a text could be closed.
#[derive(Clone)]
struct Certain {
    /// Bytes of it.
    end: usize,
    /// What has to be closed there, the outermost first, by what closes it.
    open: Vec<char>,
}

#[derive(Default)]
struct Reader {
    certain: Option<Certain>,
    open: Vec<char>,
    state: State,
    /// Whether the next text is the name of a member.
    names: bool,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum State {
    #[default]
    Between,
    /// In a text, and whether its next byte is escaped.
    Text { escaped: bool },
    /// In a number or a word.
    Bare,
}

impl Reader {
    fn take(&mut self, at: usize, byte: u8) {
        match (self.state, byte) {
            (State::Text { escaped: true }, _) | (State::Text { .. }, b'\\') => {
                self.state = State::Text { escaped: self.state == State::Text { escaped: false } };
            }
            (State::Text { .. }, b'"') => {
                self.state = State::Between;
                if !self.names {
                    self.is_certain(at + 1);
                }
            }
            (State::Text { .. }, _) => {}
            (State::Bare, b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r') => {
                self.is_certain(at);
                self.state = State::Between;
                self.between(at, byte);
            }
            (State::Bare, _) => {}
            (State::Between, _) => self.between(at, byte),
        }
    }

    fn between(&mut self, at: usize, byte: u8) {
        match byte {
            b'{' | b'[' => {
                self.names = byte == b'{';
                self.open.push(if self.names { '}' } else { ']' });
                self.is_certain(at + 1);
            }
            b'}' | b']' => {
                self.open.pop();
                self.is_certain(at + 1);
            }
            b',' => self.names = self.open.last() == Some(&'}'),
            b':' => self.names = false,
            b'"' => self.state = State::Text { escaped: false },
            b' ' | b'\t' | b'\n' | b'\r' => {}
            _ => self.state = State::Bare,
        }
    }

    /// All that came before this byte is whole but for what is open.
    fn is_certain(&mut self, end: usize) {
        self.certain = Some(Certain { end, open: self.open.clone() });
    }
}
