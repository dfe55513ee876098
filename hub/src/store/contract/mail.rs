//! What every store must do with mailboxes.

use std::path::Path;

use symbolon_core::row::Holdings;

use super::super::{Item, StoreError};
use super::{Make, agency, batch, envelope, mail, row, submit};

pub fn mail_is_numbered_for_good(make: Make<'_>, dir: &Path) {
    let store = make(dir);
    assert!(store.send(&envelope("b", "a", 1), 100, 7).unwrap());
    assert!(!store.send(&envelope("b", "a", 1), 100, 7).unwrap());
    assert!(store.send(&envelope("c", "a", 1), 100, 7).unwrap());
    let member = agency("a");
    let all = store.deliveries(&member, 0, 10).unwrap();
    assert_eq!(all[0], (1, Item::Envelope(envelope("b", "a", 1))));
    assert_eq!(all[1].0, 2);
    assert_eq!(store.deliveries(&member, 1, 10).unwrap().len(), 1);
    let ahead = store.acknowledge(&member, 3, 7);
    assert!(matches!(ahead, Err(StoreError::CursorAhead(2))));
    assert_eq!(store.waiting().unwrap(), 2);
    store.acknowledge(&member, 2, 7).unwrap();
    store.acknowledge(&member, 1, 7).unwrap();
    assert!(mail(&store, "a").is_empty());
    assert_eq!(store.waiting().unwrap(), 0);
    drop(store);
    let store = make(dir);
    assert_eq!(store.last_sequence(&member).unwrap(), 2);
    store.send(&envelope("b", "a", 2), 100, 7).unwrap();
    assert_eq!(store.deliveries(&member, 0, 10).unwrap()[0].0, 3);
    assert_eq!(store.last_sequence(&agency("b")).unwrap(), 0);
}

pub fn full_mailboxes(make: Make<'_>, dir: &Path) {
    let store = make(dir);
    submit(&store, "a", vec![row(1, 1), row(2, 2)]);
    store.send(&envelope("b", "a", 1), 1, 7).unwrap();
    let full = store.send(&envelope("b", "a", 2), 1, 7);
    assert!(matches!(full, Err(StoreError::MailboxFull(_))));
    let again = store.send(&envelope("b", "a", 1), 1, 7);
    assert!(!again.unwrap(), "a repeated one is no new one");
    let mut refused = batch("b", vec![row(7, 6), row(1, 3)]);
    refused.mailbox_max_items = 1;
    let logged = store.frontier().unwrap();
    let full = store.submit(&refused);
    assert!(matches!(full, Err(StoreError::MailboxFull(_))));
    assert_eq!(store.holdings(&agency("b")).unwrap(), Holdings::default());
    assert_eq!(store.frontier().unwrap(), logged);
    assert!(mail(&store, "b").is_empty());
    let unanswered = store.query(&refused).unwrap();
    assert!(unanswered.hits.is_empty(), "an owner is told, or nobody is");
}
