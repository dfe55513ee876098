//! Ten thousand connections that must not be let in, with good ones among them that must.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{
    CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, Issuer, KeyPair, SanType,
};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use symbolon_hub::client::{self, ClientCertificate};
use time::OffsetDateTime;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::consortium::Consortium;
use crate::transport::ask;

const BAD: usize = 10_000;
/// One good connection for so many bad ones.
const GOOD_EVERY: usize = 50;
const AT_ONCE: usize = 48;
/// HTTP/2 connection preface and an empty SETTINGS frame (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const OWN: &str = "symbolon://north/harbour";

#[derive(Clone)]
enum Client {
    Tls(Arc<ClientConfig>),
    /// These bytes, then nothing.
    Bytes(Vec<u8>),
}

/// Whether the hub says a word of HTTP/2 to a client; one that it refuses hears an alert at most.
async fn is_let_in(client: Client, to: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(to).await else {
        return false;
    };
    let mut byte = [0; 1];
    match client {
        Client::Bytes(bytes) => {
            let sent = stream.write_all(&bytes).await.is_ok() && stream.shutdown().await.is_ok();
            let mut heard = Vec::new();
            sent && stream.read_to_end(&mut heard).await.is_ok() && heard.len() > 1_000
        }
        Client::Tls(config) => {
            let name = ServerName::try_from("localhost").unwrap();
            let Ok(mut stream) = TlsConnector::from(config).connect(name, stream).await else {
                return false;
            };
            let sent = stream.write_all(PREFACE).await.is_ok() && stream.flush().await.is_ok();
            sent && matches!(stream.read(&mut byte).await, Ok(1))
        }
    }
}

struct Forger<'a> {
    consortium: &'a Consortium,
    issuer_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// What a leaf claims.
struct Claim {
    uris: Vec<String>,
    usage: ExtendedKeyUsagePurpose,
    days: (i64, i64),
}

impl Default for Claim {
    fn default() -> Self {
        Self {
            uris: vec![OWN.to_owned()],
            usage: ExtendedKeyUsagePurpose::ClientAuth,
            days: (-1, 1),
        }
    }
}

impl Claim {
    fn params(&self) -> CertificateParams {
        let mut params = CertificateParams::default();
        let uri = |uri: &String| SanType::URI(uri.clone().try_into().unwrap());
        params.subject_alt_names = self.uris.iter().map(uri).collect();
        params.extended_key_usages = vec![self.usage.clone()];
        let now = OffsetDateTime::now_utc();
        params.not_before = now + time::Duration::days(self.days.0);
        params.not_after = now + time::Duration::days(self.days.1);
        params
    }
}

impl<'a> Forger<'a> {
    /// A thief of the hub's issuing key: only then do such certificates exist at all.
    fn new(consortium: &'a Consortium) -> Self {
        let tls = consortium.dir.path().join("hub/tls");
        let issuer_pem = std::fs::read_to_string(tls.join("issuer.pem")).unwrap();
        let key = std::fs::read_to_string(tls.join("issuer.key")).unwrap();
        let key = KeyPair::from_pem(&key).unwrap();
        let issuer = Issuer::from_ca_cert_pem(&issuer_pem, key).unwrap();
        Self {
            consortium,
            issuer_pem,
            issuer,
        }
    }

    fn client(&self, chain_pem: &str, key_pem: &str) -> Client {
        let certificate = ClientCertificate { chain_pem, key_pem };
        let root = self.consortium.root_pem();
        Client::Tls(Arc::new(
            client::tls_config(&root, Some(certificate)).unwrap(),
        ))
    }

    fn leaf(&self, claim: &Claim) -> Client {
        let key = KeyPair::generate().unwrap();
        let leaf = claim.params().signed_by(&key, &self.issuer).unwrap();
        let chain = format!("{}{}", leaf.pem(), self.issuer_pem);
        self.client(&chain, &key.serialize_pem())
    }

    fn named(&self, uris: &[&str]) -> Client {
        let uris = uris.iter().map(|uri| (*uri).to_owned()).collect();
        self.leaf(&Claim {
            uris,
            ..Claim::default()
        })
    }

    fn lasting(&self, days: (i64, i64)) -> Client {
        self.leaf(&Claim {
            days,
            ..Claim::default()
        })
    }

    fn self_signed(&self) -> Client {
        let key = KeyPair::generate().unwrap();
        let leaf = Claim::default().params().self_signed(&key).unwrap();
        self.client(&leaf.pem(), &key.serialize_pem())
    }

    fn wrong_authority(&self) -> Client {
        let mut params = CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let root = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let leaf = Claim::default().params().signed_by(&key, &root).unwrap();
        let chain = format!("{}{}", leaf.pem(), root.pem());
        self.client(&chain, &key.serialize_pem())
    }

