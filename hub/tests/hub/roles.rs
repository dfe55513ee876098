//! Every call of the main port, by a member and by an administrator: what is one's is not the other's.
//! And what only one of them could do to harm the others: filling up what they need.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::path::Path;

use symbolon_core::crypto::{self, SigningKey};
use symbolon_core::identity::{AgencyKeys, EncryptionKey};
use symbolon_core::roster::{Administrator, Change, SignedEntry};
use symbolon_proto::certificates::certificates_client::CertificatesClient;
use symbolon_proto::certificates::{ListRequest, RenewRequest, RevokeRequest, RevokedRequest};
use symbolon_proto::custody::custody_client::CustodyClient;
use symbolon_proto::custody::{
    Answer, AttendanceRequest, EvaluateRequest, PublishRequest, Statement, StatementsRequest,
};
use symbolon_proto::mailbox::mailbox_client::MailboxClient;
use symbolon_proto::mailbox::{AcknowledgeRequest, Envelope, ReceiveRequest, SendRequest};
use symbolon_proto::matching::matching_client::MatchingClient;
use symbolon_proto::matching::{
    HandlesRequest, HoldingsRequest, QueryRequest, SubmitRequest, WithdrawRequest,
};
use symbolon_proto::membership::membership_client::MembershipClient;
use symbolon_proto::membership::{
    AcceptRequest, Acceptance, AgreementStatement, AgreementsRequest, AppendRequest,
    CheckpointRequest, DeclareRequest, MembersRequest, Proposal, ProposeRequest, RosterRequest,
    WaitingRequest,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Response, Status};

use crate::consortium::{Consortium, Member};

/// Whether the caller may do this at all; that a request is wrong otherwise does not matter here.
async fn may<T>(call: impl Future<Output = Result<Response<T>, Status>>) -> bool {
    match call.await {
        Ok(_) => true,
        Err(status) => {
            let known = [
                Code::PermissionDenied,
                Code::InvalidArgument,
                Code::FailedPrecondition,
                Code::NotFound,
                Code::Unavailable,
                Code::Aborted,
            ];
            assert!(known.contains(&status.code()), "{status}");
            status.code() != Code::PermissionDenied
        }
    }
}

