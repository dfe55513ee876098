//! The code lists of the standard.
//!
//! From IOM's survey form, but for those it has no question on: organisation and event types, roles,
//! websites and referral reasons are from the field reference; marital status and relationship from a
//! published list of the 2.0 workbook's fields, which was not seen itself; support plans from our own
//! notes on version 2.0. Codes of the drafts before 1.0 are not in the lists.

/// `org_Type`.
pub const ORGANISATION_TYPE: &[&str] = &[
    "NGO",
    "LawEnforcement",
    "HealthServiceOrganisation",
    "CentralGovernmentOrganisation",
    "LocalGovernmentOrganisation",
    "ImmigrationService",
    "LegalService",
    "CorporateBusiness",
    "SchoolOrCollege",
];

/// `prs_Gender`.
pub const GENDER: &[&str] = &[
    "Feminine",
    "Masculine",
    "TransgenderFeminine",
    "TransgenderMasculine",
    "NonConforming",
    "NonSpecifiedUnknown",
];

/// `prs_MaritalStatus`.
pub const MARITAL_STATUS: &[&str] = &[
    "Single",
    "Married",
    "Widowed",
    "Divorced",
    "Separated",
    "RegisteredPartnership",
];

/// `vic_TraffickingStatus`. The survey form has the long codes; shorter ones are in use too.
pub const TRAFFICKING_STATUS: &[&str] = &[
    "PossibleVictimOfTrafficking",
    "ActualVictimOfTrafficking",
    "NotAVictimOfTrafficking",
    "PossibleVictim",
    "ActualVictim",
];

/// Of these, the ones that say that the person is, or may be, a victim.
pub const VICTIM: &[&str] = &[
    "PossibleVictimOfTrafficking",
    "ActualVictimOfTrafficking",
    "PossibleVictim",
    "ActualVictim",
];

/// `vic_TraffickingStatusDecisionMakingOrg`.
pub const DECISION_MAKING_ORGANISATION: &[&str] = &[
    "Police",
    "NGO",
    "CourtOrProsecution",
    "NonPoliceGovernmentalOrganization",
    "Other",
];

/// `vic_RelationshipToTrafficker`; the third is the standard's spelling.
pub const RELATIONSHIP: &[&str] = &["Familial", "Acquainted", "Unaquainted"];

/// `vic_MethodOfRecruitment`.
pub const RECRUITMENT: &[&str] = &[
    "AtAPlaceOfBusiness",
    "AtAnEducationalInstitution",
    "AtWork",
    "ThroughOnlineSocialNetworks",
    "ThroughAnOnlineAdvertisement",
    "ThroughATelevisionAdvert",
    "ThroughANewspaperAdvert",
    "ThroughFamilyOrFamilyEvents",
    "ThroughFriendsOrSocialEvents",
    "Other",
];

/// `vic_RecruitmentWebsitesAndApps`, `vic_ExploitationWebsitesAndApps`.
pub const WEBSITES_AND_APPS: &[&str] = &[
    "Facebook",
    "Instagram",
    "WhatsApp",
    "Telegram",
    "FacebookMessenger",
    "Viber",
    "SnapChat",
    "Line",
    "4Sale",
    "WeChat",
    "QQ",
    "QZone",
    "TikTok",
    "Twitter",
    "Other",
];

/// `vic_MethodsOfControl`.
pub const CONTROL: &[&str] = &[
    "PhysicalThreats",
    "ThreatsLawEnforcement",
    "ThreatensChildrenFamily",
    "DebtBondage",
    "FalsePromises",
    "PhysicalAbuse",
    "SexualAbuse",
    "TakesEarnings",
    "RestrictsFinancialAccess",
    "RestrictsMedicalCare",
    "WithholdsNecessities",
    "PsychologicalAbuse",
    "PsychoactiveSubstance",
    "ExcessiveWorkingHours",
    "WithholdsDocuments",
    "Other",
];

/// `vic_TypeOfExploitation`.
pub const EXPLOITATION: &[&str] = &[
    "ForcedLabour",
    "SexualExploitation",
    "ChildLabour",
    "ForcedMarriage",
    "Servitude",
    "ForcedMilitaryByNonStateActors",
    "OrganRemoval",
    "ForcedBegging",
    "ForcedAdoption",
    "Surrogacy",
    "Other",
];

