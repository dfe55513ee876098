//! Founding: the directories, keys and certificates of a new consortium.
//!
//! Three directories, for three places: the hub's, the administrator's, and the root key's, which is
//! to be kept offline. Nothing is ever overwritten. The hub directory gets no key that could admit an
//! agency: the approval key goes to the administrator, sealed.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use symbolon_core::crypto::{CryptoError, SigningKey};
use symbolon_core::encoding::Digest;
use symbolon_core::identity::Name;
use symbolon_core::roster::{Administrator, Change, EntryBody, Roster, RosterError, SignedEntry};
use symbolon_core::sealed_file::{self, SealedFileError, Unlock};
use thiserror::Error;

use crate::ca::{self, AdministratorRequest, CaError};
use crate::certificates::{CertificateError, Hierarchy};
use crate::client;
use crate::clock::Clock;
use crate::config::HubConfig;
use crate::files::{self, FileError};
use crate::membership::AdministratorCertificate;

/// Label of the sealed approval key.
pub const APPROVAL_LABEL: &str = "approval key";
/// Label of the sealed root key.
pub const ROOT_LABEL: &str = "root key";

/// What a new consortium needs to know.
#[derive(Debug)]
pub struct FoundingOptions {
    /// Its name, which stands in every certificate.
    pub consortium: Name,
    /// The first administrator.
    pub administrator: Name,
    /// Made for the hub.
    pub hub_dir: PathBuf,
    /// Made for the administrator.
    pub admin_dir: PathBuf,
    /// Made for the root key.
    pub root_dir: PathBuf,
    /// DNS names and addresses by which the hub is reached.
    pub host_names: Vec<String>,
    /// `address:port` for members. Told to them as it is, or with the first of `host_names` if the
    /// address is that of all interfaces.
    pub listen: String,
    /// The same for enrolment.
    pub enrolment_listen: String,
    /// Seals the approval key and the root key.
    pub passphrase: Unlock,
}

/// What founding made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Founded {
    /// What every node pins.
    pub genesis: Digest,
    /// Where members are told to connect.
    pub hub: String,
    /// Where they are told to enrol.
    pub enrolment: String,
    /// Unix seconds at which the issuing certificate ends.
    pub issuer_expires_at: i64,
}

/// `admin.toml`: what an administrator's commands need to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdminConfig {
    /// The consortium.
    pub consortium: Name,
    /// The administrator.
    pub administrator: Name,
    /// `host:port` for members and administrators.
    pub hub: String,
    /// `host:port` for enrolment.
    pub enrolment: String,
    /// What the roster is verified from.
    pub genesis: Digest,
}

