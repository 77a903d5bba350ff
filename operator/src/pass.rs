//! One pass over a cluster: look, plan, tell, keep up, and do at most one thing.

use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use kube::api::Api;
use kube::runtime::controller::Action as Next;
use kube::{Resource, ResourceExt};
use planner::{Action, Plan, plan};

use crate::act::Act;
use crate::api::{FirstMember, KvCluster, KvClusterStatus};
use crate::caches::Written;
use crate::controller::Context;
use crate::error::Error;
use crate::live::Live;
use crate::memory::Memory;
use crate::metrics::{ClusterKey, ClusterSample};
use crate::observe::Seen;
use crate::status::{self, Look};
use crate::upkeep::Upkeep;

/// After an action the next look is taken at once, as soon as the caches can know of it.
const AFTER_ACTION: Duration = Duration::from_millis(100);
/// While something is waited for, a look is taken so often,
const WHILE_WAITING: Duration = Duration::from_secs(1);
/// and less often when it takes long.
const WHILE_WAITING_LONG: Duration = Duration::from_secs(10);
/// At rest: nodes are asked how they are, nothing is written.
const AT_REST: Duration = Duration::from_secs(15);

/// One pass.
#[derive(Clone, Copy)]
pub struct Pass<'a> {
    /// What it works with.
    pub context: &'a Context,
    /// The cluster.
    pub key: &'a ClusterKey,
}

impl Pass<'_> {
    /// Takes it. Returns when the next is due.
    ///
    /// # Errors
    /// It ended early: the next one begins anew.
    pub async fn run(self, cluster: &Written, memory: &mut Memory) -> Result<Next, Error> {
        let cluster = match &cluster.0 {
            Ok(cluster) => cluster,
            Err(unreadable) => {
                let refused = (unreadable.metadata.generation, unreadable.error.clone());
                if memory.refused.as_ref() != Some(&refused) {
                    status::refuse(&self.context.kube, &unreadable.metadata, &unreadable.error).await?;
                    memory.refused = Some(refused);
                }
                return Ok(Next::await_change());
            }
        };
        let Context { kube, caches, .. } = self.context;
        let seen = Seen::look(kube, caches, cluster, memory).await;
        let mut planned = plan(&seen.observed(cluster));
        let mut current = cluster.clone();
        // Before a change, and while the cache does not have the last one yet.
        if planned.action.is_some() || memory.written != cluster.resource_version() {
            current = self.read_again(cluster).await?;
            if current.resource_version() != cluster.resource_version() {
                planned = plan(&seen.observed(&current));
            }
        }
        let waited = memory.waiting(&planned.doing, Instant::now());
        let (current, untold) = self.tell(current, &seen, &planned, memory).await?;
        let carried_out = self.carry_out(&current, &seen, &planned).await;
        if let (Err(error), Some(Action::DeleteClaim { uid, .. })) = (&carried_out, &planned.action)
            && error.forbids_deletion()
        {
            memory.cannot_delete(uid.clone());
        }
        carried_out?;
        memory.written = current.resource_version();
        self.context.metrics.clusters().passed(self.key);
        let due = due(&planned, waited);
        Ok(Next::requeue(untold.map_or(due, |soon| due.min(soon))))
    }

    /// The cluster as the API server has it now.
    async fn read_again(self, cached: &KvCluster) -> Result<KvCluster, Error> {
        let clusters: Api<KvCluster> = Api::namespaced(self.context.kube.client(), &self.key.namespace);
        let live = self.context.kube.read("read KvCluster", clusters.get_opt(&self.key.name)).await?;
        let same = live.filter(|live| live.uid() == cached.uid());
        same.ok_or_else(|| Error::Outdated { what: format!("KvCluster {}", self.key) })
    }

    /// Writes the status if it is to be another one. Returns the cluster as it is then, and when the status is due if it
    /// is too early to write it again.
    async fn tell(
        self,
        cluster: KvCluster,
        seen: &Seen,
        planned: &Plan,
        memory: &mut Memory,
    ) -> Result<(KvCluster, Option<Duration>), Error> {
        let Context { kube, metrics, .. } = self.context;
        let look = Look { cluster: &cluster, seen, plan: planned };
        let mut wanted = status::build(look, Timestamp::now());
        if let Some(action) = &planned.action {
            record(&mut wanted, action);
        }
        let before = cluster.status.clone().unwrap_or_default();
        metrics.clusters().set(self.key.clone(), sample(&cluster, &wanted, planned));
        if before == wanted {
            return Ok((cluster, None));
        }
        let early = memory.status_written.filter(|_| planned.action.is_none()).and_then(|written| {
            let pause = status::pause(&before, &wanted);
            pause.checked_sub(written.elapsed()).filter(|rest| !rest.is_zero())
        });
        if early.is_some() {
            return Ok((cluster, early));
        }
        let written = status::write(kube, &cluster, &wanted).await?;
        memory.status_written = Some(Instant::now());
        self.tell_changes(&written, &before, &wanted).await;
        Ok((written, None))
    }

    /// Keeps up what is to be kept up, and performs the action.
    async fn carry_out(self, cluster: &KvCluster, seen: &Seen, planned: &Plan) -> Result<(), Error> {
        let Context { kube, caches, metrics, .. } = self.context;
        let live = Live { kube, cluster };
        // Labels name the cluster id: nothing is made before it is drawn.
        let is_named = cluster.status.as_ref().is_some_and(|status| status.cluster_id.is_some());
        let keeps_up = is_named && !cluster.spec.paused && cluster.meta().deletion_timestamp.is_none();
        let kept = if keeps_up { Upkeep { live, caches }.run(seen, planned).await } else { Ok(()) };
        let Some(action) = &planned.action else {
            // Last, since one that is refused must not stop anything else.
            let grown = if keeps_up { Upkeep { live, caches }.volumes(seen, planned).await } else { Ok(()) };
            return kept.and(grown);
        };
        // A Service or a label that is refused must not stop a repair.
        if let Err(error) = kept {
            metrics.failed(error.kind());
            tracing::warn!(%error, kind = error.kind(), "not all is kept up; the action goes on");
        }
        let why = planned.doing.join("; ");
        tracing::info!(action = action.name(), why, "acts");
        Act { live, seen }.perform(action).await?;
        metrics.acted(action.name());
        self.context.crash.performed(action.name());
        self.context.events.normal(&cluster.object_ref(&()), &camel_case(action.name()), &why).await;
        Ok(())
    }

    /// Tells of each condition that began or ceased to hold.
    async fn tell_changes(self, cluster: &KvCluster, before: &KvClusterStatus, now: &KvClusterStatus) {
        let about = cluster.object_ref(&());
        for condition in &now.conditions {
            let old = before.conditions.iter().find(|old| old.type_ == condition.type_);
            let was = old.map_or("False", |old| old.status.as_str());
            let Some((reason, is_good)) = told(&condition.type_, was, &condition.status) else { continue };
            let events = &self.context.events;
            let note = if condition.message.is_empty() { &condition.reason } else { &condition.message };
            if is_good {
                events.normal(&about, &reason, note).await;
            } else {
                events.warning(&about, &reason, note).await;
            }
        }
    }
}

