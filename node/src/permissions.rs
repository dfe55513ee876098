//! Who may do what: one line for each command.
//!
//! Denied by default: a command that stands in no line is not carried out, for nobody. Which roles have a
//! permission is said in `symbolon_casework::acting`. Services ask for their permission once more: they
//! have other callers than the control socket.

use symbolon_casework::acting::{Demand, Permission};

/// What it takes to have a command carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nobody has to be signed in: the answer says nothing about people then.
    Nobody,
    /// Anybody who is signed in, be it with a password that an administrator set.
    OwnAccount,
    /// Anybody who is signed in.
    Anybody,
    /// Somebody whose roles have this.
    Permission(Permission),
}

/// What a command needs, and what must be said with it once a node has accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Who.
    pub needs: Needs,
    /// With which words.
    pub demand: Demand,
}

const fn of(permission: Permission, demand: Demand) -> Rule {
    let needs = Needs::Permission(permission);
    Rule { needs, demand }
}

const fn without(needs: Needs) -> Rule {
    let demand = Demand::Nothing;
    Rule { needs, demand }
}

/// Names as [`crate::command::Command::name`] gives them.
const RULES: &[(&str, Rule)] = {
    use Demand::{Nothing, PurposeAndReason, Reason};
    use Needs::{Anybody, Nobody, OwnAccount};
    use Permission::{
        Consult, CountersignDisclosure, Disclose, Judge, KeepAccounts, KeepNode, KeepRecords,
        ReadAudit,
    };
    &[
        // Records and matches.
        ("import", of(KeepRecords, Reason)),
        ("preview", of(KeepRecords, Nothing)),
        ("records", of(Consult, Reason)),
        ("record show", of(Consult, Reason)),
        ("record history", of(Consult, Reason)),
        ("record add", of(KeepRecords, Reason)),
        ("record edit", of(KeepRecords, Reason)),
        ("record consent", of(KeepRecords, Reason)),
        ("record link", of(KeepRecords, Reason)),
        ("record unlink", of(KeepRecords, Reason)),
        ("record import-htcds", of(KeepRecords, Reason)),
        ("record export-htcds", of(KeepRecords, Reason)),
        ("network show", of(Consult, Reason)),
        // Missing persons.
        ("missing report", of(KeepRecords, Nothing)),
        ("missing update", of(KeepRecords, Nothing)),
        ("missing found", of(KeepRecords, Nothing)),
        ("missing interview", of(KeepRecords, Nothing)),
        ("missing cancel", of(KeepRecords, Reason)),
        ("missing list", of(Consult, Nothing)),
        ("missing show", of(Consult, Reason)),
        ("query", of(Consult, PurposeAndReason)),
        ("matches", of(Consult, Nothing)),
        ("comparisons", of(Consult, Nothing)),
        ("withdraw", of(KeepRecords, Reason)),
        ("calibrate", of(KeepRecords, Nothing)),
        // Cases.
        ("case queue", of(Consult, Nothing)),
        ("case show", of(Consult, Nothing)),
        ("case acknowledge", of(Judge, Nothing)),
        ("case judge", of(Judge, Reason)),
        ("case conclude", of(Judge, Reason)),
        ("case close", of(Judge, Reason)),
        ("case reopen", of(Judge, Reason)),
        // Oneself; the service wants more for another person.
        ("case assign", of(Judge, Nothing)),
        // What ends.
        ("ending level", of(KeepRecords, Reason)),
        ("ending erase", of(KeepRecords, Reason)),
        ("ending receipt", of(Consult, Nothing)),
        ("ending verify", of(Consult, Nothing)),
        ("ending received", of(Consult, Nothing)),
        ("ending confirm", of(KeepRecords, Reason)),
        ("ending retention", of(Consult, Nothing)),
        ("ending class", of(KeepRecords, Reason)),
        ("ending keep", of(KeepRecords, Reason)),
        ("ending end", of(KeepRecords, Reason)),
        ("ending hold", of(KeepRecords, Reason)),
        // What leaves and what comes.
        ("disclosure request", of(Judge, PurposeAndReason)),
        ("disclosure list", of(Consult, Nothing)),
        ("disclosure show", of(Consult, Reason)),
        ("disclosure received", of(Consult, Reason)),
        ("disclosure release", of(Disclose, Reason)),
        ("disclosure refuse", of(Disclose, Reason)),
        ("disclosure countersign", of(CountersignDisclosure, Reason)),
        ("attachment send", of(Disclose, PurposeAndReason)),
        ("attachment list", of(Consult, Nothing)),
        ("attachment save", of(Consult, Reason)),
        ("attachment remove", of(KeepRecords, Reason)),
        // The node.
        ("status", without(Nobody)),
        ("rekey", of(KeepNode, Nothing)),
        ("agreements", without(Anybody)),
        ("agreement", without(Anybody)),
        ("export-agreement", without(Anybody)),
        ("accept", of(KeepNode, Nothing)),
        ("decline", of(KeepNode, Nothing)),
        ("leave", of(KeepNode, Nothing)),
        ("custody status", without(Anybody)),
        ("custody log", of(KeepNode, Nothing)),
        ("custody refresh", of(KeepNode, Nothing)),
        ("custody repair", of(KeepNode, Nothing)),
        ("custody backup", of(KeepNode, Nothing)),
        ("custody restore", of(KeepNode, Nothing)),
        // People.
        ("account login", without(Nobody)),
        ("account logout", without(OwnAccount)),
        ("account whoami", without(OwnAccount)),
        ("account change-password", without(OwnAccount)),
        ("account add", of(KeepAccounts, Nothing)),
        ("account list", of(KeepAccounts, Nothing)),
        ("account roles", of(KeepAccounts, Nothing)),
        ("account disable", of(KeepAccounts, Nothing)),
        ("account enable", of(KeepAccounts, Nothing)),
        ("account unlock", of(KeepAccounts, Nothing)),
        ("account reset-password", of(KeepAccounts, Nothing)),
        // The log.
        ("audit show", of(ReadAudit, Nothing)),
        ("audit verify", of(ReadAudit, Nothing)),
        ("audit export", of(ReadAudit, Reason)),
    ]
};

