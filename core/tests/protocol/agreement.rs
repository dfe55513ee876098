//! Agreements: who may propose, what an acceptance must be, and when rows may be made.

use std::collections::BTreeMap;

use symbolon_core::agreement::{
    Acceptance, AcceptanceBody, AgreementError, Category, Document, KeyDelivery, Papers, Proposal,
    RecordRole, ScoreThreshold, SealedKey, Standing, epoch_id,
};
use symbolon_core::crypto::SigningKey;
use symbolon_core::encoding::Digest;
use symbolon_core::identity::AgencyKind;

use crate::common::{Alteration, Consortium, NOW, name};

pub fn document(consortium: &Consortium, members: &[&str]) -> Document {
    Document {
        consortium: consortium.roster.genesis,
        roster: consortium.roster.length,
        id: name("children"),
        title: "Missing children".to_owned(),
        version: 1,
        members: members.iter().map(|member| name(member)).collect(),
        lead: name(members[0]),
        purposes: vec!["safeguarding".to_owned()],
        regime: "UK GDPR".to_owned(),
        lawful_basis: "vital interests".to_owned(),
        retention_months: 12,
        common_token_limit: 64,
        schema_version: 1,
        schema_digest: Digest([3; 32]),
        record_roles: Default::default(),
        response_hours: Default::default(),
        threshold: None,
        replaces: None,
        epoch: 1,
    }
}

fn delivery(to: &[&str]) -> KeyDelivery {
    let sealed = to
        .iter()
        .map(|member| (name(member), SealedKey(vec![1; 8])));
    KeyDelivery {
        commitment: Digest([4; 32]),
        sealed: sealed.collect(),
    }
}

/// Police (the lead), refuge and clinic under one agreement; the school is a member elsewhere.
struct Signed {
    consortium: Consortium,
    proposal: Proposal,
    document: Document,
}

impl Signed {
    fn new() -> Self {
        let consortium = Consortium::of(&["police", "refuge", "clinic", "school"]);
        let document = document(&consortium, &["police", "refuge", "clinic"]);
        let proposal = Proposal::new(&document, &consortium.approvers()).unwrap();
        Self {
            consortium,
            proposal,
            document,
        }
    }

    fn body(&self, agency: &str) -> AcceptanceBody {
        let leads = name(agency) == self.document.lead;
        AcceptanceBody {
            agency: name(agency),
            agreement: self.proposal.digest(),
            at: NOW,
            immigration: Default::default(),
            key: leads.then(|| delivery(&["refuge", "clinic"])),
        }
    }

    fn sign(&self, body: &AcceptanceBody, signer: &str) -> Acceptance {
        Acceptance::new(body, &self.consortium.agency(signer).signing).unwrap()
    }

    fn accept(&self, agency: &str) -> Acceptance {
        self.sign(&self.body(agency), agency)
    }

    fn check(&self, acceptance: &Acceptance) -> Result<(), AgreementError> {
        let agreement = self.proposal.digest();
        let checked = acceptance.verify(&self.consortium.roster, &self.document, &agreement);
        checked.map(|_| ())
    }

    fn standing(&self, acceptances: &[Acceptance]) -> Result<Standing, AgreementError> {
        let papers = Papers {
            acceptances: acceptances.to_vec(),
            ..Papers::new(self.proposal.clone())
        };
        Standing::verify(&papers, &self.consortium.roster)
    }
}

fn forged(agency: &str) -> Result<(), AgreementError> {
    Err(AgreementError::Forged(name(agency)))
}

#[test]
fn only_administrators_propose() {
    let consortium = {
        let mut consortium = Consortium::found(3, 2);
        consortium.join("police", AgencyKind::LawEnforcement);
        consortium.join("refuge", AgencyKind::Ngo);
        consortium
    };
    let document = document(&consortium, &["police", "refuge"]);
    let keys = &consortium.administrators;
    let member = &consortium.agency("police").signing;
    let stranger = SigningKey::random().unwrap();
    let propose = |approvers: &[&SigningKey]| {
        let proposal = Proposal::new(&document, approvers).unwrap();
        proposal.verify(&consortium.roster).map(|_| ())
    };
    assert_eq!(propose(&[&keys[2], &keys[0]]), Ok(()));
    let refused = Err(AgreementError::NotProposed);
    assert_eq!(propose(&[]), refused);
    assert_eq!(propose(&[&keys[0]]), refused);
    assert_eq!(propose(&[&keys[0], &keys[0]]), refused);
    assert_eq!(propose(&[&keys[0], member]), refused);
    assert_eq!(propose(&[&keys[0], &stranger]), refused);

    let mut altered = Proposal::new(&document, &[&keys[0], &keys[1]]).unwrap();
    assert!(altered.verify(&consortium.roster).is_ok());
    altered.body.push(b' ');
    let refused = altered.verify(&consortium.roster);
    assert_eq!(refused, Err(AgreementError::NotProposed));
}

