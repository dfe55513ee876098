//! Tokens of two agreements share nothing, and a payload opens in its own place only.

use proptest::prelude::*;
use symbolon_core::crypto::{self, SecretKey};
use symbolon_core::encoding::Digest;
use symbolon_core::identity::MAX_NAME_BYTES;
use symbolon_core::payload::{self, Payload, PayloadError, RecordReference, Urgency};
use symbolon_core::row::{AgreementEpoch, Handle, PAYLOAD_BYTES, SealedPayload, Token};
use symbolon_core::token::{AgreementKey, Root};

use crate::common::{Alteration, name};

fn root(number: u8) -> Root {
    Root::from_output(&[number; 64]).unwrap()
}

fn agreement(number: u8) -> AgreementKey {
    AgreementKey::new(SecretKey::new([number; 32]))
}

fn sample() -> Payload {
    Payload {
        agency: name("harbour-refuge"),
        reference: RecordReference([4; 16]),
        kind: 300,
        schema_version: 2,
        urgency: Urgency::High,
        query: true,
    }
}

/// A payload in its place: everything that its opening depends on.
#[derive(Clone)]
struct Place {
    lock: SecretKey,
    epoch: AgreementEpoch,
    token: Token,
    handle: Handle,
}

impl Place {
    fn new() -> Self {
        let (token, lock) = agreement(1).derive(&root(1));
        Self {
            lock,
            epoch: AgreementEpoch([2; 16]),
            token,
            handle: Handle([3; 16]),
        }
    }

    fn seal(&self, payload: &Payload) -> SealedPayload {
        payload::seal(payload, &self.lock, &self.epoch, &self.token, &self.handle).unwrap()
    }

    /// Whatever a member that holds the identifier may put inside.
    fn seal_as_is(&self, plaintext: &[u8]) -> SealedPayload {
        let mut context = b"symbolon payload v1".to_vec();
        for part in [&self.epoch.0, &self.token.0, &self.handle.0] {
            context.extend_from_slice(part);
        }
        let sealed = crypto::seal(&self.lock, &context, plaintext).unwrap();
        SealedPayload::try_from(sealed.as_slice()).unwrap()
    }

    fn open(&self, sealed: &SealedPayload) -> Result<Payload, PayloadError> {
        payload::open(sealed, &self.lock, &self.epoch, &self.token, &self.handle)
    }
}

#[test]
fn agreements_share_no_token_and_no_lock() {
    let (token, lock) = agreement(1).derive(&root(1));
    let (again, same) = agreement(1).derive(&root(1));
    assert_eq!((token, lock.expose()), (again, same.expose()));
    for (other, other_lock) in [agreement(2).derive(&root(1)), agreement(1).derive(&root(2))] {
        assert_ne!(token, other);
        assert_ne!(lock.expose(), other_lock.expose());
    }
    assert_ne!(&token.0, &lock.expose()[..16]);
    assert_ne!(root(1).expose(), root(2).expose());
}

#[test]
fn the_commitment_shows_the_key_and_the_agreement() {
    let commitment = agreement(1).commitment(&Digest([1; 32]));
    assert_eq!(commitment, agreement(1).commitment(&Digest([1; 32])));
    assert_ne!(commitment, agreement(2).commitment(&Digest([1; 32])));
    assert_ne!(commitment, agreement(1).commitment(&Digest([2; 32])));
}

#[test]
fn a_payload_opens_in_its_own_place_only() {
    let place = Place::new();
    let sealed = place.seal(&sample());
    assert_eq!(place.open(&sealed), Ok(sample()));
    let elsewhere: [Alteration<Place>; 5] = [
        ("another identifier", |p| {
            p.lock = agreement(1).derive(&root(2)).1
        }),
        ("another agreement", |p| {
            p.lock = agreement(2).derive(&root(1)).1
        }),
        ("another epoch", |p| p.epoch.0[15] ^= 1),
        ("another token", |p| p.token.0[0] ^= 1),
        ("another handle", |p| p.handle.0[7] ^= 1),
    ];
    for (what, move_to) in elsewhere {
        let mut other = place.clone();
        move_to(&mut other);
        assert_eq!(
            other.open(&sealed),
            Err(PayloadError::DoesNotOpen),
            "{what}"
        );
    }
}

