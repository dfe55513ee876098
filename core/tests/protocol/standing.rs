//! Standing, keys, quotas and administrators: what changes them, and what stays valid afterwards.

use symbolon_core::agreement::{AgreementError, Proposal};
use symbolon_core::crypto::SigningKey;
use symbolon_core::identity::{AgencyKeys, AgencyKind};
use symbolon_core::roster::{
    Administrator, Change, MAX_REASON_BYTES, Quota, Roster, RosterError, SignedEntry, Standing,
};

use crate::agreement::document;
use crate::common::{Agency, Consortium, NOW, name, signing_key};

fn founded() -> Consortium {
    let mut consortium = Consortium::found(3, 2);
    consortium.join("police", AgencyKind::LawEnforcement);
    consortium.join("refuge", AgencyKind::Ngo);
    consortium
}

fn refused(result: Result<(), RosterError>) -> &'static str {
    match result {
        Err(RosterError::NotAllowed { reason, .. }) => reason,
        other => panic!("expected a rule, got {other:?}"),
    }
}

fn suspend(agency: &str) -> Change {
    Change::Suspend {
        agency: name(agency),
        reason: "lost laptop".to_owned(),
    }
}

fn reinstate(agency: &str) -> Change {
    Change::Reinstate {
        agency: name(agency),
        reason: "laptop found".to_owned(),
    }
}

fn remove(agency: &str) -> Change {
    Change::Remove {
        agency: name(agency),
        reason: "left the consortium".to_owned(),
    }
}

fn rekey(agency: &str, keys: AgencyKeys) -> Change {
    Change::Rekey {
        agency: name(agency),
        keys,
    }
}

fn standing(consortium: &Consortium, agency: &str) -> Standing {
    consortium.roster.members[&name(agency)].standing
}

#[test]
fn suspension_shuts_out_and_reinstatement_lets_in() {
    let mut consortium = founded();
    let police = name("police");
    assert!(consortium.roster.active(&police).is_some());
    let reason = refused(consortium.decide(reinstate("police")));
    assert_eq!(reason, "only a suspended member can be reinstated");
    consortium.decide(suspend("police")).unwrap();
    assert_eq!(standing(&consortium, "police"), Standing::Suspended);
    assert!(consortium.roster.active(&police).is_none());
    assert!(
        consortium.roster.enrolled(&police).is_some(),
        "its past stays"
    );
    assert!(consortium.roster.active(&name("refuge")).is_some());
    let reason = refused(consortium.decide(suspend("police")));
    assert_eq!(reason, "only an active member can be suspended");
    let reason = refused(consortium.appoint(2, &["police", "refuge"]));
    assert_eq!(reason, "every custodian must be an active member");
    consortium.decide(reinstate("police")).unwrap();
    assert!(consortium.roster.active(&police).is_some());
    consortium.appoint(2, &["police", "refuge"]).unwrap();
    let whole = Roster::verify(&consortium.entries, &consortium.roster.genesis);
    assert_eq!(whole, Ok(consortium.roster));
}

#[test]
fn a_removed_member_comes_back_only_by_a_fresh_invitation() {
    let mut consortium = founded();
    let unused = consortium.invite("police", AgencyKind::LawEnforcement);
    consortium.decide(remove("police")).unwrap();
    assert_eq!(standing(&consortium, "police"), Standing::Removed);
    for change in [remove("police"), reinstate("police"), suspend("police")] {
        refused(consortium.decide(change));
    }
    let returning = Agency::new();
    let enrol = |consortium: &Consortium, invitation: &SigningKey| {
        let keys = returning.keys();
        let agency = name("police");
        let approvers = [invitation, &returning.signing];
        consortium.entry(Change::Enrol { agency, keys }, &approvers)
    };
    // The invitation from before the removal is void with it.
    let entry = enrol(&consortium, &unused);
    let reason = refused(consortium.append(entry));
    assert_eq!(reason, "the invitation was already used");
    let fresh = consortium.invite("police", AgencyKind::LawEnforcement);
    assert_eq!(standing(&consortium, "police"), Standing::Removed);
    let entry = enrol(&consortium, &fresh);
    consortium.append(entry).unwrap();
    assert_eq!(standing(&consortium, "police"), Standing::Active);
    assert_eq!(
        consortium.roster.members[&name("police")].past_keys.len(),
        1
    );
}

