//! One person as one agency's clerk writes them down: which fields the agency asks for, in which
//! form, and with which slips.
//!
//! An agency asks for what its work needs: a refuge keeps no address, children's services keep the
//! NHS number. Whoever writes a person down first slips less often than those who follow.

use time::Date;

use super::people::{Home, Person, Role};
use super::random::Random;
use super::words::{NOTES_CHILD, NOTES_HARMED, NOTES_SUSPECT};
use super::{AgencyKind, Counts, SampleRow, count, slips};

/// Writes the records of one agency.
pub(super) struct Clerk<'a> {
    pub(super) random: &'a mut Random,
    pub(super) counts: &'a mut Counts,
    pub(super) kind: AgencyKind,
    /// How many of the usual slips happen, in a hundred.
    pub(super) percent: usize,
}

impl Clerk<'_> {
    pub(super) fn row(
        &mut self,
        person: &Person,
        record_id: String,
        case_ref: String,
    ) -> SampleRow {
        let (given_names, surname, alias) = self.names(person);
        let (address, town, postcode) = self.home(person);
        let sex = if person.female { "F" } else { "M" };
        let mut row = SampleRow {
            record_id,
            given_names,
            surname,
            alias,
            date_of_birth: self.date_of_birth(person.born),
            sex: self.held([97, 97, 97], Some(sex)),
            nationality: self.held([90, 85, 85], Some(&person.nationality)),
            address,
            town,
            postcode,
            phone: self.phones(person),
            email: self.held([25, 30, 15], person.email.as_deref()),
            nhs_number: self.held([12, 22, 90], person.nhs.as_deref()),
            ni_number: self.held([16, 16, 10], person.ni.as_deref()),
            passport: self.held([50, 40, 20], person.passport.as_deref()),
            vehicle: self.held([85, 35, 30], person.vehicle.as_deref()),
            account: self.held([32, 50, 20], person.account.as_deref()),
            category: self.category(person).to_owned(),
            risk: self
                .random
                .word("low low medium medium medium high high very_low")
                .replace('_', " "),
            case_ref,
            notes: self.notes(person.role),
        };
        self.write_numbers_down(&mut row);
        self.fill_blanks(&mut row);
        row
    }

    /// Given names, surname, alias cell.
    fn names(&mut self, person: &Person) -> (String, String, String) {
        let (mut given, mut family) = (person.given.clone(), person.family.clone());
        let mut aliases = person.aliases.clone();
        if !self.asks([80, 75, 40]) {
            aliases.clear();
        }
        self.spoil(32, "nickname", &mut given, slips::nickname);
        self.spoil(30, "spelling_variant", &mut given, slips::spelling);
        self.spoil(20, "spelling_variant", &mut family, slips::spelling);
        self.spoil(12, "middle_name_dropped", &mut given, |_, value| {
            let (first, second) = value.split_once(' ')?;
            Some(
                if person.origin.family_first {
                    second
                } else {
                    first
                }
                .to_owned(),
            )
        });
        self.spoil(35, "particle_variant", &mut family, slips::particle);
        self.spoil(35, "cedilla_for_comma", &mut given, |_, value| {
            slips::cedilla(value)
        });
        self.spoil(35, "cedilla_for_comma", &mut family, |_, value| {
            slips::cedilla(value)
        });
        if self.slips(45) {
            self.always("accents_dropped", &mut given, |_, value| {
                slips::plain_letters(value)
            });
            self.always("accents_dropped", &mut family, |_, value| {
                slips::plain_letters(value)
            });
        } else if self.slips(8) {
            self.always("accents_decomposed", &mut given, |_, value| {
                slips::decomposed(value)
            });
            self.always("accents_decomposed", &mut family, |_, value| {
                slips::decomposed(value)
            });
        }
        if self.slips(14) {
            let name = if self.random.percent(40) {
                &mut given
            } else {
                &mut family
            };
            self.typo(name);
        }
        if let Some(alias) = aliases.first().cloned()
            && self.slips(10)
        {
            count(self.counts, "alias_as_name");
            aliases = vec![std::mem::replace(&mut given, alias)];
        }
        if person.origin.family_first && self.slips(22) {
            (given, family) = slips::misread_order(&given, &family);
            count(self.counts, "name_order");
        } else if self.slips(4) {
            std::mem::swap(&mut given, &mut family);
            count(self.counts, "names_swapped");
        }
        self.dress_names(person, &mut given, &mut family);
        (given, family, aliases.join(";"))
    }

    /// What happens to a name last: capitals, spaces, or no name at all.
    fn dress_names(&mut self, person: &Person, given: &mut String, family: &mut String) {
        if self.slips(3) {
            let infant = person.age() < 5;
            *given = if infant {
                "baby"
            } else {
                self.random.word("Unknown unknown UNKNOWN")
            }
            .to_owned();
            count(self.counts, "placeholder_name");
        }
        if self.slips(10) {
            self.always("letter_case", given, slips::letter_case);
            self.always("letter_case", family, slips::letter_case);
        }
        self.spoil(4, "stray_spaces", given, slips::stray_spaces);
        self.spoil(4, "stray_spaces", family, slips::stray_spaces);
    }

    fn typo(&mut self, name: &mut String) {
        match self.random.below(4) {
            0 => self.always("typo_insert", name, slips::insert),
            1 => self.always("typo_delete", name, slips::delete),
            2 => self.always("typo_replace", name, slips::replace),
            _ => self.always("typo_transpose", name, slips::transpose),
        }
    }

    fn date_of_birth(&mut self, born: Date) -> String {
        if !self.asks([93, 80, 97]) {
            count(self.counts, "field_missing");
            return String::new();
        }
        if self.slips(3) {
            count(self.counts, "placeholder_date");
            return "1900-01-01".to_owned();
        }
        let wrong = match self.random.below(100) {
            roll if roll * 100 >= 20 * self.percent => None,
            roll => match roll % 5 {
                0 | 1 => Some(("date_day_month_swapped", slips::day_month_swapped(born))),
                2 | 3 => Some(("date_one_digit", slips::one_digit_wrong(self.random, born))),
                _ => Some(("date_year_only", slips::year_only(born))),
            },
        };
        let mut date = born;
        if let Some((kind, Some(slip))) = wrong {
            date = slip;
            count(self.counts, kind);
        }
        let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
        if self.slips(12) {
            count(self.counts, "date_format");
            return format!("{day:02}/{month:02}/{year:04}");
        }
        format!("{year:04}-{month:02}-{day:02}")
    }

    /// Address, town and postcode: of where they live, or of where they lived at another time.
    fn home(&mut self, person: &Person) -> (String, String, String) {
        if !self.asks([82, 14, 93]) {
            count(self.counts, "field_missing");
            let nowhere = self
                .slips(9)
                .then(|| self.random.pick(&["ZZ99 3VZ", "NF1 1NF"]));
            if nowhere.is_some() {
                count(self.counts, "placeholder_postcode");
            }
            return (
                String::new(),
                String::new(),
                nowhere.unwrap_or_default().to_owned(),
            );
        }
        let mut home = person.home.clone();
        if self.slips(28) {
            count(self.counts, "moved_house");
            home = Home::somewhere(self.random);
        }
        self.spoil(25, "address_shortened", &mut home.address, |_, value| {
            slips::short_street(value)
        });
        self.spoil(5, "letter_case", &mut home.town, slips::letter_case);
        self.spoil(
            12,
            "postcode_form",
            &mut home.postcode,
            slips::postcode_form,
        );
        (home.address, home.town, home.postcode)
    }

    fn phones(&mut self, person: &Person) -> String {
        let mut written = Vec::new();
        for phone in &person.phones {
            if self.asks([82, 84, 58]) {
                let mut phone = phone.clone();
                self.spoil(45, "phone_form", &mut phone, slips::phone_form);
                written.push(phone);
            } else {
                count(self.counts, "field_missing");
            }
        }
        if written.is_empty() && self.slips(4) {
            count(self.counts, "placeholder_phone");
            written.push("00000000000".to_owned());
        }
        if written.len() > 1 {
            count(self.counts, "several_phones");
        }
        written.join(";")
    }

    /// The other identifiers, in the clerk's way of writing them.
    fn write_numbers_down(&mut self, row: &mut SampleRow) {
        self.spoil(35, "nhs_form", &mut row.nhs_number, |_, value| {
            slips::nhs_form(value)
        });
        self.spoil(5, "digit_wrong", &mut row.ni_number, slips::digit_wrong);
        self.spoil(30, "ni_form", &mut row.ni_number, |_, value| {
            slips::ni_form(value)
        });
        self.spoil(5, "digit_wrong", &mut row.passport, slips::digit_wrong);
        self.spoil(25, "vehicle_form", &mut row.vehicle, slips::postcode_form);
        self.spoil(12, "letter_case", &mut row.email, slips::letter_case);
        self.spoil(25, "account_form", &mut row.account, |_, value| {
            value
                .split_once(':')
                .map(|(platform, handle)| format!("{platform}:@{handle}"))
        });
        self.spoil(4, "placeholder_text", &mut row.sex, |_, _| {
            Some("Unknown".to_owned())
        });
    }

    /// Some forms do not take an empty field, so it is filled with a word.
    fn fill_blanks(&mut self, row: &mut SampleRow) {
        let cells = [
            &mut row.alias,
            &mut row.nationality,
            &mut row.address,
            &mut row.town,
            &mut row.email,
            &mut row.ni_number,
            &mut row.passport,
        ];
        for cell in cells {
            if cell.is_empty() && self.slips(2) {
                *cell = self
                    .random
                    .pick(&["n/a", "N/A", "Unknown", "unknown"])
                    .to_owned();
                count(self.counts, "placeholder_text");
            }
        }
    }

    fn category(&mut self, person: &Person) -> &'static str {
        match (self.kind, person.role) {
            (AgencyKind::Police, Role::Survivor) => "victim",
            (AgencyKind::Police, Role::Child) => self.random.word("missing missing victim"),
            (AgencyKind::Police, Role::Suspect) => "suspect",
            (AgencyKind::Refuge, Role::Survivor) => "victim",
            (AgencyKind::Refuge, Role::Child) => self.random.word("other victim"),
            (AgencyKind::Refuge, Role::Suspect) => "suspect",
            (AgencyKind::ChildrensServices, Role::Survivor) if person.age() < 25 => "victim",
            (AgencyKind::ChildrensServices, Role::Survivor) => "witness",
            (AgencyKind::ChildrensServices, Role::Child) => self.random.word("other other missing"),
            (AgencyKind::ChildrensServices, Role::Suspect) => "suspect",
        }
    }

    fn notes(&mut self, role: Role) -> String {
        if !self.random.percent(45) {
            return String::new();
        }
        let list = match role {
            Role::Survivor => NOTES_HARMED,
            Role::Child => NOTES_CHILD,
            Role::Suspect => NOTES_SUSPECT,
        };
        self.random.line(list).to_owned()
    }

    /// The value, if there is one and this agency's form asked for it.
    fn held(&mut self, chances: [usize; 3], value: Option<&str>) -> String {
        let asked = self.asks(chances);
        if !asked && value.is_some() {
            count(self.counts, "field_missing");
        }
        value.filter(|_| asked).unwrap_or_default().to_owned()
    }

    fn asks(&mut self, [police, refuge, childrens_services]: [usize; 3]) -> bool {
        self.random.percent(match self.kind {
            AgencyKind::Police => police,
            AgencyKind::Refuge => refuge,
            AgencyKind::ChildrensServices => childrens_services,
        })
    }

    fn slips(&mut self, percent: usize) -> bool {
        self.random.below(10_000) < percent * self.percent
    }

    fn spoil(
        &mut self,
        percent: usize,
        kind: &'static str,
        value: &mut String,
        how: impl FnOnce(&mut Random, &str) -> Option<String>,
    ) {
        if !value.is_empty() && self.slips(percent) {
            self.always(kind, value, how);
        }
    }

    /// Spoils the value, if that changes it, and counts.
    fn always(
        &mut self,
        kind: &'static str,
        value: &mut String,
        how: impl FnOnce(&mut Random, &str) -> Option<String>,
    ) {
        if let Some(spoilt) = how(self.random, value).filter(|spoilt| spoilt != value) {
            *value = spoilt;
            count(self.counts, kind);
        }
    }
}
