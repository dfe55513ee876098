//! A host that only holds a share: it gives no word on agreements.

use std::process::{Command, Output};

use symbolon_core::identity::AgencyKind;
use symbolon_tests::consortium::Consortium;

use crate::support::{AGREEMENT, unlock};

/// The command line, which asks the serving node of `agency`.
async fn node(consortium: &Consortium, agency: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_node-process"));
    command.arg("--state").arg(consortium.places.node(agency));
    command.args(arguments);
    let done = tokio::task::spawn_blocking(move || command.output());
    done.await.unwrap().unwrap()
}

async fn with_role(consortium: &mut Consortium, agency: &str, role: &str) {
    consortium.stop_node(agency).await.unwrap();
    let settings = consortium.places.node(agency).join("node.toml");
    std::fs::write(settings, format!("role = \"{role}\"\n")).unwrap();
    consortium.start_node(agency).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_custodian_only_gives_no_word_on_agreements() {
    let directory = tempfile::tempdir().unwrap();
    let base = directory.path().join("state");
    let mut consortium = Consortium::found(&base, unlock).await.unwrap();
    for name in ["police", "holder"] {
        consortium.enrol(name, AgencyKind::Ngo, name).await.unwrap();
    }
    let document = consortium.document(AGREEMENT, &["police", "holder"]);
    let admin = &consortium.admin;
    admin.propose_agreement(&document.unwrap()).await.unwrap();
    with_role(&mut consortium, "holder", "custodian").await;
    let words: [&[&str]; 3] = [
        &["agreement", "accept", AGREEMENT],
        &["agreement", "decline", AGREEMENT, "--reason", "no records"],
        &[
            "agreement",
            "leave",
            AGREEMENT,
            "--reason",
            "no records",
            "--yes",
        ],
    ];
    for word in words {
        let refused = node(&consortium, "holder", word).await;
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{word:?}: {told}");
        assert!(told.contains("takes part in no agreement"), "{told}");
    }
    // What was refused is the role and nothing else: as a member the same node is heard.
    with_role(&mut consortium, "holder", "member").await;
    for agency in ["police", "holder"] {
        let accepted = node(&consortium, agency, words[0]).await;
        let told = String::from_utf8_lossy(&accepted.stderr).into_owned();
        assert_eq!(accepted.status.code(), Some(0), "{told}");
    }
    let left = node(&consortium, "holder", words[2]).await;
    assert_eq!(left.status.code(), Some(0), "{left:?}");
    consortium.stop().await.unwrap();
}
