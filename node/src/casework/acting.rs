//! From a claim to somebody who acts.

use symbolon_casework::acting::{Acting, Role};

use super::command::Claim;
use crate::error::NodeError;
use crate::node::Node;

/// Whoever may open the vault, as long as the node has no accounts.
const SET_UP: &str = "set-up";

impl Node {
    /// Who acts. A node without accounts is being set up: whoever can open its vault may do everything,
    /// and is written down as `set-up`.
    pub(crate) fn acting(&self, by: &Claim) -> Result<Acting, NodeError> {
        let who = SET_UP.parse();
        Ok(Acting {
            who: who.map_err(|_| NodeError::Internal("the name of the set-up account"))?,
            roles: Role::ALL.iter().map(|(role, _)| *role).collect(),
            purpose: by.purpose.clone(),
            reason: by.reason.clone(),
        })
    }
}
