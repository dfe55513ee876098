//! Synthetic casework of several agencies, with the truth of who is who.
//!
//! A matcher can only be measured on records whose answer is known, and real casework may not be
//! used for it. So this makes people, lets agencies write them down as agencies do (other fields,
//! other spellings, slips, placeholders), and keeps the list of records that are the same person.
//! Pure: the same [`SampleSpec`] gives the same bytes on every machine, and a new version of a
//! library changes nothing, since the random numbers are the module's own.
//!
//! Everybody in it is invented, and every number comes from a range that belongs to nobody: see
//! `identifiers`. Deliberately absent: two records of one person within one agency (agencies
//! find those themselves), and histories (a record is as it stands on one day).
//!
//! - `people`: who there is, and which groups share a phone, a car, a home or a name.
//! - `record`: how an agency writes one of them down; `slips`: what goes wrong meanwhile.
//! - `file`: the CSV files of a sample.

mod file;
mod identifiers;
mod people;
mod random;
mod record;
mod slips;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use file::{csv_files, write};
use people::{Person, Role};
use random::Random;
use record::Clerk;

/// What an agency does, which decides whom it knows and what it asks them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgencyKind {
    /// Suspects, missing people, victims; phones, vehicles, passports.
    Police,
    /// Survivors; phones and accounts, hardly an address.
    Refuge,
    /// Children and their families; NHS numbers and addresses.
    ChildrensServices,
}

/// One agency of a sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgencySpec {
    /// Lower-case letters, digits and hyphens, different for each agency: it becomes a file name.
    pub name: String,
    pub kind: AgencyKind,
}

/// What to generate. The default is the committed demo sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleSpec {
    pub seed: u64,
    pub agencies: Vec<AgencySpec>,
    /// How many different people there are; each is known to one agency at least.
    pub people: usize,
    /// How many people in a hundred are known to a second agency, of those to a third, and so on.
    pub overlap_percent: usize,
    /// How many of the usual slips happen, in a hundred: 0 leaves clean values (agencies still hold
    /// different fields), 100 is casework, up to about 200 makes sense.
    pub slips_percent: usize,
}

impl Default for SampleSpec {
    fn default() -> Self {
        let agency = |name: &str, kind| AgencySpec {
            name: name.to_owned(),
            kind,
        };
        Self {
            seed: 2024,
            agencies: vec![
                agency("northshire-police", AgencyKind::Police),
                agency("harbour-refuge", AgencyKind::Refuge),
                agency("eastmoor-council", AgencyKind::ChildrensServices),
            ],
            people: 920,
            overlap_percent: 14,
            slips_percent: 100,
        }
    }
}

/// A record as its agency exports it, every cell as text. Fields are the columns, in their order;
/// a cell with several values parts them by `;`. Nationality is an ISO 3166-1 alpha-3 code, account
/// is `platform:handle`, risk one of very low, low, medium, high.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SampleRow {
    pub record_id: String,
    pub given_names: String,
    pub surname: String,
    pub alias: String,
    pub date_of_birth: String,
    pub sex: String,
    pub nationality: String,
    pub address: String,
    pub town: String,
    pub postcode: String,
    pub phone: String,
    pub email: String,
    pub nhs_number: String,
    pub ni_number: String,
    pub passport: String,
    pub vehicle: String,
    pub account: String,
    pub category: String,
    pub risk: String,
    pub case_ref: String,
    pub notes: String,
}

/// Two records of one person in two agencies, the lesser (agency, record) left.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TruthPair {
    pub left_agency: String,
    pub left_record: String,
    pub right_agency: String,
    pub right_record: String,
}

/// How often each kind of slip or trap was put in.
pub type Counts = BTreeMap<&'static str, usize>;

/// What [`generate`] made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Each agency's name and records, in the order of the spec.
    pub agencies: Vec<(String, Vec<SampleRow>)>,
    /// Every true pair once, sorted.
    pub truth: Vec<TruthPair>,
    /// What is wrong with the records, and what misleads in them, by kind: see [`DIRT`].
    pub dirt: Counts,
}

