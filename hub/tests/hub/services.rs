//! What members do: agree, share rows, receive, write to each other.

use std::time::Duration;

use symbolon_core::encoding;
use symbolon_core::row::{
    AgreementEpoch, ExpiryMonth, Handle, PAYLOAD_BYTES, Row, SealedPayload, Token,
};
use symbolon_hub::Clock;
use symbolon_hub::caller::Caller;
use symbolon_proto::mailbox::mailbox_client::MailboxClient;
use symbolon_proto::mailbox::{
    AcknowledgeRequest, Delivery, Envelope, ReceiveRequest, SendRequest, delivery,
};
use symbolon_proto::matching::matching_client::MatchingClient;
use symbolon_proto::matching::{HoldingsRequest, QueryRequest, SubmitRequest, WithdrawRequest};
use symbolon_proto::membership::AcceptRequest;
use symbolon_proto::membership::membership_client::MembershipClient;
use tonic::{Code, Status, Streaming};

use crate::consortium::{Consortium, Member, acceptance, document};

fn row(consortium: &Consortium, epoch: AgreementEpoch, token: u8, handle: u8) -> Row {
    Row {
        agreement_epoch: epoch,
        token: Token([token; 16]),
        handle: Handle([handle; 16]),
        silent: false,
        expiry: ExpiryMonth::of(consortium.clock.now()).plus(12),
        payload: SealedPayload([handle; PAYLOAD_BYTES]),
    }
}

async fn submit(member: &Member, rows: &[Row]) -> Result<u64, Status> {
    let mut service = MatchingClient::new(member.channel.clone());
    let rows = rows.iter().map(Into::into).collect();
    let reply = service.submit(SubmitRequest { rows }).await?.into_inner();
    Ok(reply.holdings.unwrap().count)
}

pub async fn receive(member: &Member, after: u64) -> Result<Streaming<Delivery>, Status> {
    let mut service = MailboxClient::new(member.channel.clone());
    Ok(service
        .receive(ReceiveRequest { after })
        .await?
        .into_inner())
}

