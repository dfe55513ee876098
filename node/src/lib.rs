//! The node of Symbolon: the only place where records exist.
//!
//! | Module | Room |
//! |---|---|
//! | [`cli`], [`launcher`] | the command line, and what joins it to the engine |
//! | [`command`], [`reports`] | what a person can ask, and what comes back |
//! | [`permissions`], [`handler`] | who may ask it, and where it is carried out |
//! | [`casework`] | what people do about records and matches; accounts, sessions, the audit log |
//! | [`config`], [`csv_file`], [`control`] | settings, files, the control socket |
//! | [`vault`], [`tables`], [`rows`] | everything the node keeps, sealed |
//! | [`hub_client`] | the line to the hub |
//! | [`keys`], [`rekey`] | the keys by which the roster knows the agency, and their exchange |
//! | [`certificates`], [`health`] | renewing the TLS certificate, telling how long it lasts |
//! | [`enrolment`], [`membership`], [`custodian`], [`custody`], [`oracle`] | invitation, roster, agreements, share of the key and its life, evaluations |
//! | [`import`], [`records`], [`pipeline`], [`roots`], [`tokenise`], [`matches`], [`query`], [`heal`] | from a file to matches |
//! | `linkage` | keys and compared sets of a record, with the agency's own nicknames |
//! | `sharing` | open or silent, and until when |
//! | [`preview`] | what an import would share, before it does |
//! | `counts` | how many own records hold a key |
//! | `pace` | how much the custodians are asked for at a time |
//! | `urgent` | what does not wait its turn |
//! | [`comparison`] | what keys leave open, compared field by field with the other node |
//! | `letters` | what nodes write to each other |
//! | [`evaluate`], [`calibrate`] | files with truth, to measure the linkage; its weights from own records |
//! | [`node`], [`serve`] | the open node, and what keeps it going |

pub mod calibrate;
pub mod casework;
pub mod certificates;
pub mod cli;
pub mod clock;
pub mod command;
pub mod comparison;
pub mod config;
pub mod control;
mod counts;
pub mod csv_file;
pub mod custodian;
pub mod custody;
pub mod enrolment;
pub mod error;
pub mod evaluate;
pub mod handler;
pub mod heal;
pub mod health;
pub mod hub_client;
pub mod import;
pub mod keys;
pub mod launcher;
mod letters;
mod linkage;
pub mod matches;
pub mod membership;
pub mod node;
pub mod oracle;
mod pace;
mod pauses;
pub mod permissions;
pub mod pipeline;
pub mod preview;
pub mod query;
pub mod questions;
pub mod records;
pub mod rekey;
mod replacement;
pub mod reports;
pub mod roots;
pub mod rows;
pub mod serve;
mod sharing;
pub mod tables;
pub mod tokenise;
mod urgent;
pub mod vault;