/// Every kind of slip and trap that [`Sample::dirt`] counts.
pub const DIRT: [&str; 43] = [
    "accents_decomposed",
    "accents_dropped",
    "account_form",
    "address_shortened",
    "alias_as_name",
    "cedilla_for_comma",
    "date_day_month_swapped",
    "date_format",
    "date_one_digit",
    "date_year_only",
    "digit_wrong",
    "field_missing",
    "letter_case",
    "middle_name_dropped",
    "moved_house",
    "name_order",
    "names_swapped",
    "namesake",
    "nhs_broken",
    "nhs_form",
    "ni_form",
    "nickname",
    "particle_variant",
    "phone_form",
    "placeholder_date",
    "placeholder_name",
    "placeholder_phone",
    "placeholder_postcode",
    "placeholder_text",
    "postcode_form",
    "several_phones",
    "shared_address",
    "shared_phone",
    "shared_vehicle",
    "siblings",
    "spelling_variant",
    "stray_spaces",
    "twins",
    "typo_delete",
    "typo_insert",
    "typo_replace",
    "typo_transpose",
    "vehicle_form",
];

/// Who comes first to be written down slips this often, in a hundred of a later clerk's slips.
const FIRST_CLERK_PERCENT: usize = 30;
/// One broken NHS number for this many records of an agency.
const ROWS_PER_BROKEN_NHS: usize = 100;

/// Makes the sample that belongs to the spec.
pub fn generate(spec: &SampleSpec) -> Sample {
    let source = Random::new(spec.seed);
    let mut dirt = Counts::new();
    let people = people::gather(&mut source.fork(1), spec.people, &mut dirt);
    let known_to = spread(&mut source.fork(2), spec, &people);
    let mut seen: Vec<Vec<(&str, String)>> = vec![Vec::new(); people.len()];
    let mut agencies = Vec::with_capacity(spec.agencies.len());
    for (place, agency) in spec.agencies.iter().enumerate() {
        let mut random = source.fork(3 + place as u64);
        let mut file: Vec<(usize, bool)> = known_to
            .iter()
            .enumerate()
            .filter_map(|(who, places)| {
                let order = places.iter().position(|known| *known == place)?;
                Some((who, order == 0))
            })
            .collect();
        random.shuffle(&mut file);
        let mut numbers = Numbering::new(agency, file.len());
        let mut rows = Vec::with_capacity(file.len());
        for (who, first) in file {
            let Some(person) = people.get(who) else {
                continue;
            };
            let record_id = numbers.record_id(&mut random);
            let case_ref = numbers.case_ref(person.group);
            if let Some(seen) = seen.get_mut(who) {
                seen.push((&agency.name, record_id.clone()));
            }
            let usual = if first { FIRST_CLERK_PERCENT } else { 100 };
            let percent = usual * spec.slips_percent / 100;
            let kind = agency.kind;
            let mut clerk = Clerk {
                random: &mut random,
                counts: &mut dirt,
                kind,
                percent,
            };
            rows.push(clerk.row(person, record_id, case_ref));
        }
        let broken = rows.len() * spec.slips_percent / (100 * ROWS_PER_BROKEN_NHS);
        break_nhs_numbers(&mut rows, broken, &mut dirt);
        agencies.push((agency.name.clone(), rows));
    }
    Sample {
        agencies,
        truth: truth(seen),
        dirt,
    }
}

fn count(counts: &mut Counts, kind: &'static str) {
    *counts.entry(kind).or_default() += 1;
}

/// For each person the agencies that know them, first come first: by what the agency does, and
/// seldom more than one.
fn spread(random: &mut Random, spec: &SampleSpec, people: &[Person]) -> Vec<Vec<usize>> {
    let mut known_to: Vec<Vec<usize>> = Vec::with_capacity(people.len());
    for person in people {
        let mut weights: Vec<usize> = spec
            .agencies
            .iter()
            .map(|agency| affinity(agency.kind, person.role))
            .collect();
        let elsewhere = known_to.last().and_then(|places| places.first());
        if person.apart
            && weights.len() > 1
            && let Some(&taken) = elsewhere
        {
            weights[taken] = 0;
        }
        let mut places = Vec::new();
        while let Some(place) = random.weighted(&weights) {
            places.push(place);
            weights[place] = 0;
            if !random.percent(spec.overlap_percent) {
                break;
            }
        }
        known_to.push(places);
    }
    known_to
}

