//! The published vectors of RFC 9497, appendix A.1, against every step of the function.
//!
//! They are written for the multiplicative blind of the RFC; that the additive blind of the product
//! gives the same output for the same key is held against them too.

use std::collections::BTreeMap;

use curve25519_dalek::{RistrettoPoint, Scalar};
use rand_core::OsRng;
use serde::Deserialize;

use super::client::{BlindedBatch, Evaluator};
use super::custodian;
use super::dleq::{self, Proof, Statement};
use super::suite::{self, Mode};
use super::threshold::{CustodyKey, Element, KeyShare, Quorum};

const FILE: &str = include_str!("../../tests/data/rfc9497_ristretto255_sha512.json");

#[derive(Deserialize)]
struct Vectors {
    modes: Vec<ModeVectors>,
}

#[derive(Deserialize)]
struct ModeVectors {
    mode: String,
    #[serde(rename = "skSm")]
    secret: String,
    #[serde(rename = "pkSm")]
    public: Option<String>,
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Vector {
    input: Vec<String>,
    blind: Vec<String>,
    blinded_element: Vec<String>,
    evaluation_element: Vec<String>,
    proof: Option<String>,
    proof_random_scalar: Option<String>,
    output: Vec<String>,
}

impl ModeVectors {
    fn mode(&self) -> Mode {
        match self.mode.as_str() {
            "OPRF" => Mode::Oprf,
            "VOPRF" => Mode::Voprf,
            other => panic!("no such mode: {other}"),
        }
    }
}

fn modes() -> Vec<ModeVectors> {
    let vectors: Vectors = serde_json::from_str(FILE).unwrap();
    vectors.modes
}

fn verifiable() -> ModeVectors {
    let found = modes().into_iter().find(|m| m.mode() == Mode::Voprf);
    found.unwrap()
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let decoded = data_encoding::HEXLOWER.decode(hexadecimal.as_bytes());
    decoded.unwrap()
}

fn hexadecimal(bytes: impl AsRef<[u8]>) -> String {
    data_encoding::HEXLOWER.encode(bytes.as_ref())
}

fn scalar(hexadecimal: &str) -> Scalar {
    suite::parse_scalar(&bytes(hexadecimal)).unwrap()
}

fn point(hexadecimal: &str) -> RistrettoPoint {
    suite::parse_element(&bytes(hexadecimal)).unwrap()
}

fn points(list: &[String]) -> (Vec<RistrettoPoint>, Vec<[u8; 32]>) {
    let points: Vec<RistrettoPoint> = list.iter().map(|text| point(text)).collect();
    let encodings = points.iter().map(|p| p.compress().to_bytes()).collect();
    (points, encodings)
}

#[test]
fn the_file_holds_all_five_vectors() {
    let counted: Vec<(Mode, usize)> = modes()
        .iter()
        .map(|m| (m.mode(), m.vectors.len()))
        .collect();
    assert_eq!(counted, [(Mode::Oprf, 2), (Mode::Voprf, 3)]);
    let batches: Vec<usize> = verifiable().vectors.iter().map(|v| v.input.len()).collect();
    assert_eq!(batches, [1, 1, 2]);
}

#[test]
fn each_step_with_the_multiplicative_blind_gives_the_published_value() {
    for mode in modes() {
        let key = scalar(&mode.secret);
        for vector in &mode.vectors {
            for (i, input) in vector.input.iter().enumerate() {
                let input = bytes(input);
                let blind = scalar(&vector.blind[i]);
                let blinded = blind * suite::hash_to_group(mode.mode(), &input);
                let blinded_bytes = blinded.compress().to_bytes();
                assert_eq!(hexadecimal(blinded_bytes), vector.blinded_element[i]);
                let evaluated = key * blinded;
                let evaluated_bytes = evaluated.compress().to_bytes();
                assert_eq!(hexadecimal(evaluated_bytes), vector.evaluation_element[i]);
                let unblinded = (blind.invert() * evaluated).compress().to_bytes();
                let output = suite::finalize_hash(&input, &unblinded);
                assert_eq!(hexadecimal(*output), vector.output[i]);
            }
        }
    }
}

#[test]
fn the_published_proofs_are_made_and_verified() {
    let mode = verifiable();
    let key = scalar(&mode.secret);
    let public = RistrettoPoint::mul_base(&key);
    assert_eq!(Some(hexadecimal(public.compress().to_bytes())), mode.public);
    for vector in &mode.vectors {
        let before = points(&vector.blinded_element);
        let after = points(&vector.evaluation_element);
        let statement = Statement {
            public: &public,
            before: (&before.0, &before.1),
            after: (&after.0, &after.1),
        };
        let nonce = scalar(vector.proof_random_scalar.as_ref().unwrap());
        let made = dleq::prove_with_nonce(Mode::Voprf, &key, &statement, &nonce);
        assert_eq!(Some(hexadecimal(made.to_bytes())), vector.proof);
        let published = Proof::from_bytes(&bytes(vector.proof.as_ref().unwrap())).unwrap();
        assert!(dleq::verify(Mode::Voprf, &statement, &published));
        assert!(!dleq::verify(Mode::Oprf, &statement, &published));
        let other = Statement {
            public: &(public + public),
            ..statement
        };
        assert!(!dleq::verify(Mode::Voprf, &other, &published));
    }
}

#[test]
fn the_additive_blind_gives_the_published_outputs() {
    let mode = verifiable();
    let share = KeyShare::from_bytes(1, &bytes(&mode.secret)).unwrap();
    let public = Element(bytes(mode.public.as_ref().unwrap()).try_into().unwrap());
    let key = CustodyKey {
        threshold: 1,
        group: public,
        shares: BTreeMap::from([(1, public)]),
    };
    let quorum = Quorum::new([1], 1).unwrap();
    let evaluator = Evaluator::new(&key, &quorum).unwrap();
    for vector in &mode.vectors {
        let inputs: Vec<Vec<u8>> = vector.input.iter().map(|input| bytes(input)).collect();
        let batch = BlindedBatch::new(&inputs, &mut OsRng).unwrap();
        let evaluation = custodian::evaluate(&share, &quorum, &batch.wire(), &mut OsRng).unwrap();
        let evaluations = BTreeMap::from([(1, evaluation)]);
        let outputs = evaluator.finalize(&batch, &inputs, &evaluations).unwrap();
        let outputs: Vec<String> = outputs.iter().map(|o| hexadecimal(**o)).collect();
        assert_eq!(outputs, vector.output);
    }
}
