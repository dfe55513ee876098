//! From a record to its linkage keys and compared sets, with the agency's own nicknames.
//!
//! The one module of the node that derives either. Whatever stores, shows, asks or compares a record
//! goes through [`Linkage`], so that no path forgets the nicknames. They are read when the node opens
//! and again before a file is imported or previewed. The vault knows what its records' keys were made
//! with: where that is another schema or another list, the keys are made anew ([`Node::derive_anew`]).

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, PoisonError};

use symbolon_core::crypto;
use symbolon_core::encoding::Digest;
use symbolon_core::linkage::comparison::{FieldSet, field_sets, field_sets_within};
use symbolon_core::linkage::derive::{Derived, derive_counted};
use symbolon_core::linkage::normalise::nicknames::Nicknames;
use symbolon_core::linkage::record::Record;
use symbolon_core::linkage::schema::Schema;

use crate::config::NodeConfig;
use crate::error::NodeError;
use crate::node::Node;
use crate::records::Tagged;

/// Far more than the 100,000 lines that a list may have.
const MAX_NICKNAMES_BYTES: u64 = 16 * 1024 * 1024;

/// In the table `derivations`: what the records' keys were made with.
const RECORDS: &str = "records";

/// What makes keys and compared sets of a record.
pub(crate) struct Linkage {
    schema: &'static Schema,
    nicknames: Nicknames,
    /// Names the schema and the list: records that were made with another are made anew.
    derivation: Digest,
}

impl Linkage {
    /// With the nicknames that the settings name, as the file stands now.
    pub fn load(schema: &'static Schema, config: &NodeConfig) -> Result<Self, NodeError> {
        let (nicknames, listed) = match config.nicknames_file() {
            Some(path) => read_nicknames(&path)?,
            None => (Nicknames::default(), crypto::sha256(&[])),
        };
        let parts: [&[u8]; 2] = [&schema.digest(), &listed.0];
        Ok(Self {
            schema,
            nicknames,
            derivation: crypto::digest("symbolon node linkage v1", &parts),
        })
    }

    /// A record as keys and sets are made of it.
    pub fn with_nicknames(&self, record: &Record) -> Record {
        self.nicknames.applied_to(record)
    }

    /// The keys of a record, with a count of what the schema's bounds left out.
    pub fn keys(&self, record: &Record) -> Derived {
        derive_counted(self.schema, &self.with_nicknames(record))
    }

    /// The sets of a record for a comparison, in a register of so many.
    pub fn sets(&self, record: &Record, register: u64) -> Vec<FieldSet> {
        let record = self.with_nicknames(record);
        let register = usize::try_from(register).unwrap_or(usize::MAX);
        field_sets_within(self.schema, &record, Some(register))
    }

    /// What the record itself says, whatever the register holds beside it.
    pub fn own_sets(&self, record: &Record) -> Vec<FieldSet> {
        field_sets(self.schema, &self.with_nicknames(record))
    }
}

/// A list of nicknames, and the digest of its text.
pub(crate) fn read_nicknames(path: &Path) -> Result<(Nicknames, Digest), NodeError> {
    let refused = |reason: String| NodeError::Nicknames {
        path: path.to_owned(),
        reason,
    };
    let text = read_bounded(path).map_err(|error| refused(error.to_string()))?;
    let nicknames = Nicknames::parse(&text).map_err(|error| refused(error.to_string()))?;
    Ok((nicknames, crypto::sha256(text.as_bytes())))
}