#[test]
fn a_suspended_member_cannot_be_let_in_by_an_invitation() {
    let mut consortium = founded();
    let police = Agency::new();
    let invitation = consortium.invite("police", AgencyKind::LawEnforcement);
    let enrol = Change::Enrol {
        agency: name("police"),
        keys: police.keys(),
    };
    let entry = consortium.entry(enrol.clone(), &[&invitation, &police.signing]);
    assert!(
        consortium.roster.apply(&entry).is_ok(),
        "before the suspension"
    );
    consortium.decide(suspend("police")).unwrap();
    let entry = consortium.entry(enrol, &[&invitation, &police.signing]);
    assert_eq!(
        refused(consortium.append(entry)),
        "the invitation was already used"
    );
    let invite = Change::Invite {
        agency: name("police"),
        kind: AgencyKind::LawEnforcement,
        title: "Police".to_owned(),
        invitation_key: signing_key(91).verifying_key(),
        expires_at: NOW,
        quota: Quota::of_register(1, 1),
    };
    let reason = refused(consortium.decide(invite));
    assert_eq!(
        reason,
        "the agency is suspended; reinstate or remove it first"
    );
}

#[test]
fn changes_of_standing_need_a_reason_and_the_approvals() {
    let mut consortium = founded();
    let because = |reason: String| Change::Suspend {
        agency: name("police"),
        reason,
    };
    for reason in [
        String::new(),
        "  ".to_owned(),
        "x".repeat(MAX_REASON_BYTES + 1),
    ] {
        let reason = refused(consortium.decide(because(reason)));
        assert_eq!(reason, "a reason of 1 to 500 bytes must be given");
    }
    let nobody = refused(consortium.decide(suspend("nobody")));
    assert_eq!(nobody, "the agency was never invited");
    let quota = Change::Quota {
        agency: name("police"),
        quota: Quota::of_register(7, 1),
    };
    let approvers = Change::Approvers {
        administrators: consortium.roster.approvers.administrators.clone(),
        approvals_needed: 1,
    };
    for change in [suspend("police"), remove("police"), quota, approvers] {
        let one = [&consortium.administrators[0]];
        let short = consortium
            .roster
            .apply(&consortium.entry(change.clone(), &one));
        let (number, have, need) = (5, 1, 2);
        assert_eq!(short, Err(RosterError::Approvals { number, have, need }));
        let enough = consortium.entry(change, &consortium.approvers());
        assert!(consortium.roster.apply(&enough).is_ok());
    }
}

