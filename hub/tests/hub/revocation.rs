//! Revoking certificates and changing an agency's standing: live streams end within a second.

use std::time::{Duration, Instant};

use symbolon_core::roster::Change;
use symbolon_proto::certificates::RevokeRequest;
use symbolon_proto::certificates::certificates_client::CertificatesClient;
use symbolon_proto::custody::Answer;
use symbolon_proto::custody::custody_client::CustodyClient;
use symbolon_proto::mailbox::Delivery;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Streaming};

use crate::consortium::{Consortium, Member};
use crate::services::{next, receive};
use crate::transport::{ask, is_shut_out};

const A_SECOND: Duration = Duration::from_secs(1);

impl Consortium {
    /// The same member over the hub's other listener.
    async fn elsewhere(&self, member: &Member) -> Member {
        let to = self.other_listener();
        let channel = self.connect_to(to, &member.chain_pem, &member.key_pem);
        Member {
            name: member.name.clone(),
            signing: symbolon_core::crypto::SigningKey::from_seed(member.signing.seed().clone())
                .unwrap(),
            chain_pem: member.chain_pem.clone(),
            key_pem: member.key_pem.clone(),
            channel: channel.await.unwrap(),
        }
    }

    /// Whether neither listener lets a member in.
    async fn shuts_out(&self, member: &Member) -> bool {
        let Member {
            chain_pem, key_pem, ..
        } = member;
        let mut out = true;
        for to in [self.hub.listen, self.other_listener()] {
            out &= is_shut_out(self.connect_to(to, chain_pem, key_pem).await).await;
        }
        out
    }

    /// Whether both listeners let a member in.
    async fn lets_in(&self, member: &Member) -> bool {
        let Member {
            chain_pem, key_pem, ..
        } = member;
        let mut lets_in = true;
        for to in [self.hub.listen, self.other_listener()] {
            let channel = self.connect_to(to, chain_pem, key_pem).await;
            lets_in &= ask(channel.unwrap()).await.is_ok();
        }
        lets_in
    }

    fn list_number(&self) -> u64 {
        let text = std::fs::read(self.dir.path().join("hub/tls/crl.pem")).unwrap();
        let (_, pem) = x509_parser::pem::parse_x509_pem(&text).unwrap();
        let (_, list) = x509_parser::parse_x509_crl(&pem.contents).unwrap();
        let digits = list.crl_number().unwrap().to_u64_digits();
        digits.first().copied().unwrap_or(0)
    }
}

/// How long until a stream has ended, well or badly; deliveries before it are passed over.
pub async fn ends(stream: &mut Streaming<Delivery>, since: Instant) -> Duration {
    let end = async { while let Ok(Some(_)) = stream.message().await {} };
    tokio::time::timeout(Duration::from_secs(20), end)
        .await
        .expect("the stream goes on");
    since.elapsed()
}

