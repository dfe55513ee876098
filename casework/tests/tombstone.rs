//! Tombstones against a roster: whose word counts, and whose does not.
#![allow(clippy::unwrap_used)]

use symbolon_casework::tombstone::{
    Confirmation, ReasonClass, RecordMark, SharedAs, Signed, SignedWith, Tombstone, TombstoneError,
};
use symbolon_core::crypto::SigningKey;
use symbolon_core::encoding::Digest;
use symbolon_core::identity::{AgencyKeys, AgencyKind, AgencyName};
use symbolon_core::payload::RecordReference;
use symbolon_core::roster::{Administrator, Change, EntryBody, Quota, Roster, SignedEntry};
use symbolon_core::sealing::DecryptionKey;

const NOW: i64 = 1_790_000_000;

struct Consortium {
    administrator: SigningKey,
    genesis: Digest,
    roster: Roster,
}

fn agency(name: &str) -> AgencyName {
    name.parse().unwrap()
}

fn keys(signing: &SigningKey) -> AgencyKeys {
    AgencyKeys {
        signing: signing.verifying_key(),
        encryption: DecryptionKey::random().unwrap().public().clone(),
    }
}

impl Consortium {
    fn found() -> Self {
        let administrator = SigningKey::random().unwrap();
        let body = EntryBody {
            number: 0,
            previous: Digest([0; 32]),
            at: NOW,
            change: Change::Genesis {
                consortium: agency("north"),
                administrators: vec![Administrator {
                    name: agency("ada"),
                    key: administrator.verifying_key(),
                }],
                approvals_needed: 1,
                log_key: SigningKey::random().unwrap().verifying_key(),
            },
        };
        let entry = SignedEntry::new(&body, &[&administrator]).unwrap();
        let genesis = entry.digest();
        Self {
            administrator,
            genesis,
            roster: Roster::from_genesis(&entry, &genesis).unwrap(),
        }
    }

    fn apply(&mut self, change: Change, signers: &[&SigningKey]) {
        let entry = SignedEntry::new(&self.roster.next_body(NOW, change), signers).unwrap();
        self.roster = self.roster.apply(&entry).unwrap();
    }

    fn join(&mut self, name: &str) -> SigningKey {
        let (invitation, signing) = (SigningKey::random().unwrap(), SigningKey::random().unwrap());
        let administrator = SigningKey::from_seed(self.administrator.seed().clone()).unwrap();
        let change = Change::Invite {
            agency: agency(name),
            kind: AgencyKind::Ngo,
            title: name.to_owned(),
            invitation_key: invitation.verifying_key(),
            expires_at: NOW + 86_400,
            quota: Quota::of_register(100, 10),
        };
        self.apply(change, &[&administrator]);
        let change = Change::Enrol {
            agency: agency(name),
            keys: keys(&signing),
        };
        self.apply(change, &[&invitation, &signing]);
        signing
    }

    fn rekey(&mut self, name: &str) -> SigningKey {
        let fresh = SigningKey::random().unwrap();
        let administrator = SigningKey::from_seed(self.administrator.seed().clone()).unwrap();
        let change = Change::Rekey {
            agency: agency(name),
            keys: keys(&fresh),
        };
        self.apply(change, &[&administrator, &fresh]);
        fresh
    }

    fn tombstone(&self, of: &str) -> Tombstone {
        Tombstone {
            consortium: self.genesis,
            agency: agency(of),
            shared_as: Some(SharedAs {
                agreement: Digest([4; 32]),
                reference: RecordReference([5; 16]),
            }),
            record: RecordMark([6; 16]),
            reason: ReasonClass::Request,
            at: NOW,
            roster: self.roster.length,
        }
    }
}