fn read_bounded(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let file = File::open(path)?;
    file.take(MAX_NICKNAMES_BYTES + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > MAX_NICKNAMES_BYTES {
        return Err(io::Error::other("it is larger than 16 MiB"));
    }
    Ok(text)
}

impl Node {
    /// What makes keys of records now.
    pub(crate) fn linkage(&self) -> Arc<Linkage> {
        let present = self.linkage.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&present)
    }

    /// Reads the nicknames again, and makes the keys of all records anew if the list is another one.
    /// The caller holds the work lock.
    pub(crate) fn renew_linkage(&self) -> Result<(), NodeError> {
        let read = Linkage::load(self.schema, &self.config)?;
        *self.linkage.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(read);
        self.derive_anew()?;
        self.finish_interrupted_import()
    }

    /// Makes the keys of every record anew if they were made by another schema or with other
    /// nicknames. The mark `importing`, set first, makes [`Node::finish_interrupted_import`] count the
    /// keys and bring the rows in line; a kill in between leaves both marks as they must be.
    pub(crate) fn derive_anew(&self) -> Result<(), NodeError> {
        let linkage = self.linkage();
        let place = RECORDS.to_owned();
        if self.tables.derivations.get(&place)? == Some(linkage.derivation) {
            return Ok(());
        }
        self.mark_importing()?;
        let ids = self.tables.records.iter().map(|entry| Ok(entry?.0));
        let ids: Vec<String> = ids.collect::<Result<_, NodeError>>()?;
        let mut changed = 0_u64;
        for id in &ids {
            let Some(mut stored) = self.tables.records.get(id)? else {
                continue;
            };
            let Tagged { keys, left_out } = self.tagged(&linkage.keys(&stored.record));
            if stored.keys != keys || stored.left_out != left_out {
                (stored.keys, stored.left_out) = (keys, left_out);
                self.tables.records.put(id, &stored)?;
                changed += 1;
            }
        }
        self.compare_all_anew()?;
        self.vault.flush()?;
        self.tables.derivations.put(&place, &linkage.derivation)?;
        self.vault.flush()?;
        if changed > 0 {
            tracing::info!(records = changed, "linkage keys were made anew");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn settings(state: &Path) -> NodeConfig {
        let file = "[linkage]\nnicknames = \"names.txt\"\n";
        std::fs::write(state.join(config::FILE_NAME), file).unwrap();
        NodeConfig::load(state).unwrap()
    }

    #[test]
    fn keys_and_sets_have_the_nicknames() {
        let state = tempfile::tempdir().unwrap();
        let schema = Schema::default_schema();
        let without = Linkage::load(schema, &NodeConfig::default()).unwrap();
        let config = settings(state.path());
        std::fs::write(state.path().join("names.txt"), "llywelyn peanut\n").unwrap();
        let with = Linkage::load(schema, &config).unwrap();
        let record = |given| {
            let cells = [
                ("record_id", "r"),
                ("given_names", given),
                ("surname", "Hughes"),
                ("date_of_birth", "2009-03-05"),
            ];
            Record::from_cells(cells).unwrap().0
        };
        let (nickname, root) = (record("Peanut"), record("Llywelyn"));
        let meeting = |linkage: &Linkage| {
            let others = linkage.keys(&root).keys;
            let own = linkage.keys(&nickname).keys;
            own.iter().filter(|key| others.contains(key)).count()
        };
        assert!(meeting(&with) > meeting(&without));
        let said = |sets: Vec<FieldSet>| -> Vec<_> { sets.into_iter().map(|s| s.values).collect() };
        let sets = |linkage: &Linkage, record| said(linkage.sets(record, 1));
        let own = |linkage: &Linkage, record| said(linkage.own_sets(record));
        assert_ne!(sets(&with, &nickname), sets(&without, &nickname));
        assert_ne!(own(&with, &nickname), own(&without, &nickname));
        // Whoever is not in the list is untouched.
        assert_eq!(with.keys(&root), without.keys(&root));
        assert_eq!(sets(&with, &root), sets(&without, &root));
        assert_ne!(with.derivation, without.derivation);
        let again = Linkage::load(schema, &config).unwrap();
        assert_eq!(with.derivation, again.derivation);
    }

    #[test]
    fn a_bad_list_is_told_with_file_line_and_reason() {
        let state = tempfile::tempdir().unwrap();
        let config = settings(state.path());
        let told = |text: Option<&[u8]>| {
            let path = state.path().join("names.txt");
            if let Some(text) = text {
                std::fs::write(&path, text).unwrap();
            }
            let error = Linkage::load(Schema::default_schema(), &config).err();
            let error = error.unwrap().to_string();
            assert!(error.contains(&path.display().to_string()), "{error}");
            error
        };
        assert!(told(None).contains("No such file"));
        let error = told(Some(b"anna annie\nalone\n"));
        assert!(error.contains("line 2 has only one name"), "{error}");
        let error = told(Some(b"llywelyn,llew x\n"));
        assert!(
            error.contains("line 1: llywelyn,llew is not one name"),
            "{error}"
        );
        assert!(told(Some(b"\xff\xfe")).contains("valid UTF-8"));
        // Control: the same place with a good list.
        std::fs::write(state.path().join("names.txt"), "llywelyn llew\n").unwrap();
        assert!(Linkage::load(Schema::default_schema(), &config).is_ok());
    }
}
