//! Changes of the roster by several administrators, from machines that share no file.

use std::path::{Path, PathBuf};

use symbolon_core::crypto::SigningKey;
use symbolon_core::roster::{Administrator, Change, RosterError, Standing};
use symbolon_core::sealed_file;
use symbolon_hub::admin::{Admin, AdminError};
use symbolon_hub::founding::APPROVAL_LABEL;
use symbolon_proto::membership::membership_client::MembershipClient;
use symbolon_proto::membership::{AppendRequest, RosterRequest, WaitingRequest};
use tonic::Code;

use crate::consortium::{Consortium, admin, unlock};

/// A second administrator's machine: her own approval key, her own memory.
fn second_machine(consortium: &Consortium, key: &SigningKey) -> PathBuf {
    let dir = consortium.dir.path().join("bela");
    let first = consortium.dir.path().join("admin");
    copy(&first, &dir);
    std::fs::remove_file(dir.join("seen.json")).ok();
    let sealed = sealed_file::seal(&unlock(), APPROVAL_LABEL, key.seed().expose()).unwrap();
    std::fs::write(dir.join("approval.key"), sealed).unwrap();
    dir
}

pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Two administrators, both of whom must approve.
async fn two_administrators(consortium: &Consortium) -> Admin {
    let bela = SigningKey::random().unwrap();
    let roster = consortium.admin.roster().await.unwrap();
    let mut administrators = roster.approvers.administrators;
    administrators.push(Administrator {
        name: "bela".parse().unwrap(),
        key: bela.verifying_key(),
    });
    let change = Change::Approvers {
        administrators,
        approvals_needed: 2,
    };
    let proposed = consortium.admin.propose(change).await.unwrap();
    assert!(proposed.is_appended(), "one was enough until now");
    admin(second_machine(consortium, &bela), &consortium.hub)
}

fn suspend(agency: &str) -> Change {
    Change::Suspend {
        agency: agency.parse().unwrap(),
        reason: "lost laptop".to_owned(),
    }
}

async fn standing(consortium: &Consortium, agency: &str) -> Standing {
    let roster = consortium.admin.roster().await.unwrap();
    roster.members[&agency.parse().unwrap()].standing
}