#[test]
fn a_document_keeps_the_rules_or_is_refused() {
    let signed = Signed::new();
    let check = |alter: fn(&mut Document)| {
        let mut document = signed.document.clone();
        alter(&mut document);
        document.check(&signed.consortium.roster)
    };
    assert_eq!(check(|_| ()), Ok(()));
    let wrong: [Alteration<Document>; 24] = [
        ("another consortium", |d| d.consortium = Digest([0; 32])),
        ("one member", |d| d.members.truncate(1)),
        ("twice", |d| d.members.push(name("refuge"))),
        ("lead outside", |d| d.lead = name("school")),
        ("not enrolled", |d| d.members.push(name("nobody"))),
        ("no purpose", |d| d.purposes.clear()),
        ("blank purpose", |d| d.purposes.push("  ".to_owned())),
        ("no retention", |d| d.retention_months = 0),
        ("long retention", |d| d.retention_months = 121),
        ("low limit", |d| d.common_token_limit = 1),
        ("high limit", |d| d.common_token_limit = 10_001),
        ("no version", |d| d.version = 0),
        ("second version of nothing", |d| d.version = 2),
        ("first version of something", |d| {
            d.replaces = Some(Digest([1; 32]));
        }),
        ("first version late", |d| d.epoch = 2),
        ("no epoch", |d| d.epoch = 0),
        ("no basis", |d| d.lawful_basis.clear()),
        ("no regime", |d| d.regime = " ".to_owned()),
        ("no time to answer", |d| d.response_hours.high = 0),
        ("a year and a day", |d| d.response_hours.follow_up = 8_784),
        ("urgent last", |d| d.response_hours.high = 73),
        ("role of a stranger", |d| {
            d.record_roles.insert(name("school"), RecordRole::every());
        }),
        ("strong below possible", |d| {
            d.threshold = Some(ScoreThreshold {
                possible_decibits: 100,
                strong_decibits: 99,
            });
        }),
        ("threshold out of range", |d| {
            d.threshold = Some(ScoreThreshold {
                possible_decibits: 100,
                strong_decibits: 601,
            });
        }),
    ];
    for (what, alter) in wrong {
        assert!(
            matches!(check(alter), Err(AgreementError::NotAllowed(_))),
            "{what}"
        );
    }
}

#[test]
fn a_later_version_names_what_it_replaces() {
    let signed = Signed::new();
    let mut document = signed.document.clone();
    (document.version, document.epoch) = (3, 5);
    document.replaces = Some(signed.proposal.digest());
    document.threshold = Some(ScoreThreshold {
        possible_decibits: 80,
        strong_decibits: 80,
    });
    assert_eq!(document.check(&signed.consortium.roster), Ok(()));
    document.replaces = None;
    assert!(document.check(&signed.consortium.roster).is_err());
}

#[test]
fn a_record_takes_part_if_its_owner_may_submit_it_and_all_others_receive_it() {
    let mut document = Signed::new().document;
    let (police, refuge, clinic) = (name("police"), name("refuge"), name("clinic"));
    let all = document.shared_by(&police);
    assert_eq!(all.len(), Category::ALL.len());
    let role = |submit: &[Category], receive: &[Category]| RecordRole {
        submit: submit.iter().copied().collect(),
        receive: receive.iter().copied().collect(),
    };
    let (missing, victim) = (Category::Missing, Category::Victim);
    let of_refuge = role(&[missing], &[missing, victim]);
    document.record_roles.insert(refuge.clone(), of_refuge);
    assert_eq!(document.shared_by(&refuge), [missing].into());
    assert_eq!(document.shared_by(&police), [missing, victim].into());
    // A third member that receives nothing leaves nothing to share for the others.
    document.record_roles.insert(clinic.clone(), role(&[], &[]));
    assert!(document.shared_by(&police).is_empty() && document.shared_by(&refuge).is_empty());
    assert!(document.shared_by(&clinic).is_empty());
}

