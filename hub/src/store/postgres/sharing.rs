//! What hubs over one database learn of each other: counters and mailboxes to look at, a bell, and the
//! table of evaluations on their way.
//!
//! The bell is NOTIFY, sent in the transaction that there is news of, and heard on a connection of its
//! own. Where the database has none, or while that connection is being made anew, hubs look by themselves
//! often enough.

use std::sync::Arc;
use std::time::Duration;

use symbolon_core::identity::AgencyName;
use tokio::sync::Notify;

use super::PostgresStore;
use super::connect::Route;
use super::fault::Fault;
use super::names::member_id;
use super::tx::{Needs, Twice, Write, ask, only, signed, unsigned};
use crate::store::StoreError;
use crate::store::shared::{Answer, Asked, News, Shared};

/// Between two tries to hear the bell again; hubs look by themselves meanwhile.
const HEAR_AGAIN: Duration = Duration::from_millis(500);

const DAMAGED: Fault = Fault::Damaged("a relayed evaluation is malformed");

/// Listens for as long as the runtime lives.
pub async fn hear(route: Route, channel: String, bell: Arc<Notify>) {
    loop {
        // Why it ended is told by the verbs that meet the same.
        let _ = route.listen(&channel, &bell).await;
        bell.notify_one();
        tokio::time::sleep(HEAR_AGAIN).await;
    }
}

impl Write<'_> {
    /// Rings at the commit, if there is news.
    pub async fn ring(&self) -> Result<(), Fault> {
        let Some(channel) = self.channel else {
            return Ok(());
        };
        if self.news || self.version.is_some() || !self.woken.is_empty() {
            self.ask("SELECT pg_notify($1, '')", &[&channel]).await?;
        }
        Ok(())
    }
}

fn texts(names: &[AgencyName]) -> Vec<&str> {
    names.iter().map(AgencyName::as_str).collect()
}

impl Shared for PostgresStore {
    fn bell(&self) -> Arc<Notify> {
        Arc::clone(&self.bell)
    }

    fn look(&self, members: &[AgencyName], custodians: &[AgencyName]) -> Result<News, StoreError> {
        let ids: Vec<i64> = members.iter().map(member_id).collect();
        self.read(async |client| {
            let counters = "SELECT r.version, r.statements, l.number,
                    EXISTS (SELECT 1 FROM relays WHERE NOT taken AND custodian = ANY($2)
                        AND until > now()),
                    EXISTS (SELECT 1 FROM relays WHERE hub = $1 AND outcome IS NOT NULL)
                FROM registry r CROSS JOIN revocation_list l";
            let hub = self.hub.as_slice();
            let line = only(ask(client, counters, &[&hub, &texts(custodians)]).await?)?;
            let version: i64 = line.try_get(0)?;
            let mut news = News {
                registry: self.followed().is_some_and(|followed| followed != version),
                statements: unsigned(line.try_get(1)?),
                list: unsigned(line.try_get(2)?),
                asked: line.try_get(3)?,
                answered: line.try_get(4)?,
                ..News::default()
            };
            let attending = "SELECT DISTINCT custodian FROM attendances
                WHERE hub <> $1 AND until > now()";
            for line in ask(client, attending, &[&hub]).await? {
                let name: &str = line.try_get(0)?;
                news.attending.push(name.parse().map_err(|_| DAMAGED)?);
            }
            if !ids.is_empty() {
                let last = "SELECT member, last FROM mailboxes WHERE member = ANY($1)";
                for line in ask(client, last, &[&ids]).await? {
                    let member: i64 = line.try_get(0)?;
                    let place = ids.iter().position(|id| *id == member);
                    if let Some(name) = place.and_then(|place| members.get(place)) {
                        news.mail.push((name.clone(), unsigned(line.try_get(1)?)));
                    }
                }
            }
            Ok(news)
        })
    }

