//! A whole import: from a file to rows that the hub has acknowledged, and what the node takes for it.
//!
//! The hub and two custodians run in this process, the importing node in one of its own, so that its peak
//! memory can be read. All share the machine: the limit that the cryptography sets is reckoned for all of
//! it. People are made up, the same for a seed, and written to the file one by one.

use std::collections::{BTreeMap, HashSet};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::Args;
use symbolon_core::crypto;
use symbolon_core::identity::AgencyKind;
use symbolon_core::linkage::derive::derive;
use symbolon_core::linkage::record::Record;
use symbolon_core::linkage::schema::Schema;
use symbolon_core::roster::Quota;
use symbolon_core::sealed_file::Unlock;
use symbolon_tests::consortium::Consortium;
use zeroize::Zeroizing;

use crate::report::Report;

const PART: &str = "pipeline";
const AGREEMENT: &str = "pipeline";
const NODE: &str = "police";
const MEMORY_MIB: f64 = 512.0;
/// Evaluations that custodians grant: a million records have 25 million keys.
const QUOTA: Quota = Quota {
    initial: 100_000_000,
    per_day: 10_000_000,
};

#[derive(Args, Clone)]
pub struct Size {
    /// Records in the file of the pipeline
    #[arg(long, default_value_t = 10_000)]
    records: u64,
    /// For the people in it
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Without the hub: the file is read and stored, nothing is evaluated. For the memory of large files
    #[arg(long)]
    offline: bool,
    /// SIGKILL to the node when so many records are stored; then it is started and the file imported again
    #[arg(long, value_name = "RECORDS")]
    kill_at: Option<u64>,
    /// Where the states lie; a temporary directory without it
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

/// The node's program, with an allocator and settings of its own.
fn program() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let program = program.with_file_name("node-process");
    // Whoever has this program run by cargo gets the other one with it, and as new.
    let words = "build --quiet --package symbolon-tests --bin node-process";
    if let Some(cargo) = std::env::var_os("CARGO") {
        let mut build = Command::new(cargo);
        build.args(words.split(' '));
        build.args((!cfg!(debug_assertions)).then_some("--release"));
        assert!(build.status().unwrap().success(), "cargo {words}");
    }
    assert!(program.exists(), "it is not built yet: cargo {words}");
    program
}

fn unlock() -> Unlock {
    Unlock::KeyFile(Zeroizing::new(vec![7; 32]))
}

/// The importing node, from outside.
struct Node {
    program: PathBuf,
    state: PathBuf,
    key: PathBuf,
    serving: Option<Child>,
}

