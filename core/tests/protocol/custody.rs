//! Requests to custodians, and their statements of the key: each field counts.

use symbolon_core::crypto::{Signature, SigningKey};
use symbolon_core::custody::{
    CustodyError, MAX_REQUEST_LIFE_S, Refusal, Request, Statement, StatementBody, agreed_key,
    refused_statement,
};
use symbolon_core::encoding::Digest;
use symbolon_core::identity::AgencyKind;
use symbolon_core::oprf::threshold::{CustodyKey, Quorum};
use symbolon_core::roster::Custody;

use crate::common::{Agency, Alteration, Consortium, NOW, name, shared_key};

const CUSTODIANS: [&str; 3] = ["police", "refuge", "clinic"];

/// Three custodians, two needed; the school is a member without a share.
fn consortium() -> Consortium {
    let mut consortium = Consortium::of(&["police", "refuge", "clinic", "school"]);
    consortium.appoint(2, &CUSTODIANS).unwrap();
    consortium
}

fn custody(consortium: &Consortium) -> &Custody {
    consortium.roster.custody.as_ref().unwrap()
}

fn request() -> Request {
    Request {
        id: [1; 16],
        requester: name("school"),
        epoch: 1,
        generation: 0,
        quorum: Quorum::new([1, 3], 2).unwrap(),
        expires_at: NOW + 60,
        elements: vec![9; 64],
    }
}

fn sign(consortium: &Consortium, request: &Request, signer: &str) -> Signature {
    let key = &consortium.agency(signer).signing;
    Request::sign(&request.encode(), &consortium.roster.genesis, key)
}

fn verify(
    consortium: &Consortium,
    request: &Request,
    signature: &Signature,
    now: i64,
) -> Result<Request, Refusal> {
    let roster = &consortium.roster;
    Request::verify(&request.encode(), signature, roster, now)
}

#[test]
fn a_signed_request_is_read_as_it_was_written() {
    let consortium = consortium();
    let request = request();
    let signature = sign(&consortium, &request, "school");
    assert_eq!(verify(&consortium, &request, &signature, NOW), Ok(request));
}

#[test]
fn each_field_that_is_altered_after_signing_is_refused() {
    let consortium = consortium();
    let signature = sign(&consortium, &request(), "school");
    let altered: [(Alteration<Request>, Refusal); 10] = [
        (("generation", |r| r.generation = 1), Refusal::BadSignature),
        (("id", |r| r.id[15] ^= 1), Refusal::BadSignature),
        (
            ("member", |r| r.requester = name("clinic")),
            Refusal::BadSignature,
        ),
        (
            ("stranger", |r| r.requester = name("nobody")),
            Refusal::NotAMember,
        ),
        (("epoch", |r| r.epoch = 2), Refusal::BadSignature),
        (
            ("quorum", |r| r.quorum = Quorum::new([1, 2], 2).unwrap()),
            Refusal::BadSignature,
        ),
        (
            ("size", |r| r.quorum = Quorum::new([1, 2, 3], 3).unwrap()),
            Refusal::BadSignature,
        ),
        (("expiry", |r| r.expires_at += 1), Refusal::BadSignature),
        (("element", |r| r.elements[40] ^= 1), Refusal::BadSignature),
        (
            ("fewer", |r| r.elements.truncate(32)),
            Refusal::BadSignature,
        ),
    ];
    for ((what, alter), expected) in altered {
        let mut request = request();
        alter(&mut request);
        let refused = verify(&consortium, &request, &signature, NOW);
        assert_eq!(refused, Err(expected), "{what}");
        let signed = sign(&consortium, &request, "school");
        assert_ne!(signed, signature, "{what}");
    }
    assert!(verify(&consortium, &request(), &signature, NOW).is_ok());
    let mut bad = signature;
    bad.0[0] ^= 1;
    let refused = verify(&consortium, &request(), &bad, NOW);
    assert_eq!(refused, Err(Refusal::BadSignature));
}

