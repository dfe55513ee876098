//! Changes of the schema: numbered files, carried out in order, each once, forwards only.
//!
//! Whoever starts holds the line of the version meanwhile, so that two hubs that start at once take
//! turns and the second finds nothing to do. An advisory lock would do the same, where there is one.

use deadpool_postgres::{Client, GenericClient};
use tokio_postgres::error::SqlState;

use super::fault::Fault;
use super::tx::ask;
use crate::store::StoreError;

/// In order; the first is number 1. What was released is never changed.
const MIGRATIONS: [&str; 3] = [
    include_str!("migrations/0001_tables.sql"),
    include_str!("migrations/0002_relays.sql"),
    include_str!("migrations/0003_transfer.sql"),
];
/// Tables that lie in parts, and the column whose hash tells which.
const PARTED: [(&str, &str); 4] = [
    ("tokens", "token"),
    ("rows", "token"),
    ("silent", "token"),
    ("handles", "handle"),
];
/// How many parts: each one's index is a sixteenth, and clean-up goes over them one by one.
const PARTS: usize = 16;

/// Brings the schema to where this program knows it.
pub async fn migrate(client: &mut Client, place: &str, kind: Kind) -> Result<(), Fault> {
    make_version(client).await?;
    let tx = client.transaction().await?;
    let found = ask(
        &tx,
        "SELECT version FROM schema_version WHERE single FOR UPDATE",
        &[],
    )
    .await?;
    let found = found
        .first()
        .ok_or(Fault::Damaged("the schema has no version"))?;
    let found: i32 = found.try_get(0)?;
    let known = i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX);
    if found > known {
        return Err(Fault::Refused(StoreError::Newer {
            place: place.to_owned(),
            found: found.unsigned_abs(),
            known: known.unsigned_abs(),
        }));
    }
    let done = usize::try_from(found).unwrap_or(0);
    for migration in MIGRATIONS.iter().skip(done) {
        tx.batch_execute(&in_full(migration, kind.parted)).await?;
    }
    if found < known {
        ask(
            &tx,
            "UPDATE schema_version SET version = $1 WHERE single",
            &[&known],
        )
        .await?;
        tx.commit().await?;
        tracing::info!(
            from = found,
            to = known,
            "the schema of the database was brought forwards"
        );
    }
    Ok(())
}

/// The line that is held; two hubs may make its table at once, and one of them is refused.
async fn make_version(client: &Client) -> Result<(), Fault> {
    const TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_version (
        single boolean PRIMARY KEY CHECK (single), version integer NOT NULL)";
    let there = "SELECT 1 FROM schema_version WHERE single";
    if client
        .query(there, &[])
        .await
        .is_ok_and(|lines| !lines.is_empty())
    {
        return Ok(());
    }
    for last in [false, true] {
        match client.batch_execute(TABLE).await {
            Err(error) if !last && made_meanwhile(error.code()) => {}
            made => {
                made?;
                break;
            }
        }
    }
    const LINE: &str =
        "INSERT INTO schema_version (single, version) VALUES (true, 0) ON CONFLICT DO NOTHING";
    Ok(client.batch_execute(LINE).await?)
}

fn made_meanwhile(code: Option<&SqlState>) -> bool {
    let codes = [
        SqlState::UNIQUE_VIOLATION,
        SqlState::DUPLICATE_TABLE,
        SqlState::DUPLICATE_OBJECT,
    ];
    code.is_some_and(|code| codes.contains(code))
}

/// What the database is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// We lay its tables in parts; others spread them by themselves or by functions of their own.
    pub parted: bool,
    /// It has LISTEN and NOTIFY.
    pub rings: bool,
    /// It takes a limit in what is looked up for each line of an array.
    pub fences: bool,
}

/// Finds out what the database is.
pub async fn kind(client: &Client) -> Result<Kind, Fault> {
    let version = ask(client, "SELECT version()", &[]).await?;
    let version: &str = version.first().map_or(Ok(""), |line| line.try_get(0))?;
    if version.contains("CockroachDB") || version.contains("-YB-") {
        return Ok(Kind {
            parted: false,
            rings: false,
            fences: true,
        });
    }
    let citus = "SELECT 1 FROM pg_extension WHERE extname = 'citus'";
    let plain = ask(client, citus, &[]).await?.is_empty();
    Ok(Kind {
        parted: plain,
        rings: true,
        fences: plain,
    })
}

/// A migration with the parts of its tables, or without them.
fn in_full(migration: &str, parted: bool) -> String {
    let mut out = migration.to_owned();
    if !parted {
        return out;
    }
    for column in ["token", "handle"] {
        out = out.replace(
            &format!("/*by {column}*/"),
            &format!("PARTITION BY HASH ({column})"),
        );
    }
    for (table, _) in PARTED {
        if !migration.contains(&format!("CREATE TABLE IF NOT EXISTS {table} (")) {
            continue;
        }
        for number in 0..PARTS {
            out.push_str(&format!(
                "CREATE TABLE IF NOT EXISTS {table}_{number} PARTITION OF {table} FOR VALUES WITH (MODULUS {PARTS}, REMAINDER {number});\n"
            ));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_parted_where_the_database_does_not_do_it() {
        let [first, ..] = MIGRATIONS;
        let parted = in_full(first, true);
        for (table, column) in PARTED {
            assert!(parted.contains(&format!("{table}_{} PARTITION OF {table} ", PARTS - 1)));
            assert!(parted.contains(&format!("PARTITION BY HASH ({column})")));
        }
        assert!(!parted.contains("/*"));
        assert!(!in_full(first, false).contains("PARTITION"));
    }
}
