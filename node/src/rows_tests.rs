//! Blocks of rows: what is written comes back, and sums and waiting list stay in step.

use symbolon_core::encoding::Digest;
use symbolon_core::row::{AgreementEpoch, Token};
use symbolon_core::sealed_file::Unlock;
use zeroize::Zeroizing;

use super::*;
use crate::tables::KeyTag;

fn vault() -> (tempfile::TempDir, Vault) {
    let directory = tempfile::tempdir().unwrap();
    let key = Unlock::KeyFile(Zeroizing::new(vec![1; 32]));
    let vault = Vault::create(&directory.path().join("node"), &key).unwrap();
    (directory, vault)
}

fn row(id: Option<&str>) -> StoredRow {
    StoredRow {
        record_id: id.map(str::to_owned),
        agreement: Digest([1; 32]),
        epoch: AgreementEpoch([2; 16]),
        custody: 1,
        kind: 20,
        tag: KeyTag([3; 16]),
        urgency: Default::default(),
        input: None,
        token: None,
        root: None,
        registered: false,
        silent: false,
    }
}

/// Sums as they are kept, and as they are reckoned anew from what lies in the vault.
fn both_sums(vault: &Vault, rows: &Rows) -> [(u64, Holdings, u64); 2] {
    let told = |rows: &Rows| {
        let sums = rows.sums().unwrap();
        let waiting = Pending(Arc::clone(&rows.0)).len();
        (sums.registered, sums.holdings, waiting)
    };
    [told(rows), told(&open(vault).unwrap().0)]
}

#[test]
fn rows_of_a_record_lie_in_its_block_under_handles_that_differ() {
    let (_directory, vault) = vault();
    let (rows, pending) = open(&vault).unwrap();
    assert_eq!(rows.sums().unwrap().registered, 0);
    let handles: Vec<Handle> = (0..20).map(|_| rows.handle_in(7).unwrap()).collect();
    let other = rows.handle_in(8).unwrap();
    assert!(handles.iter().all(|handle| rows.block_of(handle) == 7));
    let distinct: BTreeSet<&[u8]> = handles.iter().map(|handle| &handle.0[8..]).collect();
    assert_eq!(distinct.len(), 20, "the block's number does not show");
    rows.put_waiting(handles.iter().map(|handle| (*handle, row(Some("a")))))
        .unwrap();
    rows.put(&other, &row(None)).unwrap();
    assert_eq!((pending.len(), pending.iter().count()), (20, 20));
    assert_eq!(pending.blocks(None, 10).unwrap().0, [7]);
    assert!(pending.contains(&handles[0]).unwrap() && !pending.contains(&other).unwrap());

    let half = handles
        .iter()
        .step_by(2)
        .map(|handle| (*handle, Token(handle.0)));
    rows.change_each(half, |row, _, token| {
        (row.registered, row.token) = (true, Some(token));
        false
    })
    .unwrap();
    assert_eq!(pending.len(), 10);
    let [kept, anew] = both_sums(&vault, &rows);
    assert_eq!(kept, anew);
    assert_eq!((kept.0, kept.1.count), (10, 10));

    pending.remove_many(&handles).unwrap();
    pending.put(&handles[1]).unwrap();
    rows.remove_many(&handles[2..], 1).unwrap();
    let [kept, anew] = both_sums(&vault, &rows);
    assert_eq!(kept, anew);
    assert_eq!((kept.0, kept.2), (1, 1));
    assert_eq!(rows.get_many(&handles).unwrap().len(), 2);
    assert_eq!(rows.iter().count(), 3);
    assert_eq!(rows.waiting_in(&[7]).unwrap().len(), 1);

    // What is gone is not brought back by a change that comes late.
    rows.change_each([(handles[5], ())], |_, _, ()| true)
        .unwrap();
    assert!(rows.get(&handles[5]).unwrap().is_none());
    rows.remove_many(&handles, 1).unwrap();
    assert!(pending.is_empty() && pending.blocks(None, 10).unwrap().0.is_empty());
}

#[test]
fn the_root_of_a_row_that_is_gone_stays_until_it_is_forgotten() {
    let (_directory, vault) = vault();
    let (rows, _) = open(&vault).unwrap();
    let [first, second, third] = [7, 7, 8].map(|block| rows.handle_in(block).unwrap());
    let with_root = |custody: u32| StoredRow {
        root: Some(Secret(vec![custody as u8; 32])),
        custody,
        ..row(Some("a"))
    };
    rows.put_waiting([
        (first, with_root(1)),
        (second, with_root(1)),
        (third, with_root(2)),
    ])
    .unwrap();
    rows.remove_many(&[first, third], 1).unwrap();
    let roots = |block| rows.roots_in(block).unwrap().len();
    assert_eq!((roots(7), roots(8), rows.roots().count()), (1, 1, 2));
    rows.remove_many(&[second], 1).unwrap();
    assert_eq!((roots(7), rows.iter().count()), (1, 0));
    let old = rows.handle_in(9).unwrap();
    rows.put_waiting([(old, with_root(1))]).unwrap();
    rows.remove_many(&[old], 2).unwrap();
    assert_eq!(roots(9), 0, "a root of a custody key of before");
    rows.forget_spare_before(2).unwrap();
    assert_eq!((roots(7), roots(8)), (0, 1));
    rows.forget_spare(8).unwrap();
    assert_eq!((roots(8), rows.roots().count()), (0, 0));
}

#[test]
fn a_block_that_a_kill_left_on_the_list_is_passed_over() {
    let (_directory, vault) = vault();
    vault
        .blocks("waiting")
        .unwrap()
        .put(9, &1u32.to_be_bytes())
        .unwrap();
    let (rows, pending) = open(&vault).unwrap();
    let (blocks, _) = pending.blocks(None, 10).unwrap();
    assert_eq!((blocks.as_slice(), pending.len()), (&[9][..], 1));
    assert!(rows.waiting_in(&blocks).unwrap().is_empty());
    assert!(pending.is_empty() && pending.blocks(None, 10).unwrap().0.is_empty());
    // Control: with a row in it that waits.
    let handle = rows.handle_in(9).unwrap();
    rows.put_waiting([(handle, row(Some("a")))]).unwrap();
    assert_eq!(rows.waiting_in(&blocks).unwrap().len(), 1);
}