/// Calls with requests that can be read, and whether each is allowed.
type Answers = Vec<(&'static str, bool)>;

fn signature() -> Vec<u8> {
    vec![1; 64]
}

async fn certificates(channel: &Channel) -> Answers {
    let mut service = CertificatesClient::new(channel.clone());
    let renewal = RenewRequest {
        certificate_request: vec![1],
    };
    let revocation = RevokeRequest {
        serial: "4a4a".to_owned(),
        reason: "why not".to_owned(),
    };
    vec![
        ("Certificates/Renew", may(service.renew(renewal)).await),
        ("Certificates/List", may(service.list(ListRequest {})).await),
        ("Certificates/Revoke", may(service.revoke(revocation)).await),
        (
            "Certificates/Revoked",
            may(service.revoked(RevokedRequest {})).await,
        ),
    ]
}

async fn custody(channel: &Channel) -> Answers {
    let mut service = CustodyClient::new(channel.clone());
    let (_answers, outgoing) = tokio::sync::mpsc::channel::<Answer>(1);
    let outgoing = ReceiverStream::new(outgoing);
    let evaluation = EvaluateRequest {
        custodian: "harbour".to_owned(),
        request: vec![1],
        signature: signature(),
    };
    let publication = PublishRequest {
        statement: Some(Statement {
            body: b"{}".to_vec(),
            signature: signature(),
        }),
    };
    let attendance = AttendanceRequest {};
    let statements = StatementsRequest { epoch: 1 };
    vec![
        ("Custody/Attend", may(service.attend(outgoing)).await),
        ("Custody/Evaluate", may(service.evaluate(evaluation)).await),
        (
            "Custody/Attendance",
            may(service.attendance(attendance)).await,
        ),
        ("Custody/Publish", may(service.publish(publication)).await),
        (
            "Custody/Statements",
            may(service.statements(statements)).await,
        ),
    ]
}

async fn mailbox(channel: &Channel) -> Answers {
    let mut service = MailboxClient::new(channel.clone());
    let envelope = SendRequest {
        envelope: Some(Envelope {
            from: "harbour".to_owned(),
            to: "nobody".to_owned(),
            id: vec![1; 16],
            sealed: vec![1; 1_300],
            signature: signature(),
        }),
    };
    let reception = ReceiveRequest { after: 0 };
    let acknowledgement = AcknowledgeRequest { up_to: 0 };
    vec![
        ("Mailbox/Send", may(service.send(envelope)).await),
        ("Mailbox/Receive", may(service.receive(reception)).await),
        (
            "Mailbox/Acknowledge",
            may(service.acknowledge(acknowledgement)).await,
        ),
    ]
}

async fn matching(channel: &Channel) -> Answers {
    let mut service = MatchingClient::new(channel.clone());
    let submission = SubmitRequest::default();
    let withdrawal = WithdrawRequest::default();
    let handles = HandlesRequest {
        after: Vec::new(),
        limit: 1,
    };
    vec![
        ("Matching/Submit", may(service.submit(submission)).await),
        (
            "Matching/Query",
            may(service.query(QueryRequest::default())).await,
        ),
        ("Matching/Withdraw", may(service.withdraw(withdrawal)).await),
        (
            "Matching/Holdings",
            may(service.holdings(HoldingsRequest {})).await,
        ),
        ("Matching/Handles", may(service.handles(handles)).await),
    ]
}

/// Of membership, what is read.
async fn membership(channel: &Channel) -> Answers {
    let mut service = MembershipClient::new(channel.clone());
    let (roster, waiting) = (RosterRequest { from: 0 }, WaitingRequest {});
    let (agreements, checkpoint) = (AgreementsRequest {}, CheckpointRequest {});
    vec![
        ("Membership/Roster", may(service.roster(roster)).await),
        ("Membership/Waiting", may(service.waiting(waiting)).await),
        (
            "Membership/Members",
            may(service.members(MembersRequest {})).await,
        ),
        (
            "Membership/Agreements",
            may(service.agreements(agreements)).await,
        ),
        (
            "Membership/Checkpoint",
            may(service.checkpoint(checkpoint)).await,
        ),
    ]
}

/// Of membership, what changes it.
async fn changes(channel: &Channel, entry: &SignedEntry) -> Answers {
    let mut service = MembershipClient::new(channel.clone());
    let entry = AppendRequest {
        entry: Some(entry.clone().into()),
    };
    let proposal = ProposeRequest {
        proposal: Some(Proposal {
            body: b"{}".to_vec(),
            approvals: Vec::new(),
        }),
    };
    let acceptance = AcceptRequest {
        agreement: vec![1; 32],
        acceptance: Some(Acceptance {
            body: b"{}".to_vec(),
            signature: signature(),
        }),
    };
    let declaration = DeclareRequest {
        agreement: vec![1; 32],
        statement: Some(AgreementStatement {
            body: b"{}".to_vec(),
            signature: signature(),
        }),
    };
    vec![
        ("Membership/Append", may(service.append(entry)).await),
        ("Membership/Propose", may(service.propose(proposal)).await),
        ("Membership/Accept", may(service.accept(acceptance)).await),
        (
            "Membership/Declare",
            may(service.declare(declaration)).await,
        ),
    ]
}

/// Every call.
async fn calls(channel: &Channel, entry: &SignedEntry) -> BTreeMap<&'static str, bool> {
    let answers = [
        certificates(channel).await,
        custody(channel).await,
        mailbox(channel).await,
        matching(channel).await,
        membership(channel).await,
        changes(channel, entry).await,
    ];
    answers.into_iter().flatten().collect()
}

/// The calls of the main port, as the protocol's files have them.
fn declared() -> BTreeSet<String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto/symbolon");
    let mut found = BTreeSet::new();
    for file in std::fs::read_dir(directory).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let mut service = String::new();
        for line in text.lines() {
            let words: Vec<&str> = line
                .split([' ', '(', '{'])
                .filter(|w| !w.is_empty())
                .collect();
            match words.as_slice() {
                ["service", name, ..] => service = (*name).to_owned(),
                ["rpc", name, ..] if service != "Enrolment" => {
                    found.insert(format!("{service}/{name}"));
                }
                _ => {}
            }
        }
    }
    found
}

