//! A graph as a drawing (SVG 1.1), for a screen, a report or a court bundle.
//!
//! What a box is, is told by its heading and its outline; colour only repeats it. Text is dark on light
//! (contrast above 12 to 1; WCAG 2.2 asks for 4.5). The drawing has a title and a description for those
//! who do not see it, and each box its whole text. Nothing in it is fetched or run.

use std::fmt::Write as _;

use super::layout::{Area, LINE_HEIGHT, Layout, MARGIN, layout};
use super::{Edge, Graph, Node, What, plain};

/// Characters of a line that fit a box at this size of letters.
const BOX_CHARS: usize = 30;
/// A pill has round ends.
const PILL_CHARS: usize = 26;
const LABEL_CHARS: usize = 24;
/// Height of what stands above the boxes, and below them.
const HEAD: u64 = 40;
const FOOT: u64 = 84;
/// The legend's width.
const LEAST_WIDTH: u64 = 760;

const STYLE: &str = "\
text{font-family:sans-serif;font-size:13px;fill:#1a1a1a}\
.head{font-size:11px;font-weight:bold;letter-spacing:.04em}\
.title{font-size:17px;font-weight:bold}\
.own{fill:#ffffff;stroke:#1a1a1a;stroke-width:1.5}\
.start{fill:#ffffff;stroke:#1a1a1a;stroke-width:4}\
.silent{fill:#ffffff;stroke:#1a1a1a;stroke-width:2;stroke-dasharray:2 3}\
.identifier{fill:#e9f0f7;stroke:#24476b;stroke-width:1.5}\
.other{fill:#fff6e0;stroke:#6b4700;stroke-width:2;stroke-dasharray:9 4}\
.edge{fill:none;stroke:#4a4a4a;stroke-width:1.5}\
.label{fill:#ffffff;stroke:#8a8a8a;stroke-width:1}";

/// The graph as SVG.
#[must_use]
pub fn svg(graph: &Graph) -> String {
    let texts: Vec<Vec<String>> = graph.nodes.iter().map(|n| lines(graph, n)).collect();
    let heights: Vec<u64> = texts.iter().map(|lines| lines.len() as u64).collect();
    let layout = layout(graph, &heights);
    let (width, height) = (layout.width.max(LEAST_WIDTH), layout.height + HEAD + FOOT);
    let title = format!("Network of record {}", graph.record);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"title desc\">\n\
         <title id=\"title\">{}</title>\n<desc id=\"desc\">{}</desc>\n<style>{STYLE}</style>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n\
         <text class=\"title\" x=\"{MARGIN}\" y=\"30\">{}</text>\n\
         <g transform=\"translate(0 {HEAD})\">\n",
        escaped(&title),
        escaped(&description(graph)),
        escaped(&shortened(&title, 80)),
    );
    edges(&mut text, graph, &layout);
    for ((node, lines), area) in graph.nodes.iter().zip(&texts).zip(&layout.boxes) {
        drawn(&mut text, graph, node, lines, *area);
    }
    text.push_str("</g>\n");
    legend(&mut text, graph, layout.height + HEAD);
    text.push_str("</svg>\n");
    text
}

/// What the drawing shows, in sentences.
fn description(graph: &Graph) -> String {
    let count = |wanted: fn(&What) -> bool| {
        let nodes = graph.nodes.iter();
        nodes.filter(|node| wanted(&node.what)).count()
    };
    let own = count(|what| matches!(what, What::Record { .. }));
    let identifiers = count(|what| matches!(what, What::Identifier { .. }));
    let others = count(|what| matches!(what, What::Other { .. }));
    let cut = if graph.cut {
        " There is more than is shown."
    } else {
        ""
    };
    format!(
        "Own records: {own}. Identifiers that several own records hold: {identifiers}. Records of other \
         agencies that match: {others}. Steps from record to record: {}.{cut}",
        graph.depth
    )
}

fn lines(graph: &Graph, node: &Node) -> Vec<String> {
    match &node.what {
        What::Record {
            record_id,
            name,
            silent,
        } => {
            let head = if *record_id == graph.record {
                "THIS RECORD"
            } else {
                "OWN RECORD"
            };
            let head = match silent {
                true => format!("{head}, SILENT"),
                false => head.to_owned(),
            };
            let mut lines = vec![head, record_id.clone()];
            lines.extend(name.clone());
            lines
        }
        What::Identifier { kind, value } => vec![
            format!("{kind}, {} records", node.degree).to_uppercase(),
            value.clone(),
        ],
        What::Other { other, .. } => vec![
            "RECORD OF ANOTHER AGENCY".to_owned(),
            other.agency.clone(),
            format!("reference {}", other.reference),
            match node.degree {
                1 => "joined to 1 more".to_owned(),
                degree => format!("joined to {degree} more"),
            },
        ],
    }
}

