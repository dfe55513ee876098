//! A hub and a member that play together: epochs that nobody may make are refused by name.

use std::path::PathBuf;

use symbolon_core::agreement::{
    EpochBody, KeyDelivery, Papers, Said, SealedKey, Statement, StatementBody,
};
use symbolon_core::crypto::{SecretKey, SigningKey};
use symbolon_core::encoding::Digest;
use symbolon_core::identity::AgencyName;
use symbolon_node::tables::Tables;
use symbolon_node::vault::Vault;

use crate::agreements::{node, view};
use crate::support::{AGREEMENT, scene, unlock};

/// The signing key of an agency whose node is stopped: a member that plays into the hub's hands.
pub fn stolen_key(state: PathBuf) -> SigningKey {
    let vault = Vault::open(&state, &unlock()).unwrap();
    let tables = Tables::open(&vault).unwrap();
    let (_, identity) = tables.identity.iter().next().unwrap().unwrap();
    let seed = SecretKey::try_from(identity.signing_seed.0.as_slice()).unwrap();
    SigningKey::from_seed(seed).unwrap()
}

/// What a hub shows, with a second epoch that somebody signed.
fn with_epoch(
    shown: &[Papers],
    version: &Digest,
    roster: u64,
    (author, key): (&str, &SigningKey),
    members: &[&str],
) -> Vec<Papers> {
    let name = |text: &str| -> AgencyName { text.parse().unwrap() };
    let sealed = members.iter().map(|m| (name(m), SealedKey(vec![1; 8])));
    let body = StatementBody {
        agency: name(author),
        agreement: *version,
        at: 1,
        said: Said::Epoch(EpochBody {
            number: 2,
            follows: *version,
            roster,
            left: [name("refuge")].into(),
            members: members.iter().map(|m| name(m)).collect(),
            key: KeyDelivery {
                commitment: Digest([1; 32]),
                sealed: sealed.collect(),
            },
        }),
    };
    let mut shown = shown.to_vec();
    let papers = shown.iter_mut().find(|p| p.proposal.digest() == *version);
    let statement = Statement::new(&body, key).unwrap();
    papers.unwrap().statements.push(statement);
    shown
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_serves_a_wrong_epoch_is_refused_by_name() {
    let mut scene = scene(&["council", "police", "refuge"], 2).await;
    let places = scene.consortium.places.clone();
    // The lead would make the right epoch, so it is away when the refuge leaves.
    scene.consortium.stop_node("council").await.unwrap();
    node(&scene, "refuge")
        .leave(AGREEMENT, "closed")
        .await
        .unwrap();
    scene.consortium.stop_node("refuge").await.unwrap();
    let (council, refuge) = (
        stolen_key(places.node("council")),
        stolen_key(places.node("refuge")),
    );

    let police = node(&scene, "police");
    let shown = police.hub().await.unwrap().agreements().await.unwrap();
    police.take_agreements(shown.clone()).unwrap();
    assert_eq!(view(police).trouble, None);
    let standing = police.agreement(Some(AGREEMENT)).unwrap().standing;
    let roster = police.status().unwrap().roster_length;
    let wrong = |author: &str, key: &SigningKey, members: &[&str]| {
        with_epoch(&shown, &standing.digest, roster, (author, key), members)
    };
    let remaining = ["council", "police"];
    let everybody = ["council", "police", "refuge"];
    for (shown, refusal) in [
        (
            wrong("refuge", &refuge, &remaining),
            "the new epoch is signed by refuge, but it is for council to make it",
        ),
        (
            wrong("council", &council, &everybody),
            "the new epoch of council has other members than follow",
        ),
        (
            wrong("council", &refuge, &remaining),
            "claims to be from council is not valid",
        ),
    ] {
        police.take_agreements(shown).unwrap();
        let told = view(police);
        let trouble = told.trouble.unwrap();
        assert!(trouble.contains(refusal), "{trouble}");
        assert_eq!(told.epochs.len(), 1, "it goes on as it was");
    }
    // Taking back what it has shown is no less refused.
    let mut without = shown.clone();
    without
        .iter_mut()
        .for_each(|papers| papers.statements.clear());
    let refused = police.take_agreements(without).unwrap_err();
    assert!(
        refused.to_string().contains("another past of agreement"),
        "{refused}"
    );
    // What is right is taken, though this author sealed nothing that opens.
    police
        .take_agreements(wrong("council", &council, &remaining))
        .unwrap();
    let told = view(police);
    assert_eq!(told.epochs.len(), 2);
    assert!(
        told.trouble
            .unwrap()
            .contains("council sent us no usable key for epoch 2")
    );
    scene.consortium.stop().await.unwrap();
}
