//! The hub's program, built beside the tests so that they can start and kill it.

use std::process::ExitCode;

fn main() -> ExitCode {
    symbolon_hub::cli::main()
}
