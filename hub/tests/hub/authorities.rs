//! New issuers, new roots and other administrators at a running hub.

use symbolon_core::roster::{Administrator, Change};
use symbolon_core::sealed_file::Unlock;
use symbolon_hub::admin::Admin;
use symbolon_hub::{Clock, ca};
use symbolon_proto::certificates::RenewRequest;
use symbolon_proto::certificates::certificates_client::CertificatesClient;

use crate::consortium::{Consortium, unlock};
use crate::transport::{ask, is_shut_out};

impl Consortium {
    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    /// A new issuer by a root, installed and taken over by the running hub.
    async fn new_issuer(&self, root: &str) {
        let (state, now) = (self.path("hub"), self.clock.now());
        let request = ca::new_issuer(&state).unwrap();
        let signed = ca::sign_issuer(&self.path(root), &unlock(), &request, 365, now).unwrap();
        ca::install_issuer(&state, &signed, now).unwrap();
        self.hub.reload_certificates().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn issuers_and_roots_are_replaced_with_overlap() {
    let consortium = Consortium::found().await;
    let before = consortium.enrol("harbour").await;
    consortium.new_issuer("root").await;
    // The certificate by the issuer of before is still good, and still revocable.
    let connect = || consortium.connect(&before.chain_pem, &before.key_pem);
    ask(connect().await.unwrap()).await.unwrap();
    let police = consortium.enrol("police").await;
    ask(police.channel.clone()).await.unwrap();
    let serial = consortium.serial("harbour").await;
    consortium
        .admin
        .revoke_certificate(&serial, "lost")
        .await
        .unwrap();
    assert!(is_shut_out(connect().await).await);
    assert_eq!(
        consortium.admin.revoked().await.unwrap().1.len(),
        2,
        "a list each"
    );

    // Another root: members hear of it with their renewals before anything is signed by it.
    let (root, now) = (consortium.path("root-2"), consortium.clock.now());
    ca::init(&root, &"north".parse().unwrap(), &unlock(), now).unwrap();
    let root_pem = std::fs::read_to_string(root.join("root.pem")).unwrap();
    ca::trust_root(&consortium.path("hub"), &root_pem).unwrap();
    consortium.hub.reload_certificates().await.unwrap();
    let mut service = CertificatesClient::new(police.channel.clone());
    let certificate_request =
        crate::renewal::certificate_request(&rcgen::KeyPair::generate().unwrap(), "police");
    let request = RenewRequest {
        certificate_request,
    };
    let reply = service.renew(request).await.unwrap().into_inner();
    assert_eq!(reply.roots.len(), 2);
    consortium.clock.advance(1);
    consortium.new_issuer("root-2").await;
    // Whoever knows only the first root no longer recognises the hub; who knows both does.
    let old = consortium.connect(&police.chain_pem, &police.key_pem).await;
    assert!(old.is_err());
    let known = consortium.path("admin/tls/root.pem");
    let both = format!("{}{root_pem}", consortium.root_pem());
    std::fs::write(known, both).unwrap();
    let police = consortium.connect(&police.chain_pem, &police.key_pem).await;
    ask(police.unwrap()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_of_another_machine_needs_roster_and_certificate() {
    let consortium = Consortium::found().await;
    let (dir, state) = (consortium.path("bob"), consortium.path("hub"));
    let (north, bob) = ("north".parse().unwrap(), "bob".parse().unwrap());
    let request = ca::new_administrator(&dir, &north, &bob, &unlock()).unwrap();
    let now = consortium.clock.now();
    let addresses = || {
        let hub = consortium.hub.listen.to_string();
        (
            hub,
            consortium.hub.enrolment.to_string(),
            consortium.admin.genesis(),
        )
    };
    let mut forged = request.clone();
    forged.name = "eve".parse().unwrap();
    assert!(ca::sign_administrator(&state, &forged, addresses(), now).is_err());
    let reply = ca::sign_administrator(&state, &request, addresses(), now).unwrap();
    ca::install_administrator(&dir, &reply).unwrap();
    assert!(
        ca::install_administrator(&dir, &reply).is_err(),
        "its key is in use already"
    );
    let connects = async |key: &Unlock| Admin::open(&dir, key).unwrap().roster().await.is_ok();
    assert!(!connects(&unlock()).await, "the hub was not told");
    consortium.hub.reload_certificates().await.unwrap();
    assert!(!connects(&unlock()).await, "the roster does not name bob");

    let ada = consortium
        .admin
        .roster()
        .await
        .unwrap()
        .approvers
        .administrators;
    let name = async |key| {
        let bob = Administrator {
            name: "bob".parse().unwrap(),
            key,
        };
        let administrators = ada.iter().cloned().chain([bob]).collect();
        let change = Change::Approvers {
            administrators,
            approvals_needed: 1,
        };
        consortium.change(change).await;
    };
    let another = symbolon_core::crypto::SigningKey::random().unwrap();
    name(another.verifying_key()).await;
    assert!(!connects(&unlock()).await, "another bob");
    name(request.approval_key).await;
    assert!(connects(&unlock()).await);
    let renewed = ca::renew_administrator(&dir, &unlock()).unwrap();
    let reply = ca::sign_administrator(&state, &renewed, addresses(), now).unwrap();
    ca::install_administrator(&dir, &reply).unwrap();
    consortium.hub.reload_certificates().await.unwrap();
    assert!(connects(&unlock()).await);
}
