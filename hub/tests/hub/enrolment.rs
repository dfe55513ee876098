//! Redeeming invitations.

use symbolon_core::crypto::SigningKey;
use symbolon_proto::enrolment::RosterRequest;
use tonic::Code;

use crate::consortium::{Attempt, Consortium};

#[tokio::test(flavor = "multi_thread")]
async fn one_invitation_used_by_many_at_once_gives_one_certificate() {
    let consortium = Consortium::found().await;
    let invitation = consortium.invite("harbour").await;
    let mut ready = Vec::new();
    for _ in 0..20 {
        let attempt = Attempt::new(&invitation);
        let mut service = consortium.enrolment().await;
        let entry = attempt.entry(&mut service).await.unwrap();
        ready.push((attempt, service, entry));
    }
    let redeem = |(attempt, mut service, entry): (Attempt, _, _)| {
        tokio::spawn(async move { attempt.redeem(&mut service, entry).await })
    };
    let waiting: Vec<_> = ready.into_iter().map(redeem).collect();
    let mut won = 0;
    for task in waiting {
        match task.await.unwrap() {
            Ok(reply) => {
                assert_eq!(reply.certificate_chain.len(), 2);
                won += 1;
            }
            Err(status) => {
                let used = status.code() == Code::PermissionDenied
                    && status.message() == "invitation already used";
                assert!(used || status.code() == Code::Aborted, "{status}");
            }
        }
    }
    assert_eq!(won, 1);
    let late = Attempt::new(&invitation);
    let mut service = consortium.enrolment().await;
    let refused = late.entry(&mut service).await.unwrap_err();
    assert_eq!(refused.message(), "invitation already used");
    let members = consortium.admin.members().await.unwrap();
    assert_eq!(members[0].standing, "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_was_lost_can_be_asked_for_again() {
    let consortium = Consortium::found().await;
    let invitation = consortium.invite("harbour").await;
    let attempt = Attempt::new(&invitation);
    let mut service = consortium.enrolment().await;
    let entry = attempt.entry(&mut service).await.unwrap();
    let first = attempt.redeem(&mut service, entry.clone()).await.unwrap();
    let consortium = consortium.restart().await;
    let mut service = consortium.enrolment().await;
    let again = attempt.redeem(&mut service, entry.clone()).await.unwrap();
    assert_eq!(first.certificate_chain, again.certificate_chain);
    let other = Attempt::new(&invitation);
    let refused = other.redeem(&mut service, entry).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_late_and_stale_ones_are_told_apart() {
    let consortium = Consortium::found().await;
    let mut service = consortium.enrolment().await;
    let unknown = SigningKey::random().unwrap().verifying_key().0.to_vec();
    for invitation_key in [unknown, vec![], vec![1; 33]] {
        let refused = service.roster(RosterRequest { invitation_key }).await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
        assert_eq!(refused.message(), "invitation unknown");
    }

    let stale = Attempt::new(&consortium.invite("harbour").await);
    let entry = stale.entry(&mut service).await.unwrap();
    let late = Attempt::new(&consortium.invite("refuge").await);
    let moved_on = stale.redeem(&mut service, entry).await.unwrap_err();
    assert_eq!(moved_on.code(), Code::Aborted);
    assert_eq!(moved_on.message(), "roster moved on");
    let entry = stale.entry(&mut service).await.unwrap();
    let mut foreign = Attempt::new(&consortium.invite("council").await);
    foreign.request.clone_from(&late.request);
    stale.redeem(&mut service, entry).await.unwrap_err();

    let entry = foreign.entry(&mut service).await.unwrap();
    let wrong_name = foreign.redeem(&mut service, entry).await.unwrap_err();
    assert_eq!(wrong_name.code(), Code::InvalidArgument);

    let entry = late.entry(&mut service).await.unwrap();
    consortium.clock.advance(3601);
    let expired = late.redeem(&mut service, entry).await.unwrap_err();
    assert_eq!(expired.message(), "invitation expired");
    let members = consortium.admin.members().await.unwrap();
    let all_late = members.iter().all(|m| m.standing == "expired invitation");
    assert!(all_late && members.len() == 3);
}
