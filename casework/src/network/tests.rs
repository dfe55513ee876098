use std::convert::Infallible;

use proptest::prelude::*;

use super::*;

fn phone(value: &str) -> Identifier {
    Identifier {
        kind: Kind::Phone,
        value: value.to_owned(),
    }
}

fn other(agency: &str, reference: &str) -> Other {
    Other {
        agency: agency.to_owned(),
        agreement: "north".to_owned(),
        reference: reference.to_owned(),
        key: reference.to_owned(),
    }
}

fn ids(graph: &Graph) -> Vec<&str> {
    graph.nodes.iter().map(|node| node.id.as_str()).collect()
}

/// A shares a phone with B, B another with C, C one with D; the refuge has matches with A and D.
fn chain() -> Facts {
    let mut facts = Facts::default();
    for (record, numbers) in [
        ("A", &["+1"][..]),
        ("B", &["+1", "+2"]),
        ("C", &["+2", "+3", "+9"]),
        ("D", &["+3"]),
        ("E", &["+8"]),
    ] {
        facts.holds(record, numbers.iter().map(|number| phone(number)));
    }
    let kinds = BTreeSet::from([Kind::Phone, Kind::Address]);
    facts.matches("A", other("refuge", "r1"), kinds);
    facts.matches("D", other("refuge", "r1"), [Kind::Person].into());
    facts
}

fn joined(mut facts: Facts) -> Facts {
    facts
        .join(|_, holders| Ok::<_, Infallible>(holders <= 3))
        .unwrap();
    facts
}

#[test]
fn depth_counts_records_and_not_what_joins_them() {
    let facts = joined(chain());
    let alone = facts.around("A", 0, MAX_NODES);
    assert_eq!(ids(&alone), ["record:A"]);
    assert_eq!(alone.nodes[0].degree, 2, "there is more to see");
    let near = facts.around("A", 1, MAX_NODES);
    let refuge = "other:refuge:north:r1";
    assert_eq!(ids(&near), ["record:A", "phone:+1", refuge, "record:B"]);
    let distances: Vec<u32> = near.nodes.iter().map(|node| node.distance).collect();
    assert_eq!(distances, [0, 1, 1, 1]);
    // The refuge's record leads to D, with what agrees there and nothing of what it holds.
    let further = facts.around("A", 2, MAX_NODES);
    assert!(ids(&further).contains(&"record:C") && ids(&further).contains(&"record:D"));
    let found = further.nodes.iter().find(|node| node.id == refuge).unwrap();
    let What::Other { kinds, .. } = &found.what else {
        panic!("another agency's record");
    };
    assert_eq!(*kinds, [Kind::Phone, Kind::Address, Kind::Person].into());
    assert_eq!(found.degree, 2);
    let edges = further.edges.iter().filter(|edge| edge.to == refuge);
    let words: Vec<String> = edges.map(Edge::words).collect();
    assert_eq!(words, ["phone, address", "person"]);
    // Nobody else holds these.
    assert!(
        !ids(&further)
            .iter()
            .any(|id| id.contains("+9") || *id == "record:E")
    );
    assert_eq!(ids(&facts.around("E", 2, MAX_NODES)), ["record:E"]);
}

#[test]
fn what_too_many_hold_joins_nothing_and_is_counted() {
    let mut facts = Facts::default();
    for record in ["A", "B", "C", "D"] {
        facts.holds(record, [phone("+44")]);
    }
    facts.holds("A", [phone("+1")]);
    facts.holds("B", [phone("+1")]);
    let facts = joined(facts);
    let graph = facts.around("A", 2, MAX_NODES);
    assert_eq!(ids(&graph), ["record:A", "phone:+1", "record:B"]);
    assert_eq!(graph.common, [(Kind::Phone, 1)].into());
}

#[test]
fn links_that_people_made_join_records_once() {
    let mut facts = Facts::default();
    let link = |from: &str, to: &str, what: &str| OwnLink {
        from: from.to_owned(),
        to: to.to_owned(),
        what: what.to_owned(),
    };
    facts.linked([link("B", "A", "sisters"), link("A", "B", "lived together")]);
    let graph = facts.around("B", 1, MAX_NODES);
    assert_eq!(ids(&graph), ["record:B", "record:A"]);
    assert_eq!(graph.edges.len(), 1);
    assert_eq!(graph.edges[0].words(), "lived together, sisters");
    assert!(svg::svg(&graph).contains("lived together,"));
}

