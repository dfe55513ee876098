//! The walk from a record to what joins it.

use std::collections::{BTreeMap, VecDeque};

use super::{Facts, Identifier, Other};

/// Breadth first, as far as depth and bound allow.
pub(super) struct Walk<'a> {
    facts: &'a Facts,
    most: usize,
    /// With the steps from the start.
    pub found: BTreeMap<Place, u32>,
    /// As they were found.
    pub order: Vec<Place>,
    waiting: VecDeque<Place>,
    /// There is more than the bound.
    pub cut: bool,
}

impl<'a> Walk<'a> {
    /// From a record, so many steps far, to so many places.
    pub fn through(facts: &'a Facts, (record, depth): (&str, u32), most: usize) -> Self {
        let mut walk = Self {
            facts,
            most,
            found: BTreeMap::new(),
            order: Vec::new(),
            waiting: VecDeque::new(),
            cut: false,
        };
        walk.run(record, depth);
        walk
    }

    fn run(&mut self, record: &str, depth: u32) {
        self.find(Place::Record(record.to_owned()), 0);
        while let Some(place) = self.waiting.pop_front() {
            let distance = self.found.get(&place).copied().unwrap_or_default();
            // An identifier lies between the steps: what holds it is as far as it is.
            let next = match place {
                Place::Identifier(_) => distance,
                _ => distance + 1,
            };
            if next > depth {
                continue;
            }
            for near in self.facts.neighbours(&place) {
                self.find(near, next);
            }
        }
    }

    fn find(&mut self, place: Place, distance: u32) {
        if self.found.contains_key(&place) {
            return;
        }
        if self.found.len() >= self.most {
            self.cut = true;
            return;
        }
        self.found.insert(place.clone(), distance);
        self.order.push(place.clone());
        self.waiting.push_back(place);
    }
}

/// What can be come to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Record(String),
    Identifier(Identifier),
    Other(Other),
}

impl Place {
    /// Whether the edge between two places is drawn from this one: each once, from the end that is a
    /// record, own ones first, and of two own records from the lesser.
    pub fn is_drawn_from(&self, near: &Self) -> bool {
        match (self, near) {
            (Self::Record(id), Self::Record(other)) => id < other,
            (Self::Record(_), _) | (Self::Other(_), Self::Identifier(_)) => true,
            _ => false,
        }
    }

    /// Names it in a graph.
    pub fn id(&self) -> String {
        match self {
            Self::Record(id) => format!("record:{id}"),
            Self::Identifier(Identifier { kind, value }) => format!("{kind}:{value}"),
            Self::Other(Other {
                agency,
                agreement,
                key,
                ..
            }) => format!("other:{agency}:{agreement}:{key}"),
        }
    }
}
