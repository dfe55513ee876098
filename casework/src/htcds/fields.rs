//! The fields of the standard.
//!
//! Names and types are those of IOM's repository: the field reference (version 0.2), the survey form
//! (aligned with 1.0 and later), the revision history and the definitions (2.0). The workbook "HTCDS
//! Field Standards 2.0" could not be read here. So these are not checked against it:
//! - names of the seven consent prompts of version 1.0, `con_`: every field with this prefix is taken
//!   as text;
//! - the prefix of `MaritalStatus`, `NumberOfChildren`, `HighestLevelOfEducation` and the two languages,
//!   which the revision history names without one (taken as `prs_`), and the list of education levels;
//! - names of the fields of a support plan but its type, made here from the labels of IOM's Salesforce
//!   package;
//! - the questions on risk and vulnerability, for which version 2.0 gives examples and no fields.
//!
//! A field that is not in the list is kept and comes out again like one that is.

use super::EXTENSION;
use super::codes;

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A number.
    Number,
    /// A date.
    Date,
    /// Yes or no.
    Checkbox,
    /// One code of a list.
    One(&'static [&'static str]),
    /// Codes of a list, separated by semicolons.
    Several(&'static [&'static str]),
    /// One country, ISO 3166-1 alpha-2.
    Country,
    /// Countries.
    Countries,
    /// One language, ISO 639-2.
    Language,
}

impl Kind {
    /// Whether a cell can hold several values.
    #[must_use]
    pub fn is_list(self) -> bool {
        matches!(self, Self::Several(_) | Self::Countries)
    }
}

/// Every field, in the order of the standard's tables.
pub const FIELDS: &[(&str, Kind)] = &[
    ("org_Name", Kind::Text),
    ("org_Phone", Kind::Text),
    ("org_Type", Kind::One(codes::ORGANISATION_TYPE)),
    ("org_ShippingStreet", Kind::Text),
    ("org_ShippingCity", Kind::Text),
    ("org_ShippingState", Kind::Text),
    ("org_ShippingPostalCode", Kind::Text),
    ("org_ShippingCountry", Kind::Country),
    ("org_ShippingLongitude", Kind::Number),
    ("org_ShippingLatitude", Kind::Number),
    ("prs_Salutation", Kind::Text),
    ("prs_FirstName", Kind::Text),
    ("prs_MiddleName", Kind::Text),
    ("prs_SecondName", Kind::Text),
    ("prs_Birthdate", Kind::Date),
    ("prs_Gender", Kind::One(codes::GENDER)),
    ("prs_Deceased", Kind::Checkbox),
    ("prs_MaritalStatus", Kind::One(codes::MARITAL_STATUS)),
    ("prs_NumberOfChildren", Kind::Number),
    ("prs_PrimaryLanguage", Kind::Language),
    ("prs_SecondaryLanguage", Kind::Language),
    ("prs_HighestLevelOfEducation", Kind::Text),
    ("prs_Citizenship", Kind::Countries),
    ("prs_Title", Kind::Text),
    ("prs_IdentityNumber", Kind::Text),
    ("prs_Email", Kind::Text),
    ("prs_HomePhone", Kind::Text),
    ("prs_MobilePhone", Kind::Text),
    ("prs_MailingStreet", Kind::Text),
    ("prs_MailingCity", Kind::Text),
    ("prs_MailingState", Kind::Text),
    ("prs_MailingPostalCode", Kind::Text),
    ("prs_MailingCountry", Kind::Country),
    ("prs_MailingLongitude", Kind::Number),
    ("prs_MailingLatitude", Kind::Number),
    ("vic_AgreementToManagePersonalData", Kind::Checkbox),
    (
        "vic_TraffickingStatus",
        Kind::One(codes::TRAFFICKING_STATUS),
    ),
    (
        "vic_TraffickingStatusDecisionMakingOrg",
        Kind::One(codes::DECISION_MAKING_ORGANISATION),
    ),
    (
        "vic_RelationshipToTrafficker",
        Kind::One(codes::RELATIONSHIP),
    ),
    ("vic_AgeWhenTrafficked", Kind::Number),
    (
        "vic_RecruitmentWebsitesAndApps",
        Kind::Several(codes::WEBSITES_AND_APPS),
    ),
    ("vic_MethodOfRecruitment", Kind::Several(codes::RECRUITMENT)),
    ("vic_LocationOfRecruitment", Kind::Text),
    ("vic_MethodsOfControl", Kind::Several(codes::CONTROL)),
    ("vic_TypeOfExploitation", Kind::Several(codes::EXPLOITATION)),
    ("vic_ForcedLabourIndustry", Kind::Several(codes::INDUSTRY)),
    (
        "vic_TypeOfSexExploitation",
        Kind::Several(codes::SEX_EXPLOITATION),
    ),
    ("vic_LocationOfExploitation", Kind::Text),
    (
        "vic_ExploitationWebsitesAndApps",
        Kind::Several(codes::WEBSITES_AND_APPS),
    ),
    ("vic_Vulnerabilities", Kind::Text),
    ("vic_DetailsOfVulnerabilities", Kind::Text),
    ("per_RoleInProcess", Kind::Several(codes::ROLE_IN_PROCESS)),
    ("per_RoleDetails", Kind::Text),
    ("per_Organisation", Kind::Text),
    ("hte_Type", Kind::One(codes::EVENT_TYPE)),
    ("hte_Date", Kind::Date),
    ("hte_Street", Kind::Text),
    ("hte_City", Kind::Text),
    ("hte_State", Kind::Text),
    ("hte_PostalCode", Kind::Text),
    ("hte_Country", Kind::Text),
    ("hte_Longitude", Kind::Number),
    ("hte_Latitude", Kind::Number),
    ("hte_Description", Kind::Text),
    ("cas_CaseOwner", Kind::Text),
    ("cas_Status", Kind::One(codes::CASE_STATUS)),
    ("cas_CaseComment", Kind::Text),
    ("cas_ReferringOrganisation", Kind::Text),
    ("cas_IncomingReferralDate", Kind::Date),
    ("cas_ReferringPrimaryCaseWorker", Kind::Text),
    (
        "cas_ReasonForIncomingReferral",
        Kind::One(codes::REFERRAL_REASON),
    ),
    ("cas_IncomingReferralDetails", Kind::Text),
    ("cas_ReferredOrganisation", Kind::Text),
    ("cas_ReferredPrimaryCaseWorker", Kind::Text),
    (
        "cas_ReasonForOutgoingReferral",
        Kind::One(codes::REFERRAL_REASON),
    ),
    ("cas_OutgoingReferralDate", Kind::Date),
    ("cas_OutgoingReferralDetails", Kind::Text),
    ("cas_ReasonForCaseClosure", Kind::Text),
    ("spl_Type", Kind::One(codes::SUPPORT_PLAN_TYPE)),
    ("spl_Objectives", Kind::Text),
    ("spl_ActionPlan", Kind::Text),
    ("spl_PlannedEndDate", Kind::Date),
    ("spl_ActualEndDate", Kind::Date),
    ("con_Consent", Kind::Checkbox),
];

