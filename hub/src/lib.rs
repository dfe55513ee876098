//! The hub of Symbolon: joins tokens, relays sealed payloads, keeps the roster.
//!
//! It sees tokens and ciphertext, never records: it is built without core's `node` feature and so
//! cannot name what opens a payload. Every change commits together with its entry of the
//! transparency log, and is synced before it is acknowledged.
//!
//! | Module | Room |
//! |---|---|
//! | [`membership`] | roster, certificates, agreements: who may do what |
//! | [`enrolment`] | redeeming an invitation |
//! | [`matching`] | rows in, notices out |
//! | [`mailbox`] | what waits for a member |
//! | [`custody`] | the relay to custodians |
//! | [`log`] | entries of the transparency log |
//! | [`store`] | what is kept, behind a trait with domain verbs |
//! | [`migration`] | carrying a store over to another |
//! | [`certificates`] | making, issuing, renewing, revoking and reading certificates |
//! | [`health`] | what a person must look at before it is too late |
//! | [`metrics`] | counts and times for Prometheus |
//! | [`connections`] | live connections, and ending them |
//! | `sharing` | a hub among others over one store |
//! | `strangers` | connections of which it is not known yet who is behind them |
//! | `frames` | frames that carry nothing, counted |
//! | `pace` | how fast one caller may go |
//! | [`server`] | listeners, life and end of a running hub |
//! | [`ca`] | the offline root, new issuers, other administrators |
//! | [`founding`] | making a consortium |
//! | [`admin`] | the administrator's side |
//! | [`client`] | a TLS connection to a hub |
//! | [`config`] | `hub.toml` |
//!
//! Deliberately absent: any view of a row beyond equality of tokens.

mod accepted;
pub mod admin;
pub mod ca;
pub mod caller;
pub mod certificates;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod connections;
pub mod custody;
pub mod enrolment;
mod files;
pub mod founding;
mod frames;
mod health;
mod listener;
mod lock;
pub mod log;
pub mod mailbox;
pub mod matching;
pub mod membership;
mod metrics;
pub mod migration;
mod outcasts;
mod pace;
mod rpc;
pub mod server;
mod sharing;
pub mod store;
mod strangers;
mod tls;

pub use clock::{Clock, SystemClock};
pub use config::HubConfig;
pub use listener::Observer;
pub use server::{Hub, HubError, RunningHub};