#[test]
fn what_another_agency_released_joins_its_record_and_is_shown() {
    let mut facts = chain();
    // E's own number, which nobody else of this agency holds, and one that nobody holds.
    facts.releases(&other("refuge", "r1"), [phone("+8"), phone("+7")]);
    facts.releases(&other("council", "c1"), [phone("+7")]);
    let graph = joined(facts).around("A", 2, MAX_NODES);
    let found = ids(&graph);
    assert!(found.contains(&"record:E"), "{found:?}");
    assert!(found.contains(&"other:council:north:c1"), "{found:?}");
    let ends: Vec<(&str, &str)> = (graph.edges.iter())
        .map(|edge| (edge.from.as_str(), edge.to.as_str()))
        .filter(|(_, to)| ["phone:+7", "phone:+8"].contains(to))
        .collect();
    let refuge = "other:refuge:north:r1";
    assert_eq!(
        ends,
        [
            (refuge, "phone:+7"),
            (refuge, "phone:+8"),
            ("other:council:north:c1", "phone:+7"),
            ("record:E", "phone:+8"),
        ]
    );
    // Without a release E is joined to nothing.
    let alone = joined(chain()).around("A", 2, MAX_NODES);
    assert!(!ids(&alone).contains(&"record:E"));
}

#[test]
fn a_graph_that_is_cut_says_so() {
    let mut facts = Facts::default();
    for number in 0..50 {
        facts.matches(
            "A",
            other("refuge", &format!("r{number}")),
            [Kind::Phone].into(),
        );
    }
    let whole = facts.around("A", 1, 51);
    assert!(!whole.cut && whole.nodes.len() == 51);
    let cut = facts.around("A", 1, 20);
    assert!(cut.cut && cut.nodes.len() == 20);
    assert_eq!(
        cut.nodes[0].degree, 50,
        "the degree counts what is not shown"
    );
    assert!(svg::svg(&cut).contains("There is more than is shown."));
    assert!(!svg::svg(&whole).contains("There is more than is shown."));
}

#[test]
fn a_silent_record_is_marked_in_words_and_not_by_colour_alone() {
    let mut graph = joined(chain()).around("A", 1, MAX_NODES);
    assert!(
        !svg::svg(&graph).contains("OWN RECORD, SILENT") && !dot::dot(&graph).contains("silent")
    );
    for node in &mut graph.nodes {
        if let What::Record {
            record_id, silent, ..
        } = &mut node.what
        {
            *silent = record_id == "B";
        }
    }
    assert!(svg::svg(&graph).contains("OWN RECORD, SILENT"));
    assert!(dot::dot(&graph).contains("record B\\nsilent"));
}

/// Reads DOT as far as we write it: the labels, as Graphviz would take them.
fn labels_of(dot: &str) -> Vec<String> {
    let mut labels = Vec::new();
    for line in dot.lines() {
        let Some((_, rest)) = line.split_once("[label=\"") else {
            continue;
        };
        let (mut label, mut chars, mut closed) = (String::new(), rest.chars(), false);
        while let Some(c) = chars.next() {
            match c {
                '\\' => match chars.next() {
                    Some('n') => label.push('\n'),
                    Some(c @ ('"' | '\\')) => label.push(c),
                    other => panic!("an escape that we do not write: {other:?}"),
                },
                '"' => {
                    closed = true;
                    break;
                }
                c => label.push(c),
            }
        }
        assert!(closed, "{line}");
        let rest: String = chars.collect();
        assert!(rest == "];" || rest.starts_with(", shape="), "{rest}");
        labels.push(label);
    }
    labels
}

fn hostile(name: &str) -> Graph {
    let mut facts = Facts::default();
    facts.matches("A", other(name, name), [Kind::Phone].into());
    facts.linked([OwnLink {
        from: "A".to_owned(),
        to: name.to_owned(),
        what: name.to_owned(),
    }]);
    let mut graph = facts.around("A", 1, MAX_NODES);
    for node in &mut graph.nodes {
        if let What::Record { name: shown, .. } = &mut node.what {
            *shown = Some(name.to_owned());
        }
    }
    graph
}

const NASTY: [&str; 6] = [
    "O\"Neil",
    "back\\",
    "\\\"];\nn0 [label=\"forged",
    "a\u{1b}[2J\u{0}\u{202e}b",
    "<script>alert('1')</script>&amp;",
    "\\N\\G\\l",
];

