//! The chain of the roster: what it takes to append, and that no bit of it can be changed.

use proptest::prelude::*;
use symbolon_core::crypto::{SigningKey, VerifyingKey};
use symbolon_core::encoding::Digest;
use symbolon_core::identity::{AgencyKeys, AgencyKind, EncryptionKey};
use symbolon_core::roster::{
    Administrator, Approval, Change, EntryBody, MAX_CUSTODIANS, Quota, Roster, RosterError,
    SignedEntry,
};

use crate::common::{Agency, Consortium, NOW, name, signing_key};

/// Genesis, two agencies invited and enrolled, custodians appointed; two of three must approve.
fn founded() -> Consortium {
    let mut consortium = Consortium::found(3, 2);
    consortium.join("police", AgencyKind::LawEnforcement);
    consortium.join("refuge", AgencyKind::Ngo);
    consortium.appoint(2, &["police", "refuge"]).unwrap();
    consortium
}

fn verify(consortium: &Consortium, entries: &[SignedEntry]) -> Result<Roster, RosterError> {
    Roster::verify(entries, &consortium.roster.genesis)
}

fn invite(agency: &str) -> Change {
    Change::Invite {
        agency: name(agency),
        kind: AgencyKind::Ngo,
        title: "Title".to_owned(),
        invitation_key: signing_key(90).verifying_key(),
        expires_at: NOW,
        quota: Quota::of_register(100, 10),
    }
}

fn not_allowed(result: Result<(), RosterError>) -> &'static str {
    match result {
        Err(RosterError::NotAllowed { reason, .. }) => reason,
        other => panic!("expected a rule, got {other:?}"),
    }
}

#[test]
fn the_whole_chain_verifies_to_the_roster_that_was_built() {
    let consortium = founded();
    let roster = verify(&consortium, &consortium.entries).unwrap();
    assert_eq!(roster, consortium.roster);
    assert_eq!(roster.length, 6);
    let custody = roster.custody.unwrap();
    assert_eq!(custody.index_of(&name("refuge")), Some(2));
    assert_eq!(custody.custodian(1), Some(&name("police")));
    assert_eq!((custody.custodian(0), custody.custodian(3)), (None, None));
}

#[test]
fn another_genesis_than_the_pinned_one_is_refused() {
    let consortium = founded();
    let other = Consortium::found(2, 2);
    let refused = Roster::verify(&consortium.entries, &other.roster.genesis);
    let expected = other.roster.genesis;
    let actual = consortium.roster.genesis;
    assert_eq!(refused, Err(RosterError::OtherGenesis { expected, actual }));
    let empty = Roster::verify(&[], &actual);
    assert_eq!(empty, Err(RosterError::Malformed { number: 0 }));
    let headless = verify(&consortium, &consortium.entries[1..]);
    assert!(matches!(headless, Err(RosterError::OtherGenesis { .. })));
}

#[test]
fn gaps_reordering_repetition_and_forks_are_refused() {
    let consortium = founded();
    let broken = |entries: &[SignedEntry], number| {
        let refused = verify(&consortium, entries);
        assert_eq!(refused, Err(RosterError::BrokenChain { number }));
    };
    let mut gap = consortium.entries.clone();
    gap.remove(3);
    broken(&gap, 3);
    let mut reordered = consortium.entries.clone();
    reordered.swap(1, 3);
    broken(&reordered, 1);
    let mut repeated = consortium.entries.clone();
    repeated.insert(2, repeated[1].clone());
    broken(&repeated, 2);
    // A prefix is a valid, older roster: rolling back is for the keeper of the head to notice.
    assert_eq!(
        verify(&consortium, &consortium.entries[..4])
            .unwrap()
            .length,
        4
    );

    // Two administrators approve two entries for the same place.
    let mut fork = consortium.entries[..5].to_vec();
    let older = verify(&consortium, &fork).unwrap();
    let body = older.next_body(NOW, invite("clinic"));
    fork.push(SignedEntry::new(&body, &consortium.approvers()).unwrap());
    assert!(verify(&consortium, &fork).is_ok());
    fork.push(consortium.entries[5].clone());
    broken(&fork, 6);

    // The right number after the wrong entry: the digest of the one before decides.
    let entry = |roster: &Roster, agency| {
        let body = roster.next_body(NOW, invite(agency));
        SignedEntry::new(&body, &consortium.approvers()).unwrap()
    };
    let roster = &consortium.roster;
    let (one, other) = (entry(roster, "clinic"), entry(roster, "school"));
    let after_one = roster.apply(&one).unwrap();
    let after_other = roster.apply(&other).unwrap();
    let next = entry(&after_one, "charity");
    assert!(after_one.apply(&next).is_ok());
    let refused = after_other.apply(&next);
    assert_eq!(refused, Err(RosterError::BrokenChain { number: 7 }));

    let mut renumbered = consortium.roster.next_body(NOW, invite("clinic"));
    let entry = |body: &EntryBody| SignedEntry::new(body, &consortium.approvers()).unwrap();
    assert!(consortium.roster.apply(&entry(&renumbered)).is_ok());
    renumbered.number += 1;
    let refused = consortium.roster.apply(&entry(&renumbered));
    assert_eq!(refused, Err(RosterError::BrokenChain { number: 6 }));
}

