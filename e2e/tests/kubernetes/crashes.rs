//! The operator ends right after each of its actions, is restarted, and goes on.

use e2e::kube::{KvCluster, Namespace, Operator, scene};
use e2e::load::Report;

use crate::faults::{is_replaced, wipe_follower};
use crate::{Ended, assert_undisturbed};

#[tokio::test]
async fn at_the_start() {
    const ACTIONS: [&str; 7] = [
        "record-cluster-id",
        "create-claim",
        "create-set",
        "record-first",
        "bootstrap",
        "record-bootstrapped",
        "record-available",
    ];
    scene("crash-start", async |namespace| {
        for action in ACTIONS {
            Operator::crash_after(Some(action)).await?;
            let cluster = KvCluster::apply(namespace, &format!("kv-{action}"), 1, "").await?;
            cluster.wait_available(180).await?;
            Operator::crashed().await?;
            assert_eq!(cluster.members().await?, [1], "after {action}");
        }
        Ok(Operator::crash_after(None).await?)
    })
    .await;
}

#[tokio::test]
async fn while_a_cluster_grows_and_shrinks() {
    const GROWTH: [&str; 5] = ["reserve", "create-claim", "create-set", "add-learner", "change-members"];
    const SHRINK: [&str; 5] = ["change-members", "mark-removed", "scale-set", "delete-set", "change-members"];
    scene("crash-scale", async |namespace| {
        let cluster = KvCluster::running(namespace, 3, 120).await?;
        for (step, (grow, shrink)) in GROWTH.into_iter().zip(SHRINK).enumerate() {
            for (action, replicas) in [(grow, 5), (shrink, 3)] {
                let what = format!("{action} on the way to {replicas}");
                let load = format!("load-{step}-{replicas}");
                let report = crash(&cluster, &load, action, async || {
                    cluster.scale(replicas).await?;
                    Ok(cluster.wait_available(300).await?)
                });
                assert_undisturbed(&what, &report.await?);
                assert_eq!(cluster.members().await?.len(), replicas as usize, "{what}");
            }
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn while_a_member_is_replaced() {
    const REPAIR: [&str; 8] = [
        "change-members",
        "mark-removed",
        "scale-set",
        "delete-set",
        "reserve",
        "create-claim",
        "create-set",
        "add-learner",
    ];
    scene("crash-repair", async |namespace| {
        let cluster = KvCluster::running(namespace, 3, 120).await?;
        for action in REPAIR {
            let load = format!("load-{action}");
            let report = crash(&cluster, &load, action, async || repair(namespace, &cluster).await).await?;
            assert_undisturbed(&format!("{action} of a repair"), &report);
        }
        Ok(())
    })
    .await;
}

async fn repair(namespace: &Namespace, cluster: &KvCluster<'_>) -> Ended {
    let wiped = wipe_follower(cluster).await?;
    is_replaced(namespace, cluster, wiped).await
}

#[tokio::test]
async fn while_members_are_rolled() {
    scene("crash-roll", async |namespace| {
        let cluster = KvCluster::running(namespace, 3, 120).await?;
        let members = cluster.members().await?;
        for action in ["update-set", "delete-pod", "transfer"] {
            let pods = cluster.pods().await?;
            let load = format!("load-{action}");
            let report = crash(&cluster, &load, action, async || {
                let spec = format!(r#"{{"spec": {{"podAnnotations": {{"rolled": "{action}"}}}}}}"#);
                cluster.patch(&spec).await?;
                Ok(cluster.wait_available(300).await?)
            });
            assert_undisturbed(&format!("{action} of a roll"), &report.await?);
            let now = cluster.pods().await?;
            assert!(now.iter().all(|pod| !pods.contains(pod)), "all are rolled: {pods:?} became {now:?}");
        }
        assert_eq!(cluster.members().await?, members);
        Ok(())
    })
    .await;
}

/// What a load saw while the operator crashed after each such action of a change.
async fn crash(
    cluster: &KvCluster<'_>,
    load: &str,
    action: &str,
    change: impl AsyncFnOnce() -> Ended,
) -> Result<Report, Box<dyn std::error::Error>> {
    // A new one each time: the restarts of one are put off for longer and longer.
    Operator::crash_after(Some(action)).await?;
    let load = cluster.under_load(load).await?;
    change().await?;
    Operator::crashed().await?;
    Operator::crash_after(None).await?;
    let report = load.stop().await?;
    Ok(report)
}