pub async fn next(stream: &mut Streaming<Delivery>) -> Delivery {
    let next = tokio::time::timeout(Duration::from_secs(20), stream.message());
    next.await.unwrap().unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_joined_delivered_withdrawn_and_survive_a_restart() {
    let consortium = Consortium::found().await;
    let harbour = consortium.enrol("harbour").await;
    let police = consortium.enrol("police").await;
    let epoch = consortium.agree(&[&harbour, &police]).await;
    let mut line = receive(&harbour, 0).await.unwrap();
    submit(&harbour, &[row(&consortium, epoch, 1, 1)])
        .await
        .unwrap();
    submit(&police, &[row(&consortium, epoch, 1, 2)])
        .await
        .unwrap();
    let delivered = next(&mut line).await;
    assert_eq!(delivered.sequence, 1);
    let Some(delivery::Item::Notice(notice)) = delivered.item else {
        panic!("not a notice");
    };
    assert_eq!((notice.agency.as_str(), notice.query), ("police", false));
    assert_eq!(notice.payload, vec![2; PAYLOAD_BYTES]);

    let mut service = MatchingClient::new(harbour.channel.clone());
    let rows = vec![(&row(&consortium, epoch, 1, 9)).into()];
    let reply = service.query(QueryRequest { rows }).await.unwrap();
    assert_eq!(reply.into_inner().hits[0].agency, "police");

    let handles = vec![vec![2; 16]];
    let mut service = MatchingClient::new(police.channel.clone());
    let done = service.withdraw(WithdrawRequest { handles }).await.unwrap();
    let done = done.into_inner();
    assert_eq!((done.withdrawn, done.cancelled), (1, 1));
    let cancelled = next(&mut line).await;
    assert!(matches!(
        cancelled.item,
        Some(delivery::Item::Cancellation(_))
    ));

    let mut mailbox = MailboxClient::new(harbour.channel.clone());
    mailbox
        .acknowledge(AcknowledgeRequest { up_to: 1 })
        .await
        .unwrap();
    let ahead = receive(&harbour, 3).await.unwrap_err();
    assert_eq!(
        (ahead.code(), ahead.message()),
        (Code::FailedPrecondition, "cursor ahead")
    );
    assert!(consortium.hub.waiting_deliveries().await.unwrap() > 0);

    let before = consortium.admin.checkpoint().await.unwrap();
    let consortium = consortium.restart().await;
    assert!(
        line.message().await.map_or(true, |end| end.is_none()),
        "lines end at shutdown"
    );
    let after = consortium.admin.checkpoint().await.unwrap();
    // At its start the hub publishes its list of revoked certificates anew.
    assert_eq!(after.size, before.size + 1);
    let channel = consortium
        .connect(&harbour.chain_pem, &harbour.key_pem)
        .await;
    let harbour = Member {
        channel: channel.unwrap(),
        ..harbour
    };
    let mut line = receive(&harbour, 1).await.unwrap();
    assert_eq!(next(&mut line).await.sequence, 2);
    let mut service = MatchingClient::new(harbour.channel.clone());
    let holdings = service
        .holdings(HoldingsRequest {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!(holdings.holdings.unwrap().count, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_outside_an_agreement_are_refused_whole() {
    let consortium = Consortium::found().await;
    let harbour = consortium.enrol("harbour").await;
    let police = consortium.enrol("police").await;
    let outsider = consortium.enrol("outsider").await;
    let document = document(&consortium.admin, &[&harbour, &police]);
    let agreement = consortium.admin.propose_agreement(&document).await.unwrap();
    let epoch = symbolon_core::agreement::epoch_id(&agreement, 1);
    let good = row(&consortium, epoch, 1, 1);
    let early = submit(&harbour, std::slice::from_ref(&good)).await;
    assert_eq!(
        early.unwrap_err().code(),
        Code::InvalidArgument,
        "not in force"
    );

    let accept = |member: &Member, acceptance| {
        let mut service = MembershipClient::new(member.channel.clone());
        let request = AcceptRequest {
            agreement: agreement.0.to_vec(),
            acceptance: Some(acceptance),
        };
        async move {
            service
                .accept(request)
                .await
                .map_err(|status| status.code())
        }
    };
    let of_harbour = acceptance(&harbour, &document, agreement);
    let for_another = accept(&police, of_harbour.clone().into()).await;
    assert_eq!(for_another.unwrap_err(), Code::PermissionDenied);
    accept(&harbour, of_harbour.clone().into()).await.unwrap();
    accept(&harbour, of_harbour.into()).await.unwrap();
    let of_police = acceptance(&police, &document, agreement);
    accept(&police, of_police.into()).await.unwrap();
    let agreements = consortium.admin.agreements().await.unwrap();
    assert!(agreements[0].in_force);

    let late = Row {
        expiry: good.expiry.plus(2),
        ..good.clone()
    };
    let past = Row {
        expiry: ExpiryMonth(good.expiry.0 - 13),
        ..good.clone()
    };
    for bad in [late, past] {
        let mixed = submit(&harbour, &[good.clone(), bad]).await;
        assert_eq!(mixed.unwrap_err().code(), Code::InvalidArgument);
    }
    let foreign = submit(&outsider, std::slice::from_ref(&good)).await;
    assert_eq!(foreign.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(submit(&harbour, &[good]).await.unwrap(), 1);
    consortium.clock.advance(20 * 31 * 86_400);
    assert_eq!(consortium.hub.matching.expire().await.unwrap(), 1);
}

/// An envelope as `symbolon_core::envelope` checks it.
fn envelope(from: &Member, to: &str, sealed: Vec<u8>) -> Envelope {
    let id = [9; 16];
    let context = "symbolon envelope v1";
    let name = from.name.as_str().as_bytes();
    let binding = encoding::parts(&[context.as_bytes(), name, to.as_bytes(), &id]);
    let signed = encoding::parts(&[&binding, &sealed]);
    Envelope {
        from: from.name.to_string(),
        to: to.to_owned(),
        id: id.to_vec(),
        sealed,
        signature: from.signing.sign(context, &signed).0.to_vec(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn envelopes_come_once_and_only_from_their_sender() {
    let consortium = Consortium::found().await;
    let harbour = consortium.enrol("harbour").await;
    let police = consortium.enrol("police").await;
    let send = |member: &Member, envelope: Envelope| {
        let mut service = MailboxClient::new(member.channel.clone());
        async move {
            let envelope = Some(envelope);
            let sent = service.send(SendRequest { envelope }).await;
            sent.map(|_| ()).map_err(|status| status.code())
        }
    };
    let good = envelope(&harbour, "police", vec![1; 100]);
    let denied = Err(Code::PermissionDenied);
    assert_eq!(
        send(&police, good.clone()).await,
        denied,
        "not the caller's"
    );
    let altered = Envelope {
        sealed: vec![2; 100],
        ..good.clone()
    };
    assert_eq!(send(&harbour, altered).await, denied, "not what was signed");
    let nobody = envelope(&harbour, "nobody", vec![1; 100]);
    assert_eq!(send(&harbour, nobody).await, Err(Code::NotFound));
    let large = envelope(&harbour, "police", vec![1; 300_000]);
    assert_eq!(send(&harbour, large).await, Err(Code::InvalidArgument));
    for _ in 0..2 {
        assert_eq!(send(&harbour, good.clone()).await, Ok(()));
    }
    let mut first = receive(&police, 0).await.unwrap();
    assert_eq!(
        next(&mut first).await.item,
        Some(delivery::Item::Envelope(good))
    );
    let connected = consortium.admin.members().await.unwrap();
    assert!(
        connected
            .iter()
            .any(|m| m.agency == "police" && m.connected)
    );
    let mut second = receive(&police, 0).await.unwrap();
    assert!(
        first.message().await.unwrap().is_none(),
        "one line for each member"
    );
    assert_eq!(next(&mut second).await.sequence, 1);
    assert_eq!(consortium.hub.waiting_deliveries().await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_stored_is_delivered_even_if_its_sender_hung_up_meanwhile() {
    let consortium = Consortium::found().await;
    let harbour = consortium.enrol("harbour").await;
    let police = consortium.enrol("police").await;
    let epoch = consortium.agree(&[&harbour, &police]).await;
    let mut line = receive(&harbour, 0).await.unwrap();
    let known: Vec<Row> = (2..18)
        .map(|token| row(&consortium, epoch, token, 100 + token))
        .collect();
    submit(&harbour, &known).await.unwrap();
    let caller = Caller::Agency(police.name.clone());
    let mut given_up = 0;
    for token in 2..18 {
        let rows = vec![row(&consortium, epoch, token, token)];
        let submitting = consortium.hub.matching.submit(&caller, rows.clone());
        // Begun, and given up at the first wait: nobody is there any more for its answer.
        given_up += u8::from(futures::poll!(std::pin::pin!(submitting)).is_pending());
        // A repetition of what is stored changes nothing, and wakes nobody.
        let matching = &consortium.hub.matching;
        matching.submit(&caller, rows).await.unwrap();
        // Hints may come between.
        while !matches!(next(&mut line).await.item, Some(delivery::Item::Notice(_))) {}
    }
    assert!(given_up > 0);
}
