//! A founded consortium with a running hub, and members that enrolled by hand.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rcgen::{CertificateParams, KeyPair, SanType};
use symbolon_core::agreement::{Acceptance, AcceptanceBody, Document, KeyDelivery, SealedKey};
use symbolon_core::crypto::{self, SecretKey, SigningKey};
use symbolon_core::encoding::Digest;
use symbolon_core::identity::{AgencyKeys, AgencyKind, AgencyName, EncryptionKey};
use symbolon_core::invitation::Invitation;
use symbolon_core::roster::{Change, Quota, Roster, SignedEntry};
use symbolon_core::row::AgreementEpoch;
use symbolon_core::sealed_file::{self, Unlock};
use symbolon_hub::admin::Admin;
use symbolon_hub::client::{self, ClientCertificate};
use symbolon_hub::config::Addresses;
use symbolon_hub::founding::{self, FoundingOptions};
use symbolon_hub::{Clock, Hub, HubConfig, RunningHub};
use symbolon_proto::enrolment::enrolment_client::EnrolmentClient;
use symbolon_proto::enrolment::{EnrolReply, EnrolRequest, RosterRequest};
use symbolon_proto::membership::membership_client::MembershipClient;
use symbolon_proto::membership::{AcceptRequest, AppendRequest};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::transport::Channel;

/// The system's clock with a hand on it.
#[derive(Debug, Default)]
pub struct TestClock(AtomicI64);

impl TestClock {
    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> i64 {
        symbolon_hub::SystemClock.now() + self.0.load(Ordering::SeqCst)
    }
}

/// More than any test asks for.
const QUOTA: Quota = Quota {
    initial: 1_000_000,
    per_day: 1_000_000,
};

pub struct Consortium {
    pub dir: TempDir,
    pub clock: Arc<TestClock>,
    pub admin: Admin,
    pub hub: RunningHub,
    shutdown: CancellationToken,
}

pub struct Member {
    pub name: AgencyName,
    pub signing: SigningKey,
    pub chain_pem: String,
    pub key_pem: String,
    pub channel: Channel,
}

pub fn unlock() -> Unlock {
    Unlock::KeyFile(vec![7; 32].into())
}

pub fn pem(kind: &str, der: &[u8]) -> String {
    let text = data_encoding::BASE64.encode(der);
    format!("-----BEGIN {kind}-----\n{text}\n-----END {kind}-----\n")
}

impl Consortium {
    pub async fn found() -> Self {
        Self::make("", |_| {}).await
    }

    /// The same with other settings of the first run.
    pub async fn found_with(settings: impl FnOnce(&mut HubConfig)) -> Self {
        Self::make("", settings).await
    }

    /// The same with settings of its own at the top of the hub's configuration.
    pub async fn found_written(settings: &str) -> Self {
        Self::make(settings, |_| {}).await
    }