/// The reason of the event for a condition that went from one status to another, and whether that is good.
fn told(condition: &str, was: &str, is: &str) -> Option<(String, bool)> {
    match (condition, was, is) {
        // What goes on all the time is told by actions.
        ("Progressing", ..) => None,
        ("Available", _, "True") if was != "True" => Some((condition.to_owned(), true)),
        ("Available", "True", _) if is != "True" => Some(("Unavailable".to_owned(), false)),
        ("Available", ..) => None,
        (_, "False" | "Unknown", "True") => Some((condition.to_owned(), false)),
        (_, "True", "False") => Some((format!("{condition}Ended"), true)),
        _ => None,
    }
}

/// Writes into the status what an action records there.
fn record(status: &mut KvClusterStatus, action: &Action) {
    match action {
        Action::RecordClusterId => {
            status.cluster_id = Some(format!("{:032x}", rand::random::<u128>()));
        }
        Action::RecordAdoption { cluster_id } => {
            status.cluster_id = Some(cluster_id.0.clone());
            status.bootstrapped = true;
        }
        Action::RecordFirst { node, disk } => {
            status.first = Some(FirstMember { node: node.0, disk_id: disk.0.clone() });
        }
        Action::RecordBootstrapped => status.bootstrapped = true,
        Action::RecordAvailable => status.became_available = true,
        _ => {}
    }
}

/// When the next look is due.
fn due(planned: &Plan, waited: Duration) -> Duration {
    if planned.action.is_some() {
        return AFTER_ACTION;
    }
    if planned.doing.is_empty() {
        return AT_REST;
    }
    (waited / 10).clamp(WHILE_WAITING, WHILE_WAITING_LONG)
}

fn sample(cluster: &KvCluster, status: &KvClusterStatus, planned: &Plan) -> ClusterSample {
    let conditions = planned.conditions.iter();
    ClusterSample {
        replicas: cluster.spec.replicas.into(),
        members: status.replicas.unwrap_or_default().into(),
        voters: status.voters.unwrap_or_default().into(),
        conditions: conditions.map(|one| (one.kind.name(), status::value(one.status))).collect(),
    }
}

/// As reasons of events are written.
fn camel_case(kebab: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
    };
    kebab.split('-').map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_written_as_kubernetes_does() {
        assert_eq!(camel_case("record-cluster-id"), "RecordClusterId");
    }

    #[test]
    fn a_condition_that_begins_or_ends_is_told_and_one_that_is_unknown_is_not() {
        let reason = |condition, was, is| told(condition, was, is).map(|(reason, _)| reason);
        assert_eq!(reason("Available", "Unknown", "True").as_deref(), Some("Available"));
        assert_eq!(reason("Available", "True", "False").as_deref(), Some("Unavailable"));
        assert_eq!(reason("Degraded", "False", "True").as_deref(), Some("Degraded"));
        assert_eq!(reason("Degraded", "True", "False").as_deref(), Some("DegradedEnded"));
        assert_eq!(reason("ClockSkew", "Unknown", "False"), None);
        assert_eq!(reason("Progressing", "False", "True"), None);
    }

    #[test]
    fn a_cluster_id_is_drawn_once_as_32_digits() {
        let draw = || {
            let mut status = KvClusterStatus::default();
            record(&mut status, &Action::RecordClusterId);
            status.cluster_id.unwrap()
        };
        let [a, b] = [draw(), draw()];
        assert!(a.len() == 32 && a != b, "{a} {b}");
    }
}
