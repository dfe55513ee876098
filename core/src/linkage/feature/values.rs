//! The values of each [`Feature`] of a record, made once however many kinds of key ask for them.

use std::cell::OnceCell;

use zeroize::Zeroizing;

use crate::linkage::normalise::dates::BirthDate;
use crate::linkage::normalise::emails::Email;
use crate::linkage::normalise::names;

use super::Feature;
use super::prepared::{MAX_VALUES, Prepared};
use super::words::{
    consonants, end, outcode, push_number, skeleton, sorted, spaced, start, unordered,
};

/// A normalised value longer than this is not used. Far below the u16 that prefixes its length.
const MAX_VALUE_LEN: usize = 512;

type Values = Vec<Zeroizing<String>>;

/// The features of one record.
pub(in crate::linkage) struct Features<'a> {
    prepared: &'a Prepared,
    /// The names that tell by themselves, and the pairs of names.
    singles: Vec<&'a str>,
    pairs: Vec<(&'a str, &'a str)>,
    made: [OnceCell<Values>; Feature::COUNT],
}

impl<'a> Features<'a> {
    pub fn of(prepared: &'a Prepared) -> Self {
        Self {
            prepared,
            singles: prepared.name.singles(),
            pairs: prepared.name.pairs(),
            made: [const { OnceCell::new() }; Feature::COUNT],
        }
    }

    /// The values of a feature, sorted, without repeats.
    pub fn values(&self, feature: Feature) -> &[Zeroizing<String>] {
        let made = self.made.get(feature as usize);
        made.map_or(&[], |made| made.get_or_init(|| self.make(feature)))
    }

    fn make(&self, feature: Feature) -> Values {
        let held = self.prepared;
        let mut values = match feature {
            Feature::NhsNumber => owned(&held.nhs_numbers),
            Feature::NiNumber => owned(&held.ni_numbers),
            Feature::Upn => owned(&held.upns),
            Feature::PncId => owned(&held.pnc_ids),
            Feature::Cro => owned(&held.cros),
            Feature::Uprn => owned(&held.uprns),
            Feature::Passport => owned(&held.passports),
            Feature::Phone => owned(&held.phones),
            Feature::Vehicle => owned(&held.vehicles),
            Feature::Account => owned(&held.accounts),
            Feature::Postcode => owned(&held.postcodes),
            Feature::Street => owned(&held.streets),
            Feature::Town => owned(&held.towns),
            Feature::HouseAndStreet => owned(&held.houses),
            Feature::TownPrefix => each(&held.towns, |t| start(t, 3).to_owned()),
            Feature::TownConsonants => each(&held.towns, consonants),
            Feature::StreetStart => each(&held.streets, |s| start(s, 4).to_owned()),
            Feature::Outcode => each(&held.postcodes, |p| outcode(p).to_owned()),
            Feature::Address => self.addresses(),
            Feature::Email
            | Feature::EmailLocal
            | Feature::EmailStartAndDomain
            | Feature::EmailEndAndDomain
            | Feature::EmailLocalPrefix
            | Feature::EmailStarts
            | Feature::EmailLocalStart
            | Feature::EmailLocalEnd
            | Feature::EmailDomain => self.email_parts(feature),
            Feature::Date
            | Feature::DateSwapped
            | Feature::YearAndMonth
            | Feature::DayAndMonth
            | Feature::Year => self.date_parts(feature),
            Feature::OneName
            | Feature::OnePrefix
            | Feature::OneInitial
            | Feature::OneStart
            | Feature::OneSkeleton
            | Feature::OneConsonants => self.single_names(feature),
            Feature::BothNames
            | Feature::BothSounds
            | Feature::BothPrefixes
            | Feature::TellingNames
            | Feature::TellingSounds
            | Feature::TellingPrefixes
            | Feature::BothInitials
            | Feature::TwoAndFourLetters
            | Feature::BothEndings
            | Feature::AllLetters
            | Feature::NameAndInitial => self.name_pairs(feature),
        };
        values.retain(|v| !v.is_empty() && v.len() <= MAX_VALUE_LEN);
        values.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        values.dedup();
        values.truncate(MAX_VALUES);
        values
    }

    fn single_names(&self, feature: Feature) -> Values {
        let value = |name: &&str| match feature {
            Feature::OneName => names::root(name).to_owned(),
            Feature::OnePrefix => start(name, 3).to_owned(),
            Feature::OneStart => start(name, 2).to_owned(),
            Feature::OneSkeleton => skeleton(name),
            Feature::OneConsonants => consonants(name),
            _ => start(name, 1).to_owned(),
        };
        let singles = self.singles.iter();
        singles.map(|name| Zeroizing::new(value(name))).collect()
    }

