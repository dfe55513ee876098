//! `queue` and `case`: what is to be done, and doing it.

use clap::{Args, Subcommand, ValueEnum};
use symbolon_casework::lifecycle::{Outcome, Stage, Verdict};
use symbolon_core::identity::{AgencyName, Name};

use super::needs_reason;
use crate::casework::command::CaseworkCommand;
use crate::casework::{CaseCommand, QueueFilter};
use crate::cli::args::Global;
use crate::cli::failure::Failure;

/// What of the queue is wanted.
#[derive(Args)]
pub(in crate::cli) struct QueueArgs {
    /// Also what is refuted, closed, or whose match has ended
    #[arg(long)]
    all: bool,
    /// Only what is assigned to this person
    #[arg(long, value_name = "NAME", conflicts_with = "unassigned")]
    assigned: Option<Name>,
    /// Only what is assigned to nobody
    #[arg(long)]
    unassigned: bool,
    /// Only what is overdue
    #[arg(long)]
    overdue: bool,
    /// Only what stands there, as in --stage follow-up-requested
    #[arg(long, value_name = "STAGE", value_parser = stage)]
    stage: Option<Stage>,
    /// Only with this agency
    #[arg(long, value_name = "AGENCY")]
    agency: Option<AgencyName>,
    /// Only what has this in its record id, name, agency, agreement or case id
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
}

fn stage(word: &str) -> Result<Stage, String> {
    Stage::parse(word).ok_or_else(|| {
        let all = Stage::ALL.map(|(_, word)| word.replace(' ', "-"));
        format!("is no stage; stages are {}", all.join(", "))
    })
}

impl QueueArgs {
    pub(in crate::cli) fn command(self) -> CaseworkCommand {
        CaseworkCommand::Case(CaseCommand::Queue(QueueFilter {
            all: self.all,
            assigned: self.assigned,
            unassigned: self.unassigned,
            overdue: self.overdue,
            stage: self.stage,
            agency: self.agency,
            search: self.search,
        }))
    }
}

/// What came of a case.
#[derive(Clone, Copy, ValueEnum)]
pub(in crate::cli) enum OutcomeWord {
    /// The person was found, or is safe
    Safeguarded,
    /// Both agencies go on together
    JointWork,
    /// Handed over to one of the two, or to a third
    Referred,
    /// It helped an investigation
    Intelligence,
    /// Nothing came of it
    NoAction,
}

/// About one case, named by the first digits of its id.
#[derive(Subcommand)]
pub(in crate::cli) enum CaseTask {
    /// Show a case with everything that both agencies said
    Show {
        #[command(flatten)]
        case: CaseArg,
    },
    /// Take a match on: the other agency sees that somebody looks at it
    Acknowledge {
        #[command(flatten)]
        case: CaseArg,
    },
    /// Say that it is one person, with --reason
    Confirm {
        #[command(flatten)]
        case: CaseArg,
    },
    /// Say that it is two people, with --reason; it does not come again until the evidence changes
    Refute {
        #[command(flatten)]
        case: CaseArg,
    },
    /// Say that it cannot be said, with --reason
    Inconclusive {
        #[command(flatten)]
        case: CaseArg,
    },
    /// Say what came of it, with --reason
    Outcome {
        #[command(flatten)]
        case: CaseArg,
        /// What came of it
        #[arg(value_enum, value_name = "OUTCOME")]
        outcome: OutcomeWord,
    },
    /// End a case, with --reason
    Close {
        #[command(flatten)]
        case: CaseArg,
    },
    /// Begin a case once more, with --reason
    Reopen {
        #[command(flatten)]
        case: CaseArg,
    },
    /// Give a case to a person; without --to to nobody
    Assign {
        #[command(flatten)]
        case: CaseArg,
        /// To whom
        #[arg(long, value_name = "NAME")]
        to: Option<Name>,
    },
}

/// Which case.
#[derive(Args)]
pub(in crate::cli) struct CaseArg {
    /// Its id, or the first four digits of it or more, as `queue` shows it
    #[arg(value_name = "CASE")]
    case: String,
}

impl CaseTask {
    pub(in crate::cli) fn command(self, global: &Global) -> Result<CaseworkCommand, Failure> {
        let judge = |case: CaseArg, verdict| {
            needs_reason(global)?;
            let case = case.case;
            Ok::<_, Failure>(CaseCommand::Judge { case, verdict })
        };
        Ok(CaseworkCommand::Case(match self {
            Self::Show { case } => CaseCommand::Show { case: case.case },
            Self::Acknowledge { case } => CaseCommand::Acknowledge { case: case.case },
            Self::Confirm { case } => judge(case, Verdict::Confirmed)?,
            Self::Refute { case } => judge(case, Verdict::Refuted)?,
            Self::Inconclusive { case } => judge(case, Verdict::Inconclusive)?,
            Self::Outcome { case, outcome } => {
                needs_reason(global)?;
                CaseCommand::Conclude {
                    case: case.case,
                    outcome: match outcome {
                        OutcomeWord::Safeguarded => Outcome::Safeguarded,
                        OutcomeWord::JointWork => Outcome::JointWork,
                        OutcomeWord::Referred => Outcome::Referred,
                        OutcomeWord::Intelligence => Outcome::Intelligence,
                        OutcomeWord::NoAction => Outcome::NoAction,
                    },
                }
            }
            Self::Close { case } => {
                needs_reason(global)?;
                CaseCommand::Close { case: case.case }
            }
            Self::Reopen { case } => {
                needs_reason(global)?;
                CaseCommand::Reopen { case: case.case }
            }
            Self::Assign { case, to } => CaseCommand::Assign {
                case: case.case,
                to,
            },
        }))
    }
}
