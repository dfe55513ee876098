//! Stories: three agencies, told through the command line, from the first record to the last word.
//!
//! After each story the hub is searched: its files and every byte that it received, decrypted, must hold
//! nothing that anybody in the story knew or typed. The control puts one of these past the tokeniser, and
//! the same search must find it.

mod consent;
mod covert;
mod girl;
mod judgement;
mod phone;
mod week;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use memchr::memmem;
use serde_json::Value;
use symbolon_node::cli::Person;
use symbolon_node::control;
use symbolon_tests::consortium::eventually;
use zeroize::Zeroizing;

use crate::canaries::{bypass, collect_files};
use crate::support::{Scene, scene_observed, typed};

/// The three agencies of every story.
const AGENCIES: [&str; 3] = ["council", "police", "refuge"];
/// Said with every act, unless a story says something else.
const REASON: &str = "told by Quistorpvane of Threlkeldine";

/// Three agencies, and everything that their hub receives.
struct Story {
    scene: Scene,
    received: Arc<Mutex<Vec<u8>>>,
}

impl Story {
    async fn begin() -> Self {
        let received = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&received);
        let observer = Arc::new(move |bytes: &[u8]| sink.lock().unwrap().extend_from_slice(bytes));
        let scene = scene_observed(&AGENCIES, 2, observer).await;
        Self { scene, received }
    }

    /// The terminal of an agency where nobody has an account yet.
    fn desk(&self, agency: &str) -> Desk {
        Desk {
            state: self.scene.consortium.places.node(agency),
            session: None,
        }
    }

    async fn settle(&self) {
        self.scene.consortium.settle().await.unwrap();
    }

    /// Searches the hub for what nobody told it, and ends.
    async fn end(self, known: &[&str]) {
        self.settle().await;
        let known = known.iter().copied().chain(REASON.split(' '));
        let known: Vec<&str> = known.filter(|word| word.len() > 4).collect();
        for word in &known {
            assert_eq!(self.places_with(word), 0, "{word} reached the hub");
        }
        // The controls: what it may know it has, and a value that goes past the tokeniser is found.
        assert!(self.places_with("refuge") > 1);
        bypass(&self.scene, known[0].as_bytes()).await;
        assert!(self.places_with(known[0]) > 1, "{}", known[0]);
        self.scene.consortium.stop().await.unwrap();
    }

    /// In how many of the hub's files, and in what it received, a text stands, in letters of either case.
    fn places_with(&self, text: &str) -> usize {
        let needle = text.to_lowercase();
        let finder = memmem::Finder::new(needle.as_bytes());
        let holds = |bytes: &[u8]| finder.find(&bytes.to_ascii_lowercase()).is_some();
        let mut files = Vec::new();
        collect_files(&self.scene.consortium.places.hub(), &mut files);
        let stored = files.iter().filter(|file| {
            // Some are gone before they are read.
            let content = std::fs::read(file).unwrap_or_default();
            holds(&content)
        });
        stored.count() + usize::from(holds(&self.received.lock().unwrap()))
    }
}

/// Somebody at an agency's terminal.
#[derive(Clone)]
struct Desk {
    state: PathBuf,
    session: Option<String>,
}

impl Desk {
    /// What a command prints with `--json`.
    async fn does(&self, line: &str) -> Value {
        let (code, out, err) = self.types(line, true, None).await;
        assert_eq!(code, 0, "{line}: {err}");
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{line}: {error}: {out}"))
    }

    /// What a command says against itself.
    async fn is_refused(&self, line: &str) -> String {
        let (code, out, err) = self.types(line, true, None).await;
        assert_eq!(code, 1, "{line}: {out}{err}");
        err
    }

    /// What a command prints for a person.
    async fn reads(&self, line: &str) -> String {
        let (code, out, err) = self.types(line, false, None).await;
        assert_eq!(code, 0, "{line}: {err}");
        out
    }

    /// Repeats a command until what it prints is as wanted.
    async fn until<T>(&self, what: &str, line: &str, wanted: impl Fn(&Value) -> Option<T>) -> T {
        eventually(what, async || Ok(wanted(&self.does(line).await)))
            .await
            .unwrap()
    }