#[test]
fn a_request_is_refused_though_it_is_well_signed() {
    let consortium = consortium();
    let ask = |alter: fn(&mut Request), signer: &str| {
        let mut request = request();
        alter(&mut request);
        let signature = sign(&consortium, &request, signer);
        verify(&consortium, &request, &signature, NOW).map(|_| ())
    };
    assert_eq!(ask(|_| (), "school"), Ok(()));
    assert_eq!(ask(|_| (), "clinic"), Err(Refusal::BadSignature));
    assert_eq!(ask(|r| r.epoch = 0, "school"), Err(Refusal::OtherEpoch));
    assert_eq!(ask(|r| r.epoch = 2, "school"), Err(Refusal::OtherEpoch));
    let strange: fn(&mut Request) = |r| r.quorum = Quorum::new([1, 4], 2).unwrap();
    assert_eq!(ask(strange, "school"), Err(Refusal::Malformed));
    let small: fn(&mut Request) = |r| r.quorum = Quorum::new([1], 1).unwrap();
    assert_eq!(ask(small, "school"), Err(Refusal::Malformed));
    assert_eq!(ask(|r| r.expires_at = NOW, "school"), Ok(()));
    assert_eq!(
        ask(|r| r.expires_at = NOW - 1, "school"),
        Err(Refusal::Expired)
    );
    let longest: fn(&mut Request) = |r| r.expires_at = NOW + MAX_REQUEST_LIFE_S;
    assert_eq!(ask(longest, "school"), Ok(()));
    let too_long: fn(&mut Request) = |r| r.expires_at = NOW + MAX_REQUEST_LIFE_S + 1;
    assert_eq!(ask(too_long, "school"), Err(Refusal::Expired));
    for extreme in [i64::MAX, i64::MIN] {
        let mut request = request();
        request.expires_at = extreme;
        let signature = sign(&consortium, &request, "school");
        let refused = verify(&consortium, &request, &signature, NOW);
        assert_eq!(refused, Err(Refusal::Expired));
    }
}

#[test]
fn an_invited_agency_may_not_ask_before_it_has_enrolled() {
    let mut consortium = consortium();
    consortium.invite("charity", AgencyKind::Ngo);
    let mut request = request();
    request.requester = name("charity");
    let signature = sign(&consortium, &request, "school");
    let refused = verify(&consortium, &request, &signature, NOW);
    assert_eq!(refused, Err(Refusal::NotAMember));
}

#[test]
fn a_request_of_one_consortium_is_refused_in_another() {
    let mut consortium = consortium();
    let signature = sign(&consortium, &request(), "school");
    assert!(verify(&consortium, &request(), &signature, NOW).is_ok());
    // The same agencies with the same keys, another genesis.
    consortium.roster.genesis = Digest([1; 32]);
    let refused = verify(&consortium, &request(), &signature, NOW);
    assert_eq!(refused, Err(Refusal::BadSignature));
}

#[test]
fn a_refusal_survives_its_word() {
    let all = [
        Refusal::Malformed,
        Refusal::NotAMember,
        Refusal::BadSignature,
        Refusal::Expired,
        Refusal::OtherEpoch,
        Refusal::Repeated,
        Refusal::NotReady,
        Refusal::StaleRoster,
        Refusal::Busy,
        Refusal::OverQuota { retry_at: None },
        Refusal::OverQuota {
            retry_at: Some(NOW),
        },
        Refusal::Unknown,
    ];
    for refusal in all {
        let read = Refusal::parse(&refusal.to_string(), refusal.retry_at());
        assert_eq!(read, refusal);
    }
    assert_eq!(Refusal::parse("something newer", 0), Refusal::Unknown);
}

fn body(consortium: &Consortium, custodian: &str) -> StatementBody {
    let (_, key) = shared_key(21, 2, 3);
    StatementBody {
        custodian: name(custodian),
        entry: custody(consortium).entry,
        epoch: 1,
        generation: 0,
        transcript: Digest([6; 32]),
        key,
    }
}

