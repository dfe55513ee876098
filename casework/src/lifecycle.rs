//! The life of a case: what two agencies say about one pair of records, and where that leaves it.
//!
//! A case has two sides. Each side *says* things, numbered from 1, and each saying names how much of the
//! other side's its author had heard ([`Said`]). Nobody changes what the other said. Where a case stands
//! is a function of the two lists alone ([`Case::view`]), so two nodes that have heard the same see the
//! same, in whatever order it came. What may be said follows from what its author had heard, which the
//! other side can work out too: an act that was not allowed is refused by both ([`Case::hear`]).
//!
//! The stages are those of hit/no-hit schemes between police forces, with the word of each side kept: if
//! one confirms and the other refutes, the case is inconclusive until one of them changes its word.
//!
//! ```text
//! detected -> notified -> acknowledged -> confirmed -> follow-up requested -> granted | refused | escalated
//!                                      -> refuted                              -> outcome -> closed
//!                                      -> inconclusive
//! ```
//!
//! A closed or refuted case begins a new *round* when somebody reopens it, as when the evidence changes.
//! Facts of earlier rounds are history.

mod act;
mod said;
mod stage;
#[cfg(test)]
mod tests;
mod view;

pub use act::{Act, Answer, FollowUp, NotNow, Outcome, Verdict};
pub use said::{Case, CaseId, HearError, MAX_SAID, Said, Side};
pub use stage::Stage;
pub use view::{AskedFor, View, Word};