/// Names under which earlier versions, or the survey form, have a field.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("prs_LastName", "prs_SecondName"),
    ("prs_Nationality", "prs_Citizenship"),
    ("prs_DateOfBirth", "prs_Birthdate"),
];

/// What the field holds, if the standard has it.
#[must_use]
pub fn kind(name: &str) -> Option<Kind> {
    let mut fields = FIELDS.iter();
    fields
        .find(|(known, _)| *known == name)
        .map(|(_, kind)| *kind)
}

/// A name of a file's header as the standard writes it: case and underscores do not count behind the
/// prefix, since the survey form has `prs_First_Name`. A name that is not of the standard stays as it
/// is.
#[must_use]
pub fn canonical(name: &str) -> String {
    let name = name.trim();
    if name.starts_with(EXTENSION) {
        return name.to_owned();
    }
    let bare = bare(name);
    let others = OTHER_NAMES
        .iter()
        .find(|(other, _)| self::bare(other) == bare);
    let known = match others {
        Some((_, field)) => Some(*field),
        None => {
            let mut fields = FIELDS.iter().map(|(field, _)| *field);
            fields.find(|field| self::bare(field) == bare)
        }
    };
    known.map_or_else(|| name.to_owned(), str::to_owned)
}

fn bare(name: &str) -> String {
    let letters = name.chars().filter(|c| *c != '_');
    letters.flat_map(char::to_lowercase).collect()
}

/// The place of a field in the standard, for the order of columns; others come behind, and extensions
/// last.
#[must_use]
pub fn order(name: &str) -> usize {
    if name == super::RECORD_ID {
        return 0;
    }
    if name.starts_with(EXTENSION) {
        return FIELDS.len() + 2;
    }
    let place = FIELDS.iter().position(|(known, _)| *known == name);
    place.unwrap_or(FIELDS.len()) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_under_the_names_that_files_have() {
        for (written, field) in [
            ("prs_FirstName", "prs_FirstName"),
            (" prs_First_Name ", "prs_FirstName"),
            ("PRS_FIRSTNAME", "prs_FirstName"),
            ("vic_Methods_of_Control", "vic_MethodsOfControl"),
            ("prs_LastName", "prs_SecondName"),
            ("prs_Nationality", "prs_Citizenship"),
            ("con_Interview", "con_Interview"),
            ("sym_Phone", "sym_Phone"),
            ("shoe size", "shoe size"),
        ] {
            assert_eq!(canonical(written), field);
        }
        let mut names: Vec<String> = FIELDS.iter().map(|(name, _)| bare(name)).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), FIELDS.len(), "no two fields are one");
        assert!(order("org_Name") < order("con_Consent"));
        assert!(order("con_Consent") < order("shoe") && order("shoe") < order("sym_phone"));
    }
}
