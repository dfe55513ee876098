//! Members and epochs by short identifiers: eight bytes of a digest.
//!
//! They are the same in every hub and every database, so that nothing that a hub remembers becomes wrong
//! when another server takes over. A member's lines are made before its first verb, outside of it.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use deadpool_postgres::GenericClient;
use symbolon_core::crypto;
use symbolon_core::identity::AgencyName;
use symbolon_core::row::AgreementEpoch;

use super::fault::Fault;
use super::tx::ask;

const DAMAGED: Fault = Fault::Damaged("two members or epochs have one identifier");

/// The identifier of a member.
pub fn member_id(member: &AgencyName) -> i64 {
    short("symbolon member id v1", member.as_str().as_bytes())
}

/// The identifier of an epoch.
pub fn epoch_id(epoch: &AgreementEpoch) -> i64 {
    short("symbolon epoch id v1", &epoch.0)
}

fn short(context: &str, name: &[u8]) -> i64 {
    let [a, b, c, d, e, f, g, h, ..] = crypto::digest(context, &[name]).0;
    i64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// What is known to be in the database.
#[derive(Default)]
pub struct Names {
    members: RwLock<HashMap<i64, AgencyName>>,
    epochs: RwLock<HashMap<i64, AgreementEpoch>>,
    fences: AtomicBool,
}

impl Names {
    /// The database takes [`Self::in_full`]'s fences.
    pub fn with_fences(&self) {
        self.fences.store(true, Ordering::Relaxed);
    }

    /// A statement with its fences: what follows `/*each*/` is looked up for each line before it, and not
    /// the other way round. A planner that knows nothing yet of a table that is filled, and thinks it
    /// empty, would otherwise read all rows of a member for each of a batch.
    pub fn in_full<'a>(&self, sql: &'a str) -> Cow<'a, str> {
        if self.fences.load(Ordering::Relaxed) && sql.contains("/*each*/") {
            sql.replace("/*each*/", "OFFSET 0").into()
        } else {
            sql.into()
        }
    }

    /// Nothing is known any more.
    pub fn forget(&self) {
        write(&self.members).clear();
        write(&self.epochs).clear();
    }

    /// Makes the lines of members and epochs that are new.
    pub async fn learn(
        &self,
        client: &impl GenericClient,
        members: &[&AgencyName],
        epochs: &BTreeSet<AgreementEpoch>,
    ) -> Result<(), Fault> {
        for member in members {
            let id = member_id(member);
            if !read(&self.members).contains_key(&id) {
                learn_member(client, id, member).await?;
                write(&self.members).insert(id, (*member).clone());
            }
        }
        for epoch in epochs {
            let id = epoch_id(epoch);
            if !read(&self.epochs).contains_key(&id) {
                let line = "INSERT INTO epochs (id, epoch) VALUES ($1, $2) ON CONFLICT DO NOTHING";
                ask(client, line, &[&id, &epoch.0.as_slice()]).await?;
                let known = "SELECT 1 FROM epochs WHERE id = $1 AND epoch = $2";
                let found = ask(client, known, &[&id, &epoch.0.as_slice()]).await?;
                found.first().ok_or(DAMAGED)?;
                write(&self.epochs).insert(id, *epoch);
            }
        }
        Ok(())
    }

    /// Finds the names of members.
    pub async fn find_members(
        &self,
        client: &impl GenericClient,
        ids: impl IntoIterator<Item = i64>,
    ) -> Result<(), Fault> {
        let wanted: Vec<i64> = {
            let known = read(&self.members);
            ids.into_iter()
                .filter(|id| !known.contains_key(id))
                .collect()
        };
        if wanted.is_empty() {
            return Ok(());
        }
        let found = "SELECT id, name FROM members WHERE id = ANY($1)";
        for line in ask(client, found, &[&wanted]).await? {
            let name: &str = line.try_get(1)?;
            let name = name
                .parse()
                .map_err(|_| Fault::Damaged("a name is malformed"))?;
            write(&self.members).insert(line.try_get(0)?, name);
        }
        Ok(())
    }

    /// Finds what epochs stand for.
    pub async fn find_epochs(
        &self,
        client: &impl GenericClient,
        ids: impl IntoIterator<Item = i64>,
    ) -> Result<HashMap<i64, AgreementEpoch>, Fault> {
        let wanted: BTreeSet<i64> = ids.into_iter().collect();
        let mut found: HashMap<i64, AgreementEpoch> = {
            let known = read(&self.epochs);
            let pairs = wanted.iter().filter_map(|id| Some((*id, *known.get(id)?)));
            pairs.collect()
        };
        let missing: Vec<i64> = wanted
            .into_iter()
            .filter(|id| !found.contains_key(id))
            .collect();
        if !missing.is_empty() {
            let lines = "SELECT id, epoch FROM epochs WHERE id = ANY($1)";
            for line in ask(client, lines, &[&missing]).await? {
                let epoch: &[u8] = line.try_get(1)?;
                let epoch = AgreementEpoch::try_from(epoch)
                    .map_err(|_| Fault::Damaged("an epoch is malformed"))?;
                found.insert(line.try_get(0)?, epoch);
                write(&self.epochs).insert(line.try_get(0)?, epoch);
            }
        }
        Ok(found)
    }

    /// The name of a member that was found.
    pub fn member(&self, id: i64) -> Result<AgencyName, Fault> {
        let known = read(&self.members);
        // Forgotten in between, since a connection was made.
        known.get(&id).cloned().ok_or(Fault::Forgotten)
    }
}

async fn learn_member(
    client: &impl GenericClient,
    id: i64,
    member: &AgencyName,
) -> Result<(), Fault> {
    let name = member.as_str();
    let line = "INSERT INTO members (id, name) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    ask(client, line, &[&id, &name]).await?;
    let known = "SELECT 1 FROM members WHERE id = $1 AND name = $2";
    let found = ask(client, known, &[&id, &name]).await?;
    found.first().ok_or(DAMAGED)?;
    let holdings =
        "INSERT INTO holdings (member, count, digest) VALUES ($1, 0, $2) ON CONFLICT DO NOTHING";
    ask(client, holdings, &[&id, &[0u8; 32].as_slice()]).await?;
    let mailbox = "INSERT INTO mailboxes (member, last, open, silent) VALUES ($1, 0, 0, 0) ON CONFLICT DO NOTHING";
    ask(client, mailbox, &[&id]).await?;
    Ok(())
}

fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
