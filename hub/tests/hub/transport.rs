//! Who gets through the door: certificates, good and bad beside each other.

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair, SanType};
use symbolon_hub::client;
use symbolon_hub::{Hub, HubConfig};
use symbolon_proto::enrolment::RosterRequest as EnrolmentRosterRequest;
use symbolon_proto::enrolment::enrolment_client::EnrolmentClient;
use symbolon_proto::membership::membership_client::MembershipClient;
use symbolon_proto::membership::{AppendRequest, MembersRequest, RosterRequest};
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::consortium::Consortium;

pub async fn ask(channel: Channel) -> Result<usize, Status> {
    let mut service = MembershipClient::new(channel);
    let reply = service.roster(RosterRequest { from: 0 }).await?;
    Ok(reply.into_inner().entries.len())
}

/// With TLS 1.3 a client learns of its refusal with the first answer, not with the handshake.
pub async fn is_shut_out(connected: Result<Channel, String>) -> bool {
    match connected {
        Err(_) => true,
        Ok(channel) => match ask(channel).await {
            Ok(_) => false,
            Err(refused) => refused.code() != Code::PermissionDenied,
        },
    }
}

/// A leaf by the hub's own issuer, which only a thief of its key could make.
pub fn stolen(
    consortium: &Consortium,
    uris: &[&str],
    usage: ExtendedKeyUsagePurpose,
) -> (String, String) {
    let tls = consortium.dir.path().join("hub/tls");
    let issuer_pem = std::fs::read_to_string(tls.join("issuer.pem")).unwrap();
    let issuer_key = std::fs::read_to_string(tls.join("issuer.key")).unwrap();
    let issuer_key = KeyPair::from_pem(&issuer_key).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&issuer_pem, issuer_key).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    let uri = |uri: &&str| SanType::URI((*uri).to_owned().try_into().unwrap());
    params.subject_alt_names = uris.iter().map(uri).collect();
    params.extended_key_usages = vec![usage];
    let leaf = params.signed_by(&key, &issuer).unwrap();
    (format!("{}{issuer_pem}", leaf.pem()), key.serialize_pem())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_certificates_that_the_hub_issued_open_the_door() {
    let consortium = Consortium::found().await;
    let harbour = consortium.enrol("harbour").await;
    assert_eq!(ask(harbour.channel.clone()).await.unwrap(), 3);

    let address = consortium.hub.listen.to_string();
    let nothing = client::tls_config(&consortium.root_pem(), None).unwrap();
    let nothing = client::connect(&address, nothing).await;
    assert!(is_shut_out(nothing.map_err(|error| error.to_string())).await);

    let other = Consortium::found().await;
    let stranger = other.enrol("harbour").await;
    let other_root = consortium
        .connect(&stranger.chain_pem, &stranger.key_pem)
        .await;
    assert!(is_shut_out(other_root).await);

    let own = "symbolon://north/harbour";
    let usage = ExtendedKeyUsagePurpose::ClientAuth;
    for uris in [vec![], vec!["symbolon://north"], vec![own, own]] {
        let (chain, key) = stolen(&consortium, &uris, usage.clone());
        assert!(is_shut_out(consortium.connect(&chain, &key).await).await);
    }
    let (chain, key) = stolen(&consortium, &[own], ExtendedKeyUsagePurpose::ServerAuth);
    assert!(is_shut_out(consortium.connect(&chain, &key).await).await);
    for uri in [
        own,
        "symbolon://south/harbour",
        "symbolon://north/admin/ada",
        "symbolon://north/x",
    ] {
        let (chain, key) = stolen(&consortium, &[uri], usage.clone());
        let connected = consortium.connect(&chain, &key).await;
        assert!(is_shut_out(connected).await, "{uri}");
    }
    assert_eq!(ask(harbour.channel.clone()).await.unwrap(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_certificate_is_refused_on_open_and_new_connections() {
    let consortium = Consortium::found().await;
    let harbour = consortium.enrol("harbour").await;
    ask(harbour.channel.clone()).await.unwrap();
    consortium.clock.advance(31 * 86_400);
    // Until the hub looks, which it does twice a second, each request is refused by itself.
    ask(harbour.channel.clone()).await.unwrap_err();
    let anew = consortium
        .connect(&harbour.chain_pem, &harbour.key_pem)
        .await;
    assert!(is_shut_out(anew).await);
    assert_eq!(consortium.admin.roster().await.unwrap().length, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_and_each_port_has_its_own_services() {
    let consortium = Consortium::found().await;
    let harbour = consortium.enrol("harbour").await;
    let mut service = MembershipClient::new(harbour.channel.clone());
    let refused = service.members(MembersRequest {}).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let entries = consortium.admin.entries().await.unwrap();
    let entry = entries.into_iter().next().map(Into::into);
    let refused = service.append(AppendRequest { entry }).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);

    let mut enrolment = EnrolmentClient::new(harbour.channel.clone());
    let request = EnrolmentRosterRequest {
        invitation_key: vec![1; 32],
    };
    let absent = enrolment.roster(request).await.unwrap_err();
    assert_eq!(absent.code(), Code::Unimplemented);
    let tls = client::tls_config(&consortium.root_pem(), None).unwrap();
    let address = consortium.hub.enrolment.to_string();
    let channel = client::connect(&address, tls).await.unwrap();
    assert_eq!(ask(channel).await.unwrap_err().code(), Code::Unimplemented);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_hub_and_a_taken_port_are_told_by_name() {
    let consortium = Consortium::found().await;
    let state = consortium.dir.path().join("hub");
    let start = |config: HubConfig, state| async move {
        let clock = symbolon_hub::clock::system();
        let started = Hub::start(state, config, clock, CancellationToken::new()).await;
        started.err().unwrap().to_string()
    };
    let config = HubConfig::load(&state.join("hub.toml")).unwrap();
    let told = start(config.clone(), state.as_path()).await;
    let process = std::process::id();
    assert!(told.starts_with(&format!(
        "another symbolon-hub (process {process}) already serves"
    )));

    let other = Consortium::found().await.stop().await;
    let stopped = other.path().join("hub");
    let taken = HubConfig {
        listen: consortium.hub.listen.to_string().into(),
        ..config
    };
    let told = start(taken, stopped.as_path()).await;
    let expected = format!(
        "cannot listen on {}: the address is in use; stop the other program or change `listen` in hub.toml",
        consortium.hub.listen
    );
    assert_eq!(told, expected);
}
