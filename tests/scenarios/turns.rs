//! One process at a time has a node's vault: whoever comes meanwhile waits for its turn.

use std::process::{Child, Output, Stdio};
use std::time::Duration;

use symbolon_node::cli::Launcher as _;
use symbolon_node::config::NodeConfig;
use symbolon_node::launcher::Engine;
use symbolon_node::vault::Vault;
use symbolon_tests::consortium::{QUOTA, eventually};

use crate::support::{Scene, custodians_and_a_member, node_program, unlock};

fn start(scene: &Scene, words: &[&str]) -> Child {
    node_program(scene, words)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

async fn ended(child: Child) -> Output {
    let output = tokio::task::spawn_blocking(|| child.wait_with_output());
    output.await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_and_a_starting_node_wait_for_each_other() {
    let mut scene = custodians_and_a_member(QUOTA).await;
    scene.consortium.stop_node("police").await.unwrap();
    let place = scene.consortium.places.node("police");
    // Some command is at work.
    let vault = Vault::open(&place, &unlock()).unwrap();
    let mut serving = start(&scene, &["serve", "--json"]);
    let mut status = start(&scene, &["status", "--json"]);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(serving.try_wait().unwrap().is_none(), "it waits");
    assert!(status.try_wait().unwrap().is_none(), "it waits");
    drop(vault);
    let told = ended(status).await;
    let words = String::from_utf8_lossy(&told.stderr).into_owned();
    assert!(told.status.success(), "{words}");
    assert!(words.contains("another command is at work here"), "{words}");
    eventually("the node serving", async || {
        let told = ended(start(&scene, &["status", "--json"])).await;
        let status: serde_json::Value = serde_json::from_slice(&told.stdout)?;
        Ok((status["serving"] == true).then_some(()))
    })
    .await
    .unwrap();
    // It has started itself once more meanwhile, with one heap: the same process.
    if cfg!(all(target_os = "linux", target_env = "gnu")) {
        let set = std::fs::read(format!("/proc/{}/environ", serving.id())).unwrap();
        let set = String::from_utf8_lossy(&set);
        assert!(set.contains("MALLOC_ARENA_MAX=1"), "one heap");
        assert!(set.contains("MALLOC_MMAP_THRESHOLD_=131072"), "few holes");
    }
    // Control: who serves is not waited for, and nobody serves beside it.
    let second = ended(start(&scene, &["serve"])).await;
    let words = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1));
    assert!(words.contains("is serving already"), "{words}");
    serving.kill().unwrap();
    serving.wait().unwrap();
    scene.consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_finds_the_vault_taken_after_waiting_for_it_waits_on() {
    let mut scene = custodians_and_a_member(QUOTA).await;
    scene.consortium.stop_node("police").await.unwrap();
    let place = scene.consortium.places.node("police");
    let config = NodeConfig::load(&place).unwrap();
    // Of two who waited this one was quicker.
    let vault = Vault::open(&place, &unlock()).unwrap();
    let opening = tokio::spawn(Engine.open(config, unlock()));
    // Longer than the vault itself tries.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!opening.is_finished(), "it waits");
    drop(vault);
    assert!(opening.await.unwrap().is_ok());
    scene.consortium.stop().await.unwrap();
}
