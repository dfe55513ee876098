//! Networks: which records are joined, and by what.
//!
//! Nodes are own records, identifiers that several own records hold, and records of other agencies that
//! match own ones. Of another agency's record there is its agency, its reference, the kinds of identifier
//! that agree and with how many own records; a value only if that agency released it. Which of an own
//! record's values agreed is not said either.
//!
//! Depth counts steps from record to record; the identifier between two is no step of its own. The graph
//! is bounded, and says when it was cut. The same facts always give the same graph, in the same order.
//!
//! Sources of edges are added to [`Facts`], one method each: identifiers, matches, what others released,
//! and links that people made.

pub mod dot;
mod identifiers;
mod layout;
pub mod svg;
#[cfg(test)]
mod tests;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use self::walk::{Place, Walk};
use crate::text::steers;

pub use identifiers::{agreed_kinds, identifiers};

/// Nodes of a graph at most: more is no picture.
pub const MAX_NODES: usize = 500;
/// Steps from record to record, unless said otherwise.
pub const DEFAULT_DEPTH: u32 = 2;
/// Most steps: everybody is some six steps from everybody.
pub const MAX_DEPTH: u32 = 6;

/// By what records are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Telephone number.
    Phone,
    /// Registration mark.
    Vehicle,
    /// Handle on a platform, or bank account.
    Account,
    /// Email address.
    Email,
    /// House, or its reference number.
    Address,
    /// Names, dates, numbers of the person: it may be one person.
    Person,
    /// An organisation that links name.
    Organisation,
    /// Something that happened, that links name.
    Event,
    /// A place that links name.
    Location,
    /// A thing that links name.
    Object,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Phone => "phone",
            Self::Vehicle => "vehicle",
            Self::Account => "account",
            Self::Email => "email",
            Self::Address => "address",
            Self::Person => "person",
            Self::Organisation => "organisation",
            Self::Event => "event",
            Self::Location => "location",
            Self::Object => "object",
        })
    }
}

/// An own identifier in its normalised form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identifier {
    /// What it is.
    pub kind: Kind,
    /// The value, as the linkage normalises it.
    pub value: String,
}

/// Another agency's record, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Other {
    /// The agency.
    pub agency: String,
    /// The agreement under which it is known.
    pub agreement: String,
    /// The agency's reference for it, to say on the telephone.
    pub reference: String,
    /// The whole of the reference, which tells two records apart where its beginning does not.
    pub key: String,
}

/// A link between two own records that a person made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnLink {
    /// One record.
    pub from: String,
    /// The other.
    pub to: String,
    /// What joins them, in a word or two.
    pub what: String,
}

/// Everything that joins records, before anybody looks.
#[derive(Default)]
pub struct Facts {
    holders: BTreeMap<Identifier, BTreeSet<String>>,
    held: BTreeMap<String, BTreeSet<Identifier>>,
    /// Kinds of which a record holds a value that too many hold.
    common: BTreeMap<String, BTreeSet<Identifier>>,
    others: BTreeMap<Other, BTreeMap<String, BTreeSet<Kind>>>,
    matched: BTreeMap<String, BTreeSet<Other>>,
    /// What other agencies released of their records, and of whose records each value is.
    released: BTreeMap<Other, BTreeSet<Identifier>>,
    released_by: BTreeMap<Identifier, BTreeSet<Other>>,
    links: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
}

impl Facts {
    /// What an own record holds.
    pub fn holds(&mut self, record: &str, identifiers: impl IntoIterator<Item = Identifier>) {
        for identifier in identifiers {
            let holders = self.holders.entry(identifier).or_default();
            holders.insert(record.to_owned());
        }
    }

    /// What another agency released of a record. A value joins it to own records that hold it, and is
    /// shown even if none does: it was given for that.
    pub fn releases(&mut self, other: &Other, identifiers: impl IntoIterator<Item = Identifier>) {
        for identifier in identifiers {
            let by = self.released_by.entry(identifier.clone()).or_default();
            by.insert(other.clone());
            let of_other = self.released.entry(other.clone()).or_default();
            of_other.insert(identifier);
        }
    }