    /// Adds an account, whose person chooses a password and signs in; gives that person's terminal.
    async fn adds(&self, name: &str, role: &str) -> Self {
        let (given, own) = (
            "a first password of five words",
            "one of her very own words",
        );
        let add = format!("account add {name} --role {role}");
        self.signs(&add, (given, None)).await;
        let login = format!("login {name} --print-session");
        let sign_in = async |password: &str, before: &Self| Self {
            session: Some(before.signs(&login, (password, None)).await),
            ..self.clone()
        };
        let nobody = Self {
            session: None,
            ..self.clone()
        };
        let first = sign_in(given, &nobody).await;
        first.signs("account password", (given, Some(own))).await;
        sign_in(own, &nobody).await
    }

    async fn signs(&self, line: &str, passwords: (&str, Option<&str>)) -> String {
        let (code, out, err) = self.types(line, false, Some(passwords)).await;
        assert_eq!(code, 0, "{line}: {err}");
        out.trim().to_owned()
    }

    async fn types(
        &self,
        line: &str,
        json: bool,
        passwords: Option<(&str, Option<&str>)>,
    ) -> (u8, String, String) {
        let mut words = words(line);
        if !words.iter().any(|word| word == "--purpose") {
            words.extend(["--purpose", "safeguarding"].map(str::to_owned));
        }
        if !words.iter().any(|word| word == "--reason") {
            words.extend(["--reason", REASON].map(str::to_owned));
        }
        words.extend(json.then(|| "--json".to_owned()));
        // A node that was just started answers in a moment.
        let socket = control::socket_path(&self.state).unwrap();
        eventually("the node's socket", async || {
            Ok(control::is_served(&socket).await.then_some(()))
        })
        .await
        .unwrap();
        let secret = |text: &str| Zeroizing::new(text.to_owned());
        let person = Person {
            session: self.session.as_deref().map(secret),
            password: passwords.map(|(present, _)| secret(present)),
            new_password: passwords.and_then(|(_, new)| new.map(secret)),
            directory: None,
        };
        typed(&self.state, person, &words).await
    }
}

/// Words of a line; what stands in single quotes is one.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (number, part) in line.split('\'').enumerate() {
        if number % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

/// The case of an own record with an agency, as the queue shows it.
fn case_in(queue: &Value, record: &str, agency: &str) -> Option<Value> {
    let entries = queue.as_array()?.iter();
    let entry = entries
        .into_iter()
        .find(|entry| entry["record_id"] == *record)?;
    let mut cases = entry["counterparts"].as_array()?.iter();
    cases.find(|case| case["agency"] == *agency).cloned()
}

/// The id of a case that is in the queue, or comes.
async fn case(desk: &Desk, record: &str, agency: &str) -> String {
    let found = |queue: &Value| case_in(queue, record, agency);
    let what = format!("{record} with {agency}");
    let case = desk.until(&what, "queue", found).await;
    case["case"].as_str().unwrap().to_owned()
}

/// Waits until a case stands somewhere at every one of these desks.
async fn stands_at(desks: &[&Desk], case: &str, stage: &str) {
    for desk in desks {
        let show = format!("case show {case}");
        let what = format!("{case} being {stage}");
        let is_there = |shown: &Value| (shown["stage"] == *stage).then_some(());
        desk.until(&what, &show, is_there).await;
    }
}

/// Both say that it is one person.
async fn both_confirm(desks: [&Desk; 2], case: &str) {
    for desk in desks {
        desk.does(&format!("case acknowledge {case}")).await;
        desk.does(&format!("case confirm {case}")).await;
    }
    stands_at(&desks, case, "confirmed").await;
}

/// Asks for a field, which the owner has in its list then; gives the request's id.
async fn asks(asker: &Desk, owner: &Desk, case: &str, what: &str) -> String {
    let line = format!("disclosure request {case} {what} --lawful-basis 'public task'");
    let asked = asker.does(&line).await;
    let id = asked["id"].as_str().unwrap().to_owned();
    let listed = |list: &Value| {
        let mut requests = list.as_array()?.iter();
        requests.find(|request| request["id"] == *id).map(|_| ())
    };
    owner.until("the request", "disclosure list", listed).await;
    id
}

/// What was received: field and values.
fn received(list: &Value) -> Vec<(String, String)> {
    let entries = list.as_array().unwrap().iter();
    let pairs = entries.map(|it| (it["field"].to_string(), it["values"].to_string()));
    pairs
        .map(|(field, values)| (field.replace('"', ""), values))
        .collect()
}
