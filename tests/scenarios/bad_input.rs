//! Bad input: each says what and what to do, and loses nothing.

use symbolon_core::identity::AgencyKind;
use symbolon_core::sealed_file::Unlock;
use symbolon_hub::Hub;
use symbolon_hub::config::HubConfig;
use symbolon_node::clock::{self, Clock};
use symbolon_node::command::ImportOptions;
use symbolon_node::config::NodeConfig;
use symbolon_node::enrolment::enrol;
use symbolon_node::node::Node;
use symbolon_tests::consortium::{Consortium, QUOTA};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::support::{scene, set_up, silent, unlock};

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_row_is_told_by_line_and_column_and_the_others_go_in() {
    let scene = scene(&["police", "refuge"], 2).await;
    let file = scene.file(
        "records.csv",
        "record_id,given_names,surname,date_of_birth,nhs_number,colour_of_coat\n\
         1,Linh,Nguyen,31/02/2009,,red\n\
         2,Ana,Popescu,2009-02-03,943 476 5918,blue\n\
         3,Too,Many,2009-02-03,,green,extra\n\
         ,No,Id,2009-02-03,,\n\
         2,Same,Id,2009-02-03,,\n\
         4,Ada,Osei,1991-07-02,943 476 5919,\n",
    );
    let node = scene.consortium.node("police").unwrap();
    let strict = ImportOptions {
        file: file.clone(),
        ..Default::default()
    };
    let report = node.import(&set_up(), &strict, &silent()).await.unwrap();
    assert_eq!((report.found.read, report.found.new), (6, 2));
    let skipped: Vec<_> = report
        .found
        .skipped
        .iter()
        .map(|p| (p.line, p.column.as_deref()))
        .collect();
    let date = Some("date_of_birth");
    let id = Some("record_id");
    assert_eq!(skipped, [(2, date), (4, None), (5, id), (6, id)]);
    assert!(
        report.found.skipped[0]
            .reason
            .contains("\"31/02/2009\" is not a date")
    );
    assert_eq!(report.warnings.len(), 1);
    assert_eq!(report.warnings[0].column.as_deref(), Some("nhs_number"));

    let lenient = ImportOptions {
        keep_invalid: true,
        ..strict
    };
    let report = node.import(&set_up(), &lenient, &silent()).await.unwrap();
    assert_eq!(
        (report.found.new, report.found.unchanged),
        (1, 2),
        "kept without its date"
    );

    let missing = ImportOptions {
        file: file.with_extension("nowhere"),
        ..Default::default()
    };
    let error = node
        .import(&set_up(), &missing, &silent())
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("records.nowhere"), "{error}");
    let unknown = ImportOptions {
        file,
        agreements: Some(vec!["nothing".into()]),
        ..Default::default()
    };
    let error = node
        .import(&set_up(), &unknown, &silent())
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("there is no agreement nothing"), "{error}");
    scene.consortium.stop().await.unwrap();
}

/// A clock that a test sets.
struct At(i64);

impl Clock for At {
    fn now(&self) -> i64 {
        self.0
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_expired_used_and_foreign_invitations_are_refused() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let consortium = Consortium::found(&here.path().join("state"), unlock)
        .await
        .unwrap();
    let other = Consortium::found(&there.path().join("state"), unlock)
        .await
        .unwrap();
    let invite = async |consortium: &Consortium, name: &str| {
        let name = name.parse().unwrap();
        consortium
            .admin
            .invite(name, AgencyKind::Ngo, "Title", 3600, QUOTA)
            .await
            .unwrap()
            .0
    };
    let state = here.path().join("node");
    let try_enrol = async |invitation: &str, clock: &dyn Clock| {
        enrol(&state, invitation, &unlock(), clock)
            .await
            .map_err(|error| error.to_string())
    };
    let system = clock::system();

    let error = try_enrol("hello", system.as_ref()).await.unwrap_err();
    assert!(error.contains("not a Symbolon invitation"), "{error}");

    let invitation = invite(&consortium, "police").await;
    let late = At(system.now() + 7200);
    let error = try_enrol(&invitation, &late).await.unwrap_err();
    assert!(error.contains("police expired at"), "{error}");

    // Replaced by a fresh one, the old invitation is no longer known.
    let fresh = invite(&consortium, "police").await;
    let error = try_enrol(&invitation, system.as_ref()).await.unwrap_err();
    assert!(error.contains("invitation unknown"), "{error}");
    assert!(
        !state.join("vault.key").exists(),
        "a refused invitation leaves nothing behind"
    );

    // Positive control: the right one is taken, once.
    try_enrol(&fresh, system.as_ref()).await.unwrap();
    let error = try_enrol(&fresh, system.as_ref()).await.unwrap_err();
    assert!(error.contains("already used"), "{error}");
    let another = invite(&consortium, "council").await;
    let error = try_enrol(&another, system.as_ref()).await.unwrap_err();
    assert!(error.contains("already holds an enrolled node"), "{error}");
    let second = here.path().join("second");
    let error = enrol(&second, &fresh, &unlock(), system.as_ref())
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("already used"), "{error}");

    // Another consortium's invitation redeemed here: its root does not vouch for this hub.
    let foreign = invite(&other, "refuge").await;
    let mut changed = symbolon_core::invitation::Invitation::parse(&foreign, 0).unwrap();
    changed.enrolment = consortium.addresses().1.to_string();
    let error = enrol(
        &second,
        &changed.to_text().unwrap(),
        &unlock(),
        system.as_ref(),
    )
    .await
    .unwrap_err()
    .to_string();
    assert!(error.contains("cannot be reached"), "{error}");
    consortium.stop().await.unwrap();
    other.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_passphrase_second_process_and_port_in_use_say_so() {
    let mut scene = scene(&["police", "refuge"], 2).await;
    let state = scene.consortium.places.node("police");
    let open = |unlock: &Unlock| {
        Node::open(&state, NodeConfig::default(), unlock, clock::system())
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    let error = open(&unlock()).unwrap_err();
    let process = std::process::id().to_string();
    assert!(
        error.contains("another symbolon-node") && error.contains(&process),
        "{error}"
    );

    let hub = scene.consortium.places.hub();
    let start = async |config: HubConfig| {
        let clock = symbolon_hub::clock::system();
        let started = Hub::start(&hub, config, clock, CancellationToken::new()).await;
        started.map(|_| ()).map_err(|error| error.to_string())
    };
    let config = HubConfig::load(&hub.join("hub.toml")).unwrap();
    let error = start(config.clone()).await.unwrap_err();
    assert!(
        error.contains("another symbolon-hub") && error.contains(&process),
        "{error}"
    );

    scene.consortium.stop_node("police").await.unwrap();
    let wrong = Unlock::KeyFile(Zeroizing::new(vec![8; 32]));
    let error = open(&wrong).unwrap_err();
    assert!(error.contains("wrong passphrase or key file"), "{error}");
    let passphrase = Unlock::Passphrase(Zeroizing::new("guess".to_owned()));
    let error = open(&passphrase).unwrap_err();
    assert!(error.contains("sealed with a key file"), "{error}");
    open(&unlock()).unwrap();

    scene.consortium.stop_hub().await.unwrap();
    let squatter = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = squatter.local_addr().unwrap().to_string();
    let error = start(HubConfig {
        listen: taken.clone().into(),
        ..config
    })
    .await
    .unwrap_err();
    assert!(
        error.contains(&taken) && error.contains("in use"),
        "{error}"
    );
    scene.consortium.stop().await.unwrap();
}