/// Why no consortium was founded.
#[derive(Debug, Error)]
pub enum FoundingError {
    /// There is one already.
    #[error(
        "{} already exists; a consortium is founded once: choose another directory or move it aside", .0.display()
    )]
    Exists(PathBuf),
    /// Not `address:port`.
    #[error("{0} is not an address of the form host:port")]
    Address(String),
    /// All interfaces, and no name to tell members.
    #[error("{0} listens on all interfaces: give at least one --host by which the hub is reached")]
    NoHost(String),
    /// A directory or file cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A certificate cannot be made.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A key cannot be drawn.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// A key cannot be sealed.
    #[error(transparent)]
    Seal(#[from] SealedFileError),
    /// The genesis cannot be written.
    #[error(transparent)]
    Roster(#[from] RosterError),
    /// Another administrator's request cannot be used.
    #[error(transparent)]
    Administrator(#[from] CaError),
    /// A request for elsewhere.
    #[error("the request of {0} is for another consortium")]
    OtherConsortium(Name),
    /// A file's content cannot be written.
    #[error("{0} cannot be written as text")]
    Text(&'static str),
}

/// Founds a consortium; refuses where one already is.
pub fn found(options: &FoundingOptions, clock: &dyn Clock) -> Result<Founded, FoundingError> {
    found_with(options, &[], 1, clock)
}

/// The same with further administrators, whose keys are on machines of their own. Each gets a reply to
/// its request, `NAME.reply` in the hub's directory.
///
/// Each later change needs `approvals_needed` of them. The genesis itself has the first one's signature
/// only: the others compare its digest when they take their replies over.
pub fn found_with(
    options: &FoundingOptions,
    others: &[AdministratorRequest],
    approvals_needed: u32,
    clock: &dyn Clock,
) -> Result<Founded, FoundingError> {
    for other in others {
        other.verify()?;
        if other.consortium != options.consortium {
            return Err(FoundingError::OtherConsortium(other.name.clone()));
        }
    }
    let taken = [
        options.hub_dir.join("hub.toml"),
        options.hub_dir.join("roster"),
        options.admin_dir.join("admin.toml"),
        options.root_dir.join("root.key"),
    ];
    if let Some(path) = taken.into_iter().find(|path| path.exists()) {
        return Err(FoundingError::Exists(path));
    }
    let now = clock.now();
    let hub = advertised(&options.listen, &options.host_names)?;
    let enrolment = advertised(&options.enrolment_listen, &options.host_names)?;
    let mut hosts = options.host_names.clone();
    for address in [&hub, &enrolment] {
        let host = client::host_of(address).unwrap_or_default().to_owned();
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    let made = Hierarchy::make(&options.consortium, &options.administrator, &hosts, now)?;
    let approval = SigningKey::random()?;
    let log_key = SigningKey::random()?;
    let administrators = administrators(options, others, &approval);
    let genesis = genesis(
        options,
        administrators,
        approvals_needed,
        (&approval, &log_key),
        now,
    )?;
    // Refuses administrators of the same name or key, and a number of approvals that they cannot
    // reach, before anything is written.
    Roster::from_genesis(&genesis, &genesis.digest())?;

    // The sealed keys first: whatever fails after them can be begun anew without losing a key.
    write_root(options, &made)?;
    let config = AdminConfig {
        consortium: options.consortium.clone(),
        administrator: options.administrator.clone(),
        hub: hub.clone(),
        enrolment: enrolment.clone(),
        genesis: genesis.digest(),
    };
    write_admin(options, &made, &approval, &config)?;
    write_hub(options, &made, (&approval, &log_key), &genesis)?;
    for other in others {
        let told = (hub.clone(), enrolment.clone(), genesis.digest());
        let reply = ca::sign_administrator(&options.hub_dir, other, told, now)?;
        let path = options.hub_dir.join(format!("{}.reply", other.name));
        write_json(&path, &reply)?;
    }
    Ok(Founded {
        genesis: genesis.digest(),
        hub,
        enrolment,
        issuer_expires_at: made.server.expires_at,
    })
}

/// The address that members are told: the one that is listened on, unless that is every interface.
fn advertised(listen: &str, hosts: &[String]) -> Result<String, FoundingError> {
    let malformed = || FoundingError::Address(listen.to_owned());
    let host = client::host_of(listen).ok_or_else(malformed)?;
    let everywhere = host
        .parse::<std::net::IpAddr>()
        .is_ok_and(|address| address.is_unspecified());
    if !everywhere {
        return Ok(listen.to_owned());
    }
    let (_, port) = listen.rsplit_once(':').ok_or_else(malformed)?;
    let first = hosts
        .first()
        .ok_or_else(|| FoundingError::NoHost(listen.to_owned()))?;
    Ok(if first.contains(':') {
        format!("[{first}]:{port}")
    } else {
        format!("{first}:{port}")
    })
}

fn administrators(
    options: &FoundingOptions,
    others: &[AdministratorRequest],
    approval: &SigningKey,
) -> Vec<Administrator> {
    let first = Administrator {
        name: options.administrator.clone(),
        key: approval.verifying_key(),
    };
    let others = others.iter().map(|other| Administrator {
        name: other.name.clone(),
        key: other.approval_key,
    });
    std::iter::once(first).chain(others).collect()
}

fn genesis(
    options: &FoundingOptions,
    administrators: Vec<Administrator>,
    approvals_needed: u32,
    (approval, log_key): (&SigningKey, &SigningKey),
    now: i64,
) -> Result<SignedEntry, FoundingError> {
    let body = EntryBody {
        number: 0,
        previous: Digest([0; 32]),
        at: now,
        change: Change::Genesis {
            consortium: options.consortium.clone(),
            administrators,
            approvals_needed,
            log_key: log_key.verifying_key(),
        },
    };
    Ok(SignedEntry::new(&body, &[approval])?)
}

fn write_root(options: &FoundingOptions, made: &Hierarchy) -> Result<(), FoundingError> {
    let dir = &options.root_dir;
    files::private_dir(dir)?;
    let key = made.root_key_pem.as_bytes();
    let sealed = sealed_file::seal(&options.passphrase, ROOT_LABEL, key)?;
    files::private_file(&dir.join("root.key"), &sealed)?;
    files::public_file(&dir.join("root.pem"), made.root_pem.as_bytes())?;
    Ok(())
}

fn write_admin(
    options: &FoundingOptions,
    made: &Hierarchy,
    approval: &SigningKey,
    config: &AdminConfig,
) -> Result<(), FoundingError> {
    let dir = &options.admin_dir;
    let tls = dir.join("tls");
    files::private_dir(&tls)?;
    let seed = approval.seed().expose();
    let sealed = sealed_file::seal(&options.passphrase, APPROVAL_LABEL, seed)?;
    files::private_file(&dir.join("approval.key"), &sealed)?;
    let leaf = &made.administrator;
    files::public_file(&tls.join("root.pem"), made.root_pem.as_bytes())?;
    files::public_file(&tls.join("admin.pem"), leaf.chain_pem.as_bytes())?;
    files::private_file(&tls.join("admin.key"), leaf.key_pem.as_bytes())?;
    let text = toml::to_string(config).map_err(|_| FoundingError::Text("admin.toml"))?;
    files::public_file(&dir.join("admin.toml"), text.as_bytes())?;
    Ok(())
}

fn write_hub(
    options: &FoundingOptions,
    made: &Hierarchy,
    (approval, log_key): (&SigningKey, &SigningKey),
    genesis: &SignedEntry,
) -> Result<(), FoundingError> {
    let dir = &options.hub_dir;
    let (tls, roster) = (dir.join("tls"), dir.join("roster"));
    files::private_dir(&tls)?;
    files::private_dir(&roster)?;
    files::public_file(&tls.join("root.pem"), made.root_pem.as_bytes())?;
    files::public_file(&tls.join("issuer.pem"), made.issuer_pem.as_bytes())?;
    files::private_file(&tls.join("issuer.key"), made.issuer_key_pem.as_bytes())?;
    files::public_file(&tls.join("server.pem"), made.server.chain_pem.as_bytes())?;
    files::private_file(&tls.join("server.key"), made.server.key_pem.as_bytes())?;
    let administrators = [AdministratorCertificate {
        name: options.administrator.clone(),
        key: approval.verifying_key(),
        serial: made.administrator.serial.clone(),
    }];
    write_json(&tls.join("administrators.json"), &administrators)?;
    files::private_file(&dir.join("log.key"), log_key.seed().expose())?;
    write_json(&roster.join("genesis.json"), genesis)?;
    let text = hub_toml(&options.listen, &options.enrolment_listen);
    files::public_file(&dir.join("hub.toml"), text.as_bytes())?;
    Ok(())
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), FoundingError> {
    let bytes = serde_json::to_vec_pretty(value).map_err(|_| FoundingError::Text("json"))?;
    Ok(files::public_file(path, &bytes)?)
}

/// The documented default with other addresses.
fn hub_toml(listen: &str, enrolment_listen: &str) -> String {
    let default = HubConfig::default();
    let line = |name: &str, value: &str| format!("\n{name} = \"{value}\"\n");
    let default_listen = default.listen.0.concat();
    HubConfig::default_toml()
        .replace(&line("listen", &default_listen), &line("listen", listen))
        .replace(
            &line("enrolment_listen", &default.enrolment_listen),
            &line("enrolment_listen", enrolment_listen),
        )
}

#[cfg(test)]
pub(crate) mod tests {
    use std::os::unix::fs::PermissionsExt;

    use symbolon_core::roster::Approvers;

    use super::*;
    use crate::clock::SystemClock;

    fn options(dir: &Path) -> FoundingOptions {
        FoundingOptions {
            consortium: "north".parse().unwrap(),
            administrator: "ada".parse().unwrap(),
            hub_dir: dir.join("hub"),
            admin_dir: dir.join("admin"),
            root_dir: dir.join("root"),
            host_names: vec!["localhost".into()],
            listen: "127.0.0.1:0".into(),
            enrolment_listen: "127.0.0.1:1".into(),
            passphrase: Unlock::KeyFile(zeroize::Zeroizing::new(vec![7; 32])),
        }
    }

    /// A founded consortium below a directory, its keys sealed under 32 sevens.
    pub fn founded(dir: &Path) {
        found(&options(dir), &SystemClock).unwrap();
    }

    #[test]
    fn founds_once_and_keeps_secrets_to_their_owner() {
        let dir = tempfile::tempdir().unwrap();
        let options = options(dir.path());
        let founded = found(&options, &SystemClock).unwrap();
        assert_eq!(founded.hub, "127.0.0.1:0");
        for secret in [
            "hub/log.key",
            "hub/tls/issuer.key",
            "hub/tls/server.key",
            "admin/approval.key",
            "admin/tls/admin.key",
            "root/root.key",
        ] {
            let mode = std::fs::metadata(dir.path().join(secret)).unwrap();
            assert_eq!(mode.permissions().mode() & 0o777, 0o600, "{secret}");
        }
        let config = HubConfig::load(&dir.path().join("hub/hub.toml")).unwrap();
        assert_eq!(config.enrolment_listen, "127.0.0.1:1");

        let before = std::fs::read(dir.path().join("hub/tls/issuer.key")).unwrap();
        let again = found(&options, &SystemClock).unwrap_err();
        assert!(again.to_string().contains("founded once"));
        let after = std::fs::read(dir.path().join("hub/tls/issuer.key")).unwrap();
        assert_eq!(before, after);
    }

    #[test]
    fn as_many_approvals_as_there_are_administrators_and_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let (consortium, bob) = ("north".parse().unwrap(), "bob".parse().unwrap());
        let key = || Unlock::KeyFile(zeroize::Zeroizing::new(vec![8; 32]));
        let request = ca::new_administrator(&dir.path().join("bob"), &consortium, &bob, &key());
        let others = [request.unwrap()];
        for unattainable in [0, 3] {
            let options = options(&dir.path().join("refused"));
            let refused = found_with(&options, &others, unattainable, &SystemClock);
            let refused = refused.unwrap_err().to_string();
            assert!(refused.contains("approvals"), "{refused}");
            assert!(!options.root_dir.exists(), "nothing was written");
        }
        let options = options(dir.path());
        let founded = found_with(&options, &others, 2, &SystemClock).unwrap();
        let genesis = files::read(&options.hub_dir.join("roster/genesis.json")).unwrap();
        let genesis: SignedEntry = serde_json::from_slice(&genesis).unwrap();
        let roster = Roster::from_genesis(&genesis, &founded.genesis).unwrap();
        let Approvers {
            administrators,
            needed,
            ..
        } = roster.approvers;
        assert_eq!((administrators.len(), needed), (2, 2));
    }

    #[test]
    fn members_are_told_an_address_that_they_can_reach() {
        let hosts = ["hub.example".to_owned()];
        let told = |listen| advertised(listen, &hosts).unwrap();
        assert_eq!(told("0.0.0.0:7443"), "hub.example:7443");
        assert_eq!(told("[::]:7443"), "hub.example:7443");
        assert_eq!(told("10.0.0.1:7443"), "10.0.0.1:7443");
        assert!(advertised("0.0.0.0:7443", &[]).is_err());
        assert!(advertised("nonsense", &hosts).is_err());
    }
}