#[test]
fn a_tombstone_counts_if_its_agency_signed_it_and_not_a_bit_is_altered() {
    let mut consortium = Consortium::found();
    let refuge = consortium.join("refuge");
    let police = consortium.join("police");
    let tombstone = consortium.tombstone("refuge");
    let good = Signed::tombstone(&tombstone, &refuge).unwrap();
    let verify = |signed: &Signed| signed.verify_tombstone(&consortium.roster, &consortium.genesis);
    // The control.
    assert_eq!(
        verify(&good),
        Ok((tombstone.clone(), SignedWith::PresentKey))
    );

    let forged = Signed::tombstone(&tombstone, &police).unwrap();
    let refused = TombstoneError::BadSignature(agency("refuge"));
    assert_eq!(verify(&forged), Err(refused.clone()), "by another agency");
    for at in 0..good.body.len() {
        let mut altered = good.clone();
        altered.body[at] ^= 1;
        assert!(verify(&altered).is_err(), "byte {at}");
    }
    // A confirmation is signed under another context: neither passes for the other.
    let word = Confirmation {
        tombstone: good.digest(),
        agency: agency("refuge"),
        at: NOW,
        roster: consortium.roster.length,
    };
    let confirmation = Signed::confirmation(&word, &refuge).unwrap();
    let crossed = Signed {
        body: good.body.clone(),
        signature: confirmation.signature,
    };
    assert_eq!(verify(&crossed), Err(refused));
    let elsewhere = Tombstone {
        consortium: Digest([9; 32]),
        ..tombstone.clone()
    };
    let elsewhere = Signed::tombstone(&elsewhere, &refuge).unwrap();
    assert_eq!(verify(&elsewhere), Err(TombstoneError::OtherConsortium));
    let stranger = consortium.tombstone("stranger");
    let stranger = Signed::tombstone(&stranger, &refuge).unwrap();
    let unknown = TombstoneError::UnknownAgency(agency("stranger"));
    assert_eq!(verify(&stranger), Err(unknown));
    let huge = Signed {
        body: vec![b' '; 4096],
        ..good.clone()
    };
    assert_eq!(verify(&huge), Err(TombstoneError::Malformed));

    // Whoever hands it on does not make it theirs.
    assert!(tombstone.must_be_of(&agency("refuge")).is_ok());
    assert!(matches!(
        tombstone.must_be_of(&agency("police")),
        Err(TombstoneError::OtherAgency { .. })
    ));
}

#[test]
fn a_confirmation_is_of_one_tombstone_and_one_agency() {
    let mut consortium = Consortium::found();
    let refuge = consortium.join("refuge");
    let police = consortium.join("police");
    let stone = Signed::tombstone(&consortium.tombstone("refuge"), &refuge).unwrap();
    let word = Confirmation {
        tombstone: stone.digest(),
        agency: agency("police"),
        at: NOW,
        roster: consortium.roster.length,
    };
    let good = Signed::confirmation(&word, &police).unwrap();
    let verify = |signed: &Signed, of| signed.verify_confirmation(&consortium.roster, &of);
    assert_eq!(
        verify(&good, stone.digest()),
        Ok((word.clone(), SignedWith::PresentKey))
    );
    assert_eq!(
        verify(&good, Digest([1; 32])),
        Err(TombstoneError::OtherTombstone)
    );
    let forged = Signed::confirmation(&word, &refuge).unwrap();
    assert!(verify(&forged, stone.digest()).is_err());
    assert!(word.must_be_of(&agency("refuge")).is_err());
}

#[test]
fn a_key_that_was_given_up_speaks_for_its_time_and_says_so() {
    let mut consortium = Consortium::found();
    let before = consortium.join("refuge");
    let old = Signed::tombstone(&consortium.tombstone("refuge"), &before).unwrap();
    consortium.rekey("refuge");
    let verify = |signed: &Signed| signed.verify_tombstone(&consortium.roster, &consortium.genesis);
    assert_eq!(verify(&old).unwrap().1, SignedWith::PastKey);
    // The thief of the old key, honest about the time.
    let later = Signed::tombstone(&consortium.tombstone("refuge"), &before).unwrap();
    assert_eq!(
        verify(&later),
        Err(TombstoneError::BadSignature(agency("refuge")))
    );
}
