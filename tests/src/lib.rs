//! What the tests and the demo of Symbolon share; no part of what an agency installs.
//!
//! - [`consortium`]: a hub and nodes in one process, over real sockets.
//! - [`demo`]: the demo's steps, and the comparison with a join in clear.
//! - [`flood`]: clients that wish the hub ill.
//! - [`logs`]: where the parties of one process log to.
//! - [`ports`]: where servers listen that are told so before.
//! - [`relay`]: what a malicious hub would look like to one node.
//! - [`sample`]: synthetic casework with the truth of who is who.
//! - [`statistics`]: whether two sets of measurements can be told apart.

pub mod consortium;
pub mod demo;
pub mod flood;
pub mod logs;
pub mod ports;
pub mod relay;
pub mod sample;
pub mod statistics;
