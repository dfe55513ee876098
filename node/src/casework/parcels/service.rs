//! What people ask for about attachments.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use symbolon_casework::acting::{Acting, Permission};
use symbolon_casework::audit::{AuditEvent, AuditKind};
use symbolon_casework::disclosure::rules::{may_be_told, may_leave};
use symbolon_casework::parcel::{
    FileName, Manifest, MediaType, Outgoing, ParcelId, chunk_count, split,
};
use symbolon_core::crypto::sha256;
use symbolon_core::encoding::Digest;
use symbolon_core::identity::{AgencyKind, AgencyName};
use zeroize::Zeroizing;

use super::{Received, Sent, StoredIncoming, StoredOutgoing};
use crate::casework::json;
use crate::clock::rfc3339;
use crate::error::NodeError;
use crate::node::Node;
use crate::tables::{MatchKey, Secret};

/// About attachments.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "kebab-case", deny_unknown_fields)]
pub enum AttachmentCommand {
    /// Sends a file to the other agency of a case.
    Send {
        /// The case.
        case: String,
        /// Absolute path.
        file: PathBuf,
        /// Its name there; else the file's own.
        name: Option<FileName>,
        /// What kind of file.
        media_type: MediaType,
        /// Whether the other agency may pass it on.
        onward: bool,
        /// Days for which the other agency may keep it, if not the usual.
        keep_days: Option<u32>,
    },
    /// Lists attachments.
    List {
        /// Only of this case.
        case: Option<String>,
    },
    /// Writes a received file out of the vault.
    Save {
        /// The first digits of its id.
        id: String,
        /// Absolute path of a file that is not there yet, or of a directory.
        to: PathBuf,
    },
    /// Deletes a received file from the vault.
    Remove {
        /// The first digits of its id.
        id: String,
    },
}

/// What a list says of a file whose time is over.
const OVER: &str = "over";

/// How a file goes.
struct How {
    name: FileName,
    media_type: MediaType,
    onward: bool,
    keep_days: Option<u32>,
}

/// One attachment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachmentView {
    /// 32 hexadecimal digits.
    pub id: String,
    /// `sent` or `received`.
    pub direction: String,
    /// The other agency.
    pub agency: String,
    /// The case.
    pub case: String,
    /// Own record.
    pub record_id: String,
    /// Name of the file.
    pub name: String,
    /// What kind of file, by its sender's word.
    pub media_type: String,
    /// Size of the file.
    pub bytes: u64,
    /// Chunks that went, or came.
    pub chunks: u32,
    /// Of so many.
    pub of: u32,
    /// `under way`, `delivered`, `whole`, `over`, or why it ended.
    pub state: String,
    /// Whether it may be passed on to others.
    pub onward: bool,
    /// How it may be handled, by its owner's word.
    pub handling: Option<String>,
    /// Until when its recipient may keep it; RFC 3339.
    pub keep_until: String,
    /// When it was sent, or when a chunk last came; RFC 3339.
    pub since: String,
}

/// A file that was written out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedAttachment {
    /// Where.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
}

impl Node {
    pub(in crate::casework) fn attachment_command(
        &self,
        acting: &Acting,
        command: AttachmentCommand,
    ) -> Result<Value, NodeError> {
        match command {
            AttachmentCommand::Send {
                case,
                file,
                name,
                media_type,
                onward,
                keep_days,
            } => {
                let case = self.confirmed_case(&case)?.key;
                let name = name.map_or_else(|| own_name(&file), Ok)?;
                let how = How {
                    name,
                    media_type,
                    onward,
                    keep_days,
                };
                json(self.send_attachment(acting, case, &file, how)?)
            }
            AttachmentCommand::List { case } => json(self.attachments(acting, case.as_deref())?),
            AttachmentCommand::Save { id, to } => json(self.save_attachment(acting, &id, &to)?),
            AttachmentCommand::Remove { id } => json(self.remove_attachment(acting, &id)?),
        }
    }

    fn send_attachment(
        &self,
        acting: &Acting,
        case: MatchKey,
        file: &Path,
        how: How,
    ) -> Result<AttachmentView, NodeError> {
        acting.may(Permission::Disclose)?;
        self.may_attach(acting, &case)?;
        let content = read(file, self.config.letters.max_attachment_bytes)?;
        let sha256 = sha256(&content);
        self.refuse_onward(&case.agency, &sha256)?;
        let bytes = content.len() as u64;
        let parcel = ParcelId::random()?;
        let manifest = Manifest {
            parcel,
            name: how.name,
            media_type: how.media_type,
            bytes,
            sha256,
            chunks: chunk_count(bytes).unwrap_or_default(),
            onward: how.onward,
            handling: self.dossier(&case.record_id)?.handling,
            keep_until: self.kept_until(how.keep_days),
        };
        let most = self.config.letters.max_attachment_bytes;
        let checked = manifest.check(most);
        checked.map_err(|why| NodeError::Request(format!("{}: {why}", file.display())))?;
        self.write_down(
            AuditEvent::by(acting, AuditKind::Disclosure, "attachment sent")
                .record(&case.record_id)
                .case(&self.case_word(&case)?)
                .agency(&case.agency),
        )?;
        let _changes = self.parcels.lock();
        for (number, chunk) in (0..).zip(split(&content)) {
            let place = (None, parcel, number);
            self.tables
                .parcel_chunks
                .put(&place, &Secret(chunk.to_vec()))?;
        }
        let mut number = 0;
        for entry in self.tables.parcels_out.iter() {
            number = number.max(entry?.1.number.saturating_add(1));
        }
        let stored = StoredOutgoing {
            state: Outgoing::begin(manifest),
            case,
            number,
            by: acting.who.clone(),
            at: self.clock.now(),
            not_before: 0,
            offered_at: 0,
            end: None,
        };
        self.tables.parcels_out.put(&parcel, &stored)?;
        self.tables.parcels_to_go.put(&parcel, &())?;
        self.vault.flush()?;
        self.outbox_waits.notify_one();
        self.sent_view(&stored)
    }

