//! The audit log: every act stands in it with who and why, no value of a record does, and whatever is done
//! to it past the program is found.

use std::collections::BTreeMap;
use std::sync::Arc;

use symbolon_casework::acting::Role;
use symbolon_casework::audit::{AuditEvent, AuditFilter, AuditKind};
use symbolon_casework::chain::{Entry, Head, Salt};
use symbolon_node::casework::{ExportLine, verify_export};
use symbolon_node::command::{Command, ImportOptions, least_shown};
use symbolon_node::node::Node;
use symbolon_node::tables::Tables;
use symbolon_node::vault::Vault;
use symbolon_tests::consortium::eventually;

use crate::canaries::{PLANTED, needles};
use crate::people::{Person, administrator, person};
use crate::support::{AGREEMENT, Scene, scene, unlock};

fn node<'a>(scene: &'a Scene, agency: &str) -> &'a Arc<Node> {
    scene.consortium.node(agency).unwrap()
}

fn events(scene: &Scene) -> Vec<AuditEvent> {
    let lines = node(scene, "police").audit_lines(&AuditFilter::default(), u64::MAX);
    lines.unwrap().into_iter().map(|line| line.event).collect()
}

fn planted(change: Option<(&str, &str)>) -> String {
    let header: Vec<&str> = PLANTED.iter().map(|(column, _)| *column).collect();
    let row = PLANTED.iter().map(|(column, value)| match change {
        Some((changed, instead)) if changed == *column => instead,
        _ => *value,
    });
    let row: Vec<&str> = row.collect();
    format!("{}\n{}\n", header.join(","), row.join(","))
}

fn import(scene: &Scene, name: &str, text: &str) -> Command {
    Command::Import(ImportOptions {
        file: scene.file(name, text),
        agreements: Some(vec![AGREEMENT.to_owned()]),
        ..Default::default()
    })
}

