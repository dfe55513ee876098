//! New versions of an agreement: when they take over, and that there is one at a time.

use symbolon_core::agreement::{
    AgreementError, Document, Line, Papers, Said, Statement, StatementBody,
};
use symbolon_core::encoding::Digest;

use crate::agreement_epochs::{Scene, accepted, document, names};
use crate::common::{Consortium, NOW, name};

#[test]
fn a_new_version_takes_over_after_every_acceptance() {
    let mut scene = Scene::new();
    scene.leave("clinic").unwrap();
    scene.say("police", Said::Epoch(scene.due())).unwrap();
    for member in ["police", "refuge", "school"] {
        scene.done(member).unwrap();
    }
    let present = scene.standing();
    let mut next = present.document.clone();
    next.roster = scene.consortium.roster.length;
    (next.version, next.epoch) = (2, 3);
    next.replaces = Some(present.digest);
    let with_departed = scene.line().check_successor(&next);
    assert!(with_departed.is_err(), "it has left");
    next.members = names(&["police", "refuge"]);
    assert_eq!(scene.line().check_successor(&next), Ok(()));
    for alter in [
        (|d: &mut Document| d.version = 3) as fn(&mut Document),
        |d| d.replaces = Some(Digest([7; 32])),
        |d| (d.version, d.replaces, d.epoch) = (1, None, 1),
    ] {
        let mut wrong = next.clone();
        alter(&mut wrong);
        assert!(scene.line().check_successor(&wrong).is_err());
    }
    let mut second = accepted(&scene.consortium, &next);
    let last = second.acceptances.pop().unwrap();
    let verify = |second: &Papers| {
        let all = [second.clone(), scene.papers.clone()];
        Line::verify(&all, &scene.consortium.roster).unwrap()
    };
    let waiting = verify(&second);
    assert_eq!(waiting.versions.len(), 1);
    assert!(waiting.open.is_some() && waiting.incoming().is_none());
    assert!(waiting.check_successor(&next).is_err(), "one at a time");
    second.acceptances.push(last);
    let line = verify(&second);
    assert_eq!(line.versions.len(), 2);
    let (current, incoming) = (line.current().unwrap(), line.incoming().unwrap());
    assert_eq!(
        (current.0.document.version, incoming.0.document.version),
        (1, 2)
    );
    assert_eq!(next.line(), present.document.line(), "references stay");
    // The same rule as for epochs: both served until all are done.
    for member in ["police", "refuge"] {
        let body = StatementBody {
            agency: name(member),
            agreement: second.proposal.digest(),
            at: NOW,
            said: Said::Done {
                epoch: second.proposal.digest(),
            },
        };
        let key = &scene.consortium.agency(member).signing;
        second.statements.push(Statement::new(&body, key).unwrap());
    }
    let line = verify(&second);
    assert_eq!(line.served().len(), 1);
    assert_eq!(line.current().unwrap().0.document.version, 2);
    assert!(line.is_closed_to(&name("school"), &current.1.id));
}

#[test]
fn two_versions_in_the_same_place_are_refused() {
    let consortium = Consortium::of(&["police", "refuge"]);
    let one = document(&consortium, &["police", "refuge"]);
    let other = Document {
        title: "Another".to_owned(),
        ..one.clone()
    };
    let papers = [accepted(&consortium, &one), accepted(&consortium, &other)];
    assert!(Line::verify(&papers[..1], &consortium.roster).is_ok());
    let refused = Line::verify(&papers, &consortium.roster);
    assert_eq!(refused, Err(AgreementError::TwoVersions(name("children"))));
}
