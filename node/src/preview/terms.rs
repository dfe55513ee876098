//! Under which agreements a record would be shared, and if not, why.

use std::collections::{BTreeMap, BTreeSet};

use symbolon_casework::dossier::Dossier;
use symbolon_core::agreement::{Category, Document};
use symbolon_core::identity::{AgencyName, Name};

use crate::node::Node;
use crate::records::Audience;

/// The agreements as they are now, each asked once about each category.
pub(super) struct Terms<'a> {
    node: &'a Node,
    audiences: Vec<Audience>,
    told: BTreeMap<(Name, Category), Result<(), String>>,
}

impl<'a> Terms<'a> {
    pub(super) fn of(node: &'a Node) -> Self {
        Self {
            node,
            audiences: node.audiences(),
            told: BTreeMap::new(),
        }
    }

    /// Agreements under which rows can be made.
    pub(super) fn in_force(&self) -> BTreeSet<Name> {
        self.audiences.iter().map(|a| a.id.clone()).collect()
    }

    /// Whether a record of this category that takes part in the agreement would be shared under it,
    /// or why not.
    pub(super) fn admit(&mut self, id: &Name, category: Category) -> Result<(), String> {
        let place = (id.clone(), category);
        if let Some(told) = self.told.get(&place) {
            return told.clone();
        }
        let told = self.judge(id, category);
        self.told.insert(place, told.clone());
        told
    }

    /// Whether somebody consented to a purpose of the agreement, where the record rests on consent.
    pub(super) fn consented(&self, id: &Name, dossier: &Dossier) -> Result<(), String> {
        let mut served = self.audiences.iter().filter(|a| a.id == *id);
        if served.any(|audience| dossier.may_be_shared_for(&audience.purposes)) {
            return Ok(());
        }
        Err("it rests on consent, and nobody consented to a purpose of this agreement".to_owned())
    }

    fn judge(&self, id: &Name, category: Category) -> Result<(), String> {
        let mut served = self.audiences.iter().filter(|a| a.id == *id).peekable();
        if served.peek().is_none() {
            return Err(self.why_not_usable(id));
        }
        // While members go over to a new version, one that admits the record is enough.
        if served.any(|audience| audience.shares.contains(&category)) {
            return Ok(());
        }
        let agency = &self.node.identity.agency;
        let reason = self.node.membership(|m| {
            let usable = m.agreements.get(id).and_then(|known| known.usable());
            usable.map(|epoch| why_kept_out(&epoch.document, agency, category))
        });
        Err(reason.unwrap_or_else(|| "its terms keep the record out".to_owned()))
    }

    fn why_not_usable(&self, id: &Name) -> String {
        let mut views = self.node.agreement_views().into_iter();
        let Some(view) = views.find(|view| view.id == id.as_str()) else {
            return "this node knows no such agreement".to_owned();
        };
        if let Some(trouble) = view.trouble {
            return trouble;
        }
        match view.standing.as_str() {
            "proposed" | "accepted" => {
                let missing = view.members.iter().filter(|m| !view.accepted.contains(m));
                let missing: Vec<&str> = missing.map(String::as_str).collect();
                format!("it is not in force yet, {} must accept", missing.join(", "))
            }
            "in force" => "this node cannot use it yet".to_owned(),
            "left" => "this agency has left it".to_owned(),
            standing => format!("it is {standing}"),
        }
    }
}

/// Why a record of this category stays out of an agreement.
fn why_kept_out(document: &Document, agency: &AgencyName, category: Category) -> String {
    if !document.role(agency).submit.contains(&category) {
        return format!("its terms do not let this agency share the category {category}");
    }
    let others = document.members.iter().filter(|member| *member != agency);
    let deaf = others.filter(|member| !document.role(member).receive.contains(&category));
    let deaf: Vec<&str> = deaf.map(Name::as_str).collect();
    format!(
        "its terms do not let {} receive the category {category}",
        deaf.join(", ")
    )
}
