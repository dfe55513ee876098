//! `GET /healthz` at node and hub: red before anything ends, and harmless to ask.

use std::net::SocketAddr;

use serde_json::Value;
use symbolon_core::identity::AgencyKind;
use symbolon_tests::consortium::{Consortium, Failure, Places, eventually};
use symbolon_tests::ports::free_address;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::unlock;

const DAY_S: i64 = 86_400;

/// Sends bytes and reads what comes until the other side closes.
async fn exchange(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // What is refused may be refused before all of it is sent.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    answer
}

/// Status and body of an answer; none if there is no whole one.
fn read(answer: &[u8]) -> Option<(u16, Value)> {
    let text = std::str::from_utf8(answer).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some((status, serde_json::from_str(body).unwrap_or(Value::Null)))
}

async fn health(address: SocketAddr) -> Option<(u16, Value)> {
    read(&exchange(address, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await)
}

async fn is_green(address: SocketAddr) -> bool {
    let green = serde_json::json!({ "state": "green", "reasons": [] });
    health(address).await == Some((200, green))
}

/// Waits for red with all of these words in the reasons.
async fn red(address: SocketAddr, words: &[&str]) {
    let mut last = None;
    let waited = eventually("health being red", async || {
        last = health(address).await;
        let Some((503, told)) = &last else {
            return Ok(None);
        };
        let reasons = told["reasons"].to_string();
        let all = words.iter().all(|words| reasons.contains(words));
        Ok((all && told["state"] == "red").then_some(()))
    });
    let waited = waited.await;
    assert!(waited.is_ok(), "{words:?} in {last:?}");
}

/// A setting goes before the tables of a file.
fn set_health_listen(file: &std::path::Path, address: SocketAddr) {
    let rest = std::fs::read_to_string(file).unwrap_or_default();
    std::fs::write(file, format!("health_listen = \"{address}\"\n{rest}")).unwrap();
}

/// A consortium of one agency whose node, and whose hub, answer for their health.
async fn watched(base: &std::path::Path) -> Result<(Consortium, SocketAddr, SocketAddr), Failure> {
    let mut consortium = Consortium::found(base, unlock).await?;
    let places: Places = consortium.places.clone();
    assert!(consortium.hub()?.health.is_none(), "off unless it is set");
    consortium.stop_hub().await?;
    set_health_listen(&places.hub().join("hub.toml"), "127.0.0.1:0".parse()?);
    consortium.start_hub().await?;
    let kind = AgencyKind::Ngo;
    consortium.enrol("police", kind, "Police").await?;
    consortium.stop_node("police").await?;
    let node = free_address()?;
    set_health_listen(&places.node("police").join("node.toml"), node);
    consortium.start_node("police").await?;
    let hub = consortium.hub()?.health.ok_or("the hub does not answer")?;
    assert!(hub.ip().is_loopback());
    Ok((consortium, node, hub))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nodes_health_is_red_before_its_certificate_ends() {
    let directory = tempfile::tempdir().unwrap();
    let (mut consortium, node, _) = watched(&directory.path().join("state")).await.unwrap();
    assert!(is_green(node).await);
    // Without a hub the certificate is not renewed: it ends after 30 days.
    consortium.stop_hub().await.unwrap();
    consortium.clock.advance(24 * DAY_S);
    assert!(is_green(node).await);
    consortium.clock.advance(2 * DAY_S);
    red(node, &["the certificate of this node ends"]).await;
    let (_, told) = health(node).await.unwrap();
    let status = consortium.node("police").unwrap().status().unwrap();
    assert_eq!(told, serde_json::to_value(status.health).unwrap());
    // Somebody acted in time.
    consortium.start_hub().await.unwrap();
    eventually("the renewal", async || {
        Ok(is_green(node).await.then_some(()))
    })
    .await
    .unwrap();
    consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hubs_health_is_red_before_its_issuer_and_its_list_end() {
    let directory = tempfile::tempdir().unwrap();
    let base = directory.path().join("state");
    let (consortium, _, hub) = watched(&base).await.unwrap();
    assert!(is_green(hub).await);
    // A list that cannot be put into place: a directory stands there.
    let list = consortium.places.hub().join("tls").join("crl.pem");
    std::fs::remove_file(&list).unwrap();
    std::fs::create_dir(&list).unwrap();
    assert!(is_green(hub).await, "the present list lasts");
    consortium.clock.advance(DAY_S / 3 + 60);
    red(hub, &["the list of revoked certificates ends"]).await;

    // The issuer has a year; the hub's own certificate ends with it.
    consortium.clock.advance(310 * DAY_S);
    let ends = [
        "the issuing certificate ends",
        "the hub's own certificate ends",
    ];
    red(hub, &ends).await;
    let (_, told) = health(hub).await.unwrap();
    assert!(!told.to_string().contains("police"), "{told}");
    consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_and_idle_connections_do_no_harm() {
    let directory = tempfile::tempdir().unwrap();
    let (consortium, node, hub) = watched(&directory.path().join("state")).await.unwrap();
    let long_head = [b"GET /healthz HTTP/1.1\r\nX: ", &[b'a'; 1 << 20][..]].concat();
    let many_heads = format!("GET /healthz HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(1000));
    let cases: [(&[u8], &[u16]); 7] = [
        (&[0xff; 4096], &[400]),
        (
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello tls\r\n\r\n",
            &[400],
        ),
        (&long_head, &[400, 431]),
        (many_heads.as_bytes(), &[400, 431]),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", &[404]),
        (
            b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n",
            &[405],
        ),
        (
            b"GET /healthz/../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
            &[404],
        ),
    ];
    for address in [node, hub] {
        for (bytes, expected) in cases {
            // A connection may be reset before the refusal is read; it is never a good answer.
            if let Some((status, _)) = read(&exchange(address, bytes).await) {
                assert!(expected.contains(&status), "{status} for {bytes:.40?}");
            }
            assert!(is_green(address).await, "the control after {bytes:.40?}");
        }
        // More connections than there are places: none of them says anything.
        let mut idle = Vec::new();
        for _ in 0..40 {
            idle.push(TcpStream::connect(address).await.unwrap());
        }
        eventually("a place for a watcher", async || {
            Ok(is_green(address).await.then_some(()))
        })
        .await
        .unwrap();
        // The others were ended by the other side, not by us.
        for mut stream in idle {
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
            assert!(read(&rest).is_none_or(|(status, _)| status != 200));
        }
    }
    consortium.stop().await.unwrap();
}
