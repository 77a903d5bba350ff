//! Asks the nodes for the members and the leader: now and then, and at once when something fails.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use proto::v1::cluster_client::ClusterClient;
use proto::v1::{GetClusterRequest, GetClusterResponse};

use crate::error::status_message;
use crate::link::Link;
use crate::router::Router;

/// When nothing fails.
const RHYTHM: Duration = Duration::from_secs(5);
/// Not more often, whatever fails.
const PAUSE: Duration = Duration::from_millis(50);
/// For one answer.
const PATIENCE: Duration = Duration::from_millis(500);

/// Until it is aborted.
pub(crate) async fn run(router: Arc<Router>) {
    loop {
        let mut asked: FuturesUnordered<_> = router.links().into_iter().map(ask).collect();
        while let Some(answer) = asked.next().await {
            if let Some(answer) = answer {
                router.learn(&answer);
            }
        }
        tokio::time::sleep(PAUSE).await;
        // Either is a reason.
        tokio::time::timeout(RHYTHM, router.doubt.notified()).await.ok();
    }
}

async fn ask(link: Arc<Link>) -> Option<GetClusterResponse> {
    let began = Instant::now();
    let answer = members(&link, PATIENCE).await;
    link.measured(answer.is_ok().then(|| began.elapsed()));
    match answer {
        Ok(answer) => Some(answer),
        Err(status) => {
            tracing::debug!(
                address = link.address(),
                message = status_message(&status),
                "a node does not answer"
            );
            None
        }
    }
}

/// The members as one node knows them.
pub(crate) async fn members(link: &Link, patience: Duration) -> Result<GetClusterResponse, tonic::Status> {
    let mut cluster = ClusterClient::new(link.channel());
    let answer = tokio::time::timeout(patience, cluster.get_cluster(GetClusterRequest {})).await;
    let late = |_| tonic::Status::deadline_exceeded("no answer in time");
    Ok(answer.map_err(late)??.into_inner())
}
