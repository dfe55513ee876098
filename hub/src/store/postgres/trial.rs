//! A server for the tests, and schemas of their own on it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::{PostgresStore, Settings};
use crate::store::Store;

/// The server that tests may use: the URL of `SYMBOLON_TEST_POSTGRES`, with the right to make schemas.
/// Without one the test says so and passes, and where `CI` is set it fails.
pub fn server(test: &str) -> Option<String> {
    let server = std::env::var("SYMBOLON_TEST_POSTGRES").ok();
    if server.is_none() {
        let told =
            "SKIPPED, no server: set SYMBOLON_TEST_POSTGRES to the URL of a PostgreSQL server";
        assert!(std::env::var("CI").is_err(), "{test}: {told}");
        eprintln!("{test}: {told}");
    }
    server
}

/// Schemas on a server, one for each directory; gone at the end.
pub struct Schemas {
    server: String,
    made: Mutex<BTreeSet<String>>,
}

impl Schemas {
    pub fn on(server: String) -> Self {
        Self {
            server,
            made: Mutex::default(),
        }
    }

    /// The name of a directory's schema.
    pub fn schema(&self, dir: &Path) -> String {
        let name = symbolon_core::crypto::sha256(dir.as_os_str().as_encoded_bytes());
        let name: String = name.0.iter().take(8).map(|b| format!("{b:02x}")).collect();
        format!("trial_{name}")
    }

    /// The schema of a directory, fresh or the same again.
    pub fn url(&self, dir: &Path) -> String {
        let schema = self.schema(dir);
        if self.made.lock().unwrap().insert(schema.clone()) {
            run(&self.server, &format!("CREATE SCHEMA {schema}"));
        }
        let sign = if self.server.contains('?') { '&' } else { '?' };
        let (server, options) = (&self.server, "options=-csearch_path%3D");
        format!("{server}{sign}application_name={schema}&{options}{schema}")
    }

    /// The same, for carrying all of it over.
    pub fn open_for_transfer(&self, dir: &Path) -> Arc<PostgresStore> {
        let settings = Settings::new(self.url(dir).into());
        Arc::new(PostgresStore::open_for_transfer(&settings).unwrap())
    }

    /// A store in the schema of a directory.
    pub fn open(&self, dir: &Path) -> Arc<PostgresStore> {
        let settings = Settings::new(self.url(dir).into());
        Arc::new(PostgresStore::open(&settings).unwrap())
    }
}

impl Drop for Schemas {
    fn drop(&mut self) {
        for schema in self.made.lock().unwrap().iter() {
            run(&self.server, &format!("DROP SCHEMA {schema} CASCADE"));
        }
    }
}

/// Carries out statements over a connection of their own.
pub fn run(url: &str, sql: &str) {
    let (url, sql) = (url.to_owned(), sql.to_owned());
    let running = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let connected = tokio_postgres::connect(&url, tokio_postgres::NoTls).await;
            let (client, connection) = connected.unwrap();
            tokio::spawn(connection);
            client.batch_execute(&sql).await.unwrap();
        });
    });
    running.join().unwrap();
}

#[test]
fn keeps_the_contract() {
    let Some(server) = server("the contract in PostgreSQL") else {
        return;
    };
    let schemas = Schemas::on(server);
    crate::store::contract::run_all(|dir| -> Arc<dyn Store> { schemas.open(dir) });
}
