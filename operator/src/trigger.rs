//! Which clusters something happened to. Many triggers of one cluster are one; none is lost, and none has to wait.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{Stream, stream};
use tokio::sync::Notify;

use crate::metrics::ClusterKey;

#[derive(Debug, Default)]
struct Due {
    clusters: Mutex<BTreeSet<ClusterKey>>,
    news: Notify,
}

impl Due {
    fn take(&self) -> Option<ClusterKey> {
        self.clusters.lock().unwrap_or_else(PoisonError::into_inner).pop_first()
    }
}

/// Shared by all that trigger.
#[derive(Clone, Debug, Default)]
pub struct Triggers(Arc<Due>);

impl Triggers {
    /// Something happened to this cluster.
    pub fn pull(&self, cluster: ClusterKey) {
        self.0.clusters.lock().unwrap_or_else(PoisonError::into_inner).insert(cluster);
        self.0.news.notify_one();
    }

    /// The clusters as they become due. For one reader.
    pub fn stream(&self) -> impl Stream<Item = Result<ClusterKey, Infallible>> + use<> {
        stream::unfold(Arc::clone(&self.0), async |due| {
            loop {
                if let Some(cluster) = due.take() {
                    return Some((Ok(cluster), due));
                }
                due.news.notified().await;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    #[tokio::test]
    async fn a_trigger_before_and_while_waiting_arrives_once() {
        let triggers = Triggers::default();
        let mut stream = Box::pin(triggers.stream());
        let [a, b] = ["a", "b"].map(|name| ClusterKey::new("ns", name));
        triggers.pull(b.clone());
        triggers.pull(a.clone());
        triggers.pull(a.clone());
        assert_eq!(stream.next().await, Some(Ok(a.clone())));
        assert_eq!(stream.next().await, Some(Ok(b)));
        let waiting = tokio::spawn(async move { stream.next().await });
        triggers.pull(a.clone());
        assert_eq!(waiting.await.unwrap(), Some(Ok(a)));
    }
}
