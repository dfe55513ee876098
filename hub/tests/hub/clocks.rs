//! Clocks that are set wrong: nobody gets in by it, and the reason names both times.

use std::time::Duration;

use symbolon_hub::membership::NotAdmitted;

use crate::consortium::Consortium;
use crate::transport::{ask, is_shut_out};

const DAY_S: i64 = 86_400;

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_whose_clock_is_set_back_or_forward_lets_nobody_in_by_it() {
    let consortium = Consortium::found().await;
    let harbour = consortium.enrol("harbour").await;
    let connect = || consortium.connect(&harbour.chain_pem, &harbour.key_pem);
    ask(connect().await.unwrap()).await.unwrap();
    // A day back: the certificate is not yet good.
    consortium.clock.advance(-DAY_S);
    assert!(is_shut_out(connect().await).await);
    consortium.clock.advance(DAY_S);
    ask(connect().await.unwrap()).await.unwrap();
    // A day forward, in the last hours of the certificate's life: it is not good any more.
    // The list of revoked certificates is over with that jump: until the hub has published the next,
    // nobody is let in.
    consortium.clock.advance(29 * DAY_S + 3_600);
    let waiting = tokio::time::timeout(Duration::from_secs(20), async {
        while is_shut_out(connect().await).await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    waiting.await.unwrap();
    consortium.clock.advance(DAY_S);
    assert!(is_shut_out(connect().await).await);
    consortium.clock.advance(-DAY_S);
    ask(connect().await.unwrap()).await.unwrap();
}

#[test]
fn the_reason_names_both_times() {
    let reason = NotAdmitted::OutOfTime {
        from: 1_800_000_000,
        until: 1_800_086_400,
        now: 1_800_172_800,
    };
    assert_eq!(
        reason.to_string(),
        "the certificate is good from 2027-01-15T08:00:00Z to 2027-01-16T08:00:00Z, and by this \
         hub's clock it is 2027-01-17T08:00:00Z"
    );
}
