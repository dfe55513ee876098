//! The honest member.

use std::time::{Duration, Instant};

use symbolon_core::crypto;
use symbolon_core::row::{
    AgreementEpoch, ExpiryMonth, Handle, PAYLOAD_BYTES, Row, SealedPayload, Token,
};
use symbolon_tests::consortium::Consortium;

use super::Measured;

const QUERY_ROWS: usize = 64;

/// Milliseconds of queries.
#[derive(Default)]
pub struct Times(Vec<f64>);

fn row(epoch: AgreementEpoch) -> Row {
    Row {
        agreement_epoch: epoch,
        token: Token(crypto::random().unwrap()),
        handle: Handle::random().unwrap(),
        silent: false,
        expiry: ExpiryMonth::of(time::OffsetDateTime::now_utc().unix_timestamp()),
        payload: SealedPayload(crypto::random::<PAYLOAD_BYTES>().unwrap()),
    }
}

impl Times {
    /// Asks so many times a second, so many seconds long.
    pub async fn take(&mut self, consortium: &Consortium, measured: &Measured) {
        let police = consortium.node("police").unwrap();
        let epoch = police.agreement(Some("flood")).unwrap().standing.epoch_id();
        let hub = police.hub().await.unwrap();
        let every = Duration::from_secs(1) / measured.rate.max(1);
        let start = Instant::now();
        let mut due = start;
        while start.elapsed() < Duration::from_secs(measured.seconds) {
            let rows: Vec<Row> = (0..QUERY_ROWS).map(|_| row(epoch)).collect();
            let now = Instant::now();
            // One that has to wait for the query before it waits as well.
            let from = if now < due {
                tokio::time::sleep(due - now).await;
                Instant::now()
            } else {
                due
            };
            hub.query(&rows).await.unwrap();
            self.0.push(from.elapsed().as_secs_f64() * 1000.0);
            due += every;
        }
    }

    /// The time below which this share of the queries is.
    pub fn percentile(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let at = (sorted.len() as f64 * share).ceil() as usize;
        sorted.get(at.saturating_sub(1)).copied().unwrap_or(0.0)
    }

    /// How many there were.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}
