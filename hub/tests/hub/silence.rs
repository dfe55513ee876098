//! What a member gets back over the wire where a silent row is met: byte for byte what it gets for a
//! miss. Headers, message and trailers are taken as they come, before anybody decodes them.

use prost::Message as _;
use symbolon_core::row::{
    AgreementEpoch, ExpiryMonth, Handle, PAYLOAD_BYTES, Row, SealedPayload, Token,
};
use symbolon_hub::Clock as _;
use symbolon_proto::mailbox::delivery;
use symbolon_proto::matching::{QueryRequest, SubmitRequest, WithdrawRequest};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Request, Status};

use crate::consortium::{Consortium, Member};
use crate::services::{next, receive};

/// Messages as bytes, both ways.
#[derive(Clone, Default)]
struct Raw;

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        use prost::bytes::BufMut as _;
        to.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        use prost::bytes::Buf as _;
        let mut message = vec![0; from.remaining()];
        from.copy_to_slice(&mut message);
        Ok(Some(message))
    }
}

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

/// Headers but for the date, the message, and the trailers.
type OnTheWire = (String, Vec<u8>, String);

async fn call(member: &Member, method: &str, message: Vec<u8>) -> OnTheWire {
    let mut client = tonic::client::Grpc::new(member.channel.clone());
    client.ready().await.unwrap();
    let path = format!("/symbolon.matching.v1.Matching/{method}");
    let path = path.parse().unwrap();
    let request = Request::new(tokio_stream::once(message));
    let reply = client.streaming(request, path, Raw).await.unwrap();
    let (headers, mut body, _) = reply.into_parts();
    let mut headers = headers.into_headers();
    headers.remove("date");
    let message = body.message().await.unwrap().unwrap();
    assert_eq!(body.message().await.unwrap(), None);
    let trailers = body.trailers().await.unwrap();
    (format!("{headers:?}"), message, format!("{trailers:?}"))
}

fn row(consortium: &Consortium, epoch: AgreementEpoch, token: u8, handle: u8, silent: bool) -> Row {
    Row {
        agreement_epoch: epoch,
        token: Token([token; 16]),
        handle: Handle([handle; 16]),
        silent,
        expiry: ExpiryMonth::of(consortium.clock.now()).plus(12),
        payload: SealedPayload([handle; PAYLOAD_BYTES]),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_hit_is_a_miss_byte_for_byte_and_its_owner_is_told() {
    let consortium = Consortium::found().await;
    let harbour = consortium.enrol("harbour").await;
    let police = consortium.enrol("police").await;
    let epoch = consortium.agree(&[&harbour, &police]).await;
    let mut line = receive(&harbour, 0).await.unwrap();
    const MISS: u8 = 1;
    const SILENT: u8 = 2;
    const OPEN: u8 = 3;
    let stored = [
        row(&consortium, epoch, SILENT, 20, true),
        row(&consortium, epoch, OPEN, 30, false),
    ];
    let rows = stored.iter().map(Into::into).collect();
    call(&harbour, "Submit", SubmitRequest { rows }.encode_to_vec()).await;

    let query = async |token| {
        let rows = vec![(&row(&consortium, epoch, token, 100, false)).into()];
        call(&police, "Query", QueryRequest { rows }.encode_to_vec()).await
    };
    let miss = query(MISS).await;
    assert_eq!(query(SILENT).await, miss);
    assert_ne!(query(OPEN).await, miss, "the control: an open row shows");

    // A stored row is a standing question: what its submission and withdrawal bring back tells no more.
    let watch = async |token| {
        let rows = vec![(&row(&consortium, epoch, token, 101, false)).into()];
        let stored = call(&police, "Submit", SubmitRequest { rows }.encode_to_vec()).await;
        let handles = vec![vec![101; 16]];
        let gone = call(
            &police,
            "Withdraw",
            WithdrawRequest { handles }.encode_to_vec(),
        )
        .await;
        (stored.1.len(), stored.0, stored.2, gone)
    };
    let miss = watch(MISS).await;
    assert_eq!(watch(SILENT).await, miss);
    assert_ne!(watch(OPEN).await, miss, "the control: an open row shows");

    // The owner hears of each, the silent ones among them.
    let mut told = Vec::new();
    while told.iter().filter(|own: &&Vec<u8>| own[0] == 20).count() < 1 {
        if let Some(delivery::Item::Notice(notice)) = next(&mut line).await.item {
            assert_eq!(notice.agency, "police");
            told.push(notice.own_handle);
        }
    }
    assert!(told.iter().any(|own| own[0] == 30));
}