#[test]
fn an_acceptance_is_its_members_word_about_this_agreement() {
    let signed = Signed::new();
    assert_eq!(signed.check(&signed.accept("refuge")), Ok(()));
    // Signed by another member, or altered after signing.
    let by_another = signed.sign(&signed.body("refuge"), "clinic");
    assert_eq!(signed.check(&by_another), forged("refuge"));
    let mut altered = signed.accept("refuge");
    altered.body = signed.accept("clinic").body;
    assert_eq!(signed.check(&altered), forged("clinic"));
    // About another agreement.
    let mut body = signed.body("refuge");
    body.agreement = Digest([8; 32]);
    assert_eq!(
        signed.check(&signed.sign(&body, "refuge")),
        forged("refuge")
    );
    // By an agency outside of the agreement.
    assert_eq!(signed.check(&signed.accept("school")), forged("school"));
    // By nobody.
    let mut body = signed.body("refuge");
    body.agency = name("nobody");
    assert_eq!(
        signed.check(&signed.sign(&body, "refuge")),
        forged("nobody")
    );
    let garbage = Acceptance {
        body: b"{}".to_vec(),
        ..signed.accept("refuge")
    };
    assert_eq!(signed.check(&garbage), Err(AgreementError::Malformed));
}

#[test]
fn the_lead_and_only_the_lead_delivers_the_key_to_every_member() {
    let signed = Signed::new();
    let lead = |key: Option<KeyDelivery>| {
        let mut body = signed.body("police");
        body.key = key;
        signed.check(&signed.sign(&body, "police"))
    };
    assert_eq!(lead(Some(delivery(&["refuge", "clinic"]))), Ok(()));
    assert_eq!(
        lead(Some(delivery(&["police", "refuge", "clinic"]))),
        Ok(())
    );
    assert_eq!(lead(None), forged("police"));
    assert_eq!(lead(Some(delivery(&["refuge"]))), forged("police"));
    let with_stranger = delivery(&["refuge", "clinic", "school"]);
    assert_eq!(lead(Some(with_stranger)), forged("police"));
    let mut body = signed.body("refuge");
    assert_eq!(signed.check(&signed.sign(&body, "refuge")), Ok(()));
    body.key = Some(delivery(&["refuge", "clinic"]));
    assert_eq!(
        signed.check(&signed.sign(&body, "refuge")),
        forged("refuge")
    );
}

#[test]
fn an_agreement_is_in_force_when_all_have_accepted() {
    let signed = Signed::new();
    let words: BTreeMap<&str, Acceptance> = ["clinic", "police", "refuge"]
        .map(|agency| (agency, signed.accept(agency)))
        .into();
    let of = |agencies: &[&str]| {
        let words: Vec<Acceptance> = agencies.iter().map(|a| words[a].clone()).collect();
        signed.standing(&words).unwrap()
    };
    assert!(!of(&[]).in_force());
    assert!(!of(&["police", "refuge"]).in_force());
    assert!(!of(&["refuge", "clinic", "refuge"]).in_force());
    assert!(of(&["police"]).key.is_some());
    assert!(of(&["refuge", "clinic"]).key.is_none());
    let standing = of(&["clinic", "police", "refuge"]);
    assert!(standing.in_force());
    let id = epoch_id(&signed.proposal.digest(), 1);
    assert_eq!(standing.epoch_id(), id);
    assert_ne!(standing.epoch_id(), epoch_id(&signed.proposal.digest(), 2));
    let outsider = [words["police"].clone(), signed.accept("school")];
    let refused = signed.standing(&outsider).map(|_| ());
    assert_eq!(refused, forged("school"));
}

#[test]
fn a_lead_that_delivers_two_keys_is_found_out() {
    let signed = Signed::new();
    let mut body = signed.body("police");
    let one = signed.sign(&body, "police");
    body.at += 1;
    let repeated = signed.sign(&body, "police");
    assert!(signed.standing(&[one.clone(), repeated]).is_ok());
    body.key.as_mut().unwrap().commitment = Digest([5; 32]);
    let other = signed.sign(&body, "police");
    let refused = signed.standing(&[one, other]);
    assert_eq!(refused, Err(AgreementError::TwoKeys(name("police"))));
}

#[test]
fn what_is_signed_in_one_consortium_holds_in_no_other() {
    let signed = Signed::new();
    let acceptance = signed.accept("refuge");
    let lead = signed.accept("police");
    let here = signed.standing(&[acceptance.clone(), lead.clone()]);
    assert_eq!(here.unwrap().accepted.len(), 2);
    // The same administrators, the same agencies with the same keys, another genesis.
    let mut elsewhere = signed.consortium.roster.clone();
    elsewhere.genesis = Digest([1; 32]);
    let papers = Papers {
        acceptances: vec![acceptance, lead],
        ..Papers::new(signed.proposal.clone())
    };
    let refused = Standing::verify(&papers, &elsewhere);
    assert!(matches!(refused, Err(AgreementError::NotAllowed(_))));
}
