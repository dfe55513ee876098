//! `account`, `login`, `logout`, `whoami`: what can be typed about accounts, and how the answers are printed.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use symbolon_casework::acting::Role;
use symbolon_core::identity::Name;

use super::args::Global;
use super::commands::{ask, ask_as, enrolled_config};
use super::console::Console;
use super::failure::Failure;
use super::{Launcher, output, password, session};
use crate::casework::command::AccountCommand;
use crate::casework::{AccountView, LoginReport, WhoamiReport};
use crate::command::{Command, Request};

/// What to do about accounts.
#[derive(Subcommand)]
pub(super) enum AccountTask {
    /// Make an account for one person
    ///
    /// The first one is an administrator's; from then on nobody acts without signing in. Other people are
    /// given a first password, which they change when they sign in. An account is never deleted, so that
    /// its name in the audit log means the same person for ever.
    #[command(after_help = "\
Examples:
  symbolon-node account add ana-nowak --role administrator
  symbolon-node account add ben-okoro --role analyst --role caseworker")]
    Add {
        /// The person, as ana-nowak: lower-case letters, digits, hyphens
        #[arg(value_name = "NAME")]
        name: Name,
        /// analyst, caseworker, supervisor or administrator; may be given several times
        #[arg(long = "role", value_name = "ROLE", required = true)]
        roles: Vec<Role>,
        #[command(flatten)]
        password: PasswordArgs,
    },
    /// List the accounts with their roles, and which are locked or disabled
    #[command(after_help = "Example:\n  symbolon-node account list")]
    List,
    /// Give an account other roles, in place of those that it has; its sessions end
    #[command(after_help = "Example:\n  symbolon-node account roles ben-okoro analyst supervisor")]
    Roles {
        /// The account
        #[arg(value_name = "NAME")]
        name: Name,
        /// All of its roles from now on
        #[arg(value_name = "ROLE", required = true)]
        roles: Vec<Role>,
    },
    /// Disable an account; its sessions end and nobody can sign in to it
    #[command(after_help = "Example:\n  symbolon-node account disable ben-okoro")]
    Disable {
        /// The account
        #[arg(value_name = "NAME")]
        name: Name,
    },
    /// Let a disabled account sign in again
    #[command(after_help = "Example:\n  symbolon-node account enable ben-okoro")]
    Enable {
        /// The account
        #[arg(value_name = "NAME")]
        name: Name,
    },
    /// End the lock that follows wrong passwords
    #[command(after_help = "Example:\n  symbolon-node account unlock ben-okoro")]
    Unlock {
        /// The account
        #[arg(value_name = "NAME")]
        name: Name,
    },
    /// Change your password, or give another person a first one in place of a forgotten one
    ///
    /// The account's sessions end. Passwords have at least 12 characters; take four or five words.
    #[command(after_help = "\
Examples:
  symbolon-node account password
  symbolon-node account password ben-okoro")]
    Password {
        /// Another person's account; without it, your own
        #[arg(value_name = "NAME")]
        name: Option<Name>,
        #[command(flatten)]
        password: PasswordArgs,
        /// Read your new password from the first line of this file instead of asking for it
        ///
        /// Without this, the environment variable SYMBOLON_NEW_PASSWORD is used if it is set.
        #[arg(long, value_name = "FILE", conflicts_with = "name")]
        new_password_file: Option<PathBuf>,
    },
}

