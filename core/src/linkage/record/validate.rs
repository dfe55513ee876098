//! Each column through its own normaliser, keeping only what was refused.

use super::{Issue, IssueReason, Record, Risk, Sex, multiple_birth};
use crate::linkage::normalise::{
    dates, emails, identifiers, names, phones, places, postcodes, text,
};

pub(super) fn validate(record: &Record) -> Vec<Issue> {
    let mut issues = Vec::new();
    let mut check = |column: &'static str,
                     values: &[String],
                     rule: &dyn Fn(&str) -> Result<(), IssueReason>| {
        for value in values {
            if let Err(reason) = rule(value) {
                issues.push(Issue::new(column, reason, value));
            }
        }
    };
    let name = |v: &str| names::check(v);
    check("given_names", &record.given_names, &name);
    check("surname", &record.surname, &name);
    check("alias", &record.alias, &name);
    check("date_of_birth", &record.date_of_birth, &|v| {
        dates::parse(v).map(drop)
    });
    check("sex", &record.sex, &|v| v.parse::<Sex>().map(drop));
    check("multiple_birth", &record.multiple_birth, &|v| {
        multiple_birth(v).map(drop)
    });
    check("nationality", &record.nationality, &|v| text::admit(v));
    check("address", &record.address, &|v| {
        places::street(v).map(drop).or_else(lenient)
    });
    check("town", &record.town, &|v| places::town(v).map(drop));
    check("postcode", &record.postcode, &|v| {
        postcodes::parse(v).map(drop)
    });
    check("uprn", &record.uprn, &|v| identifiers::uprn(v).map(drop));
    check("phone", &record.phone, &|v| phones::parse(v).map(drop));
    check("email", &record.email, &|v| emails::parse(v).map(drop));
    check("nhs_number", &record.nhs_number, &|v| {
        identifiers::nhs_number(v).map(drop)
    });
    check("ni_number", &record.ni_number, &|v| {
        identifiers::ni_number(v).map(drop)
    });
    check("upn", &record.upn, &|v| identifiers::upn(v).map(drop));
    check("pnc_id", &record.pnc_id, &|v| {
        identifiers::pnc_id(v).map(drop)
    });
    check("cro", &record.cro, &|v| identifiers::cro(v).map(drop));
    check("passport", &record.passport, &|v| {
        identifiers::passport(v).map(drop)
    });
    check("vehicle", &record.vehicle, &|v| {
        identifiers::vehicle(v).map(drop)
    });
    check("account", &record.account, &|v| {
        identifiers::account(v).map(drop)
    });
    if let Some(risk) = &record.risk
        && let Err(reason) = risk.parse::<Risk>()
    {
        issues.push(Issue::new("risk", reason, risk));
    }
    issues
}

/// An address in which no street can be told is still an address: only a placeholder is reported.
fn lenient(reason: IssueReason) -> Result<(), IssueReason> {
    match reason {
        IssueReason::Placeholder => Err(reason),
        _ => Ok(()),
    }
}