async fn administrators_channel(consortium: &Consortium) -> Channel {
    let dir = consortium.dir.path().join("admin/tls");
    let read = |name| std::fs::read_to_string(dir.join(name)).unwrap();
    let (chain, key) = (read("admin.pem"), read("admin.key"));
    consortium.connect(&chain, &key).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_call_is_for_members_or_for_administrators_and_a_few_for_both() {
    let consortium = Consortium::found().await;
    let harbour = consortium.enrol("harbour").await;
    let _police = consortium.enrol("police").await;
    let custodians = vec![harbour.name.clone()];
    let appointed = consortium.admin.appoint_custodians(1, custodians);
    appointed.await.unwrap();
    // An entry that an administrator brings comes as far as being found out of place.
    let entries = consortium.admin.entries().await.unwrap();
    let of_member = calls(&harbour.channel, &entries[1]).await;
    let administrator = administrators_channel(&consortium).await;
    let of_administrator = calls(&administrator, &entries[1]).await;
    let named: BTreeSet<String> = of_member.keys().map(|name| (*name).to_owned()).collect();
    assert_eq!(named, declared(), "a call that nobody has thought about");

    let both = [
        "Certificates/Revoked",
        "Custody/Attendance",
        "Custody/Statements",
        "Membership/Agreements",
        "Membership/Checkpoint",
        "Membership/Roster",
    ];
    let administration = [
        "Certificates/List",
        "Certificates/Revoke",
        "Membership/Append",
        "Membership/Members",
        "Membership/Propose",
        "Membership/Waiting",
    ];
    for (name, member) in of_member {
        let expected = if both.contains(&name) {
            (true, true)
        } else if administration.contains(&name) {
            (false, true)
        } else {
            (true, false)
        };
        assert_eq!((member, of_administrator[name]), expected, "{name}");
    }
}

fn fresh_keys() -> (SigningKey, AgencyKeys) {
    let signing = SigningKey::random().unwrap();
    let mut encryption = vec![0; EncryptionKey::BYTES];
    crypto::fill_random(&mut encryption).unwrap();
    let keys = AgencyKeys {
        signing: signing.verifying_key(),
        encryption: EncryptionKey(encryption),
    };
    (signing, keys)
}

async fn bring_new_keys(consortium: &Consortium, member: &Member) -> Result<(), Status> {
    let (signing, keys) = fresh_keys();
    let agency = member.name.clone();
    let roster = consortium.admin.roster().await.unwrap();
    let body = roster.next_body(1, Change::Rekey { agency, keys });
    let entry = Some(SignedEntry::new(&body, &[&signing]).unwrap().into());
    let mut service = MembershipClient::new(member.channel.clone());
    service.append(AppendRequest { entry }).await.map(|_| ())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_cannot_fill_what_waits_for_approvals() {
    let consortium = Consortium::found().await;
    let harbour = consortium.enrol("harbour").await;
    let police = consortium.enrol("police").await;
    let mut administrators = consortium
        .admin
        .roster()
        .await
        .unwrap()
        .approvers
        .administrators;
    administrators.push(Administrator {
        name: "bela".parse().unwrap(),
        key: SigningKey::random().unwrap().verifying_key(),
    });
    let change = Change::Approvers {
        administrators,
        approvals_needed: 2,
    };
    let proposed = consortium.admin.propose(change).await.unwrap();
    assert!(proposed.is_appended());
    let mut taken = 0;
    for _ in 0..100 {
        taken += usize::from(bring_new_keys(&consortium, &harbour).await.is_ok());
    }
    assert_eq!(taken, 2);
    // Others have their places still, and administrators theirs.
    bring_new_keys(&consortium, &police).await.unwrap();
    let suspend = Change::Suspend {
        agency: harbour.name.clone(),
        reason: "an inquiry".to_owned(),
    };
    let proposed = consortium.admin.propose(suspend).await.unwrap();
    assert_eq!((proposed.have, proposed.need), (1, 2));
    assert_eq!(consortium.admin.waiting().await.unwrap().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_members_says_how_each_one_stands() {
    let consortium = Consortium::found().await;
    let harbour = consortium.enrol("harbour").await;
    let police = consortium.enrol("police").await;
    let _invitation = consortium.invite("refuge").await;
    let custodians = vec![police.name.clone()];
    let appointed = consortium.admin.appoint_custodians(1, custodians);
    appointed.await.unwrap();
    let suspend = Change::Suspend {
        agency: harbour.name.clone(),
        reason: "an inquiry".to_owned(),
    };
    consortium.change(suspend).await;
    let line = crate::services::receive(&police, 0).await.unwrap();
    let members = consortium.admin.members().await.unwrap();
    let told: Vec<_> = members
        .iter()
        .map(|m| {
            (
                m.agency.as_str(),
                m.standing.as_str(),
                m.custodian_index,
                m.connected,
            )
        })
        .collect();
    let expected = [
        ("harbour", "suspended", 0, false),
        ("police", "active", 1, true),
        ("refuge", "invited", 0, false),
    ];
    assert_eq!(told, expected);
    for member in &members {
        let enrolled = member.agency != "refuge";
        assert_eq!(
            (member.kind.as_str(), member.title.as_str()),
            ("ngo", "Some agency")
        );
        assert_eq!(
            member.certificate_serials.concat().len(),
            if enrolled { 32 } else { 0 }
        );
        assert_eq!(member.certificate_expires_at > 0, enrolled, "{member:?}");
        assert_eq!(
            member.last_seen_at > 0,
            member.agency == "police",
            "{member:?}"
        );
    }
    let serials: BTreeSet<_> = members.iter().map(|m| &m.certificate_serials).collect();
    assert_eq!(serials.len(), 3);
    consortium.clock.advance(3_601);
    let members = consortium.admin.members().await.unwrap();
    assert_eq!(members[2].standing, "expired invitation");
    drop(line);
}
