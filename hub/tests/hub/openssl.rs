//! The `openssl` program as an independent judge of chains, lists and handshakes.
//!
//! Where it is not installed these tests say so and pass; with `CI=true` that is a failure.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::consortium::{Consortium, Member};

fn openssl(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new("openssl");
    command
        .args(arguments)
        .current_dir(dir)
        .stdin(Stdio::null());
    command.output().unwrap()
}

/// Whether there is a judge; says so if not.
fn is_there() -> bool {
    let found = Command::new("openssl").arg("version").output();
    let found = found.is_ok_and(|done| done.status.success());
    if !found {
        let required = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(!required, "openssl is not installed");
        println!("SKIPPED: openssl is not installed, nothing was judged");
    }
    found
}

fn text(done: &Output) -> String {
    let (out, err) = (&done.stdout, &done.stderr);
    format!(
        "{}{}",
        String::from_utf8_lossy(out),
        String::from_utf8_lossy(err)
    )
}

fn lay_out(consortium: &Consortium, member: &Member) {
    let dir = consortium.dir.path();
    std::fs::write(dir.join("member.pem"), &member.chain_pem).unwrap();
    std::fs::write(dir.join("member.key"), &member.key_pem).unwrap();
}

/// Chain, usage and list.
fn verdict(dir: &Path, purpose: &str, leaf: &str) -> Result<(), String> {
    let done = openssl(
        dir,
        &[
            "verify",
            "-x509_strict",
            "-purpose",
            purpose,
            "-CAfile",
            "admin/tls/root.pem",
            "-untrusted",
            "hub/tls/issuer.pem",
            "-CRLfile",
            "hub/tls/crl.pem",
            "-crl_check",
            leaf,
        ],
    );
    if done.status.success() {
        Ok(())
    } else {
        Err(text(&done))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn chains_and_lists_are_what_openssl_takes_them_for() {
    if !is_there() {
        return;
    }
    let consortium = Consortium::found().await;
    let (harbour, police) = (
        consortium.enrol("harbour").await,
        consortium.enrol("police").await,
    );
    let dir = consortium.dir.path();
    lay_out(&consortium, &harbour);
    assert_eq!(verdict(dir, "sslclient", "member.pem"), Ok(()));
    assert_eq!(verdict(dir, "sslserver", "hub/tls/server.pem"), Ok(()));
    assert!(
        verdict(dir, "sslserver", "member.pem").is_err(),
        "wrong usage"
    );

    let serial = consortium.serial("harbour").await;
    consortium
        .admin
        .revoke_certificate(&serial, "lost")
        .await
        .unwrap();
    let revoked = verdict(dir, "sslclient", "member.pem").unwrap_err();
    assert!(revoked.contains("certificate revoked"), "{revoked}");
    lay_out(&consortium, &police);
    assert_eq!(verdict(dir, "sslclient", "member.pem"), Ok(()));

    let list = [
        "crl",
        "-in",
        "hub/tls/crl.pem",
        "-noout",
        "-text",
        "-CAfile",
        "hub/tls/issuer.pem",
    ];
    let shown = text(&openssl(dir, &list));
    let serial = serial.to_ascii_uppercase();
    for expected in ["verify OK", "X509v3 CRL Number", "Next Update", &serial] {
        assert!(shown.contains(expected), "{expected} is missing in {shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn openssl_shakes_hands_with_a_good_certificate_only() {
    if !is_there() {
        return;
    }
    let consortium = Consortium::found().await;
    let harbour = consortium.enrol("harbour").await;
    lay_out(&consortium, &harbour);
    let address = consortium.hub.listen.to_string();
    let shake = |with: &[&str]| {
        let mut arguments = vec![
            "s_client",
            "-connect",
            &address,
            "-servername",
            "localhost",
            "-verify_hostname",
            "localhost",
            "-CAfile",
            "admin/tls/root.pem",
            "-verify_return_error",
            "-tls1_3",
            "-alpn",
            "h2",
            // Reads on after the handshake, where TLS 1.3 tells a client of its refusal.
            "-ign_eof",
        ];
        arguments.extend(with);
        let mut command = Command::new("timeout");
        command.arg("2").arg("openssl").args(&arguments);
        let dir = consortium.dir.path();
        let done = command.current_dir(dir).stdin(Stdio::null()).output();
        text(&done.unwrap())
    };
    let good = shake(&[
        "-cert",
        "member.pem",
        "-cert_chain",
        "member.pem",
        "-key",
        "member.key",
    ]);
    for expected in ["TLSv1.3", "Verify return code: 0 (ok)", "ALPN protocol: h2"] {
        assert!(good.contains(expected), "{expected} is missing in {good}");
    }
    assert!(!good.contains("alert"), "{good}");
    let nobody = shake(&[]);
    assert!(nobody.contains("alert certificate required"), "{nobody}");
    let serial = consortium.serial("harbour").await;
    consortium
        .admin
        .revoke_certificate(&serial, "lost")
        .await
        .unwrap();
    let revoked = shake(&[
        "-cert",
        "member.pem",
        "-cert_chain",
        "member.pem",
        "-key",
        "member.key",
    ]);
    assert!(revoked.contains("alert certificate revoked"), "{revoked}");
}
