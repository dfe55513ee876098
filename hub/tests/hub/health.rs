//! Health over gRPC, and the interface that is told to callers who may have it.

use symbolon_core::roster::Change;
use symbolon_hub::client;
use tonic::Code;
use tonic::transport::Channel;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

use crate::consortium::Consortium;

const MATCHING: &str = "symbolon.matching.v1.Matching";

fn about(service: &str) -> HealthCheckRequest {
    HealthCheckRequest {
        service: service.to_owned(),
    }
}

/// What is said next of the whole hub, until it is this.
async fn until(
    watching: &mut tonic::Streaming<HealthCheckResponse>,
    wanted: ServingStatus,
) -> Result<(), tonic::Status> {
    while let Some(said) = watching.message().await? {
        if said.status() == wanted {
            return Ok(());
        }
    }
    Err(tonic::Status::cancelled("the stream ended"))
}

async fn plain(consortium: &Consortium) -> Channel {
    let address = consortium.hub.grpc_health.unwrap();
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap();
    endpoint.connect().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn members_and_probes_are_told_and_others_are_not() {
    let consortium = Consortium::found_with(|config| {
        config.grpc_health_listen = Some("127.0.0.1:0".parse().unwrap());
    })
    .await;
    let harbour = consortium.enrol("harbour").await;
    let probe = plain(&consortium).await;
    for channel in [harbour.channel.clone(), probe.clone()] {
        let mut service = HealthClient::new(channel);
        let mut watching = service.watch(about("")).await.unwrap().into_inner();
        until(&mut watching, ServingStatus::Serving).await.unwrap();
        for name in ["", MATCHING] {
            let told = service.check(about(name)).await.unwrap().into_inner();
            assert_eq!(told.status(), ServingStatus::Serving, "{name}");
        }
        let unknown = service.check(about("symbolon.x")).await.unwrap_err();
        assert_eq!(unknown.code(), Code::NotFound);
    }
    // Nothing but health without a certificate, and not even health where enrolment is.
    let refused = crate::transport::ask(probe).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
    let tls = client::tls_config(&consortium.root_pem(), None).unwrap();
    let address = consortium.hub.enrolment.to_string();
    let stranger = client::connect(&address, tls).await.unwrap();
    let refused = HealthClient::new(stranger).check(about("")).await;
    assert_eq!(refused.unwrap_err().code(), Code::Unimplemented);
    // A member that is suspended is told nothing any more.
    let agency = harbour.name.clone();
    consortium
        .change(Change::Suspend {
            agency,
            reason: "test".into(),
        })
        .await;
    let mut service = HealthClient::new(harbour.channel.clone());
    service.check(about("")).await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_lets_nobody_in_and_one_that_stops_do_not_serve() {
    let consortium = Consortium::found_with(|config| {
        config.grpc_health_listen = Some("127.0.0.1:0".parse().unwrap());
    })
    .await;
    let mut service = HealthClient::new(plain(&consortium).await);
    let mut watching = service.watch(about(MATCHING)).await.unwrap().into_inner();
    until(&mut watching, ServingStatus::Serving).await.unwrap();
    // In sixty days less than twenty years the root ends: health is red, and the hub serves.
    consortium.clock.advance(20 * 366 * 86_400);
    until(&mut watching, ServingStatus::NotServing)
        .await
        .unwrap();
    consortium.clock.advance(-20 * 366 * 86_400);
    until(&mut watching, ServingStatus::Serving).await.unwrap();
    let stopping = tokio::spawn(consortium.stop());
    until(&mut watching, ServingStatus::NotServing)
        .await
        .unwrap();
    // Who watches does not keep the hub from stopping.
    assert!(matches!(watching.message().await, Ok(None) | Err(_)));
    stopping.await.unwrap();
}

async fn listed(channel: Channel) -> Result<Vec<String>, tonic::Status> {
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let requests = tokio_stream::iter([request]);
    let mut service = ServerReflectionClient::new(channel);
    let mut answers = service.server_reflection_info(requests).await?.into_inner();
    let answer = answers.message().await?;
    let Some(ServerReflectionResponse {
        message_response: Some(MessageResponse::ListServicesResponse(list)),
        ..
    }) = answer
    else {
        panic!("{answer:?}");
    };
    Ok(list.service.into_iter().map(|one| one.name).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_interface_is_told_only_if_it_is_set_and_only_to_callers() {
    let silent = Consortium::found().await;
    assert!(silent.hub.grpc_health.is_none(), "off unless it is set");
    let harbour = silent.enrol("harbour").await;
    let refused = listed(harbour.channel).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);

    let telling = Consortium::found_with(|config| {
        config.grpc_reflection = true;
        config.grpc_health_listen = Some("127.0.0.1:0".parse().unwrap());
    })
    .await;
    let harbour = telling.enrol("harbour").await;
    let mut names = listed(harbour.channel).await.unwrap();
    names.sort();
    assert!(names.contains(&MATCHING.to_owned()), "{names:?}");
    assert!(!names.iter().any(|name| name.contains("Enrolment")));
    let refused = listed(plain(&telling).await).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
    let nobody = client::tls_config(&telling.root_pem(), None).unwrap();
    let nobody = client::connect(&telling.hub.listen.to_string(), nobody).await;
    if let Ok(channel) = nobody {
        listed(channel).await.unwrap_err();
    }
}
