//! `admin agreement`: proposing agreements, amending them, approving and looking at them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;
use symbolon_core::agreement::{Category, Document, ResponseHours, ScoreThreshold};
use symbolon_core::encoding::Digest;
use symbolon_core::identity::{AgencyName, Name};

use super::super::output::{Failure, Output, table};
use crate::admin::{Admin, AgreementReport, ProposedVersion};
use crate::files;

#[derive(Subcommand)]
pub enum AgreementCommand {
    /// Propose an agreement; each member then accepts it with its node.
    Propose(Box<Propose>),
    /// Propose a new version of an agreement; it takes over once all its members have accepted it.
    Amend(Box<Amend>),
    /// Approve what another administrator has proposed.
    #[command(
        after_help = "Example:\n  symbolon-hub admin --admin ./admin agreement approve 5f0c..."
    )]
    Approve {
        /// Digest of the proposal, as `agreement list` shows it.
        #[arg(value_name = "HEX", value_parser = digest)]
        digest: Digest,
    },
    /// List agreements and who has accepted them.
    #[command(after_help = "Example:\n  symbolon-hub admin --admin ./admin agreement list --json")]
    List,
    /// Show all versions of an agreement: terms, words of its members, keys.
    #[command(
        after_help = "Example:\n  symbolon-hub admin --admin ./admin agreement show missing-children"
    )]
    Show {
        /// The agreement.
        id: Name,
    },
    /// Write everything that was signed about an agreement, to verify it without a hub.
    #[command(
        after_help = "Example:\n  symbolon-hub admin --admin ./admin agreement export missing-children --out a.json"
    )]
    Export {
        /// The agreement.
        id: Name,
        /// Write it to a new file instead of printing it.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

/// Propose an agreement.
#[derive(Args)]
#[command(after_help = "\
Example:
  symbolon-hub admin --admin ./admin agreement propose --id missing-children \\
      --title 'Finding missing children' --members harbour-refuge,northshire-police \\
      --purpose safeguarding --regime 'UK GDPR and DPA 2018' --lawful-basis 'public task' \\
      --may-submit harbour-refuge=missing,victim --schema-version 1 --schema-digest 5f0c...

The linkage schema lives in the nodes: `symbolon-node schema` prints its version and digest.
Nodes with another schema refuse to take part. An agreement is in force when every member has
accepted it. Where several administrators must approve, the others do it with `agreement approve`.")]
pub struct Propose {
    /// Its short name.
    #[arg(long)]
    id: Name,
    /// Its title, for people.
    #[arg(long)]
    title: String,
    /// Enrolled agencies, separated by commas.
    #[arg(long, required = true, value_delimiter = ',')]
    members: Vec<AgencyName>,
    /// The member whose node makes the agreement's key; the first one if not given.
    #[arg(long)]
    lead: Option<AgencyName>,
    /// What matches may be used for; may be given several times.
    #[arg(long = "purpose", value_name = "PURPOSE", required = true)]
    purposes: Vec<String>,
    /// The legal regime.
    #[arg(long)]
    regime: String,
    /// The lawful basis.
    #[arg(long)]
    lawful_basis: String,
    #[command(flatten)]
    terms: Terms,
    /// Version of the linkage schema, as `symbolon-node schema` prints it.
    #[arg(long)]
    schema_version: u16,
    /// Digest of the linkage schema, as `symbolon-node schema` prints it.
    #[arg(long, value_name = "HEX", value_parser = digest)]
    schema_digest: Digest,
}

/// Propose a new version.
#[derive(Args)]
#[command(after_help = "\
Example:
  symbolon-hub admin --admin ./admin agreement amend missing-children --retention-months 12 \\
      --members harbour-refuge,northshire-police,northshire-council

What is not given stays as it is. The present version goes on until every member of the new one
has accepted; then the nodes make their rows anew under its key.")]
pub struct Amend {
    /// The agreement.
    id: Name,
    /// Another title.
    #[arg(long)]
    title: Option<String>,
    /// All its members from then on, separated by commas.
    #[arg(long, value_delimiter = ',')]
    members: Vec<AgencyName>,
    /// Another member whose node makes the key.
    #[arg(long)]
    lead: Option<AgencyName>,
    /// All its purposes from then on; may be given several times.
    #[arg(long = "purpose", value_name = "PURPOSE")]
    purposes: Vec<String>,
    /// Another legal regime.
    #[arg(long)]
    regime: Option<String>,
    /// Another lawful basis.
    #[arg(long)]
    lawful_basis: Option<String>,
    #[command(flatten)]
    terms: Terms,
    /// Show what the schema says as strong and possible, as if no threshold had been agreed.
    #[arg(long, conflicts_with = "possible_bits")]
    no_threshold: bool,
}

/// What both take.
#[derive(Args)]
struct Terms {
    /// Months that a row stays at the hub unless it is withdrawn sooner; 24 at first.
    #[arg(long)]
    retention_months: Option<u32>,
    /// Most live rows of a token that still make notices; 64 at first.
    #[arg(long)]
    common_token_limit: Option<u32>,
    /// Hours to answer a match of high urgency; 1 at first.
    #[arg(long, value_name = "HOURS")]
    respond_high: Option<u32>,
    /// Hours to answer one of medium urgency; 24 at first.
    #[arg(long, value_name = "HOURS")]
    respond_medium: Option<u32>,
    /// Hours to answer any other; 72 at first.
    #[arg(long, value_name = "HOURS")]
    respond_standard: Option<u32>,
    /// Hours from the first answer to the next; 168 at first.
    #[arg(long, value_name = "HOURS")]
    respond_follow_up: Option<u32>,
    /// Bits from which a match is shown as possible; what the schema says if not given.
    #[arg(long, value_name = "BITS", requires = "strong_bits")]
    possible_bits: Option<f64>,
    /// Bits from which it is shown as strong.
    #[arg(long, value_name = "BITS", requires = "possible_bits")]
    strong_bits: Option<f64>,
    /// Categories of record that a member may submit: AGENCY=victim,missing (or all, or none); any
    /// if not given.
    #[arg(long, value_name = "AGENCY=CATEGORIES", value_parser = role)]
    may_submit: Vec<(AgencyName, Categories)>,
    /// Categories of record that a member may find out about. What one member may not receive, no
    /// other shares under this agreement.
    #[arg(long, value_name = "AGENCY=CATEGORIES", value_parser = role)]
    may_receive: Vec<(AgencyName, Categories)>,
}

/// A set of categories, as an argument.
#[derive(Clone)]
struct Categories(BTreeSet<Category>);

fn digest(text: &str) -> Result<Digest, &'static str> {
    Digest::parse(text).ok_or("not a SHA-256 digest: 64 hexadecimal digits")
}

