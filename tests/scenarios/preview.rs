//! Preview: it says exactly what an import then does, shows no value unasked, and changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde::Serialize;
use serde::de::DeserializeOwned;
use symbolon_core::agreement::{Category, RecordRole};
use symbolon_node::command::ImportOptions;
use symbolon_node::error::NodeError;
use symbolon_node::preview::{PreviewKeys, PreviewOptions, PreviewRecord, PreviewReport};
use symbolon_node::tables::Tables;
use symbolon_node::vault::{Table, Vault};
use symbolon_tests::consortium::eventually;

use crate::agreements::node;
use crate::canaries::{PLANTED, needles};
use crate::support::{AGREEMENT, Scene, scene, set_up, silent, unlock};

const NODE: &str = env!("CARGO_BIN_EXE_node-process");
/// The most often that one agency may hold a phone number.
const CAP: usize = 16;

/// A second agreement, into which the refuge may bring missing persons only.
async fn agree_on_roles(scene: &Scene) {
    let consortium = &scene.consortium;
    let mut document = consortium.document("roles", &["police", "refuge"]).unwrap();
    let role = RecordRole {
        submit: [Category::Missing].into(),
        receive: [Category::Missing].into(),
    };
    document
        .record_roles
        .insert("refuge".parse().unwrap(), role);
    consortium.admin.propose_agreement(&document).await.unwrap();
    for agency in ["police", "refuge"] {
        node(scene, agency).accept("roles", &[]).await.unwrap();
    }
}

fn missing(ids: std::ops::Range<usize>) -> String {
    ids.map(|n| format!("R{n},,,07912 345678,missing,,\n"))
        .collect()
}