    async fn make(written: &str, settings: impl FnOnce(&mut HubConfig)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(TestClock::default());
        let options = FoundingOptions {
            consortium: "north".parse().unwrap(),
            administrator: "ada".parse().unwrap(),
            hub_dir: dir.path().join("hub"),
            admin_dir: dir.path().join("admin"),
            root_dir: dir.path().join("root"),
            host_names: vec!["localhost".into()],
            listen: "127.0.0.1:0".into(),
            enrolment_listen: "127.0.0.1:0".into(),
            passphrase: unlock(),
        };
        founding::found(&options, clock.as_ref()).unwrap();
        let file = dir.path().join("hub/hub.toml");
        let rest = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, format!("{written}\n{rest}")).unwrap();
        let (hub, shutdown) = start_with(dir.path().join("hub"), &clock, settings).await;
        let admin = admin(dir.path().join("admin"), &hub);
        Self {
            dir,
            clock,
            admin,
            hub,
            shutdown,
        }
    }

    pub async fn restart(self) -> Self {
        self.shutdown.cancel();
        self.hub.wait().await.unwrap();
        let (hub, shutdown) = start(self.dir.path().join("hub"), &self.clock).await;
        let admin = admin(self.dir.path().join("admin"), &hub);
        Self {
            hub,
            shutdown,
            admin,
            ..self
        }
    }

    /// Starts a hub on what is there, with clocks and memories of its own.
    pub async fn resume(dir: TempDir) -> Self {
        let clock = Arc::new(TestClock::default());
        let (hub, shutdown) = start(dir.path().join("hub"), &clock).await;
        let admin = admin(dir.path().join("admin"), &hub);
        Self {
            dir,
            clock,
            admin,
            hub,
            shutdown,
        }
    }

    pub async fn stop(self) -> TempDir {
        self.shutdown.cancel();
        self.hub.wait().await.unwrap();
        self.dir
    }

    pub fn root_pem(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("admin/tls/root.pem")).unwrap()
    }

    pub async fn enrolment(&self) -> EnrolmentClient<Channel> {
        let tls = client::tls_config(&self.root_pem(), None).unwrap();
        let address = self.hub.enrolment.to_string();
        EnrolmentClient::new(client::connect(&address, tls).await.unwrap())
    }

    pub async fn connect(&self, chain_pem: &str, key_pem: &str) -> Result<Channel, String> {
        self.connect_to(self.hub.listen, chain_pem, key_pem).await
    }

    pub async fn connect_to(
        &self,
        address: SocketAddr,
        chain_pem: &str,
        key_pem: &str,
    ) -> Result<Channel, String> {
        let certificate = ClientCertificate { chain_pem, key_pem };
        let tls = client::tls_config(&self.root_pem(), Some(certificate)).unwrap();
        let channel = client::connect(&address.to_string(), tls).await;
        channel.map_err(|error| error.to_string())
    }

    /// The second address on which the hub listens.
    pub fn other_listener(&self) -> SocketAddr {
        self.hub.also[0]
    }

    /// Appends a change of the roster, with the administrator's approval.
    pub async fn change(&self, change: Change) {
        let dir = self.dir.path().join("admin");
        let sealed = std::fs::read(dir.join("approval.key")).unwrap();
        let seed = sealed_file::open(&unlock(), founding::APPROVAL_LABEL, &sealed).unwrap();
        let key = SigningKey::from_seed(SecretKey::try_from(seed.as_slice()).unwrap()).unwrap();
        let body = self.admin.roster().await.unwrap().next_body(1, change);
        let entry = SignedEntry::new(&body, &[&key]).unwrap();
        let read = |name| std::fs::read_to_string(dir.join("tls").join(name)).unwrap();
        let channel = self.connect(&read("admin.pem"), &read("admin.key")).await;
        let mut service = MembershipClient::new(channel.unwrap());
        let entry = Some(entry.into());
        service.append(AppendRequest { entry }).await.unwrap();
    }

    /// The serial number of the certificate that an agency was given last.
    pub async fn serial(&self, name: &str) -> String {
        let members = self.admin.members().await.unwrap();
        let member = members.into_iter().find(|member| member.agency == name);
        member.unwrap().certificate_serials.swap_remove(0)
    }

    pub async fn invite(&self, name: &str) -> Invitation {
        let kind = AgencyKind::Ngo;
        let name = name.parse().unwrap();
        let text = self
            .admin
            .invite(name, kind, "Some agency", 3600, QUOTA)
            .await;
        Invitation::parse(&text.unwrap().0, self.clock.now()).unwrap()
    }

    pub async fn enrol(&self, name: &str) -> Member {
        self.redeem(self.invite(name).await).await
    }

    /// Redeems an invitation.
    pub async fn redeem(&self, invitation: Invitation) -> Member {
        let name = invitation.agency.as_str();
        let attempt = Attempt::new(&invitation);
        let mut service = self.enrolment().await;
        let entry = attempt.entry(&mut service).await.unwrap();
        let reply = attempt.redeem(&mut service, entry).await.unwrap();
        let chain: Vec<String> = reply
            .certificate_chain
            .iter()
            .map(|der| pem("CERTIFICATE", der))
            .collect();
        let (chain_pem, key_pem) = (chain.concat(), attempt.tls_key.serialize_pem());
        let channel = self.connect(&chain_pem, &key_pem).await.unwrap();
        Member {
            name: name.parse().unwrap(),
            signing: attempt.signing,
            chain_pem,
            key_pem,
            channel,
        }
    }

    pub async fn agree(&self, members: &[&Member]) -> AgreementEpoch {
        let document = document(&self.admin, members);
        let agreement = self.admin.propose_agreement(&document).await.unwrap();
        for member in members {
            let acceptance = acceptance(member, &document, agreement);
            let request = AcceptRequest {
                agreement: agreement.0.to_vec(),
                acceptance: Some(acceptance.into()),
            };
            let mut service = MembershipClient::new(member.channel.clone());
            service.accept(request).await.unwrap();
        }
        symbolon_core::agreement::epoch_id(&agreement, 1)
    }
}