fn role(text: &str) -> Result<(AgencyName, Categories), String> {
    let (agency, words) = text.split_once('=').ok_or("write AGENCY=CATEGORIES")?;
    let agency = agency
        .parse()
        .map_err(|_| format!("{agency} is not a name"))?;
    let every = Category::ALL.iter().map(|(category, _)| *category);
    let categories = match words {
        "all" => every.collect(),
        "none" => BTreeSet::new(),
        words => {
            let read = |word: &str| {
                Category::parse(word).ok_or_else(|| {
                    format!("{word} is no category: victim, missing, suspect, witness or other")
                })
            };
            words.split(',').map(read).collect::<Result<_, _>>()?
        }
    };
    Ok((agency, Categories(categories)))
}

fn decibits(bits: f64) -> Result<i32, Failure> {
    if !(-60.0..=60.0).contains(&bits) {
        return Err(Failure("thresholds are -60 to 60 bits".to_owned()));
    }
    #[allow(clippy::cast_possible_truncation)] // within the bounds above
    Ok((bits * 10.0).round() as i32)
}

impl Terms {
    fn apply(self, document: &mut Document) -> Result<(), Failure> {
        let set = |place: &mut u32, value: Option<u32>| *place = value.unwrap_or(*place);
        set(&mut document.retention_months, self.retention_months);
        set(&mut document.common_token_limit, self.common_token_limit);
        let hours = &mut document.response_hours;
        set(&mut hours.high, self.respond_high);
        set(&mut hours.medium, self.respond_medium);
        set(&mut hours.standard, self.respond_standard);
        set(&mut hours.follow_up, self.respond_follow_up);
        if let (Some(possible), Some(strong)) = (self.possible_bits, self.strong_bits) {
            document.threshold = Some(ScoreThreshold {
                possible_decibits: decibits(possible)?,
                strong_decibits: decibits(strong)?,
            });
        }
        for (agency, Categories(submit)) in self.may_submit {
            let role = document.role(&agency);
            let role = document.record_roles.entry(agency).or_insert(role);
            role.submit = submit;
        }
        for (agency, Categories(receive)) in self.may_receive {
            let role = document.role(&agency);
            let role = document.record_roles.entry(agency).or_insert(role);
            role.receive = receive;
        }
        Ok(())
    }
}

