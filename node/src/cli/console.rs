//! Where the command line reads and writes: the terminal, or what a test puts in its place.

use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::path::PathBuf;

use symbolon_casework::text::steers;
use zeroize::Zeroizing;

/// Asks for a secret without showing it.
pub type Prompt = Box<dyn FnMut(&str) -> io::Result<Zeroizing<String>> + Send>;

/// The three standard streams and what surrounds them.
pub struct Console {
    /// Results.
    pub out: Box<dyn Write + Send>,
    /// Problems, questions, progress.
    pub err: Box<dyn Write + Send>,
    /// Answers, and an invitation given as `-`.
    pub input: Box<dyn BufRead + Send>,
    /// Whether results go to a terminal: tables then fit its width.
    pub out_is_terminal: bool,
    /// Whether a person sees progress.
    pub err_is_terminal: bool,
    /// Whether a person can answer.
    pub input_is_terminal: bool,
    /// `SYMBOLON_PASSPHRASE`.
    pub passphrase: Option<Zeroizing<String>>,
    /// Asks for a passphrase.
    pub prompt: Prompt,
    /// Whose commands these are.
    pub person: Person,
}

/// What the surroundings say of the person who types.
#[derive(Default)]
pub struct Person {
    /// `SYMBOLON_SESSION`.
    pub session: Option<Zeroizing<String>>,
    /// `SYMBOLON_PASSWORD`.
    pub password: Option<Zeroizing<String>>,
    /// `SYMBOLON_NEW_PASSWORD`.
    pub new_password: Option<Zeroizing<String>>,
    /// The user's own directory: sessions are kept below it.
    pub directory: Option<PathBuf>,
}

impl Person {
    fn system() -> Self {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let secret = |name: &str| set(name).map(Zeroizing::new);
        // The runtime directory is gone when the user has left the computer, so it is the better place.
        let home = || set("HOME").map(|home| PathBuf::from(home).join(".config"));
        let directory = set("XDG_RUNTIME_DIR").or_else(|| set("XDG_CONFIG_HOME"));
        Self {
            session: secret("SYMBOLON_SESSION"),
            password: secret("SYMBOLON_PASSWORD"),
            new_password: secret("SYMBOLON_NEW_PASSWORD"),
            directory: directory.map(PathBuf::from).or_else(home),
        }
    }
}

impl Console {
    /// The process's own.
    pub fn system() -> Self {
        Self {
            out: Box::new(io::stdout()),
            err: Box::new(io::stderr()),
            input: Box::new(BufReader::new(io::stdin())),
            out_is_terminal: io::stdout().is_terminal(),
            err_is_terminal: io::stderr().is_terminal(),
            input_is_terminal: io::stdin().is_terminal(),
            passphrase: std::env::var("SYMBOLON_PASSPHRASE")
                .ok()
                .map(Zeroizing::new),
            prompt: Box::new(|text| rpassword::prompt_password(text).map(Zeroizing::new)),
            person: Person::system(),
        }
    }

    /// Writes a line of the result.
    pub(super) fn say(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{}", harmless(text))
    }

    /// Writes a line beside the result. Nobody can be told if that fails.
    pub(super) fn note(&mut self, text: &str) {
        let _ = writeln!(self.err, "{}", harmless(text));
    }

    /// Asks a question with the answer no by default.
    pub(super) fn confirm(&mut self, question: &str) -> io::Result<bool> {
        write!(self.err, "{} [y/N] ", harmless(question))?;
        self.err.flush()?;
        let mut answer = String::new();
        self.input.read_line(&mut answer)?;
        let answer = answer.trim().to_lowercase();
        Ok(answer == "y" || answer == "yes")
    }
}

/// Text without the characters that steer a terminal: some of it comes from other agencies.
fn harmless(text: &str) -> String {
    let steers = |c: char| steers(c) && c != '\n';
    text.replace(steers, "\u{FFFD}")
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
