//! The vault: everything that a node keeps, sealed, in sled.
//!
//! A random data key seals every value, bound to its table and key; the data key itself lies in
//! `vault.key`, sealed under the passphrase or key file. Keys of the tables are replaced by their
//! HMAC, since a record id or a phone number as a key would tell a thief of the disk as much as a
//! value. The true key stands inside the sealed value.
//!
//! Only this module names sled. One process opens a vault at a time, held off by a lock file.

mod blocks;
mod flusher;
mod grouped;
mod large;
mod table;
mod tree;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use symbolon_core::crypto::{self, MacKey, SecretKey};
use symbolon_core::sealed_file::{self, SealedFileError, Unlock};

pub use blocks::{Blocks, Place};
pub use grouped::Grouped;
pub use table::Table;

use crate::error::NodeError;
use flusher::Flusher;
use large::LargeValues;
use tree::{Tree, Turns};

const KEY_FILE: &str = "vault.key";
const KEY_LABEL: &str = "symbolon vault key";
const LOCK_FILE: &str = "lock";
/// Where sled keeps everything.
const DIRECTORY: &str = "vault";
/// sled's page cache; its default of 1 GiB is meant for servers. It takes more than it is told: with a million
/// records 64 MiB took at least 120 more than 16 (docs/decisions/0015).
const CACHE_BYTES: u64 = 16 << 20;

/// How often, and how far apart, sled's own lock is tried: five seconds in all.
const LOCK_ATTEMPTS: u32 = 250;
const OWN_LOCK_ATTEMPTS: u32 = 50;
const OTHERS_LOCK_ATTEMPTS: u32 = 3;
const LOCK_WAIT: Duration = Duration::from_millis(20);

/// An open vault.
pub struct Vault {
    // Before the database that it flushes.
    flusher: Flusher,
    db: sled::Db,
    turns: Arc<Turns>,
    large: LargeValues,
    keys: Arc<Keys>,
    directory: PathBuf,
    // Held for as long as the vault is open; the operating system lets it go if the process dies.
    _lock: fs::File,
}

struct Keys {
    seal: SecretKey,
    index: MacKey,
}

impl Vault {
    /// Whether a directory holds a vault.
    pub fn exists(directory: &Path) -> bool {
        directory.join(KEY_FILE).exists()
    }

