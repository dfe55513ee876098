//! What members say of an agreement over time: declining, leaving, new epochs, new versions.

use symbolon_core::agreement::{
    Acceptance, AcceptanceBody, AgreementError, Document, EpochBody, KeyDelivery, Line, Papers,
    Proposal, Said, SealedKey, Standing, Statement, StatementBody, epoch_id,
};
use symbolon_core::crypto::SigningKey;
use symbolon_core::encoding::Digest;
use symbolon_core::identity::{AgencyKeys, AgencyKind, AgencyName};
use symbolon_core::roster::{Administrator, Change};

use crate::common::{Agency, Alteration, Consortium, NOW, name};

pub fn document(consortium: &Consortium, members: &[&str]) -> Document {
    Document {
        consortium: consortium.roster.genesis,
        roster: consortium.roster.length,
        id: name("children"),
        title: "Missing children".to_owned(),
        version: 1,
        replaces: None,
        members: members.iter().map(|member| name(member)).collect(),
        lead: name(members[0]),
        purposes: vec!["safeguarding".to_owned()],
        regime: "UK GDPR".to_owned(),
        lawful_basis: "vital interests".to_owned(),
        record_roles: Default::default(),
        retention_months: 12,
        response_hours: Default::default(),
        threshold: None,
        common_token_limit: 64,
        schema_version: 1,
        schema_digest: Digest([3; 32]),
        epoch: 1,
    }
}

fn delivery(maker: &AgencyName, members: &[AgencyName]) -> KeyDelivery {
    let others = members.iter().filter(|member| *member != maker);
    KeyDelivery {
        commitment: Digest([4; 32]),
        sealed: others
            .map(|member| (member.clone(), SealedKey(vec![1; 8])))
            .collect(),
    }
}

fn acceptance(consortium: &Consortium, proposal: &Proposal, agency: &AgencyName) -> Acceptance {
    let document = proposal.document().unwrap();
    let leads = *agency == document.lead;
    let body = AcceptanceBody {
        agency: agency.clone(),
        agreement: proposal.digest(),
        at: NOW,
        immigration: document.immigration(&consortium.roster, agency),
        key: leads.then(|| delivery(agency, &document.members)),
    };
    Acceptance::new(&body, &consortium.agencies[agency].signing).unwrap()
}

pub fn accepted(consortium: &Consortium, document: &Document) -> Papers {
    let proposal = Proposal::new(document, &consortium.approvers()).unwrap();
    let members = document.members.iter();
    Papers {
        acceptances: members
            .map(|member| acceptance(consortium, &proposal, member))
            .collect(),
        ..Papers::new(proposal)
    }
}

/// Police (the lead), refuge, clinic and school in force; what is said is appended.
pub struct Scene {
    pub consortium: Consortium,
    pub papers: Papers,
}

impl Scene {
    pub fn new() -> Self {
        let all = ["police", "refuge", "clinic", "school"];
        let consortium = Consortium::of(&all);
        let papers = accepted(&consortium, &document(&consortium, &all));
        Self { consortium, papers }
    }

    pub fn standing(&self) -> Standing {
        Standing::verify(&self.papers, &self.consortium.roster).unwrap()
    }

    pub fn line(&self) -> Line {
        Line::verify(std::slice::from_ref(&self.papers), &self.consortium.roster).unwrap()
    }

    fn statement(&self, agency: &str, said: Said) -> Statement {
        let body = StatementBody {
            agency: name(agency),
            agreement: self.papers.proposal.digest(),
            at: NOW,
            said,
        };
        Statement::new(&body, &self.consortium.agency(agency).signing).unwrap()
    }

    /// Hears it as the hub does, and keeps it if it is taken.
    pub fn say(&mut self, agency: &str, said: Said) -> Result<(), AgreementError> {
        let statement = self.statement(agency, said);
        let heard = self
            .standing()
            .hear_new(&statement, &self.consortium.roster);
        heard.map(|_| self.papers.statements.push(statement))
    }

    pub fn leave(&mut self, agency: &str) -> Result<(), AgreementError> {
        self.say(
            agency,
            Said::Leave {
                reason: "closing".to_owned(),
            },
        )
    }

    fn remove(&mut self, agency: &str) {
        let (agency, reason) = (name(agency), "trust".to_owned());
        self.consortium
            .decide(Change::Remove { agency, reason })
            .unwrap();
    }