#[test]
fn keys_are_exchanged_for_fresh_ones_that_their_owner_has() {
    let mut consortium = founded();
    let before = consortium.agency("police").keys();
    let new = Agency::new();
    let attempt = |consortium: &Consortium, change: Change, own: &SigningKey| {
        let mut approvers = consortium.approvers();
        approvers.push(own);
        let entry = consortium.entry(change, &approvers);
        consortium.roster.apply(&entry).map(|_| ())
    };
    let change = rekey("police", new.keys());
    assert_eq!(attempt(&consortium, change.clone(), &new.signing), Ok(()));
    let stranger = SigningKey::random().unwrap();
    let unproven = attempt(&consortium, change.clone(), &stranger);
    assert!(matches!(unproven, Err(RosterError::Approvals { .. })));
    let others = AgencyKeys {
        signing: consortium.agency("refuge").signing.verifying_key(),
        ..new.keys()
    };
    let taken = attempt(
        &consortium,
        rekey("police", others),
        &consortium.agency("refuge").signing,
    );
    assert_eq!(refused(taken), "another agency has the same signing key");

    let mut approvers = consortium.approvers();
    approvers.push(&new.signing);
    let entry = consortium.entry(change, &approvers);
    consortium.append(entry).unwrap();
    let (member, keys) = consortium.roster.enrolled(&name("police")).unwrap();
    assert_eq!(*keys, new.keys());
    let at = consortium.roster.length - 1;
    let signing = |since| {
        member
            .signing_keys_since(since)
            .copied()
            .collect::<Vec<_>>()
    };
    assert_eq!(signing(at), [new.signing.verifying_key(), before.signing]);
    assert_eq!(signing(at + 1), [new.signing.verifying_key()]);
    let back = attempt(
        &consortium,
        rekey("police", before),
        &consortium.agency("police").signing,
    );
    assert_eq!(refused(back), "the agency gave one of these keys up before");
    consortium.decide(suspend("police")).unwrap();
    let late = Agency::new();
    let shut_out = attempt(&consortium, rekey("police", late.keys()), &late.signing);
    assert_eq!(
        refused(shut_out),
        "only an active member can exchange its keys"
    );
}

#[test]
fn a_quota_holds_from_its_entry_on() {
    let mut consortium = founded();
    let of = |consortium: &Consortium| consortium.roster.members[&name("police")].quota;
    assert_eq!(of(&consortium), Quota::of_register(100, 10));
    let quota = Quota::of_register(5_000, 3);
    let change = Change::Quota {
        agency: name("police"),
        quota,
    };
    consortium.decide(change).unwrap();
    assert_eq!(of(&consortium), quota);
    assert_eq!(quota.capacity(), 5_003 * Quota::KEYS_PER_RECORD);
    assert_eq!(Quota::of_register(u64::MAX, u64::MAX).capacity(), u64::MAX);
}

#[test]
fn new_administrators_approve_from_the_next_entry_on_and_old_ones_no_more() {
    let mut consortium = founded();
    let newcomer = signing_key(40);
    let mut administrators = consortium.roster.approvers.administrators.clone();
    administrators.remove(0);
    administrators.push(Administrator {
        name: name("edda"),
        key: newcomer.verifying_key(),
    });
    let change = Change::Approvers {
        administrators,
        approvals_needed: 2,
    };
    let founders = [signing_key(1), signing_key(2)];
    let now = [signing_key(2), signing_key(40)];
    let by = |keys: &[SigningKey; 2], change: Change, consortium: &Consortium| -> SignedEntry {
        consortium.entry(change, &[&keys[0], &keys[1]])
    };
    let early = by(&now, suspend("police"), &consortium);
    assert!(matches!(
        consortium.roster.apply(&early),
        Err(RosterError::Approvals { have: 1, .. })
    ));
    let old = Proposal::new(
        &document(&consortium, &["police", "refuge"]),
        &[&founders[0], &founders[1]],
    );
    let old = old.unwrap();
    assert!(old.verify_new(&consortium.roster).is_ok());
    let entry = by(&founders, change, &consortium);
    consortium.append(entry).unwrap();
    let late = by(&founders, suspend("police"), &consortium);
    assert!(matches!(
        consortium.roster.apply(&late),
        Err(RosterError::Approvals { have: 1, .. })
    ));
    // What was approved in its time stays approved, but is no longer new.
    assert!(old.verify(&consortium.roster).is_ok());
    assert_eq!(
        old.verify_new(&consortium.roster),
        Err(AgreementError::NotProposed)
    );
    let entry = by(&now, suspend("police"), &consortium);
    consortium.append(entry).unwrap();
    let approvers = |length| {
        consortium.roster.approvers_at(length).administrators[0]
            .name
            .clone()
    };
    assert_eq!(
        [approvers(1), approvers(5), approvers(6), approvers(99)],
        ["ada", "ada", "bela", "bela"].map(name)
    );
}
