//! Bytes that a peer, a hub or a damaged disk may hand over: refused, never a panic.
//!
//! Random bytes rarely get past a parser's first line, so most cases start from something valid and
//! change a few bytes of it. Each test ends with the valid one, which must still be accepted.

use std::sync::OnceLock;

use proptest::prelude::*;
use symbolon_core::agreement::{Acceptance, Papers, Proposal, StatementBody};
use symbolon_core::crypto::{Signature, SigningKey};
use symbolon_core::custody::{self, Request, Statement};
use symbolon_core::encoding::Digest;
use symbolon_core::envelope::Envelope;
use symbolon_core::identity::Subject;
use symbolon_core::invitation::Invitation;
use symbolon_core::log::{Checkpoint, Frontier};
use symbolon_core::oprf::custodian;
use symbolon_core::oprf::dleq::Proof;
use symbolon_core::oprf::threshold::{KeyShare, Quorum};
use symbolon_core::roster::{EntryBody, Roster, SignedEntry};
use symbolon_core::row::Holdings;
use symbolon_core::sealed_file::{self, SealedFileError, Unlock};
use symbolon_core::sealing;
use zeroize::Zeroizing;

use crate::common::{Consortium, NOW, TestRng, name, signing_key};

fn bytes(longest: usize) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..longest)
}

/// A few places with what is to stand there.
type Edits = Vec<(prop::sample::Index, u8)>;

fn edits() -> impl Strategy<Value = Edits> {
    proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5)
}

/// Overwrites bytes; the first place may cut off the rest.
fn altered(valid: &[u8], edits: &Edits) -> Vec<u8> {
    let mut bytes = valid.to_vec();
    for (place, byte) in edits {
        let at = place.index(bytes.len());
        bytes[at] = *byte;
    }
    if let Some((place, 0..64)) = edits.first() {
        bytes.truncate(place.index(bytes.len()));
    }
    bytes
}

fn consortium() -> &'static Consortium {
    static MADE: OnceLock<Consortium> = OnceLock::new();
    MADE.get_or_init(|| {
        let mut consortium = Consortium::of(&["police", "refuge"]);
        consortium.appoint(2, &["police", "refuge"]).unwrap();
        consortium
    })
}

/// Signed by a member that is hostile: whatever it signs reaches the parser behind the signature.
fn request_verdict(encoded: &[u8]) -> bool {
    let consortium = consortium();
    let (roster, key) = (&consortium.roster, &consortium.agency("police").signing);
    let signature = Request::sign(encoded, &roster.genesis, key);
    Request::verify(encoded, &signature, roster, NOW).is_ok()
}

