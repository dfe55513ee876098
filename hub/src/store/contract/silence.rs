//! Silent rows: whom they tell, and that nobody else can tell.

use super::*;
use crate::store::Work;

fn tell(store: &Arc<dyn Store>) {
    while store.tell(2, 100).unwrap().done > 0 {}
}

pub fn rows(make: Make<'_>, dir: &Path) {
    let store = make(dir);
    submit(&store, "a", vec![silent(row(1, 1))]);
    submit(&store, "b", vec![row(1, 2)]);
    assert!(mail(&store, "a").is_empty(), "told later");
    tell(&store);
    assert_eq!(mail(&store, "a"), [notice(1, 2, "b", false)]);
    assert!(mail(&store, "b").is_empty());
    submit(&store, "c", vec![silent(row(1, 3))]);
    assert_eq!(
        mail(&store, "c"),
        [notice(3, 2, "b", false)],
        "its own answer may tell"
    );
    tell(&store);
    assert_eq!(mail(&store, "a").len(), 1, "two silent ones never meet");
    assert!(mail(&store, "b").is_empty());
    let done = store.withdraw(&agency("a"), &[Handle([1; 16])], 7).unwrap();
    assert_eq!((done.withdrawn, done.cancelled), (1, 0), "b never knew");
    let done = store.withdraw(&agency("b"), &[Handle([2; 16])], 7).unwrap();
    assert_eq!(
        (done.withdrawn, done.cancelled),
        (1, 0),
        "c knew, and b does not hear so"
    );
    tell(&store);
    assert_eq!(mail(&store, "c").last(), Some(&cancellation(3, 2)));
    assert!(mail(&store, "b").is_empty());
    for member in ["a", "b", "c"] {
        let held = store.holdings(&agency(member)).unwrap();
        assert_eq!(store.recount(&agency(member)).unwrap(), held);
    }
}

pub fn queries(make: Make<'_>, dir: &Path) {
    let store = make(dir);
    submit(&store, "a", vec![silent(row(1, 1))]);
    let done = store.query(&batch("b", vec![row(1, 9)])).unwrap();
    assert!(done.hits.is_empty() && done.woken.is_empty());
    assert!(mail(&store, "a").is_empty(), "told later");
    tell(&store);
    assert_eq!(mail(&store, "a"), [notice(1, 9, "b", true)]);
    let own = store.query(&batch("a", vec![row(1, 8)])).unwrap();
    tell(&store);
    assert!(own.hits.is_empty() && mail(&store, "a").len() == 1);
}

/// Everything that an answer takes, and the answer, of a store that holds a silent row and one that does
/// not. The positive control is an open row.
pub fn work(make: Make<'_>, dir: &Path) {
    let outcome = |name: &str, stored: Option<Row>| {
        let store = make(&dir.join(name));
        submit(&store, "a", vec![row(7, 7)]);
        submit(&store, "a", stored.into_iter().collect());
        tell(&store);
        let rows: Vec<Row> = (1..=5).map(|number| row(number, 100 + number)).collect();
        let asked = store.query(&batch("b", rows.clone())).unwrap();
        let submitted = store.submit(&batch("b", rows)).unwrap();
        let handles: Vec<Handle> = (1..=5).map(|number| Handle([100 + number; 16])).collect();
        let withdrawn = store.withdraw(&agency("b"), &handles, 7).unwrap();
        (
            asked,
            submitted,
            withdrawn,
            store.frontier().unwrap().size(),
        )
    };
    let (miss, silent_hit) = (
        outcome("miss", None),
        outcome("silent", Some(silent(row(3, 3)))),
    );
    // One submission more is in the log of the store that has a row more.
    assert_eq!(
        (&miss.0, &miss.1, &miss.2),
        (&silent_hit.0, &silent_hit.1, &silent_hit.2)
    );
    assert_eq!(miss.3 + 1, silent_hit.3);
    assert_ne!(miss.0.work, Work::default(), "work is counted at all");
    let hit = outcome("hit", Some(row(3, 3)));
    assert_ne!(hit.0.work, miss.0.work, "an open hit is more work");
    assert_ne!(hit.2.cancelled, miss.2.cancelled);
}