    /// A file is not looked into, so that there is no deciding field by field: what would take a second
    /// person does not go as a file at all.
    fn may_attach(&self, acting: &Acting, case: &MatchKey) -> Result<(), NodeError> {
        let said = acting.purpose.as_ref().zip(acting.reason.as_ref());
        let Some((purpose, _)) = said else {
            return Err(NodeError::Request(
                "say for what with --purpose and why with --reason; both are written down"
                    .to_owned(),
            ));
        };
        let dossier = self.dossier(&case.record_id)?;
        let asker = self.asker(&case.agency, 1)?;
        let refuse = |why: &str| Err(NodeError::Request(why.to_owned()));
        if !may_be_told(dossier.level) {
            return refuse(
                "the record is silent: nothing of it goes as a file; a field that was asked for can be \
                 released by two people",
            );
        }
        if asker.kind == AgencyKind::ImmigrationService {
            return refuse(
                "files do not go to immigration services; a field that was asked for can be released by \
                 two people, if this node admits that service",
            );
        }
        may_leave(&dossier, purpose, &asker).map_err(|why| NodeError::Request(why.to_string()))
    }

    /// A file that came from one agency does not go to another unless its owner allowed it.
    fn refuse_onward(&self, to: &AgencyName, sha256: &Digest) -> Result<(), NodeError> {
        for entry in self.tables.parcels_in.iter() {
            let ((from, _), stored) = entry?;
            let manifest = stored.state.manifest();
            if manifest.sha256 == *sha256 && from != *to && !manifest.onward {
                return Err(NodeError::Request(format!(
                    "this file came from {from}, which has not allowed it to be passed on; ask {from}"
                )));
            }
        }
        Ok(())
    }

    fn attachments(
        &self,
        acting: &Acting,
        case: Option<&str>,
    ) -> Result<Vec<AttachmentView>, NodeError> {
        acting.may(Permission::Consult)?;
        let mut views = Vec::new();
        for entry in self.tables.parcels_out.iter() {
            views.push(self.sent_view(&entry?.1)?);
        }
        for entry in self.tables.parcels_in.iter() {
            let ((from, _), stored) = entry?;
            views.push(self.received_view(&from, &stored)?);
        }
        views.retain(|view| case.is_none_or(|case| view.case == case));
        views.sort_by(|a, b| (&a.since, &a.id).cmp(&(&b.since, &b.id)));
        self.write_down(AuditEvent::by(
            acting,
            AuditKind::Consultation,
            "attachments listed",
        ))?;
        Ok(views)
    }

    fn sent_view(&self, stored: &StoredOutgoing) -> Result<AttachmentView, NodeError> {
        let state = match stored.end {
            None => "under way".to_owned(),
            Some(Sent::Delivered(_)) => "delivered".to_owned(),
            Some(Sent::Refused(why)) => why.to_string(),
            Some(Sent::GivenUp) => "given up: the recipient never had all of it".to_owned(),
            Some(Sent::CaseEnded) => "the case ended first".to_owned(),
        };
        let gone = stored.state.gone().count();
        let of = (&stored.case.agency, &stored.case, stored.at);
        self.attachment_view("sent", stored.state.manifest(), of, (gone, state))
    }

    fn received_view(
        &self,
        from: &AgencyName,
        stored: &StoredIncoming,
    ) -> Result<AttachmentView, NodeError> {
        let state = match stored.end {
            None => "under way".to_owned(),
            Some(Received::Whole(_)) if stored.is_over(self.clock.now()) => OVER.to_owned(),
            Some(Received::Over) => OVER.to_owned(),
            Some(Received::Whole(_)) => "whole".to_owned(),
            Some(Received::Refused(why)) => why.to_string(),
            Some(Received::Removed) => "removed".to_owned(),
        };
        let have = stored.state.have().count();
        let of = (from, &stored.case, stored.progress_at);
        self.attachment_view("received", stored.state.manifest(), of, (have, state))
    }

