//! Casework: what people decide about records and matches, as rules and types.
//!
//! Pure: no clock, no store, no transport. The node keeps these types in its vault, carries them to
//! other nodes in envelopes and asks the rules here before it does anything; a console can sit on the
//! same services.
//!
//! | Module | Room |
//! |---|---|
//! | [`acting`] | who acts: roles, what each may do, purpose and reason |
//! | [`audit`] | what is written down of every act |
//! | [`dossier`] | what is kept beside a record: handling, consent, retention |
//! | [`retention`] | how long records are kept |
//! | [`text`] | words that people type, bounded and safe to show |
//! | [`tombstone`] | what is signed when something is no more |

pub mod acting;
pub mod audit;
pub mod dossier;
pub mod retention;
pub mod text;
pub mod tombstone;
