//! What one member, and what strangers, can take: never what others need.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use symbolon_hub::client;
use symbolon_proto::RETRY_HINT;
use symbolon_proto::matching::HoldingsRequest;
use symbolon_proto::matching::matching_client::MatchingClient;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::Code;

use crate::consortium::{Consortium, Member};
use crate::transport::ask;

/// The first bytes of a TLS record that never ends.
const BEGUN: &[u8] = &[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3];

async fn slow(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(BEGUN).await.unwrap();
    stream
}

/// Waits until the hub closes a connection; gives whether it ever does.
async fn is_closed(stream: &mut (impl AsyncRead + Unpin)) -> bool {
    let mut bytes = [0; 256];
    loop {
        match stream.read(&mut bytes).await {
            Ok(0) | Err(_) => return true,
            Ok(_) => {}
        }
    }
}

async fn again(consortium: &Consortium, member: &Member) -> tonic::transport::Channel {
    let connected = consortium.connect(&member.chain_pem, &member.key_pem).await;
    connected.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_handshakes_displace_each_other_and_members_come_in() {
    let consortium = Consortium::found_with(|config| {
        config.limits.max_handshakes = 8;
        config.limits.max_handshakes_per_address = 4;
        config.limits.handshake_timeout_s = 60;
    })
    .await;
    let harbour = consortium.enrol("harbour").await;
    for address in [consortium.hub.listen, consortium.hub.enrolment] {
        let mut crowd = Vec::new();
        for _ in 0..20 {
            crowd.push(slow(address).await);
        }
        for mut displaced in crowd.drain(..16) {
            assert!(is_closed(&mut displaced).await);
        }
        // Those that have a place keep it, and whoever is quick comes past them.
        ask(again(&consortium, &harbour).await).await.unwrap();
        consortium.invite("refuge").await;
        assert_eq!(crowd.len(), 4);
    }
    let refuge = consortium.enrol("refuge").await;
    ask(refuge.channel).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn handshakes_and_silence_have_an_end() {
    let consortium = Consortium::found_with(|config| {
        config.limits.handshake_timeout_s = 1;
        config.limits.keepalive_s = 1;
    })
    .await;
    let harbour = consortium.enrol("harbour").await;
    for address in [consortium.hub.listen, consortium.hub.enrolment] {
        assert!(is_closed(&mut slow(address).await).await);
        let mut silent = TcpStream::connect(address).await.unwrap();
        assert!(is_closed(&mut silent).await);
    }
    // A member that shook hands and then says nothing, or never gets to HTTP/2.
    for said in [&b""[..], &b"PRI * HTTP/2.0\r\n"[..]] {
        let mut stream = by_hand(&consortium, &harbour).await;
        stream.write_all(said).await.unwrap();
        stream.flush().await.unwrap();
        assert!(is_closed(&mut stream).await);
    }
    ask(harbour.channel).await.unwrap();
}

/// A member's connection on which nobody speaks HTTP/2 by himself.
async fn by_hand(consortium: &Consortium, member: &Member) -> TlsStream<TcpStream> {
    let connected = from(consortium, member, Ipv4Addr::LOCALHOST).await;
    connected.unwrap()
}

/// The same from another address of this machine.
async fn from(
    consortium: &Consortium,
    member: &Member,
    address: Ipv4Addr,
) -> std::io::Result<TlsStream<TcpStream>> {
    let certificate = client::ClientCertificate {
        chain_pem: &member.chain_pem,
        key_pem: &member.key_pem,
    };
    let config = client::tls_config(&consortium.root_pem(), Some(certificate)).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let socket = TcpSocket::new_v4()?;
    socket.bind((address, 0).into())?;
    let stream = socket.connect(consortium.hub.listen).await?;
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(name, stream).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_connections_of_a_member_end_and_those_of_others_do_not() {
    let consortium = Consortium::found_with(|config| {
        config.limits.max_connections_per_member = 2;
    })
    .await;
    let (harbour, refuge) = (
        consortium.enrol("harbour").await,
        consortium.enrol("refuge").await,
    );
    let mut oldest = by_hand(&consortium, &harbour).await;
    let mut other = by_hand(&consortium, &refuge).await;
    for _ in 0..2 {
        ask(again(&consortium, &harbour).await).await.unwrap();
    }
    assert!(is_closed(&mut oldest).await);
    // Nothing was said on the other one, and it is open.
    other.write_all(b"PRI").await.unwrap();
    other.flush().await.unwrap();
    ask(refuge.channel.clone()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_calls_too_fast_is_told_when_to_come_again() {
    let consortium = Consortium::found_with(|config| {
        config.limits.requests_per_s = 1;
        config.limits.requests_burst = 30;
    })
    .await;
    let (harbour, refuge) = (
        consortium.enrol("harbour").await,
        consortium.enrol("refuge").await,
    );
    let mut service = MatchingClient::new(harbour.channel.clone());
    let mut refused = None;
    for _ in 0..40 {
        if let Err(status) = service.holdings(HoldingsRequest {}).await {
            refused = Some(status);
            break;
        }
    }
    let refused = refused.unwrap();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let hint = refused.metadata().get(RETRY_HINT).unwrap();
    let hint: u64 = hint.to_str().unwrap().parse().unwrap();
    assert!((1..=1001).contains(&hint), "{hint}");
    // Nobody else is held up, and after the wait the call goes through.
    ask(refuge.channel.clone()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(hint)).await;
    service.holdings(HoldingsRequest {}).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_thrown_out_again_and_again_stays_out_for_a_while_at_its_address() {
    let consortium = Consortium::found().await;
    let (harbour, mallory) = (
        consortium.enrol("harbour").await,
        consortium.enrol("mallory").await,
    );
    let bad = Ipv4Addr::new(127, 1, 0, 1);
    let line = from(&consortium, &harbour, bad).await.unwrap();
    let came_in = async |from_address, thrown_out: bool| {
        let mut came_in = 0;
        for _ in 0..40 {
            let Ok(mut stream) = from(&consortium, &mallory, from_address).await else {
                continue;
            };
            if thrown_out {
                // No preface of HTTP/2. It may be closed before all of it went.
                let _ = stream.write_all(&[0xee; 1024]).await;
                came_in += usize::from(is_closed(&mut stream).await);
            } else {
                stream.shutdown().await.unwrap();
                came_in += 1;
            }
        }
        came_in
    };
    // Eight at once, and one for each second that this takes.
    let began = std::time::Instant::now();
    let bad_ones = came_in(bad, true).await;
    let seconds = began.elapsed().as_secs() as usize;
    assert!((8..=9 + seconds).contains(&bad_ones), "{bad_ones} came in");
    // Those who leave by themselves are let in however often they come, from another address.
    assert_eq!(came_in(Ipv4Addr::new(127, 1, 0, 2), false).await, 40);
    ask(again(&consortium, &harbour).await).await.unwrap();
    // What was open at the bad address is open.
    let (mut reading, _writing) = tokio::io::split(line);
    let closed = tokio::time::timeout(Duration::from_millis(200), is_closed(&mut reading));
    assert!(closed.await.is_err());
}
