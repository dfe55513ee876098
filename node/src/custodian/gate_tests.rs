//! The gate by itself: restarts, races, replays.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use symbolon_core::oprf::threshold::Quorum;
use symbolon_core::sealed_file::Unlock;
use zeroize::Zeroizing;

use super::*;

const NOW: i64 = 1_800_000_000;

struct Kept {
    vault: Vault,
    tables: Tables,
    gate: Gate,
}

impl Kept {
    fn at(path: &Path) -> Self {
        let unlock = Unlock::KeyFile(Zeroizing::new(vec![1; 32]));
        let vault = if Vault::exists(path) {
            Vault::open(path, &unlock).unwrap()
        } else {
            Vault::create(path, &unlock).unwrap()
        };
        let tables = Tables::open(&vault).unwrap();
        let gate = Gate::open(&tables).unwrap();
        Self {
            vault,
            tables,
            gate,
        }
    }

    fn admit(&self, request: &Request, quota: Quota, now: i64) -> Result<(), Refusal> {
        self.gate
            .admit((&self.vault, &self.tables), request, Some(quota), now)
    }

    fn spent(&self) -> u64 {
        let lines = self.gate.ledger(&self.tables, u64::MAX).unwrap();
        lines.iter().map(|(_, entry)| entry.elements).sum()
    }
}

fn request(id: u32, requester: &str, elements: usize) -> Request {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&id.to_be_bytes());
    Request {
        id: bytes,
        requester: requester.parse().unwrap(),
        epoch: 1,
        generation: 0,
        quorum: Quorum::new([1, 2], 2).unwrap(),
        expires_at: NOW + 120,
        elements: vec![9; elements * 32],
    }
}

const PLENTY: Quota = Quota {
    initial: 1_000_000,
    per_day: 0,
};

#[test]
fn ten_thousand_replays_across_a_restart_are_all_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("node");
    let originals: Vec<Request> = (0..20).map(|id| request(id, "police", 3)).collect();
    let replays = |kept: &Kept, now: i64| {
        for _ in 0..250 {
            for original in &originals {
                assert_eq!(kept.admit(original, PLENTY, now), Err(Refusal::Repeated));
            }
        }
        assert_eq!(kept.spent(), 60);
    };
    let kept = Kept::at(&path);
    for original in &originals {
        assert_eq!(kept.admit(original, PLENTY, NOW), Ok(()));
    }
    replays(&kept, NOW);
    drop(kept);
    let kept = Kept::at(&path);
    replays(&kept, NOW + 120);
    // The control: a fresh request is let through, and the same number of another agency too.
    assert_eq!(kept.admit(&request(99, "police", 1), PLENTY, NOW), Ok(()));
    assert_eq!(kept.admit(&request(0, "refuge", 1), PLENTY, NOW), Ok(()));
}

#[test]
fn sixty_four_clients_never_exceed_one_quota_nor_do_restarts() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("node");
    let quota = Quota {
        initial: 100,
        per_day: 0,
    };
    let (admitted, next) = (AtomicU64::new(0), AtomicU64::new(0));
    for _ in 0..2 {
        let kept = Kept::at(&path);
        std::thread::scope(|scope| {
            for _ in 0..64 {
                scope.spawn(|| {
                    for _ in 0..4 {
                        let id = next.fetch_add(1, Ordering::Relaxed);
                        let request = request(id as u32, "police", 7);
                        match kept.admit(&request, quota, NOW) {
                            Ok(()) => {
                                admitted.fetch_add(7, Ordering::Relaxed);
                            }
                            Err(refusal) => {
                                assert_eq!(refusal, Refusal::OverQuota { retry_at: None });
                            }
                        }
                    }
                });
            }
        });
        // 14 requests of 7 fit into 100, no fifteenth.
        assert_eq!(admitted.load(Ordering::Relaxed), 98);
        assert_eq!(kept.spent(), 98);
    }
    let kept = Kept::at(&path);
    assert_eq!(kept.admit(&request(9_000, "police", 2), quota, NOW), Ok(()));
    assert!(
        kept.admit(&request(9_001, "police", 1), quota, NOW)
            .is_err()
    );
    // Others have their own bucket, and a new key has new ones.
    assert_eq!(kept.admit(&request(9_002, "refuge", 9), quota, NOW), Ok(()));
    let mut of_new_key = request(9_003, "police", 100);
    of_new_key.epoch = 2;
    assert_eq!(kept.admit(&of_new_key, quota, NOW), Ok(()));
}

