//! `GET /metrics` at the hub: counts and times of all members together, and nobody's name.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::ending::import;
use crate::support::{AGREEMENT, scene};

const ROW: &str =
    "record_id,given_names,surname,date_of_birth\nA1,Zebedeequill,Quistorpvane,2007-09-23\n";

pub async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

pub fn value(text: &str, series: &str) -> f64 {
    let mut lines = text.lines();
    let line = lines.find_map(|line| line.strip_prefix(series));
    let value = line.unwrap_or_else(|| panic!("{series} in {text}"));
    value.trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_and_name_nobody() {
    let mut scene = scene(&["police", "refuge"], 2).await;
    assert!(
        scene.consortium.hub().unwrap().metrics.is_none(),
        "off unless it is set"
    );
    scene.consortium.stop_hub().await.unwrap();
    let file = scene.consortium.places.hub().join("hub.toml");
    let rest = std::fs::read_to_string(&file).unwrap_or_default();
    std::fs::write(&file, format!("metrics_listen = \"127.0.0.1:0\"\n{rest}")).unwrap();
    scene.consortium.start_hub().await.unwrap();
    scene.consortium.everybody_attends().await.unwrap();
    for agency in ["police", "refuge"] {
        import(&scene, agency, ROW).await;
    }
    scene.consortium.settle().await.unwrap();

    let address = scene.consortium.hub().unwrap().metrics.unwrap();
    let answer = get(address, "/metrics").await;
    let (head, text) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(head.contains("application/openmetrics-text"), "{head}");
    assert!(text.ends_with("# EOF\n"));
    let submits = "symbolon_hub_requests_total{method=\"Matching/Submit\",code=\"0\"}";
    assert!(value(text, submits) >= 2.0);
    // Each record is padded to 64 rows.
    assert!(value(text, "symbolon_hub_rows_submitted_total") >= 128.0);
    assert!(value(text, "symbolon_hub_connections") >= 2.0);
    assert_eq!(value(text, "symbolon_hub_mailbox_items"), 0.0);
    let times = "symbolon_hub_request_duration_seconds_count{method=\"Matching/Submit\"}";
    assert_eq!(value(text, times), value(text, submits));
    for name in ["police", "refuge", AGREEMENT, "A1", "Zebedeequill"] {
        assert!(!text.contains(name), "{name} in {text}");
    }
    assert!(get(address, "/healthz").await.starts_with("HTTP/1.1 404"));
    scene.consortium.stop().await.unwrap();
}