    /// Keeps of the identifiers those that join records: two or more hold them, or one does and another
    /// agency released it; and `telling` does not say that too many do. To be called once everything is in
    /// that holds or releases any.
    pub fn join<E>(
        &mut self,
        mut telling: impl FnMut(&Identifier, usize) -> Result<bool, E>,
    ) -> Result<(), E> {
        // What nobody here holds may be known as common too.
        for identifier in self.released_by.keys().cloned().collect::<Vec<_>>() {
            self.holders.entry(identifier).or_default();
        }
        for (identifier, holders) in std::mem::take(&mut self.holders) {
            if holders.len() < 2 && !self.released_by.contains_key(&identifier) {
                continue;
            }
            let tells = telling(&identifier, holders.len())?;
            if !tells {
                self.say_no_more(&identifier);
            }
            let side = if tells {
                &mut self.held
            } else {
                &mut self.common
            };
            for holder in &holders {
                let of_record = side.entry(holder.clone()).or_default();
                of_record.insert(identifier.clone());
            }
            if tells {
                self.holders.insert(identifier, holders);
            }
        }
        Ok(())
    }

    /// What too many hold joins the records of other agencies no more than own ones.
    fn say_no_more(&mut self, identifier: &Identifier) {
        for other in self.released_by.remove(identifier).unwrap_or_default() {
            if let Some(of_other) = self.released.get_mut(&other) {
                of_other.remove(identifier);
            }
        }
    }

    /// A match of an own record, with the kinds that agree.
    pub fn matches(&mut self, record: &str, other: Other, kinds: BTreeSet<Kind>) {
        let of_record = self.matched.entry(record.to_owned()).or_default();
        of_record.insert(other.clone());
        let own = self.others.entry(other).or_default();
        own.entry(record.to_owned()).or_default().extend(kinds);
    }

    /// Links between own records.
    pub fn linked(&mut self, links: impl IntoIterator<Item = OwnLink>) {
        for OwnLink { from, to, what } in links {
            // A link joins both ways, and is kept in the order of the ids.
            let (low, high) = if from <= to { (from, to) } else { (to, from) };
            let ways = [(low.clone(), high.clone()), (high, low)];
            for (one, other) in ways {
                let of_one = self.links.entry(one).or_default();
                of_one.entry(other).or_default().insert(what.clone());
            }
        }
    }

    /// The graph around a record.
    #[must_use]
    pub fn around(&self, record: &str, depth: u32, most: usize) -> Graph {
        let walk = Walk::through(
            self,
            (record, depth.min(MAX_DEPTH)),
            most.clamp(1, MAX_NODES),
        );
        self.graph(record, depth.min(MAX_DEPTH), walk)
    }

    fn neighbours(&self, place: &Place) -> Vec<Place> {
        let mut near = Vec::new();
        match place {
            Place::Record(id) => {
                let held = self.held.get(id).into_iter().flatten();
                near.extend(held.cloned().map(Place::Identifier));
                let matched = self.matched.get(id).into_iter().flatten();
                near.extend(matched.cloned().map(Place::Other));
                let linked = self.links.get(id).into_iter().flatten();
                near.extend(linked.map(|(id, _)| Place::Record(id.clone())));
            }
            Place::Identifier(identifier) => {
                let holders = self.holders.get(identifier).into_iter().flatten();
                near.extend(holders.cloned().map(Place::Record));
                let others = self.released_by.get(identifier).into_iter().flatten();
                near.extend(others.cloned().map(Place::Other));
            }
            Place::Other(other) => {
                let own = self.others.get(other).into_iter().flatten();
                near.extend(own.map(|(id, _)| Place::Record(id.clone())));
                let released = self.released.get(other).into_iter().flatten();
                near.extend(released.cloned().map(Place::Identifier));
            }
        }
        near
    }

    fn graph(&self, record: &str, depth: u32, walk: Walk<'_>) -> Graph {
        let Walk {
            found, order, cut, ..
        } = walk;
        let mut graph = Graph {
            record: record.to_owned(),
            depth,
            nodes: Vec::with_capacity(order.len()),
            edges: Vec::new(),
            cut,
            common: BTreeMap::new(),
        };
        let mut common = BTreeSet::new();
        for place in &order {
            let distance = found.get(place).copied().unwrap_or_default();
            graph.nodes.push(self.node(place, distance));
            if let Place::Record(id) = place {
                common.extend(self.common.get(id).into_iter().flatten());
            }
            for near in self.neighbours(place) {
                if found.contains_key(&near) && place.is_drawn_from(&near) {
                    graph.edges.push(self.edge(place, &near));
                }
            }
        }
        for identifier in common {
            *graph.common.entry(identifier.kind).or_insert(0) += 1;
        }
        graph
    }