impl AgreementCommand {
    /// Whether it needs the approval key.
    pub fn signs(&self) -> bool {
        matches!(
            self,
            Self::Propose(_) | Self::Amend(_) | Self::Approve { .. }
        )
    }
}

pub async fn carry_out(
    admin: &Admin,
    command: AgreementCommand,
    output: Output,
) -> Result<(), Failure> {
    match command {
        AgreementCommand::Propose(options) => {
            let document = first_version(admin, *options).await?;
            told(&admin.propose_version(&document).await?, output)
        }
        AgreementCommand::Amend(options) => {
            let document = next_version(admin, *options).await?;
            told(&admin.propose_version(&document).await?, output)
        }
        AgreementCommand::Approve { digest } => {
            told(&admin.approve_agreement(&digest).await?, output)
        }
        AgreementCommand::List => {
            let agreements = admin.agreements().await?;
            output.answer(&agreements, |agreements| agreement_table(agreements))
        }
        AgreementCommand::Show { id } => {
            let mut agreements = admin.agreements().await?;
            agreements.retain(|agreement| agreement.document.id == id);
            if agreements.is_empty() {
                return Err(Failure(format!("there is no agreement {id}")));
            }
            output.answer(&agreements, |agreements| {
                let texts: Vec<String> = agreements.iter().map(text).collect();
                texts.join("\n")
            })
        }
        AgreementCommand::Export { id, out } => {
            let export = admin.export_agreement(&id).await?;
            let unprintable = |error| Failure(format!("cannot be written: {error}"));
            let json = serde_json::to_string_pretty(&export).map_err(unprintable)?;
            match out {
                None => output.text(&json),
                Some(path) => {
                    files::private_file(&path, json.as_bytes())?;
                    output.answer(&json!({ "id": id, "file": path }), |_| {
                        format!("what was signed about {id} is in {}", path.display())
                    })
                }
            }
        }
    }
}

async fn first_version(admin: &Admin, options: Propose) -> Result<Document, Failure> {
    let first = options.members.first().cloned();
    let lead = options.lead.or(first);
    let lead = lead.ok_or_else(|| Failure("an agreement needs members".to_owned()))?;
    let mut document = Document {
        consortium: admin.genesis(),
        roster: admin.roster().await?.length,
        id: options.id,
        title: options.title,
        version: 1,
        replaces: None,
        members: options.members,
        lead,
        purposes: options.purposes,
        regime: options.regime,
        lawful_basis: options.lawful_basis,
        record_roles: Default::default(),
        retention_months: 24,
        response_hours: ResponseHours::default(),
        threshold: None,
        common_token_limit: 64,
        schema_version: options.schema_version,
        schema_digest: options.schema_digest,
        epoch: 1,
    };
    options.terms.apply(&mut document)?;
    Ok(document)
}

async fn next_version(admin: &Admin, options: Amend) -> Result<Document, Failure> {
    let present = admin.agreement_in_force(&options.id).await?;
    let epoch = present.epochs.last().map_or(1, |epoch| epoch.number);
    let mut document = present.document;
    document.roster = admin.roster().await?.length;
    document.replaces = Some(present.digest);
    document.version = document.version.saturating_add(1);
    document.epoch = epoch.saturating_add(1);
    document.title = options.title.unwrap_or(document.title);
    document.regime = options.regime.unwrap_or(document.regime);
    document.lawful_basis = options.lawful_basis.unwrap_or(document.lawful_basis);
    if options.members.is_empty() {
        // Whoever is gone is not asked again.
        let gone = &present.departed;
        document.members.retain(|member| !gone.contains(member));
    } else {
        document.members = options.members;
    }
    let members = document.members.clone();
    document.record_roles.retain(|who, _| members.contains(who));
    if let Some(lead) = options.lead {
        document.lead = lead;
    } else if let (false, Some(first)) = (members.contains(&document.lead), members.first()) {
        document.lead = first.clone();
    }
    if !options.purposes.is_empty() {
        document.purposes = options.purposes;
    }
    if options.no_threshold {
        document.threshold = None;
    }
    options.terms.apply(&mut document)?;
    Ok(document)
}