#[test]
fn a_refusal_says_when_and_holds_until_then() {
    let directory = tempfile::tempdir().unwrap();
    let kept = Kept::at(&directory.path().join("node"));
    let quota = Quota {
        initial: 10,
        per_day: 8_640,
    };
    assert_eq!(kept.admit(&request(1, "police", 10), quota, NOW), Ok(()));
    let later = Refusal::OverQuota {
        retry_at: Some(NOW + 20),
    };
    assert_eq!(kept.admit(&request(2, "police", 2), quota, NOW), Err(later));
    let early = kept.admit(&request(2, "police", 2), quota, NOW + 19);
    assert_eq!(early, Err(later));
    assert_eq!(
        kept.admit(&request(2, "police", 2), quota, NOW + 20),
        Ok(())
    );
}

#[test]
fn a_clock_that_is_set_forward_and_back_gets_nothing_answered_twice() {
    const DAY_S: i64 = 86_400;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("node");
    let kept = Kept::at(&path);
    let original = request(1, "police", 3);
    assert_eq!(kept.admit(&original, PLENTY, NOW), Ok(()));
    // A day forward: the first is expired long since, and its mark goes.
    let mut ahead = request(2, "police", 1);
    ahead.expires_at = NOW + DAY_S + 120;
    assert_eq!(kept.admit(&ahead, PLENTY, NOW + DAY_S), Ok(()));
    assert_eq!(
        kept.tables.answered.len().unwrap(),
        1,
        "the first one's is gone"
    );
    // And back: by this clock the first is good again, and so is what was asked ahead of time.
    let replayed = |kept: &Kept| {
        for again in [&original, &ahead] {
            assert_eq!(kept.admit(again, PLENTY, NOW + 1), Err(Refusal::Repeated));
        }
        assert_eq!(kept.spent(), 4);
    };
    replayed(&kept);
    drop(kept);
    let kept = Kept::at(&path);
    replayed(&kept);
    // The control: one that was made since is let through at once.
    let mut fresh = request(3, "police", 1);
    fresh.expires_at = original.expires_at + 1;
    assert_eq!(kept.admit(&fresh, PLENTY, NOW + 1), Ok(()));
}

#[test]
fn marks_are_swept_when_they_no_longer_matter_and_bounded_while_they_do() {
    let directory = tempfile::tempdir().unwrap();
    let kept = Kept::at(&directory.path().join("node"));
    assert_eq!(kept.admit(&request(1, "police", 1), PLENTY, NOW), Ok(()));
    let over = NOW + 120 + MAX_REQUEST_LIFE_S + 1;
    let mut later = request(2, "police", 1);
    later.expires_at = over + 60;
    assert_eq!(kept.admit(&later, PLENTY, over), Ok(()));
    assert_eq!(kept.tables.answered.len().unwrap(), 1);
    {
        let mut state = kept.gate.0.lock().unwrap();
        let agency: AgencyName = "police".parse().unwrap();
        for number in 0..MOST_OF_AN_AGENCY as u128 {
            let mark = (agency.clone(), KeyTag(number.to_be_bytes()));
            state.marks.insert(mark, over + 1_000);
        }
    }
    let mut one_more = request(3, "police", 1);
    one_more.expires_at = over + 60;
    assert_eq!(kept.admit(&one_more, PLENTY, over), Err(Refusal::Busy));
    one_more.requester = "refuge".parse().unwrap();
    assert_eq!(kept.admit(&one_more, PLENTY, over), Ok(()));
}
