//! People at the node: from the first account on nobody acts without a session, each role may what its
//! rules say and nothing else, and wrong passwords lock an account whoever asks.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use symbolon_casework::accounts::{FIRST_LOCK_S, IDLE_S};
use symbolon_casework::acting::Role;
use symbolon_core::identity::Name;
use symbolon_node::casework::LoginReport;
use symbolon_node::casework::command::{AccountCommand, Claim};
use symbolon_node::command::{Command, Request, least_shown};
use symbolon_node::control;
use symbolon_node::tables::Secret;
use symbolon_tests::consortium::{Consortium, eventually};

use crate::support::{Scene, scene, silent};

const FIRST: &str = "a first password of five words";
const SECOND: &str = "another password of five words";

/// Somebody at the police's terminal, signed in or not.
#[derive(Clone, Default)]
pub struct Person {
    session: Option<Vec<u8>>,
    said: bool,
}

impl Person {
    /// Says for what and why with every command.
    pub fn says_why(self) -> Self {
        Self { said: true, ..self }
    }

    /// Asks the police's serving node, as the command line does.
    pub async fn asks(&self, scene: &Scene, command: Command) -> Result<Value, String> {
        let text = |text: &str| self.said.then(|| text.parse().unwrap());
        let by = Claim {
            session: self.session.clone().map(Secret),
            purpose: text("safeguarding"),
            reason: text("a call from the school"),
        };
        let request = Request { by, command };
        let socket = control::socket_path(&scene.consortium.places.node("police")).unwrap();
        eventually("the node's socket", async || {
            Ok(control::is_served(&socket).await.then_some(()))
        })
        .await
        .unwrap();
        let answer = control::call(&socket, &request, silent()).await;
        let answer = answer.map_err(|error| error.message)?;
        Ok(answer.unwrap())
    }

    pub async fn does(&self, scene: &Scene, command: AccountCommand) -> Result<Value, String> {
        self.asks(scene, Command::Account(command)).await
    }

    /// What the node says against a command, or nothing.
    async fn refused(&self, scene: &Scene, command: &Command) -> Option<String> {
        self.asks(scene, command.clone()).await.err()
    }
}