#[test]
fn a_change_needs_as_many_distinct_administrators_as_the_genesis_says() {
    let consortium = founded();
    let keys = &consortium.administrators;
    let stranger = SigningKey::random().unwrap();
    let member = &consortium.agency("police").signing;
    let approved = |approvers: &[&SigningKey]| {
        let entry = consortium.entry(invite("clinic"), approvers);
        consortium.roster.apply(&entry).map(|_| ())
    };
    let lacking = |have| {
        Err(RosterError::Approvals {
            number: 6,
            have,
            need: 2,
        })
    };
    for good in [[0, 1], [1, 2], [2, 0]] {
        assert_eq!(approved(&good.map(|i: usize| &keys[i])), Ok(()));
    }
    assert_eq!(approved(&[&keys[0], &keys[1], &keys[2], &stranger]), Ok(()));
    assert_eq!(approved(&[]), lacking(0));
    assert_eq!(approved(&[&keys[0]]), lacking(1));
    assert_eq!(approved(&[&keys[0], &keys[0], &keys[0]]), lacking(1));
    assert_eq!(approved(&[&keys[0], &stranger]), lacking(1));
    assert_eq!(approved(&[&keys[0], member]), lacking(1));
    // An approval of another entry, claimed for this one.
    let mut entry = consortium.entry(invite("clinic"), &[&keys[0]]);
    let other = consortium.entry(invite("school"), &[&keys[1]]);
    entry.approvals.push(other.approvals[0].clone());
    let refused = consortium.roster.apply(&entry).map(|_| ());
    assert_eq!(refused, lacking(1));
}

#[test]
fn only_the_invited_agency_enrols_once_and_with_its_own_keys() {
    let mut consortium = founded();
    let invitation = consortium.invite("clinic", AgencyKind::HealthService);
    let member = Agency::new();
    let enrol = |keys: AgencyKeys| Change::Enrol {
        agency: name("clinic"),
        keys,
    };
    let attempt = |approvers: &[&SigningKey]| {
        let entry = consortium.entry(enrol(member.keys()), approvers);
        consortium.roster.apply(&entry).map(|_| ())
    };
    let lacking = |have| {
        Err(RosterError::Approvals {
            number: 7,
            have,
            need: 2,
        })
    };
    assert_eq!(attempt(&[&invitation, &member.signing]), Ok(()));
    assert_eq!(attempt(&consortium.approvers()), lacking(0));
    // Without the invitation, and without showing that the key is its own.
    assert_eq!(attempt(&[&member.signing]), lacking(1));
    assert_eq!(attempt(&[&invitation]), lacking(1));

    let entry = consortium.entry(enrol(member.keys()), &[&invitation, &member.signing]);
    consortium.append(entry.clone()).unwrap();
    let again = consortium.append(entry);
    assert_eq!(again, Err(RosterError::BrokenChain { number: 8 }));
    let second = Agency::new();
    let entry = consortium.entry(enrol(second.keys()), &[&invitation, &second.signing]);
    let reason = not_allowed(consortium.append(entry));
    assert_eq!(reason, "the invitation was already used");
    let reason = not_allowed(consortium.decide(invite("clinic")));
    assert_eq!(reason, "an agency that has enrolled keeps its kind");
}

#[test]
fn nobody_enrols_uninvited_or_with_the_keys_of_another() {
    let mut consortium = founded();
    let police = consortium.agency("police").keys();
    let invitation = consortium.invite("clinic", AgencyKind::HealthService);
    let member = Agency::new();
    let own = member.keys();
    let attempt = |agency: &str, keys: AgencyKeys| {
        let agency = name(agency);
        // Even if the police signed it too, which they would not.
        let police = &consortium.agency("police").signing;
        let approvers = [&invitation, &member.signing, police];
        let entry = consortium.entry(Change::Enrol { agency, keys }, &approvers);
        consortium.roster.apply(&entry).map(|_| ())
    };
    assert_eq!(attempt("clinic", own.clone()), Ok(()));
    let reason = not_allowed(attempt("school", own.clone()));
    assert_eq!(reason, "the agency was not invited");
    let copied = AgencyKeys {
        signing: police.signing,
        ..own.clone()
    };
    let reason = not_allowed(attempt("clinic", copied));
    assert_eq!(reason, "another agency has the same signing key");
    let copied = AgencyKeys {
        encryption: police.encryption,
        ..own.clone()
    };
    let reason = not_allowed(attempt("clinic", copied));
    assert_eq!(reason, "another agency has the same encryption key");
    let short = AgencyKeys {
        encryption: EncryptionKey(vec![1; EncryptionKey::BYTES - 1]),
        ..own.clone()
    };
    let reason = not_allowed(attempt("clinic", short));
    assert_eq!(reason, "the encryption key has the wrong length");
    let mut neutral = VerifyingKey([0; 32]);
    neutral.0[0] = 1;
    let weak = AgencyKeys {
        signing: neutral,
        ..own
    };
    let reason = not_allowed(attempt("clinic", weak));
    assert_eq!(reason, "anybody could sign for the signing key");
}

