//! Passes over clusters: when something happened to one, and from time to time.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::{FutureExt, StreamExt};
use kube::runtime::controller::{Action as Next, Error as PassError};
use kube::runtime::{applier, controller, reflector::ObjectRef};
use kube::{Resource, ResourceExt};
use tracing::Instrument;

use crate::caches::{Caches, Written};
use crate::crash::CrashSwitch;
use crate::error::Error;
use crate::events::Events;
use crate::kubernetes::Kube;
use crate::memory::Memory;
use crate::metrics::{ClusterKey, Metrics};
use crate::pass::Pass;
use crate::trigger::Triggers;

/// The first delay after a failure; each that follows doubles it.
const FIRST_DELAY: Duration = Duration::from_millis(250);
/// No delay is longer.
const MOST_DELAY: Duration = Duration::from_secs(60);
/// After a race the next pass sees what has changed.
const MOST_RACE_DELAY: Duration = Duration::from_secs(2);

/// What passes work with.
pub struct Context {
    /// The API server, under the claim.
    pub kube: Kube,
    /// What the API server holds.
    pub caches: Caches,
    /// What happened.
    pub triggers: Triggers,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What is told.
    pub events: Events,
    /// For tests.
    pub crash: CrashSwitch,
    /// Of each cluster.
    pub memories: Mutex<BTreeMap<ClusterKey, Memory>>,
}

impl Context {
    fn take(&self, key: &ClusterKey) -> Memory {
        let mut memories = self.memories.lock().unwrap_or_else(PoisonError::into_inner);
        memories.remove(key).unwrap_or_default()
    }

    fn put(&self, key: ClusterKey, memory: Memory) {
        self.memories.lock().unwrap_or_else(PoisonError::into_inner).insert(key, memory);
    }

    fn forget(&self, key: &ClusterKey) {
        self.memories.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        self.metrics.clusters().forget(key);
    }
}

/// Looks after all clusters, until `stop`; then passes that are under way end.
pub async fn run(
    context: Context,
    concurrency: u16,
    stop: impl Future<Output = ()> + Clone + Send + 'static,
) {
    let context = Arc::new(context);
    tokio::select! {
        () = context.caches.filled() => {}
        () = stop.clone() => return,
    }
    let clusters = context.caches.clusters.clone();
    let queue = context.triggers.stream().map(|key| key.map(reference)).take_until(stop);
    let passes = applier(
        |cluster, context| pass(cluster, context).boxed(),
        failed,
        Arc::clone(&context),
        clusters,
        queue,
        controller::Config::default().concurrency(concurrency),
    );
    let mut passes = pin!(passes);
    while let Some(ended) = passes.next().await {
        match ended {
            Ok(_) | Err(PassError::ReconcilerFailed(..)) => {}
            Err(PassError::ObjectNotFound(gone)) => {
                context.forget(&ClusterKey::new(gone.namespace.as_deref().unwrap_or_default(), &gone.name));
            }
            Err(PassError::QueueError(never)) => match never {},
            Err(PassError::RunnerError(error)) => tracing::error!(%error, "passes cannot run"),
        }
    }
}

fn reference(key: ClusterKey) -> ObjectRef<Written> {
    ObjectRef::new(&key.name).within(&key.namespace)
}

fn key(cluster: &Written) -> ClusterKey {
    ClusterKey::new(&cluster.namespace().unwrap_or_default(), &cluster.name_any())
}

async fn pass(cluster: Arc<Written>, context: Arc<Context>) -> Result<Next, Error> {
    let key = key(&cluster);
    let span = tracing::info_span!("pass", cluster = %key);
    let mut memory = context.take(&key);
    let began = Instant::now();
    let result = Pass { context: &context, key: &key }.run(&cluster, &mut memory).instrument(span).await;
    context.metrics.passed(began.elapsed());
    match &result {
        Ok(_) => (memory.failures, memory.last_failure) = (0, None),
        Err(error) => {
            memory.failures = memory.failures.saturating_add(1);
            context.metrics.failed(error.kind());
            if error.is_race() {
                tracing::debug!(cluster = %key, %error, "pass ended early");
            } else {
                tracing::warn!(cluster = %key, %error, kind = error.kind(), "pass failed");
                // The first of a row: it stays in the metrics and in the log after that.
                if memory.last_failure != Some(error.kind()) {
                    let about = cluster.object_ref(&());
                    context.events.warning(&about, error.kind(), &error.to_string()).await;
                }
                memory.last_failure = Some(error.kind());
            }
        }
    }
    context.put(key, memory);
    result
}

#[expect(clippy::needless_pass_by_value, reason = "the signature is the applier's")]
fn failed(cluster: Arc<Written>, error: &Error, context: Arc<Context>) -> Next {
    let failures = {
        let memories = context.memories.lock().unwrap_or_else(PoisonError::into_inner);
        memories.get(&key(&cluster)).map_or(1, |memory| memory.failures)
    };
    Next::requeue(delay(failures, error.is_race()).mul_f64(rand::random_range(0.8..1.2)))
}

/// Before the next pass, after so many failures in a row.
fn delay(failures: u32, is_race: bool) -> Duration {
    let most = if is_race { MOST_RACE_DELAY } else { MOST_DELAY };
    FIRST_DELAY.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_a_bound_that_is_lower_for_races() {
        let delays = |is_race| [1, 2, 3, 100].map(|failures| delay(failures, is_race).as_millis());
        assert_eq!(delays(false), [250, 500, 1000, 60_000]);
        assert_eq!(delays(true), [250, 500, 1000, 2_000]);
    }
}
