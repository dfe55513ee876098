//! One heap for all threads.
//!
//! glibc gives each thread a heap of its own and returns of it what lies at its end only. The vault's pages are
//! read by one thread and dropped by another, so that heaps stay full of holes: with a million records in
//! the vault 732 MiB were taken where 285 were in use. With one heap it is 439 (docs/decisions/0015).
//! glibc reads the setting from the environment when a program starts, so this program starts itself once
//! more with it: the same process, the same arguments.

/// Starts this program anew with one heap, if that is not settled yet. It comes back if it cannot: then
/// things go on as they are.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn one_for_all_threads() {
    use std::os::unix::process::CommandExt as _;

    const SETTING: &str = "MALLOC_ARENA_MAX";
    if std::env::var_os(SETTING).is_some() {
        return;
    }
    let mut words = std::env::args_os();
    let (Some(name), Ok(program)) = (words.next(), std::env::current_exe()) else {
        return;
    };
    let mut same = std::process::Command::new(program);
    let _failed = same.arg0(name).args(words).env(SETTING, "1").exec();
}

/// Elsewhere the allocator is another one.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn one_for_all_threads() {}
