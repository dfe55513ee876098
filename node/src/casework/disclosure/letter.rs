//! What the owner writes about a disclosure. Letters may come twice and in any order.
//!
//! What is asked goes over as a saying in the case, and so does the word that ends a request; the values
//! go here, and nowhere else.

use serde::{Deserialize, Serialize};
use symbolon_casework::disclosure::{Answer, RequestId};
use symbolon_casework::lifecycle::CaseId;
use symbolon_core::identity::AgencyName;

use crate::error::NodeError;
use crate::letters::Letter;
use crate::node::Node;

/// A letter about one request.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DisclosureLetter {
    pub(super) case: CaseId,
    pub(super) request: RequestId,
    pub(super) step: Step,
}

/// Which message.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Step {
    /// To a request.
    Answer(Answer),
    /// Without having been asked: fields that go at once.
    Given(Answer),
}

impl Node {
    /// Takes in a letter. The caller holds the work lock.
    pub(crate) fn disclosure_letter(
        &self,
        from: &AgencyName,
        letter: DisclosureLetter,
    ) -> Result<(), NodeError> {
        let DisclosureLetter {
            case,
            request: id,
            step,
        } = letter;
        // Whoever is not the counterpart of a case asks and gives nothing in it, and hears nothing.
        let Some(case) = self.case_of_letter(from, &case)? else {
            tracing::info!(%from, "letter about a case that is not here; passed over");
            return Ok(());
        };
        match step {
            Step::Answer(answer) => self.take_answer_to(from, &case.key, id, &answer),
            Step::Given(answer) => self.take_given(from, &case.key, id, &answer),
        }
    }

    pub(super) fn post_disclosure(
        &self,
        to: &AgencyName,
        case: CaseId,
        (request, step): (RequestId, Step),
    ) -> Result<(), NodeError> {
        let letter = DisclosureLetter {
            case,
            request,
            step,
        };
        self.post(to, &Letter::Disclosure(Box::new(letter)))
    }
}
