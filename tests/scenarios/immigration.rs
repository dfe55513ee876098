//! An immigration service among the members: the node itself lets nothing go to it.

use symbolon_casework::acting::Role;
use symbolon_casework::audit::AuditKind;
use symbolon_core::identity::AgencyKind;
use symbolon_node::casework::command::DisclosureCommand;
use symbolon_node::config::FILE_NAME;
use symbolon_tests::consortium::{Consortium, eventually};

use crate::disclosure::{
    AT_POLICE, AT_REFUGE, audit, come, received, release, request, show, view, words,
};
use crate::parcels::{acting, case_with, confirm};
use crate::support::{AGREEMENT, Scene, unlock};

/// A border agency and a refuge, which accepted the agreement with it by name, and one person at both.
async fn with_an_immigration_service() -> Scene {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("state");
    let mut consortium = Consortium::found(&place, unlock).await.unwrap();
    let (ngo, service) = (AgencyKind::Ngo, AgencyKind::ImmigrationService);
    consortium.enrol("border", service, "Border").await.unwrap();
    consortium.enrol("refuge", ngo, "Refuge").await.unwrap();
    consortium.appoint(2).await.unwrap();
    let members = ["border", "refuge"];
    let document = consortium.document(AGREEMENT, &members).unwrap();
    consortium.admin.propose_agreement(&document).await.unwrap();
    let by_name = ["border".parse().unwrap()];
    let border = consortium.node("border").unwrap();
    border.accept(AGREEMENT, &[]).await.unwrap();
    let refuge = consortium.node("refuge").unwrap();
    refuge.accept(AGREEMENT, &by_name).await.unwrap();
    eventually("the agreement", async || {
        let mut in_force = true;
        for name in members {
            let views = consortium.node(name)?.agreement_views();
            in_force &= views.iter().any(|view| view.standing == "in force");
        }
        Ok(in_force.then_some(()))
    })
    .await
    .unwrap();
    let scene = Scene {
        consortium,
        directory,
    };
    let file = scene.file("border.csv", AT_POLICE);
    scene.import("border", &file).await;
    let file = scene.file("refuge.csv", AT_REFUGE);
    scene.import("refuge", &file).await;
    scene.consortium.settle().await.unwrap();
    scene
}

#[tokio::test(flavor = "multi_thread")]
async fn an_immigration_service_gets_nothing_unless_it_is_admitted_and_two_people_agree() {
    let mut scene = with_an_immigration_service().await;
    let case = case_with(&scene, "border", "refuge");
    confirm(&scene, "border", &case, "the same number").await;
    let id = request(&scene, "border", &case, &["phone"]).await;
    let pat = acting("pat", &[Role::Analyst]);
    eventually("the firewall's word", async || {
        let asked = show(&scene, "border", &pat, &id).await;
        Ok((asked.state == "answered").then_some(()))
    })
    .await
    .unwrap();
    let asked = show(&scene, "border", &pat, &id).await;
    assert_eq!(words(&asked), [("phone", "refused")]);
    // Nobody at the refuge can release it either.
    let ana = acting("ana", &[Role::Supervisor, Role::Caseworker]);
    let shown = show(&scene, "refuge", &ana, &id).await;
    assert!(shown.denied.unwrap().contains("immigration"));
    let refused = view(&scene, "refuge", &ana, release(&id, &["phone"]))
        .await
        .unwrap_err();
    assert!(refused.contains("immigration_services"), "{refused}");
    let lines = audit(&mut scene, "refuge").await;
    let kept = lines
        .iter()
        .find(|line| line.event.kind == AuditKind::NotShared);
    assert!(kept.unwrap().event.who.is_none());
    // Control: named in the settings it can be given something, by two people.
    scene.consortium.stop_node("refuge").await.unwrap();
    let settings = scene.consortium.places.node("refuge").join(FILE_NAME);
    let mut text = std::fs::read_to_string(&settings).unwrap();
    text += "[disclosure]\nimmigration_services = [\"border\"]\n";
    std::fs::write(&settings, text).unwrap();
    scene.consortium.start_node("refuge").await.unwrap();
    scene.consortium.everybody_attends().await.unwrap();
    show(&scene, "refuge", &ana, &id).await;
    let waits = view(&scene, "refuge", &ana, release(&id, &["phone"]))
        .await
        .unwrap();
    assert_eq!(
        waits.takes_two,
        ["the other agency is an immigration service"]
    );
    assert!(received(&scene, "border").await.is_empty());
    let ben = acting("ben", &[Role::Supervisor]);
    show(&scene, "refuge", &ben, &id).await;
    let countersign = DisclosureCommand::Countersign { id: id.clone() };
    view(&scene, "refuge", &ben, countersign).await.unwrap();
    come(&scene, "border", 1).await;
    scene.consortium.stop().await.unwrap();
}