impl Node {
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--state").arg(&self.state);
        command.arg("--key-file").arg(&self.key).args(words);
        command.stdin(Stdio::null()).stderr(Stdio::inherit());
        command
    }

    fn serve(&mut self) {
        let mut command = self.command(&["serve"]);
        let log = std::fs::File::create(self.state.with_extension("log")).unwrap();
        command.stdout(Stdio::null()).stderr(log);
        self.serving = Some(command.spawn().unwrap());
    }

    fn ask(&self, words: &[&str]) -> Option<serde_json::Value> {
        let output = self.command(words).stderr(Stdio::null()).output().unwrap();
        let answer = output.status.success().then_some(output.stdout)?;
        serde_json::from_slice(&answer).ok()
    }

    /// Waits until it answers, and is connected if there is a hub.
    fn ready(&mut self, online: bool) {
        loop {
            let ended = self.serving.as_mut().unwrap().try_wait().unwrap();
            assert!(
                ended.is_none(),
                "the node ended by itself: its log says why"
            );
            // Whoever asks before it serves would open the vault in its place.
            if self.state.join("control.sock").exists()
                && let Some(status) = self.ask(&["status", "--json"])
                && status["serving"] == true
                && (!online || status["connected"] == true)
            {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn kill(&mut self) {
        let mut serving = self.serving.take().unwrap();
        serving.kill().unwrap();
        serving.wait().unwrap();
        // Nobody deletes it for a process that is killed.
        let _ = std::fs::remove_file(self.state.join("control.sock"));
    }

    /// Peak resident memory of the serving process, in MiB.
    fn peak(&self) -> f64 {
        let process = self.serving.as_ref().unwrap().id();
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib: f64 = line
            .unwrap()
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .unwrap();
        kib / 1024.0
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut serving) = self.serving.take() {
            let _ = serving.kill();
            let _ = serving.wait();
        }
    }
}

pub fn measure(report: &mut Report, size: &Size, crypto_us: f64) {
    let temporary = tempfile::tempdir().unwrap();
    let base = size.state.as_deref().unwrap_or(temporary.path());
    std::fs::create_dir_all(base).unwrap();
    let file = base.join("records.csv");
    write_people(&file, size.records, size.seed);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut consortium = runtime.block_on(found(&base.join("state")));
    let key = base.join("vault-key");
    std::fs::write(&key, [7; 32]).unwrap();
    let mut node = Node {
        program: program(),
        state: consortium.places.node(NODE),
        key,
        serving: None,
    };
    if size.offline {
        runtime.block_on(consortium.stop_hub()).unwrap();
    }
    node.serve();
    node.ready(!size.offline);
    let path = file.to_str().unwrap();
    let import = ["import", path, "--agreement", AGREEMENT, "--json"];
    let begun = Instant::now();
    if let Some(records) = size.kill_at {
        cut_off(report, &mut node, &import, (records, !size.offline));
    }
    let told = node.ask(&import).expect("the import answers");
    let took = begun.elapsed().as_secs_f64();
    let records = size.records as f64;
    let keys = told["linkage_keys"].as_f64().unwrap();
    report.figure(PART, "records", records, "");
    report.figure(PART, "linkage keys a record", keys / records, "");
    if size.offline {
        report.figure(
            PART,
            "records counted and stored",
            records / took,
            "records/s",
        );
    } else {
        assert_eq!(told["waiting"], 0, "{told}");
        acknowledged(report, &node, (records, took, crypto_us));
    }
    report.figure(PART, "peak memory of the node", node.peak(), "MiB");
    report.at_most(MEMORY_MIB, "the issue");
    if !size.offline {
        let evaluated = evaluated(&consortium);
        report.figure(PART, "keys evaluated by a custodian", evaluated, "");
        report.at_most(distinct_keys(&file), "different keys in the file");
    }
    let vault = bytes_in(&node.state.join("vault")) / records;
    report.figure(PART, "vault on disk", vault, "bytes a record");
    again(report, &mut node, &import, !size.offline);
    drop(node);
    runtime.block_on(consortium.stop()).unwrap();
}

/// What went through, beside the limit that the cryptography sets.
fn acknowledged(report: &mut Report, node: &Node, (records, took, crypto_us): (f64, f64, f64)) {
    // Of what a kill cut off, too.
    let status = node.ask(&["status", "--json"]).unwrap();
    let rows = status["rows"].as_f64().unwrap();
    report.figure(
        PART,
        "records to acknowledged rows",
        records / took,
        "records/s",
    );
    report.figure(PART, "rows acknowledged", rows / took, "rows/s");
    let cores = std::thread::available_parallelism().map_or(1.0, |n| n.get() as f64);
    let share = 100.0 * rows * crypto_us / 1e6 / cores / took;
    report.figure(
        PART,
        "of this time the cryptography alone needs",
        share,
        "%",
    );
}

/// Begins an import and kills the node when so many records are stored; then starts it again.
fn cut_off(report: &mut Report, node: &mut Node, import: &[&str], (records, online): (u64, bool)) {
    let mut importing = node.command(import);
    let importing = importing.stdout(Stdio::null()).stderr(Stdio::null());
    let mut importing = importing.spawn().unwrap();
    loop {
        std::thread::sleep(Duration::from_secs(5));
        let status = node.ask(&["status", "--json"]).unwrap();
        if status["records"].as_u64().unwrap() >= records {
            break;
        }
        assert!(
            importing.try_wait().unwrap().is_none(),
            "nothing to cut off"
        );
    }
    let peak = node.peak();
    report.figure(PART, "peak memory of the node that was killed", peak, "MiB");
    report.at_most(MEMORY_MIB, "the issue");
    node.kill();
    importing.wait().unwrap();
    let begun = Instant::now();
    node.serve();
    node.ready(online);
    let took = begun.elapsed().as_secs_f64();
    report.figure(
        PART,
        "from SIGKILL in an import to a node that serves",
        took,
        "s",
    );
}

/// What a custodian evaluated for the importing node, by its ledger.
fn evaluated(consortium: &Consortium) -> f64 {
    let custodian = consortium.node("council").unwrap();
    let lines = custodian.custody_log(u64::MAX).unwrap();
    let own = lines.iter().filter(|line| line.agency == NODE);
    own.map(|line| line.elements as f64).sum()
}

fn distinct_keys(file: &Path) -> f64 {
    let schema = Schema::default_schema();
    let mut keys = HashSet::new();
    for record in csv::Reader::from_path(file).unwrap().into_deserialize() {
        let cells: BTreeMap<String, String> = record.unwrap();
        let cells = cells.iter();
        let cells = cells.map(|(name, cell)| (name.as_str(), cell.as_str()));
        let (record, _) = Record::from_cells(cells).unwrap();
        let inputs = derive(schema, &record);
        keys.extend(
            inputs
                .iter()
                .map(|key| crypto::sha256(&key.input(schema)).0),
        );
    }
    keys.len() as f64
}

/// What a start after SIGKILL costs, and an import of what is there.
fn again(report: &mut Report, node: &mut Node, import: &[&str], online: bool) {
    node.kill();
    let begun = Instant::now();
    node.serve();
    node.ready(online);
    let took = begun.elapsed().as_secs_f64();
    report.figure(PART, "from SIGKILL to a node that serves", took, "s");
    let begun = Instant::now();
    let told = node.ask(import).expect("the import answers");
    assert_eq!(told["rows_registered"], 0, "{told}");
    report.figure(
        PART,
        "the same file again",
        begun.elapsed().as_secs_f64(),
        "s",
    );
    report.figure(PART, "peak memory of the node, then", node.peak(), "MiB");
    report.at_most(MEMORY_MIB, "the issue");
}

/// A hub, two custodians, and the importing node, which is stopped again.
async fn found(state: &Path) -> Consortium {
    let mut consortium = Consortium::found(state, unlock).await.unwrap();
    for name in ["council", "refuge"] {
        consortium.enrol(name, AgencyKind::Ngo, name).await.unwrap();
    }
    consortium.appoint(2).await.unwrap();
    consortium
        .enrol_with_quota(NODE, AgencyKind::LawEnforcement, NODE, QUOTA)
        .await
        .unwrap();
    let members = [NODE, "council", "refuge"];
    consortium.agree(AGREEMENT, &members).await.unwrap();
    consortium.stop_node(NODE).await.unwrap();
    consortium
}

/// Numbers that are the same for a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn name(&mut self, syllables: u64) -> String {
        const FIRST: [&str; 20] = [
            "ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu", "na", "pe", "ri", "so",
            "tu", "va", "we", "yi", "zo", "sha",
        ];
        const LAST: [&str; 8] = ["n", "r", "s", "l", "m", "k", "t", ""];
        let parts: Vec<&str> = (0..syllables)
            .map(|_| FIRST[self.below(20) as usize])
            .collect();
        parts.concat() + LAST[self.below(8) as usize]
    }
}

