//! The program `symbolon-node`.

use std::process::ExitCode;

// glibc's allocator keeps an arena for each thread, and leaves holes where a store's buffers were.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    symbolon_node::cli::main()
}
