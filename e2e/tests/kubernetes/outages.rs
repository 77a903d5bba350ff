//! Kubernetes and the operator stand still.

use std::time::Duration;

use e2e::kube::{KvCluster, LocalKube, Operator, Stopped, scene};
use tokio::time::sleep;

use crate::assert_undisturbed;

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn the_api_server_is_stopped_for_a_minute() {
    scene("api-server", async |namespace| {
        let kube = LocalKube::find()?;
        let cluster = KvCluster::running(namespace, 3, 120).await?;
        let pods = cluster.pods().await?;
        let load = cluster.under_load("load").await?;
        let stopped = Stopped::new(kube.part("kube-apiserver")?)?;
        sleep(MINUTE).await;
        drop(stopped);
        sleep(MINUTE).await;
        let report = load.stop().await?;
        assert_undisturbed("the API server is stopped for a minute", &report);
        assert!(report.longest_gap_millis < 3_000, "nobody lost the office of leader: {report:?}");
        assert_eq!(cluster.pods().await?, pods, "no member is restarted");
        // The operator is back.
        cluster.scale(1).await?;
        cluster.wait_available(120).await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_operator_that_slept_past_its_lease_changes_nothing() {
    scene("asleep", async |namespace| {
        let kube = LocalKube::find()?;
        let cluster = KvCluster::running(namespace, 3, 120).await?;
        let load = cluster.under_load("load").await?;
        Operator::install(&["replicas=2"]).await?;
        let holder = Operator::holder().await?;
        let pods = Operator::pods().await?;
        let other = pods.iter().find(|pod| **pod != holder).expect("two operators");
        // There is something to be done when it falls asleep,
        cluster.scale(5).await?;
        let stopped = Stopped::new(kube.process(&holder, "kv-operator")?)?;
        let taken = format!("--for=jsonpath={{.spec.holderIdentity}}={other}");
        Operator::kubectl(&["wait", "lease/kvcluster-operator", &taken, "--timeout=60s"]).await?;
        let log = kube.audit_log()?;
        // and when it wakes up.
        cluster.scale(1).await?;
        drop(stopped);
        cluster.wait_available(300).await?;
        let restarted = "--for=jsonpath={.status.containerStatuses[0].restartCount}=1";
        Operator::kubectl(&["wait", &format!("pod/{holder}"), restarted, "--timeout=60s"]).await?;
        assert_eq!(log.changes_by_pod(&holder)?, Vec::<String>::new());
        assert!(!log.changes_by_pod(other)?.is_empty(), "the other operator acts");
        assert_undisturbed("the operator sleeps past its lease", &load.stop().await?);
        Ok(())
    })
    .await;
}
