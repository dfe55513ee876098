//! Where the boxes of a drawing stand: columns from left to right, as far as things are from the record.
//!
//! A layered drawing (Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical system
//! structures", 1981), for it is read like a text and no two labels ever overlap. Records of a distance
//! stand in one column, what joins them to the next stands between; an edge that no identifier names has
//! a label of its own there. Order within columns follows the neighbours' mean place, in a fixed number
//! of sweeps; everything is whole numbers, so that the same graph is drawn the same everywhere.

use std::collections::BTreeMap;

use super::{Edge, Graph, What};

pub(super) const BOX_WIDTH: u64 = 230;
pub(super) const LABEL_WIDTH: u64 = 180;
pub(super) const LINE_HEIGHT: u64 = 18;
const PADDING: u64 = 8;
const GAP: u64 = 18;
const COLUMN_STEP: u64 = BOX_WIDTH + 70;
pub(super) const MARGIN: u64 = 24;
const SWEEPS: usize = 8;

/// Where something stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Area {
    pub x: u64,
    pub y: u64,
    pub width: u64,
    pub height: u64,
}

impl Area {
    pub fn middle(&self) -> u64 {
        self.y + self.height / 2
    }
}

/// A drawing's measures.
pub(super) struct Layout {
    /// By node, in the graph's order.
    pub boxes: Vec<Area>,
    /// By edge: the label of those that need one.
    pub labels: Vec<Option<Area>>,
    pub width: u64,
    pub height: u64,
}

/// Something that takes a place in a column: a node, or the label of an edge.
struct Item {
    column: usize,
    width: u64,
    height: u64,
    joined: Vec<usize>,
    area: Area,
}

/// Lays a graph out; `lines` says how many lines of text each node has.
pub(super) fn layout(graph: &Graph, lines: &[u64]) -> Layout {
    let mut items: Vec<Item> = graph
        .nodes
        .iter()
        .zip(lines)
        .map(|(node, lines)| Item {
            column: column(&node.what, node.distance),
            width: BOX_WIDTH,
            height: lines * LINE_HEIGHT + 2 * PADDING,
            joined: Vec::new(),
            area: Area::default(),
        })
        .collect();
    let nodes = items.len();
    let names: BTreeMap<&str, usize> = (graph.nodes.iter().enumerate())
        .map(|(place, node)| (node.id.as_str(), place))
        .collect();
    let labels: Vec<Option<usize>> = (graph.edges.iter())
        .map(|edge| join(&mut items, &names, edge))
        .collect();
    let columns = ordered(&items);
    let (width, height) = placed(&mut items, &columns);
    let area = |place: usize| items.get(place).map(|item| item.area);
    Layout {
        boxes: items.iter().take(nodes).map(|item| item.area).collect(),
        labels: labels.into_iter().map(|at| at.and_then(area)).collect(),
        width,
        height,
    }
}

fn column(what: &What, distance: u32) -> usize {
    let step = usize::try_from(distance).unwrap_or_default() * 2;
    match what {
        // Between the records that it joins.
        What::Identifier { .. } => step.saturating_sub(1),
        _ => step,
    }
}

/// Joins the ends of an edge; through a label, where they do not stand side by side.
fn join(items: &mut Vec<Item>, names: &BTreeMap<&str, usize>, edge: &Edge) -> Option<usize> {
    let from = *names.get(edge.from.as_str())?;
    let to = *names.get(edge.to.as_str())?;
    let (a, b) = (items.get(from)?.column, items.get(to)?.column);
    if a.abs_diff(b) == 1 {
        items.get_mut(from)?.joined.push(to);
        items.get_mut(to)?.joined.push(from);
        return None;
    }
    let label = items.len();
    items.get_mut(from)?.joined.push(label);
    items.get_mut(to)?.joined.push(label);
    items.push(Item {
        column: a.min(b) + 1,
        width: LABEL_WIDTH,
        height: LINE_HEIGHT + PADDING,
        joined: vec![from, to],
        area: Area::default(),
    });
    Some(label)
}

/// The columns, each in its order from the top.
fn ordered(items: &[Item]) -> Vec<Vec<usize>> {
    let last = items.iter().map(|item| item.column).max().unwrap_or(0);
    let mut columns: Vec<Vec<usize>> = vec![Vec::new(); last + 1];
    for (place, item) in items.iter().enumerate() {
        if let Some(column) = columns.get_mut(item.column) {
            column.push(place);
        }
    }
    let mut rank: Vec<u64> = vec![0; items.len()];
    for column in &columns {
        number(column, &mut rank);
    }
    for sweep in 0..SWEEPS {
        let forward = sweep % 2 == 0;
        for step in 0..=last {
            let at = if forward { step } else { last - step };
            let Some(column) = columns.get_mut(at) else {
                continue;
            };
            // Towards where the sweep comes from.
            let beside = if forward {
                at.checked_sub(1)
            } else {
                Some(at + 1)
            };
            let key = |place: &usize| {
                let item = items.get(*place);
                let joined = item.into_iter().flat_map(|item| &item.joined);
                let near = joined.filter(|n| items.get(**n).map(|n| n.column) == beside);
                mean(near.filter_map(|n| rank.get(*n).copied()))
                    .or(rank.get(*place).copied())
                    .unwrap_or_default()
            };
            // A stable sort: what has the same mean keeps its order.
            column.sort_by_cached_key(key);
            number(column, &mut rank);
        }
    }
    columns
}

/// Ranks of a column in parts of a thousand, so that columns of any length compare.
fn number(column: &[usize], rank: &mut [u64]) {
    let length = column.len().max(1) as u64;
    for (order, place) in (0_u64..).zip(column) {
        if let Some(rank) = rank.get_mut(*place) {
            *rank = (2 * order + 1) * 500_000 / length;
        }
    }
}

fn mean(values: impl Iterator<Item = u64>) -> Option<u64> {
    let (sum, count) = values.fold((0, 0), |(sum, count), value| (sum + value, count + 1));
    u64::checked_div(sum, count)
}

/// Gives every item its place; columns stand around one middle. Gives width and height of all.
fn placed(items: &mut [Item], columns: &[Vec<usize>]) -> (u64, u64) {
    let tall = |column: &Vec<usize>| {
        let heights = column.iter().filter_map(|place| items.get(*place));
        heights.map(|item| item.height + GAP).sum::<u64>()
    };
    let heights: Vec<u64> = columns.iter().map(tall).collect();
    let tallest = heights.iter().copied().max().unwrap_or(0);
    for ((column, height), step) in columns.iter().zip(heights).zip(0_u64..) {
        let mut y = MARGIN + (tallest - height) / 2;
        for place in column {
            let Some(item) = items.get_mut(*place) else {
                continue;
            };
            item.area = Area {
                x: MARGIN + step * COLUMN_STEP + (BOX_WIDTH - item.width) / 2,
                y,
                width: item.width,
                height: item.height,
            };
            y += item.height + GAP;
        }
    }
    let steps = columns.len().saturating_sub(1) as u64;
    (
        2 * MARGIN + steps * COLUMN_STEP + BOX_WIDTH,
        2 * MARGIN + tallest,
    )
}
