//! What every store must do with the roster and with agreements.

use std::path::Path;

use symbolon_core::agreement;
use symbolon_core::crypto::{Signature, VerifyingKey};
use symbolon_core::encoding::Digest;
use symbolon_core::roster::Approval;

use super::super::StoreError;
use super::{Make, agency, certificate, entry, log};
use crate::log::Event;

pub fn the_roster_has_no_forks(make: Make<'_>, dir: &Path) {
    let store = make(dir);
    let log = log(Event::Roster);
    let (first, second) = (entry(b"first"), entry(b"second"));
    store.append_roster(0, &first, &log).unwrap();
    store.append_roster(1, &second, &log).unwrap();
    for number in [0, 1, 3] {
        let fork = store.append_roster(number, &entry(b"fork"), &log);
        assert!(matches!(fork, Err(StoreError::Conflict)));
    }
    let certificate = certificate();
    let member = agency("a");
    let late = store.enrol(1, &entry(b"fork"), &member, &certificate, &[], &log);
    assert!(matches!(late, Err(StoreError::Conflict)));
    drop(store);
    let store = make(dir);
    let registry = store.registry().unwrap();
    assert_eq!(registry.entries, [first, second]);
    assert!(registry.certificates.is_empty());
    assert_eq!(store.frontier().unwrap().size(), 2);
}

pub fn what_waits_is_kept(make: Make<'_>, dir: &Path) {
    let store = make(dir);
    let approval = log(Event::Approval);
    let (one, other) = (entry(b"one"), entry(b"other"));
    store.keep_waiting(&one, &approval).unwrap();
    store.keep_waiting(&other, &approval).unwrap();
    let mut more = one.clone();
    more.approvals.extend(one.approvals.clone());
    store.keep_waiting(&more, &approval).unwrap();
    drop(store);
    let store = make(dir);
    let waiting = store.registry().unwrap().waiting;
    assert!(waiting.len() == 2 && waiting.contains(&more) && waiting.contains(&other));
    let appended = log(Event::Roster);
    store.append_roster(0, &entry(b"first"), &appended).unwrap();
    assert!(store.registry().unwrap().waiting.is_empty());
    store.keep_waiting(&one, &approval).unwrap();
    let (member, certificate) = (agency("a"), certificate());
    store
        .enrol(1, &entry(b"second"), &member, &certificate, &[], &appended)
        .unwrap();
    assert!(store.registry().unwrap().waiting.is_empty());
}

pub fn agreements_keep_their_order(make: Make<'_>, dir: &Path) {
    let store = make(dir);
    let proposal = |approvals: u8| agreement::Proposal {
        body: b"{}".to_vec(),
        approvals: (0..approvals)
            .map(|number| Approval {
                key: VerifyingKey([number; 32]),
                signature: Signature([2; 64]),
            })
            .collect(),
    };
    let proposed = log(Event::Proposal);
    store.keep_pending(&proposal(1), &proposed).unwrap();
    store.keep_pending(&proposal(2), &proposed).unwrap();
    let registry = store.registry().unwrap();
    assert_eq!(registry.pending, [proposal(2)], "the newer copy");
    assert!(registry.agreements.is_empty());
    store.propose(&proposal(3), &proposed).unwrap();
    let digest = proposal(3).digest();
    let statements: Vec<agreement::Statement> = (0..12u8)
        .rev()
        .map(|number| agreement::Statement {
            body: vec![number],
            signature: Signature([number; 64]),
        })
        .collect();
    for statement in &statements {
        store
            .declare(&digest, statement, &log(Event::Leave))
            .unwrap();
    }
    let elsewhere = Digest([0xff; 32]);
    store
        .declare(&elsewhere, &statements[0], &log(Event::Leave))
        .unwrap();
    drop(store);
    let registry = make(dir).registry().unwrap();
    assert!(
        registry.pending.is_empty(),
        "complete, so no longer pending"
    );
    assert_eq!(registry.agreements.len(), 1);
    assert_eq!(registry.agreements[0].proposal, proposal(3));
    assert_eq!(registry.agreements[0].statements, statements);
}

pub fn a_probe_leaves_no_trace(make: Make<'_>, dir: &Path) {
    let store = make(dir);
    store
        .append_roster(0, &entry(b"first"), &log(Event::Roster))
        .unwrap();
    let before = store.frontier().unwrap().size();
    for _ in 0..2 {
        store.probe().unwrap();
    }
    drop(store);
    let store = make(dir);
    assert_eq!(store.frontier().unwrap().size(), before);
    assert_eq!(store.registry().unwrap().entries, [entry(b"first")]);
}
