//! Places for connections of which it is not known who is behind them: before the handshake is done, and at
//! enrolment.
//!
//! There are few, so that strangers take little from members. Newcomers are never refused for want of a
//! place: an honest client is done in the time of a few messages, while whoever floods the port is slow or
//! many. So the oldest connection of the address that has most gives way. From one address a flood only
//! displaces itself; from many addresses it has to come faster than an honest handshake takes, for each
//! place that there is.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// All places of a port.
pub struct Strangers {
    most: usize,
    most_of_one: usize,
    board: Mutex<Board>,
}

#[derive(Default)]
struct Board {
    last_number: u64,
    /// Numbers in the order of arrival, by address.
    present: HashMap<IpAddr, BTreeSet<u64>>,
    tokens: HashMap<u64, CancellationToken>,
}

/// A place, until dropped or displaced.
pub struct Place {
    strangers: Arc<Strangers>,
    address: IpAddr,
    number: u64,
    token: CancellationToken,
    displaced: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Strangers {
    /// So many places, and so many for one address.
    pub fn new(most: usize, most_of_one: usize) -> Arc<Self> {
        Arc::new(Self {
            most: most.max(1),
            most_of_one: most_of_one.max(1),
            board: Mutex::default(),
        })
    }

    /// Takes a place; gives whether another one had to go for it.
    pub fn enter(self: &Arc<Self>, from: IpAddr) -> (Place, bool) {
        let address = network(from);
        let token = CancellationToken::new();
        let mut board = self.lock();
        let full_of_one = board
            .present
            .get(&address)
            .is_some_and(|own| own.len() >= self.most_of_one);
        let displaced = if full_of_one {
            board.displace_of(address)
        } else if board.tokens.len() >= self.most {
            board.displace()
        } else {
            false
        };
        board.last_number += 1;
        let number = board.last_number;
        board.present.entry(address).or_default().insert(number);
        board.tokens.insert(number, token.clone());
        drop(board);
        let place = Place {
            strangers: Arc::clone(self),
            address,
            number,
            displaced: Box::pin(token.clone().cancelled_owned()),
            token,
        };
        (place, displaced)
    }

    fn lock(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Board {
    /// The oldest of the address that has most; of several such addresses, of that which has the oldest.
    fn displace(&mut self) -> bool {
        let greediest = self
            .present
            .iter()
            .max_by_key(|(_, own)| (own.len(), std::cmp::Reverse(own.first().copied())));
        let greediest = greediest.map(|(address, _)| *address);
        greediest.is_some_and(|address| self.displace_of(address))
    }

    fn displace_of(&mut self, address: IpAddr) -> bool {
        let oldest = self.present.get(&address).and_then(BTreeSet::first);
        let Some(oldest) = oldest.copied() else {
            return false;
        };
        if let Some(token) = self.tokens.get(&oldest) {
            token.cancel();
        }
        self.leave(address, oldest);
        true
    }

    fn leave(&mut self, address: IpAddr, number: u64) {
        self.tokens.remove(&number);
        if let Some(own) = self.present.get_mut(&address) {
            own.remove(&number);
            if own.is_empty() {
                self.present.remove(&address);
            }
        }
    }
}

impl Place {
    /// Ready once another one has the place.
    pub async fn displaced(&self) {
        self.token.cancelled().await;
    }

    /// The same, for those who poll.
    pub fn poll_displaced(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.displaced.as_mut().poll(context)
    }

    /// Whether another one has it.
    pub fn is_displaced(&self) -> bool {
        self.token.is_cancelled()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.strangers.lock().leave(self.address, self.number);
    }
}

/// One subscriber has a whole /64 of IPv6 (RFC 6177).
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let network = address.to_bits() >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([127, 0, 0, last])
    }

    #[test]
    fn the_greediest_gives_way_and_the_others_stay() {
        let strangers = Strangers::new(4, 3);
        let honest = strangers.enter(address(1)).0;
        let flood: Vec<Place> = (0..3).map(|_| strangers.enter(address(2)).0).collect();
        let (newcomer, displaced) = strangers.enter(address(3));
        assert!(displaced && !honest.is_displaced() && !newcomer.is_displaced());
        let gone: Vec<bool> = flood.iter().map(Place::is_displaced).collect();
        assert_eq!(gone, [true, false, false]);
        drop(flood);
        // With free places nobody goes.
        assert!(!strangers.enter(address(2)).1 && !honest.is_displaced());
        drop((honest, newcomer));
        assert!(strangers.lock().present.is_empty() && strangers.lock().tokens.is_empty());
    }

    #[test]
    fn networks_of_ipv6_are_one_and_mapped_addresses_are_ipv4() {
        let parse = |text: &str| network(text.parse().unwrap());
        assert_eq!(parse("2001:db8:1:2:3::4"), parse("2001:db8:1:2:ffff::"));
        assert_ne!(parse("2001:db8:1:2::"), parse("2001:db8:1:3::"));
        assert_eq!(parse("::ffff:10.0.0.1"), parse("10.0.0.1"));
    }

    proptest! {
        #[test]
        fn never_more_than_there_are_and_the_newest_always_stays(
            arrivals in proptest::collection::vec((0..5_u8, any::<bool>()), 1..200),
        ) {
            let strangers = Strangers::new(8, 4);
            let mut present: Vec<Place> = Vec::new();
            for (from, leaves) in arrivals {
                if leaves {
                    present.pop();
                }
                let (place, _) = strangers.enter(address(from));
                prop_assert!(!place.is_displaced());
                present.push(place);
                present.retain(|place| !place.is_displaced());
                prop_assert!(present.len() <= 8);
                for one in 0..5 {
                    let own = present.iter().filter(|place| place.address == address(one));
                    prop_assert!(own.count() <= 4);
                }
                prop_assert_eq!(strangers.lock().tokens.len(), present.len());
            }
        }
    }
}
