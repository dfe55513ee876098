//! What every store must do with certificates, revocations and their lists.

use std::path::Path;

use super::super::{IssuedCertificate, Revocation, StoreError};
use super::{Make, agency, certificate, entry, log};
use crate::certificates::{REMEMBERED_S, RevocationList};
use crate::log::Event;

fn revocation(serial: &str) -> Revocation {
    Revocation {
        serial: serial.into(),
        subject: "symbolon://north/a".parse().unwrap(),
        expires_at: 9,
        at: 5,
        reason: "the laptop was lost".into(),
    }
}

pub fn several_and_revoked_for_good(make: Make<'_>, dir: &Path) {
    let store = make(dir);
    let (member, other) = (agency("a"), agency("aa"));
    let renewed = IssuedCertificate {
        serial: "4b".into(),
        issued_at: 8,
        ..certificate()
    };
    let renewal = log(Event::Renewal);
    store.certify(&member, &certificate(), &renewal).unwrap();
    store.certify(&other, &certificate(), &renewal).unwrap();
    store.certify(&member, &renewed, &renewal).unwrap();
    let event = log(Event::Revocation);
    store.revoke(&[revocation("4a")], &event).unwrap();
    let logged = store.frontier().unwrap().size();
    assert_eq!(logged, 4, "each with its entry");
    drop(store);

    let store = make(dir);
    let registry = store.registry().unwrap();
    let kept = [
        (member.clone(), certificate()),
        (member.clone(), renewed.clone()),
        (other.clone(), certificate()),
    ];
    assert_eq!(registry.certificates, kept);
    assert_eq!(registry.revocations, [revocation("4a")]);
    let late = IssuedCertificate {
        serial: "4c".into(),
        issued_at: 10 + REMEMBERED_S,
        expires_at: 20 + REMEMBERED_S,
        ..certificate()
    };
    let superseded = [revocation("4b")];
    store
        .enrol(0, &entry(b"first"), &member, &late, &superseded, &renewal)
        .unwrap();
    let registry = store.registry().unwrap();
    let kept = [(member, late), (other, certificate())];
    assert_eq!(registry.certificates, kept, "long ended ones are forgotten");
    assert_eq!(
        registry.revocations,
        [revocation("4a"), revocation("4b")],
        "revocations are not"
    );
}

pub fn lists_only_go_on(make: Make<'_>, dir: &Path) {
    let store = make(dir);
    let published = log(Event::RevocationList);
    let list = |number, at| RevocationList {
        number,
        at,
        lists: vec![vec![number as u8; 3], vec![2]],
    };
    assert_eq!(store.registry().unwrap().list, RevocationList::default());
    store.publish_list(&list(1, 5), &published).unwrap();
    store.publish_list(&list(2, 5), &published).unwrap();
    drop(store);
    let store = make(dir);
    for (number, at) in [(1, 9), (2, 9), (4, 9), (3, 4)] {
        let refused = store.publish_list(&list(number, at), &published);
        assert!(
            matches!(refused, Err(StoreError::Conflict)),
            "{number} {at}"
        );
    }
    assert_eq!(store.registry().unwrap().list, list(2, 5));
    assert_eq!(store.frontier().unwrap().size(), 2);
    store.publish_list(&list(3, 9), &published).unwrap();
}