#[test]
fn a_fresh_invitation_takes_the_place_of_an_unused_one() {
    let mut consortium = founded();
    let lost = consortium.invite("clinic", AgencyKind::HealthService);
    let fresh = consortium.invite("clinic", AgencyKind::HealthService);
    let member = Agency::new();
    let attempt = |invitation: &SigningKey| {
        let change = Change::Enrol {
            agency: name("clinic"),
            keys: member.keys(),
        };
        let entry = consortium.entry(change, &[invitation, &member.signing]);
        consortium.roster.apply(&entry).map(|_| ())
    };
    assert_eq!(attempt(&fresh), Ok(()));
    let number = consortium.roster.length;
    let (have, need) = (1, 2);
    let lacking = RosterError::Approvals { number, have, need };
    assert_eq!(attempt(&lost), Err(lacking));
    let reason = not_allowed(consortium.decide(invite("admin")));
    assert_eq!(reason, "the name is reserved");
}

#[test]
fn custodians_are_distinct_enrolled_members_with_a_sensible_threshold() {
    let mut consortium = founded();
    consortium.join("clinic", AgencyKind::HealthService);
    consortium.invite("school", AgencyKind::SchoolOrCollege);
    let all = ["police", "refuge", "clinic"];
    let many: Vec<String> = (0..=MAX_CUSTODIANS)
        .map(|i| format!("member-{i}"))
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let distinct = "custodians must be distinct and at most 32";
    let attainable = "the threshold must be between 1 and the number of custodians";
    let alone = "a threshold of 1 is for a single custodian only";
    let enrolled = "every custodian must be an active member";
    let cases: [(u16, &[&str], &str); 8] = [
        (2, &["police", "police"], distinct),
        (2, &many, distinct),
        (0, &all, attainable),
        (4, &all, attainable),
        (1, &[], attainable),
        (1, &all, alone),
        (2, &["police", "school"], enrolled),
        (2, &["police", "nobody"], enrolled),
    ];
    for (threshold, custodians, expected) in cases {
        let reason = not_allowed(consortium.appoint(threshold, custodians));
        assert_eq!(reason, expected);
    }
    for epoch in [1, 3] {
        let custodians = vec![name("police")];
        let threshold = 1;
        let change = Change::Custodians {
            epoch,
            threshold,
            custodians,
        };
        let reason = not_allowed(consortium.decide(change));
        assert_eq!(reason, "the custody epoch must rise by one");
    }
    assert_eq!(consortium.appoint(2, &all), Ok(()));
    assert_eq!(consortium.appoint(1, &["clinic"]), Ok(()));
    assert_eq!(consortium.roster.custody.unwrap().epoch, 3);
}

#[test]
fn a_genesis_needs_distinct_administrators_and_attainable_approvals() {
    let genesis = |keys: &[u8], approvals_needed: u32, signers: &[u8], number: u64| {
        let administrator = |&key: &u8| Administrator {
            name: name(&format!("admin-{key}")),
            key: signing_key(key).verifying_key(),
        };
        let change = Change::Genesis {
            consortium: name("north"),
            administrators: keys.iter().map(administrator).collect(),
            approvals_needed,
            log_key: signing_key(200).verifying_key(),
        };
        let previous = Digest([0; 32]);
        let at = NOW;
        let body = EntryBody {
            number,
            previous,
            at,
            change,
        };
        let signers: Vec<SigningKey> = signers.iter().copied().map(signing_key).collect();
        let signers: Vec<&SigningKey> = signers.iter().collect();
        let entry = SignedEntry::new(&body, &signers).unwrap();
        Roster::from_genesis(&entry, &entry.digest()).map(|_| ())
    };
    assert_eq!(genesis(&[1, 2], 2, &[1, 2], 0), Ok(()));
    // One of them founds, whatever later changes need; nobody else does.
    assert_eq!(genesis(&[1, 2], 2, &[2], 0), Ok(()));
    let (have, need, number) = (0, 1, 0);
    let lacking = RosterError::Approvals { number, have, need };
    for strangers in [&[][..], &[3]] {
        assert_eq!(genesis(&[1, 2], 2, strangers, 0), Err(lacking.clone()));
    }
    let unsound = [
        genesis(&[1, 1], 2, &[1], 0),
        genesis(&[1, 2], 3, &[1, 2], 0),
        genesis(&[1, 2], 0, &[1, 2], 0),
        genesis(&[], 0, &[], 0),
        genesis(&[1, 2], 2, &[1, 2], 1),
    ];
    for refused in unsound {
        assert!(not_allowed(refused).starts_with("there must be distinct administrators"));
    }
    let mut consortium = founded();
    let change = Change::Genesis {
        consortium: name("south"),
        administrators: consortium.roster.approvers.administrators.clone(),
        approvals_needed: 2,
        log_key: consortium.roster.log_key,
    };
    assert_eq!(
        not_allowed(consortium.decide(change)),
        "there is one genesis only"
    );
}

