//! `agreement`: what can be typed.

use clap::Subcommand;
use symbolon_casework::text::Text;
use symbolon_core::identity::AgencyName;

/// What to do with agreements.
#[derive(Subcommand)]
pub(super) enum AgreementTask {
    /// List the agreements with their members and standing
    #[command(after_help = "Example:\n  symbolon-node agreement list")]
    List,
    /// Accept an agreement for this agency
    ///
    /// It comes into force when every member has accepted. Compare its digest with the other
    /// members first, by telephone.
    #[command(after_help = "Example:\n  symbolon-node agreement accept north-missing-children")]
    Accept {
        /// The agreement
        #[arg(value_name = "ID")]
        id: String,
        /// An immigration service that takes part and is accepted as such; one for each
        #[arg(long, value_name = "AGENCY")]
        accept_immigration: Vec<AgencyName>,
    },
    /// Show an agreement: its terms, who accepted, its keys, what was withdrawn
    #[command(after_help = "Example:\n  symbolon-node agreement show north-missing-children")]
    Show {
        /// The agreement
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Decline an agreement that is proposed; it then never comes into force
    #[command(
        after_help = "Example:\n  symbolon-node agreement decline north-missing-children --reason \"no lawful basis here\""
    )]
    Decline {
        /// The agreement
        #[arg(value_name = "ID")]
        id: String,
        /// Why, for the other members and the administrator
        // Of the type of the global option, which takes the same word: it is written down too.
        #[arg(long, value_name = "TEXT")]
        reason: Text,
    },
    /// Leave an agreement that is in force
    ///
    /// What this agency shared under it is deleted at the hub, its matches end, and the members who
    /// remain get a new key that this agency never has.
    #[command(
        after_help = "Example:\n  symbolon-node agreement leave north-missing-children --reason \"we closed\""
    )]
    Leave {
        /// The agreement
        #[arg(value_name = "ID")]
        id: String,
        /// Why, for the other members and the administrator
        // Of the type of the global option, which takes the same word: it is written down too.
        #[arg(long, value_name = "TEXT")]
        reason: Text,
        /// Do not ask whether it is meant
        #[arg(long, short)]
        yes: bool,
    },
    /// Print everything that was signed about an agreement, to verify it without a hub
    #[command(
        after_help = "Example:\n  symbolon-node agreement export north-missing-children > agreement.json"
    )]
    Export {
        /// The agreement
        #[arg(value_name = "ID")]
        id: String,
    },
}
