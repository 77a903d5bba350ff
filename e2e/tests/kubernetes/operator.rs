//! The operator at rest, upgraded, uninstalled, and tested by its own chart.

use std::time::Duration;

use e2e::kube::{KvCluster, LocalKube, Operator, scene};
use tokio::time::sleep;

use crate::assert_undisturbed;

#[tokio::test]
async fn an_idle_cluster_causes_no_writes() {
    scene("idle", async |namespace| {
        KvCluster::running(namespace, 3, 120).await?;
        // Its last status may be on its way.
        sleep(Duration::from_secs(30)).await;
        let log = LocalKube::find()?.audit_log()?;
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

#[tokio::test]
async fn helm_test_tells_whether_clusters_work() {
    scene("helm-test", async |_| {
        let verdict = Operator::test().await?;
        assert!(verdict.contains("Succeeded") && !verdict.contains("Failed"), "{verdict}");
        Operator::install(&["test.image=localhost/nowhere:1", "test.timeout=20s"]).await?;
        let failed = Operator::test().await.expect_err("no member can start").to_string();
        assert!(failed.contains("Failed"), "{failed}");
        Ok(())
    })
    .await;
}
