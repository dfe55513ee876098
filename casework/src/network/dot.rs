//! A graph in the DOT language of Graphviz.
//!
//! Nodes are named by number, so that nothing that somebody wrote is ever an identifier; what they wrote
//! stands in quoted labels. "In quoted strings in DOT, the only escaped character is double-quote";
//! labels go on to read backslashes, so both are doubled or escaped, and control characters are replaced.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Graph, Node, What, plain};

/// The graph as DOT.
#[must_use]
pub fn dot(graph: &Graph) -> String {
    let mut text = String::from("graph network {\n  node [fontname=\"sans-serif\"];\n");
    let mut names = BTreeMap::new();
    for (number, node) in graph.nodes.iter().enumerate() {
        names.insert(node.id.as_str(), number);
        let (label, style) = (label(node), style(&node.what));
        // Writing to a string does not fail.
        let _ = writeln!(text, "  n{number} [label=\"{label}\", {style}];");
    }
    for edge in &graph.edges {
        let ends = (names.get(edge.from.as_str()), names.get(edge.to.as_str()));
        if let (Some(from), Some(to)) = ends {
            let words = escaped(&edge.words());
            let _ = writeln!(text, "  n{from} -- n{to} [label=\"{words}\"];");
        }
    }
    if graph.cut {
        let _ = writeln!(text, "  label=\"more within the depth than is shown\";");
    }
    text.push_str("}\n");
    text
}

fn label(node: &Node) -> String {
    let lines = match &node.what {
        What::Record {
            record_id,
            name,
            silent,
        } => {
            let silent = silent.then(|| "silent".to_owned());
            let name = name.clone().into_iter();
            let id = std::iter::once(format!("record {record_id}"));
            id.chain(name).chain(silent).collect()
        }
        What::Identifier { kind, value } => vec![kind.to_string(), value.clone()],
        What::Other { other, .. } => vec![
            format!("record of {}", other.agency),
            format!("reference {}", other.reference),
            format!("joined to {}", node.degree),
        ],
    };
    let lines: Vec<String> = lines.iter().map(|line| escaped(line)).collect();
    // A line break of a label, not one of ours.
    lines.join("\\n")
}

fn style(what: &What) -> &'static str {
    match what {
        What::Record { silent: false, .. } => "shape=box",
        What::Record { silent: true, .. } => "shape=box, style=dotted",
        What::Identifier { .. } => "shape=ellipse",
        What::Other { .. } => "shape=box, style=\"rounded,dashed\"",
    }
}

fn escaped(text: &str) -> String {
    plain(text).replace('\\', "\\\\").replace('"', "\\\"")
}