/// How readily a person of the role becomes known to an agency of the kind.
fn affinity(kind: AgencyKind, role: Role) -> usize {
    match (kind, role) {
        (AgencyKind::Police, Role::Survivor) => 24,
        (AgencyKind::Police, Role::Child) => 26,
        (AgencyKind::Police, Role::Suspect) => 70,
        (AgencyKind::Refuge, Role::Survivor) => 68,
        (AgencyKind::Refuge, Role::Child) => 10,
        (AgencyKind::Refuge, Role::Suspect) => 20,
        (AgencyKind::ChildrensServices, Role::Survivor) => 8,
        (AgencyKind::ChildrensServices, Role::Child) => 64,
        (AgencyKind::ChildrensServices, Role::Suspect) => 10,
    }
}

/// Spoils the check digit of the first `wanted` NHS numbers.
fn break_nhs_numbers(rows: &mut [SampleRow], wanted: usize, dirt: &mut Counts) {
    let held = rows.iter_mut().filter(|row| !row.nhs_number.is_empty());
    for row in held.take(wanted) {
        if let Some(broken) = slips::nhs_broken(&row.nhs_number) {
            row.nhs_number = broken;
            count(dirt, "nhs_broken");
        }
    }
}

fn truth(seen: Vec<Vec<(&str, String)>>) -> Vec<TruthPair> {
    let mut pairs = Vec::new();
    for mut records in seen {
        records.sort();
        while let Some((right_agency, right_record)) = records.pop() {
            pairs.extend(records.iter().map(|(left_agency, left_record)| TruthPair {
                left_agency: (*left_agency).to_owned(),
                left_record: left_record.clone(),
                right_agency: right_agency.to_owned(),
                right_record: right_record.clone(),
            }));
        }
    }
    pairs.sort();
    pairs
}

/// Record ids and case references of one agency, in its own style, with gaps.
struct Numbering {
    kind: AgencyKind,
    prefix: String,
    records: usize,
    last: usize,
    cases: usize,
    case_of_group: BTreeMap<usize, usize>,
}

impl Numbering {
    fn new(agency: &AgencySpec, records: usize) -> Self {
        let initials = agency
            .name
            .split('-')
            .filter_map(|word| word.chars().next());
        Self {
            kind: agency.kind,
            prefix: initials.collect::<String>().to_uppercase(),
            records,
            last: 0,
            cases: 0,
            case_of_group: BTreeMap::new(),
        }
    }

    /// Never the same twice: the number grows, whatever stands before it.
    fn record_id(&mut self, random: &mut Random) -> String {
        self.last += random.between(1, 3);
        let (prefix, number) = (&self.prefix, self.last);
        match self.kind {
            AgencyKind::Police => format!("{prefix}-{number:05}"),
            AgencyKind::Refuge => format!("{prefix}-{number:03}"),
            AgencyKind::ChildrensServices => {
                let year = 2021 + (number / self.records.max(1)).min(3);
                format!("{prefix}-{year}-{number:03}")
            }
        }
    }

    /// One case for a whole group, one for everybody else.
    fn case_ref(&mut self, group: Option<usize>) -> String {
        let mut next = || {
            self.cases += 1;
            self.cases
        };
        let case = match group {
            Some(group) => *self.case_of_group.entry(group).or_insert_with(next),
            None => next(),
        };
        match self.kind {
            AgencyKind::Police => format!("OP/24/{case:06}"),
            AgencyKind::Refuge => format!("CASE-{case:04}"),
            AgencyKind::ChildrensServices => format!("CSC-{case:05}"),
        }
    }
}
