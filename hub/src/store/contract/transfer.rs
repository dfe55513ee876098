//! What a store that was carried over must do: answer as the one it came from, and go on as it does.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::ops::ControlFlow;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use symbolon_core::agreement::{self, Acceptance, Proposal};

use super::*;
use crate::certificates::RevocationList;
use crate::migration::{Migrated, MigrationError, Stage, Step, migrate_in_pages};
use crate::store::transfer::{Kind, Transfer};
use crate::store::{Hit, Registry, Revocation, StoreError};

/// Makes an empty store that can be carried over, or the same again.
pub type MakeTransfer<'a> = &'a dyn Fn(&Path) -> Arc<dyn Transfer>;

const MEMBERS: [&str; 4] = ["a", "aa", "b", "c"];
const MOST_MAIL: u64 = 100_000;

/// Something that a hub does to its store.
#[derive(Clone, Debug)]
enum Op {
    Submit(usize, Vec<Row>),
    Query(usize, Vec<Row>),
    Withdraw(usize, Vec<u8>),
    DropEpoch(usize, u8),
    Expire(u32),
    Send(usize, usize, u8),
    AcknowledgeAll(usize),
    Tell(usize),
    TellAll,
    Roster,
    Waiting(u8),
    Propose(u8),
    Pending(u8),
    Accept(u8, usize),
    Declare(u8, u8),
    State(u32, u32, usize, u8),
    Certify(usize, u8, i64),
    Revoke(u8),
    List,
    Note(u64),
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let fields = (0..6u8, 0..60u8, 1..3u8, any::<bool>(), 98..103u32);
    let made = fields.prop_map(|(token, handle, epoch, quiet, month)| Row {
        agreement_epoch: AgreementEpoch([epoch; 16]),
        silent: quiet,
        expiry: ExpiryMonth(month),
        ..row(token, handle)
    });
    vec(made, 0..12)
}

fn op() -> impl Strategy<Value = Op> {
    let who = 0..MEMBERS.len();
    prop_oneof![
        12 => (who.clone(), rows()).prop_map(|(who, rows)| Op::Submit(who, rows)),
        3 => (who.clone(), rows()).prop_map(|(who, rows)| Op::Query(who, rows)),
        3 => (who.clone(), vec(0..60u8, 0..9)).prop_map(|(who, gone)| Op::Withdraw(who, gone)),
        1 => (who.clone(), 1..3u8).prop_map(|(who, epoch)| Op::DropEpoch(who, epoch)),
        1 => (97..103u32).prop_map(Op::Expire),
        3 => (who.clone(), who.clone(), 0..4u8).prop_map(|(from, to, id)| Op::Send(from, to, id)),
        2 => who.clone().prop_map(Op::AcknowledgeAll),
        2 => (1..7usize).prop_map(Op::Tell),
        2 => Just(Op::TellAll),
        1 => Just(Op::Roster),
        1 => (0..3u8).prop_map(Op::Waiting),
        1 => (0..3u8).prop_map(Op::Propose),
        1 => (0..3u8).prop_map(Op::Pending),
        1 => (0..3u8, who.clone()).prop_map(|(about, who)| Op::Accept(about, who)),
        1 => (0..3u8, 0..9u8).prop_map(|(about, said)| Op::Declare(about, said)),
        1 => (1..3u32, 0..2u32, who.clone(), 0..3u8)
            .prop_map(|(epoch, generation, who, said)| Op::State(epoch, generation, who, said)),
        1 => (who, 0..9u8, 0..99i64).prop_map(|(who, serial, end)| Op::Certify(who, serial, end)),
        1 => (0..9u8).prop_map(Op::Revoke),
        1 => Just(Op::List),
        1 => (0..9u64).prop_map(Op::Note),
    ]
}

fn proposal(number: u8) -> Proposal {
    Proposal {
        body: vec![number],
        approvals: Vec::new(),
    }
}