fn state(consortium: &Consortium, body: &StatementBody) -> Statement {
    let key = &consortium.agencies[&body.custodian].signing;
    Statement::new(body, key).unwrap()
}

fn agreed(consortium: &Consortium, statements: &[Statement]) -> Result<CustodyKey, CustodyError> {
    agreed_key(&consortium.roster, custody(consortium), statements).map(|agreed| agreed.key)
}

#[test]
fn the_key_counts_when_every_custodian_states_the_same() {
    let consortium = consortium();
    let mut statements = CUSTODIANS.map(|c| state(&consortium, &body(&consortium, c)));
    let (_, key) = shared_key(21, 2, 3);
    assert_eq!(agreed(&consortium, &statements), Ok(key.clone()));
    statements.reverse();
    assert_eq!(agreed(&consortium, &statements), Ok(key.clone()));
    // A member without a share may say what it likes.
    let mut opinion = body(&consortium, "school");
    opinion.transcript = Digest([7; 32]);
    let with_opinion = [statements.to_vec(), vec![state(&consortium, &opinion)]].concat();
    assert_eq!(agreed(&consortium, &with_opinion), Ok(key));
    let missing = |custodian: &str| Err(CustodyError::Missing(name(custodian)));
    assert_eq!(agreed(&consortium, &[]), missing("police"));
    assert_eq!(agreed(&consortium, &statements[..2]), missing("police"));
    assert_eq!(agreed(&consortium, &statements[1..]), missing("clinic"));
}

#[test]
fn a_statement_that_differs_names_its_custodian() {
    let consortium = consortium();
    let (_, other_key) = shared_key(22, 2, 3);
    let play = |alter: &dyn Fn(&mut StatementBody)| {
        let mut last = body(&consortium, "clinic");
        alter(&mut last);
        let first = ["police", "refuge"].map(|c| state(&consortium, &body(&consortium, c)));
        let statements = [first.to_vec(), vec![state(&consortium, &last)]].concat();
        agreed(&consortium, &statements).map(|_| ())
    };
    let differs = Err(CustodyError::Differs(name("clinic")));
    assert_eq!(play(&|_| ()), Ok(()));
    assert_eq!(play(&|b| b.transcript = Digest([7; 32])), differs);
    assert_eq!(play(&|b| b.key = other_key.clone()), differs);
    assert_eq!(play(&|b| b.key.group = other_key.group), differs);
    assert_eq!(play(&|b| b.key.threshold = 3), differs);
    assert_eq!(play(&|b| b.epoch = 2), differs);
    // About another appointment, it does not count at all.
    let missing = Err(CustodyError::Missing(name("clinic")));
    assert_eq!(play(&|b| b.entry = Digest([8; 32])), missing);
}

#[test]
fn a_key_of_another_shape_than_appointed_is_refused_though_all_state_it() {
    let consortium = consortium();
    let play = |alter: fn(&mut CustodyKey)| {
        let statements = CUSTODIANS.map(|custodian| {
            let mut body = body(&consortium, custodian);
            alter(&mut body.key);
            state(&consortium, &body)
        });
        agreed(&consortium, &statements).map(|_| ())
    };
    let differs = Err(CustodyError::Differs(name("police")));
    assert_eq!(play(|_| ()), Ok(()));
    assert_eq!(play(|key| key.threshold = 1), differs);
    assert_eq!(
        play(|key| key.shares.retain(|index, _| *index != 3)),
        differs
    );
    let moved: fn(&mut CustodyKey) = |key| {
        let share = key.shares.remove(&3).unwrap();
        key.shares.insert(4, share);
    };
    assert_eq!(play(moved), differs);
}

