//! A member that makes up cases: it fills nobody's list with them.

use serde_json::json;

use crate::disclosure::vault;
use crate::parcels::{case_with, forge, one_case};
use crate::support::{Scene, scene};

const DAY_S: i64 = 86_400;
/// Cases of one agency without a match that are kept.
const KEPT: usize = 64;

/// Letters about matches that nobody but the police knows, about a record that the refuge does hold.
async fn makes_up(scene: &Scene, number: usize, series: u8) {
    let police = scene.consortium.node("police").unwrap();
    let (key, _) = police.scored_matches().unwrap().remove(0);
    for number in 0..number {
        let mut mine = [series; 16];
        mine[0] = number as u8;
        let mine = data_encoding::BASE64URL_NOPAD.encode(&mine);
        let said = json!({ "number": 1, "heard": 0, "at": 0, "act": "acknowledge" });
        let letter = json!({
            "topic": "case",
            "message": {
                "agreement": key.agreement, "mine": mine, "yours": key.reference,
                "what": { "said": said },
            },
        });
        forge(scene, "police", "refuge", &letter).await;
    }
    scene.consortium.settle().await.unwrap();
}

/// Cases at the refuge.
async fn kept(scene: &mut Scene) -> usize {
    scene.consortium.stop_node("refuge").await.unwrap();
    let kept = vault(scene, "refuge", |tables| tables.cases.iter().count());
    scene.consortium.start_node("refuge").await.unwrap();
    scene.consortium.everybody_attends().await.unwrap();
    kept
}

#[tokio::test(flavor = "multi_thread")]
async fn cases_that_a_member_makes_up_have_a_bound_and_an_end() {
    let mut scene = scene(&["police", "refuge"], 2).await;
    one_case(&scene, "police", "refuge").await;
    scene.consortium.settle().await.unwrap();
    assert_eq!(kept(&mut scene).await, 1);
    makes_up(&scene, KEPT - 1, 1).await;
    assert_eq!(
        kept(&mut scene).await,
        KEPT,
        "the control: below the bound all are kept"
    );
    makes_up(&scene, 20, 2).await;
    assert_eq!(kept(&mut scene).await, KEPT + 1);
    // After a fortnight they make room, and go: nobody here said anything in them.
    scene.consortium.clock.advance(15 * DAY_S);
    makes_up(&scene, 1, 3).await;
    assert_eq!(kept(&mut scene).await, 2);
    // The case that is one stands.
    assert!(!case_with(&scene, "refuge", "police").is_empty());
    scene.consortium.stop().await.unwrap();
}
