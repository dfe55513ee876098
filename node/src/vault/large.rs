//! Files that sled makes of large values: it writes them and does not flush them to the disk, so that a loss
//! of power could leave a pointer to nothing. The vault flushes them with everything else.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::error::NodeError;

/// Where sled puts them, below its own directory; their names are positions in its log, which only grow.
const DIRECTORY: &str = "vault/blobs";

/// Those that are on the disk: all up to one.
#[derive(Default)]
pub(super) struct LargeValues(Mutex<Option<i64>>);

impl LargeValues {
    /// Flushes those that came since this was done last.
    pub fn flush(&self, vault: &Path) -> Result<(), NodeError> {
        let path = vault.join(DIRECTORY);
        let mut on_disk = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        flush_after(&path, *on_disk)
            .map(|last| *on_disk = last)
            .map_err(|source| NodeError::File { path, source })
    }
}

/// Flushes the files behind one; gives the last.
fn flush_after(directory: &Path, on_disk: Option<i64>) -> io::Result<Option<i64>> {
    let mut last = on_disk;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.parse::<i64>().ok());
        let Some(number) = number.filter(|number| Some(*number) > on_disk) else {
            continue;
        };
        match File::open(entry.path()).and_then(|file| file.sync_all()) {
            Ok(()) => last = last.max(Some(number)),
            // It was replaced meanwhile, and is gone.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    File::open(directory)?.sync_all()?;
    Ok(last)
}

#[cfg(test)]
mod tests {
    use symbolon_core::sealed_file::Unlock;
    use zeroize::Zeroizing;

    use crate::vault::Vault;

    #[test]
    fn large_values_are_flushed_once_and_stay_readable() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("node");
        let unlock = Unlock::KeyFile(Zeroizing::new(vec![1; 32]));
        let vault = Vault::create(&path, &unlock).unwrap();
        let table = vault.table::<u32, String>("large").unwrap();
        table.put(&0, &"small".to_owned()).unwrap();
        vault.flush().unwrap();
        assert_eq!(*vault.large.0.lock().unwrap(), None);
        let value = "x".repeat(300_000);
        table.put(&1, &value).unwrap();
        vault.flush().unwrap();
        // sled made a file of it: without one this would prove nothing.
        let first = *vault.large.0.lock().unwrap();
        assert!(first.is_some());
        table.put(&2, &value).unwrap();
        vault.flush().unwrap();
        assert!(*vault.large.0.lock().unwrap() > first);
        table.remove(&1).unwrap();
        vault.flush().unwrap();
        drop((table, vault));
        let vault = Vault::open(&path, &unlock).unwrap();
        let table = vault.table::<u32, String>("large").unwrap();
        assert_eq!(table.get(&1).unwrap(), None);
        assert_eq!(table.get(&2).unwrap(), Some(value));
    }
}