/// The rule of a command; none if it stands in no line.
#[must_use]
pub fn rule(name: &str) -> Option<Rule> {
    let found = RULES.iter().find(|(known, _)| *known == name);
    found.map(|(_, rule)| *rule)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::*;
    use crate::command::Command;

    /// The words that the control socket takes for a tag, by the complaint about one that it does not.
    fn words(mut request: Value, tag: &str) -> Vec<String> {
        request[tag] = json!("?");
        let complaint = serde_json::from_value::<Command>(request).err().unwrap();
        let complaint = complaint.to_string();
        let (start, expected) = complaint.split_once(", expected ").unwrap();
        assert_eq!(start, "unknown variant `?`", "{tag}");
        let quoted = expected.split('`').skip(1).step_by(2);
        quoted.map(str::to_owned).collect()
    }

    /// The name of every command that the socket takes.
    fn every_command() -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for command in words(json!({}), "command") {
            let request = json!({ "command": command });
            match command.as_str() {
                "casework" => {
                    for room in words(request.clone(), "room") {
                        let request = json!({ "command": command, "room": room });
                        let acts = words(request, "act").into_iter();
                        names.extend(acts.map(|act| format!("{room} {act}")));
                    }
                }
                "custody" | "account" | "audit" => {
                    let acts = words(request, "act").into_iter();
                    names.extend(acts.map(|act| format!("{command} {act}")));
                }
                _ => {
                    names.insert(command);
                }
            }
        }
        names
    }

    #[test]
    fn every_command_has_a_rule_and_every_rule_a_command() {
        let ruled: BTreeSet<String> = RULES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(ruled.len(), RULES.len(), "a command stands in one line");
        let every = every_command();
        assert!(
            every.contains("record show") && every.contains("import"),
            "{every:?}"
        );
        assert_eq!(every, ruled);
        assert_eq!(rule("dance"), None);
    }

    #[test]
    fn a_command_goes_by_the_name_that_its_rule_has() {
        for (request, name) in [
            (json!({ "command": "rekey" }), "rekey"),
            (
                json!({ "command": "custody", "act": "refresh" }),
                "custody refresh",
            ),
            (
                json!({ "command": "account", "act": "whoami" }),
                "account whoami",
            ),
            (
                json!({ "command": "audit", "act": "verify", "noted": null }),
                "audit verify",
            ),
            (
                json!({ "command": "casework", "room": "record", "act": "show", "record_id": "R" }),
                "record show",
            ),
        ] {
            let command: Command = serde_json::from_value(request).unwrap();
            assert_eq!(command.name(), name);
        }
    }

    #[test]
    fn nobody_who_is_not_signed_in_gets_at_people_or_keys() {
        let open = RULES.iter().filter(|(_, rule)| rule.needs == Needs::Nobody);
        let open: Vec<&str> = open.map(|(name, _)| *name).collect();
        assert_eq!(open, ["status", "account login"]);
    }
}