/// A password that is not asked for.
#[derive(Args)]
pub(super) struct PasswordArgs {
    /// Read the password from the first line of this file instead of asking for it
    ///
    /// Without this, the environment variable SYMBOLON_PASSWORD is used if it is set; otherwise you are
    /// asked. (The vault's passphrase is another thing: --passphrase-file.)
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct LoginArgs {
    /// Your account
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    password: PasswordArgs,
    /// Print the session instead of keeping it in a file, to set SYMBOLON_SESSION
    #[arg(long)]
    print_session: bool,
}

/// Carries out one of them and prints its report.
pub(super) async fn account(
    global: &Global,
    task: AccountTask,
    console: &mut Console,
    launcher: &dyn Launcher,
) -> Result<(), Failure> {
    let config = enrolled_config(global)?;
    let (command, print) = prepared(task, console)?;
    let command = Command::Account(command);
    let value = ask(global, config, command, console, launcher).await?;
    if matches!(print, Print::OwnPassword) {
        session::forget(global, console)?;
    }
    if global.json {
        return output::print_json(console, &value);
    }
    match print {
        Print::List => list(console, output::parsed(value)?),
        Print::Added => added(console, value),
        Print::OwnPassword => Ok(console
            .say("Your password is changed. Sign in again with: symbolon-node login NAME")?),
        Print::Done(done) => Ok(console.say(&done)?),
    }
}

enum Print {
    List,
    Added,
    OwnPassword,
    Done(String),
}

fn prepared(task: AccountTask, console: &mut Console) -> Result<(AccountCommand, Print), Failure> {
    Ok(match task {
        AccountTask::Add {
            name,
            roles,
            password,
        } => {
            let question = format!("Password for {name}: ");
            let file = password.password_file.as_deref();
            let password = password::first(file, console, &question)?;
            let roles = roles.into_iter().collect();
            let command = AccountCommand::Add {
                name,
                roles,
                password,
            };
            (command, Print::Added)
        }
        AccountTask::List => (AccountCommand::List, Print::List),
        AccountTask::Roles { name, roles } => {
            let done = format!("{name} has other roles; its sessions have ended.");
            let roles = roles.into_iter().collect();
            (AccountCommand::Roles { name, roles }, Print::Done(done))
        }
        AccountTask::Disable { name } => {
            let done = format!("{name} is disabled; its sessions have ended.");
            (AccountCommand::Disable { name }, Print::Done(done))
        }
        AccountTask::Enable { name } => {
            let done = format!("{name} can sign in again.");
            (AccountCommand::Enable { name }, Print::Done(done))
        }
        AccountTask::Unlock { name } => {
            let done = format!("{name} is not locked any more.");
            (AccountCommand::Unlock { name }, Print::Done(done))
        }
        AccountTask::Password {
            name,
            password,
            new_password_file,
        } => {
            let file = password.password_file.as_deref();
            match name {
                Some(name) => {
                    let question = format!("First password for {name}: ");
                    let new = password::first(file, console, &question)?;
                    let done = format!(
                        "{name} has another password, good for choosing one of their own; its sessions \
                         have ended."
                    );
                    let command = AccountCommand::ResetPassword { name, new };
                    (command, Print::Done(done))
                }
                None => {
                    let present = password::present(file, console)?;
                    let new = password::new(new_password_file.as_deref(), console)?;
                    let command = AccountCommand::ChangePassword { present, new };
                    (command, Print::OwnPassword)
                }
            }
        }
    })
}

fn added(console: &mut Console, mut value: Value) -> Result<(), Failure> {
    let first = value["first"] == json!(true);
    let AccountView { name, roles, .. } = output::parsed(value["account"].take())?;
    console.say(&format!("{name} has an account: {}.", words(&roles)))?;
    Ok(console.say(&if first {
        format!(
            "It is the first one. From now on nobody acts without signing in: symbolon-node login {name}\n\
             Make a second administrator's account too: nobody else can help one who forgot the password."
        )
    } else {
        "The password that you gave is good for choosing another: symbolon-node login, then account password"
            .to_owned()
    })?)
}

fn list(console: &mut Console, accounts: Vec<AccountView>) -> Result<(), Failure> {
    if accounts.is_empty() {
        return Ok(console.say(
            "There is no account: the node is being set up, and whoever can open it may do everything. Make \
             the first with: symbolon-node account add NAME --role administrator",
        )?);
    }
    let rows = accounts.into_iter().map(|account| {
        let AccountView {
            name,
            roles,
            state,
            locked_until,
            failures,
            since,
            sessions,
        } = account;
        let state = match locked_until {
            Some(until) => format!("{state} until {}", output::moment(&until)),
            None => state,
        };
        vec![
            name.to_string(),
            words(&roles),
            state,
            failures.to_string(),
            sessions.to_string(),
            output::moment(&since),
        ]
    });
    let header = [
        "account",
        "roles",
        "state",
        "wrong passwords",
        "sessions",
        "since",
    ];
    output::print_table(console, &header, rows)
}

fn words(roles: &[Role]) -> String {
    let words: Vec<String> = roles.iter().map(Role::to_string).collect();
    words.join(", ")
}

/// Begins a session and keeps its token.
pub(super) async fn login(
    global: &Global,
    args: LoginArgs,
    console: &mut Console,
    launcher: &dyn Launcher,
) -> Result<(), Failure> {
    let config = enrolled_config(global)?;
    let LoginArgs {
        name,
        password,
        print_session,
    } = args;
    let password = password::present(password.password_file.as_deref(), console)?;
    let request = Request {
        by: session::nobody(global),
        command: Command::Account(AccountCommand::Login { name, password }),
    };
    let value = ask_as(global, config, request, console, launcher).await?;
    let report: LoginReport = output::parsed(value)?;
    if print_session && global.json {
        let value = json!({ "session": report.session, "ends": report.ends });
        return output::print_json(console, &value);
    }
    if print_session {
        return Ok(console.say(&report.session)?);
    }
    let place = session::keep(global, console, &report.session)?;
    let LoginReport {
        who,
        roles,
        session: _,
        ends,
        must_choose_password,
    } = report;
    if global.json {
        let value = json!({
            "who": who, "roles": roles, "ends": ends,
            "must_choose_password": must_choose_password, "file": place,
        });
        return output::print_json(console, &value);
    }
    console.say(&format!(
        "Signed in as {who}: {}. The session ends at {} unless it is used.",
        words(&roles),
        output::moment(&ends)
    ))?;
    if must_choose_password {
        console.say("First choose a password of your own: symbolon-node account password")?;
    }
    Ok(())
}

/// Ends the session and forgets its token.
pub(super) async fn logout(
    global: &Global,
    console: &mut Console,
    launcher: &dyn Launcher,
) -> Result<(), Failure> {
    let config = enrolled_config(global)?;
    let command = Command::Account(AccountCommand::Logout);
    let answer = ask(global, config, command, console, launcher).await;
    session::forget(global, console)?;
    let value = answer?;
    if global.json {
        return output::print_json(console, &value);
    }
    Ok(console.say("Signed out.")?)
}

/// Says who is signed in.
pub(super) async fn whoami(
    global: &Global,
    console: &mut Console,
    launcher: &dyn Launcher,
) -> Result<(), Failure> {
    let config = enrolled_config(global)?;
    let command = Command::Account(AccountCommand::Whoami);
    let value = ask(global, config, command, console, launcher).await?;
    if global.json {
        return output::print_json(console, &value);
    }
    let WhoamiReport { who, roles, ends } = output::parsed(value)?;
    Ok(console.say(&match ends {
        Some(ends) => format!(
            "{who}: {}. The session ends at {} unless it is used.",
            words(&roles),
            output::moment(&ends)
        ),
        None => {
            format!("{who}: this node has no account yet; whoever can open it may do everything.")
        }
    })?)
}