pub async fn start(state: PathBuf, clock: &Arc<TestClock>) -> (RunningHub, CancellationToken) {
    start_with(state, clock, |_| {}).await
}

async fn start_with(
    state: PathBuf,
    clock: &Arc<TestClock>,
    settings: impl FnOnce(&mut HubConfig),
) -> (RunningHub, CancellationToken) {
    let mut config = HubConfig::load(&state.join("hub.toml")).unwrap();
    config.listen = Addresses(vec!["127.0.0.1:0".to_owned(); 2]);
    settings(&mut config);
    let shutdown = CancellationToken::new();
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    let hub = Hub::start(&state, config, clock, shutdown.clone()).await;
    (hub.unwrap(), shutdown)
}

pub fn admin(dir: PathBuf, hub: &RunningHub) -> Admin {
    let admin = Admin::open(&dir, &unlock()).unwrap();
    admin.with_addresses(hub.listen.to_string(), hub.enrolment.to_string())
}

pub fn document(admin: &Admin, members: &[&Member]) -> Document {
    let members: Vec<AgencyName> = members.iter().map(|member| member.name.clone()).collect();
    Document {
        consortium: admin.genesis(),
        roster: 1,
        id: "missing-children".parse().unwrap(),
        title: "Missing children".into(),
        version: 1,
        lead: members[0].clone(),
        members,
        purposes: vec!["safeguarding".into()],
        regime: "UK GDPR".into(),
        lawful_basis: "public task".into(),
        retention_months: 12,
        common_token_limit: 8,
        schema_version: 1,
        schema_digest: Digest([3; 32]),
        record_roles: Default::default(),
        response_hours: Default::default(),
        threshold: None,
        replaces: None,
        epoch: 1,
    }
}

pub fn acceptance(member: &Member, document: &Document, agreement: Digest) -> Acceptance {
    let others = document.members.iter().filter(|name| **name != member.name);
    let sealed = others.map(|name| (name.clone(), SealedKey(vec![1; 48])));
    let key = (member.name == document.lead).then(|| KeyDelivery {
        commitment: Digest([5; 32]),
        sealed: sealed.collect(),
    });
    let body = AcceptanceBody {
        agency: member.name.clone(),
        agreement,
        at: 1,
        immigration: Default::default(),
        key,
    };
    Acceptance::new(&body, &member.signing).unwrap()
}

/// One client that tries to redeem an invitation.
pub struct Attempt {
    pub agency: AgencyName,
    pub invitation_key: SigningKey,
    pub signing: SigningKey,
    pub tls_key: KeyPair,
    pub request: Vec<u8>,
    genesis: Digest,
}

impl Attempt {
    pub fn new(invitation: &Invitation) -> Self {
        let tls_key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        let uri = format!("symbolon://{}/{}", invitation.consortium, invitation.agency);
        params.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
        let request = params.serialize_request(&tls_key).unwrap();
        Self {
            agency: invitation.agency.clone(),
            invitation_key: invitation.key().unwrap(),
            signing: SigningKey::random().unwrap(),
            request: request.der().to_vec(),
            tls_key,
            genesis: invitation.genesis,
        }
    }

    pub async fn entry(
        &self,
        service: &mut EnrolmentClient<Channel>,
    ) -> Result<SignedEntry, Status> {
        let request = RosterRequest {
            invitation_key: self.invitation_key.verifying_key().0.to_vec(),
        };
        let entries = service.roster(request).await?.into_inner().entries;
        let entries: Vec<SignedEntry> = entries
            .into_iter()
            .map(|entry| entry.try_into().unwrap())
            .collect();
        let roster = Roster::verify(&entries, &self.genesis).unwrap();
        let mut encryption = vec![0; EncryptionKey::BYTES];
        crypto::fill_random(&mut encryption).unwrap();
        let change = Change::Enrol {
            agency: self.agency.clone(),
            keys: AgencyKeys {
                signing: self.signing.verifying_key(),
                encryption: EncryptionKey(encryption),
            },
        };
        let approvers = [&self.invitation_key, &self.signing];
        Ok(SignedEntry::new(&roster.next_body(1, change), &approvers).unwrap())
    }

    pub async fn redeem(
        &self,
        service: &mut EnrolmentClient<Channel>,
        entry: SignedEntry,
    ) -> Result<EnrolReply, Status> {
        let request = EnrolRequest {
            entry: Some(entry.into()),
            certificate_request: self.request.clone(),
        };
        Ok(service.enrol(request).await?.into_inner())
    }
}
