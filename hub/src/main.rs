//! The program `symbolon-hub`; everything is in the library.

use std::process::ExitCode;

// glibc's allocator keeps an arena for each thread, and leaves holes where a store's buffers were.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    symbolon_hub::cli::main()
}