pub async fn revoke(consortium: &Consortium, serial: &str) {
    let admin = &consortium.admin;
    admin
        .revoke_certificate(serial, "the laptop was stolen")
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn revocation_ends_live_streams_on_both_listeners_and_holds_after_a_restart() {
    let consortium = Consortium::found().await;
    let harbour = consortium.enrol("harbour").await;
    let police = consortium.enrol("police").await;
    let council = consortium.enrol("council").await;
    let custodians = vec![harbour.name.clone()];
    consortium
        .admin
        .appoint_custodians(1, custodians)
        .await
        .unwrap();
    let there = consortium.elsewhere(&harbour).await;
    let council = consortium.elsewhere(&council).await;

    let mut line = receive(&harbour, 0).await.unwrap();
    let (_answers, outgoing) = tokio::sync::mpsc::channel::<Answer>(1);
    let mut custody = CustodyClient::new(there.channel.clone());
    let tasks = custody.attend(ReceiverStream::new(outgoing)).await.unwrap();
    let mut tasks = tasks.into_inner();
    let mut others = [
        receive(&police, 0).await.unwrap(),
        receive(&council, 0).await.unwrap(),
    ];
    let number = consortium.list_number();
    let serial = consortium.serial("harbour").await;
    let since = Instant::now();
    revoke(&consortium, &serial).await;
    assert!(ends(&mut line, since).await < A_SECOND);
    assert!(tasks.message().await.map_or(true, |task| task.is_none()));
    assert!(since.elapsed() < A_SECOND);
    assert!(consortium.shuts_out(&harbour).await);

    // The others' streams stay, and carry what comes.
    let _invitation = consortium.invite("refuge").await;
    for other in &mut others {
        assert_eq!(next(other).await.sequence, 0, "a hint");
    }
    assert!(consortium.lets_in(&police).await && consortium.lets_in(&council).await);
    assert!(consortium.list_number() > number);
    let members = consortium.admin.members().await.unwrap();
    let harbour_is_there = members.iter().any(|m| m.agency == "harbour" && m.connected);
    assert!(!harbour_is_there);

    let number = consortium.list_number();
    let consortium = consortium.restart().await;
    assert!(consortium.list_number() > number, "numbers go on");
    assert!(consortium.shuts_out(&harbour).await);
    assert!(consortium.lets_in(&police).await);
    let listed = consortium.admin.certificates().await.unwrap();
    let listed = listed.iter().find(|one| one.serial == serial).unwrap();
    assert_eq!(listed.reason, "the laptop was stolen");
    assert!(listed.revoked_at > 0 && listed.subject == "symbolon://north/harbour");

    // A fresh invitation brings the agency back, with another certificate.
    let harbour = consortium.enrol("harbour").await;
    assert!(consortium.lets_in(&harbour).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_administrators_revoke_and_only_what_there_is() {
    let consortium = Consortium::found().await;
    let harbour = consortium.enrol("harbour").await;
    let mut service = CertificatesClient::new(harbour.channel.clone());
    let request = |serial: &str| RevokeRequest {
        serial: serial.to_owned(),
        reason: "why not".into(),
    };
    let serial = consortium.serial("harbour").await;
    let refused = service.revoke(request(&serial)).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let unknown = consortium.admin.revoke_certificate("4a4a", "lost").await;
    let told = unknown.unwrap_err().to_string();
    assert!(
        told.contains("no certificate has the serial number 4a4a"),
        "{told}"
    );
    let unsaid = consortium.admin.revoke_certificate(&serial, " ").await;
    assert!(unsaid.is_err());
    assert!(consortium.lets_in(&harbour).await);
    revoke(&consortium, &serial).await;
    revoke(&consortium, &serial).await;
    assert!(consortium.shuts_out(&harbour).await);

    // An administrator's own certificate can be revoked too: it was, and the door is closed.
    let all = consortium.admin.certificates().await.unwrap();
    let own = all.iter().find(|one| one.subject.ends_with("/admin/ada"));
    let own = own.unwrap().serial.clone();
    // The answer may be cut off with the connection that it comes over.
    let _ = consortium.admin.revoke_certificate(&own, "lost").await;
    let consortium = consortium.restart().await;
    consortium.admin.roster().await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn suspension_and_removal_end_streams_and_reinstatement_opens_the_door_again() {
    let consortium = Consortium::found().await;
    let harbour = consortium.enrol("harbour").await;
    let police = consortium.enrol("police").await;
    let mut control = receive(&police, 0).await.unwrap();
    let agency = || harbour.name.clone();
    let reason = || "an inquiry".to_owned();
    let shut = [
        Change::Suspend {
            agency: agency(),
            reason: reason(),
        },
        Change::Remove {
            agency: agency(),
            reason: reason(),
        },
    ];
    for change in shut {
        let there = consortium.elsewhere(&harbour).await;
        let mut line = receive(&there, 0).await.unwrap();
        let since = Instant::now();
        let suspended = matches!(change, Change::Suspend { .. });
        consortium.change(change).await;
        assert!(ends(&mut line, since).await < A_SECOND);
        assert!(consortium.shuts_out(&harbour).await);
        assert_eq!(next(&mut control).await.sequence, 0, "a hint of the roster");
        assert!(consortium.lets_in(&police).await);
        if suspended {
            let change = Change::Reinstate {
                agency: agency(),
                reason: reason(),
            };
            consortium.change(change).await;
            assert!(consortium.lets_in(&harbour).await);
            assert_eq!(next(&mut control).await.sequence, 0);
        }
    }
    let consortium = consortium.restart().await;
    assert!(consortium.shuts_out(&harbour).await && consortium.lets_in(&police).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_ends_with_its_certificate() {
    let consortium = Consortium::found().await;
    let harbour = consortium.enrol("harbour").await;
    let mut line = receive(&harbour, 0).await.unwrap();
    let since = Instant::now();
    consortium.clock.advance(30 * 86_400 - 60);
    assert!(
        ask(harbour.channel.clone()).await.is_ok(),
        "the last minute"
    );
    consortium.clock.advance(61);
    ends(&mut line, since).await;
    assert!(consortium.shuts_out(&harbour).await);
}