proptest! {
    #[test]
    fn requests(random in bytes(400), edits in edits()) {
        let valid = Request {
            id: [1; 16],
            requester: name("police"),
            epoch: 1,
            generation: 0,
            quorum: Quorum::new([1, 2], 2).unwrap(),
            expires_at: NOW,
            elements: vec![5; 96],
        };
        let valid = valid.encode();
        request_verdict(&random);
        request_verdict(&altered(&valid, &edits));
        prop_assert!(request_verdict(&valid));
    }

    #[test]
    fn statements(random in bytes(200), edits in edits()) {
        let consortium = consortium();
        let custody = consortium.roster.custody.as_ref().unwrap();
        let key = &consortium.agency("police").signing;
        let statement = |body: Vec<u8>| {
            let signature = key.sign("symbolon custody statement v1", &body);
            [Statement { body, signature }]
        };
        let valid = r#"{"custodian":"police","entry":"ENTRY","epoch":1,"transcript":"ENTRY",
            "key":{"threshold":2,"group":"POINT","shares":{"1":"POINT","2":"POINT"}}}"#;
        let valid = valid
            .replace("ENTRY", &custody.entry.to_string())
            .replace("POINT", &"A".repeat(43));
        for body in [random, altered(valid.as_bytes(), &edits)] {
            let _ = custody::agreed_key(&consortium.roster, custody, &statement(body));
        }
        let read = custody::agreed_key(&consortium.roster, custody, &statement(valid.into_bytes()));
        prop_assert_eq!(read, Err(custody::CustodyError::Missing(name("refuge"))));
    }

    #[test]
    fn roster_entries(number in 0..6_usize, random in bytes(300), edits in edits()) {
        let consortium = consortium();
        let roster = &consortium.roster;
        let entry = &consortium.entries[number];
        for body in [random, altered(&entry.body, &edits)] {
            let _ = serde_json::from_slice::<EntryBody>(&body);
            let _ = serde_json::from_slice::<SignedEntry>(&body);
            let hostile = SignedEntry { body, approvals: entry.approvals.clone() };
            let _ = roster.apply(&hostile);
            let _ = Roster::from_genesis(&hostile, &hostile.digest());
        }
        prop_assert!(serde_json::from_slice::<EntryBody>(&entry.body).is_ok());
    }

    #[test]
    fn agreements(random in bytes(300)) {
        let roster = &consortium().roster;
        let _ = serde_json::from_slice::<Acceptance>(&random);
        let _ = serde_json::from_slice::<StatementBody>(&random);
        let _ = serde_json::from_slice::<Papers>(&random);
        let _ = serde_json::from_slice::<Statement>(&random);
        let proposal = Proposal { body: random, approvals: Vec::new() };
        prop_assert!(proposal.verify(roster).is_err());
    }

    #[test]
    fn proofs_and_points(random in bytes(200), proof in bytes(130), whole in any::<bool>()) {
        let mut blinded = random;
        if whole {
            blinded.truncate(blinded.len() / 32 * 32);
        }
        let (share, _) = KeyShare::single(&mut TestRng::new(1));
        let quorum = Quorum::new([1], 1).unwrap();
        let _ = custodian::evaluate(&share, &quorum, &blinded, &mut TestRng::new(2));
        let read = Proof::from_bytes(&proof);
        prop_assert!(read.is_none_or(|read| read.to_bytes().as_slice() == proof));
        let _ = KeyShare::from_bytes(1, &proof);
    }

    #[test]
    fn invitations(random in "\\PC{0,200}", edits in edits()) {
        let invitation = Invitation::new(
            name("north"),
            name("police"),
            "hub:7443".to_owned(),
            "hub:7444".to_owned(),
            vec![1; 40],
            Digest([2; 32]),
            NOW,
            &signing_key(3),
        );
        let text = invitation.to_text().unwrap();
        let _ = Invitation::parse(&random, NOW);
        let _ = Invitation::parse(&format!("symbolon-invitation-1.{random}"), NOW);
        // Altered in its text, and in the JSON that the text encodes.
        let _ = Invitation::parse(&String::from_utf8_lossy(&altered(text.as_bytes(), &edits)), NOW);
        let (prefix, coded) = text.split_once('.').unwrap();
        let json = data_encoding::BASE64URL_NOPAD.decode(coded.as_bytes()).unwrap();
        let coded = data_encoding::BASE64URL_NOPAD.encode(&altered(&json, &edits));
        let _ = Invitation::parse(&format!("{prefix}.{coded}"), i64::MAX);
        prop_assert!(Invitation::parse(&text, NOW).is_ok());
    }

    #[test]
    fn checkpoints(random in "\\PC{0,100}", edits in edits(), size in any::<u64>()) {
        let key = signing_key(4);
        let origin = "symbolon/north".to_owned();
        let checkpoint = Checkpoint { origin, size, root: Digest([1; 32]) };
        let note = checkpoint.sign(&key);
        let read = |note: &str| Checkpoint::verify(note, "symbolon/north", &key.verifying_key());
        let _ = read(&random);
        let _ = read(&format!("{random}\n\n\u{2014} symbolon/north {random}\n"));
        let changed = altered(note.as_bytes(), &edits);
        let changed = String::from_utf8_lossy(&changed).into_owned();
        let read_back = read(&changed);
        prop_assert!(read_back.is_none_or(|back| back == checkpoint));
        prop_assert_eq!(read(&note), Some(checkpoint));
    }

    #[test]
    fn what_a_store_gives_back(random in bytes(120), size in any::<u64>(), extra in 0..2_usize) {
        let holdings = Holdings::from_bytes(&random);
        prop_assert_eq!(holdings.is_some(), random.len() == 40);
        let mut frontier = size.to_be_bytes().to_vec();
        frontier.resize(8 + 32 * (size.count_ones() as usize + extra), 7);
        for bytes in [&random, &frontier] {
            if let Some(mut read) = Frontier::from_bytes(bytes) {
                prop_assert_eq!(&read.to_bytes(), bytes);
                read.append(b"entry");
                let _ = read.root();
            }
        }
    }

    #[test]
    fn sealed_files(random in bytes(120), edits in edits()) {
        let unlock = Unlock::KeyFile(Zeroizing::new(vec![8; 32]));
        let sealed = sealed_file::seal(&unlock, "vault", b"secret").unwrap();
        let changed = altered(&sealed, &edits);
        let _ = sealed_file::open(&unlock, "vault", &random);
        let opened = sealed_file::open(&unlock, "vault", &changed);
        prop_assert!(opened.is_err() || changed == sealed);
        prop_assert!(sealed_file::open(&unlock, "vault", &sealed).is_ok());
    }

    #[test]
    fn names_of_subjects(random in "\\PC{0,80}") {
        if let Ok(subject) = format!("symbolon://{random}").parse::<Subject>() {
            prop_assert_eq!(subject.to_string(), format!("symbolon://{random}"));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn envelopes(random in bytes(2000), edits in edits()) {
        let (police, refuge) = (consortium().agency("police"), consortium().agency("refuge"));
        let (from, to) = (name("police"), name("refuge"));
        let recipient = refuge.decryption.public();
        let valid =
            Envelope::seal((&from, &police.signing), (&to, recipient), [1; 16], b"hello").unwrap();
        let _ = sealing::open_sealed(&refuge.decryption, b"use", &random);
        let mut changed = valid.clone();
        changed.sealed = altered(&valid.sealed, &edits);
        let sender = police.signing.verifying_key();
        let opened = changed.open(&sender, &refuge.decryption);
        prop_assert!(opened.is_err() || changed == valid);
        prop_assert!(valid.open(&sender, &refuge.decryption).is_ok());
    }
}

#[test]
fn the_largest_frontier_cannot_overflow() {
    let frontier = |size: u64| {
        let mut bytes = size.to_be_bytes().to_vec();
        bytes.resize(8 + 32 * size.count_ones() as usize, 7);
        Frontier::from_bytes(&bytes)
    };
    assert!(frontier(u64::MAX).is_none());
    let mut largest = frontier(u64::MAX - 1).unwrap();
    largest.append(b"entry");
    assert_eq!(largest.size(), u64::MAX);
}

#[test]
fn a_key_file_that_could_be_guessed_is_refused() {
    let seal = |length: usize| {
        let unlock = Unlock::KeyFile(Zeroizing::new(vec![1; length]));
        sealed_file::seal(&unlock, "vault", b"secret")
    };
    assert!(seal(32).is_ok());
    for short in [0, 31] {
        assert!(matches!(seal(short), Err(SealedFileError::Crypto(_))));
    }
}

#[test]
fn a_signature_of_the_wrong_length_is_refused() {
    let key = SigningKey::random().unwrap();
    let signature = key.sign("context", b"message");
    assert!(Signature::try_from(signature.0.as_slice()).is_ok());
    for length in [0, 63] {
        assert!(Signature::try_from(&signature.0[..length]).is_err());
    }
}
