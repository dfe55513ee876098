//! The contract on this store, and what only this store has.

use std::sync::Arc;

use super::*;

#[test]
fn keeps_the_contract() {
    crate::store::contract::run_all(|dir| -> Arc<dyn Store> {
        Arc::new(FjallStore::open(dir).unwrap())
    });
}

fn to_be_carried(dir: &Path) -> Arc<dyn crate::store::transfer::Transfer> {
    Arc::new(FjallStore::open_for_transfer(dir).unwrap())
}

#[test]
fn any_history_is_carried_over_and_goes_on() {
    crate::store::contract::transfer::histories(&to_be_carried, &to_be_carried, 32);
}

#[test]
fn what_moved_before_it_was_told_of_is_not_told_of_after_it_was_carried_over() {
    crate::store::contract::transfer::moved(&to_be_carried, &to_be_carried);
}

#[test]
fn what_is_carried_over_is_counted_and_compared() {
    crate::store::contract::transfer::refusals(&to_be_carried);
    crate::store::contract::transfer::differences(&to_be_carried);
}

#[test]
fn a_migration_goes_on_where_it_stopped() {
    crate::store::contract::transfer::interruptions(&to_be_carried, 1);
}

#[test]
fn a_part_of_another_store_serves_no_hub() {
    use crate::store::transfer::{Kind, Progress, Transfer};
    let dir = tempfile::tempdir().unwrap();
    let store = FjallStore::open(dir.path()).unwrap();
    let progress = Progress {
        origin: Digest([1; 32]),
        kind: Some(Kind::Rows),
        after: Some(vec![0, 255]),
    };
    store.take(Vec::new(), &progress).unwrap();
    assert_eq!(store.progress().unwrap(), Some(progress));
    drop(store);
    let told = FjallStore::open(dir.path()).err().unwrap().to_string();
    assert!(told.contains("run `symbolon-hub store migrate` again"));
    let store = FjallStore::open_for_transfer(dir.path()).unwrap();
    store.finish().unwrap();
    drop(store);
    assert!(FjallStore::open(dir.path()).is_ok());
}

#[test]
fn what_lay_there_before_a_start_is_joined_with_after_it() {
    use crate::store::contract::{batch, row};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let store = FjallStore::open(&path).unwrap();
    store.submit(&batch("a", vec![row(1, 1)])).unwrap();
    drop(store);
    let store = FjallStore::open(&path).unwrap();
    while !store.writing.lock().is_complete() {
        std::thread::yield_now();
    }
    assert!(!store.writing.lock().may_have_handle(b"never stored"));
    let done = store.submit(&batch("b", vec![row(1, 2)])).unwrap();
    assert_eq!(done.woken.len(), 2, "both sides have a notice");
    let again = store.submit(&batch("a", vec![row(1, 1)])).unwrap();
    assert_eq!(again.holdings.count, 1, "the handle is known");
}

#[test]
fn a_damaged_store_says_so_and_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let store = FjallStore::open(&path).unwrap();
    let entry = LogEntry {
        at: 0,
        event: crate::log::Event::Roster,
        member: None,
        count: 1,
        digest: None,
    };
    store.note(&entry).unwrap();
    drop(store);
    let version = path.join("version");
    assert!(version.exists());
    std::fs::write(&version, b"not a version").unwrap();
    let told = FjallStore::open(&path).err().unwrap().to_string();
    assert!(told.contains("is damaged (") && told.contains("restore the backup"));
}