#[tokio::test(flavor = "multi_thread")]
async fn two_administrators_approve_from_two_machines() {
    let consortium = Consortium::found().await;
    let harbour = consortium.enrol("harbour").await;
    let mut member = MembershipClient::new(harbour.channel.clone());
    let bela = two_administrators(&consortium).await;

    let proposed = consortium.admin.propose(suspend("harbour")).await.unwrap();
    assert_eq!((proposed.have, proposed.need), (1, 2));
    assert_eq!(standing(&consortium, "harbour").await, Standing::Active);
    let again = consortium.admin.approve(&proposed.digest.to_string()).await;
    assert_eq!(again.unwrap().have, 1, "the same administrator counts once");
    assert!(member.roster(RosterRequest { from: 0 }).await.is_ok());

    let consortium = consortium.restart().await;
    let bela = bela.with_addresses(
        consortium.hub.listen.to_string(),
        consortium.hub.enrolment.to_string(),
    );
    let dir = consortium.dir.path().join("bela");
    drop(bela);
    let bela = admin(dir, &consortium.hub);
    let waiting = bela.waiting().await.unwrap();
    assert_eq!(waiting.len(), 1, "what waits survives a restart");
    assert_eq!(waiting[0].body.change, suspend("harbour"));
    let names: Vec<&str> = waiting[0].approved_by.iter().map(|n| n.as_str()).collect();
    assert_eq!(names, ["ada"]);
    let done = bela.approve(&proposed.digest.short()).await.unwrap();
    assert!(done.is_appended());
    assert_eq!(standing(&consortium, "harbour").await, Standing::Suspended);
    assert!(bela.waiting().await.unwrap().is_empty());

    // Shut out at the door; an active member is let in beside it.
    let refused = consortium
        .connect(&harbour.chain_pem, &harbour.key_pem)
        .await;
    if let Ok(channel) = refused {
        let mut member = MembershipClient::new(channel);
        assert!(member.roster(RosterRequest { from: 0 }).await.is_err());
    }
    consortium.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_active_member_is_let_in_and_a_suspended_one_is_not() {
    let consortium = Consortium::found().await;
    let harbour = consortium.enrol("harbour").await;
    let police = consortium.enrol("police").await;
    let proposed = consortium.admin.propose(suspend("harbour")).await.unwrap();
    assert!(proposed.is_appended());
    let ask = async |chain: &str, key: &str| {
        let channel = consortium.connect(chain, key).await?;
        let mut member = MembershipClient::new(channel);
        let reply = member.roster(RosterRequest { from: 0 }).await;
        reply.map(|_| ()).map_err(|status| status.to_string())
    };
    assert!(ask(&harbour.chain_pem, &harbour.key_pem).await.is_err());
    assert!(ask(&police.chain_pem, &police.key_pem).await.is_ok());
    consortium.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_void_once_another_entry_is_appended() {
    let consortium = Consortium::found().await;
    consortium.enrol("harbour").await;
    // An invitation that is open before the second approval is needed.
    let invitation = consortium.invite("police").await;
    let bela = two_administrators(&consortium).await;
    let proposed = consortium.admin.propose(suspend("harbour")).await.unwrap();
    let attempt = crate::consortium::Attempt::new(&invitation);
    let mut service = consortium.enrolment().await;
    let entry = attempt.entry(&mut service).await.unwrap();
    attempt.redeem(&mut service, entry).await.unwrap();
    let late = bela.approve(&proposed.digest.to_string()).await;
    assert!(matches!(late, Err(AdminError::NothingWaits)));
    assert_eq!(standing(&consortium, "harbour").await, Standing::Active);
    // Proposed again, it goes through.
    let proposed = bela.propose(suspend("harbour")).await.unwrap();
    let done = consortium.admin.approve(&proposed.digest.to_string()).await;
    assert!(done.unwrap().is_appended());
    consortium.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_neither_propose_nor_see_what_waits_and_administrators_have_no_rows() {
    let consortium = Consortium::found().await;
    let harbour = consortium.enrol("harbour").await;
    two_administrators(&consortium).await;
    consortium.admin.propose(suspend("harbour")).await.unwrap();
    let mut member = MembershipClient::new(harbour.channel.clone());
    let refused = member.waiting(WaitingRequest {}).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let entries = consortium.admin.entries().await.unwrap();
    let entry = Some(entries[1].clone().into());
    let refused = member.append(AppendRequest { entry }).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    consortium.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_remembers_the_head_and_refuses_an_older_roster() {
    let consortium = Consortium::found().await;
    consortium.enrol("harbour").await;
    let state = consortium.dir.path().join("hub");
    let old = consortium.dir.path().join("old-store");
    consortium.admin.roster().await.unwrap();
    let consortium = consortium.restart().await;
    copy(&state.join("store"), &old);
    // The backup itself is good: nothing was appended since.
    consortium.admin.roster().await.unwrap();
    consortium.enrol("police").await;
    let seen = consortium.admin.roster().await.unwrap().length;
    let dir = consortium.stop().await;
    std::fs::remove_dir_all(state.join("store")).unwrap();
    copy(&old, &state.join("store"));
    let consortium = Consortium::resume(dir).await;
    let refused = consortium.admin.roster().await;
    let (known, offered) = (seen - 1, seen - 3);
    assert!(
        matches!(
            &refused,
            Err(AdminError::Roster(RosterError::RolledBack { known: k, offered: o }))
                if (*k, *o) == (known, offered)
        ),
        "{refused:?}"
    );
    consortium.stop().await;
}