/// Does it, and gives what the store answered, without what may differ between stores.
fn apply(store: &dyn Store, op: &Op) -> String {
    fn shown(answer: impl Debug) -> String {
        format!("{answer:?}")
    }
    let who = |number: &usize| agency(MEMBERS[*number]);
    let generous = |number: &usize, rows: &[Row]| Batch {
        mailbox_max_items: MOST_MAIL,
        ..batch(MEMBERS[*number], rows.to_vec())
    };
    match op {
        Op::Submit(number, rows) => shown(store.submit(&generous(number, rows)).unwrap()),
        Op::Query(number, rows) => {
            let done = store.query(&generous(number, rows)).unwrap();
            shown((sorted(done.hits.iter().map(hit)), done.woken))
        }
        Op::Withdraw(number, gone) => {
            let gone: Vec<Handle> = gone.iter().map(|handle| Handle([*handle; 16])).collect();
            shown(store.withdraw(&who(number), &gone, 7).unwrap())
        }
        Op::DropEpoch(number, epoch) => {
            let (mut after, mut removed) = (None, 0);
            let epoch = AgreementEpoch([*epoch; 16]);
            loop {
                let page = store.drop_epoch(&who(number), &epoch, after, 7, 7).unwrap();
                removed += page.removed;
                after = page.after;
                if after.is_none() {
                    return shown(removed);
                }
            }
        }
        Op::Expire(month) => {
            // All at once: which rows go first, each store decides for itself.
            let done = store.expire(ExpiryMonth(*month), 10_000, 7).unwrap();
            let rest = store.expire(ExpiryMonth(*month), 10_000, 7).unwrap();
            assert!(!rest.more && rest.removed == 0);
            shown((done.removed, done.woken))
        }
        Op::Send(from, to, id) => {
            let envelope = envelope(MEMBERS[*from], MEMBERS[*to], *id);
            shown(store.send(&envelope, MOST_MAIL, 7).unwrap())
        }
        Op::AcknowledgeAll(number) => {
            let last = store.last_sequence(&who(number)).unwrap();
            store.acknowledge(&who(number), last, 7).unwrap();
            String::new()
        }
        Op::Tell(most) => {
            store.tell(*most, MOST_MAIL).unwrap();
            String::new()
        }
        Op::TellAll => {
            while store.tell(5, MOST_MAIL).unwrap().done > 0 {}
            String::new()
        }
        op => shown(apply_to_registry(store, op)),
    }
}

fn apply_to_registry(store: &dyn Store, op: &Op) -> bool {
    let registry = store.registry().unwrap();
    let text = |number: &u8| format!("{number:02x}");
    let done = match op {
        Op::Roster => {
            let number = registry.entries.len() as u64;
            let body = entry(&number.to_be_bytes());
            store.append_roster(number, &body, &log(Event::Roster))
        }
        Op::Waiting(number) => store.keep_waiting(&entry(&[*number]), &log(Event::Approval)),
        Op::State(epoch, generation, number, said) => {
            let statement = Statement {
                body: vec![*said],
                signature: Signature([1; 64]),
            };
            let who = agency(MEMBERS[*number]);
            let key = (*epoch, *generation);
            let stated = store.publish(key, &who, &statement, &log(Event::Statement));
            return stated.unwrap();
        }
        Op::Certify(number, serial, expires_at) => {
            let certificate = IssuedCertificate {
                serial: text(serial),
                expires_at: *expires_at,
                ..certificate()
            };
            let who = agency(MEMBERS[*number]);
            store.certify(&who, &certificate, &log(Event::Renewal))
        }
        Op::Revoke(serial) => {
            let revocation = Revocation {
                serial: text(serial),
                subject: "symbolon://north/a".parse().unwrap(),
                expires_at: 9,
                at: 5,
                reason: "the laptop was lost".into(),
            };
            store.revoke(&[revocation], &log(Event::Revocation))
        }
        Op::List => {
            let number = registry.list.number + 1;
            let lists = vec![vec![1, 2], number.to_be_bytes().to_vec()];
            let list = RevocationList {
                number,
                at: 5,
                lists,
            };
            store.publish_list(&list, &log(Event::RevocationList))
        }
        Op::Note(count) => store.note(&LogEntry {
            count: *count,
            ..log(Event::Evaluation)
        }),
        op => apply_to_agreements(store, op),
    };
    done.unwrap();
    true
}

fn apply_to_agreements(store: &dyn Store, op: &Op) -> Result<(), StoreError> {
    match op {
        Op::Propose(number) => store.propose(&proposal(*number), &log(Event::Proposal)),
        Op::Pending(number) => store.keep_pending(&proposal(*number), &log(Event::Proposal)),
        Op::Accept(about, number) => {
            let acceptance = Acceptance {
                body: vec![*about],
                signature: Signature([*about; 64]),
            };
            let (about, who) = (proposal(*about).digest(), agency(MEMBERS[*number]));
            store.accept(&about, &who, &acceptance, &log(Event::Acceptance))
        }
        Op::Declare(about, said) => {
            let statement = agreement::Statement {
                body: vec![*said],
                signature: Signature([*said; 64]),
            };
            let about = proposal(*about).digest();
            store.declare(&about, &statement, &log(Event::Leave))
        }
        other => panic!("{other:?} is about rows or mail"),
    }
}