#[test]
fn a_forged_statement_is_refused_and_its_supposed_author_named() {
    let consortium = consortium();
    let play = |alter: fn(&Consortium, &mut Statement)| {
        let mut statements = CUSTODIANS.map(|c| state(&consortium, &body(&consortium, c)));
        alter(&consortium, &mut statements[1]);
        agreed(&consortium, &statements).map(|_| ())
    };
    let forged = |who: &str| Err(CustodyError::Forged(name(who)));
    assert_eq!(play(|_, _| ()), Ok(()));
    assert_eq!(play(|_, s| s.signature.0[3] ^= 1), forged("refuge"));
    let by_another: fn(&Consortium, &mut Statement) = |c, s| {
        *s = Statement::new(&body(c, "refuge"), &c.agency("clinic").signing).unwrap();
    };
    assert_eq!(play(by_another), forged("refuge"));
    let by_nobody: fn(&Consortium, &mut Statement) = |c, s| {
        *s = Statement::new(&body(c, "nobody"), &c.agency("refuge").signing).unwrap();
    };
    assert_eq!(play(by_nobody), forged("nobody"));
    let request: fn(&Consortium, &mut Statement) = |c, s| {
        // A signature of the same bytes as another kind of statement.
        s.signature = Request::sign(&s.body, &c.roster.genesis, &c.agency("refuge").signing);
    };
    assert_eq!(play(request), forged("refuge"));
    let malformed = Err(CustodyError::Malformed);
    assert_eq!(play(|_, s| s.body.clear()), malformed);
}

#[test]
fn one_bad_statement_does_not_end_a_key_that_is_agreed() {
    let consortium = consortium();
    let (_, key) = shared_key(21, 2, 3);
    let good = CUSTODIANS.map(|c| state(&consortium, &body(&consortium, c)));
    // A custodian that wants nobody to go on states a generation that nobody made, badly.
    let mut later = body(&consortium, "refuge");
    later.generation = 1;
    let mut forged = state(&consortium, &later);
    forged.signature.0[3] ^= 1;
    let mut garbled = state(&consortium, &later);
    garbled.body.splice(..1, *b"{\"more\":1,");
    for (bad, said) in [
        (forged, CustodyError::Forged(name("refuge"))),
        (garbled, CustodyError::Malformed),
    ] {
        let with_bad = [vec![bad], good.to_vec()].concat();
        assert_eq!(agreed(&consortium, &with_bad), Ok(key.clone()));
        let custody = custody(&consortium);
        let named = refused_statement(&consortium.roster, custody, &with_bad);
        assert_eq!(named, Some(said.clone()));
        assert_eq!(refused_statement(&consortium.roster, custody, &good), None);
        // Where it is needed, it is what is wrong.
        let instead = [with_bad[..1].to_vec(), good[..1].to_vec()].concat();
        assert_eq!(agreed(&consortium, &instead), Err(said));
    }
}

#[test]
fn a_key_that_was_given_up_states_no_later_custody() {
    let mut consortium = consortium();
    let old = state(&consortium, &body(&consortium, "refuge"));
    let others = ["police", "clinic"];
    let stated = |consortium: &Consortium, refuge: &Statement| {
        let others = others.map(|c| state(consortium, &body(consortium, c)));
        let statements = [others.to_vec(), vec![refuge.clone()]].concat();
        agreed(consortium, &statements).map(|_| ())
    };
    let fresh = Agency::new();
    let before = consortium.rekey("refuge", fresh);
    // What it stated before stays stated.
    assert_eq!(stated(&consortium, &old), Ok(()));
    consortium.appoint(2, &CUSTODIANS).unwrap();
    let mut anew = body(&consortium, "refuge");
    anew.epoch = 2;
    let all = |consortium: &Consortium, key: &SigningKey| {
        let mut statements: Vec<Statement> = others
            .iter()
            .map(|c| {
                let mut body = body(consortium, c);
                body.epoch = 2;
                state(consortium, &body)
            })
            .collect();
        statements.push(Statement::new(&anew, key).unwrap());
        agreed(consortium, &statements).map(|_| ())
    };
    let present = &consortium.agency("refuge").signing;
    assert_eq!(all(&consortium, present), Ok(()));
    let thief = all(&consortium, &before.signing);
    assert_eq!(thief, Err(CustodyError::Forged(name("refuge"))));
}