    /// The epoch that is due, as an honest author makes it.
    pub fn due(&self) -> EpochBody {
        let next = self.standing().next_epoch(&self.consortium.roster).unwrap();
        EpochBody {
            number: next.number,
            follows: next.follows,
            roster: next.roster,
            left: next.left,
            key: delivery(&next.author, &next.members),
            members: next.members,
        }
    }

    pub fn done(&mut self, agency: &str) -> Result<(), AgreementError> {
        let epoch = self.standing().epochs.last().unwrap().digest;
        self.say(agency, Said::Done { epoch })
    }
}

pub fn names(members: &[&str]) -> Vec<AgencyName> {
    members.iter().map(|member| name(member)).collect()
}

#[test]
fn a_version_that_somebody_declined_never_comes_into_force() {
    let mut scene = Scene::new();
    let decline = |reason: &str| Said::Decline {
        reason: reason.to_owned(),
    };
    // Whoever has accepted cannot decline any more.
    let late = scene.say("clinic", decline("second thoughts"));
    assert_eq!(late, Err(AgreementError::Contradiction(name("clinic"))));
    let of_clinic = scene.papers.acceptances.remove(2);
    assert!(!scene.standing().in_force());
    for reason in ["", "  ", &"long".repeat(126)] {
        let refused = scene.say("clinic", decline(reason));
        assert!(matches!(refused, Err(AgreementError::NotAllowed(_))));
    }
    scene.say("clinic", decline("no lawful basis")).unwrap();
    let again = scene.say("clinic", decline("really"));
    assert_eq!(again, Err(AgreementError::Spoken(name("clinic"))));
    let standing = scene.standing();
    assert_eq!(standing.declined[&name("clinic")], "no lawful basis");
    let line = scene.line();
    assert!(!standing.in_force() && line.versions.is_empty() && line.open.is_none());
    // Another proposal of the same name may take its place.
    let mut other = standing.document.clone();
    other.title = "Again".to_owned();
    assert_eq!(line.check_successor(&other), Ok(()));
    // A member that says both is found out.
    scene.papers.acceptances.push(of_clinic);
    let both = Standing::verify(&scene.papers, &scene.consortium.roster);
    assert_eq!(both, Err(AgreementError::Contradiction(name("clinic"))));
}

#[test]
fn only_a_member_in_force_leaves_and_only_once() {
    let mut scene = Scene::new();
    let of_school = scene.papers.acceptances.pop().unwrap();
    let early = scene.leave("clinic");
    assert_eq!(early, Err(AgreementError::NotInForce(name("clinic"))));
    scene.papers.acceptances.push(of_school);
    scene.leave("clinic").unwrap();
    let again = scene.leave("clinic");
    assert_eq!(again, Err(AgreementError::Spoken(name("clinic"))));
    assert_eq!(scene.standing().departed, [name("clinic")].into());
    // Signed by another, or about another agreement.
    let mut foreign = scene.statement(
        "refuge",
        Said::Leave {
            reason: "x".to_owned(),
        },
    );
    assert!(
        scene
            .standing()
            .hear(&foreign, &scene.consortium.roster)
            .is_ok()
    );
    foreign.body = scene
        .statement(
            "school",
            Said::Leave {
                reason: "x".to_owned(),
            },
        )
        .body;
    let heard = scene.standing().hear(&foreign, &scene.consortium.roster);
    assert_eq!(heard, Err(AgreementError::Forged(name("school"))));
}

#[test]
fn the_lead_makes_the_new_epoch_or_the_first_who_remains() {
    let mut scene = Scene::new();
    assert_eq!(scene.standing().next_epoch(&scene.consortium.roster), None);
    scene.leave("clinic").unwrap();
    let due = scene.due();
    assert_eq!(due.members, names(&["police", "refuge", "school"]));
    let expected = |author: &str, expected: &str| {
        Err(AgreementError::EpochAuthor {
            author: name(author),
            expected: name(expected),
        })
    };
    let mut of_refuge = due.clone();
    of_refuge.key = delivery(&name("refuge"), &due.members);
    let wrong = scene.say("refuge", Said::Epoch(of_refuge));
    assert_eq!(wrong, expected("refuge", "police"));
    scene.say("police", Said::Epoch(due)).unwrap();
    // The lead goes too: the first of the document who remains.
    scene.leave("police").unwrap();
    let due = scene.due();
    let mut of_school = due.clone();
    of_school.key = delivery(&name("school"), &due.members);
    let wrong = scene.say("school", Said::Epoch(of_school));
    assert_eq!(wrong, expected("school", "refuge"));
    scene.say("refuge", Said::Epoch(due)).unwrap();
    let standing = scene.standing();
    assert_eq!(standing.epochs.len(), 3);
    assert_eq!(standing.epochs[2].members, names(&["refuge", "school"]));
    assert_eq!(standing.epochs[2].number, 3);
    assert_ne!(standing.epochs[1].id, standing.epochs[2].id);
    // Two are the least that can share.
    scene.leave("school").unwrap();
    assert!(scene.standing().has_ended());
    assert_eq!(scene.standing().next_epoch(&scene.consortium.roster), None);
    assert!(scene.line().served().is_empty());
}