#[test]
fn unknown_and_repeated_fields_of_a_body_are_refused_though_they_are_signed() {
    let consortium = founded();
    let body = |change: Change| {
        let body = consortium.roster.next_body(NOW, change);
        serde_json::to_string(&body).unwrap()
    };
    let attempt = |body: &str| {
        let body = body.as_bytes().to_vec();
        let approvals = sign_as_is(&consortium, &body);
        let entry = SignedEntry { body, approvals };
        consortium.roster.apply(&entry).map(|_| ())
    };
    let malformed = Err(RosterError::Malformed { number: 6 });
    let valid = body(invite("clinic"));
    assert_eq!(attempt(&valid), Ok(()));
    let open = |text: &str| valid.replacen('{', &format!("{{{text},"), 1);
    assert_eq!(attempt(&open(r#""unknown":1"#)), malformed);
    for field in [
        "number",
        "previous",
        "at",
        "change",
        "agency",
        "kind",
        "expires_at",
    ] {
        let parsed: serde_json::Value = serde_json::from_str(&valid).unwrap();
        let repeated = format!("\"{field}\":{}", parsed[field]);
        assert!(valid.contains(&repeated), "{field}");
        assert_eq!(attempt(&open(&repeated)), malformed, "{field}");
        let left_out = valid.replacen(&repeated, "\"x\":1", 1);
        assert_eq!(attempt(&left_out), malformed, "{field}");
    }
    // A field of another change, and one inside of a nested record.
    assert_eq!(attempt(&open(r#""epoch":1"#)), malformed);
    let enrol = body(Change::Enrol {
        agency: name("police"),
        keys: Agency::new().keys(),
    });
    let parses = |text: &str| serde_json::from_str::<EntryBody>(text).is_ok();
    assert!(parses(&enrol));
    assert!(!parses(&enrol.replacen(
        "\"signing\"",
        "\"unknown\":1,\"signing\"",
        1
    )));
    let genesis = String::from_utf8(consortium.entries[0].body.clone()).unwrap();
    assert!(parses(&genesis));
    assert!(!parses(&genesis.replacen(
        "\"name\"",
        "\"unknown\":1,\"name\"",
        1
    )));
    assert!(!parses(&valid.replacen("invite", "unheard-of", 1)));
}

/// Approvals of exactly these bytes, by as many administrators as are needed.
fn sign_as_is(consortium: &Consortium, body: &[u8]) -> Vec<Approval> {
    let approve = |key: &&SigningKey| Approval {
        key: key.verifying_key(),
        signature: key.sign("symbolon roster entry v1", body),
    };
    consortium.approvers().iter().map(approve).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_bit_of_a_chain_can_be_changed(
        number in 0..6_usize,
        place in any::<prop::sample::Index>(),
        bit in 0..8_u32,
        part in 0..3_u8,
    ) {
        let consortium = CHAIN.get_or_init(founded);
        prop_assert!(verify(consortium, &consortium.entries).is_ok());
        let mut entries = consortium.entries.clone();
        let entry = &mut entries[number];
        let count = entry.approvals.len();
        let (approval, mask) = (place.index(count), 1_u8 << bit);
        match part {
            0 => {
                let at = place.index(entry.body.len());
                entry.body[at] ^= mask;
            }
            1 => entry.approvals[approval].signature.0[place.index(64)] ^= mask,
            _ => entry.approvals[approval].key.0[place.index(32)] ^= mask,
        }
        prop_assert!(verify(consortium, &entries).is_err());
    }
}

/// Made once: drawing keys takes longer than verifying.
static CHAIN: std::sync::OnceLock<Consortium> = std::sync::OnceLock::new();