fn edges(text: &mut String, graph: &Graph, layout: &Layout) {
    let area = |id: &str| {
        let place = graph.nodes.iter().position(|node| node.id == id)?;
        layout.boxes.get(place).copied()
    };
    for (edge, label) in graph.edges.iter().zip(&layout.labels) {
        let (Some(from), Some(to)) = (area(&edge.from), area(&edge.to)) else {
            continue;
        };
        match label {
            None => line(text, from, to),
            Some(label) => {
                line(text, from, *label);
                line(text, *label, to);
                tag(text, edge, *label);
            }
        }
    }
}

/// A line between two boxes, from side to side.
fn line(text: &mut String, a: Area, b: Area) {
    let (a, b) = if a.x <= b.x { (a, b) } else { (b, a) };
    let (from, to) = ((a.x + a.width, a.middle()), (b.x, b.middle()));
    let bend = (from.0 + to.0) / 2;
    let _ = writeln!(
        text,
        "<path class=\"edge\" d=\"M{} {}C{bend} {} {bend} {} {} {}\"/>",
        from.0, from.1, from.1, to.1, to.0, to.1
    );
}

fn tag(text: &mut String, edge: &Edge, area: Area) {
    let words = edge.words();
    let (middle, base) = (area.x + area.width / 2, area.middle() + 5);
    let _ = writeln!(
        text,
        "<g><title>{}</title><rect class=\"label\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>\
         <text x=\"{middle}\" y=\"{base}\" text-anchor=\"middle\">{}</text></g>",
        escaped(&words),
        area.x,
        area.y,
        area.width,
        area.height,
        escaped(&shortened(&words, LABEL_CHARS)),
    );
}

fn drawn(text: &mut String, graph: &Graph, node: &Node, lines: &[String], area: Area) {
    let (class, round) = match &node.what {
        What::Record { silent: true, .. } => ("silent", 0),
        What::Record { record_id, .. } if *record_id == graph.record => ("start", 0),
        What::Record { .. } => ("own", 0),
        What::Identifier { .. } => ("identifier", area.height / 2),
        What::Other { .. } => ("other", 6),
    };
    let Area {
        x,
        y,
        width,
        height,
    } = area;
    let _ = write!(
        text,
        "<g><title>{}</title><rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" \
         height=\"{height}\" rx=\"{round}\"/>",
        escaped(&lines.join(", ")),
    );
    // A pill has no room in its corners: its text stands in the middle.
    let (anchor, at, most) = match &node.what {
        What::Identifier { .. } => ("middle", x + width / 2, PILL_CHARS),
        _ => ("start", x + 12, BOX_CHARS),
    };
    for (number, line) in (0_u64..).zip(lines) {
        let class = if number == 0 { " class=\"head\"" } else { "" };
        let base = y + 8 + number * LINE_HEIGHT + 14;
        let _ = write!(
            text,
            "<text{class} x=\"{at}\" y=\"{base}\" text-anchor=\"{anchor}\">{}</text>",
            escaped(&shortened(line, most)),
        );
    }
    text.push_str("</g>\n");
}

/// What the outlines mean, and what is not shown.
fn legend(text: &mut String, graph: &Graph, top: u64) {
    let outlines = [
        ("own", 0, "own record"),
        ("identifier", 10, "identifier that own records share"),
        ("other", 6, "record of another agency, values not known"),
        ("silent", 0, "own, silent"),
    ];
    let mut x = MARGIN;
    for (class, round, words) in outlines {
        let _ = writeln!(
            text,
            "<rect class=\"{class}\" x=\"{x}\" y=\"{}\" width=\"26\" height=\"18\" rx=\"{round}\"/>\
             <text x=\"{}\" y=\"{}\">{words}</text>",
            top + 8,
            x + 33,
            top + 22,
        );
        x += 60 + words.len() as u64 * 7;
    }
    let common: Vec<String> = (graph.common.iter())
        .map(|(kind, count)| format!("{kind} ({count})"))
        .collect();
    let mut notes = vec!["A match is a reason to talk, not a proof.".to_owned()];
    if !common.is_empty() {
        let kinds = common.join(", ");
        notes.push(format!("Too common to join anything: {kinds}."));
    }
    if graph.cut {
        notes.push("There is more than is shown.".to_owned());
    }
    let notes = escaped(&notes.join(" "));
    let _ = writeln!(
        text,
        "<text x=\"{MARGIN}\" y=\"{}\">{notes}</text>",
        top + 54
    );
}

fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    kept + "\u{2026}"
}

fn escaped(text: &str) -> String {
    plain(text)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
