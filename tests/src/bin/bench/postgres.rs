//! The hub's index in PostgreSQL: the same rows as in the embedded one, beside bare binary COPY of the same
//! bytes before it, into a table without an index and into one with a primary key.
//!
//! Everything lies in a schema of its own, which is gone at the end. What the server's disk and settings
//! cost is in all three.

use std::pin::pin;
use std::time::Instant;

use clap::Args;
use futures::SinkExt;
use symbolon_core::row::Row;
use symbolon_hub::store::postgres::{PostgresStore, Settings};
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls};

use crate::index::{BATCH, Maker, fill, ingest, look_ups};
use crate::report::Report;

const PART: &str = "postgres";

/// Which database, and how much goes into it.
#[derive(Args, Clone)]
pub struct Database {
    /// URL of a database in which a schema can be made
    #[arg(long, env = "SYMBOLON_TEST_POSTGRES", hide_env_values = true)]
    pub url: String,
    /// Rows in the index at the end
    #[arg(long, default_value_t = 1_000_000)]
    pub rows: usize,
}

pub fn measure(report: &mut Report, url: &str, rows: usize) {
    let runtime = Runtime::new().unwrap();
    let client = connect(&runtime, url);
    let schema = format!("bench_{}", std::process::id());
    let run = |sql: &str| runtime.block_on(client.batch_execute(sql)).unwrap();
    run(&format!(
        "CREATE SCHEMA {schema}; SET search_path = {schema}"
    ));
    let columns =
        "token bytea NOT NULL, epoch bytea NOT NULL, handle bytea NOT NULL, payload bytea NOT NULL";
    run(&format!("CREATE TABLE bare ({columns})"));
    run(&format!(
        "CREATE TABLE keyed ({columns}, PRIMARY KEY (token, handle))"
    ));
    let sign = if url.contains('?') { '&' } else { '?' };
    let url = format!("{url}{sign}options=-csearch_path%3D{schema}");
    let store = PostgresStore::open(&Settings::new(url.into())).unwrap();
    let batches = (rows / BATCH).max(20);
    let copy_all = |table: &str| -> Vec<f64> {
        let mut made = Maker::default();
        let took = (0..batches).map(|number| {
            let (_, rows) = made.batch(number);
            runtime.block_on(copy(&client, table, copied(&rows)))
        });
        took.collect()
    };
    let bare = copy_all("bare");
    let keyed: f64 = copy_all("keyed").iter().sum();
    let (took, known) = fill(&store, batches);
    ingest(report, PART, &bare, &took);
    let total = (batches * BATCH) as f64;
    report.figure(
        PART,
        "bare COPY with a primary key",
        total / keyed,
        "rows/s",
    );
    look_ups(report, PART, &store, &known);
    drop(store);
    let size = "SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = $1 AND c.relkind = 'r' AND (c.relname IN ('bare', 'keyed')) = $2";
    for (bare, name) in [(false, "on disk"), (true, "both bare tables on disk")] {
        let line = runtime
            .block_on(client.query_one(size, &[&schema, &bare]))
            .unwrap();
        let bytes: i64 = line.get(0);
        report.figure(PART, name, bytes as f64 / total, "bytes a row");
    }
    run(&format!("DROP SCHEMA {schema} CASCADE"));
}

fn connect(runtime: &Runtime, url: &str) -> Client {
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    })
}

/// Seconds of one COPY.
async fn copy(client: &Client, table: &str, bytes: Vec<u8>) -> f64 {
    let start = Instant::now();
    let sql = format!("COPY {table} FROM STDIN WITH (FORMAT binary)");
    let sink = client.copy_in(&sql).await.unwrap();
    let mut sink = pin!(sink);
    sink.send(std::io::Cursor::new(bytes)).await.unwrap();
    sink.finish().await.unwrap();
    start.elapsed().as_secs_f64()
}

/// Rows in the format of binary COPY.
fn copied(rows: &[Row]) -> Vec<u8> {
    let mut bytes = b"PGCOPY\n\xff\r\n\0".to_vec();
    bytes.extend_from_slice(&[0; 8]);
    for row in rows {
        bytes.extend_from_slice(&4i16.to_be_bytes());
        let fields: [&[u8]; 4] = [
            &row.token.0,
            &row.agreement_epoch.0,
            &row.handle.0,
            &row.payload.0,
        ];
        for field in fields {
            bytes.extend_from_slice(&(field.len() as i32).to_be_bytes());
            bytes.extend_from_slice(field);
        }
    }
    bytes.extend_from_slice(&(-1i16).to_be_bytes());
    bytes
}