    /// Whether some process has it open, as far as can be told without opening it.
    pub fn in_use(directory: &Path) -> bool {
        let Ok(file) = fs::File::open(directory.join(LOCK_FILE)) else {
            return false;
        };
        // Let go of at once, when the file is closed.
        matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock))
    }

    /// Makes a vault in a directory that has none.
    pub fn create(directory: &Path, unlock: &Unlock) -> Result<Self, NodeError> {
        create_private_directory(directory)?;
        let lock = lock(directory)?;
        if Self::exists(directory) {
            return Err(NodeError::AlreadyEnrolled(directory.to_owned()));
        }
        let data_key = SecretKey::random()?;
        let sealed = sealed_file::seal(unlock, KEY_LABEL, data_key.expose())
            .map_err(|error| key_error(directory, error))?;
        write_private(&directory.join(KEY_FILE), &sealed)?;
        Self::open_with(directory, &data_key, lock)
    }

    /// Opens a vault.
    pub fn open(directory: &Path, unlock: &Unlock) -> Result<Self, NodeError> {
        if !Self::exists(directory) {
            return Err(NodeError::NotEnrolled(directory.to_owned()));
        }
        let lock = lock(directory)?;
        let path = directory.join(KEY_FILE);
        let sealed = fs::read(&path).map_err(|source| NodeError::File { path, source })?;
        let key = sealed_file::open(unlock, KEY_LABEL, &sealed)
            .map_err(|error| key_error(directory, error))?;
        Self::open_with(directory, &SecretKey::try_from(key.as_slice())?, lock)
    }

    fn open_with(
        directory: &Path,
        data_key: &SecretKey,
        lock: fs::File,
    ) -> Result<Self, NodeError> {
        let seal = crypto::hkdf(b"symbolon vault v1", data_key.expose(), &[b"seal"])?;
        let index = crypto::hkdf(b"symbolon vault v1", data_key.expose(), &[b"index"])?;
        let keys = Arc::new(Keys {
            seal,
            index: MacKey::new(&index),
        });
        let db = open_sled(directory)?;
        let turns = Turns::open(&db).map_err(|error| vault_error(directory, &error))?;
        let path = directory.join(DIRECTORY);
        let flusher = Flusher::start(&db, &path);
        let flusher = flusher.map_err(|source| NodeError::File { path, source })?;
        Ok(Self {
            flusher,
            db,
            turns: Arc::new(turns),
            large: LargeValues::default(),
            keys,
            directory: directory.to_owned(),
            _lock: lock,
        })
    }

    /// Opens a table.
    pub fn table<K, V>(&self, name: &'static str) -> Result<Table<K, V>, NodeError>
    where
        K: Serialize + DeserializeOwned,
        V: Serialize + DeserializeOwned,
    {
        let keys = Arc::clone(&self.keys);
        Ok(Table::new(
            self.tree(name)?,
            name,
            keys,
            self.directory.clone(),
        ))
    }

    /// Opens a table of many small values.
    pub fn grouped<K, V>(&self, name: &'static str) -> Result<Grouped<K, V>, NodeError>
    where
        K: Serialize + DeserializeOwned + PartialEq + Clone,
        V: Serialize + DeserializeOwned + Clone,
    {
        let keys = Arc::clone(&self.keys);
        Ok(Grouped::new(self.table(name)?, name, keys))
    }

    /// Opens a table of blocks.
    pub fn blocks(&self, name: &'static str) -> Result<Blocks, NodeError> {
        let keys = Arc::clone(&self.keys);
        let directory = self.directory.clone();
        Ok(Blocks::new(self.tree(name)?, name, keys, directory))
    }

    fn tree(&self, name: &str) -> Result<Tree, NodeError> {
        let tree = self.db.open_tree(name);
        let tree = tree.map_err(|error| vault_error(&self.directory, &error))?;
        Ok(Tree::new(tree, Arc::clone(&self.turns)))
    }

    /// What masks numbers in names that others see.
    pub(crate) fn mask(&self, purpose: &'static str) -> Mask {
        Mask {
            keys: Arc::clone(&self.keys),
            purpose,
        }
    }

    /// Puts everything written so far on the disk.
    pub fn flush(&self) -> Result<(), NodeError> {
        let large = self.turns.take_large();
        let flushed = self.flusher.flush();
        flushed.map_err(|error| vault_error(&self.directory, &error))?;
        match large {
            true => self.large.flush(&self.directory),
            false => Ok(()),
        }
    }

    /// Names of the tables in which bytes stand, in clear once opened: in a key or a value. Reads all.
    pub fn tables_with(&self, needle: &[u8]) -> Result<BTreeSet<String>, NodeError> {
        let mut found = BTreeSet::new();
        for name in self.db.tree_names() {
            let name = String::from_utf8_lossy(&name).into_owned();
            if name == tree::TURNS {
                continue;
            }
            for entry in self.tree(&name)?.after(None) {
                let (place, sealed) =
                    entry.map_err(|error| vault_error(&self.directory, &error))?;
                let opened =
                    crypto::open(&self.keys.seal, &table::context(&name, &place), &sealed)?;
                if !needle.is_empty() && opened.windows(needle.len()).any(|part| part == needle) {
                    found.insert(name);
                    break;
                }
            }
        }
        Ok(found)
    }

    /// A name for secret bytes that means nothing without the vault's key.
    pub fn tag(&self, purpose: &str, bytes: &[u8]) -> [u8; 16] {
        self.keys.tag(purpose, bytes)
    }

    /// Where it lies.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

/// Masks numbers: to whoever has not the vault's key, what is masked under fresh salts is random.
pub(crate) struct Mask {
    keys: Arc<Keys>,
    purpose: &'static str,
}

impl Mask {
    /// The mask of a salt, to be combined with a number by exclusive or.
    pub fn of(&self, salt: [u8; 8]) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.keys.tag(self.purpose, &salt);
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

impl Keys {
    fn tag(&self, purpose: &str, bytes: &[u8]) -> [u8; 16] {
        let length = (purpose.len() as u32).to_be_bytes();
        let tag = self.index.tag(&[&length, purpose.as_bytes(), bytes]);
        let mut out = [0; 16];
        out.copy_from_slice(&tag[..16]);
        out
    }
}

/// Opens sled. Our own lock says that no other process is here; but the background thread of a vault
/// that this process has just closed may hold sled's lock for a moment longer.
fn open_sled(directory: &Path) -> Result<sled::Db, NodeError> {
    let mut attempts = 0;
    loop {
        let opened = sled::Config::new()
            .path(directory.join(DIRECTORY))
            .cache_capacity(CACHE_BYTES)
            // [`flusher`] does that; every change that is acknowledged is flushed by its caller.
            .flush_every_ms(None)
            .open();
        match opened {
            Ok(db) => return Ok(db),
            Err(sled::Error::Io(error))
                if error.to_string().contains("acquire lock") && attempts < LOCK_ATTEMPTS =>
            {
                attempts += 1;
                std::thread::sleep(LOCK_WAIT);
            }
            Err(error) => return Err(vault_error(directory, &error)),
        }
    }
}

fn vault_error(directory: &Path, error: &sled::Error) -> NodeError {
    NodeError::Vault {
        path: directory.to_owned(),
        reason: error.to_string(),
    }
}

fn key_error(directory: &Path, error: SealedFileError) -> NodeError {
    let path = directory.to_owned();
    match error {
        SealedFileError::WrongKey => NodeError::WrongPassphrase(path),
        SealedFileError::OtherWay(way) => NodeError::OtherUnlock { path, way },
        SealedFileError::Format => NodeError::Vault {
            path,
            reason: "vault.key is not a sealed Symbolon secret, or was cut short".to_owned(),
        },
        SealedFileError::Crypto(error) => error.into(),
    }
}

fn create_private_directory(path: &Path) -> Result<(), NodeError> {
    use std::os::unix::fs::DirBuilderExt as _;
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(path).map_err(|source| NodeError::File {
        path: path.to_owned(),
        source,
    })
}

/// Writes a file that only its owner can read, whole or not at all.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), NodeError> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let file_error = |source| NodeError::File {
        path: path.to_owned(),
        source,
    };
    let temporary = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&temporary).map_err(file_error)?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(file_error)?;
    fs::rename(&temporary, path).map_err(file_error)?;
    // The rename itself must be on the disk too.
    fs::File::open(directory_of(path))
        .and_then(|directory| directory.sync_all())
        .map_err(file_error)
}

