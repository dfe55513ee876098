//! Identity numbers, phones and handles that look real and belong to nobody.
//!
//! Each comes from a range that is kept for examples or was never issued, and each is handed out
//! once: two people share a number only where the generator says so.
//!
//! - NHS numbers: 999 000 0000 to 999 999 9999, kept for tests, with valid check digits.
//! - Phones: Ofcom's numbers for drama, 1,000 mobiles and 1,000 landlines for each of 18 areas.
//!   When all are gone they start again: above some 20,000 people strangers share phones.
//! - NI numbers: prefix XX, valid in form and plainly made up.
//! - Vehicle marks: the current form with age identifiers of the 2040s.
//! - Emails under example.com, example.org, example.net; account handles end in `.example`.
//! - Postcodes: areas NS, EM and HB, which the Royal Mail does not use.

use super::random::Random;

/// Ofcom's "Telephone numbers for use in TV and radio drama programmes", up to the last digits.
const LANDLINES: [(&str, usize); 18] = [
    ("0113 496 ", 4),
    ("0114 496 ", 4),
    ("0115 496 ", 4),
    ("0116 496 ", 4),
    ("0117 496 ", 4),
    ("0118 496 ", 4),
    ("0121 496 ", 4),
    ("0131 496 ", 4),
    ("0141 496 ", 4),
    ("0151 496 ", 4),
    ("0161 496 ", 4),
    ("020 7946 ", 4),
    ("0191 498 ", 4),
    ("028 9649 6", 3),
    ("029 2018 ", 4),
    ("01632 960", 3),
    ("03069 990", 3),
    ("0808 157 ", 4),
];

/// Hands out every identifier of one sample.
#[derive(Debug)]
pub(super) struct Pools {
    nhs: Walk,
    ni: Walk,
    passport: Walk,
    mobile: Walk,
    landline: Walk,
    mobiles_left: usize,
    handle: usize,
}

impl Pools {
    pub(super) fn new(random: &mut Random) -> Self {
        Self {
            nhs: Walk::new(random, 1_000_000, 618_033),
            ni: Walk::new(random, 1_000_000, 381_967),
            passport: Walk::new(random, 10_000_000, 6_180_339),
            mobile: Walk::new(random, 1_000, 617),
            landline: Walk::new(random, 1_000 * LANDLINES.len(), 11_123),
            mobiles_left: 1_000,
            handle: 0,
        }
    }

    /// Ten digits without spaces.
    pub(super) fn nhs_number(&mut self) -> String {
        loop {
            let digits = format!("999{:06}", self.nhs.step());
            if let Some(check) = nhs_check_digit(&digits) {
                return format!("{digits}{check}");
            }
        }
    }

    /// Two letters, six digits, a suffix letter, without spaces.
    pub(super) fn ni_number(&mut self, random: &mut Random) -> String {
        format!("XX{:06}{}", self.ni.step(), random.word("A B C D"))
    }

    /// A letter and seven digits, or two letters and seven digits.
    pub(super) fn passport(&mut self, random: &mut Random) -> String {
        let series = random.word("B C N P XA XB XC XN");
        format!("{series}{:07}", self.passport.step())
    }

    /// A number in its national form: `07700 900123`, `020 7946 0123`.
    pub(super) fn phone(&mut self, random: &mut Random) -> String {
        if self.mobiles_left > 0 && !random.percent(6) {
            self.mobiles_left -= 1;
            return format!("07700 900{:03}", self.mobile.step());
        }
        let number = self.landline.step();
        let (prefix, digits) = LANDLINES[number % LANDLINES.len()];
        format!("{prefix}{:0digits$}", number / LANDLINES.len())
    }

    /// A mark of the current form: `NK44 TRB`.
    pub(super) fn vehicle(&mut self, random: &mut Random) -> String {
        const FIRST: &str = "A B C D E F G H J K L M N O P R S T U V W X Y";
        const LAST: &str = "A B C D E F G H J K L M N O P R S T U V W X Y Z";
        let mut letters = |list| random.word(list).to_owned();
        let area = letters(FIRST) + &letters(FIRST);
        let serial = letters(LAST) + &letters(LAST) + &letters(LAST);
        let age = random.between(40, 49) + 50 * random.below(2);
        format!("{area}{age} {serial}")
    }

    /// An address at an example domain. `name` is plain ASCII.
    pub(super) fn email(&mut self, random: &mut Random, name: &str) -> String {
        self.handle += 1;
        let domain = random.word("example.com example.org example.net");
        format!(
            "{}{}@{domain}",
            name.to_lowercase().replace(' ', "."),
            self.handle
        )
    }

    /// `platform:handle`.
    pub(super) fn account(&mut self, random: &mut Random, name: &str) -> String {
        self.handle += 1;
        let platform = random.word("instagram snapchat telegram facebook tiktok");
        format!(
            "{platform}:{}.{}.example",
            name.to_lowercase().replace(' ', "_"),
            self.handle
        )
    }
}

/// The modulus-11 check digit of nine digits; `None` where the rule gives 10 or nine digits are not
/// what it was handed. NHS Data Dictionary, "NHS NUMBER": weights 10 to 2, 11 - (sum mod 11).
pub(super) fn nhs_check_digit(digits: &str) -> Option<u32> {
    let values: Vec<u32> = digits
        .chars()
        .map(|c| c.to_digit(10))
        .collect::<Option<_>>()?;
    if values.len() != 9 {
        return None;
    }
    let sum: u32 = values
        .iter()
        .zip((2..=10).rev())
        .map(|(digit, weight)| digit * weight)
        .sum();
    match 11 - sum % 11 {
        11 => Some(0),
        10 => None,
        check => Some(check),
    }
}

/// A postcode in one of three areas: `NS4 2QB`.
pub(super) fn postcode(random: &mut Random, area: &str) -> String {
    const INWARD: &str = "A B D E F G H J L N P Q R S T U W X Y Z";
    let district = random.between(1, 19);
    let sector = random.between(1, 9);
    format!(
        "{area}{district} {sector}{}{}",
        random.word(INWARD),
        random.word(INWARD)
    )
}

/// Visits every number below `size` once, in an order that looks random: the step has no factor
/// in common with the size.
#[derive(Debug)]
struct Walk {
    at: usize,
    size: usize,
    step: usize,
}

impl Walk {
    fn new(random: &mut Random, size: usize, step: usize) -> Self {
        Self {
            at: random.below(size),
            size,
            step,
        }
    }

    fn step(&mut self) -> usize {
        self.at = (self.at + self.step) % self.size;
        self.at
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_published_nhs_number_checks() {
        assert_eq!(nhs_check_digit("943476591"), Some(9));
        assert_eq!(nhs_check_digit("94347659"), None);
    }

    #[test]
    fn no_number_is_handed_out_twice() {
        let mut random = Random::new(3);
        let mut pools = Pools::new(&mut random);
        let phones: BTreeSet<String> = (0..17_000).map(|_| pools.phone(&mut random)).collect();
        let nhs: BTreeSet<String> = (0..20_000).map(|_| pools.nhs_number()).collect();
        assert_eq!((phones.len(), nhs.len()), (17_000, 20_000));
    }

    #[test]
    fn vehicle_ages_are_of_the_2040s() {
        let mut random = Random::new(3);
        let mut pools = Pools::new(&mut random);
        for _ in 0..500 {
            let mark = pools.vehicle(&mut random);
            let age: usize = mark[2..4].parse().unwrap();
            assert!(
                (40..=49).contains(&age) || (90..=99).contains(&age),
                "{mark}"
            );
        }
    }
}