#[test]
fn an_epoch_says_exactly_what_follows_or_is_refused_by_name() {
    let mut scene = Scene::new();
    scene.leave("clinic").unwrap();
    let due = scene.due();
    let said = |body: &EpochBody| scene.statement("police", Said::Epoch(body.clone()));
    let hear = |body: &EpochBody| {
        let heard = scene.standing().hear(&said(body), &scene.consortium.roster);
        heard.map(|_| ())
    };
    assert_eq!(hear(&due), Ok(()));
    let members: [Alteration<EpochBody>; 4] = [
        ("one more", |e| e.members.push(name("clinic"))),
        ("one less", |e| e.members.truncate(2)),
        ("another order", |e| e.members.reverse()),
        ("somebody left who did not", |e| {
            e.left.insert(name("school"));
            e.members.truncate(2);
        }),
    ];
    for (what, alter) in members {
        let mut body = due.clone();
        alter(&mut body);
        body.key = delivery(&name("police"), &body.members);
        let refused = Err(AgreementError::EpochMembers(name("police")));
        assert_eq!(hear(&body), refused, "{what}");
    }
    let mut unsaid = due.clone();
    unsaid.left.clear();
    let refused = Err(AgreementError::EpochMembers(name("police")));
    assert_eq!(hear(&unsaid), refused, "who left is not named");
    let order: [Alteration<EpochBody>; 4] = [
        ("number", |e| e.number += 1),
        ("follows", |e| e.follows = Digest([9; 32])),
        ("a roster to come", |e| e.roster += 1),
        ("a roster from before", |e| e.roster = 0),
    ];
    for (what, alter) in order {
        let mut body = due.clone();
        alter(&mut body);
        let refused = Err(AgreementError::EpochOrder(name("police")));
        assert_eq!(hear(&body), refused, "{what}");
    }
    let keys: [Alteration<EpochBody>; 2] = [
        ("the departed gets the key", |e| {
            e.key.sealed.insert(name("clinic"), SealedKey(vec![1]));
        }),
        ("a member gets none", |e| {
            e.key.sealed.remove(&name("school"));
        }),
    ];
    for (what, alter) in keys {
        let mut body = due.clone();
        alter(&mut body);
        let refused = Err(AgreementError::EpochKey(name("police")));
        assert_eq!(hear(&body), refused, "{what}");
    }
    let early = Scene::new();
    let heard = early.standing().hear(&said(&due), &scene.consortium.roster);
    assert!(heard.is_err(), "nobody has left there");
}

#[test]
fn a_removal_needs_a_new_epoch_and_a_return_does_not_undo_it() {
    let mut scene = Scene::new();
    scene.remove("school");
    assert_eq!(scene.standing().departed, [name("school")].into());
    let stale = scene.due();
    scene.leave("refuge").unwrap();
    // The hub takes none that is behind by the time it comes.
    let late = scene.say("police", Said::Epoch(stale));
    assert_eq!(late, Err(AgreementError::EpochMembers(name("police"))));
    let due = scene.due();
    assert_eq!(due.members, names(&["police", "clinic"]));
    scene.say("police", Said::Epoch(due)).unwrap();
    let before = scene.standing();
    // Invited and enrolled again: a member of the consortium, not of this agreement.
    let invitation = scene.consortium.invite("school", AgencyKind::Ngo);
    let back = Agency::new();
    let keys: AgencyKeys = back.keys();
    let change = Change::Enrol {
        agency: name("school"),
        keys,
    };
    let entry = scene
        .consortium
        .entry(change, &[&invitation, &back.signing]);
    scene.consortium.append(entry).unwrap();
    assert!(scene.consortium.roster.active(&name("school")).is_some());
    assert_eq!(scene.standing(), before);
    // A new agreement can have it again.
    let again = document(&scene.consortium, &["police", "school"]);
    scene.consortium.agencies.insert(name("school"), back);
    let papers = accepted(&scene.consortium, &again);
    let standing = Standing::verify(&papers, &scene.consortium.roster).unwrap();
    assert!(standing.departed.is_empty() && standing.in_force());
}

