//! The people of the sample, as they are before anybody writes them down.
//!
//! Most stand alone. Some come in groups that a matcher must not join: the victims of one network,
//! who hold their controller's phone or were driven in one car; twins and siblings of one home; and
//! namesakes. Each group is counted, as the slips are.

use time::{Date, macros::date};

use super::identifiers::{Pools, postcode};
use super::random::Random;
use super::slips::{plain_letters, year_only};
use super::words::{ORIGINS, Origin, STREET_NAMES, STREETS, TOWNS};
use super::{Counts, count};

/// The day on which the sample is told: nobody is born after it, and ages are as of it.
const AS_OF: Date = date!(2024 - 06 - 30);

/// Why a person is known to anyone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Survivor,
    Child,
    Suspect,
}

#[derive(Clone, Debug)]
pub(super) struct Home {
    pub(super) address: String,
    pub(super) town: String,
    pub(super) postcode: String,
}

impl Home {
    pub(super) fn somewhere(random: &mut Random) -> Self {
        let (town, area) = random.pick(&TOWNS);
        let house = format!("{} {}", random.between(1, 180), random.line(STREETS));
        let flat = random
            .percent(25)
            .then(|| format!("Flat {}, ", random.between(1, 24)));
        Self {
            address: flat.unwrap_or_default() + &house,
            town: town.to_owned(),
            postcode: postcode(random, area),
        }
    }
}

/// One person, with everything true about them that a record may hold.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) role: Role,
    pub(super) given: String,
    pub(super) family: String,
    pub(super) origin: Origin,
    pub(super) female: bool,
    pub(super) born: Date,
    pub(super) nationality: String,
    pub(super) aliases: Vec<String>,
    pub(super) home: Home,
    pub(super) phones: Vec<String>,
    pub(super) email: Option<String>,
    pub(super) nhs: Option<String>,
    pub(super) ni: Option<String>,
    pub(super) passport: Option<String>,
    pub(super) vehicle: Option<String>,
    pub(super) account: Option<String>,
    /// People of one network or family share a number; an agency gives them one case.
    pub(super) group: Option<usize>,
    /// Known to another agency than the person before: a twin whose sibling is elsewhere.
    pub(super) apart: bool,
}

impl Person {
    pub(super) fn age(&self) -> i64 {
        years_at_as_of(self.born)
    }
}

fn years_at_as_of(born: Date) -> i64 {
    (AS_OF - born).whole_days() * 100 / 36_525
}

/// `number` people, in the order in which they became known.
pub(super) fn gather(random: &mut Random, number: usize, counts: &mut Counts) -> Vec<Person> {
    let pools = Pools::new(random);
    let mut crowd = Crowd {
        random,
        pools,
        counts,
        groups: 0,
    };
    let mut people: Vec<Person> = Vec::with_capacity(number);
    while people.len() < number {
        match crowd.random.below(100) {
            0..3 => crowd.network(&mut people),
            3..7 => crowd.family(&mut people),
            7..10 if !people.is_empty() => crowd.namesake(&mut people),
            _ => people.push(crowd.single()),
        }
    }
    people.truncate(number);
    people
}

struct Crowd<'a> {
    random: &'a mut Random,
    pools: Pools,
    counts: &'a mut Counts,
    groups: usize,
}

