//! The program `symbolon-node`.

use std::process::ExitCode;

fn main() -> ExitCode {
    symbolon_node::cli::main()
}
