//! Settings of what people do about records and matches.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, de};
use symbolon_casework::parcel::{DEFAULT_BYTES, MAX_BYTES};
use symbolon_casework::retention::{Class, MAX_DAYS};
use symbolon_casework::text::Text;
use symbolon_core::identity::{AgencyName, Name};

use super::within;

/// What people do about records and matches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Casework {
    /// Whom other agencies call about a match, unless the record says otherwise.
    pub contact: Option<Text>,
}

/// Who is told of a missing person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Missing {
    /// Agreements in which the record of a missing person takes part while the person is missing,
    /// beside its own, unless `--agreement` says otherwise.
    pub agreements: Vec<String>,
}

/// What goes with letters to other nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Letters {
    /// Bytes of one attachment that is sent or taken, 1 to [`MAX_BYTES`].
    #[serde(deserialize_with = "attachment_bytes")]
    pub max_attachment_bytes: u64,
}

impl Default for Letters {
    fn default() -> Self {
        Self {
            max_attachment_bytes: DEFAULT_BYTES,
        }
    }
}

/// What other agencies are given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Disclosure {
    /// Fields of one request beyond which a release takes two people.
    pub bulk_fields: u32,
    /// Cases in which one agency asks within a day beyond which a release takes two people.
    pub bulk_cases_a_day: u32,
    /// Immigration services that can be given anything, by two people. Empty: none.
    pub immigration_services: Vec<AgencyName>,
    /// Days for which what is released may be kept, unless the release says otherwise.
    #[serde(deserialize_with = "received_days")]
    pub received_days: u32,
}

impl Default for Disclosure {
    fn default() -> Self {
        Self {
            bulk_fields: 8,
            bulk_cases_a_day: 5,
            immigration_services: Vec::new(),
            received_days: 90,
        }
    }
}

fn attachment_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let value = i64::deserialize(deserializer)?;
    within("max_attachment_bytes", value, 1, MAX_BYTES)
}

fn received_days<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    within("received_days", i64::deserialize(deserializer)?, 1, 3_653)
}

pub(super) fn retention<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<Name, Class>, D::Error> {
    let classes = BTreeMap::<Name, Class>::deserialize(deserializer)?;
    match classes.iter().find(|(_, class)| !class.is_sound()) {
        None => Ok(classes),
        Some((name, _)) => Err(de::Error::custom(format!(
            "retention class {name} must have review_after_days, expires_after_days or both, from 1 to {MAX_DAYS}, the review not after the end"
        ))),
    }
}
