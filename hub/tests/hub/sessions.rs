//! No session is ever resumed: each connection shows its certificate, and is looked at, anew.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, HandshakeKind, ServerConfig};
use symbolon_hub::client::{self, ClientCertificate};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::consortium::Consortium;

/// HTTP/2 connection preface and an empty SETTINGS frame (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Connects and hears the server out for a word; the kind of the handshake, and the tickets that came.
async fn visit(config: &Arc<ClientConfig>, to: SocketAddr) -> (HandshakeKind, u32) {
    let stream = TcpStream::connect(to).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::clone(config));
    let mut stream = connector.connect(name, stream).await.unwrap();
    stream.write_all(PREFACE).await.unwrap();
    stream.flush().await.unwrap();
    let mut byte = [0; 1];
    assert_eq!(stream.read(&mut byte).await.unwrap(), 1);
    let (_, session) = stream.get_ref();
    let kind = session.handshake_kind().unwrap();
    (kind, session.tls13_tickets_received())
}

/// A server with the hub's certificate that keeps sessions, as servers do unless told otherwise.
async fn ordinary_server(consortium: &Consortium) -> SocketAddr {
    let tls = consortium.dir.path().join("hub/tls");
    let chain = CertificateDer::pem_file_iter(tls.join("server.pem")).unwrap();
    let chain: Vec<_> = chain.map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(tls.join("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = acceptor.accept(stream).await.unwrap();
            stream.write_all(b"x").await.unwrap();
            // Until the client has gone.
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hub_gives_no_tickets_and_resumes_nothing() {
    let consortium = Consortium::found().await;
    let harbour = consortium.enrol("harbour").await;
    let certificate = ClientCertificate {
        chain_pem: &harbour.chain_pem,
        key_pem: &harbour.key_pem,
    };
    let mut config = client::tls_config(&consortium.root_pem(), Some(certificate)).unwrap();
    config.resumption = Resumption::in_memory_sessions(16);
    let hub = Arc::new(config.clone());
    for to in [consortium.hub.listen, consortium.other_listener()] {
        for _ in 0..3 {
            assert_eq!(visit(&hub, to).await, (HandshakeKind::Full, 0));
        }
    }
    // The control: this client resumes where it can.
    config.resumption = Resumption::in_memory_sessions(16);
    let (config, other) = (Arc::new(config), ordinary_server(&consortium).await);
    let (first, tickets) = visit(&config, other).await;
    assert_eq!(first, HandshakeKind::Full);
    assert!(tickets > 0);
    assert_eq!(visit(&config, other).await.0, HandshakeKind::Resumed);
}
