//! Ports for servers that are told where to listen before they do.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below what the system gives to connections that go out (32,768 and more on Linux): one of those could
/// take the port between the asking and the listening.
const PORTS: std::ops::Range<u16> = 12_000..32_000;

/// How many of this process were given.
static GIVEN: AtomicU16 = AtomicU16::new(0);

/// An address of this machine on which nothing listens, and which this process gives to nobody else.
pub fn free_address() -> io::Result<SocketAddr> {
    let ports = u32::from(PORTS.end - PORTS.start);
    // Processes beside this one begin elsewhere.
    let first = std::process::id().wrapping_mul(7_919) % ports;
    for _ in 0..ports {
        let number = u32::from(GIVEN.fetch_add(1, Ordering::Relaxed));
        let offset = u16::try_from((first + number) % ports).unwrap_or_default();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, PORTS.start + offset));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    Err(io::Error::new(
        io::ErrorKind::AddrNotAvailable,
        "every port of this machine is taken",
    ))
}