#[test]
fn what_was_signed_holds_after_suspension_rekeying_and_other_administrators() {
    let mut scene = Scene::new();
    scene.leave("clinic").unwrap();
    scene.say("police", Said::Epoch(scene.due())).unwrap();
    let before = scene.standing();
    let (agency, reason) = (name("refuge"), "inquiry".to_owned());
    scene
        .consortium
        .decide(Change::Suspend { agency, reason })
        .unwrap();
    let fresh = Agency::new();
    let (agency, keys) = (name("police"), fresh.keys());
    let mut approvers = scene.consortium.approvers();
    approvers.push(&fresh.signing);
    let entry = scene
        .consortium
        .entry(Change::Rekey { agency, keys }, &approvers);
    scene.consortium.append(entry).unwrap();
    let stranger = SigningKey::random().unwrap();
    let administrators = vec![Administrator {
        name: name("zoe"),
        key: stranger.verifying_key(),
    }];
    let change = Change::Approvers {
        administrators,
        approvals_needed: 1,
    };
    scene.consortium.decide(change).unwrap();
    assert_eq!(scene.standing(), before);
    // The key that was given up signs the past only because it is there; a forger's signs nothing.
    let forged = Statement {
        signature: stranger.sign("symbolon agreement statement v1", b"x"),
        ..scene.papers.statements[0].clone()
    };
    scene.papers.statements[0] = forged;
    let refused = Standing::verify(&scene.papers, &scene.consortium.roster);
    assert_eq!(refused, Err(AgreementError::Forged(name("clinic"))));
}

#[test]
fn an_epoch_takes_over_when_all_who_have_it_are_done() {
    let mut scene = Scene::new();
    let first = scene.standing().epochs[0].clone();
    assert_eq!(first.id, epoch_id(&scene.papers.proposal.digest(), 1));
    let served = |scene: &Scene| -> Vec<u32> {
        let line = scene.line();
        line.served()
            .iter()
            .map(|(_, epoch)| epoch.number)
            .collect()
    };
    assert_eq!(served(&scene), [1]);
    assert!(scene.line().admits(&name("clinic"), &first.id));
    scene.leave("clinic").unwrap();
    assert!(!scene.line().admits(&name("clinic"), &first.id), "at once");
    assert!(scene.line().admits(&name("school"), &first.id));
    scene.say("police", Said::Epoch(scene.due())).unwrap();
    assert_eq!(served(&scene), [1, 2], "both until all are done");
    scene.done("police").unwrap();
    scene.done("school").unwrap();
    assert_eq!(
        scene.done("school"),
        Err(AgreementError::Spoken(name("school")))
    );
    assert_eq!(
        scene.done("clinic"),
        Err(AgreementError::Forged(name("clinic")))
    );
    let nothing = scene.say(
        "refuge",
        Said::Done {
            epoch: Digest([1; 32]),
        },
    );
    assert_eq!(nothing, Err(AgreementError::Forged(name("refuge"))));
    assert_eq!(served(&scene), [1, 2]);
    scene.done("refuge").unwrap();
    assert_eq!(served(&scene), [2]);
    let line = scene.line();
    assert!(line.is_closed_to(&name("school"), &first.id));
    assert!(!line.admits(&name("school"), &first.id));
    let second = &scene.standing().epochs[1];
    assert!(line.admits(&name("school"), &second.id));
    assert!(line.is_closed_to(&name("clinic"), &second.id));
}

#[test]
fn nobody_waits_for_a_member_that_goes_while_the_others_go_over() {
    let mut scene = Scene::new();
    scene.leave("clinic").unwrap();
    scene.say("police", Said::Epoch(scene.due())).unwrap();
    scene.done("police").unwrap();
    scene.done("refuge").unwrap();
    scene.leave("school").unwrap();
    // The middle one is complete without the member that went; a third follows for its key.
    scene.say("police", Said::Epoch(scene.due())).unwrap();
    let line = scene.line();
    let served: Vec<u32> = line
        .served()
        .iter()
        .map(|(_, epoch)| epoch.number)
        .collect();
    assert_eq!(served, [2, 3]);
    assert!(!line.admits(&name("school"), &line.served()[0].1.id));
}
