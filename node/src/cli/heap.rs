//! One heap for all threads, with few holes.
//!
//! glibc gives each thread a heap of its own and returns of it what lies at its end only. The vault's pages are
//! read by one thread and dropped by another, so that heaps stay full of holes: with a million records in
//! the vault 732 MiB were taken where 285 were in use. With one heap it is 439 (docs/decisions/0015).
//! What is larger than a page of the vault is taken from the system by itself, and goes back to it when it is
//! dropped: in the heap it would leave the largest holes. Left alone, glibc raises that size as it goes.
//! It reads its settings from the environment when a program starts, so this program starts itself once
//! more with them: the same process, the same arguments.

/// Settings of glibc's allocator (`mallopt(3)`): heaps; bytes from which on a piece is no part of one; free
/// bytes at the end of one beyond which they are given back.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const SETTINGS: [(&str, &str); 3] = [
    ("MALLOC_ARENA_MAX", "1"),
    ("MALLOC_MMAP_THRESHOLD_", "131072"),
    ("MALLOC_TRIM_THRESHOLD_", "8388608"),
];

/// Starts this program anew with one heap, if that is not settled yet. It comes back if it cannot: then
/// things go on as they are.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn one_for_all_threads() {
    use std::os::unix::process::CommandExt as _;

    let missing =
        SETTINGS.map(|(name, value)| std::env::var_os(name).is_none().then_some((name, value)));
    let mut words = std::env::args_os();
    let (Some(name), Ok(program)) = (words.next(), std::env::current_exe()) else {
        return;
    };
    if missing.iter().all(Option::is_none) {
        return;
    }
    let mut same = std::process::Command::new(program);
    same.arg0(name)
        .args(words)
        .envs(missing.into_iter().flatten());
    let _failed = same.exec();
}

/// Elsewhere the allocator is another one.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn one_for_all_threads() {}