    fn attend(&self, custodians: &[AgencyName], for_s: u64) -> Result<(), StoreError> {
        // The type of the factor follows from the interval's.
        let seconds = signed(for_s) as f64;
        self.write(Twice::IsOnce, &Needs::default(), async |write| {
            let hub = self.hub.as_slice();
            // What hubs that are gone have left goes too.
            let before = "DELETE FROM attendances WHERE until < now() OR hub = $1";
            write.run(before, &[&hub]).await?;
            let now = "INSERT INTO attendances (custodian, hub, until)
                SELECT u.custodian, $1, now() + $3 * interval '1 second'
                FROM unnest($2::text[]) AS u(custodian)";
            write
                .run(now, &[&hub, &texts(custodians), &seconds])
                .await?;
            write.news = true;
            Ok(())
        })
    }

    fn ask(&self, asked: &Asked, for_s: u64) -> Result<(), StoreError> {
        // The type of the factor follows from the interval's.
        let seconds = signed(for_s) as f64;
        self.write(Twice::IsMore, &Needs::default(), async |write| {
            // What a hub that is gone has left.
            write
                .run("DELETE FROM relays WHERE until < now()", &[])
                .await?;
            let laid = "INSERT INTO relays
                    (id, hub, taken, asking, custodian, request, signature, until)
                VALUES ($1, $2, false, $3, $4, $5, $6, now() + $7 * interval '1 second')";
            let (id, hub) = (asked.id.as_slice(), self.hub.as_slice());
            let (asking, custodian) = (asked.asking.as_str(), asked.custodian.as_str());
            let (request, signature) = (&asked.request, &asked.signature);
            let values: [&(dyn tokio_postgres::types::ToSql + Sync); 7] =
                [&id, &hub, &asking, &custodian, request, signature, &seconds];
            write.run(laid, &values).await?;
            write.news = true;
            Ok(())
        })
    }

    // Whose answer to the first time was lost is not answered, and its asker waits in vain.
    fn take(&self, custodians: &[AgencyName]) -> Result<Vec<Asked>, StoreError> {
        self.write(Twice::IsOnce, &Needs::default(), async |write| {
            let taken = "UPDATE relays SET taken = true
                WHERE NOT taken AND custodian = ANY($1) AND until > now()
                RETURNING id, asking, custodian, request, signature";
            let lines = write.ask(taken, &[&texts(custodians)]).await?;
            let asked = lines.iter().map(|line| {
                let (id, asking): (&[u8], &str) = (line.try_get(0)?, line.try_get(1)?);
                let custodian: &str = line.try_get(2)?;
                Ok(Asked {
                    id: id.try_into().map_err(|_| DAMAGED)?,
                    asking: asking.parse().map_err(|_| DAMAGED)?,
                    custodian: custodian.parse().map_err(|_| DAMAGED)?,
                    request: line.try_get(3)?,
                    signature: line.try_get(4)?,
                })
            });
            asked.collect()
        })
    }

    fn answer(&self, id: &[u8; 16], reply: &[u8]) -> Result<(), StoreError> {
        self.write(Twice::IsOnce, &Needs::default(), async |write| {
            let answered = "UPDATE relays SET outcome = $2 WHERE id = $1";
            write.run(answered, &[&id.as_slice(), &reply]).await?;
            write.news = true;
            Ok(())
        })
    }

    fn answers(&self) -> Result<Vec<Answer>, StoreError> {
        self.write(Twice::IsOnce, &Needs::default(), async |write| {
            let answers = "DELETE FROM relays WHERE hub = $1 AND outcome IS NOT NULL
                RETURNING id, outcome";
            let lines = write.ask(answers, &[&self.hub.as_slice()]).await?;
            let answers = lines.iter().map(|line| {
                let id: &[u8] = line.try_get(0)?;
                Ok((id.try_into().map_err(|_| DAMAGED)?, line.try_get(1)?))
            });
            answers.collect()
        })
    }

    fn is_taken(&self, id: &[u8; 16]) -> Result<bool, StoreError> {
        self.read(async |client| {
            let taken = "SELECT 1 FROM relays WHERE id = $1 AND NOT taken";
            Ok(ask(client, taken, &[&id.as_slice()]).await?.is_empty())
        })
    }

    fn take_back(&self, id: &[u8; 16]) -> Result<(), StoreError> {
        self.write(Twice::IsOnce, &Needs::default(), async |write| {
            let gone = "DELETE FROM relays WHERE id = $1";
            write.run(gone, &[&id.as_slice()]).await?;
            Ok(())
        })
    }
}
