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
//! | [`disclosure`] | what is asked of the other agency, and what leaves |
//! | [`day`] | a day, as people type it |
//! | [`dossier`] | what is kept beside a record: handling, consent, retention |
//! | [`edit`] | what a person changes in a record |
//! | [`htcds`] | the Human Trafficking Case Data Standard: fields, code lists, CSV and JSON |
//! | [`link`] | persons, objects, locations, events and organisations beside a record |
//! | [`merge`] | what an import does to a record that was edited |
//! | [`state`] | a record with all that is beside it, and what differs between two |
//! | [`lifecycle`] | what two agencies say about a match, and where that leaves it |
//! | [`parcel`] | attachments in chunks |
//! | [`missing`] | going missing: episodes, the watch, the interview on return |
//! | [`network`] | what joins records: shared phones, vehicles, addresses, accounts |
//! | [`retention`] | how long records are kept |
//! | [`text`] | words that people type, bounded and safe to show |
//! | [`tombstone`] | what is signed when something is no more |

pub mod accounts;
pub mod acting;
pub mod audit;
pub mod chain;
pub mod clock;
pub mod day;
pub mod disclosure;
pub mod dossier;
pub mod edit;
pub mod htcds;
pub mod lifecycle;
pub mod link;
pub mod merge;
pub mod missing;
pub mod network;
pub mod parcel;
pub mod password;
pub mod retention;
pub mod state;
pub mod text;
pub mod tombstone;
