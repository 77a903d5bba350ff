//! What the operator must not do, and what it survives.

use std::time::Duration;

use e2e::kube::{AuditLog, KvCluster, LoadPod, Operator, scene};
use tokio::time::sleep;

use crate::assert_undisturbed;

#[tokio::test]
async fn an_idle_cluster_causes_no_writes() {
    scene("idle", async |namespace| {
        KvCluster::running(namespace, 3, 120).await?;
        // Its last status may be on its way.
        sleep(Duration::from_secs(30)).await;
        let log = AuditLog::from_now().expect("the audit log of dev/kube");
        sleep(Duration::from_secs(300)).await;
        assert_eq!(log.changes_by(Operator::USER)?, Vec::<String>::new());
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_new_operator_restarts_no_member() {
    scene("upgrade", async |namespace| {
        let cluster = KvCluster::running(namespace, 3, 120).await?;
        let pods = cluster.pods().await?;
        let load = cluster.under_load("load").await?;
        Operator::install(&["podLabels.upgraded=yes", "logLevel=debug"]).await?;
        // It does its work: another size.
        cluster.scale(5).await?;
        cluster.wait_available(300).await?;
        assert_undisturbed("the operator is upgraded", &load.stop().await?);
        let now = cluster.pods().await?;
        assert!(pods.iter().all(|pod| now.contains(pod)), "{pods:?} became {now:?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn clusters_outlive_the_chart() {
    scene("uninstall", async |namespace| {
        let cluster = KvCluster::running(namespace, 3, 120).await?;
        let pods = cluster.pods().await?;
        let load = cluster.under_load("load").await?;
        Operator::uninstall().await?;
        load.more(300).await?;
        Operator::install(&[]).await?;
        cluster.wait_available(120).await?;
        assert_undisturbed("the chart is uninstalled and installed", &load.stop().await?);
        assert_eq!(cluster.pods().await?, pods);
        Ok(())
    })
    .await;
}

/// The operator ends right after each of its actions, is restarted, and goes on.
#[tokio::test]
async fn the_operator_crashes_after_each_action() {
    const GROWTH: [&str; 5] = ["reserve", "create-claim", "create-set", "add-learner", "change-members"];
    const SHRINK: [&str; 4] = ["transfer", "change-members", "scale-set", "delete-set"];
    let steps = GROWTH.map(|action| (action, 5)).into_iter().chain(SHRINK.map(|action| (action, 3)));
    scene("crashes", async |namespace| {
        let cluster = KvCluster::running(namespace, 3, 120).await?;
        for (action, replicas) in steps {
            // Each from the other size.
            cluster.scale(8 - replicas).await?;
            cluster.wait_available(300).await?;
            let name = format!("load-{action}-{replicas}");
            let load = LoadPod::start(namespace, &name, &cluster.endpoint()).await?;
            crash_after(&format!("KV_OPERATOR_EXIT_AFTER={action}")).await?;
            cluster.scale(replicas).await?;
            cluster.wait_available(300).await?;
            crash_after("KV_OPERATOR_EXIT_AFTER-").await?;
            assert_undisturbed(&format!("crashes after {action}"), &load.stop().await?);
            assert_eq!(cluster.members().await?.len(), replicas as usize, "after {action}");
        }
        Ok(())
    })
    .await;
}

async fn crash_after(environment: &str) -> Result<(), e2e::kube::CommandError> {
    Operator::kubectl(&["set", "env", "deployment/kvcluster", environment]).await?;
    Operator::kubectl(&["rollout", "status", "deployment/kvcluster", "--timeout=120s"]).await.map(drop)
}