pub fn limits(make: Make<'_>, dir: &Path) {
    let store = make(dir);
    // As many silent rows as the limit, and one more: that one watches nothing and is told so. Those of
    // others do not count.
    let own = [1, 2, 3].map(|handle| silent(row(1, handle)));
    submit(&store, "b", vec![silent(row(1, 4))]);
    submit(&store, "a", own.to_vec());
    assert!(mail(&store, "a").is_empty());
    submit(&store, "a", vec![silent(row(1, 21))]);
    assert_eq!(mail(&store, "a"), [common(21)]);
    // A member counts up to the limit with rows of its own, and learns nothing.
    submit(&store, "e", vec![row(1, 5), row(1, 6), row(1, 7)]);
    tell(&store);
    assert!(mail(&store, "e").is_empty());
    submit(&store, "e", vec![row(1, 8)]);
    assert_eq!(
        mail(&store, "e").first(),
        Some(&common(8)),
        "its fourth own row takes it over the limit, as it would without the silent ones"
    );
    tell(&store);
    let told = |member| mail(&store, member).len();
    assert_eq!((told("a"), told("b")), (1 + 3 * 3, 3));
    submit(&store, "e", vec![row(1, 9)]);
    tell(&store);
    assert_eq!((told("a"), told("b")), (1 + 3 * 3, 3), "common is quiet");
}

/// A mailbox that is full of what silent rows met refuses nobody; the control is one that is full of what
/// open rows met.
pub fn full_mailboxes(make: Make<'_>, dir: &Path) {
    let store = make(dir);
    submit(&store, "a", vec![silent(row(1, 1)), row(2, 2)]);
    let ask = |token| {
        for handle in 50..55 {
            store.query(&batch("b", vec![row(token, handle)])).unwrap();
        }
        while store.tell(10, 3).unwrap().done > 0 {}
    };
    ask(1);
    assert_eq!(mail(&store, "a").len(), 3, "it has a limit of its own");
    let send = |number| store.send(&envelope("b", "a", number), 3, 7);
    let full = |rows| Batch {
        mailbox_max_items: 3,
        ..batch("f", rows)
    };
    assert!(send(1).is_ok());
    assert_eq!(store.query(&full(vec![row(2, 60)])).unwrap().hits.len(), 1);
    assert!(store.submit(&full(vec![row(2, 61)])).is_ok());
    assert!(send(2).is_err(), "the open ones fill it");
    // What is acknowledged makes room in the part that it filled.
    store.acknowledge(&agency("a"), 3, 7).unwrap();
    assert!(
        send(2).is_err(),
        "the silent three are gone, the open three are not"
    );
    ask(1);
    assert_eq!(store.waiting().unwrap(), 6 + 1);
    store.acknowledge(&agency("a"), 9, 7).unwrap();
    assert!(send(2).is_ok());
    assert_eq!(
        store.waiting().unwrap(),
        1 + 1,
        "and f has the notice of its row"
    );
}

pub fn survives(make: Make<'_>, dir: &Path) {
    let store = make(dir);
    submit(&store, "a", vec![silent(row(1, 1)), silent(row(2, 2))]);
    submit(&store, "b", vec![row(1, 3)]);
    store.query(&batch("c", vec![row(2, 4)])).unwrap();
    drop(store);
    let store = make(dir);
    // Gone again before anybody was told: nobody is.
    store.withdraw(&agency("b"), &[Handle([3; 16])], 7).unwrap();
    tell(&store);
    assert_eq!(mail(&store, "a"), [notice(2, 4, "c", true)]);
    assert_eq!(store.tell(9, 100).unwrap().done, 0);
    // A silent row that comes before the telling is told once.
    submit(&store, "b", vec![row(5, 5)]);
    submit(&store, "a", vec![silent(row(5, 6))]);
    tell(&store);
    let of_it = mail(&store, "a");
    assert_eq!(of_it.len(), 2);
    assert_eq!(of_it.last(), Some(&notice(6, 5, "b", false)));
}
