//! Cases between real nodes: both show one state, whoever acts, whoever was away.

use symbolon_casework::acting::{Acting, Role};
use symbolon_casework::lifecycle::Verdict;
use symbolon_node::casework::command::CaseworkCommand;
use symbolon_node::casework::{CaseCommand, CaseDetail, CaseView, QueueEntry, QueueFilter};
use symbolon_node::error::NodeError;
use symbolon_tests::consortium::eventually;

use crate::support::{Scene, scene};

const HEADER: &str = "record_id,given_names,surname,date_of_birth,town,phone,risk\n";

fn acting(who: &str, roles: &[Role], reason: Option<&str>) -> Acting {
    Acting {
        who: who.parse().unwrap(),
        roles: roles.iter().copied().collect(),
        purpose: None,
        reason: reason.map(|reason| reason.parse().unwrap()),
    }
}

fn analyst(reason: &str) -> Acting {
    acting("dana", &[Role::Analyst], Some(reason))
}

async fn ask<T: serde::de::DeserializeOwned>(
    scene: &Scene,
    agency: &str,
    who: &Acting,
    command: CaseCommand,
) -> Result<T, NodeError> {
    let node = scene.consortium.node(agency).unwrap();
    let value = node.act(who, CaseworkCommand::Case(command)).await?;
    Ok(serde_json::from_value(value).unwrap())
}

async fn queue(scene: &Scene, agency: &str, filter: QueueFilter) -> Vec<QueueEntry> {
    let who = analyst("morning round");
    ask(scene, agency, &who, CaseCommand::Queue(filter))
        .await
        .unwrap()
}

async fn all(scene: &Scene, agency: &str) -> Vec<CaseView> {
    let filter = QueueFilter {
        all: true,
        ..QueueFilter::default()
    };
    let entries = queue(scene, agency, filter).await;
    entries.into_iter().flat_map(|it| it.counterparts).collect()
}

/// The stage of a case at an agency, without anybody there looking at the queue.
async fn stage(scene: &Scene, agency: &str, case: &str) -> String {
    let case = case.to_owned();
    let shown = CaseCommand::Show { case };
    let detail: Result<CaseDetail, _> = ask(scene, agency, &analyst("look"), shown).await;
    detail.map_or_else(|_| "unknown".to_owned(), |detail| detail.case.stage)
}

async fn stands_at(scene: &Scene, agency: &str, case: &str, wanted: &str) {
    eventually(&format!("{agency} showing {wanted}"), async || {
        Ok((stage(scene, agency, case).await == wanted).then_some(()))
    })
    .await
    .unwrap();
}

async fn acknowledge(scene: &Scene, agency: &str, case: &str) {
    let case = case.to_owned();
    let command = CaseCommand::Acknowledge { case };
    let _: CaseView = ask(scene, agency, &analyst("mine"), command).await.unwrap();
}

async fn judge(scene: &Scene, agency: &str, case: &str, verdict: Verdict) {
    let case = case.to_owned();
    let command = CaseCommand::Judge { case, verdict };
    let _: CaseView = ask(scene, agency, &analyst("same scar"), command)
        .await
        .unwrap();
}

async fn import(scene: &Scene, agency: &str, text: &str) {
    let file = scene.file(&format!("{agency}.csv"), text);
    scene.import(agency, &file).await;
}

/// Police and refuge hold one girl; council holds her too if it is there.
async fn girl(names: &[&str]) -> Scene {
    let scene = scene(names, 2).await;
    let text = format!("{HEADER}P1,Ana,Popescu,2009-03-04,Leeds,07700 900123,high\n");
    import(&scene, "police", &text).await;
    let text = format!("{HEADER}R1,Ana,Popescu,2009-03-04,Leeds,07700 900123,\n");
    import(&scene, "refuge", &text).await;
    // A word holds for the evidence that it was given on: all of it shall be there.
    scene.consortium.settle().await.unwrap();
    scene
}

