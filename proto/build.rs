//! Compiles the `.proto` files with protox, so that no protoc is needed.

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
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
