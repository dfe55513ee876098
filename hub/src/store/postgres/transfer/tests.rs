//! Carrying over to a database and out of it.

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::store::contract::transfer::{differences, histories, interruptions, moved, refusals};
use crate::store::fjall::FjallStore;
use crate::store::postgres::Settings;
use crate::store::postgres::trial::{Schemas, server};

fn on_disk(dir: &Path) -> Arc<dyn Transfer> {
    Arc::new(FjallStore::open_for_transfer(dir).unwrap())
}

/// Fewer histories than between two stores on disk: each has tables of its own.
const HISTORIES: u32 = 8;

#[test]
fn any_history_is_carried_into_a_database_and_goes_on() {
    let Some(server) = server("any history is carried into a database") else {
        return;
    };
    let schemas = Schemas::on(server);
    let in_database = |dir: &Path| -> Arc<dyn Transfer> { schemas.open_for_transfer(dir) };
    moved(&on_disk, &in_database);
    histories(&on_disk, &in_database, HISTORIES);
}

#[test]
fn any_history_is_carried_out_of_a_database_and_goes_on() {
    let Some(server) = server("any history is carried out of a database") else {
        return;
    };
    let schemas = Schemas::on(server);
    let in_database = |dir: &Path| -> Arc<dyn Transfer> { schemas.open_for_transfer(dir) };
    histories(&in_database, &on_disk, HISTORIES);
}

#[test]
fn a_database_is_counted_and_compared_and_goes_on_where_it_stopped() {
    let Some(server) = server("carrying over between databases") else {
        return;
    };
    let schemas = Schemas::on(server);
    let in_database = |dir: &Path| -> Arc<dyn Transfer> { schemas.open_for_transfer(dir) };
    refusals(&in_database);
    differences(&in_database);
    interruptions(&in_database, 9);
}

#[test]
fn a_part_of_another_store_serves_no_hub() {
    let Some(server) = server("a part of another store serves no hub") else {
        return;
    };
    let schemas = Schemas::on(server);
    let dir = tempfile::tempdir().unwrap();
    let store = schemas.open_for_transfer(dir.path());
    let progress = Progress {
        origin: symbolon_core::encoding::Digest([1; 32]),
        kind: Some(Kind::Rows),
        after: Some(vec![0, 255]),
    };
    store.take(Vec::new(), &progress).unwrap();
    assert_eq!(store.progress().unwrap(), Some(progress));
    let settings = Settings::new(schemas.url(dir.path()).into());
    let told = PostgresStore::open(&settings).err().unwrap().to_string();
    assert!(
        told.contains("run `symbolon-hub store migrate` again"),
        "{told}"
    );
    store.finish().unwrap();
    assert!(PostgresStore::open(&settings).is_ok());
}
