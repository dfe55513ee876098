//! The authenticated member behind a request: an argument that every domain call asks for.

use symbolon_core::identity::{AgencyName, Name};
use thiserror::Error;

/// Who asks, after the certificate and the standing in the roster were checked.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
pub enum Caller {
    /// An enrolled agency.
    Agency(AgencyName),
    /// An administrator of the consortium.
    Administrator(Name),
}

/// The caller may not do this.
#[derive(Debug, Error, PartialEq, Eq, Clone, Copy)]
#[error("the caller may not do this")]
pub struct NotAllowed;

impl Caller {
    /// The agency, where only an agency may ask.
    pub fn agency(&self) -> Result<&AgencyName, NotAllowed> {
        match self {
            Self::Agency(agency) => Ok(agency),
            Self::Administrator(_) => Err(NotAllowed),
        }
    }

    /// The administrator, where only an administrator may ask.
    pub fn administrator(&self) -> Result<&Name, NotAllowed> {
        match self {
            Self::Administrator(name) => Ok(name),
            Self::Agency(_) => Err(NotAllowed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_has_its_own_door() {
        let agency = Caller::Agency("harbour".parse().unwrap());
        let administrator = Caller::Administrator("ada".parse().unwrap());
        assert!(agency.agency().is_ok() && agency.administrator().is_err());
        assert!(administrator.administrator().is_ok() && administrator.agency().is_err());
    }
}