/// The directory of a file; a bare name lies in the working directory.
fn directory_of(path: &Path) -> &Path {
    let named = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    named.unwrap_or(Path::new("."))
}

fn lock(directory: &Path) -> Result<fs::File, NodeError> {
    let path = directory.join(LOCK_FILE);
    let file_error = |source| NodeError::File {
        path: path.clone(),
        source,
    };
    let mut file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(file_error)?;
    let own = std::process::id().to_string();
    let mut attempts = 0;
    while file.try_lock().is_err() {
        let process = fs::read_to_string(&path).unwrap_or_default();
        let process = process.trim().to_owned();
        // A child that this process just forked holds the lock of a vault that was closed meanwhile, until
        // it runs its program. Another process may only be looking whether it is free.
        let most = match process == own {
            true => OWN_LOCK_ATTEMPTS,
            false => OTHERS_LOCK_ATTEMPTS,
        };
        if attempts == most {
            return Err(NodeError::InUse {
                path: directory.to_owned(),
                process,
            });
        }
        attempts += 1;
        std::thread::sleep(LOCK_WAIT);
    }
    file.set_len(0).map_err(file_error)?;
    writeln!(file, "{}", std::process::id()).map_err(file_error)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeroize::Zeroizing;

    fn key(byte: u8) -> Unlock {
        Unlock::KeyFile(Zeroizing::new(vec![byte; 32]))
    }

    #[test]
    fn values_come_back_after_reopening_and_only_with_the_key() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("node");
        {
            let vault = Vault::create(&path, &key(1)).unwrap();
            let table: Table<String, Vec<u32>> = vault.table("t").unwrap();
            table.put(&"a".to_owned(), &vec![1, 2]).unwrap();
            assert!(matches!(
                Vault::open(&path, &key(1)),
                Err(NodeError::InUse { .. })
            ));
            vault.flush().unwrap();
        }
        assert!(matches!(
            Vault::open(&path, &key(2)),
            Err(NodeError::WrongPassphrase(_))
        ));
        assert!(matches!(
            Vault::create(&path, &key(1)),
            Err(NodeError::AlreadyEnrolled(_))
        ));
        let vault = Vault::open(&path, &key(1)).unwrap();
        let table: Table<String, Vec<u32>> = vault.table("t").unwrap();
        assert_eq!(table.get(&"a".to_owned()).unwrap(), Some(vec![1, 2]));
        assert_eq!(table.get(&"b".to_owned()).unwrap(), None);
        let all: Result<Vec<_>, _> = table.iter().collect();
        assert_eq!(all.unwrap(), vec![("a".to_owned(), vec![1, 2])]);
    }

    #[test]
    fn a_bare_name_lies_in_the_working_directory() {
        let directory = |path| directory_of(Path::new(path)).to_str().unwrap();
        assert_eq!(directory("share.backup"), ".");
        assert_eq!(directory("safe/share.backup"), "safe");
        assert_eq!(directory("/share.backup"), "/");
    }

    #[test]
    fn a_disk_thief_finds_neither_keys_nor_values() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("node");
        let needle = "9434765919";
        {
            let vault = Vault::create(&path, &key(1)).unwrap();
            let table: Table<String, String> = vault.table("t").unwrap();
            table.put(&needle.to_owned(), &needle.to_owned()).unwrap();
            vault.flush().unwrap();
        }
        // Positive control: the same search does find the needle when it lies there in clear.
        fs::write(path.join("control"), needle).unwrap();
        assert_eq!(
            files_with(&path, needle.as_bytes()),
            vec![path.join("control")]
        );
    }

    fn files_with(directory: &Path, needle: &[u8]) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                found.extend(files_with(&path, needle));
            } else if fs::read(&path)
                .unwrap()
                .windows(needle.len())
                .any(|w| w == needle)
            {
                found.push(path);
            }
        }
        found
    }
}