#[test]
fn what_somebody_wrote_is_never_read_as_dot() {
    for name in NASTY {
        let dot = dot::dot(&hostile(name));
        assert_eq!(dot.lines().count(), 3 + 3 + 2, "{dot}");
        let labels = labels_of(&dot);
        assert_eq!(labels[0], format!("record A\n{}", plain(name)));
        assert!(
            labels.iter().any(|label| *label == plain(name)),
            "the edge: {labels:?}"
        );
        assert!(!dot.contains(|c: char| c.is_control() && c != '\n'));
    }
}

/// Whether every element is closed, in order, and text holds no mark-up.
fn is_well_formed(svg: &str) -> bool {
    let mut open = Vec::new();
    for part in svg.split('<').skip(1) {
        let Some((tag, text)) = part.split_once('>') else {
            return false;
        };
        if text.contains('>') {
            return false;
        }
        let name = tag.trim_end_matches('/').split([' ', '\n']).next().unwrap();
        if let Some(name) = name.strip_prefix('/') {
            if open.pop() != Some(name) {
                return false;
            }
        } else if !tag.ends_with('/') {
            open.push(name);
        }
        if tag.matches('"').count() % 2 == 1 {
            return false;
        }
    }
    open.is_empty()
}

#[test]
fn what_somebody_wrote_is_never_read_as_mark_up() {
    assert!(!is_well_formed("<a><b></a>") && !is_well_formed("<a b=\"></a>"));
    for name in NASTY {
        let svg = svg::svg(&hostile(name));
        assert!(is_well_formed(&svg), "{svg}");
        assert!(!svg.contains("<script") && !svg.contains(|c: char| c.is_control() && c != '\n'));
        assert!(svg.contains("role=\"img\"") && svg.contains("<desc id=\"desc\">"));
    }
}

fn facts_of(held: &[(u8, u8)], matched: &[(u8, u8)], linked: &[(u8, u8)]) -> Facts {
    let mut facts = Facts::default();
    for (record, number) in held {
        facts.holds(&format!("r{record}"), [phone(&format!("+{number}"))]);
    }
    for (record, reference) in matched {
        let reference = other("refuge", &format!("x{reference}"));
        facts.matches(&format!("r{record}"), reference, [Kind::Vehicle].into());
    }
    facts.linked(linked.iter().map(|(from, to)| OwnLink {
        from: format!("r{from}"),
        to: format!("r{to}"),
        what: "linked".to_owned(),
    }));
    joined(facts)
}

fn overlap(a: &layout::Area, b: &layout::Area) -> bool {
    a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height
}

proptest! {
    #[test]
    fn any_graph_is_sound_bounded_and_drawn_without_overlap(
        held in proptest::collection::vec((0..8u8, 0..8u8), 0..24),
        matched in proptest::collection::vec((0..8u8, 0..5u8), 0..12),
        linked in proptest::collection::vec((0..8u8, 0..8u8), 0..6),
        depth in 0..5u32,
        most in 1..24usize,
    ) {
        let facts = facts_of(&held, &matched, &linked);
        let graph = facts.around("r0", depth, most);
        prop_assert_eq!(&graph, &facts_of(&held, &matched, &linked).around("r0", depth, most));
        prop_assert!(graph.nodes.len() <= most);
        let ids: BTreeSet<&str> = graph.nodes.iter().map(|node| node.id.as_str()).collect();
        prop_assert_eq!(ids.len(), graph.nodes.len());
        let mut edges = BTreeSet::new();
        for edge in &graph.edges {
            prop_assert!(ids.contains(edge.from.as_str()) && ids.contains(edge.to.as_str()));
            prop_assert!(edges.insert((&edge.from, &edge.to)), "an edge twice");
        }
        for node in &graph.nodes {
            prop_assert!(node.distance <= depth);
            let shown = graph.edges.iter().filter(|e| e.from == node.id || e.to == node.id);
            prop_assert!(shown.count() as u64 <= node.degree);
        }
        let lines = vec![3; graph.nodes.len()];
        let drawn = layout::layout(&graph, &lines);
        let labels = drawn.labels.iter().flatten();
        let areas: Vec<_> = drawn.boxes.iter().chain(labels).collect();
        for (place, a) in areas.iter().enumerate() {
            prop_assert!(a.x + a.width <= drawn.width && a.y + a.height <= drawn.height);
            prop_assert!(areas[..place].iter().all(|b| !overlap(a, b)));
        }
        prop_assert!(is_well_formed(&svg::svg(&graph)));
        labels_of(&dot::dot(&graph));
        let json = serde_json::to_string(&graph).unwrap();
        prop_assert_eq!(serde_json::from_str::<Graph>(&json).unwrap(), graph);
    }
}