#[test]
fn no_bit_of_a_payload_can_be_changed() {
    let place = Place::new();
    let sealed = place.seal(&sample());
    for bit in 0..PAYLOAD_BYTES * 8 {
        let mut altered = sealed;
        altered.0[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            place.open(&altered),
            Err(PayloadError::DoesNotOpen),
            "bit {bit}"
        );
    }
    assert_eq!(place.open(&sealed), Ok(sample()));
}

#[test]
fn a_payload_has_one_form_only() {
    let place = Place::new();
    let mut valid = vec![1, 5];
    valid.extend_from_slice(b"refug");
    valid.extend_from_slice(&[4; 16]);
    valid.extend_from_slice(&[0, 7, 0, 2, 1, 0]);
    let padding = valid.len();
    valid.resize(128, 0);
    let opened = place.open(&place.seal_as_is(&valid)).unwrap();
    assert_eq!((opened.agency, opened.kind), (name("refug"), 7));
    assert_eq!((opened.urgency, opened.query), (Urgency::Medium, false));
    let altered = [
        ("format", 0, 2),
        ("no name", 1, 0),
        ("name longer than all", 1, 255),
        ("not a name", 2, b'C'),
        ("urgency", padding - 2, 3),
        ("query", padding - 1, 2),
        ("first of the padding", padding, 1),
        ("last of the padding", 127, 1),
    ];
    for (what, at, byte) in altered {
        let mut plaintext = valid.clone();
        plaintext[at] = byte;
        let refused = place.open(&place.seal_as_is(&plaintext));
        assert_eq!(refused, Err(PayloadError::Malformed), "{what}");
    }
}

#[test]
fn the_same_payload_is_never_sealed_twice_alike() {
    let place = Place::new();
    assert_ne!(place.seal(&sample()), place.seal(&sample()));
}

proptest! {
    #[test]
    fn every_payload_comes_back_and_has_one_size(
        agency in "[a-z]([a-z0-9-]{0,46}[a-z0-9])?",
        reference in any::<[u8; 16]>(),
        numbers in any::<(u16, u16)>(),
        urgency in proptest::sample::select([Urgency::Standard, Urgency::Medium, Urgency::High].as_slice()),
        query in any::<bool>(),
    ) {
        let payload = Payload {
            agency: name(&agency),
            reference: RecordReference(reference),
            kind: numbers.0,
            schema_version: numbers.1,
            urgency,
            query,
        };
        let place = Place::new();
        let sealed = place.seal(&payload);
        prop_assert_eq!(sealed.0.len(), PAYLOAD_BYTES);
        prop_assert_eq!(place.open(&sealed), Ok(payload));
    }

    /// A member that holds the identifier can seal what it likes: it must not stop the other's node.
    #[test]
    fn what_a_hostile_member_seals_never_panics(
        plaintext in proptest::collection::vec(any::<u8>(), 128),
        format in any::<bool>(),
        length in 0..60_u8,
    ) {
        let mut plaintext = plaintext;
        if format {
            plaintext[0] = 1;
            plaintext[1] = length;
        }
        let place = Place::new();
        let sealed = place.seal_as_is(&plaintext);
        prop_assert_eq!(place.open(&sealed), Err(PayloadError::Malformed));
    }
}

#[test]
fn the_longest_and_the_shortest_name_take_the_same_room() {
    let place = Place::new();
    for length in [1, MAX_NAME_BYTES] {
        let agency = name(&"a".repeat(length));
        let payload = Payload { agency, ..sample() };
        assert_eq!(place.open(&place.seal(&payload)), Ok(payload));
    }
}
