//! Records and the rows that they should have at the hub.
//!
//! A record's *wanted* rows follow from its linkage keys, its audience and what is suppressed; its
//! *actual* rows are those in the vault. [`Node::reconcile`] makes the difference: new rows wait in
//! `pending`, rows no longer wanted wait in `withdrawals`. Both are carried out by
//! [`crate::tokenise`], at once or whenever the hub and the custodians can be reached.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use symbolon_casework::dossier::Level;
use symbolon_core::agreement::Category;
use symbolon_core::encoding::Digest;
use symbolon_core::identity::Name;
use symbolon_core::linkage::derive::{Derived, LinkageKey, over_cap};
use symbolon_core::linkage::record::Record;
use symbolon_core::linkage::schema::KeyKindId;
use symbolon_core::payload::RecordReference;
use symbolon_core::row::{AgreementEpoch, ExpiryMonth, Handle};

use crate::casework::Part;
use crate::error::NodeError;
use crate::membership::same_schema;
use crate::node::Node;
use crate::reports::RecordView;
use crate::rows::Block;
use crate::sharing::Dated;
use crate::tables::{KeyTag, Secret, StoredRecord, StoredRow};

/// Keys whose frequency crossed the schema's cap, one way or the other: other records are affected.
pub(crate) type Crossed = BTreeSet<KeyTag>;

/// A row that a record should have: epoch, kind, linkage key and custody epoch.
type WantedRow = (AgreementEpoch, u16, KeyTag, u32);

/// The keys of a record: kind and tag, and by kind how many the schema's bounds left out.
pub(crate) struct Tagged {
    pub keys: Vec<(u16, KeyTag)>,
    pub left_out: Vec<(u16, u32)>,
}

/// What becomes of a key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Shared,
    /// Kept back: this agency holds the value too often.
    OverCap,
    /// Kept back: all members together hold it too often.
    Common,
}

/// An epoch of an agreement under which rows can be made now. While members go over to a new one, an
/// agreement has two.
pub(crate) struct Audience {
    pub id: Name,
    /// Line of the agreement.
    pub agreement: Digest,
    pub epoch: AgreementEpoch,
    /// Categories of our records that take part.
    pub shares: BTreeSet<Category>,
    /// For what: consent is asked for these.
    pub purposes: Vec<String>,
    /// Last month of what is shared now.
    pub last_month: ExpiryMonth,
}

impl Audience {
    /// Whether its category lets a record take part.
    fn takes(&self, part: &Part) -> bool {
        self.shares.contains(&part.category)
    }
}

/// The category by which agreements judge a record. One without a category counts as other.
pub(crate) fn category_of(record: &Record) -> Category {
    record.category.unwrap_or(Category::Other)
}

impl Node {
    /// The vault's name for a linkage key.
    pub(crate) fn tag(&self, key: &LinkageKey) -> KeyTag {
        KeyTag(self.vault.tag("linkage key", &key.input(self.schema)))
    }

    /// Keys as the vault keeps them.
    pub(crate) fn tagged(&self, derived: &Derived) -> Tagged {
        let keys = derived.keys.iter();
        let left_out = derived.left_out.iter();
        Tagged {
            keys: keys.map(|key| (key.kind.0, self.tag(key))).collect(),
            left_out: left_out
                .map(|(kind, number)| (kind.0, u32::try_from(*number).unwrap_or(u32::MAX)))
                .collect(),
        }
    }

