//! A batch's file, read part by part: lines that were understood, and what is wrong with the others.

use super::line::{BatchDoor, Line, LineError};
use crate::request::bodies::chat::ChatBounds;
use sha2::{Digest, Sha256};
use std::collections::HashSet;

/// Reads a file of lines. Parts may end anywhere.
#[derive(Debug)]
pub struct Validator {
    door: BatchDoor,
    bounds: ChatBounds,
    most_bytes: usize,
    /// What has come of a line that is not over.
    rest: Vec<u8>,
    /// Whether that is longer than a line may be: the rest of it is passed over.
    is_too_long: bool,
    /// Lines that were seen, empty ones too.
    number: u32,
    found: u32,
    /// What was called by which names: by their hashes, so that long ones cost nothing.
    names: HashSet<[u8; 16]>,
    errors: Vec<LineError>,
}

impl Validator {
    /// For a batch that goes to this door, whose lines have at most so many bytes.
    pub fn new(door: BatchDoor, bounds: ChatBounds, most_bytes: usize) -> Self {
        Self {
            door,
            bounds,
            most_bytes: most_bytes.min(MAX_LINE_BYTES),
            rest: Vec::new(),
            is_too_long: false,
            number: 0,
            found: 0,
            names: HashSet::new(),
            errors: Vec::new(),
        }
    }

    /// Reads one more part, and hands on each line that is whole and good with its place, from 0.
    pub fn push<E>(&mut self, part: &[u8], each: &mut impl FnMut(u32, Line) -> Result<(), E>) -> Result<(), E> {
        for piece in part.split_inclusive(|byte| *byte == b'\n') {
            if self.is_over() {
                return Ok(());
            }
            let room = (self.most_bytes + 2).saturating_sub(self.rest.len());
            self.is_too_long |= piece.len() > room;
            self.rest.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                self.end_line(each)?;
            }
        }
        Ok(())
    }

    /// The file has ended. What is wrong with it: nothing, if it is a batch's.
    pub fn end<E>(mut self, each: &mut impl FnMut(u32, Line) -> Result<(), E>) -> Result<Vec<LineError>, E> {
        if !self.is_over() && (!self.rest.is_empty() || self.is_too_long) {
            self.end_line(each)?;
        }
        if self.found == 0 && self.errors.is_empty() {
            self.errors.push(LineError::new("empty_file", "The file has no lines.", None, None));
        }
        Ok(self.errors)
    }

    /// Whether nothing more is read: there are enough mistakes.
    fn is_over(&self) -> bool {
        self.errors.len() >= MAX_ERRORS
    }

    fn end_line<E>(&mut self, each: &mut impl FnMut(u32, Line) -> Result<(), E>) -> Result<(), E> {
        let (bytes, is_too_long) = (std::mem::take(&mut self.rest), std::mem::take(&mut self.is_too_long));
        self.number += 1;
        let begins = if self.number == 1 { bytes.strip_prefix(BOM).unwrap_or(&bytes) } else { &bytes };
        let line = begins.trim_ascii();
        if line.is_empty() && !is_too_long {
            return Ok(());
        }
        match self.read(line, is_too_long) {
            Ok(line) => {
                self.found += 1;
                // What fails is not a batch: nothing more of it is wanted.
                if self.errors.is_empty() { each(self.found - 1, line) } else { Ok(()) }
            }
            Err(error) => {
                self.errors.push(error);
                Ok(())
            }
        }
    }

    fn read(&mut self, line: &[u8], is_too_long: bool) -> Result<Line, LineError> {
        let wrong = |code, message: String, param| Err(LineError::new(code, message, param, Some(self.number)));
        if is_too_long || line.len() > self.most_bytes {
            return wrong("line_too_long", format!("The line has more than {} bytes.", self.most_bytes), None);
        }
        if self.found >= MAX_LINES {
            return wrong("too_many_lines", format!("A batch has at most {MAX_LINES} lines."), None);
        }
        let Ok(text) = std::str::from_utf8(line) else {
            return wrong("invalid_json_line", "The line is not UTF-8.".into(), None);
        };
        let line = Line::parse(text, self.number, self.door, self.bounds)?;
        let digest = Sha256::digest(&line.custom_id);
        let name = digest[..16].try_into().expect("32 bytes hold 16");
        if !self.names.insert(name) {
            let message = "Another line of this file has the same `custom_id`.".into();
            return wrong("duplicate_custom_id", message, Some("custom_id"));
        }
        Ok(line)
    }
}

/// How many lines a batch has at most, as at OpenAI's.
pub const MAX_LINES: u32 = 50_000;
/// How long a line may be, whatever the settings say of bodies: it lies in a row with its name.
pub const MAX_LINE_BYTES: usize = 1_800_000;
/// After how many mistakes nothing more is read.
const MAX_ERRORS: usize = 100;
/// What some editors begin a file with.
const BOM: &[u8] = b"\xef\xbb\xbf";