async fn case_at(scene: &Scene, agency: &str) -> CaseView {
    eventually("a case in the queue", async || {
        Ok(all(scene, agency).await.into_iter().next())
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_agencies_see_one_state_and_a_reason() {
    let scene = girl(&["police", "refuge"]).await;
    let case = case_at(&scene, "police").await;
    assert_eq!(
        (case.tier.as_str(), case.urgency.as_str()),
        ("strong", "high")
    );
    assert_eq!(
        case.stage, "notified",
        "whoever reads the queue has seen it"
    );
    assert_eq!(case.awaits.as_deref(), Some("word"));
    stands_at(&scene, "refuge", &case.case, "notified").await;

    acknowledge(&scene, "police", &case.case).await;
    judge(&scene, "police", &case.case, Verdict::Confirmed).await;
    stands_at(&scene, "refuge", &case.case, "confirmed").await;
    let shown = CaseCommand::Show {
        case: case.case.clone(),
    };
    let detail: CaseDetail = ask(&scene, "refuge", &analyst("look"), shown)
        .await
        .unwrap();
    assert_eq!(detail.case.their_word.as_deref(), Some("confirmed"));
    let last = detail.said.last().unwrap();
    assert_eq!(last.reason.as_deref(), Some("same scar"));
    assert_eq!(last.by, None, "who it was stays at the other agency");

    let close = CaseCommand::Close {
        case: case.case.clone(),
    };
    let without = acting("dana", &[Role::Analyst], None);
    let refused = ask::<CaseView>(&scene, "police", &without, close.clone()).await;
    assert!(refused.unwrap_err().to_string().contains("--reason"));
    let administrator = acting("root", &[Role::Administrator], Some("x"));
    let refused = ask::<CaseView>(&scene, "police", &administrator, close.clone()).await;
    assert!(matches!(refused, Err(NodeError::NotPermitted(_))));
    let _: CaseView = ask(&scene, "police", &analyst("done"), close)
        .await
        .unwrap();
    stands_at(&scene, "refuge", &case.case, "closed").await;
    assert!(
        queue(&scene, "refuge", QueueFilter::default())
            .await
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn both_acting_at_once_end_in_one_state_and_a_node_that_was_away_gets_all_of_it() {
    let mut scene = girl(&["police", "refuge"]).await;
    let case = case_at(&scene, "police").await.case;
    case_at(&scene, "refuge").await;
    acknowledge(&scene, "police", &case).await;
    acknowledge(&scene, "refuge", &case).await;
    scene.consortium.settle().await.unwrap();
    // Each says its word before it can have heard the other's.
    scene.consortium.stop_node("refuge").await.unwrap();
    judge(&scene, "police", &case, Verdict::Confirmed).await;
    scene.consortium.node("police").unwrap().at_rest().await;
    eventually("the letter being gone", async || {
        Ok((scene.consortium.node("police")?.letters_waiting()? == 0).then_some(()))
    })
    .await
    .unwrap();
    scene.consortium.stop_node("police").await.unwrap();
    scene.consortium.start_node("refuge").await.unwrap();
    judge(&scene, "refuge", &case, Verdict::Refuted).await;
    scene.consortium.start_node("police").await.unwrap();
    for agency in ["police", "refuge"] {
        stands_at(&scene, agency, &case, "inconclusive").await;
    }
    judge(&scene, "police", &case, Verdict::Refuted).await;
    for agency in ["police", "refuge"] {
        stands_at(&scene, agency, &case, "refuted").await;
        assert!(
            queue(&scene, agency, QueueFilter::default())
                .await
                .is_empty()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refuted_match_comes_back_when_more_agrees_and_not_before() {
    let scene = girl(&["police", "refuge"]).await;
    let case = case_at(&scene, "refuge").await.case;
    acknowledge(&scene, "refuge", &case).await;
    judge(&scene, "refuge", &case, Verdict::Refuted).await;
    stands_at(&scene, "police", &case, "refuted").await;
    // The same file again changes nothing.
    let text = format!("{HEADER}R1,Ana,Popescu,2009-03-04,Leeds,07700 900123,\n");
    import(&scene, "refuge", &text).await;
    scene.consortium.settle().await.unwrap();
    assert_eq!(stage(&scene, "police", &case).await, "refuted");
    // A further identifier that agrees is new evidence.
    let header = "record_id,given_names,surname,date_of_birth,town,phone,nhs_number\n";
    for (agency, id) in [("police", "P1"), ("refuge", "R1")] {
        let row = format!("{id},Ana,Popescu,2009-03-04,Leeds,07700 900123,943 476 5919\n");
        import(&scene, agency, &format!("{header}{row}")).await;
    }
    for agency in ["police", "refuge"] {
        eventually("the case being open again", async || {
            let cases = all(&scene, agency).await;
            Ok(cases.iter().any(|it| it.round == 2).then_some(()))
        })
        .await
        .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_agencies_on_one_person_are_one_entry_and_do_not_see_each_other() {
    let scene = girl(&["council", "police", "refuge"]).await;
    let text = format!("{HEADER}C1,Ana,Popescu,2009-03-04,Leeds,07700 900123,\n");
    import(&scene, "council", &text).await;
    let entries = eventually("two counterparts", async || {
        let entries = queue(&scene, "police", QueueFilter::default()).await;
        let both = entries.first().is_some_and(|it| it.counterparts.len() == 2);
        Ok(both.then_some(entries))
    })
    .await
    .unwrap();
    assert_eq!(entries.len(), 1);
    let entry = &entries[0];
    assert_eq!(
        (entry.record_id.as_str(), entry.name.as_str()),
        ("P1", "Ana Popescu")
    );
    let with = |agency: &str| {
        let mut cases = entry.counterparts.iter();
        cases.find(|it| it.agency == agency).unwrap().case.clone()
    };
    let (refuge, council) = (with("refuge"), with("council"));
    assert_ne!(refuge, council);
    // The refuge's case with police is not at the council.
    assert_eq!(stage(&scene, "council", &refuge).await, "unknown");
    assert_ne!(stage(&scene, "refuge", &refuge).await, "unknown");
    let only = |filter: QueueFilter| queue(&scene, "police", filter);
    let by_agency = QueueFilter {
        agency: Some("council".parse().unwrap()),
        ..QueueFilter::default()
    };
    assert_eq!(only(by_agency).await[0].counterparts.len(), 1);
    for (search, found) in [("popescu", 1), ("p1", 1), ("nowak", 0)] {
        let filter = QueueFilter {
            search: Some(search.to_owned()),
            ..QueueFilter::default()
        };
        assert_eq!(only(filter).await.len(), found, "{search}");
    }
    let assign = |to: &str| CaseCommand::Assign {
        case: refuge.clone(),
        to: Some(to.parse().unwrap()),
    };
    let refused = ask::<CaseView>(&scene, "police", &analyst("x"), assign("eve")).await;
    assert!(matches!(refused, Err(NodeError::NotPermitted(_))));
    let supervisor = acting("sam", &[Role::Supervisor], None);
    let _: CaseView = ask(&scene, "police", &supervisor, assign("eve"))
        .await
        .unwrap();
    let filter = QueueFilter {
        assigned: Some("eve".parse().unwrap()),
        ..QueueFilter::default()
    };
    assert_eq!(only(filter).await[0].counterparts.len(), 1);
}