fn says_what_would_be(report: &PreviewReport) {
    assert_eq!(
        (report.found.read, report.found.new, report.found.changed),
        (11, 11, 0)
    );
    assert_eq!(report.unused_columns, ["shoe_size"]);
    assert_eq!(
        report.found.unused.placeholders,
        [("surname".to_owned(), 1)].into()
    );
    assert_eq!(
        report.found.unused.invalid,
        [("nhs_number".to_owned(), 1)].into()
    );
    // Seven have nothing but the number, B and N nothing that counts, S may not be shared.
    let shared = report.records.iter().filter(|record| is_shared(record));
    assert_eq!(report.shared_with_nobody, 11 - shared.count() as u64);
    let reason = |id: &str| under_roles(report, id);
    assert_eq!(reason("M"), None);
    let kept_out = "its terms do not let this agency share the category suspect";
    assert_eq!(reason("S").as_deref(), Some(kept_out));
    let keyless = "the record has no key to share";
    assert_eq!(reason("N").as_deref(), Some(keyless));
    assert_eq!(reason("R12").as_deref(), Some(keyless));

    assert!(
        report.found.left_out.is_empty(),
        "control: no record has many keys"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_says_is_what_an_import_registers() {
    let mut scene = scene(&["police", "refuge"], 2).await;
    agree_on_roles(&scene).await;
    let refuge = std::sync::Arc::clone(node(&scene, "refuge"));
    let header = "record_id,given_names,surname,phone,category,nhs_number,shoe_size\n";
    // One number is held ten times already, and seven times more in the file.
    let options = |file| ImportOptions {
        file,
        agreements: Some(vec!["roles".to_owned()]),
        ..Default::default()
    };
    let before = scene.file("before.csv", &format!("{header}{}", missing(0..10)));
    refuge
        .import(&set_up(), &options(before), &silent())
        .await
        .unwrap();
    let rows = "M,Linh,unknown,07912 345679,missing,943 476 5919,\n\
                B,Ada,Osei,,missing,943 476 5918,38\n\
                S,Tom,Hardy,07912 345670,suspect,,\n\
                N,,,,missing,,\n";
    let file = scene.file("file.csv", &format!("{header}{}{rows}", missing(10..17)));
    let ask = PreviewOptions {
        import: options(file),
        ..Default::default()
    };
    let report = refuge.preview(&ask).await.unwrap();
    says_what_would_be(&report);

    // The same options, given to the import.
    let imported = refuge
        .import(&set_up(), &ask.import, &silent())
        .await
        .unwrap();
    assert_eq!(imported.found.new, report.found.new);
    assert_eq!(imported.found.unused, report.found.unused);
    assert_eq!(imported.suppressed, by_kind(&report, |keys| keys.over_cap));
    assert_eq!(imported.suppressed, [("phone".to_owned(), 7)].into());
    let shared: u64 = by_kind(&report, |keys| keys.shared).values().sum();
    assert_eq!(imported.linkage_keys, shared);
    assert_eq!(imported.held_back, [("roles".to_owned(), 1)].into());
    scene.consortium.settle().await.unwrap();
    // Now that they are there, there is nothing new, and the number is still held too often.
    let again = refuge.preview(&ask).await.unwrap();
    assert_eq!((again.found.new, again.found.unchanged), (0, 11));
    assert_eq!(again.keys, report.keys);
    drop(refuge);

    scene.consortium.stop_node("refuge").await.unwrap();
    let announced: BTreeMap<(String, u16), u64> = announced(&report);
    assert!(announced.len() > 1);
    assert_eq!(
        registered(&scene.consortium.places.node("refuge")),
        announced
    );
    scene.consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_record_has_too_many_of_is_told_by_kind() {
    let scene = scene(&["police", "refuge"], 2).await;
    let police = node(&scene, "police");
    let file = scene.file(
        "many.csv",
        "record_id,given_names,surname,date_of_birth,postcode,phone\n\
         M,Anna Maria;Ana,Lopez Garcia;Smith-Jones,2009-03-05;2008-03-05,SW1A 1AA;M1 1AE,07912 345678\n\
         F,,,,,07912 345679\n",
    );
    let options = ImportOptions {
        file,
        ..Default::default()
    };
    let ask = PreviewOptions {
        import: options.clone(),
        ..Default::default()
    };
    let preview = police.preview(&ask).await.unwrap();
    let left_out = &preview.found.left_out;
    let many = preview.records.iter().find(|r| r.record_id == "M").unwrap();
    let counted = |keys: &[PreviewKeys]| -> BTreeMap<String, u64> {
        let lost = keys.iter().filter(|keys| keys.left_out > 0);
        lost.map(|keys| (keys.kind.clone(), keys.left_out))
            .collect()
    };
    assert!(!left_out.is_empty());
    assert_eq!(
        (&counted(&many.keys), &counted(&preview.keys)),
        (left_out, left_out)
    );
    let shared: u64 = many.keys.iter().map(|keys| keys.shared).sum();
    assert_eq!(shared, 32, "as many as the schema allows");
    let few = preview.records.iter().find(|r| r.record_id == "F").unwrap();
    assert!(counted(&few.keys).is_empty(), "control");
    let imported = police.import(&set_up(), &options, &silent()).await.unwrap();
    assert_eq!(&imported.found.left_out, left_out);
    scene.consortium.stop().await.unwrap();
}

fn is_shared(record: &PreviewRecord) -> bool {
    record.agreements.iter().any(|told| told.shared)
}

/// Why a record is not shared under the second agreement; under the first none takes part.
fn under_roles(report: &PreviewReport, id: &str) -> Option<String> {
    let record = report.records.iter().find(|r| r.record_id == id).unwrap();
    let told = |id: &str| {
        let mut agreements = record.agreements.iter();
        agreements.find(|told| told.agreement == id).unwrap()
    };
    assert_eq!(
        told(AGREEMENT).reason.as_deref(),
        Some("the record does not take part in it")
    );
    told("roles").reason.clone()
}

fn by_kind(report: &PreviewReport, of: impl Fn(&PreviewKeys) -> u64) -> BTreeMap<String, u64> {
    let kinds = report.keys.iter().map(|keys| (keys.kind.clone(), of(keys)));
    kinds.filter(|(_, n)| *n > 0).collect()
}

/// Rows by record and kind that the preview lets one expect.
fn announced(report: &PreviewReport) -> BTreeMap<(String, u16), u64> {
    let schema = symbolon_core::linkage::Schema::default_schema();
    let id = |name: &str| schema.kinds().iter().find(|k| k.name == name).unwrap().id.0;
    let mut rows = BTreeMap::new();
    for record in &report.records {
        if is_shared(record) {
            for keys in record.keys.iter().filter(|keys| keys.shared > 0) {
                rows.insert((record.record_id.clone(), id(&keys.kind)), keys.shared);
            }
        }
    }
    rows
}

/// Rows by record and kind that are in the vault as registered.
fn registered(state: &Path) -> BTreeMap<(String, u16), u64> {
    let vault = Vault::open(state, &unlock()).unwrap();
    let tables = Tables::open(&vault).unwrap();
    let mut rows = BTreeMap::new();
    for entry in tables.rows.iter() {
        let (_, row) = entry.unwrap();
        if let Some(record) = row.record_id.filter(|_| row.registered) {
            *rows.entry((record, row.kind)).or_insert(0) += 1;
        }
    }
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cap_counts_what_the_vault_will_hold() {
    let scene = scene(&["police", "refuge"], 2).await;
    let police = node(&scene, "police");
    let file = |name: &str, ids| {
        let rows = missing(ids);
        let header = "record_id,given_names,surname,phone,category,nhs_number,shoe_size";
        scene.file(name, &format!("{header}\n{rows}"))
    };
    let half = CAP / 2;
    scene.import("police", &file("first.csv", 0..half)).await;
    let phones = async |name: &str, ids, remove_missing| {
        let options = PreviewOptions {
            import: ImportOptions {
                file: file(name, ids),
                remove_missing,
                agreements: Some(vec![AGREEMENT.to_owned()]),
                ..Default::default()
            },
            ..Default::default()
        };
        let report = police.preview(&options).await.unwrap();
        let [keys] = report.keys.as_slice() else {
            panic!("one kind");
        };
        (keys.shared, keys.over_cap, report.found.removed)
    };
    // Just as many as may be, and one more; without those that the file no longer has, it is fine.
    let (n, half_n) = (CAP as u64, half as u64);
    assert_eq!(phones("a.csv", half..CAP, false).await, (half_n, 0, 0));
    assert_eq!(
        phones("b.csv", half..CAP + 1, false).await,
        (0, half_n + 1, 0)
    );
    assert_eq!(
        phones("c.csv", half..CAP + 1, true).await,
        (half_n + 1, 0, half_n)
    );
    // Records that are there already are not counted twice.
    assert_eq!(phones("d.csv", 0..CAP, false).await, (n, 0, 0));
    scene.consortium.stop().await.unwrap();
}

/// The program on a state directory, whose vault is opened with the scenarios' key.
fn program(scene: &Scene, arguments: &[&str]) -> Command {
    let key = scene.directory.path().join("key");
    std::fs::write(&key, [7; 32]).unwrap();
    let mut command = Command::new(NODE);
    command
        .arg("--state")
        .arg(scene.consortium.places.node("police"))
        .arg("--key-file")
        .arg(key)
        .args(arguments)
        .stdin(Stdio::null());
    command
}

/// Everything that it wrote, in small letters.
fn written(output: &Output) -> String {
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8(both).unwrap().to_lowercase()
}

/// Values that cannot be right.
const BAD: [&str; 2] = ["943 476 5918", "31/02/2031"];

/// The planted person, one record with a wrong number, one whose date is none.
fn canary_file(scene: &Scene) -> PathBuf {
    let (columns, values): (Vec<_>, Vec<_>) = PLANTED.into_iter().unzip();
    let wrong = PLANTED.map(|(column, _)| match column {
        "record_id" => "W",
        "nhs_number" => "943 476 5918",
        _ => "",
    });
    let undated = PLANTED.map(|(column, _)| match column {
        "record_id" => "U",
        "date_of_birth" => "31/02/2031",
        _ => "",
    });
    let lines = [&columns[..], &values, &wrong, &undated];
    let text: Vec<String> = lines.iter().map(|cells| cells.join(",")).collect();
    scene.file("canary.csv", &(text.join("\n") + "\n"))
}

/// Every form of a value of the file; record ids are shown.
fn unshown() -> Vec<String> {
    let id = ["canary-7141", "canary7141"];
    let mut needles: Vec<String> = needles()
        .into_iter()
        .map(|needle| String::from_utf8(needle).unwrap())
        .filter(|needle| !id.contains(&needle.as_str()))
        .collect();
    needles.extend(BAD.map(str::to_owned));
    needles
}

/// Listens where the hub did; another test's client may have the port for a moment.
async fn in_place_of_the_hub(scene: &Scene) -> TcpListener {
    let address = scene.consortium.addresses().0;
    let bound = eventually("the hub's port", async || {
        Ok(TcpListener::bind(address).ok())
    });
    let listener = bound.await.unwrap();
    listener.set_nonblocking(true).unwrap();
    listener
}

#[tokio::test(flavor = "multi_thread")]
async fn no_value_is_shown_unasked_and_nothing_is_written_or_sent() {
    let mut scene = scene(&["police", "refuge"], 2).await;
    let kept = scene.file("kept.csv", "record_id,phone\nK,07912 345671\n");
    scene.import("police", &kept).await;
    scene.consortium.settle().await.unwrap();
    let file = canary_file(&scene);
    let file = file.to_str().unwrap();
    // Who listens at the hub's address hears of every connection.
    for agency in ["police", "refuge"] {
        scene.consortium.stop_node(agency).await.unwrap();
    }
    scene.consortium.stop_hub().await.unwrap();
    let listener = in_place_of_the_hub(&scene).await;
    let state = scene.consortium.places.node("police");
    let before = everything(&state);

    let preview = |more: &[&str]| {
        let arguments = [&["preview", file, "--agreement", AGREEMENT][..], more].concat();
        let output = program(&scene, &arguments).output().unwrap();
        let text = written(&output);
        assert!(output.status.success(), "{text}");
        text
    };
    let needles = unshown();
    for more in [
        &[][..],
        &["--json"],
        &["--record", "W"],
        &["--keep-invalid"],
    ] {
        let text = preview(more);
        assert!(
            text.contains("nhs_number") && text.contains("shared"),
            "{text}"
        );
        let shown: Vec<_> = needles.iter().filter(|n| text.contains(*n)).collect();
        assert!(shown.is_empty(), "{more:?} shows {shown:?}");
    }
    // Positive control: asked for, they are there, those that are wrong too.
    for more in [&["--show-values"][..], &["--show-values", "--json"]] {
        let text = preview(more);
        for value in [&["9434765919"][..], &BAD].concat() {
            assert!(text.contains(value), "{value}: {text}");
        }
        let shown = needles.iter().filter(|n| text.contains(*n)).count();
        assert!(shown > 10, "{shown} of {}", needles.len());
    }
    let refused = program(&scene, &["preview", file, "--record", "U"])
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let told = written(&refused);
    assert!(
        told.contains("line 4: date_of_birth is not a date"),
        "{told}"
    );

    let nobody = listener.accept().map(|_| ()).unwrap_err();
    assert_eq!(
        nobody.kind(),
        ErrorKind::WouldBlock,
        "preview went to the hub"
    );
    assert!(everything(&state) == before, "preview wrote into the vault");
    the_controls_do_both(&scene, file, &listener, &before).await;
    scene.consortium.stop().await.unwrap();
}

/// Positive controls: an import asks the hub, and writes.
async fn the_controls_do_both(
    scene: &Scene,
    file: &str,
    listener: &TcpListener,
    before: &BTreeMap<&'static str, BTreeSet<String>>,
) {
    let arguments = ["import", file, "--agreement", AGREEMENT];
    let mut import = program(scene, &arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut asked = false;
    eventually("the import ending", async || {
        asked |= listener.accept().is_ok();
        Ok(import.try_wait()?)
    })
    .await
    .unwrap();
    assert!(asked, "the listener hears who asks the hub");
    let after = everything(&scene.consortium.places.node("police"));
    assert!(after != *before);
}

/// What the vault holds, table by table.
fn everything(state: &Path) -> BTreeMap<&'static str, BTreeSet<String>> {
    let vault = Vault::open(state, &unlock()).unwrap();
    let tables = Tables::open(&vault).unwrap();
    [
        ("identity", entries(&tables.identity)),
        ("numbers", entries(&tables.numbers)),
        ("roster", entries(&tables.roster)),
        ("agreements", entries(&tables.agreements)),
        ("keys", entries(&tables.agreement_keys)),
        ("shares", entries(&tables.shares)),
        ("outbox", entries(&tables.outbox)),
        ("records", entries(&tables.records)),
        ("rows", told(tables.rows.iter())),
        ("pending", told(tables.pending.iter())),
        ("withdrawals", entries(&tables.withdrawals)),
        ("roots", told(tables.roots.iter())),
        ("common", entries(&tables.common)),
        ("matches", entries(&tables.matches)),
        ("comparison records", entries(&tables.comparison_records)),
    ]
    .into()
}

fn entries<K, V>(table: &Table<K, V>) -> BTreeSet<String>
where
    K: Serialize + DeserializeOwned,
    V: Serialize + DeserializeOwned,
{
    told(table.iter())
}

fn told(entries: impl Iterator<Item = Result<impl Serialize, NodeError>>) -> BTreeSet<String> {
    let told = entries.map(|entry| serde_json::to_string(&entry.unwrap()).unwrap());
    told.collect()
}
