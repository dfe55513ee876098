//! Networks, for people.

use symbolon_casework::network::{Graph, Kind, What, dot, svg};

use super::super::super::console::Console;
use super::super::super::failure::Failure;
use super::super::{count, print_json, print_table};
use crate::casework::command::GraphFormat;

pub(super) fn show(
    console: &mut Console,
    format: GraphFormat,
    graph: &Graph,
) -> Result<(), Failure> {
    match format {
        GraphFormat::Json => print_json(console, graph),
        GraphFormat::Dot => Ok(write!(console.out, "{}", dot::dot(graph))?),
        GraphFormat::Svg => Ok(write!(console.out, "{}", svg::svg(graph))?),
        GraphFormat::Text => text(console, graph),
    }
}

fn text(console: &mut Console, graph: &Graph) -> Result<(), Failure> {
    let (mut records, mut shared, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for node in &graph.nodes {
        match &node.what {
            What::Record {
                record_id,
                name,
                silent,
            } => records.push(vec![
                record_id.clone(),
                name.clone().unwrap_or_default(),
                node.distance.to_string(),
                if *silent { "silent" } else { "" }.to_owned(),
            ]),
            What::Identifier { kind, value } => shared.push(vec![
                kind.to_string(),
                value.clone(),
                joined(graph, &node.id, node.degree),
            ]),
            What::Other { other, kinds } => others.push(vec![
                other.agency.clone(),
                other.reference.clone(),
                other.agreement.clone(),
                words(kinds.iter()),
                released(graph, &node.id),
                joined(graph, &node.id, node.degree),
            ]),
        }
    }
    if graph.nodes.len() == 1 {
        let steps = count(u64::from(graph.depth), "step");
        console.say(&format!(
            "{}: nothing joins it within {steps}.",
            graph.record
        ))?;
    } else {
        print_table(console, &["own record", "name", "steps", ""], records)?;
    }
    if !shared.is_empty() {
        print_table(console, &["shared", "value", "held by"], shared)?;
    }
    if !others.is_empty() {
        let header = [
            "agency",
            "reference",
            "agreement",
            "agrees by",
            "released",
            "own records",
        ];
        print_table(console, &header, others)?;
        console.say(
            "Of other agencies' records only the kinds that agree are known, and what they released. A \
             match is a reason to talk, not a proof.",
        )?;
    }
    let links = graph.edges.iter().filter(|edge| !edge.links.is_empty());
    for edge in links {
        console.say(&format!("{} - {}: {}", edge.from, edge.to, edge.words()))?;
    }
    for (kind, number) in &graph.common {
        console.say(&format!(
            "{number} of kind {kind} held by too many records to join anything."
        ))?;
    }
    if graph.cut {
        console.say("There is more than is shown; ask with a smaller --depth.")?;
    }
    Ok(())
}

/// Records that something is joined to; how many more there are.
fn joined(graph: &Graph, id: &str, degree: u64) -> String {
    let edges = graph.edges.iter().filter(|edge| edge.to == id);
    let shown: Vec<String> = edges.map(|edge| record_word(graph, &edge.from)).collect();
    let released = graph.edges.iter().filter(|edge| edge.from == id).count();
    match degree.saturating_sub((shown.len() + released) as u64) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// What was released of another agency's record.
fn released(graph: &Graph, id: &str) -> String {
    let edges = graph.edges.iter().filter(|edge| edge.from == id);
    let values = edges.filter_map(|edge| {
        let mut nodes = graph.nodes.iter();
        match &nodes.find(|node| node.id == edge.to)?.what {
            What::Identifier { kind, value } => Some(format!("{kind} {value}")),
            _ => None,
        }
    });
    values.collect::<Vec<_>>().join(", ")
}

/// An own record by its id, another agency's by whose it is and its reference.
fn record_word(graph: &Graph, id: &str) -> String {
    let mut nodes = graph.nodes.iter();
    match nodes.find(|node| node.id == id).map(|node| &node.what) {
        Some(What::Record { record_id, .. }) => record_id.clone(),
        Some(What::Other { other, .. }) => format!("{} {}", other.agency, other.reference),
        _ => id.to_owned(),
    }
}

fn words<'a>(kinds: impl Iterator<Item = &'a Kind>) -> String {
    let kinds: Vec<String> = kinds.map(Kind::to_string).collect();
    kinds.join(", ")
}