/// Writes so many people, one after another.
fn write_people(path: &Path, records: u64, seed: u64) {
    let mut out = BufWriter::new(std::fs::File::create(path).unwrap());
    let header = "record_id,given_names,surname,date_of_birth,address,town,postcode,phone,email,nhs_number,passport,vehicle,account";
    writeln!(out, "{header}").unwrap();
    let mut random = Random(seed);
    for number in 0..records {
        let (given, second) = (random.name(2), random.name(2));
        let (family, street, town) = (random.name(3), random.name(3), random.name(2));
        let (year, month, day) = (
            1940 + random.below(80),
            1 + random.below(12),
            1 + random.below(28),
        );
        let house = 1 + random.below(200);
        let postcode = format!("LS{} {}AB", 1 + random.below(28), random.below(10));
        let (phone, mobile) = (random.below(1_000_000_000), random.below(1_000_000_000));
        writeln!(
            out,
            "R{number},{given} {second},{family},{year}-{month:02}-{day:02},{house} {street} Road,{town},{postcode},07{phone:09}; 07{mobile:09},{given}.{family}{number}@example.org,{},{:09},AB{:02} CDE{:03},{:08}",
            nhs_number(&mut random),
            random.below(1_000_000_000),
            random.below(100),
            random.below(1000),
            random.below(100_000_000),
        )
        .unwrap();
    }
    out.flush().unwrap();
}

/// Ten digits with the right check digit.
fn nhs_number(random: &mut Random) -> String {
    loop {
        let nine = 400_000_000 + random.below(300_000_000);
        let digits = format!("{nine:09}");
        let sum: u64 = digits
            .bytes()
            .zip((2..=10).rev())
            .map(|(digit, weight)| u64::from(digit - b'0') * weight)
            .sum();
        match 11 - sum % 11 {
            11 => return format!("{digits}0"),
            10 => {}
            check => return format!("{digits}{check}"),
        }
    }
}

fn bytes_in(path: &Path) -> f64 {
    let mut bytes = 0.0;
    for entry in std::fs::read_dir(path).unwrap() {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        bytes += match metadata.is_dir() {
            true => bytes_in(&entry.path()),
            false => metadata.len() as f64,
        };
    }
    bytes
}
