//! Cuts a CSV file into records and keeps count of lines.
//!
//! The fields of a record are taken apart by the csv crate; where a record ends is decided here,
//! because three things are wanted that a plain reader does not give: the line of each record in
//! a file with blank lines and quoted line breaks, a bound on the size of a record, and a way on
//! after a quotation mark that is never closed (otherwise the rest of the file is one cell).

use std::io::{self, Read};

/// Longest record, in bytes. A longer one is nearly always a quotation mark that is not closed.
const MAX_RECORD_BYTES: usize = 256 * 1024;

/// How much is read at a time.
const CHUNK_BYTES: usize = 64 * 1024;

/// A piece of the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Fields, as bytes.
    Record {
        /// Line on which it begins, from 1.
        line: u64,
        /// Line on which it ends.
        last_line: u64,
        /// The fields, without their quotation marks.
        cells: Vec<Vec<u8>>,
    },
    /// A line that cannot be read.
    Broken {
        /// Which.
        line: u64,
        /// Why.
        reason: String,
    },
}

/// Whether a record is a blank line or only separators.
pub(super) fn is_blank(cells: &[Vec<u8>]) -> bool {
    cells.iter().all(|cell| cell.trim_ascii().is_empty())
}

/// Where the scan of a record stands, as in the grammar of RFC 4180 section 2.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    FieldStart,
    Unquoted,
    Quoted,
    QuoteInQuoted,
}

/// How a scan ended, with the length of the record without its line break.
enum End {
    Break { length: usize, breaks: u64 },
    File { length: usize, breaks: u64 },
    Unclosed { first_break: Option<usize> },
    TooLong { first_break: Option<usize> },
}

/// Reads records one after another.
pub(super) struct RecordReader<R> {
    input: R,
    /// What was read and not yet given away starts at `start`.
    buffer: Vec<u8>,
    start: usize,
    ended: bool,
    line: u64,
}

impl<R: Read> RecordReader<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            buffer: Vec::new(),
            start: 0,
            ended: false,
            line: 1,
        }
    }

    /// The next record; `None` at the end of the file.
    pub(super) fn next(&mut self) -> io::Result<Option<Piece>> {
        if self.line == 1 && self.start == 0 {
            self.skip_mark()?;
        }
        let line = self.line;
        match self.scan()? {
            End::File { length: 0, .. } => Ok(None),
            End::File { length, breaks } => {
                let cells = self.cells(length)?;
                self.start += length;
                self.line += breaks;
                let last_line = self.line;
                Ok(Some(Piece::Record {
                    line,
                    last_line,
                    cells,
                }))
            }
            End::Break { length, breaks } => {
                let cells = self.cells(length)?;
                self.start += length;
                self.take_break()?;
                let last_line = line + breaks;
                self.line = last_line + 1;
                Ok(Some(Piece::Record {
                    line,
                    last_line,
                    cells,
                }))
            }
            End::Unclosed { first_break } => {
                self.leave_line(first_break)?;
                let reason = "a quotation mark is opened and never closed".to_owned();
                Ok(Some(Piece::Broken { line, reason }))
            }
            End::TooLong { first_break } => {
                self.leave_line(first_break)?;
                let reason = format!(
                    "it runs on for more than {} KiB: look for a quotation mark that is not closed",
                    MAX_RECORD_BYTES / 1024
                );
                Ok(Some(Piece::Broken { line, reason }))
            }
        }
    }

    /// Finds the end of the record that begins at `start`.
    fn scan(&mut self) -> io::Result<End> {
        let mut state = State::FieldStart;
        let mut length = 0;
        let mut breaks = 0;
        let mut first_break = None;
        let mut previous = 0;
        loop {
            if length > MAX_RECORD_BYTES {
                return Ok(End::TooLong { first_break });
            }
            let Some(byte) = self.byte(length)? else {
                return Ok(if state == State::Quoted {
                    End::Unclosed { first_break }
                } else {
                    End::File { length, breaks }
                });
            };
            let is_break = byte == b'\n' || byte == b'\r';
            state = match (state, byte) {
                (State::Quoted, b'"') => State::QuoteInQuoted,
                (State::Quoted, _) => {
                    if is_break {
                        first_break = first_break.or(Some(length));
                        // The two bytes of CR LF are one line break.
                        breaks += u64::from(!(byte == b'\n' && previous == b'\r'));
                    }
                    State::Quoted
                }
                _ if is_break => return Ok(End::Break { length, breaks }),
                (State::FieldStart | State::QuoteInQuoted, b'"') => State::Quoted,
                (_, b',') => State::FieldStart,
                _ => State::Unquoted,
            };
            previous = byte;
            length += 1;
        }
    }

    /// Gives up on a record: goes on after its first line, so that only that line is lost.
    fn leave_line(&mut self, first_break: Option<usize>) -> io::Result<()> {
        match first_break {
            Some(length) => self.start += length,
            None => loop {
                match self.byte(0)? {
                    Some(b'\n' | b'\r') | None => break,
                    Some(_) => self.start += 1,
                }
            },
        }
        self.take_break()?;
        self.line += 1;
        Ok(())
    }

    /// Steps over LF, CR LF or CR.
    fn take_break(&mut self) -> io::Result<()> {
        if self.byte(0)? == Some(b'\r') {
            self.start += 1;
            if self.byte(0)? != Some(b'\n') {
                return Ok(());
            }
        }
        if self.byte(0)? == Some(b'\n') {
            self.start += 1;
        }
        Ok(())
    }

    /// Steps over a byte order mark.
    fn skip_mark(&mut self) -> io::Result<()> {
        self.byte(2)?;
        if self.buffer.starts_with(b"\xEF\xBB\xBF") {
            self.start = 3;
        }
        Ok(())
    }

    /// The byte `offset` after `start`, reading more where needed.
    fn byte(&mut self, offset: usize) -> io::Result<Option<u8>> {
        while self.start + offset >= self.buffer.len() && !self.ended {
            self.buffer.drain(..self.start);
            self.start = 0;
            let before = self.buffer.len();
            let mut chunk = self.input.by_ref().take(CHUNK_BYTES as u64);
            chunk.read_to_end(&mut self.buffer)?;
            self.ended = self.buffer.len() == before;
        }
        Ok(self.buffer.get(self.start + offset).copied())
    }

    /// Takes the record of `length` bytes at `start` apart.
    fn cells(&self, length: usize) -> io::Result<Vec<Vec<u8>>> {
        let end = self.start + length;
        let bytes = self.buffer.get(self.start..end).unwrap_or_default();
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(length.max(1))
            .from_reader(bytes);
        let mut record = csv::ByteRecord::new();
        reader
            .read_byte_record(&mut record)
            .map_err(io::Error::other)?;
        Ok(record.iter().map(<[u8]>::to_vec).collect())
    }
}
