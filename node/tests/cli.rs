//! The command line from arguments to output and exit code, with an engine that only answers.

#[cfg(test)]
#[path = "cli_support/calibrate.rs"]
mod cli_calibrate;
#[cfg(test)]
#[path = "cli_support/custody.rs"]
mod cli_custody;
#[cfg(test)]
#[path = "cli_support/import.rs"]
mod cli_import;
#[cfg(test)]
#[path = "cli_support/matches.rs"]
mod cli_matches;
#[cfg(test)]
#[path = "cli_support/people.rs"]
mod cli_people;
#[cfg(test)]
#[path = "cli_support/preview.rs"]
mod cli_preview;
#[cfg(test)]
#[path = "cli_support/rekey.rs"]
mod cli_rekey;
#[cfg(test)]
mod cli_support;
#[cfg(test)]
#[path = "cli_support/suppression.rs"]
mod cli_suppression;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};
    use symbolon_node::command::Command;
    use symbolon_node::config::NodeConfig;
    use symbolon_node::control::{ControlServer, socket_path};
    use symbolon_node::reports::{QueryReport, WithdrawReport};
    use tokio_util::sync::CancellationToken;

    use super::cli_support::*;

    #[tokio::test]
    async fn help_and_usage_have_their_exit_codes() {
        let node = Node::new();
        for args in [&["--help"][..], &["--version"], &["query", "--help"]] {
            let run = node.run(args).await;
            assert_eq!((run.code, run.err.as_str()), (0, ""), "{args:?}");
            assert!(!run.out.is_empty());
        }
        let commands = [
            &["enrol"][..],
            &["serve"],
            &["import"],
            &["preview"],
            &["records"],
            &["matches"],
            &["comparisons"],
            &["query"],
            &["withdraw"],
            &["status"],
            &["agreement"],
            &["agreement", "list"],
            &["agreement", "accept"],
            &["custody"],
            &["custody", "status"],
            &["custody", "log"],
            &["custody", "refresh"],
            &["custody", "repair"],
            &["custody", "backup"],
            &["custody", "restore"],
            &["agreement", "show"],
            &["agreement", "decline"],
            &["agreement", "leave"],
            &["agreement", "export"],
            &["account"],
            &["account", "add"],
            &["account", "list"],
            &["account", "roles"],
            &["account", "disable"],
            &["account", "enable"],
            &["account", "unlock"],
            &["account", "password"],
            &["login"],
            &["logout"],
            &["whoami"],
            &["audit"],
            &["audit", "show"],
            &["audit", "verify"],
            &["audit", "export"],
            &["schema"],
            &["default-config"],
        ];
        for command in commands {
            let run = node.run(&[command, &["--help"]].concat()).await;
            assert!(run.out.contains("Example"), "{command:?}: {}", run.out);
        }
        for args in [
            &[][..],
            &["dance"],
            &["enrol"],
            &["enrol", "text", "--invitation-file", "file"],
            &["import"],
            &["import", "x.csv", "--map", "nothing"],
            &["query"],
            &["query", "--agreement", "north"],
            &["query", "--surname", " "],
            &["withdraw"],
        ] {
            let run = node.run(args).await;
            assert_eq!((run.code, run.out.as_str()), (2, ""), "{args:?}");
            assert!(!run.err.is_empty(), "{args:?}");
        }
    }

    #[tokio::test]
    async fn enrols_with_the_invitation_from_anywhere() {
        let node = Node::new();
        let file = node.file("invitation.txt", "symbolon-invitation-1.abc\n");
        for args in [
            &["enrol", "symbolon-invitation-1.abc"][..],
            &["enrol", "-"],
            &["enrol", "--invitation-file", "-"],
            &["enrol", "--invitation-file", &file],
        ] {
            let mut given = node.given(args);
            given.input = "symbolon-invitation-1.abc\n";
            let run = given.run().await;
            assert_eq!((run.code, run.err.as_str()), (0, ""), "{args:?}");
            assert!(run.out.contains("Enrolled harbour-refuge in north."));
            assert!(run.out.contains("Roster digest: 0f0f"), "{}", run.out);
            assert_eq!(node.invitation(), "symbolon-invitation-1.abc");
        }
        let run = node.run(&["enrol", "text", "--json"]).await;
        assert_eq!(run.json()["consortium"], "north");

        let run = node
            .run(&["enrol", "--invitation-file", "no-such-file"])
            .await;
        assert_eq!(run.code, 1);
        assert!(
            run.err
                .contains("cannot read the invitation from no-such-file")
        );
        let run = node.given(&["enrol", "-"]).run().await;
        assert!(run.err.contains("the invitation is empty"), "{}", run.err);
    }

    #[tokio::test]
    async fn a_node_that_is_not_there_is_told_before_anything_is_asked() {
        let node = Node::new();
        let mut given = node.given(&["--state", "no/such/state", "status"]);
        given.passphrase = None;
        let run = given.run().await;
        assert_eq!(run.code, 1);
        let told = "error: there is no node in no/such/state; ";
        assert!(run.err.starts_with(told), "{}", run.err);

        node.file("state/node.toml", "[log]\nlevel = 3\n");
        let run = node.run(&["status"]).await;
        assert_eq!(run.code, 1);
        assert!(run.err.contains("node.toml line 2: "), "{}", run.err);
    }

    #[tokio::test]
    async fn without_a_passphrase_and_a_terminal_the_exit_code_is_2() {
        let node = Node::new();
        let mut given = node.given(&["status"]);
        given.passphrase = None;
        let run = given.run().await;
        assert_eq!((run.code, run.out.as_str()), (2, ""));
        assert!(run.err.contains("SYMBOLON_PASSPHRASE"), "{}", run.err);
    }

    #[tokio::test]
    async fn empty_lists_say_what_to_do() {
        let node = Node::new();
        node.answer(&json!([]));
        for (args, hint) in [
            (&["records"][..], "symbolon-node import FILE"),
            (&["matches"], "symbolon-node records"),
            (&["comparisons"], "symbolon-node matches"),
            (&["agreement", "list"], "The administrator proposes them"),
        ] {
            let run = node.run(args).await;
            assert_eq!(run.code, 0);
            assert!(run.out.contains(hint), "{args:?}: {}", run.out);
            let run = node.run(&[args, &["--json"]].concat()).await;
            assert_eq!(run.json(), json!([]));
        }
    }

    #[tokio::test]
    async fn a_query_carries_the_contracts_columns() {
        let node = Node::new();
        node.answer(&QueryReport {
            agreement: "north-missing".to_owned(),
            linkage_keys: 3,
            warnings: vec!["sex was not used".to_owned()],
            matches: vec![found("query", "strong")],
        });
        let args = [
            "query",
            "--given-names",
            "Ana Maria",
            "--phone",
            "07700900123",
            "--phone",
            "07700900456",
            "--nhs-number",
            "9434765919",
        ];
        let run = node.run(&args).await;
        assert_eq!(run.code, 0);
        assert!(
            run.out
                .contains("Asked under north-missing with 3 linkage keys: 1 match.")
        );
        assert_eq!(run.err, "note: sex was not used\n");
        let Command::Query { columns, agreement } = node.command() else {
            panic!("a query");
        };
        let expected = [
            ("given_names", "Ana Maria"),
            ("nhs_number", "9434765919"),
            ("phone", "07700900123;07700900456"),
        ];
        let expected = expected.map(|(column, cell)| (column.to_owned(), cell.to_owned()));
        assert_eq!(columns, BTreeMap::from(expected));
        assert_eq!(agreement, None);
    }

    #[tokio::test]
    async fn withdrawing_is_confirmed() {
        let node = Node::new();
        node.answer(&WithdrawReport {
            records: vec!["R-1".to_owned()],
            unknown: vec!["R-9".to_owned()],
            rows_withdrawn: 12,
            notices_cancelled: 1,
            ..WithdrawReport::default()
        });
        let args = ["withdraw", "R-1", "R-9"];
        let run = node.run(&args).await;
        assert_eq!((run.code, run.out.as_str()), (2, ""));
        assert!(run.err.contains("give --yes"), "{}", run.err);

        let mut no = node.given(&args);
        (no.input, no.terminal) = ("\n", true);
        let run = no.run().await;
        assert_eq!(run.code, 1);
        assert!(run.err.contains("Delete 2 records here (R-1, R-9)"));
        assert!(run.err.contains("nothing was withdrawn"), "{}", run.err);
        assert!(node.commands_so_far().is_empty());

        let mut yes = node.given(&args);
        (yes.input, yes.terminal) = ("y\n", true);
        assert_eq!(yes.run().await.code, 0);
        let run = node.run(&["withdraw", "R-1", "R-9", "--yes"]).await;
        assert_eq!(run.code, 0);
        assert!(run.err.contains("not withdrawn: R-9"), "{}", run.err);
        assert_eq!(
            run.out,
            "Withdrew 1 record: 12 rows deleted at the hub, 1 notice cancelled at other agencies, \
             0 matches of yours ended.\n"
        );

        node.answer(&WithdrawReport {
            unknown: vec!["R-9".to_owned()],
            ..WithdrawReport::default()
        });
        let run = node.run(&["withdraw", "R-9", "--yes", "--json"]).await;
        assert_eq!(run.code, 1);
        assert_eq!(run.json()["unknown"], json!(["R-9"]));
    }

    #[tokio::test]
    async fn status_and_agreements_read_well() {
        let node = Node::new();
        node.answer(&status());
        let run = node.run(&["status"]).await;
        assert_eq!((run.code, run.err.as_str()), (0, ""));
        for text in [
            "harbour-refuge in north",
            "hub.example:7443, not connected: connection refused",
            "no; start it with: symbolon-node serve",
            "2 of 3, custodian 1 of them",
            "north-missing (proposed)",
            "7 keys wait and go on without you",
        ] {
            assert!(run.out.contains(text), "{text}: {}", run.out);
        }
        node.answer(&[agreement(&["harbour-refuge"])]);
        let run = node.run(&["agreement", "list"]).await;
        let hint = "To accept: symbolon-node agreement accept north-missing";
        assert!(run.out.contains(hint), "{}", run.out);
        // Another agency wrote the title: it cannot steer this terminal.
        assert!(!run.out.contains('\u{1b}') && run.out.contains("\u{FFFD}[2JMissing children"));

        node.answer(&agreement(&["harbour-refuge"]));
        let run = node.run(&["agreement", "accept", "north-missing"]).await;
        assert!(run.out.contains("It waits for northshire-police."));
        assert!(
            matches!(node.command(), Command::Accept { agreement, immigration } if agreement == "north-missing" && immigration.is_empty())
        );
    }

    #[tokio::test]
    async fn the_engines_refusal_is_the_reason() {
        let node = Node::new();
        node.refuse("no record R-7; see: symbolon-node records");
        let run = node.run(&["records", "R-7", "--json"]).await;
        assert_eq!((run.code, run.out.as_str()), (1, ""));
        assert_eq!(
            run.err,
            "error: no record R-7; see: symbolon-node records\n"
        );

        node.answer(&json!({ "something": "else" }));
        let run = node.run(&["status"]).await;
        assert_eq!(run.code, 1);
        assert!(run.err.contains("of the same version?"), "{}", run.err);
        let run = node.run(&["status", "--json"]).await;
        assert_eq!(run.json(), json!({ "something": "else" }));
    }

    #[tokio::test]
    async fn a_serving_node_is_asked_instead_of_opening_the_vault() {
        let node = Node::new();
        let path = socket_path(node.state()).unwrap();
        let server = ControlServer::bind(&path).await.unwrap();
        let serving = Node::new();
        serving.answer(&[found("R-5", "strong")]);
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(server.run(serving.handler(), shutdown.clone()));

        let mut given = node.given(&["matches"]);
        given.passphrase = None;
        let run = given.run().await;
        assert_eq!((run.code, run.err.as_str()), (0, ""));
        assert!(run.out.contains("R-5"));
        assert_eq!(serving.commands_so_far(), ["matches"]);
        assert!(node.commands_so_far().is_empty());

        let run = node.run(&["serve"]).await;
        assert_eq!(run.code, 1);
        assert!(run.err.contains("is serving already"), "{}", run.err);

        serving.refuse("the hub refused: suspended");
        let mut given = node.given(&["matches"]);
        given.passphrase = None;
        let run = given.run().await;
        assert_eq!((run.code, run.out.as_str()), (1, ""));
        assert_eq!(run.err, "error: the hub refused: suspended\n");
        shutdown.cancel();
        task.await.unwrap();
    }

    #[tokio::test]
    async fn serves_until_it_is_told_to_stop() {
        let node = Node::new();
        // The fake engine sends this process SIGTERM when it is up, and waits to be told.
        let run = node.run(&["serve"]).await;
        assert_eq!(run.code, 0, "{}", run.err);
        assert_eq!(
            run.out,
            "Serving harbour-refuge in north, connected to hub.example:7443. Ctrl-C stops it.\n"
        );
        assert!(run.err.contains("stopping when the work in hand is done"));
        let run = node.run(&["serve", "--json"]).await;
        assert_eq!(run.out.lines().count(), 1);
        assert_eq!(run.json()["connection_error"], Value::Null);
    }

    #[tokio::test]
    async fn schema_and_settings_need_no_vault() {
        let node = Node::new();
        let mut given = node.given(&["--state", "none", "schema"]);
        given.passphrase = None;
        let run = given.run().await;
        assert_eq!(run.code, 0);
        assert!(run.out.contains("Linkage schema version 3") && run.out.contains("Digest abab"));
        let run = node.run(&["schema", "--json"]).await;
        assert_eq!(run.json()["kinds"][0]["name"], "nhs");

        let run = node.run(&["default-config"]).await;
        assert_eq!(run.out, NodeConfig::default_toml());
        let run = node.run(&["default-config", "--json"]).await;
        assert_eq!(run.json()["tokenising"]["batch"], 1024);
    }
}
