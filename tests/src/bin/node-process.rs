//! The node's program, built beside the tests so that they can start it.

use std::process::ExitCode;

fn main() -> ExitCode {
    symbolon_node::cli::main()
}
