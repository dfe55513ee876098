//! What commands answer with.

use std::io::Write;

use comfy_table::Table;
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use serde::Serialize;

/// Why a command failed, as one line for people.
#[derive(Debug)]
pub struct Failure(pub String);

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// Text for people or JSON for machines.
#[derive(Clone, Copy)]
pub struct Output {
    pub json: bool,
}

impl Output {
    /// Prints lines.
    pub fn text(self, text: &str) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", harmless(text))?;
        Ok(out.flush()?)
    }

    /// Prints the value as JSON, or what `text` makes of it.
    pub fn answer<T: Serialize>(
        self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        if self.json {
            self.text(&serde_json::to_string(value)?)
        } else {
            self.text(&text(value))
        }
    }
}

/// Text without the characters that steer a terminal: an administrator reads what agencies, other
/// administrators and the hub wrote, and approves by what is on the screen.
pub fn harmless(text: &str) -> String {
    let steers = |c: char| {
        (c.is_control() && c != '\n')
            // Marks that turn the direction of writing can disguise a text.
            || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    };
    text.replace(steers, "\u{FFFD}")
}

/// A table with a header.
pub fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_preset(UTF8_HORIZONTAL_ONLY);
    table.set_header(header.to_vec());
    table.add_rows(rows);
    table.to_string()
}

/// Unix seconds as people read them; nothing for 0.
pub fn moment(seconds: i64) -> String {
    if seconds == 0 {
        return "-".to_owned();
    }
    crate::clock::rfc3339(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_steer_the_terminal() {
        assert_eq!(
            harmless("a\u{1b}[2Jb\r\u{202E}c\nd é"),
            "a\u{FFFD}[2Jb\u{FFFD}\u{FFFD}c\nd é"
        );
    }
}