    fn nothing(&self) -> Client {
        let root = self.consortium.root_pem();
        Client::Tls(Arc::new(client::tls_config(&root, None).unwrap()))
    }
}

/// The first flight of a TLS client, cut short.
fn truncated(root_pem: &str) -> Client {
    let config = Arc::new(client::tls_config(root_pem, None).unwrap());
    let name = ServerName::try_from("localhost").unwrap();
    let mut connection = rustls::ClientConnection::new(config, name).unwrap();
    let mut hello = Vec::new();
    connection.write_tls(&mut hello).unwrap();
    hello.truncate(hello.len() / 2);
    Client::Bytes(hello)
}

async fn bad_ones(forger: &Forger<'_>) -> Vec<(&'static str, Client)> {
    let revoked = forger.consortium.enrol("revoked").await;
    let serial = forger.consortium.serial("revoked").await;
    let admin = &forger.consortium.admin;
    admin.revoke_certificate(&serial, "lost").await.unwrap();
    let server_usage = Claim {
        usage: ExtendedKeyUsagePurpose::ServerAuth,
        ..Claim::default()
    };
    vec![
        ("expired", forger.lasting((-20, -10))),
        ("not yet valid", forger.lasting((10, 20))),
        ("wrong authority", forger.wrong_authority()),
        ("wrong usage", forger.leaf(&server_usage)),
        (
            "revoked",
            forger.client(&revoked.chain_pem, &revoked.key_pem),
        ),
        ("self-signed", forger.self_signed()),
        (
            "another consortium",
            forger.named(&["symbolon://south/harbour"]),
        ),
        ("nobody's name", forger.named(&["symbolon://north/nobody"])),
        (
            "an administrator's name",
            forger.named(&["symbolon://north/admin/ada"]),
        ),
        ("two names", forger.named(&[OWN, OWN])),
        ("no name", forger.named(&[])),
        ("right name, never issued", forger.named(&[OWN])),
        ("no certificate", forger.nothing()),
        (
            "truncated handshake",
            truncated(&forger.consortium.root_pem()),
        ),
        ("not tls", Client::Bytes(b"GET / HTTP/1.1\r\n\r\n".to_vec())),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_bad_connections_and_good_ones_among_them() {
    let consortium = Consortium::found().await;
    let harbour = consortium.enrol("harbour").await;
    let forger = Forger::new(&consortium);
    let bad = bad_ones(&forger).await;
    let good = forger.client(&harbour.chain_pem, &harbour.key_pem);
    let listeners = [consortium.hub.listen, consortium.other_listener()];
    let began = Instant::now();
    let mut clients = Vec::new();
    for number in 0..BAD {
        let (kind, client) = &bad[number % bad.len()];
        clients.push((*kind, client.clone(), listeners[number / bad.len() % 2]));
        if number % GOOD_EVERY == 0 {
            clients.push(("good", good.clone(), listeners[number / GOOD_EVERY % 2]));
        }
    }
    let clients = Arc::new(std::sync::Mutex::new(clients));
    let workers = (0..AT_ONCE).map(|_| {
        let clients = Arc::clone(&clients);
        tokio::spawn(async move {
            let mut seen: BTreeMap<&'static str, (usize, usize)> = BTreeMap::new();
            loop {
                let next = clients.lock().unwrap().pop();
                let Some((kind, client, to)) = next else {
                    return seen;
                };
                let answered = tokio::time::timeout(Duration::from_secs(30), is_let_in(client, to));
                let let_in = answered.await.expect("the hub says nothing");
                let counts = seen.entry(kind).or_default();
                counts.0 += 1;
                counts.1 += usize::from(let_in);
            }
        })
    });
    let mut table: BTreeMap<&'static str, (usize, usize)> = BTreeMap::new();
    for worker in workers.collect::<Vec<_>>() {
        for (kind, (tried, let_in)) in worker.await.unwrap() {
            let counts = table.entry(kind).or_default();
            counts.0 += tried;
            counts.1 += let_in;
        }
    }
    let took = began.elapsed();
    println!("{:<28}{:>8}{:>8}", "kind", "tried", "let in");
    for (kind, (tried, let_in)) in &table {
        println!("{kind:<28}{tried:>8}{let_in:>8}");
    }
    println!("in {took:?}");
    let (tried, let_in) = table.remove("good").unwrap();
    assert_eq!((tried, let_in), (BAD / GOOD_EVERY, BAD / GOOD_EVERY));
    assert_eq!(table.len(), bad.len());
    let tried: usize = table.values().map(|(tried, _)| tried).sum();
    assert_eq!(tried, BAD);
    assert!(table.values().all(|(_, let_in)| *let_in == 0), "{table:?}");
    ask(harbour.channel.clone()).await.unwrap();
}