fn hit(hit: &Hit) -> String {
    format!("{hit:?}{}", hit.agency)
}

fn sorted<T: Ord>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut items: Vec<T> = items.collect();
    items.sort();
    items
}

/// What every reading verb answers. In which order one write tells of several rows, or logs of several
/// members, is the store's own: mail is compared as numbers and as items, the log as entries whose tree fits.
fn view(store: &dyn Store) -> Vec<String> {
    let registry = Registry {
        version: 0,
        ..store.registry().unwrap()
    };
    let entries = store.log_entries(0, 100_000).unwrap();
    let mut tree = Frontier::default();
    for entry in &entries {
        tree.append(&entry.line().unwrap());
    }
    assert_eq!(tree, store.frontier().unwrap());
    let mut seen = vec![
        format!("{registry:?}"),
        format!(
            "{:?}",
            [1, 2, 3].map(|epoch| store.statements(epoch).unwrap())
        ),
        format!("{:?}", store.waiting().unwrap()),
        format!(
            "{:?}",
            sorted(entries.iter().map(|entry| format!("{entry:?}")))
        ),
    ];
    for member in MEMBERS.map(agency) {
        let held = store.holdings(&member).unwrap();
        assert_eq!(store.recount(&member).unwrap(), held);
        let mail = store.deliveries(&member, 0, 100_000).unwrap();
        let numbers: Vec<u64> = mail.iter().map(|(number, _)| *number).collect();
        let items = sorted(mail.iter().map(|(_, item)| format!("{item:?}")));
        let handles = store.handles(&member, None, 1000).unwrap();
        seen.push(format!("{member} {held:?} {handles:?}"));
        let last = store.last_sequence(&member).unwrap();
        seen.push(format!("{member} {last} {numbers:?} {items:?}"));
    }
    seen
}

fn carry(from: &Arc<dyn Transfer>, to: &Arc<dyn Transfer>) -> Result<Migrated, MigrationError> {
    carry_until(from, to, |_| Some(()))
}

/// The same in small pages, until `go_on` gives nothing.
fn carry_until(
    from: &Arc<dyn Transfer>,
    to: &Arc<dyn Transfer>,
    mut go_on: impl FnMut(Step) -> Option<()>,
) -> Result<Migrated, MigrationError> {
    let mut observe = |step| match go_on(step) {
        Some(()) => ControlFlow::Continue(()),
        None => ControlFlow::Break(()),
    };
    migrate_in_pages(&**from, &**to, 3, &mut observe)
}

