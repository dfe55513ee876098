//! Clients that take their time.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use tokio::io::{self, AsyncReadExt as _, AsyncWriteExt as _};

use super::{Tally, Target, dial, one_more};

/// One byte in this time.
const DRIP: Duration = Duration::from_secs(1);

/// How a client is slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slow {
    /// Connects, and says nothing.
    Silent,
    /// Drips the first message of TLS.
    Handshake,
    /// Drips the first message of TLS at the port of invitations.
    EnrolmentHandshake,
    /// Shakes hands at the port of invitations, and drips a frame of HTTP/2.
    Frame,
}

impl Slow {
    /// Every kind.
    pub const ALL: [Self; 4] = [
        Self::Silent,
        Self::Handshake,
        Self::EnrolmentHandshake,
        Self::Frame,
    ];

    pub(super) async fn attack(
        self,
        target: &Target,
        number: u32,
        tally: &Tally,
    ) -> io::Result<()> {
        match self {
            Self::Silent => {
                let mut stream = dial(target.main, number).await?;
                let _open = Open::new(tally);
                stream.read_to_end(&mut Vec::new()).await.map(|_| ())
            }
            Self::Handshake => drip(dial(target.main, number).await?, &hello()?, tally).await,
            Self::EnrolmentHandshake => {
                drip(dial(target.enrolment, number).await?, &hello()?, tally).await
            }
            Self::Frame => {
                let stream = target.as_nobody(number).await?;
                drip(stream, &super::frames::begun_frame(), tally).await
            }
        }
    }
}

/// Counted as long as it is open.
struct Open<'a>(&'a Tally);

impl<'a> Open<'a> {
    fn new(tally: &'a Tally) -> Self {
        one_more(&tally.opened);
        one_more(&tally.slow);
        Self(tally)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.slow.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Sends byte after byte until the other side has enough.
async fn drip<S>(mut stream: S, bytes: &[u8], tally: &Tally) -> io::Result<()>
where
    S: io::AsyncRead + io::AsyncWrite + Unpin,
{
    let _open = Open::new(tally);
    let mut heard = [0; 1024];
    for byte in bytes {
        stream.write_all(&[*byte]).await?;
        stream.flush().await?;
        tokio::select! {
            read = stream.read(&mut heard) => if read? == 0 {
                return Ok(());
            },
            () = tokio::time::sleep(DRIP) => {}
        }
    }
    Ok(())
}

/// The first message of a TLS client.
fn hello() -> io::Result<Vec<u8>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(io::Error::other)?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    let client = ClientConnection::new(Arc::new(config), name);
    let mut client = client.map_err(io::Error::other)?;
    let mut hello = Vec::new();
    client.write_tls(&mut hello)?;
    Ok(hello)
}
