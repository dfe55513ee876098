//! `matches`: what can be typed.

use clap::{Args, ValueEnum};
use symbolon_core::linkage::score::Tier;

#[derive(Args)]
pub(super) struct MatchesArgs {
    /// Only this record
    #[arg(value_name = "RECORD_ID")]
    pub(super) record_id: Option<String>,
    /// List matches of this tier and the surer ones
    #[arg(long, value_name = "TIER", default_value = "possible")]
    pub(super) tier: TierArg,
}

/// A tier as it is typed. A new tier is one more word here.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum TierArg {
    Weak,
    Possible,
    Strong,
}

impl From<TierArg> for Tier {
    fn from(typed: TierArg) -> Self {
        match typed {
            TierArg::Weak => Self::Weak,
            TierArg::Possible => Self::Possible,
            TierArg::Strong => Self::Strong,
        }
    }
}
