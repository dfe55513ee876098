//! What every store must do: one suite, stamped on each implementation.
//!
//! A store is made on a directory of its own, and made again on the same one where a check is about
//! what survives. A store that lies elsewhere makes a place of its own for each directory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod certificates;
mod mail;
mod registry;
mod silence;
pub mod transfer;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use symbolon_core::crypto::{Signature, VerifyingKey};
use symbolon_core::encoding::Digest;
use symbolon_core::envelope::Envelope;
use symbolon_core::identity::AgencyName;
use symbolon_core::log::Frontier;
use symbolon_core::roster::{Approval, SignedEntry};
use symbolon_core::row::{
    AgreementEpoch, ExpiryMonth, Handle, Holdings, PAYLOAD_BYTES, Row, SealedPayload, Token,
};

use super::{Batch, IssuedCertificate, Item, Statement, Store};
use crate::log::{Event, LogEntry};

/// Makes a store on a directory, or at a place that is the directory's: a fresh one, or the same again.
pub type Make<'a> = &'a dyn Fn(&Path) -> Arc<dyn Store>;

type Check = fn(Make<'_>, &Path);

const LIMIT: u32 = 3;

/// Runs every check, each on a store of its own.
pub fn run_all(make: impl Fn(&Path) -> Arc<dyn Store>) {
    let checks: [(&str, Check); 26] = [
        ("submitting is idempotent", submitting_is_idempotent),
        ("joins tell both sides", joins_tell_both_sides),
        ("no member joins itself", no_member_joins_itself),
        ("epochs never join", epochs_never_join),
        ("a silent row tells its owner only", silence::rows),
        ("a silent stored row looks like a miss", silence::queries),
        ("a silent hit is the same work as a miss", silence::work),
        ("silent rows count for nobody's limit", silence::limits),
        ("silent mail fills no mailbox", silence::full_mailboxes),
        ("what is told later survives", silence::survives),
        ("common tokens fall quiet", common_tokens_fall_quiet),
        ("queries store nothing", queries_store_nothing),
        ("withdrawal cancels", withdrawal_cancels),
        ("expiry cancels on both sides", expiry_cancels),
        ("holdings match a recount", holdings_match_a_recount),
        ("handles come in pages", handles_come_in_pages),
        ("mail is numbered for good", mail::mail_is_numbered_for_good),
        ("a full mailbox refuses whole batches", mail::full_mailboxes),
        ("the roster has no forks", registry::the_roster_has_no_forks),
        (
            "what waits for approvals is kept until the next entry",
            registry::what_waits_is_kept,
        ),
        ("everything survives with its log", everything_survives),
        (
            "certificates are several and revoked for good",
            certificates::several_and_revoked_for_good,
        ),
        (
            "lists of revoked certificates only go on",
            certificates::lists_only_go_on,
        ),
        (
            "agreements keep what was said",
            registry::agreements_keep_their_order,
        ),
        ("a probe leaves no trace", registry::a_probe_leaves_no_trace),
        ("an epoch of a member goes", an_epoch_of_a_member_goes),
    ];
    for (name, check) in checks {
        println!("contract: {name}");
        let dir = tempfile::tempdir().unwrap();
        check(&make, &dir.path().join("store"));
    }
}

fn agency(name: &str) -> AgencyName {
    name.parse().unwrap()
}

pub fn row(token: u8, handle: u8) -> Row {
    Row {
        agreement_epoch: AgreementEpoch([1; 16]),
        token: Token([token; 16]),
        handle: Handle([handle; 16]),
        silent: false,
        expiry: ExpiryMonth(100),
        payload: SealedPayload([handle; PAYLOAD_BYTES]),
    }
}

fn silent(row: Row) -> Row {
    Row {
        silent: true,
        ..row
    }
}

pub fn batch(member: &str, rows: Vec<Row>) -> Batch {
    let epochs = rows.iter().map(|row| (row.agreement_epoch, LIMIT));
    Batch {
        member: agency(member),
        common_limits: epochs.collect::<HashMap<_, _>>(),
        rows,
        mailbox_max_items: 100,
        at: 7,
    }
}

fn submit(store: &Arc<dyn Store>, member: &str, rows: Vec<Row>) -> Holdings {
    store.submit(&batch(member, rows)).unwrap().holdings
}

fn mail(store: &Arc<dyn Store>, member: &str) -> Vec<Item> {
    let all = store.deliveries(&agency(member), 0, 1000).unwrap();
    all.into_iter().map(|(_, item)| item).collect()
}

fn notice(own: u8, other: u8, of: &str, query: bool) -> Item {
    Item::Notice {
        own_handle: Handle([own; 16]),
        handle: Handle([other; 16]),
        payload: SealedPayload([other; PAYLOAD_BYTES]),
        agency: agency(of),
        query,
    }
}

fn cancellation(own: u8, other: u8) -> Item {
    Item::Cancellation {
        own_handle: Handle([own; 16]),
        handle: Handle([other; 16]),
    }
}

fn common(own: u8) -> Item {
    Item::Common {
        own_handle: Handle([own; 16]),
    }
}

fn log(event: Event) -> LogEntry {
    LogEntry {
        at: 7,
        event,
        member: None,
        count: 1,
        digest: None,
    }
}

fn envelope(from: &str, to: &str, id: u8) -> Envelope {
    Envelope {
        from: agency(from),
        to: agency(to),
        id: [id; 16],
        sealed: vec![id; 40],
        signature: Signature([id; 64]),
    }
}

fn submitting_is_idempotent(make: Make<'_>, dir: &Path) {
    let store = make(dir);
    submit(&store, "a", vec![row(1, 1)]);
    let first = submit(&store, "b", vec![row(1, 2), row(1, 2)]);
    let logged = store.frontier().unwrap();
    let again = submit(&store, "b", vec![row(1, 2)]);
    assert_eq!((first.count, first), (1, again));
    assert_eq!(store.frontier().unwrap(), logged, "nothing changed");
    assert_eq!(mail(&store, "a").len(), 1);
    let other_token = submit(&store, "b", vec![row(9, 2)]);
    assert_eq!(other_token, first, "a stored handle changes nothing");
}

fn joins_tell_both_sides(make: Make<'_>, dir: &Path) {
    let store = make(dir);
    submit(&store, "a", vec![row(1, 1), row(2, 2)]);
    let done = store.submit(&batch("b", vec![row(1, 3), row(5, 4)]));
    assert_eq!(done.unwrap().woken, [agency("a"), agency("b")].into());
    assert_eq!(mail(&store, "a"), [notice(1, 3, "b", false)]);
    assert_eq!(mail(&store, "b"), [notice(3, 1, "a", false)]);
}

fn no_member_joins_itself(make: Make<'_>, dir: &Path) {
    let store = make(dir);
    submit(&store, "a", vec![row(1, 1), row(1, 2)]);
    submit(&store, "a", vec![row(1, 3)]);
    assert!(mail(&store, "a").is_empty());
    let hits = store.query(&batch("a", vec![row(1, 9)])).unwrap().hits;
    assert!(hits.is_empty());
}

fn epochs_never_join(make: Make<'_>, dir: &Path) {
    let store = make(dir);
    submit(&store, "a", vec![row(1, 1)]);
    let other = Row {
        agreement_epoch: AgreementEpoch([2; 16]),
        ..row(1, 2)
    };
    submit(&store, "b", vec![other.clone()]);
    let hits = store.query(&batch("b", vec![other])).unwrap().hits;
    assert!(hits.is_empty() && mail(&store, "a").is_empty() && mail(&store, "b").is_empty());
}

fn common_tokens_fall_quiet(make: Make<'_>, dir: &Path) {
    let store = make(dir);
    for (member, handle) in [("a", 1), ("b", 2), ("c", 3)] {
        submit(&store, member, vec![row(1, handle)]);
    }
    assert_eq!(mail(&store, "a").len(), 2);
    submit(&store, "d", vec![row(1, 4)]);
    assert_eq!(mail(&store, "d"), [common(4)]);
    assert_eq!(mail(&store, "a").last(), Some(&common(1)));
    assert_eq!(mail(&store, "b").last(), Some(&common(2)));
    submit(&store, "e", vec![row(1, 5)]);
    assert_eq!(mail(&store, "e"), [common(5)]);
    assert_eq!(mail(&store, "a").len(), 3, "told once");
    let hits = store.query(&batch("f", vec![row(1, 9)])).unwrap().hits;
    assert!(hits.is_empty());
}

fn queries_store_nothing(make: Make<'_>, dir: &Path) {
    let store = make(dir);
    submit(&store, "a", vec![row(1, 1)]);
    let size = store.frontier().unwrap().size();
    let done = store.query(&batch("b", vec![row(1, 9), row(2, 8)]));
    let hits = done.unwrap().hits;
    assert_eq!(hits.len(), 1);
    assert_eq!(hits[0].query_handle, Handle([9; 16]));
    assert_eq!(hits[0].handle, Handle([1; 16]));
    assert_eq!(hits[0].agency, agency("a"));
    assert_eq!(mail(&store, "a"), [notice(1, 9, "b", true)]);
    assert_eq!(store.holdings(&agency("b")).unwrap(), Holdings::default());
    assert_eq!(store.frontier().unwrap().size(), size + 1);
    let asking_silently = store.query(&batch("b", vec![silent(row(1, 7))]));
    assert_eq!(asking_silently.unwrap().hits.len(), 1);
    assert_eq!(mail(&store, "a").len(), 1);
}

fn withdrawal_cancels(make: Make<'_>, dir: &Path) {
    let store = make(dir);
    submit(&store, "a", vec![row(1, 1), row(2, 2)]);
    submit(&store, "b", vec![row(1, 3)]);
    let handles = [Handle([1; 16]), Handle([77; 16]), Handle([1; 16])];
    let done = store.withdraw(&agency("a"), &handles, 7).unwrap();
    assert_eq!((done.withdrawn, done.cancelled), (1, 1));
    assert_eq!(done.holdings.count, 1);
    assert_eq!(mail(&store, "b").last(), Some(&cancellation(3, 1)));
    assert_eq!(mail(&store, "a").len(), 1, "the withdrawing side knows");
    let foreign = store.withdraw(&agency("a"), &[Handle([3; 16])], 7).unwrap();
    assert_eq!(
        foreign.withdrawn, 0,
        "another's row is not ours to withdraw"
    );
    submit(&store, "c", vec![row(1, 5)]);
    assert_eq!(mail(&store, "c"), [notice(5, 3, "b", false)]);
}

fn expiry_cancels(make: Make<'_>, dir: &Path) {
    let store = make(dir);
    let soon = Row {
        expiry: ExpiryMonth(50),
        ..row(1, 1)
    };
    submit(&store, "a", vec![soon, row(2, 2)]);
    submit(&store, "b", vec![row(1, 3)]);
    let none = store.expire(ExpiryMonth(50), 10, 7).unwrap();
    assert_eq!(none.removed, 0, "the last month is not over");
    let done = store.expire(ExpiryMonth(51), 10, 7).unwrap();
    assert_eq!(done.removed, 1);
    assert_eq!(mail(&store, "a").last(), Some(&cancellation(1, 3)));
    assert_eq!(mail(&store, "b").last(), Some(&cancellation(3, 1)));
    assert_eq!(store.holdings(&agency("a")).unwrap().count, 1);
    let bounded = store.expire(ExpiryMonth(200), 1, 7).unwrap();
    assert_eq!(bounded.removed, 1);
    assert!(bounded.more);
    let rest = store.expire(ExpiryMonth(200), 10, 7).unwrap();
    assert_eq!((rest.removed, rest.more), (1, false));
    let nothing = store.expire(ExpiryMonth(200), 10, 7).unwrap();
    assert_eq!((nothing.removed, nothing.more), (0, false));
    // The next look begins at the front again.
    let late = Row {
        expiry: ExpiryMonth(201),
        ..row(9, 9)
    };
    submit(&store, "a", vec![late]);
    assert_eq!(store.expire(ExpiryMonth(201), 10, 7).unwrap().removed, 0);
    assert_eq!(store.expire(ExpiryMonth(202), 10, 7).unwrap().removed, 1);
    for member in ["a", "b"] {
        let empty = Holdings::default();
        assert_eq!(store.holdings(&agency(member)).unwrap(), empty);
    }
}

fn holdings_match_a_recount(make: Make<'_>, dir: &Path) {
    let store = make(dir);
    let member = agency("a");
    for step in 0..40u8 {
        submit(
            &store,
            "a",
            vec![row(step / 3, step), row(step, 100 + step)],
        );
        if step % 3 == 0 {
            store.withdraw(&member, &[Handle([step; 16])], 7).unwrap();
        }
    }
    let held = store.holdings(&member).unwrap();
    assert_eq!(held.count, 80 - 14);
    assert_eq!(store.recount(&member).unwrap(), held);
    drop(store);
    let store = make(dir);
    assert_eq!(store.recount(&member).unwrap(), held);
    assert_eq!(store.holdings(&member).unwrap(), held);
}

fn handles_come_in_pages(make: Make<'_>, dir: &Path) {
    let store = make(dir);
    let rows = [5, 1, 3, 255].map(|handle| row(handle, handle));
    submit(&store, "a", rows.to_vec());
    submit(&store, "aa", vec![row(9, 2)]);
    let page = |after: Option<u8>, limit| -> Vec<u8> {
        let after = after.map(|handle| Handle([handle; 16]));
        let page = store.handles(&agency("a"), after, limit).unwrap();
        page.iter().map(|handle| handle.0[0]).collect()
    };
    assert_eq!(page(None, 2), [1, 3]);
    assert_eq!(page(Some(3), 2), [5, 255]);
    assert!(page(Some(255), 2).is_empty());
}

fn entry(body: &[u8]) -> SignedEntry {
    let approval = Approval {
        key: VerifyingKey([1; 32]),
        signature: Signature([2; 64]),
    };
    SignedEntry {
        body: body.to_vec(),
        approvals: vec![approval],
    }
}

fn an_epoch_of_a_member_goes(make: Make<'_>, dir: &Path) {
    let store = make(dir);
    let other = |token, handle| Row {
        agreement_epoch: AgreementEpoch([2; 16]),
        ..row(token, handle)
    };
    let old: Vec<Row> = (1..=5).map(|number| row(number, number)).collect();
    submit(
        &store,
        "a",
        [old, vec![other(1, 20), other(2, 30)]].concat(),
    );
    submit(&store, "b", vec![row(1, 40), other(1, 41)]);
    let mail_of_a = mail(&store, "a");
    let (mut after, mut removed) = (None, 0);
    let mut pages = 0;
    loop {
        let page = store.drop_epoch(&agency("a"), &AgreementEpoch([1; 16]), after, 3, 7);
        let page = page.unwrap();
        removed += page.removed;
        pages += 1;
        after = page.after;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((removed, pages), (5, 3), "seven rows, three at a time");
    assert_eq!(store.holdings(&agency("a")).unwrap().count, 2);
    let held = store.holdings(&agency("a")).unwrap();
    assert_eq!(store.recount(&agency("a")).unwrap(), held);
    assert_eq!(store.holdings(&agency("b")).unwrap().count, 2);
    assert_eq!(mail(&store, "b").last(), Some(&cancellation(40, 1)));
    assert_eq!(
        mail(&store, "a"),
        mail_of_a,
        "the member itself is not told"
    );
    let logged = store.frontier().unwrap();
    let nothing = store.drop_epoch(&agency("a"), &AgreementEpoch([1; 16]), None, 9, 7);
    assert_eq!(nothing.unwrap().removed, 0);
    assert_eq!(store.frontier().unwrap(), logged, "nothing changed");
}

fn certificate() -> IssuedCertificate {
    IssuedCertificate {
        serial: "4a".into(),
        issued_at: 2,
        expires_at: 9,
        chain: vec![vec![1], vec![2, 3]],
        request: Digest([4; 32]),
    }
}

fn everything_survives(make: Make<'_>, dir: &Path) {
    let store = make(dir);
    let member = agency("a");
    let enrolment = log(Event::Enrolment);
    store
        .enrol(
            0,
            &entry(b"first"),
            &member,
            &certificate(),
            &[],
            &enrolment,
        )
        .unwrap();
    let statement = Statement {
        body: b"{}".to_vec(),
        signature: Signature([3; 64]),
    };
    let other = Statement {
        body: b"[]".to_vec(),
        ..statement.clone()
    };
    let stated = log(Event::Statement);
    assert!(store.publish((1, 0), &member, &statement, &stated).unwrap());
    assert!(store.publish((1, 0), &member, &statement, &stated).unwrap());
    let signed_anew = Statement {
        signature: Signature([4; 64]),
        ..statement.clone()
    };
    let same_words = store.publish((1, 0), &member, &signed_anew, &stated);
    assert!(same_words.unwrap(), "by a new key of the custodian's");
    assert!(!store.publish((1, 0), &member, &other, &stated).unwrap());
    assert!(store.publish((1, 1), &member, &other, &stated).unwrap());
    submit(&store, "a", vec![row(1, 1)]);
    submit(&store, "b", vec![row(1, 2)]);
    let (mail_before, frontier) = (mail(&store, "a"), store.frontier().unwrap());
    drop(store);

    let store = make(dir);
    let registry = store.registry().unwrap();
    assert_eq!(registry.certificates, [(member.clone(), certificate())]);
    assert_eq!(store.statements(1).unwrap(), [statement, other]);
    assert!(store.statements(2).unwrap().is_empty());
    assert_eq!(mail(&store, "a"), mail_before);
    assert_eq!(store.frontier().unwrap(), frontier);
    let mut rebuilt = Frontier::default();
    let entries = store.log_entries(0, 100).unwrap();
    for entry in &entries {
        rebuilt.append(&entry.line().unwrap());
    }
    assert_eq!(rebuilt, frontier, "the log is what the tree is over");
    let events: Vec<Event> = entries.iter().map(|entry| entry.event).collect();
    let submission = Event::Submission;
    let statement = Event::Statement;
    assert_eq!(
        events,
        [
            Event::Enrolment,
            statement,
            statement,
            submission,
            submission
        ]
    );
    submit(&store, "c", vec![row(1, 3)]);
    assert_eq!(mail(&store, "a").len(), 2, "the join goes on");
}
