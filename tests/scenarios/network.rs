//! Networks: a trafficker's phone that stands in the cases of three agencies.

use std::path::Path;

use symbolon_casework::network::{Graph, Kind, What};
use symbolon_node::casework::command::{CaseworkCommand, NetworkCommand};
use symbolon_node::cli::Person;

use crate::missing::ask;
use crate::support::{Scene, scene, typed};

const HEADER: &str = "record_id,given_names,surname,date_of_birth,town,phone,vehicle,notes\n";
/// Other agencies' records: another person each, the same phone in their cases.
const COUNCIL: &str = "COUNCIL-7719,Wilhelmquist,Oxbarrow,1979-02-03,Snarkford,0044 7700 900123,XK19 ZWV,met Threlkeldine\n";
const REFUGE: &str =
    "REFUGE-3302,Perpetuabelle,Vandersnoot,1996-11-21,Mugglewick,07700900123,,afraid of Grobnik\n";

/// The police's own: two cases with the phone, one more with the car of the second; and many with a
/// number that tells nobody apart.
fn police() -> String {
    let mut text = HEADER.to_owned();
    text += "P1,Zebedeequill,Ashdowner,2004-05-06,Leeds,07700 900123; 07700 900999,,\n";
    text += "P2,Thomasina,Brackenridge,2001-09-10,Hull,+44 7700 900123,AB12 CDE,\n";
    text += "P3,Ignatius,Colquhoun,1988-12-01,York,,ab12cde,\n";
    for number in 0..17 {
        text += &format!(
            "X{number},Anon{number},Helpline{number},19{}-01-02,,07700 900999,,\n",
            60 + number
        );
    }
    text
}

async fn three_agencies() -> Scene {
    let scene = scene(&["council", "police", "refuge"], 2).await;
    let files = [
        ("police", police()),
        ("council", format!("{HEADER}{COUNCIL}")),
        ("refuge", format!("{HEADER}{REFUGE}")),
    ];
    for (agency, text) in files {
        let file = scene.file(&format!("{agency}.csv"), &text);
        scene.import(agency, &file).await;
    }
    scene.consortium.settle().await.unwrap();
    scene
}

async fn network(scene: &Scene, depth: u32) -> Graph {
    let command = NetworkCommand::Show {
        record_id: "P1".to_owned(),
        depth,
        format: Default::default(),
    };
    let answer = ask(scene, "police", CaseworkCommand::Network(command)).await;
    serde_json::from_value(answer.unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_joins_own_cases_by_value_and_others_by_kind_alone() {
    let scene = three_agencies().await;
    let near = network(&scene, 1).await;
    let own = |graph: &Graph| -> Vec<String> {
        let nodes = graph.nodes.iter();
        let own = nodes.filter_map(|node| match &node.what {
            What::Record { record_id, .. } => Some(record_id.clone()),
            _ => None,
        });
        own.collect()
    };
    assert_eq!(own(&near), ["P1", "P2"]);
    let values: Vec<(&str, Kind)> = (near.nodes.iter())
        .filter_map(|node| match &node.what {
            What::Identifier { kind, value } => Some((value.as_str(), *kind)),
            _ => None,
        })
        .collect();
    assert_eq!(values, [("+447700900123", Kind::Phone)]);
    assert_eq!(
        near.common[&Kind::Phone],
        1,
        "the helpline's number joins nobody"
    );
    // The nodes have compared and found other persons; the phone is the same all the same.
    let others: Vec<(&str, Vec<Kind>, u64)> = (near.nodes.iter())
        .filter_map(|node| match &node.what {
            What::Other { other, kinds } => {
                let kinds = kinds.iter().copied().collect();
                Some((other.agency.as_str(), kinds, node.degree))
            }
            _ => None,
        })
        .collect();
    let phone = vec![Kind::Phone];
    assert_eq!(
        others,
        [("council", phone.clone(), 2), ("refuge", phone, 2)]
    );
    assert!(!near.cut);
    let further = network(&scene, 2).await;
    assert_eq!(
        own(&further),
        ["P1", "P2", "P3"],
        "the car joins a third case"
    );

    let missing = NetworkCommand::Show {
        record_id: "P99".to_owned(),
        depth: 1,
        format: Default::default(),
    };
    let refused = ask(&scene, "police", CaseworkCommand::Network(missing)).await;
    assert!(refused.unwrap_err().contains("there is no record P99"));
    scene.consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_value_of_another_agency_is_in_any_form_of_a_network() {
    let scene = three_agencies().await;
    let state = scene.consortium.places.node("police");
    let foreign = [COUNCIL, REFUGE]
        .into_iter()
        .flat_map(|row| row.trim().split(','));
    // The phone is the police's own value too.
    let foreign: Vec<&str> = foreign
        .filter(|value| !value.is_empty() && !value.contains("900123"))
        .collect();
    assert_eq!(foreign.len(), 13);
    for format in ["text", "json", "dot", "svg"] {
        let output = printed(&state, format).await;
        for value in &foreign {
            for part in value.split(' ').filter(|part| part.len() > 3) {
                assert!(
                    !output.contains(part),
                    "{part} of another agency in {format}"
                );
            }
        }
        // The same search finds what is the police's own, and who the others are.
        for own in [
            "Zebedeequill",
            "+447700900123",
            "AB12CDE",
            "council",
            "refuge",
        ] {
            assert!(output.contains(own), "{own} in {format}: {output}");
        }
        assert_eq!(
            output,
            printed(&state, format).await,
            "the same network is the same {format}"
        );
    }
    scene.consortium.stop().await.unwrap();
}

async fn printed(state: &Path, format: &str) -> String {
    let show = ["network", "show", "P1", "--depth", "6", "--format", format];
    let (code, out, err) = typed(state, Person::default(), &show).await;
    assert_eq!(code, 0, "{err}");
    out
}
