//! Compiles the `.proto` files with protox, so that no protoc is needed.

use prost::Message as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let areas = [
        "certificates",
        "enrolment",
        "membership",
        "custody",
        "matching",
        "mailbox",
    ];
    let files: Vec<String> = areas
        .iter()
        .map(|area| format!("symbolon/{area}.proto"))
        .collect();
    for file in &files {
        println!("cargo:rerun-if-changed={file}");
    }
    let descriptors = protox::compile(&files, ["."])?;
    // For those who ask the hub what it serves.
    let out = std::path::PathBuf::from(std::env::var("OUT_DIR")?).join("symbolon.bin");
    std::fs::write(out, descriptors.encode_to_vec())?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