    fn node(&self, place: &Place, distance: u32) -> Node {
        let what = match place {
            Place::Record(id) => What::Record {
                record_id: id.clone(),
                name: None,
                silent: false,
            },
            Place::Identifier(Identifier { kind, value }) => What::Identifier {
                kind: *kind,
                value: value.clone(),
            },
            Place::Other(other) => What::Other {
                other: other.clone(),
                kinds: self.kinds_of(other),
            },
        };
        Node {
            id: place.id(),
            distance,
            degree: self.neighbours(place).len() as u64,
            what,
        }
    }

    fn kinds_of(&self, other: &Other) -> BTreeSet<Kind> {
        let own = self.others.get(other).into_iter().flatten();
        own.flat_map(|(_, kinds)| kinds.iter().copied()).collect()
    }

    fn edge(&self, place: &Place, near: &Place) -> Edge {
        let (mut kinds, mut links) = (BTreeSet::new(), BTreeSet::new());
        match (place, near) {
            (_, Place::Identifier(identifier)) => {
                kinds.insert(identifier.kind);
            }
            (Place::Record(id), Place::Other(other)) => {
                let own = self.others.get(other).and_then(|own| own.get(id));
                kinds.extend(own.into_iter().flatten().copied());
            }
            (Place::Record(id), Place::Record(other)) => {
                let said = self.links.get(id).and_then(|links| links.get(other));
                links.extend(said.into_iter().flatten().cloned());
            }
            _ => {}
        }
        Edge {
            from: place.id(),
            to: near.id(),
            kinds,
            links,
        }
    }
}

/// What is joined to a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Graph {
    /// The own record that it is about.
    pub record: String,
    /// Steps from record to record that were gone.
    pub depth: u32,
    /// The record first, then what is nearest.
    pub nodes: Vec<Node>,
    /// Between nodes that are shown.
    pub edges: Vec<Edge>,
    /// There is more within the depth than is shown.
    pub cut: bool,
    /// Values of the shown records that are too common to join anything, by kind.
    pub common: BTreeMap<Kind, u64>,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// The same whenever the same thing is shown.
    pub id: String,
    /// Steps from the record that it is about.
    pub distance: u32,
    /// How much it is joined to, shown or not.
    pub degree: u64,
    /// What it is.
    #[serde(flatten)]
    pub what: What,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum What {
    /// An own record.
    Record {
        /// Its id.
        record_id: String,
        /// Its name, where the caller added it.
        name: Option<String>,
        /// Others get no word of it.
        silent: bool,
    },
    /// What several own records hold, or another agency released.
    Identifier {
        /// What it is.
        kind: Kind,
        /// Normalised.
        value: String,
    },
    /// Another agency's record.
    Other {
        /// Which.
        #[serde(flatten)]
        other: Other,
        /// Kinds that agree with own records.
        kinds: BTreeSet<Kind>,
    },
}

/// What joins two nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// An own record, or another agency's that something was released of.
    pub from: String,
    /// What it is joined to.
    pub to: String,
    /// By what.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub kinds: BTreeSet<Kind>,
    /// What people said joins two own records.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub links: BTreeSet<String>,
}

impl Edge {
    /// By what, in words.
    #[must_use]
    pub fn words(&self) -> String {
        let kinds = self.kinds.iter().map(Kind::to_string);
        let words: Vec<String> = kinds.chain(self.links.iter().cloned()).collect();
        words.join(", ")
    }
}

/// A line of text without what would steer a terminal, a drawing or a parser.
fn plain(text: &str) -> String {
    // The last two are not allowed in XML.
    let steers = |c: char| steers(c) || matches!(c, '\u{fffe}' | '\u{ffff}');
    text.replace(steers, "\u{fffd}")
}
