//! Membership: roster entries, agreements, members.

use symbolon_core::agreement;
use symbolon_core::crypto::{Signature, VerifyingKey};
use symbolon_core::roster;

use crate::{WireError, field};

pub use crate::wire::membership::v1::*;

impl TryFrom<Approval> for roster::Approval {
    type Error = WireError;

    fn try_from(wire: Approval) -> Result<Self, WireError> {
        let Approval { key, signature } = wire;
        Ok(Self {
            key: VerifyingKey(field("approval.key", key)?),
            signature: field::<Signature, _>("approval.signature", signature.as_slice())?,
        })
    }
}

impl From<roster::Approval> for Approval {
    fn from(approval: roster::Approval) -> Self {
        let roster::Approval { key, signature } = approval;
        Self {
            key: key.0.to_vec(),
            signature: signature.0.to_vec(),
        }
    }
}

fn approvals(wire: Vec<Approval>) -> Result<Vec<roster::Approval>, WireError> {
    wire.into_iter().map(TryInto::try_into).collect()
}

impl TryFrom<Entry> for roster::SignedEntry {
    type Error = WireError;

    fn try_from(wire: Entry) -> Result<Self, WireError> {
        let Entry {
            body,
            approvals: wire_approvals,
        } = wire;
        Ok(Self {
            body,
            approvals: approvals(wire_approvals)?,
        })
    }
}

impl From<roster::SignedEntry> for Entry {
    fn from(entry: roster::SignedEntry) -> Self {
        let roster::SignedEntry { body, approvals } = entry;
        Self {
            body,
            approvals: approvals.into_iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<Proposal> for agreement::Proposal {
    type Error = WireError;

    fn try_from(wire: Proposal) -> Result<Self, WireError> {
        let Proposal {
            body,
            approvals: wire_approvals,
        } = wire;
        Ok(Self {
            body,
            approvals: approvals(wire_approvals)?,
        })
    }
}

impl From<agreement::Proposal> for Proposal {
    fn from(proposal: agreement::Proposal) -> Self {
        let agreement::Proposal { body, approvals } = proposal;
        Self {
            body,
            approvals: approvals.into_iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<Acceptance> for agreement::Acceptance {
    type Error = WireError;

    fn try_from(wire: Acceptance) -> Result<Self, WireError> {
        let Acceptance { body, signature } = wire;
        Ok(Self {
            body,
            signature: field("acceptance.signature", signature.as_slice())?,
        })
    }
}

impl From<agreement::Acceptance> for Acceptance {
    fn from(acceptance: agreement::Acceptance) -> Self {
        let agreement::Acceptance { body, signature } = acceptance;
        Self {
            body,
            signature: signature.0.to_vec(),
        }
    }
}

impl TryFrom<AgreementStatement> for agreement::Statement {
    type Error = WireError;

    fn try_from(wire: AgreementStatement) -> Result<Self, WireError> {
        let AgreementStatement { body, signature } = wire;
        Ok(Self {
            body,
            signature: field("statement.signature", signature.as_slice())?,
        })
    }
}

impl From<agreement::Statement> for AgreementStatement {
    fn from(statement: agreement::Statement) -> Self {
        let agreement::Statement { body, signature } = statement;
        Self {
            body,
            signature: signature.0.to_vec(),
        }
    }
}

impl TryFrom<Agreement> for agreement::Papers {
    type Error = WireError;

    fn try_from(wire: Agreement) -> Result<Self, WireError> {
        let Agreement {
            proposal,
            acceptances,
            statements,
        } = wire;
        let proposal = proposal.ok_or(WireError::Missing("agreement.proposal"))?;
        let acceptances = acceptances.into_iter().map(TryInto::try_into);
        let statements = statements.into_iter().map(TryInto::try_into);
        Ok(Self {
            proposal: proposal.try_into()?,
            acceptances: acceptances.collect::<Result<_, WireError>>()?,
            statements: statements.collect::<Result<_, WireError>>()?,
        })
    }
}

impl From<agreement::Papers> for Agreement {
    fn from(papers: agreement::Papers) -> Self {
        let agreement::Papers {
            proposal,
            acceptances,
            statements,
        } = papers;
        Self {
            proposal: Some(proposal.into()),
            acceptances: acceptances.into_iter().map(Into::into).collect(),
            statements: statements.into_iter().map(Into::into).collect(),
        }
    }
}