/// Any history goes over and goes on. The runner prints the smallest history that does not.
pub fn histories(from: MakeTransfer<'_>, to: MakeTransfer<'_>, cases: u32) {
    let mut runner = TestRunner::new(Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    });
    let histories = (vec(op(), 0..60), vec(op(), 0..40));
    let outcome = runner.run(&histories, |(before, later)| {
        let dir = tempfile::tempdir().unwrap();
        let old = from(&dir.path().join("old"));
        for op in &before {
            apply(&*old, op);
        }
        let new = to(&dir.path().join("new"));
        carry(&old, &new).unwrap();
        prop_assert_eq!(view(&*old), view(&*new));
        for op in later.iter().chain([&Op::Expire(102)]) {
            prop_assert_eq!(apply(&*old, op), apply(&*new, op), "{:?}", op);
            // At once: a store may tell owners of silent rows of what is there when it tells them.
            for store in [&old, &new] {
                apply(&**store, &Op::TellAll);
            }
            prop_assert_eq!(view(&*old), view(&*new), "{:?}", op);
        }
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

/// Nobody is told of a row under a common token for having lain elsewhere before it was told of.
pub fn moved(from: MakeTransfer<'_>, to: MakeTransfer<'_>) {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (from(&dir.path().join("old")), to(&dir.path().join("new")));
    let common = (10..10 + LIMIT as u8)
        .map(|handle| row(4, handle))
        .collect();
    for op in [
        Op::Submit(1, vec![row(1, 9)]),
        Op::Withdraw(1, vec![9]),
        Op::Submit(0, common),
        Op::Submit(2, vec![silent(row(4, 50))]),
        Op::Submit(1, vec![row(4, 9)]),
    ] {
        apply(&*old, &op);
    }
    carry(&old, &new).unwrap();
    assert_eq!(view(&*old), view(&*new));
    for store in [&old, &new] {
        apply(&**store, &Op::TellAll);
    }
    assert_eq!(view(&*old), view(&*new));
    // Of the three that were there when it came.
    assert_eq!(new.last_sequence(&agency("b")).unwrap(), u64::from(LIMIT));
}

/// A history with something of every kind.
fn full(store: &dyn Store) {
    let rows = |numbers: std::ops::Range<u8>, quiet| {
        numbers
            .map(|number| Row {
                silent: quiet,
                ..row(number % 5, number)
            })
            .collect()
    };
    let history = [
        Op::Roster,
        Op::Waiting(1),
        Op::Propose(1),
        Op::Pending(2),
        Op::Accept(1, 0),
        Op::Declare(1, 1),
        Op::Declare(1, 0),
        Op::State(1, 0, 1, 1),
        Op::Certify(0, 1, 50),
        Op::Revoke(2),
        Op::List,
        Op::Submit(0, rows(0..3, false)),
        Op::Submit(1, rows(10..15, true)),
        Op::Submit(2, rows(20..24, false)),
        Op::TellAll,
        Op::Send(0, 1, 3),
        Op::Submit(3, rows(30..32, false)),
        Op::Query(2, rows(40..43, true)),
        Op::Tell(1),
        Op::Withdraw(0, vec![1]),
    ];
    for op in &history {
        apply(store, op);
    }
}

/// Everything is counted, and only an empty store is taken, once.
pub fn refusals(make: MakeTransfer<'_>) {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| make(&dir.path().join(name));
    let (old, new, used) = (at("old"), at("new"), at("used"));
    full(&*old);
    let done = carry(&old, &new).unwrap();
    // What owners of silent rows are still to be told may have been told before.
    let missing = done.kinds.iter().filter(|(kind, _)| *kind != Kind::Untold);
    let missing: Vec<_> = missing.filter(|(_, tally)| tally.count == 0).collect();
    assert!(missing.is_empty(), "the history has nothing of {missing:?}");
    assert!(!done.resumed && done.recounted == 4);
    assert_eq!(done.log_root, old.frontier().unwrap().root());
    assert!(new.progress().unwrap().is_none(), "a hub may open it");

    let told = carry(&old, &new).unwrap_err();
    assert!(
        matches!(told, MigrationError::NotEmpty("roster entries")),
        "{told}"
    );
    used.note(&log(Event::Query)).unwrap();
    let told = carry(&old, &used).unwrap_err().to_string();
    assert!(told.contains("is not empty: it has log entries"), "{told}");
}

/// A migration that is cut off after any page goes on, and gives the same. Every so many pages are tried.
pub fn interruptions(make: MakeTransfer<'_>, every: usize) {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| make(&dir.path().join(name));
    let (old, other) = (at("old"), at("other"));
    full(&*old);
    full(&*other);
    other.note(&log(Event::Query)).unwrap();
    let mut places = BTreeSet::new();
    for steps in (0_usize..).step_by(every) {
        let new = at(&format!("new-{steps}"));
        let mut left = steps;
        let first = carry_until(&old, &new, |_| {
            left = left.checked_sub(1)?;
            Some(())
        });
        let Err(MigrationError::Interrupted) = first else {
            first.unwrap();
            break;
        };
        places.insert(format!("{:?}", new.progress().unwrap().unwrap()));
        let told = carry(&other, &new).unwrap_err();
        assert!(matches!(told, MigrationError::OtherOrigin), "{told}");
        assert!(carry(&old, &new).unwrap().resumed);
        assert_eq!(view(&*old), view(&*new));
    }
    assert!(places.len() > Kind::ALL.len() / every, "{places:?}");
}

/// What was changed on the way is found.
pub fn differences(make: MakeTransfer<'_>) {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (make(&dir.path().join("old")), make(&dir.path().join("new")));
    full(&*old);
    let all_copied = carry_until(&old, &new, |step| {
        (step.stage == Stage::Copying).then_some(())
    });
    assert!(matches!(all_copied, Err(MigrationError::Interrupted)));
    let progress = new.progress().unwrap().unwrap();
    assert_eq!(progress.kind, None, "all is there, only the end is missing");
    new.withdraw(&agency("b"), &[Handle([22; 16])], 7).unwrap();
    let told = carry(&old, &new).unwrap_err().to_string();
    assert!(told.starts_with("rows differ: 13 with digest "), "{told}");
    assert!(new.progress().unwrap().is_some(), "it still serves no hub");
}