fn secret(text: &str) -> Secret {
    Secret(text.as_bytes().to_vec())
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub async fn sign_in(scene: &Scene, who: &str, password: &str) -> Result<Person, String> {
    let login = AccountCommand::Login {
        name: who.to_owned(),
        password: secret(password),
    };
    let report = Person::default().does(scene, login).await?;
    let report: LoginReport = serde_json::from_value(report).unwrap();
    let session = data_encoding::BASE64URL_NOPAD.decode(report.session.as_bytes());
    Ok(Person {
        session: Some(session.unwrap()),
        said: false,
    })
}

pub async fn add(scene: &Scene, by: &Person, who: &str, roles: &[Role]) -> Result<Value, String> {
    let add = AccountCommand::Add {
        name: name(who),
        roles: roles.iter().copied().collect(),
        password: secret(FIRST),
    };
    by.does(scene, add).await
}

/// A new account whose person has chosen a password and is signed in.
pub async fn person(scene: &Scene, by: &Person, who: &str, roles: &[Role]) -> Person {
    add(scene, by, who, roles).await.unwrap();
    let person = sign_in(scene, who, FIRST).await.unwrap();
    let change = AccountCommand::ChangePassword {
        present: secret(FIRST),
        new: secret(SECOND),
    };
    person.does(scene, change).await.unwrap();
    sign_in(scene, who, SECOND).await.unwrap()
}

/// The first account, an administrator's, signed in.
pub async fn administrator(scene: &Scene) -> Person {
    let nobody = Person::default();
    add(scene, &nobody, "ana-nowak", &[Role::Administrator])
        .await
        .unwrap();
    sign_in(scene, "ana-nowak", FIRST).await.unwrap()
}

fn command(value: Value) -> Command {
    serde_json::from_value(value).unwrap()
}

/// A command of each kind, by its name, that changes nothing when it is let through: what it names is not
/// there.
fn samples() -> BTreeMap<String, Command> {
    let import = json!({
        "command": "import", "file": "/nowhere.csv", "map": {}, "remove_missing": false,
        "keep_invalid": false, "agreements": null,
    });
    let mut preview =
        json!({ "command": "preview", "record_id": null, "most": null, "show_values": false });
    preview["import"] = import.clone();
    preview["import"].as_object_mut().unwrap().remove("command");
    let account = |act: &str| json!({ "command": "account", "act": act, "name": "nobody-here" });
    let with = |mut value: Value, key: &str, more: Value| {
        value[key] = more;
        value
    };
    let all = [
        import,
        preview,
        json!({ "command": "records", "record_id": null }),
        json!({ "command": "casework", "room": "record", "act": "show", "record_id": "none" }),
        json!({ "command": "query", "columns": { "sex": "f" }, "agreement": null }),
        json!({ "command": "matches", "record_id": null }),
        json!({ "command": "comparisons", "record_id": null }),
        json!({ "command": "withdraw", "record_ids": [] }),
        json!({ "command": "calibrate" }),
        json!({ "command": "casework", "room": "case", "act": "show", "case": "none" }),
        json!({ "command": "casework", "room": "case", "act": "acknowledge", "case": "none" }),
        json!({ "command": "casework", "room": "case", "act": "close", "case": "none" }),
        json!({ "command": "agreements" }),
        json!({ "command": "agreement", "agreement": "none" }),
        json!({ "command": "export-agreement", "agreement": "none" }),
        json!({ "command": "accept", "agreement": "none", "immigration": [] }),
        json!({ "command": "decline", "agreement": "none", "reason": "no" }),
        json!({ "command": "leave", "agreement": "none", "reason": "no" }),
        json!({ "command": "custody", "act": "status" }),
        json!({ "command": "custody", "act": "log", "newest": 1 }),
        json!({ "command": "custody", "act": "restore", "sealed": "", "passphrase": "" }),
        json!({ "command": "audit", "act": "show", "filter": {}, "newest": 1 }),
        json!({ "command": "audit", "act": "verify", "noted": null }),
        json!({ "command": "audit", "act": "export", "filter": {} }),
        json!({ "command": "account", "act": "list" }),
        with(account("add"), "roles", json!([])).clone(),
        with(account("roles"), "roles", json!(["analyst"])),
        account("disable"),
        account("enable"),
        account("unlock"),
        json!({ "command": "account", "act": "whoami" }),
    ];
    let all = all.into_iter().map(|value| match value["act"].as_str() {
        Some("add") => command(with(value, "password", json!(""))),
        _ => command(value),
    });
    all.map(|command| (command.name(), command)).collect()
}

/// Which samples each role may have carried out; the others it may not.
fn permitted(role: Role) -> Vec<&'static str> {
    let look = [
        "records",
        "record show",
        "query",
        "matches",
        "comparisons",
        "case show",
        "case acknowledge",
        "case close",
    ];
    let keep = ["import", "preview", "withdraw", "calibrate"];
    let log = ["audit show", "audit verify", "audit export"];
    let node = [
        "accept",
        "decline",
        "leave",
        "custody log",
        "custody restore",
        "account list",
        "account add",
        "account roles",
        "account disable",
        "account enable",
        "account unlock",
    ];
    let everybody = [
        "agreements",
        "agreement",
        "export-agreement",
        "custody status",
        "account whoami",
    ];
    let own = match role {
        Role::Analyst => look.to_vec(),
        Role::Caseworker => [&look[..], &keep].concat(),
        Role::Supervisor => [&look[..], &keep, &log].concat(),
        Role::Administrator => [&log[..], &node].concat(),
    };
    [&own[..], &everybody].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_first_account_on_nobody_acts_without_a_session() {
    let mut scene = scene(&["police", "refuge"], 2).await;
    let nobody = Person::default();
    // Control: while the node is being set up, whoever reaches it may.
    for (name, sample) in &samples() {
        let said = nobody.refused(&scene, sample).await.unwrap_or_default();
        assert!(
            !said.contains("sign in") && !said.contains("may not"),
            "{name}: {said}"
        );
    }
    let status = nobody.asks(&scene, Command::Status).await.unwrap();
    assert_eq!(status["records"], 0);
    let early = sign_in(&scene, "ana-nowak", FIRST).await.err().unwrap();
    assert!(early.contains("no account yet"), "{early}");
    for (who, role, expected) in [
        (
            "ana-nowak",
            Role::Analyst,
            "must have the role administrator",
        ),
        ("administrator", Role::Administrator, "no person's name"),
        ("police", Role::Administrator, "no person's name"),
    ] {
        let refused = add(&scene, &nobody, who, &[role]).await.unwrap_err();
        assert!(refused.contains(expected), "{refused}");
    }

    let ana = administrator(&scene).await;
    for (name, sample) in &samples() {
        let said = nobody.refused(&scene, sample).await.unwrap_or_default();
        assert!(said.contains("nobody is signed in here"), "{name}: {said}");
        let forged = Person {
            session: Some(vec![7; 32]),
            said: true,
        };
        let said = forged.refused(&scene, sample).await.unwrap_or_default();
        assert!(said.contains("the session has ended"), "{name}: {said}");
    }
    // What says nothing about people is still told.
    let status = nobody.asks(&scene, Command::Status).await.unwrap();
    assert_eq!(status["agency"], "police");
    for hidden in [
        "records",
        "rows",
        "matches",
        "comparisons",
        "agreements",
        "waiting",
    ] {
        assert!(status.get(hidden).is_none(), "{hidden}: {status}");
    }
    let status = ana.asks(&scene, Command::Status).await.unwrap();
    assert_eq!(status["records"], 0);
    // The session is good after a restart, and until it is idle.
    scene.consortium.stop_node("police").await.unwrap();
    scene.consortium.start_node("police").await.unwrap();
    ana.does(&scene, AccountCommand::Whoami).await.unwrap();
    scene.consortium.clock.advance(IDLE_S);
    let over = ana.does(&scene, AccountCommand::Whoami).await.unwrap_err();
    assert!(over.contains("the session has ended"), "{over}");
    let ana = sign_in(&scene, "ana-nowak", FIRST).await.unwrap();
    ana.does(&scene, AccountCommand::Logout).await.unwrap();
    let over = ana.does(&scene, AccountCommand::Whoami).await.unwrap_err();
    assert!(over.contains("the session has ended"), "{over}");
    stop(scene.consortium).await;
}

async fn stop(consortium: Consortium) {
    consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_may_what_its_rules_say_and_nothing_else() {
    let scene = scene(&["police", "refuge"], 2).await;
    let ana = administrator(&scene).await;
    for (who, role) in [
        ("ben-analyst", Role::Analyst),
        ("cleo-caseworker", Role::Caseworker),
        ("dan-supervisor", Role::Supervisor),
        ("eve-administrator", Role::Administrator),
    ] {
        let person = person(&scene, &ana, who, &[role]).await.says_why();
        let permitted = permitted(role);
        for (name, sample) in &samples() {
            let said = person.refused(&scene, sample).await.unwrap_or_default();
            let is_permitted = permitted.contains(&name.as_str());
            assert_eq!(
                !said.contains("may not do this"),
                is_permitted,
                "{who} {name}: {said}"
            );
        }
    }
    // Purpose and reason are demanded where the rules say so.
    let cleo = sign_in(&scene, "cleo-caseworker", SECOND).await.unwrap();
    for (name, sample) in &samples() {
        let demanded = match name.as_str() {
            "query" => "--purpose",
            "import" | "records" | "record show" | "withdraw" | "case close" => "--reason",
            _ => continue,
        };
        let said = cleo.refused(&scene, sample).await.unwrap_or_default();
        assert!(
            said.contains("say ") && said.contains(demanded),
            "{name}: {said}"
        );
        let cleo = cleo.clone().says_why();
        let said = cleo.refused(&scene, sample).await.unwrap_or_default();
        assert!(
            !said.contains("say why") && !said.contains("say for"),
            "{name}: {said}"
        );
    }
    stop(scene.consortium).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_what_it_rested_on() {
    let scene = scene(&["police", "refuge"], 2).await;
    let ana = administrator(&scene).await;
    add(&scene, &ana, "ben", &[Role::Analyst]).await.unwrap();
    let taken = add(&scene, &ana, "ben", &[Role::Supervisor])
        .await
        .unwrap_err();
    assert!(taken.contains("nobody else can have its name"), "{taken}");
    // A password that somebody else knows is for choosing another.
    let ben = sign_in(&scene, "ben", FIRST).await.unwrap();
    let matches = Command::Matches {
        record_id: None,
        least: least_shown(),
    };
    let said = ben.refused(&scene, &matches).await.unwrap();
    assert!(said.contains("choose one that only you know"), "{said}");
    let change = |present: &str, new: &str| AccountCommand::ChangePassword {
        present: secret(present),
        new: secret(new),
    };
    for (present, new, expected) in [
        (SECOND, "a third password of words", "not signed in"),
        (FIRST, FIRST, "the new password is the present one"),
        (FIRST, "too short", "too short"),
    ] {
        let said = ben.does(&scene, change(present, new)).await.unwrap_err();
        assert!(said.contains(expected), "{said}");
    }
    ben.does(&scene, change(FIRST, SECOND)).await.unwrap();
    let over = ben.refused(&scene, &matches).await.unwrap();
    assert!(over.contains("the session has ended"), "{over}");

    let roles = |who: &str, roles: &[Role]| AccountCommand::Roles {
        name: name(who),
        roles: roles.iter().copied().collect(),
    };
    let disable = |who: &str| AccountCommand::Disable { name: name(who) };
    for change in [roles("ben", &[Role::Supervisor]), disable("ben")] {
        let ben = sign_in(&scene, "ben", SECOND).await.unwrap();
        assert_eq!(ben.refused(&scene, &matches).await, None, "control");
        ana.does(&scene, change).await.unwrap();
        let over = ben.refused(&scene, &matches).await.unwrap();
        assert!(over.contains("the session has ended"), "{over}");
    }
    let shut = sign_in(&scene, "ben", SECOND).await.err().unwrap();
    assert!(shut.contains("not signed in"), "{shut}");
    let enable = AccountCommand::Enable { name: name("ben") };
    ana.does(&scene, enable).await.unwrap();
    let ben = sign_in(&scene, "ben", SECOND).await.unwrap();
    let reset = AccountCommand::ResetPassword {
        name: name("ben"),
        new: secret(FIRST),
    };
    ana.does(&scene, reset).await.unwrap();
    assert!(ben.refused(&scene, &matches).await.is_some());
    assert!(sign_in(&scene, "ben", SECOND).await.is_err());
    sign_in(&scene, "ben", FIRST).await.unwrap();

    // Somebody must be left who can make accounts.
    for change in [disable("ana-nowak"), roles("ana-nowak", &[Role::Analyst])] {
        let said = ana.does(&scene, change).await.unwrap_err();
        assert!(said.contains("the last administrator"), "{said}");
    }
    add(&scene, &ana, "eve", &[Role::Administrator])
        .await
        .unwrap();
    ana.does(&scene, disable("ana-nowak")).await.unwrap();
    assert!(ana.does(&scene, AccountCommand::Whoami).await.is_err());
    stop(scene.consortium).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_passwords_lock_an_account_for_a_while_and_tell_no_names() {
    let mut scene = scene(&["police", "refuge"], 2).await;
    let ana = administrator(&scene).await;
    let unknown = sign_in(&scene, "no-such-person", FIRST)
        .await
        .err()
        .unwrap();
    for attempt in 1..=5 {
        let wrong = sign_in(&scene, "ana-nowak", SECOND).await.err().unwrap();
        assert_eq!(
            wrong, unknown,
            "attempt {attempt}: one answer for every reason"
        );
    }
    let locked = sign_in(&scene, "ana-nowak", FIRST).await.err().unwrap();
    assert_eq!(locked, unknown, "the right password, too late");
    // A restart forgets nothing.
    scene.consortium.stop_node("police").await.unwrap();
    scene.consortium.start_node("police").await.unwrap();
    assert!(sign_in(&scene, "ana-nowak", FIRST).await.is_err());
    // Whoever is signed in already sees it, and can end it.
    let accounts = ana.does(&scene, AccountCommand::List).await.unwrap();
    assert_eq!(
        (&accounts[0]["state"], &accounts[0]["failures"]),
        (&json!("locked"), &json!(5))
    );
    let unlock = AccountCommand::Unlock {
        name: name("ana-nowak"),
    };
    ana.does(&scene, unlock).await.unwrap();
    sign_in(&scene, "ana-nowak", FIRST).await.unwrap();
    // Or it ends by itself.
    for _ in 1..=5 {
        assert!(sign_in(&scene, "ana-nowak", SECOND).await.is_err());
    }
    scene.consortium.clock.advance(FIRST_LOCK_S - 60);
    assert!(sign_in(&scene, "ana-nowak", FIRST).await.is_err());
    scene.consortium.clock.advance(120);
    sign_in(&scene, "ana-nowak", FIRST).await.unwrap();
    stop(scene.consortium).await;
}
