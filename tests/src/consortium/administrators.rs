//! A consortium of two administrators, each with a directory of its own.

use std::path::Path;

use symbolon_core::sealed_file::Unlock;
use symbolon_hub::admin::Admin;
use symbolon_hub::ca::{self, AdministratorReply};

use super::{Consortium, Failure, Places};

/// Who administers beside the first one.
const SECOND: &str = "bob";

impl Places {
    /// The second administrator's directory, if there is one.
    pub fn second_admin(&self) -> std::path::PathBuf {
        self.base.join("administrator-2")
    }
}

impl Consortium {
    /// Founds with two administrators, both of whom must approve each change; gives the hands of the
    /// second one.
    pub async fn found_by_two(
        base: &Path,
        unlock: fn() -> Unlock,
    ) -> Result<(Self, Admin), Failure> {
        let places = Places::new(base);
        let dir = places.second_admin();
        let request = ca::new_administrator(&dir, &"demo".parse()?, &SECOND.parse()?, &unlock())?;
        let both = (&[request][..], 2);
        let consortium = Self::found_by(base, unlock, (None, None), both).await?;
        let reply = std::fs::read(places.hub().join(format!("{SECOND}.reply")))?;
        let reply: AdministratorReply = serde_json::from_slice(&reply)?;
        ca::install_administrator(&dir, &reply)?;
        let second = Admin::open(&dir, &unlock())?.with_clock(consortium.clock.clone());
        Ok((consortium, second))
    }
}
