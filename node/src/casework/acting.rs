//! From a claim to somebody who acts: the one check that every command passes.

use symbolon_casework::acting::Acting;
use symbolon_casework::audit::{AuditEvent, AuditKind};

use super::command::Claim;
use crate::command::Command;
use crate::error::NodeError;
use crate::node::Node;
use crate::permissions::{self, Needs};

/// Somebody whose claim holds.
pub(super) struct Known {
    pub acting: Acting,
    /// The node has no account.
    pub set_up: bool,
    /// The password is of the person's own choice.
    pub own_password: bool,
}

impl Node {
    /// Whether a command may be carried out for whoever makes a claim, and as whom. Nobody, where the
    /// command needs nobody and nobody is signed in.
    pub(crate) fn admit(&self, by: &Claim, command: &Command) -> Result<Option<Acting>, NodeError> {
        let name = command.name();
        let Some(rule) = permissions::rule(&name) else {
            return Err(NodeError::NoRule(name));
        };
        let known = match self.known(by) {
            Ok(known) => known,
            Err(_) if rule.needs == Needs::Nobody => return Ok(None),
            Err(error) => return Err(error),
        };
        let acting = known.acting;
        match rule.needs {
            Needs::OwnAccount => {}
            Needs::Nobody if !known.own_password => return Ok(None),
            Needs::Nobody => {}
            _ if !known.own_password => return Err(NodeError::PasswordNotOwn(acting.who)),
            Needs::Anybody => {}
            Needs::Permission(permission) => {
                if let Err(refused) = acting.may(permission) {
                    let event =
                        AuditEvent::by(&acting, AuditKind::Access, "refused: no permission");
                    self.write_down(event.fields([name.as_str()]))?;
                    return Err(refused.into());
                }
            }
        }
        if !known.set_up {
            acting.has_said(rule.demand)?;
        }
        Ok(Some(acting))
    }

    /// Who makes a claim. A node without accounts is being set up: whoever can open its vault may do
    /// everything, and is written down as such.
    fn known(&self, by: &Claim) -> Result<Known, NodeError> {
        let (purpose, reason) = (by.purpose.clone(), by.reason.clone());
        if self.tables.accounts.is_empty() {
            let acting = Acting::set_up(purpose, reason);
            return Ok(Known {
                acting: acting.map_err(|_| NodeError::Internal("the name of who sets up"))?,
                set_up: true,
                own_password: true,
            });
        }
        let token = by.session.as_ref().ok_or(NodeError::NotSignedIn)?;
        let account = self.signed_in(token)?;
        Ok(Known {
            acting: Acting {
                who: account.name,
                roles: account.roles,
                purpose,
                reason,
            },
            set_up: false,
            own_password: account.own_password,
        })
    }
}
