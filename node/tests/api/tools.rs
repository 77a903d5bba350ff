//! What tools like grpcurl and load balancers ask.

use proto::v1::GetClusterRequest;
use proto::v1::cluster_client::ClusterClient;
use testing::{NodeProcess, Options, wait_until};
use tokio_stream::once;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::rig::one;

fn channel(node: &NodeProcess) -> Channel {
    Endpoint::from_shared(format!("http://{}", node.client_address())).unwrap().connect_lazy()
}

async fn health(node: &NodeProcess, service: &str) -> Option<ServingStatus> {
    let mut client = HealthClient::new(channel(node));
    let request = HealthCheckRequest { service: service.into() };
    Some(client.check(request).await.ok()?.into_inner().status())
}

#[tokio::test]
async fn health_is_what_readiness_is() {
    let (cluster, _) = one().await;
    for service in ["", "kvcluster.v1.Kv", "kvcluster.v1.Cluster"] {
        let serving =
            async || health(cluster.node(1), service).await.filter(|&now| now == ServingStatus::Serving);
        wait_until("it serves", serving).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut waiting = NodeProcess::new(folder.path(), Options::default());
    waiting.start();
    waiting.wait_live().await;
    assert_eq!(health(&waiting, "").await, Some(ServingStatus::NotServing));
    let mut view = ClusterClient::new(channel(&waiting));
    let told = view.get_cluster(GetClusterRequest {}).await.unwrap().into_inner();
    assert_eq!((told.cluster_id.as_str(), told.node, told.members.len()), ("", 0, 0));
}

#[tokio::test]
async fn reflection_names_the_services_of_this_port() {
    let (cluster, _) = one().await;
    let mut client = ServerReflectionClient::new(channel(cluster.node(1)));
    let message_request = Some(MessageRequest::ListServices(String::new()));
    let request = once(ServerReflectionRequest { host: String::new(), message_request });
    let mut answers = client.server_reflection_info(request).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(list)) = answer else { panic!("{answer:?}") };
    let names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    for name in ["kvcluster.v1.Kv", "kvcluster.v1.Cluster", "grpc.health.v1.Health"] {
        assert!(names.iter().any(|listed| listed == name), "{names:?}");
    }
    for name in ["kvcluster.peer.v1.Raft", "kvcluster.admin.v1.Admin"] {
        assert!(names.iter().all(|listed| listed != name), "{name} is on another port");
    }
}
