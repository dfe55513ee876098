//! Passwords of accounts, as they are given: in a file, in the environment, or on the terminal.

use std::path::Path;

use zeroize::Zeroizing;

use super::console::Console;
use super::failure::Failure;
use super::passphrase;
use crate::tables::Secret;

/// The password of an account that is there.
pub(super) fn present(file: Option<&Path>, console: &mut Console) -> Result<Secret, Failure> {
    let given = console.person.password.take();
    match found(file, given, console)? {
        Some(password) => Ok(secret(&password)),
        None => ask(
            console,
            "Password: ",
            "--password-file FILE",
            "SYMBOLON_PASSWORD",
        ),
    }
}

/// The first password of a new account, or one in place of a forgotten one.
pub(super) fn first(
    file: Option<&Path>,
    console: &mut Console,
    question: &str,
) -> Result<Secret, Failure> {
    let given = console.person.password.take();
    match found(file, given, console)? {
        Some(password) => Ok(secret(&password)),
        None => ask_twice(
            console,
            question,
            "--password-file FILE",
            "SYMBOLON_PASSWORD",
        ),
    }
}

/// Another password in place of one's own.
pub(super) fn new(file: Option<&Path>, console: &mut Console) -> Result<Secret, Failure> {
    let given = console.person.new_password.take();
    match found(file, given, console)? {
        Some(password) => Ok(secret(&password)),
        None => ask_twice(
            console,
            "Choose a new password: ",
            "--new-password-file FILE",
            "SYMBOLON_NEW_PASSWORD",
        ),
    }
}

fn found(
    file: Option<&Path>,
    given: Option<Zeroizing<String>>,
    console: &mut Console,
) -> Result<Option<Zeroizing<String>>, Failure> {
    match file {
        Some(file) => passphrase::first_line(file, "password", console).map(Some),
        None => Ok(given),
    }
}

fn ask(
    console: &mut Console,
    question: &str,
    option: &str,
    variable: &str,
) -> Result<Secret, Failure> {
    if !console.input_is_terminal {
        return Err(Failure::usage(format!(
            "a password is needed and there is no terminal to ask on; give {option}, or set {variable}"
        )));
    }
    let answer = (console.prompt)(question).map_err(|error| {
        Failure::failed(format!(
            "cannot ask for the password: {error}; give {option}"
        ))
    })?;
    Ok(secret(&answer))
}

fn ask_twice(
    console: &mut Console,
    question: &str,
    option: &str,
    variable: &str,
) -> Result<Secret, Failure> {
    let chosen = ask(console, question, option, variable)?;
    if ask(console, "The same again: ", option, variable)?.0 != chosen.0 {
        return Err(Failure::failed(
            "the two passwords differ; nothing was changed",
        ));
    }
    Ok(chosen)
}

fn secret(password: &Zeroizing<String>) -> Secret {
    Secret(password.as_bytes().to_vec())
}
