//! Addresses from which members were thrown out for what they sent.
//!
//! Whoever sends what no client sends is thrown out, and may come again at once; each time costs the hub a
//! handshake with two signatures to check. So an address pays for each connection that the hub had to end: a
//! few at once are free, then one in five seconds is let in, and the others are closed before a byte is read. The
//! debt never exceeds a minute, lines that are open stay, and other addresses notice nothing. Strangers pay
//! nothing: nobody can be kept out by somebody without a certificate.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::strangers::network;

/// What one connection costs.
const COST: Duration = Duration::from_secs(5);
/// Below this debt an address is let in: eight connections at once.
const FREE: Duration = Duration::from_secs(40);
/// The debt goes no further.
const MOST: Duration = Duration::from_secs(60);
/// Addresses that are remembered; of more than these the newest are not.
const KEPT: usize = 4096;

/// Who owes, and until when.
#[derive(Default)]
pub struct Outcasts(Mutex<HashMap<IpAddr, Instant>>);

impl Outcasts {
    /// Whether a connection from this address is let in now.
    pub fn admits(&self, from: IpAddr, now: Instant) -> bool {
        let until = self.lock().get(&network(from)).copied();
        until.is_none_or(|until| until < now + FREE)
    }

    /// A member's connection from this address had to be ended now.
    pub fn thrown_out(&self, from: IpAddr, now: Instant) {
        let address = network(from);
        let mut owing = self.lock();
        if owing.len() >= KEPT {
            owing.retain(|_, until| *until > now);
        }
        if owing.len() >= KEPT && !owing.contains_key(&address) {
            return;
        }
        let until = owing.entry(address).or_insert(now);
        *until = ((*until).max(now) + COST).min(now + MOST);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_few_are_free_then_one_in_a_while_and_never_longer_than_a_minute() {
        let outcasts = Outcasts::default();
        let (bad, other) = (address("10.0.0.1"), address("10.0.0.2"));
        let mut now = Instant::now();
        for _ in 0..8 {
            assert!(outcasts.admits(bad, now));
            outcasts.thrown_out(bad, now);
        }
        assert!(!outcasts.admits(bad, now) && outcasts.admits(other, now));
        let mut let_in = 0;
        for _ in 0..100 {
            now += Duration::from_millis(500);
            if outcasts.admits(bad, now) {
                let_in += 1;
                outcasts.thrown_out(bad, now);
            }
        }
        assert!((9..=11).contains(&let_in), "{let_in}");
        for _ in 0..10_000 {
            outcasts.thrown_out(bad, now);
        }
        assert!(outcasts.admits(bad, now + MOST));
    }

    #[test]
    fn a_network_of_ipv6_is_one_and_memory_is_bounded() {
        let (outcasts, now) = (Outcasts::default(), Instant::now());
        for host in 1..=8 {
            outcasts.thrown_out(address(&format!("2001:db8::{host}")), now);
        }
        assert!(!outcasts.admits(address("2001:db8::ffff"), now));
        for number in 0..20_000_u32 {
            let from = IpAddr::from((0x0a00_0000 + number).to_be_bytes());
            outcasts.thrown_out(from, now);
        }
        assert_eq!(outcasts.lock().len(), KEPT);
        outcasts.thrown_out(address("10.0.0.1"), now + MOST);
        assert_eq!(outcasts.lock().len(), 1);
    }
}
