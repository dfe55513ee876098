//! What is exported proves itself: the roster and an agreement, read by somebody who has no hub.

use serde::Deserialize;
use symbolon_core::agreement::{Line, Papers};
use symbolon_core::encoding::Digest;
use symbolon_core::roster::{Roster, SignedEntry};

use crate::agreements::node;
use crate::support::{AGREEMENT, scene};

#[derive(Deserialize)]
struct Export {
    genesis: Digest,
    roster: Vec<SignedEntry>,
    papers: Vec<Papers>,
}

/// Who has accepted the version in force, if all of it verifies.
fn read(export: &Export) -> Result<Vec<String>, String> {
    let roster = Roster::verify(&export.roster, &export.genesis);
    let roster = roster.map_err(|error| error.to_string())?;
    let line = Line::verify(&export.papers, &roster).map_err(|error| error.to_string())?;
    let version = line.versions.last().ok_or("not in force")?;
    Ok(version.accepted.iter().map(ToString::to_string).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exported_agreement_verifies_without_a_hub_and_no_other_does() {
    let scene = scene(&["police", "refuge"], 2).await;
    let exported = node(&scene, "police").export_agreement(AGREEMENT).unwrap();
    let export = || Export::deserialize(&exported).unwrap();
    assert_eq!(read(&export()), Ok(vec!["police".into(), "refuge".into()]));
    type Case<'a> = (&'a dyn Fn(&mut Export), &'a str);
    let cases: [Case; 5] = [
        (&|e| e.genesis.0[0] ^= 1, "is not the genesis"),
        (
            &|e| {
                e.roster.remove(1);
            },
            "a gap or a fork",
        ),
        (
            &|e| e.papers[0].proposal.approvals.clear(),
            "lacks the administrators' approvals",
        ),
        (
            &|e| e.papers[0].acceptances[1].signature.0[0] ^= 1,
            "claims to be from",
        ),
        (
            &|e| {
                e.papers[0].acceptances.pop();
            },
            "not in force",
        ),
    ];
    for (alter, expected) in cases {
        let mut altered = export();
        alter(&mut altered);
        let told = read(&altered).unwrap_err();
        assert!(told.contains(expected), "{told}");
    }
    scene.consortium.stop().await.unwrap();
}