impl Crowd<'_> {
    fn single(&mut self) -> Person {
        let role = match self.random.below(100) {
            0..42 => Role::Survivor,
            42..82 => Role::Child,
            _ => Role::Suspect,
        };
        let origin = self.origin();
        self.person(role, origin)
    }

    /// A suspect, and those whom the suspect controls.
    fn network(&mut self, people: &mut Vec<Person>) {
        self.groups += 1;
        let origin = self.origin();
        let mut controller = self.person(Role::Suspect, origin);
        let phone = self.pools.phone(self.random);
        let vehicle = self.pools.vehicle(self.random);
        controller.phones.push(phone.clone());
        controller.vehicle = Some(vehicle.clone());
        controller.group = Some(self.groups);
        let home = controller.home.clone();
        people.push(controller);
        for _ in 0..self.random.between(3, 6) {
            let role = if self.random.percent(30) {
                Role::Child
            } else {
                Role::Survivor
            };
            let origin = if self.random.percent(60) {
                origin
            } else {
                self.origin()
            };
            let mut victim = self.person(role, origin);
            victim.group = Some(self.groups);
            if self.random.percent(25) {
                victim.phones.push(phone.clone());
                count(self.counts, "shared_phone");
            }
            if self.random.percent(35) {
                victim.vehicle = Some(vehicle.clone());
                count(self.counts, "shared_vehicle");
            }
            if self.random.percent(40) {
                victim.home = home.clone();
                count(self.counts, "shared_address");
            }
            people.push(victim);
        }
    }

    /// Children of one home and one surname; the first two may be twins.
    fn family(&mut self, people: &mut Vec<Person>) {
        self.groups += 1;
        let origin = self.origin();
        let mut eldest = self.person(Role::Child, origin);
        eldest.group = Some(self.groups);
        let phone = self
            .random
            .percent(40)
            .then(|| self.pools.phone(self.random));
        eldest.phones.extend(phone.clone());
        let twins = self.random.percent(60);
        let mut children = vec![eldest];
        for place in 1..self.random.between(2, 4) {
            let mut child = self.person(Role::Child, origin);
            let Some(eldest) = children.first() else {
                break;
            };
            if children.iter().any(|other| other.given == child.given) {
                continue;
            }
            if place == 1 && twins {
                child.born = eldest.born;
                child.apart = true;
                count(self.counts, "twins");
            } else {
                count(self.counts, "siblings");
            }
            child.family.clone_from(&eldest.family);
            child.nationality.clone_from(&eldest.nationality);
            child.home = eldest.home.clone();
            child.group = eldest.group;
            child.phones.extend(phone.clone());
            if phone.is_some() {
                count(self.counts, "shared_phone");
            }
            children.push(child);
        }
        people.append(&mut children);
    }

    /// Somebody else of the same name, at times of the same birthday.
    fn namesake(&mut self, people: &mut Vec<Person>) {
        let mut person = self.single();
        if let Some(first) = people.get(self.random.below(people.len())) {
            person.given.clone_from(&first.given);
            person.family.clone_from(&first.family);
            person.nationality.clone_from(&first.nationality);
            (person.origin, person.female) = (first.origin, first.female);
            if self.random.percent(40) && first.role == person.role {
                person.born = first.born;
            }
            person.apart = true;
            count(self.counts, "namesake");
        }
        people.push(person);
    }

    fn origin(&mut self) -> Origin {
        let shares = ORIGINS.map(|origin| origin.share);
        ORIGINS[self.random.weighted(&shares).unwrap_or_default()]
    }

    fn person(&mut self, role: Role, origin: Origin) -> Person {
        let random = &mut *self.random;
        let female = random.percent(match role {
            Role::Survivor => 62,
            Role::Child => 46,
            Role::Suspect => 24,
        });
        let (given, family) = name(random, origin, female);
        let born = birthday(random, role, origin);
        let age = years_at_as_of(born);
        let abroad = !origin.nationalities.starts_with("GBR");
        let handle = handle_name(&given, &family, origin);
        let pools = &mut self.pools;
        let mut phones = Vec::new();
        for chance in [
            if age < 10 { 10 } else { 76 },
            if age < 14 { 2 } else { 18 },
        ] {
            if random.percent(chance) {
                phones.push(pools.phone(random));
            }
        }
        let driver = match role {
            Role::Suspect => 65,
            Role::Survivor => 6,
            Role::Child => 0,
        };
        let nhs_chance = if !abroad {
            96
        } else if role == Role::Child {
            82
        } else {
            45
        };
        let ni_chance = if age < 16 {
            0
        } else if abroad {
            35
        } else {
            90
        };
        Person {
            role,
            female,
            born,
            nationality: random.word(origin.nationalities).to_owned(),
            aliases: aliases(random, role, &given),
            home: Home::somewhere(random),
            phones,
            email: (age > 11 && random.percent(45)).then(|| pools.email(random, &handle)),
            nhs: random.percent(nhs_chance).then(|| pools.nhs_number()),
            ni: random.percent(ni_chance).then(|| pools.ni_number(random)),
            passport: random
                .percent(if abroad { 65 } else { 45 })
                .then(|| pools.passport(random)),
            vehicle: random.percent(driver).then(|| pools.vehicle(random)),
            account: (age > 10 && random.percent(50)).then(|| pools.account(random, &handle)),
            given,
            family,
            origin,
            group: None,
            apart: false,
        }
    }
}

/// Given names (the Vietnamese middle name among them, before the given one) and family name.
fn name(random: &mut Random, origin: Origin, female: bool) -> (String, String) {
    let (women, men, chance) = origin.second;
    let first = random.word(if female { origin.women } else { origin.men });
    let second = random.word(if female { women } else { men });
    let given = if second.is_empty() || second == first || !random.percent(chance) {
        first.to_owned()
    } else if origin.family_first {
        format!("{second} {first}")
    } else {
        format!("{first} {second}")
    };
    (given, random.word(origin.families).to_owned())
}

/// Of those who came from elsewhere, some have only ever had a year and 1 January.
fn birthday(random: &mut Random, role: Role, origin: Origin) -> Date {
    let (youngest, oldest) = match role {
        Role::Survivor => (17, 54),
        Role::Child => (3, 17),
        Role::Suspect => (20, 58),
    };
    let days = random.between(youngest * 366, (oldest + 1) * 365);
    let born = AS_OF - time::Duration::days(days as i64);
    if !origin.nationalities.starts_with("GBR") && random.percent(7) {
        return year_only(born).unwrap_or(born);
    }
    born
}

fn aliases(random: &mut Random, role: Role, given: &str) -> Vec<String> {
    let mut aliases = Vec::new();
    if random.percent(if role == Role::Suspect { 45 } else { 16 }) {
        aliases.push(random.line(STREET_NAMES).to_owned());
    }
    if random.percent(10) {
        let (women, men) = random.pick(&ORIGINS.map(|origin| (origin.women, origin.men)));
        let names = if random.percent(50) { women } else { men };
        let assumed = random.word(names);
        if !given.contains(assumed) {
            aliases.push(assumed.to_owned());
        }
    }
    aliases
}

/// Given and family name in plain letters, for emails and account handles.
fn handle_name(given: &str, family: &str, origin: Origin) -> String {
    let mut words = given.split(' ');
    let called = if origin.family_first {
        words.next_back()
    } else {
        words.next()
    };
    let whole = format!("{} {family}", called.unwrap_or_default());
    let plain = plain_letters(&whole).unwrap_or(whole);
    plain
        .chars()
        .filter(|c| c.is_ascii_alphabetic() || *c == ' ')
        .collect()
}
