//! Traces through node, hub and custodian: one for each batch, and nothing of anybody in them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use symbolon_tests::consortium::eventually;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::task::AbortOnDropHandle;
use tonic::{Request, Response, Status};

use crate::ending::import;
use crate::support::{AGREEMENT, Scene, scene};

const ROW: &str = "record_id,given_names,surname,date_of_birth\ncase-77315,Zebedeequill,Quistorpvane,2007-09-23\n";

/// Keeps what parties send, as they sent it.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<ExportTraceServiceRequest>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.lock().unwrap().push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    async fn start() -> (Self, SocketAddr, AbortOnDropHandle<()>) {
        let collector = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = TraceServiceServer::new(collector.clone());
        let serving = tokio::spawn(async move {
            tonic::transport::Server::builder()
                .add_service(service)
                .serve_with_incoming(TcpListenerStream::new(listener))
                .await
                .unwrap();
        });
        (collector, address, AbortOnDropHandle::new(serving))
    }

    /// Each span with the name of its party's program, by trace.
    fn traces(&self) -> BTreeMap<Vec<u8>, Vec<(String, Span)>> {
        let mut traces: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for request in self.0.lock().unwrap().iter() {
            for of_party in &request.resource_spans {
                let attributes = &of_party.resource.as_ref().unwrap().attributes;
                let [name] = attributes.as_slice() else {
                    panic!("{attributes:?}");
                };
                assert_eq!(name.key, "service.name");
                let program = format!("{:?}", name.value);
                for span in of_party.scope_spans.iter().flat_map(|scope| &scope.spans) {
                    let trace = traces.entry(span.trace_id.clone()).or_default();
                    trace.push((program.clone(), span.clone()));
                }
            }
        }
        traces
    }
}

fn set(file: &Path, setting: &str) {
    let rest = std::fs::read_to_string(file).unwrap_or_default();
    std::fs::write(file, format!("{setting}\n{rest}")).unwrap();
}

/// Starts everybody anew, sending spans to the collector.
async fn with_traces(scene: &mut Scene, collector: SocketAddr) {
    let setting = format!("traces = {{ endpoint = \"http://{collector}\" }}");
    let places = scene.consortium.places.clone();
    set(&places.hub().join("hub.toml"), &setting);
    scene.consortium.stop_hub().await.unwrap();
    scene.consortium.start_hub().await.unwrap();
    for agency in ["police", "refuge"] {
        set(&places.node(agency).join("node.toml"), &setting);
        scene.consortium.stop_node(agency).await.unwrap();
        scene.consortium.start_node(agency).await.unwrap();
    }
    scene.consortium.everybody_attends().await.unwrap();
}

async fn ask(scene: &Scene) {
    let person = [
        ("given_names", "Ann"),
        ("surname", "Vane"),
        ("date_of_birth", "2001-02-03"),
    ];
    let person = person.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let police = scene.consortium.node("police").unwrap();
    police
        .query(&BTreeMap::from(person), Some(AGREEMENT))
        .await
        .unwrap();
}

/// The parent of a span, in the same trace.
fn parent<'a>(trace: &'a [(String, Span)], of: &Span) -> Option<&'a (String, Span)> {
    trace
        .iter()
        .find(|(_, span)| span.span_id == of.parent_span_id)
}

/// Names from the root down to a span of the custodian's.
fn path_to_custodian(trace: &[(String, Span)]) -> Option<Vec<(String, String)>> {
    let mut at = trace.iter().find(|(_, span)| span.name == "custodian");
    let mut path = Vec::new();
    while let Some((program, span)) = at {
        path.push((program.clone(), span.name.clone()));
        at = parent(trace, span);
    }
    path.reverse();
    (!path.is_empty()).then_some(path)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_goes_from_node_over_hub_to_custodian() {
    let mut scene = scene(&["police", "refuge"], 2).await;
    let (collector, address, _serving) = Collector::start().await;
    ask(&scene).await;
    assert!(collector.traces().is_empty(), "off unless it is set");

    with_traces(&mut scene, address).await;
    ask(&scene).await;
    for agency in ["police", "refuge"] {
        import(&scene, agency, ROW).await;
    }
    scene.consortium.settle().await.unwrap();
    let path = eventually("a trace down to the custodian", async || {
        let traces = collector.traces();
        let path = traces.values().find_map(|trace| path_to_custodian(trace));
        Ok(path.filter(|path| path.len() == 4))
    });
    let path = path.await.unwrap();
    let names: Vec<&str> = path.iter().map(|(_, name)| name.as_str()).collect();
    let expected = [
        "evaluate",
        "Custody/Evaluate",
        "Custody/Evaluate",
        "custodian",
    ];
    assert_eq!(names, expected);
    let programs: Vec<bool> = path
        .iter()
        .map(|(program, _)| program.contains("symbolon-hub"))
        .collect();
    assert_eq!(programs, [false, false, true, false]);

    // What waits is sent when everybody stops.
    scene.consortium.stop().await.unwrap();
    let traces = collector.traces();
    for trace in traces.values() {
        holds_one_act_and_nobody(trace);
    }
    let all: BTreeSet<&str> = traces
        .values()
        .flatten()
        .map(|(_, span)| span.name.as_str())
        .collect();
    assert!(all.contains("Matching/Submit") && all.contains("Matching/Query"));
    for request in collector.0.lock().unwrap().iter() {
        let bytes = request.encode_to_vec();
        for name in [
            "police",
            "refuge",
            AGREEMENT,
            "Zebedeequill",
            "case-77315",
            "127.0.0.1",
        ] {
            let found = memchr::memmem::find(&bytes, name.as_bytes());
            assert!(found.is_none(), "{name} in spans");
        }
    }
}

/// A trace is one evaluation of one batch, or one other call.
fn holds_one_act_and_nobody(trace: &[(String, Span)]) {
    let methods: BTreeSet<&str> = trace
        .iter()
        .map(|(_, span)| span.name.as_str())
        .filter(|name| name.contains('/'))
        .collect();
    assert!(methods.len() <= 1, "{methods:?} in one trace");
    let of_node = trace.iter().filter(|(program, _)| program.contains("node"));
    let calls = of_node.filter(|(_, span)| span.name.contains('/')).count();
    // Two custodians, of which one is the node that asks.
    assert!(calls <= 1, "{calls} calls in one trace");
    for (_, span) in trace {
        assert!(span.events.is_empty() && span.links.is_empty());
        assert!(span.trace_state.is_empty());
        let known = |key: &str| key == "rpc.grpc.status_code";
        assert!(
            span.attributes.iter().all(|one| known(&one.key)),
            "{span:?}"
        );
        let status = span.status.as_ref();
        assert!(status.is_none_or(|status| status.message.is_empty()));
    }
}