/// Everything that one can do with a record, by one caseworker.
async fn a_records_life(scene: &Scene, cleo: &Person) {
    let id = PLANTED[0].1.to_owned();
    let refuge = scene.file("refuge.csv", &planted(None));
    scene.import("refuge", &refuge).await;
    let first = import(scene, "police.csv", &planted(None));
    cleo.asks(scene, first.clone()).await.unwrap();
    // Twice the same is no collection and no change.
    cleo.asks(scene, first).await.unwrap();
    let changed = planted(Some(("notes", "Left Flibberton by ferry")));
    let again = import(scene, "police.csv", &changed);
    cleo.asks(scene, again).await.unwrap();
    eventually("the match at the police", async || {
        Ok((node(scene, "police").matches(None)?.len() == 1).then_some(()))
    })
    .await
    .unwrap();
    scene.consortium.settle().await.unwrap();
    let columns: BTreeMap<String, String> = PLANTED
        .iter()
        .filter(|(column, _)| !["record_id", "notes"].contains(column))
        .map(|(column, value)| ((*column).to_owned(), (*value).to_owned()))
        .collect();
    let show = serde_json::json!({
        "command": "casework", "room": "record", "act": "show", "record_id": id,
    });
    for command in [
        Command::Records { record_id: None },
        Command::Records {
            record_id: Some(id.clone()),
        },
        serde_json::from_value(show).unwrap(),
        Command::Matches {
            record_id: Some(id.clone()),
            least: least_shown(),
        },
        Command::Query {
            columns,
            agreement: Some(AGREEMENT.to_owned()),
        },
        Command::Withdraw {
            record_ids: vec![id],
        },
    ] {
        cleo.asks(scene, command).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_act_on_a_record_is_written_down_with_who_and_why_and_no_value() {
    let scene = scene(&["police", "refuge"], 2).await;
    let ana = administrator(&scene).await;
    let cleo = person(&scene, &ana, "cleo", &[Role::Caseworker])
        .await
        .says_why();
    a_records_life(&scene, &cleo).await;
    let events = events(&scene);
    let of = |kind, what: &str| {
        let found = events.iter().filter(|e| e.kind == kind && e.what == what);
        found.collect::<Vec<_>>()
    };
    use AuditKind::{Access, Alteration, Collection, Combination, Consultation, Erasure};
    let id = PLANTED[0].1;
    for (kind, what, record) in [
        (Collection, "record imported", true),
        (Alteration, "record changed by an import", true),
        (Consultation, "records listed", false),
        (Consultation, "record shown in the list", true),
        (Consultation, "record shown", true),
        (Consultation, "matches of a record listed", true),
        (Consultation, "query asked", false),
        (Combination, "query hit", false),
        (Erasure, "record withdrawn", true),
    ] {
        let found = of(kind, what);
        assert_eq!(found.len(), 1, "{what}: {events:#?}");
        assert_eq!(found[0].who.as_ref().unwrap().as_str(), "cleo", "{what}");
        assert_eq!(
            found[0].reason.as_ref().unwrap().as_str(),
            "a call from the school"
        );
        let of_record = found[0].record.as_deref();
        if kind == Erasure {
            // A mark that means nothing without the vault's key: the id may tell who it was.
            assert!(of_record.is_some_and(|mark| mark != id), "{what}");
        } else {
            assert_eq!(of_record, record.then_some(id), "{what}");
        }
    }
    assert_eq!(
        of(Alteration, "record changed by an import")[0].fields,
        ["notes"]
    );
    let found = of(Combination, "match found");
    assert_eq!(found.len(), 1, "once for each match: {events:#?}");
    assert_eq!(found[0].who, None, "the node found it by itself");
    assert_eq!(found[0].agency.as_ref().unwrap().as_str(), "refuge");
    assert_eq!(of(Access, "account added").len(), 2);

    let export = exported(&scene, &AuditFilter::default());
    verify_export(export.as_bytes(), None).unwrap();
    let lower = export.to_lowercase();
    for needle in needles()
        .into_iter()
        .filter(|needle| needle != id.as_bytes())
    {
        let needle = String::from_utf8_lossy(&needle).to_lowercase();
        let own_id = id.to_lowercase().contains(&needle);
        assert!(
            own_id || !lower.contains(&needle),
            "{needle} stands in the log"
        );
    }
    // Control: the same search finds what somebody typed as a reason.
    assert!(lower.contains("a call from the school"));
    scene.consortium.stop().await.unwrap();
}

fn exported(scene: &Scene, filter: &AuditFilter) -> String {
    let lines = node(scene, "police").audit_export(filter).unwrap();
    let lines = lines
        .iter()
        .map(|line| serde_json::to_string(line).unwrap() + "\n");
    lines.collect()
}

fn whatever_is_done_to_it_is_found(whole: &str) {
    let lines: Vec<&str> = whole.lines().collect();
    let joined = |lines: &[&str]| lines.join("\n") + "\n";
    let refused = |text: &str| {
        verify_export(text.as_bytes(), None)
            .unwrap_err()
            .to_string()
    };
    let last = lines.len() - 1;
    let altered = whole.replacen("R-0", "R-9", 1);
    assert!(
        refused(&altered).contains("was altered"),
        "{}",
        refused(&altered)
    );
    let removed = joined(&[&lines[..1], &lines[2..]].concat());
    assert!(refused(&removed).contains("entry 2 is missing"));
    let beginning = joined(&lines[1..]);
    assert!(
        refused(&beginning).contains("entry 1 is missing"),
        "{}",
        refused(&beginning)
    );
    let cut = joined(&lines[..last]);
    assert!(refused(&cut).contains("its end was cut off"));
    let shorter = joined(&[&lines[..last - 1], &lines[last..]].concat());
    assert!(refused(&shorter).contains("its end was cut off"));
    let swapped = joined(&[&lines[..1], &[lines[2], lines[1]], &lines[3..]].concat());
    assert!(refused(&swapped).contains("entry 2 is missing"));
    let more = format!("{whole}{}\n", lines[0]);
    assert!(refused(&more).contains("behind its last line"));
    let other = whole.replace("\"agency\":\"police\"", "\"agency\":\"refuge\"");
    assert!(
        refused(&other).contains("the signature does not fit"),
        "{}",
        refused(&other)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_verifies_elsewhere_and_whatever_is_done_to_it_is_found() {
    let scene = scene(&["police", "refuge"], 2).await;
    let nobody = Person::default();
    for number in 0..6 {
        let text = format!("record_id,surname\nR-{},Nowak\n", number % 2);
        let row = import(
            &scene,
            "police.csv",
            &text.replace("Nowak", &format!("Nowak{number}")),
        );
        nobody.asks(&scene, row).await.unwrap();
    }
    let whole = exported(&scene, &AuditFilter::default());
    let verified = verify_export(whole.as_bytes(), None).unwrap();
    assert_eq!((verified.first, verified.left_out), (1, 0));
    assert_eq!(verified.last, verified.head);
    assert_eq!(
        verified.key,
        node(&scene, "police").keys().signing.verifying_key()
    );

    whatever_is_done_to_it_is_found(&whole);

    // About one record: what was done to the other is left out, and the chain still holds.
    let filter = AuditFilter {
        record: Some("R-1".to_owned()),
        ..Default::default()
    };
    let part = exported(&scene, &filter);
    let verified = verify_export(part.as_bytes(), Some(verified.head)).unwrap();
    assert_eq!(verified.entries, 3);
    assert!(verified.left_out >= 3);
    assert!(part.contains("R-1") && !part.contains("R-0"), "{part}");
    let forged = Head {
        digest: symbolon_core::encoding::Digest([9; 32]),
        ..verified.head
    };
    let anew = verify_export(part.as_bytes(), Some(forged)).unwrap_err();
    assert!(anew.to_string().contains("made anew"), "{anew}");
    scene.consortium.stop().await.unwrap();
}

/// What somebody does to the tables who has the passphrase and the disk.
type Tampering = fn(&Tables, &Head);

fn entry(tables: &Tables, number: u64) -> Entry {
    tables.audit.get(&number).unwrap().unwrap()
}

fn set_head(tables: &Tables, head: Head) {
    tables.audit_head.put(&"head".to_owned(), &head).unwrap();
}

const TAMPERINGS: [(&str, Tampering, Option<&str>); 8] = [
    ("control: nothing is done", |_, _| {}, None),
    (
        "altered",
        |tables, _| {
            let mut altered = entry(tables, 2);
            altered.event = altered.event.record("R-9");
            tables.audit.put(&2, &altered).unwrap();
        },
        Some("entry 3 does not follow"),
    ),
    (
        "the last one altered",
        |tables, head| {
            let mut altered = entry(tables, head.number);
            altered.event = altered.event.record("R-9");
            tables.audit.put(&head.number, &altered).unwrap();
        },
        Some("is not what the head says"),
    ),
    (
        "removed",
        |tables, _| tables.audit.remove(&2).unwrap(),
        Some("entry 2 is missing"),
    ),
    (
        "cut off",
        |tables, head| tables.audit.remove(&head.number).unwrap(),
        Some("its end was cut off"),
    ),
    (
        "a pair swapped",
        |tables, _| {
            let (second, third) = (entry(tables, 2), entry(tables, 3));
            tables.audit.put(&2, &third).unwrap();
            tables.audit.put(&3, &second).unwrap();
        },
        Some("they were moved"),
    ),
    (
        "the head set back",
        |tables, head| {
            let early = entry(tables, head.number - 2).link().head();
            set_head(tables, early);
        },
        Some("its head was set back"),
    ),
    // A kill between an entry and its head: the entry is the log's own.
    (
        "control: a kill",
        |tables, head| {
            let before = entry(tables, head.number - 1).link().head();
            set_head(tables, before);
        },
        None,
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_to_the_log_in_the_vault_is_found() {
    let mut scene = scene(&["police", "refuge"], 2).await;
    let nobody = Person::default();
    for number in 0..5 {
        let text = format!("record_id,surname\nR-{number},Nowak\n");
        let row = import(&scene, "police.csv", &text);
        nobody.asks(&scene, row).await.unwrap();
    }
    let head = node(&scene, "police").audit_verified(None).unwrap().head;
    assert_eq!(head.number, 5);
    let place = scene.consortium.places.node("police");
    scene.consortium.stop_node("police").await.unwrap();
    for (name, tampering, expected) in TAMPERINGS {
        let kept: Vec<Entry> = in_vault(&place, |tables| {
            let kept = (1..=5).map(|number| entry(tables, number)).collect();
            tampering(tables, &head);
            kept
        });
        scene.consortium.start_node("police").await.unwrap();
        let verified = node(&scene, "police").audit_verified(None);
        match expected {
            None => assert_eq!(verified.unwrap().head, head, "{name}"),
            Some(expected) => {
                let fault = verified.unwrap_err().to_string();
                assert!(fault.contains(expected), "{name}: {fault}");
            }
        }
        scene.consortium.stop_node("police").await.unwrap();
        in_vault(&place, |tables| {
            for entry in &kept {
                tables.audit.put(&entry.number, entry).unwrap();
            }
            set_head(tables, head);
        });
    }
    // Whoever cuts entry and head alike leaves a whole chain: only a head that was noted shows it.
    in_vault(&place, |tables| {
        let before = entry(tables, head.number - 1).link().head();
        tables.audit.remove(&head.number).unwrap();
        set_head(tables, before);
    });
    scene.consortium.start_node("police").await.unwrap();
    let police = node(&scene, "police");
    police.audit_verified(None).unwrap();
    let fault = police.audit_verified(Some(head)).unwrap_err().to_string();
    assert!(fault.contains("its end was cut off"), "{fault}");
    scene.consortium.stop().await.unwrap();
}

fn in_vault<T>(place: &std::path::Path, work: impl FnOnce(&Tables) -> T) -> T {
    let vault = Vault::open(place, &unlock()).unwrap();
    let tables = Tables::open(&vault).unwrap();
    let done = work(&tables);
    vault.flush().unwrap();
    done
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_left_out_tell_nothing_of_what_was_done() {
    let scene = scene(&["police", "refuge"], 2).await;
    let text = "record_id,surname\nR-1,Nowak\nR-2,Nowak\n";
    let both = import(&scene, "police.csv", text);
    Person::default().asks(&scene, both).await.unwrap();
    let filter = AuditFilter {
        record: Some("R-2".to_owned()),
        ..Default::default()
    };
    let part = node(&scene, "police").audit_export(&filter).unwrap();
    let [
        ExportLine::LeftOut(left_out),
        ExportLine::Entry(_),
        ExportLine::End(_),
    ] = &part[..]
    else {
        panic!("the other record's entry is left out");
    };
    let whole = node(&scene, "police").audit_export(&AuditFilter::default());
    let ExportLine::Entry(whole) = &whole.unwrap()[0] else {
        panic!("an entry");
    };
    // Control: it is the digest of that event; but whoever guesses the event lacks the salt.
    assert_eq!(*left_out, whole.link());
    let guess = Entry {
        salt: Salt([0; 16]),
        ..whole.clone()
    };
    assert_ne!(left_out.event, guess.link().event);
    scene.consortium.stop().await.unwrap();
}