fn told(proposed: &ProposedVersion, output: Output) -> Result<(), Failure> {
    output.answer(proposed, |proposed| {
        let ProposedVersion {
            id,
            version,
            digest,
            approvals,
            needed,
        } = proposed;
        let next = if approvals < needed {
            format!(
                "{approvals} of {needed} approvals; another administrator approves it with: \
                 symbolon-hub admin agreement approve {digest}"
            )
        } else {
            "each member now accepts it with its node".to_owned()
        };
        format!("proposed {id}, version {version} (digest {digest}); {next}")
    })
}

fn join<'a>(names: impl IntoIterator<Item = &'a Name>) -> String {
    let names: Vec<&str> = names.into_iter().map(Name::as_str).collect();
    if names.is_empty() {
        return "-".to_owned();
    }
    names.join(", ")
}

fn agreement_table(agreements: &[AgreementReport]) -> String {
    let header = [
        "agreement",
        "version",
        "title",
        "members",
        "accepted by",
        "standing",
        "digest",
    ];
    let rows = agreements.iter().map(|agreement| {
        let digest = agreement.digest.to_string();
        vec![
            agreement.document.id.to_string(),
            agreement.document.version.to_string(),
            agreement.document.title.clone(),
            join(&agreement.document.members),
            join(&agreement.accepted),
            agreement.standing.to_owned(),
            digest,
        ]
    });
    table(&header, rows)
}

fn text(agreement: &AgreementReport) -> String {
    let AgreementReport {
        digest,
        document,
        accepted,
        declined,
        left,
        in_force: _,
        standing,
        epochs,
    } = agreement;
    let hours = &document.response_hours;
    let threshold = document.threshold.map_or_else(
        || "the schema's".to_owned(),
        |t| {
            let bits = |decibits: i32| f64::from(decibits) / 10.0;
            let (possible, strong) = (bits(t.possible_decibits), bits(t.strong_decibits));
            format!("possible from {possible} bits, strong from {strong}")
        },
    );
    let words = |categories: &BTreeSet<Category>| {
        let words: Vec<String> = categories.iter().map(Category::to_string).collect();
        words.join(", ")
    };
    let mut lines = vec![
        format!("{} version {}: {standing}", document.id, document.version),
        format!("  title         {}", document.title),
        format!("  digest        {digest}"),
        format!(
            "  members       {} (lead {})",
            join(&document.members),
            document.lead
        ),
        format!("  purposes      {}", document.purposes.join("; ")),
        format!(
            "  basis         {}; {}",
            document.regime, document.lawful_basis
        ),
        format!("  rows kept     {} months", document.retention_months),
        format!(
            "  answer within {} h high, {} h medium, {} h standard, {} h follow-up",
            hours.high, hours.medium, hours.standard, hours.follow_up
        ),
        format!("  threshold     {threshold}"),
        format!("  accepted by   {}", join(accepted)),
    ];
    for (agency, role) in &document.record_roles {
        let (submit, receive) = (words(&role.submit), words(&role.receive));
        lines.push(format!(
            "  records       {agency} submits [{submit}], receives [{receive}]"
        ));
    }
    let said = |word: &'static str| {
        move |(agency, reason): (&AgencyName, &String)| format!("  {word} {agency}: {reason}")
    };
    lines.extend(declined.iter().map(said("declined     ")));
    lines.extend(left.iter().map(said("left         ")));
    for epoch in epochs {
        lines.push(format!(
            "  epoch {:<7} {}, made by {} for {}; done: {}",
            epoch.number,
            epoch.standing,
            epoch.author,
            join(&epoch.members),
            join(&epoch.done)
        ));
    }
    lines.join("\n")
}
