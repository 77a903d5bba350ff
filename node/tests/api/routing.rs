//! Any node takes any request, and brings it to the leader at most once.

use proto::peer::v1::forward_client::ForwardClient;
use proto::v1::batch_item::Request as Asked;
use proto::v1::batch_result::Result as Told;
use proto::v1::cluster_client::ClusterClient;
use proto::v1::error_detail::Kind;
use proto::v1::{BatchRequest, GetClusterRequest, OpenSessionRequest};
use testing::{Cluster, Options, wait_until};
use tokio_stream::once;

use crate::rig::{batches, get, item, put};

#[tokio::test]
async fn every_node_takes_every_request_and_tells_who_leads() {
    let cluster = Cluster::start(3, Options::default()).await;
    let leader = cluster.leader().await.node;
    for node in 1..=3 {
        let mut kv = cluster.node(node).kv();
        let key = format!("key {node}");
        let put_there = async || kv.clone().put(put(&key, "1")).await.ok();
        let written = wait_until("a write succeeds", put_there).await.into_inner();
        // A linearizable read sees it on every node.
        for other in 1..=3 {
            let got = cluster.node(other).kv().get(get(&key)).await.unwrap().into_inner();
            assert_eq!(got.value.unwrap().version, written.timestamp, "{other} after a write at {node}");
        }
        kv.open_session(OpenSessionRequest::default()).await.unwrap();
        let items = (0..500).map(|id| item(id, Asked::Put(put(&format!("{key} {id}"), "1")))).collect();
        let (answers, _) = batches(&mut kv, vec![items]).await;
        assert!(answers.values().all(|told| matches!(told, Told::Put(_))), "{answers:?}");
        assert_eq!(answers.len(), 500);

        let address = format!("http://{}", cluster.node(node).client_address());
        let mut view = ClusterClient::connect(address).await.unwrap();
        let told = wait_until("it was told where the leader is", async || {
            let told = view.get_cluster(GetClusterRequest {}).await.unwrap().into_inner();
            let mut members = told.members.iter();
            let known = members.any(|member| member.node == leader && !member.client_address.is_empty());
            known.then_some(told)
        })
        .await;
        assert_eq!((told.node, told.leader, told.cluster_id.len()), (node, leader, 32));
        let members: Vec<_> = told.members.iter().map(|member| (member.node, member.voter)).collect();
        assert_eq!(members, [(1, true), (2, true), (3, true)]);
        for member in told.members.into_iter().filter(|member| [node, leader].contains(&member.node)) {
            assert_eq!(member.client_address, cluster.node(member.node).client_address().to_string());
        }
    }
}

#[tokio::test]
async fn a_forwarded_write_is_not_forwarded_again() {
    let cluster = Cluster::start(3, Options::default()).await;
    let leader = cluster.leader().await.node;
    let follower = leader % 3 + 1;
    let address = format!("http://{}", cluster.node(follower).peer_address());
    let mut forward = ForwardClient::connect(address).await.unwrap();
    let items = vec![item(1, Asked::Put(put("key", "1")))];
    let address_known = async || {
        let view = format!("http://{}", cluster.node(follower).client_address());
        let mut view = ClusterClient::connect(view).await.ok()?;
        let told = view.get_cluster(GetClusterRequest {}).await.ok()?.into_inner();
        let known =
            told.members.iter().any(|member| member.node == leader && !member.client_address.is_empty());
        known.then_some(told.cluster_id)
    };
    let cluster_id = wait_until("the follower knows where the leader is", address_known).await;
    let batch = |receiver: Option<String>| {
        let mut request = tonic::Request::new(once(BatchRequest { items: items.clone() }));
        if let Some(receiver) = receiver {
            request.metadata_mut().insert("kvcluster-receiver", receiver.parse().unwrap());
        }
        request
    };
    // Meant for nobody, for another node, for another cluster.
    let other = format!("{:032x}/{follower}", 1);
    for receiver in [None, Some(format!("{cluster_id}/{leader}")), Some(other)] {
        let refused = forward.batch(batch(receiver)).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::FailedPrecondition, "{refused:?}");
    }
    let meant = batch(Some(format!("{cluster_id}/{follower}")));
    let mut answers = forward.batch(meant).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().results.remove(0);
    let Some(Told::Error(error)) = answer.result else { panic!("{answer:?}") };
    let Some(Kind::NotLeader(other)) = error.kind else { panic!("{error:?}") };
    let expected = cluster.node(leader).client_address().to_string();
    assert_eq!((other.leader_node, other.leader_address), (leader, expected));
    assert_eq!(answers.message().await.unwrap(), None);
}
