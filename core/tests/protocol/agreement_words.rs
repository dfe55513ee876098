//! The word that an immigration service needs of every other member, and proposals that several
//! administrators approve one by one.

use std::collections::BTreeSet;

use symbolon_core::agreement::{
    Acceptance, AcceptanceBody, AgreementError, Document, Papers, Proposal, Said, Standing,
    Statement, StatementBody,
};
use symbolon_core::crypto::SigningKey;
use symbolon_core::identity::AgencyKind;

use crate::agreement_epochs::{accepted, document, names};
use crate::common::{Agency, Consortium, NOW, name};

#[test]
fn an_immigration_service_takes_part_by_every_other_members_word() {
    let mut consortium = Consortium::of(&["police", "refuge"]);
    consortium.join("border", AgencyKind::ImmigrationService);
    let document = document(&consortium, &["police", "refuge", "border"]);
    let proposal = Proposal::new(&document, &consortium.approvers()).unwrap();
    let word = |agency: &str, named: &[&str]| {
        let body = AcceptanceBody {
            agency: name(agency),
            agreement: proposal.digest(),
            at: NOW,
            immigration: names(named).into_iter().collect::<BTreeSet<_>>(),
            key: None,
        };
        let signed = Acceptance::new(&body, &consortium.agency(agency).signing).unwrap();
        let checked = signed.verify(&consortium.roster, &document, &proposal.digest());
        checked.map(|_| ())
    };
    assert_eq!(word("refuge", &["border"]), Ok(()));
    assert_eq!(word("border", &[]), Ok(()), "it need not accept itself");
    let refused = |agency: &str, expected: &str| {
        Err(AgreementError::Immigration(
            name(agency),
            expected.to_owned(),
        ))
    };
    assert_eq!(word("refuge", &[]), refused("refuge", "border"));
    assert_eq!(word("refuge", &["police"]), refused("refuge", "border"));
    assert_eq!(
        word("refuge", &["border", "police"]),
        refused("refuge", "border")
    );
    assert_eq!(word("border", &["border"]), refused("border", "none"));
    // In force as soon as all have said so.
    let papers = accepted(&consortium, &document);
    assert!(
        Standing::verify(&papers, &consortium.roster)
            .unwrap()
            .in_force()
    );
}

#[test]
fn administrators_approve_one_after_the_other() {
    let mut consortium = Consortium::found(3, 2);
    consortium.join("police", AgencyKind::LawEnforcement);
    consortium.join("refuge", AgencyKind::Ngo);
    let document = document(&consortium, &["police", "refuge"]);
    let keys = &consortium.administrators;
    let approvers = &consortium.roster.approvers;
    let mut first = Proposal::new(&document, &[&keys[0]]).unwrap();
    assert!(first.open_new(&consortium.roster).is_ok());
    let incomplete = first.verify_new(&consortium.roster);
    assert_eq!(incomplete, Err(AgreementError::NotProposed));
    let stranger = SigningKey::random().unwrap();
    let by_nobody = Proposal::new(&document, &[&stranger]).unwrap();
    assert!(by_nobody.open_new(&consortium.roster).is_err());
    assert!(
        !first.merge(&by_nobody, approvers),
        "a stranger adds nothing"
    );
    assert!(
        !first.merge(&first.clone(), approvers),
        "nor does the same one again"
    );
    let elsewhere = Document {
        title: "Another".to_owned(),
        ..document.clone()
    };
    let elsewhere = Proposal::new(&elsewhere, &[&keys[1]]).unwrap();
    assert!(
        !first.merge(&elsewhere, approvers),
        "nor an approval of something else"
    );
    let second = Proposal::new(&document, &[&keys[2]]).unwrap();
    assert!(first.merge(&second, approvers));
    assert_eq!(first.approvals_of(approvers), (2, 2));
    assert!(first.verify_new(&consortium.roster).is_ok());
}

#[test]
fn a_key_that_was_given_up_accepts_and_says_nothing_of_what_came_later() {
    let mut consortium = Consortium::of(&["police", "refuge"]);
    let other = name("refuge");
    let earlier = document(&consortium, &["police", "refuge"]);
    let word = |document: &Document, consortium: &Consortium, key: &SigningKey| {
        let proposal = Proposal::new(document, &consortium.approvers()).unwrap();
        let body = AcceptanceBody {
            agency: other.clone(),
            agreement: proposal.digest(),
            at: NOW,
            immigration: BTreeSet::new(),
            key: None,
        };
        let accepted = Acceptance::new(&body, key).unwrap();
        let accepted = accepted.verify(&consortium.roster, document, &proposal.digest());
        let body = StatementBody {
            agency: other.clone(),
            agreement: proposal.digest(),
            at: NOW,
            said: Said::Leave {
                reason: "closed".to_owned(),
            },
        };
        let left = Statement::new(&body, key).unwrap();
        let left = left.open(&consortium.roster, document, &proposal.digest());
        assert_eq!(accepted.is_ok(), left.is_ok());
        accepted.map(|_| ())
    };
    let before = consortium.rekey("refuge", Agency::new());
    let later = document(&consortium, &["police", "refuge"]);
    let present = &consortium.agency("refuge").signing;
    assert_eq!(word(&later, &consortium, present), Ok(()));
    assert_eq!(word(&earlier, &consortium, present), Ok(()));
    // What was said in the key's own time stays said; nothing newer can be said with it.
    assert_eq!(word(&earlier, &consortium, &before.signing), Ok(()));
    let thief = word(&later, &consortium, &before.signing);
    assert_eq!(thief, Err(AgreementError::Forged(name("refuge"))));
}

#[test]
fn nobody_makes_others_fetch_more_than_a_word_takes() {
    let consortium = Consortium::of(&["police", "refuge"]);
    let document = document(&consortium, &["police", "refuge"]);
    let mut papers = accepted(&consortium, &document);
    let words = |papers: &Papers| Standing::verify(papers, &consortium.roster).map(|_| ());
    assert_eq!(words(&papers), Ok(()));
    // The same acceptance, signed with a long blank at its end.
    let padded = |length: usize| {
        let acceptance = accepted(&consortium, &document).acceptances.pop().unwrap();
        let mut body = acceptance.body;
        body.resize(length, b' ');
        let key = &consortium.agency("refuge").signing;
        Acceptance {
            signature: key.sign("symbolon agreement acceptance v1", &body),
            body,
        }
    };
    let most = 8 * 1024 + 2 * 2 * 1024;
    *papers.acceptances.last_mut().unwrap() = padded(most);
    assert_eq!(words(&papers), Ok(()));
    *papers.acceptances.last_mut().unwrap() = padded(most + 1);
    assert_eq!(words(&papers), Err(AgreementError::Malformed));
}