    fn name_pairs(&self, feature: Feature) -> Values {
        let telling;
        let pairs = match feature {
            Feature::TellingNames | Feature::TellingSounds | Feature::TellingPrefixes => {
                telling = self.prepared.name.telling_pairs();
                &telling
            }
            _ => &self.pairs,
        };
        let mut values = Values::with_capacity(pairs.len());
        let mut push = |value: String| values.push(Zeroizing::new(value));
        for (a, b) in pairs {
            match feature {
                Feature::BothNames | Feature::TellingNames => {
                    push(unordered(names::root(a), names::root(b)));
                }
                Feature::BothSounds | Feature::TellingSounds => {
                    if let (Some(a), Some(b)) = (names::sound(a), names::sound(b)) {
                        push(unordered(&a, &b));
                    }
                }
                Feature::BothPrefixes | Feature::TellingPrefixes => {
                    push(unordered(start(a, 3), start(b, 3)));
                }
                Feature::BothEndings => push(unordered(end(a, 3), end(b, 3))),
                Feature::AllLetters => push(sorted([*a, *b].concat())),
                Feature::TwoAndFourLetters => {
                    push(spaced(start(a, 2), start(b, 4)));
                    push(spaced(start(b, 2), start(a, 4)));
                }
                Feature::BothInitials => push(unordered(start(a, 1), start(b, 1))),
                _ => {
                    let sides = [(a, b), (b, a)].into_iter();
                    let telling = sides.filter(|(whole, _)| !names::is_too_common(whole));
                    telling.for_each(|(a, b)| push(spaced(names::root(a), start(b, 1))));
                }
            }
        }
        values
    }

    fn date_parts(&self, feature: Feature) -> Values {
        let value = |date: &BirthDate| {
            let BirthDate { year, month, day } = *date;
            let mut text = String::with_capacity("YYYY-MM-DD".len());
            if feature != Feature::DayAndMonth {
                push_number(&mut text, year, 4);
            }
            let parts = match feature {
                Feature::Year => [None, None],
                Feature::YearAndMonth => [Some(month?), None],
                Feature::DayAndMonth | Feature::Date => [Some(month?), Some(day?)],
                _ => {
                    let (month, day) = (month?, day?);
                    [Some(month.min(day)), Some(month.max(day))]
                }
            };
            for part in parts.into_iter().flatten() {
                if !text.is_empty() {
                    text.push('-');
                }
                push_number(&mut text, u16::from(part), 2);
            }
            Some(Zeroizing::new(text))
        };
        self.prepared.dates.iter().filter_map(value).collect()
    }

    fn addresses(&self) -> Values {
        let mut values = Values::new();
        for postcode in &self.prepared.postcodes {
            for street in &self.prepared.streets {
                values.push(Zeroizing::new(spaced(postcode, start(street, 4))));
            }
        }
        values
    }

    fn email_parts(&self, feature: Feature) -> Values {
        let emails = self.prepared.emails.iter();
        let values = emails.filter_map(|email| email_part(email, feature));
        values.map(Zeroizing::new).collect()
    }
}

fn email_part(email: &Email, feature: Feature) -> Option<String> {
    const EDGE: usize = 5;
    const PREFIX: usize = 6;
    let local = email.local.as_str();
    let length = local.chars().count();
    let own_domain = || (!email.is_public_provider()).then(|| start(&email.domain, EDGE));
    match feature {
        Feature::Email => Some(email.address()),
        Feature::EmailDomain => Some(own_domain()?.to_owned()),
        Feature::EmailLocal if length > 3 => Some(local.to_owned()),
        Feature::EmailStartAndDomain if length >= EDGE => {
            Some(spaced(start(local, EDGE), own_domain()?))
        }
        Feature::EmailEndAndDomain if length > EDGE => {
            Some(spaced(end(local, EDGE), own_domain()?))
        }
        Feature::EmailStarts => {
            let start_of_domain = email.domain.get(..3).filter(|_| own_domain().is_some())?;
            Some(spaced(start(local, 4), start_of_domain))
        }
        Feature::EmailLocalStart if length > 3 => Some(start(local, 4).to_owned()),
        Feature::EmailLocalEnd if length > EDGE => Some(end(local, EDGE).to_owned()),
        Feature::EmailLocalPrefix if length > PREFIX => Some(start(local, PREFIX).to_owned()),
        _ => None,
    }
}

fn owned(values: &[String]) -> Values {
    each(values, str::to_owned)
}

fn each(values: &[String], make: impl Fn(&str) -> String) -> Values {
    let make = |value: &String| Zeroizing::new(make(value));
    values.iter().map(make).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linkage::record::Record;
    use crate::linkage::schema::Schema;

    #[test]
    fn every_feature_of_the_schema_has_a_place() {
        let cells = [
            ("record_id", "a1"),
            ("given_names", "Anna"),
            ("surname", "Hill"),
        ];
        let record = Record::from_cells(cells).unwrap().0;
        let prepared = Prepared::read(&record);
        let features = Features::of(&prepared);
        assert_eq!(features.values(Feature::BothInitials)[0].as_str(), "a h");
        let parts = Schema::default_schema().kinds.iter().flat_map(|k| &k.parts);
        for part in parts.chain([&Feature::EmailDomain]) {
            assert!((*part as usize) < Feature::COUNT, "{part:?}");
        }
    }
}
