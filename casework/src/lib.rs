//! Casework: what people decide about records and matches, as rules and types.
//!
//! Pure: no clock, no store, no transport. The node keeps these types in its vault, carries them to
//! other nodes in envelopes and asks the rules here before it does anything; a console can sit on the
//! same services.
//!
//! | Module | Room |
//! |---|---|
//! | [`accounts`], [`password`] | who has an account, lock-out, sessions, passwords |
//! | [`acting`] | who acts: roles, what each may do, purpose and reason |
//! | [`audit`] | what is written down of every act |
//! | [`chain`] | how what is written down holds together |
//! | [`clock`] | by when a case wants an answer |
//! | [`dossier`] | what is kept beside a record: handling, consent, retention |
//! | [`lifecycle`] | what two agencies say about a match, and where that leaves it |
//! | [`text`] | words that people type, bounded and safe to show |

pub mod accounts;
pub mod acting;
pub mod audit;
pub mod chain;
pub mod clock;
pub mod dossier;
pub mod lifecycle;
pub mod password;
pub mod text;
