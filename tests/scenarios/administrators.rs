//! Two administrators on machines of their own: nothing happens by the word of one of them.

use symbolon_core::identity::AgencyKind;
use symbolon_core::roster::Standing;
use symbolon_hub::admin::{Admin, Proposed};
use symbolon_tests::consortium::{Consortium, QUOTA, eventually};

use crate::support::{AGREEMENT, unlock};

const AGENCIES: [&str; 2] = ["police", "refuge"];

/// The second administrator approves what the first one proposed.
async fn approved(second: &Admin, proposed: Proposed) {
    assert_eq!((proposed.have, proposed.need), (1, 2), "both must approve");
    let done = second.approve(&proposed.digest.to_string()).await.unwrap();
    assert!(done.is_appended());
}

async fn invited(consortium: &Consortium, agency: &str) -> (String, Proposed) {
    let (name, kind) = (agency.parse().unwrap(), AgencyKind::Ngo);
    let admin = &consortium.admin;
    admin.invite(name, kind, agency, 3600, QUOTA).await.unwrap()
}

/// Two agencies and a key, everything approved by both.
async fn two_of_two(base: &std::path::Path) -> (Consortium, Admin) {
    let (mut consortium, bob) = Consortium::found_by_two(base, unlock).await.unwrap();
    for agency in AGENCIES {
        let (invitation, proposed) = invited(&consortium, agency).await;
        approved(&bob, proposed).await;
        consortium.redeem(agency, &invitation).await.unwrap();
        consortium.start_node(agency).await.unwrap();
    }
    (consortium, bob)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_invitation_already_needs_both_founders() {
    let directory = tempfile::tempdir().unwrap();
    let base = directory.path().join("state");
    let (consortium, bob) = Consortium::found_by_two(&base, unlock).await.unwrap();
    let roster = bob.roster().await.unwrap();
    assert_eq!((roster.length, roster.approvers.needed), (1, 2));

    let (invitation, proposed) = invited(&consortium, "police").await;
    let early = consortium.redeem("police", &invitation).await.unwrap_err();
    let told = early.to_string();
    assert!(told.contains("invitation unknown"), "{told}");
    assert!(bob.roster().await.unwrap().members.is_empty());
    let again = consortium.admin.approve(&proposed.digest.to_string()).await;
    assert_eq!(again.unwrap().have, 1, "one administrator counts once");
    // The same invitation, once the second administrator approves it from his own machine.
    approved(&bob, proposed).await;
    consortium.redeem("police", &invitation).await.unwrap();
    let members = bob.roster().await.unwrap().members;
    let standing = members[&"police".parse().unwrap()].standing;
    assert_eq!(standing, Standing::Active);
    consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agreement_by_one_administrator_of_two_is_not_usable() {
    let directory = tempfile::tempdir().unwrap();
    let (consortium, bob) = two_of_two(&directory.path().join("state")).await;
    let document = consortium.document(AGREEMENT, &AGENCIES).unwrap();
    let proposed = consortium.admin.propose_version(&document).await.unwrap();
    assert_eq!((proposed.approvals, proposed.needed), (1, 2));
    let again = consortium.admin.approve_agreement(&proposed.digest).await;
    assert_eq!(again.unwrap().approvals, 1, "one administrator counts once");
    let standing = |report: &[symbolon_hub::admin::AgreementReport]| report[0].standing;
    let seen = bob.agreements().await.unwrap();
    assert_eq!(standing(&seen), "needs approvals");
    for agency in AGENCIES {
        let node = consortium.node(agency).unwrap();
        let early = node.accept(AGREEMENT, &[]).await.unwrap_err().to_string();
        assert!(early.contains("there is no agreement"), "{early}");
        assert!(node.agreement_views().is_empty());
    }

    let done = bob.approve_agreement(&proposed.digest).await.unwrap();
    assert_eq!((done.approvals, done.needed), (2, 2));
    for agency in AGENCIES {
        let node = consortium.node(agency).unwrap();
        node.accept(AGREEMENT, &[]).await.unwrap();
    }
    eventually("the agreement being in force at both", async || {
        let mut everywhere = true;
        for agency in AGENCIES {
            let views = consortium.node(agency)?.agreement_views();
            everywhere &= views.iter().any(|view| view.standing == "in force");
        }
        Ok(everywhere.then_some(()))
    })
    .await
    .unwrap();
    assert_eq!(standing(&bob.agreements().await.unwrap()), "in force");
    consortium.stop().await.unwrap();
}

#[test]
fn more_approvals_than_administrators_is_wrong_usage() {
    let directory = tempfile::tempdir().unwrap();
    let init = |needed: &str| {
        std::process::Command::new(env!("CARGO_BIN_EXE_hub-process"))
            .current_dir(directory.path())
            .env("SYMBOLON_PASSPHRASE", "correct horse battery staple")
            .args("init --consortium north --hub hub --admin admin --root root".split(' '))
            .args(["--approvals-needed", needed])
            .output()
            .unwrap()
    };
    for unattainable in ["0", "2"] {
        let refused = init(unattainable);
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(2), "{told}");
        assert!(told.contains("from 1 to 1"), "{told}");
        assert!(!directory.path().join("hub").exists());
    }
    assert_eq!(init("1").status.code(), Some(0));
}