    /// What the schema calls a kind of key.
    pub(crate) fn kind_name(&self, kind: u16) -> &'static str {
        let kind = self.schema.kind(KeyKindId(kind));
        kind.map_or("", |kind| kind.name.as_str())
    }

    /// Epochs that are served and whose key we hold.
    pub(crate) fn audiences(&self) -> Vec<Audience> {
        self.membership(|m| {
            let served = m.agreements.values().flat_map(|a| &a.served);
            served
                .filter(|epoch| same_schema(self.schema, &epoch.document))
                .map(|epoch| Audience {
                    id: epoch.document.id.clone(),
                    agreement: epoch.document.line(),
                    epoch: epoch.id,
                    shares: epoch.document.shared_by(&self.identity.agency),
                    purposes: epoch.document.purposes.clone(),
                    last_month: self.last_month(&epoch.document),
                })
                .collect()
        })
    }

    /// Agreements that a record names, and that its category keeps it out of.
    pub(crate) fn held_back<'a>(
        &self,
        part: &Part,
        audiences: &'a [Audience],
    ) -> BTreeSet<&'a Name> {
        let named = audiences.iter().filter(|a| part.agreements.contains(&a.id));
        let held_back = named.filter(|a| !a.takes(part));
        held_back.map(|audience| &audience.id).collect()
    }

    /// Agreements that a record names, and that nobody consented to a purpose of, where it rests on
    /// consent.
    pub(crate) fn without_consent<'a>(
        &self,
        stored: &StoredRecord,
        audiences: &'a [Audience],
    ) -> Result<BTreeSet<&'a Name>, NodeError> {
        let dossier = self.dossier(&stored.record.record_id)?;
        let named = audiences
            .iter()
            .filter(|a| stored.agreements.contains(&a.id));
        let without = named.filter(|a| !dossier.may_be_shared_for(&a.purposes));
        Ok(without.map(|audience| &audience.id).collect())
    }

    /// Puts a record in place of its older version, if any, and counts its keys unless an import has
    /// counted them: then there is nothing to be crossed.
    pub(crate) fn put_record(
        &self,
        record: Record,
        as_imported: Option<Record>,
        agreements: Vec<Name>,
        crossed: Option<&mut Crossed>,
    ) -> Result<(), NodeError> {
        let id = record.record_id.clone();
        let old = self.tables.records.get(&id)?;
        let replaces = old.is_some();
        let Tagged { keys, left_out } = self.tagged(&self.linkage().keys(&record));
        if let Some(crossed) = crossed {
            let old_keys = old.as_ref().map(|old| old.keys.as_slice());
            self.count_keys(old_keys.unwrap_or_default(), &keys, crossed)?;
        }
        let stored = StoredRecord {
            record,
            agreements,
            references: old
                .as_ref()
                .map(|old| old.references.clone())
                .unwrap_or_default(),
            keys,
            left_out,
            rows: old.map(|old| old.rows).unwrap_or_default(),
            imported_at: self.clock.now(),
            as_imported,
            // What the agency says anew it shares anew.
            shared_until: BTreeMap::new(),
        };
        self.tables.records.put(&id, &stored)?;
        if replaces {
            self.compare_anew(&id)?;
        }
        Ok(())
    }

    pub(crate) fn count_keys(
        &self,
        old: &[(u16, KeyTag)],
        new: &[(u16, KeyTag)],
        crossed: &mut Crossed,
    ) -> Result<(), NodeError> {
        let old: BTreeMap<KeyTag, u16> = old.iter().map(|(kind, tag)| (*tag, *kind)).collect();
        let new: BTreeMap<KeyTag, u16> = new.iter().map(|(kind, tag)| (*tag, *kind)).collect();
        let gone = old
            .iter()
            .filter(|(tag, _)| !new.contains_key(tag))
            .map(|entry| (entry, false));
        let come = new
            .iter()
            .filter(|(tag, _)| !old.contains_key(tag))
            .map(|entry| (entry, true));
        self.counted(|tally| {
            for ((tag, kind), more) in gone.chain(come) {
                let (before, after) = tally.change(tag, more);
                let over = |count: u32| over_cap(self.schema, KeyKindId(*kind), count as usize);
                if over(before) != over(after) {
                    crossed.insert(*tag);
                }
            }
        })
    }

    /// Whether a key stays here because this agency holds the value too often, or all together do.
    pub(crate) fn is_suppressed(&self, kind: u16, tag: &KeyTag) -> Result<bool, NodeError> {
        Ok(self.fate(kind, tag, 0)? != Fate::Shared)
    }

    /// What becomes of a key if this agency holds it so many times more, or less, than now.
    pub(crate) fn fate(&self, kind: u16, tag: &KeyTag, more: i64) -> Result<Fate, NodeError> {
        let held = i64::from(self.counted(|tally| tally.of(tag))?);
        let count = usize::try_from(held + more).unwrap_or(0);
        Ok(if over_cap(self.schema, KeyKindId(kind), count) {
            Fate::OverCap
        } else if self.tables.common.contains(tag)? {
            Fate::Common
        } else {
            Fate::Shared
        })
    }

    /// Brings the waiting and registered rows of one record in line with what it should have.
    pub(crate) fn reconcile(&self, id: &str, audiences: &[Audience]) -> Result<(), NodeError> {
        let id = id.to_owned();
        let Some(mut stored) = self.tables.records.get(&id)? else {
            return Ok(());
        };
        let (dossier, part) = (self.dossier(&id)?, self.part(&stored)?);
        let silent = dossier.level == Level::Silent;
        let dated = self.date_sharing((&dossier, &part), &mut stored, audiences);
        let mut wanted = self.wanted_rows(&stored, &part, audiences)?;
        let as_it_is = (silent, &dated);
        let (mut kept, unwanted) =
            self.sort_rows(&stored, (&part, as_it_is), audiences, &mut wanted)?;
        let kept_all = wanted.is_empty() && unwanted.is_empty() && kept.len() == stored.rows.len();
        if kept_all && dated.is_empty() {
            return Ok(());
        }
        self.note_level(&id, silent, &unwanted, &mut stored)?;
        let new = self.new_rows(&mut stored, &part, (wanted, silent), audiences)?;
        kept.extend(new.iter().map(|(handle, _)| *handle));
        stored.rows = kept;
        let _naming = self
            .stream
            .naming
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        // Rows that wait, then the record that names them: a crash in between leaves rows that wait but
        // that no record names, and those are dropped when their turn comes.
        self.tables.rows.put_waiting(new)?;
        // Withdrawals before the record that no longer names their rows: a crash in between leaves rows
        // that are named and on their way out, and `sort_rows` knows those.
        self.drop_rows(&unwanted)?;
        self.tables.records.put(&id, &stored)
    }

    /// The rows that a record should have: its keys, but for suppressed ones, for each audience.
    fn wanted_rows(
        &self,
        stored: &StoredRecord,
        part: &Part,
        audiences: &[Audience],
    ) -> Result<BTreeSet<WantedRow>, NodeError> {
        let mut wanted = BTreeSet::new();
        let epochs = self.row_epochs()?;
        let dossier = self.dossier(&stored.record.record_id)?;
        for audience in audiences {
            let takes_part = part.agreements.contains(&audience.id) && audience.takes(part);
            let may = dossier.may_be_shared_for(&audience.purposes);
            if !takes_part || !may || self.is_over(stored, &audience.agreement) {
                continue;
            }
            for (kind, tag) in &stored.keys {
                if !self.is_suppressed(*kind, tag)? {
                    let custodies = epochs.iter();
                    wanted.extend(custodies.map(|c| (audience.epoch, *kind, *tag, *c)));
                }
            }
        }
        Ok(wanted)
    }

    /// Sorts a record's rows into those that stay, which are taken off `wanted`, and those that go.
    fn sort_rows(
        &self,
        stored: &StoredRecord,
        (part, (silent, renewed)): (&Part, (bool, &Dated)),
        audiences: &[Audience],
        wanted: &mut BTreeSet<WantedRow>,
    ) -> Result<(Vec<Handle>, Vec<Handle>), NodeError> {
        let known: BTreeSet<AgreementEpoch> = audiences.iter().map(|a| a.epoch).collect();
        let (mut kept, mut unwanted) = (Vec::new(), Vec::new());
        let there = self.tables.rows.get_many(&stored.rows)?;
        for handle in &stored.rows {
            let Some(row) = there.get(handle) else {
                continue;
            };
            if self.tables.withdrawals.contains(handle)? {
                unwanted.push(*handle);
                continue;
            }
            let place = (row.epoch, row.kind, row.tag, row.custody);
            // A row is open or silent for good, and one whose time was over is no more at the hub.
            let of_now = row.silent == silent && !renewed.again.contains(&row.agreement);
            let still = row.urgency == part.urgency && of_now && wanted.remove(&place);
            // Rows of epochs that cannot be used just now (before the hub's first answer) stay; those
            // of closed ones go.
            let usable = known.contains(&row.epoch);
            let waits = !usable && of_now && !self.is_over(stored, &row.agreement);
            if still || (waits && !self.is_closed(&row.epoch)) {
                kept.push(*handle);
            } else {
                unwanted.push(*handle);
            }
        }
        Ok((kept, unwanted))
    }

    /// Makes the rows that are missing, and the record's reference under agreements new to it.
    fn new_rows(
        &self,
        stored: &mut StoredRecord,
        part: &Part,
        (wanted, silent): (BTreeSet<WantedRow>, bool),
        audiences: &[Audience],
    ) -> Result<Vec<(Handle, StoredRow)>, NodeError> {
        let inputs: BTreeMap<KeyTag, LinkageKey> = self
            .linkage()
            .keys(&stored.record)
            .keys
            .into_iter()
            .map(|key| (self.tag(&key), key))
            .collect();
        // Roots that the record has already, from rows of now and of before.
        let block = self.block_of_record(&stored.record.record_id);
        let roots = self.tables.rows.roots_in(block)?;
        let mut new = Vec::new();
        for (epoch, kind, tag, custody) in wanted {
            let Some(audience) = audiences.iter().find(|a| a.epoch == epoch) else {
                continue;
            };
            let agreement = audience.agreement;
            if let Entry::Vacant(place) = stored.references.entry(agreement) {
                let reference = RecordReference::random()?;
                self.tables
                    .reference_owners
                    .put(&reference, &stored.record.record_id)?;
                place.insert(reference);
            }
            let root = roots.get(&(custody, tag)).cloned();
            let input = inputs.get(&tag).filter(|_| root.is_none());
            let input = input.map(|key| Secret(key.input(self.schema).to_vec()));
            let row = StoredRow {
                record_id: Some(stored.record.record_id.clone()),
                agreement,
                epoch,
                custody,
                kind,
                tag,
                urgency: part.urgency,
                input,
                root,
                token: None,
                registered: false,
                silent,
            };
            new.push((self.tables.rows.handle_in(block)?, row));
        }
        Ok(new)
    }

    /// Where the rows of a record lie.
    pub(crate) fn block_of_record(&self, id: &str) -> Block {
        let [a, b, c, d, e, f, g, h, ..] = self.vault.tag("rows of a record", id.as_bytes());
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// Rows that are no longer wanted: withdrawn if they may be at the hub.
    pub(crate) fn drop_rows(&self, handles: &[Handle]) -> Result<(), NodeError> {
        // A waiting row may have been submitted without the answer reaching us: withdraw it too.
        let withdrawn = handles.iter().map(|handle| (handle, &()));
        self.tables.withdrawals.put_many(withdrawn)?;
        self.tables.pending.remove_many(handles)
    }

    /// Reconciles every record that holds one of the crossed keys.
    pub(crate) fn reconcile_crossed(
        &self,
        crossed: &Crossed,
        audiences: &[Audience],
    ) -> Result<(), NodeError> {
        if crossed.is_empty() {
            return Ok(());
        }
        for entry in self.tables.records.iter() {
            let (id, stored) = entry?;
            if stored.keys.iter().any(|(_, tag)| crossed.contains(tag)) {
                self.reconcile(&id, audiences)?;
            }
        }
        Ok(())
    }

    /// Brings every record in line with the agreements as they are now: records that wait for one get
    /// their rows, records under a new key get them anew, rows under a closed one go.
    pub(crate) fn agreement_became_usable(&self) -> Result<(), NodeError> {
        self.close_epochs()?;
        let audiences = self.audiences();
        for entry in self.tables.records.iter() {
            let (id, _) = entry?;
            self.reconcile(&id, &audiences)?;
        }
        self.mark_audiences()?;
        self.vault.flush()?;
        self.work_waits.notify_one();
        Ok(())
    }

    /// Records for a list.
    pub fn records(&self, only: Option<&str>) -> Result<Vec<RecordView>, NodeError> {
        let matches = self.match_counts()?;
        let audiences = self.audiences();
        let mut views = Vec::new();
        for entry in self.tables.records.iter() {
            let (id, stored) = entry?;
            if only.is_some_and(|only| only != id) {
                continue;
            }
            let rows = self.tables.rows.get_many(&stored.rows)?;
            let rows = rows.values().filter(|row| row.registered).count() as u64;
            let (record, part) = (&stored.record, self.part(&stored)?);
            let mut held_back = self.held_back(&part, &audiences);
            held_back.extend(self.without_consent(&stored, &audiences)?);
            views.push(RecordView {
                name: record.full_name(),
                date_of_birth: record.date_of_birth.join("; "),
                category: part.word(record),
                agreements: part.agreements.iter().map(Name::to_string).collect(),
                held_back: held_back.into_iter().map(Name::to_string).collect(),
                linkage_keys: stored.keys.len() as u64,
                rows,
                matches: matches.get(&id).copied().unwrap_or(0),
                record_id: id,
            });
        }
        if let (Some(only), true) = (only, views.is_empty()) {
            return Err(NodeError::Request(format!(
                "there is no record {only}; `symbolon-node records` lists those there are"
            )));
        }
        views.sort_by(|a, b| a.record_id.cmp(&b.record_id));
        Ok(views)
    }
}