    fn attachment_view(
        &self,
        direction: &str,
        manifest: &Manifest,
        (agency, case, since): (&AgencyName, &MatchKey, i64),
        (chunks, state): (u32, String),
    ) -> Result<AttachmentView, NodeError> {
        Ok(AttachmentView {
            id: manifest.parcel.to_string(),
            direction: direction.to_owned(),
            agency: agency.to_string(),
            case: self.case_word(case)?,
            record_id: case.record_id.clone(),
            name: manifest.name.as_str().to_owned(),
            media_type: manifest.media_type.as_str().to_owned(),
            bytes: manifest.bytes,
            chunks,
            of: manifest.chunks,
            state,
            onward: manifest.onward,
            handling: manifest.handling.map(|code| code.to_string()),
            keep_until: rfc3339(manifest.keep_until),
            since: rfc3339(since),
        })
    }

    /// The received attachment that a person means.
    fn received_by_id(&self, id: &str) -> Result<(AgencyName, StoredIncoming), NodeError> {
        let mut found = Vec::new();
        for entry in self.tables.parcels_in.iter() {
            let ((from, parcel), stored) = entry?;
            if id.len() >= 4 && parcel.to_string().starts_with(id) {
                found.push((from, stored));
            }
        }
        match (found.pop(), found.is_empty()) {
            (Some(one), true) => Ok(one),
            (Some(_), false) => Err(NodeError::Request(format!(
                "several attachments begin with {id}; give more of its digits"
            ))),
            (None, _) => Err(NodeError::Request(format!(
                "no received attachment begins with {id}; `symbolon-node attachment list` shows them"
            ))),
        }
    }

    fn save_attachment(
        &self,
        acting: &Acting,
        id: &str,
        to: &Path,
    ) -> Result<SavedAttachment, NodeError> {
        acting.may(Permission::Consult)?;
        let (from, stored) = self.received_by_id(id)?;
        let manifest = stored.state.manifest();
        if stored.end == Some(Received::Over) || stored.is_over(self.clock.now()) {
            return Err(NodeError::Request(format!(
                "the time is over for which {from} gave this attachment; ask {from} again if it is needed"
            )));
        }
        if !matches!(stored.end, Some(Received::Whole(_))) {
            return Err(NodeError::Request(
                "not all of this attachment is here; `symbolon-node attachment list` shows how far it is"
                    .to_owned(),
            ));
        }
        self.write_down(
            AuditEvent::by(acting, AuditKind::Consultation, "attachment saved")
                .record(&stored.case.record_id)
                .case(&self.case_word(&stored.case)?)
                .agency(&from),
        )?;
        let path = if to.is_dir() {
            to.join(manifest.name.as_str())
        } else {
            to.to_owned()
        };
        let failed = |source| NodeError::File {
            path: path.clone(),
            source,
        };
        // Never over a file that is there, and readable by this user alone.
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&path).map_err(failed)?;
        for number in 0..manifest.chunks {
            let chunk = self.chunk(Some(&from), manifest.parcel, number)?;
            file.write_all(&chunk.0).map_err(failed)?;
        }
        file.sync_all().map_err(failed)?;
        let bytes = manifest.bytes;
        Ok(SavedAttachment { path, bytes })
    }

    fn remove_attachment(&self, acting: &Acting, id: &str) -> Result<AttachmentView, NodeError> {
        acting.may(Permission::KeepRecords)?;
        let (from, mut stored) = self.received_by_id(id)?;
        let _changes = self.parcels.lock();
        self.write_down(
            AuditEvent::by(acting, AuditKind::Erasure, "attachment removed")
                .record(&stored.case.record_id)
                .case(&self.case_word(&stored.case)?)
                .agency(&from),
        )?;
        let (parcel, chunks) = {
            let manifest = stored.state.manifest();
            (manifest.parcel, manifest.chunks)
        };
        // What stays is that it was here: it does not come again.
        stored.end = Some(Received::Removed);
        self.drop_chunks(Some(&from), (parcel, chunks))?;
        self.tables
            .parcels_in
            .put(&(from.clone(), parcel), &stored)?;
        self.vault.flush()?;
        self.received_view(&from, &stored)
    }
}

fn own_name(file: &Path) -> Result<FileName, NodeError> {
    let name = file.file_name().and_then(|name| name.to_str());
    let name = name.unwrap_or_default().parse::<FileName>();
    name.map_err(|why| {
        NodeError::Request(format!(
            "the name of {} {why}; give another with --name",
            file.display()
        ))
    })
}

/// A whole file, if it is not larger than goes.
fn read(path: &Path, most_bytes: u64) -> Result<Zeroizing<Vec<u8>>, NodeError> {
    let failed = |source| NodeError::File {
        path: path.to_owned(),
        source,
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut content = Zeroizing::new(Vec::new());
    let mut bounded = file.take(most_bytes + 1);
    bounded.read_to_end(&mut content).map_err(failed)?;
    let length = content.len() as u64;
    let refuse = |why: String| Err(NodeError::Request(format!("{} {why}", path.display())));
    if length > most_bytes {
        return refuse(format!(
            "is larger than {most_bytes} bytes, the most that goes (max_attachment_bytes in node.toml)"
        ));
    }
    if length == 0 {
        return refuse("is empty".to_owned());
    }
    Ok(content)
}
