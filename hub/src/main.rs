//! The program `symbolon-hub`; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    symbolon_hub::cli::main()
}