/// `vic_ForcedLabourIndustry`: the sections of ISIC revision 4.
pub const INDUSTRY: &[&str] = &[
    "A_AgricultureForestryAndFishing",
    "B_MiningAndQuarrying",
    "C_Manufacturing",
    "D_ElectricityGasSteamAndAirConditioningSupply",
    "E_WaterSupplySewerageWasteManagement",
    "F_Construction",
    "G_WholesaleAndRetailTradeRepairOfMotorVehicles",
    "H_TransportationAndStorage",
    "I_AccommodationAndFoodServiceActivities",
    "J_InformationAndCommunication",
    "K_FinancialAndInsuranceActivities",
    "L_RealEstateActivities",
    "M_ProfessionalScientificAndTechnicalActivities",
    "N_AdministrativeAndSupportServiceActivities",
    "O_PublicAdministrationAndDefence",
    "P_Education",
    "Q_HumanHealthAndSocialWorkActivities",
    "R_ArtsEntertainmentAndRecreation",
    "S_OtherServiceActivities",
    "T_ActivitiesOfHouseholdsAsEmployers",
    "U_ActivitiesOfExtraterritorialOrganizations",
];

/// `vic_TypeOfSexExploitation`.
pub const SEX_EXPLOITATION: &[&str] = &[
    "Prostitution",
    "Pornography",
    "RemoteInteractiveServices",
    "PrivateSexualServices",
];

/// `per_RoleInProcess`.
pub const ROLE_IN_PROCESS: &[&str] = &[
    "TravellingPartner",
    "Transporter",
    "RecruiterOrIntermediary",
    "BrokerTravelAgent",
    "TransferredIndividual",
    "HarbouredIndividual",
    "SoldIndividual",
    "BoughtIndividual",
    "ReceivedIndividual",
    "ControlledIndividual",
    "Smuggler",
    "Abuser",
    "Kidnapper",
    "Exploiter",
    "Other",
];

/// Of these, the ones that make the person a suspect.
pub const SUSPECT: &[&str] = &[
    "Transporter",
    "RecruiterOrIntermediary",
    "BrokerTravelAgent",
    "Smuggler",
    "Abuser",
    "Kidnapper",
    "Exploiter",
];

/// `hte_Type`.
pub const EVENT_TYPE: &[&str] = &["Recruitment", "Transit", "Exploitation"];

/// `cas_Status`.
pub const CASE_STATUS: &[&str] = &["Active", "FollowUp", "Closed", "ClosedReferred"];

/// `cas_ReasonForIncomingReferral`, `cas_ReasonForOutgoingReferral`.
pub const REFERRAL_REASON: &[&str] = &[
    "AdditionalServicesRequired",
    "MigrationOrChangeOfLocation",
    "Other",
];

/// `spl_Type`.
pub const SUPPORT_PLAN_TYPE: &[&str] = &[
    "Education",
    "Financial",
    "Health",
    "LabourExploitationRehabilitation",
    "Legal",
    "Livelihood",
    "RightsBasedTraining",
    "SexualExploitationRehabilitation",
    "SocialCare",
];

/// Countries, ISO 3166-1 alpha-2.
const COUNTRIES: &str = include_str!("iso_3166_1.txt");
/// Languages, ISO 639-2, bibliographic and terminological codes.
const LANGUAGES: &str = include_str!("iso_639_2.txt");

/// Whether ISO 3166-1 has the code.
#[must_use]
pub fn is_country(code: &str) -> bool {
    COUNTRIES
        .split_ascii_whitespace()
        .any(|known| known == code)
}

/// Whether ISO 639-2 has the code; `qaa` to `qtz` are for local use.
#[must_use]
pub fn is_language(code: &str) -> bool {
    let local = code.len() == 3 && ("qaa"..="qtz").contains(&code);
    local
        || LANGUAGES
            .split_ascii_whitespace()
            .any(|known| known == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_iso_lists_are_whole() {
        let count = |list: &str| list.split_ascii_whitespace().count();
        assert_eq!(count(COUNTRIES), 249);
        assert_eq!(count(LANGUAGES), 506);
        for good in ["GB", "VN", "AL", "XK"] {
            assert_eq!(is_country(good), good != "XK", "{good}");
        }
        for good in ["eng", "vie", "alb", "sqi", "qab"] {
            assert!(is_language(good), "{good}");
        }
        for bad in ["", "en", "ENG", "zzz", "qzz"] {
            assert!(!is_language(bad), "{bad}");
        }
    }
}
