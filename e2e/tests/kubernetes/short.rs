//! The short set, part of `make test`.

use std::time::{Duration, Instant};

use e2e::kube::{KvCluster, scene};

use crate::{assert_correct, assert_undisturbed};

#[tokio::test]
async fn three_members_are_ready_within_a_minute() {
    scene("install", async |namespace| {
        let begun = Instant::now();
        let cluster = KvCluster::running(namespace, 3, 120).await?;
        let took = begun.elapsed();
        println!("three members: available after {:.1} s", took.as_secs_f64());
        assert!(took < Duration::from_secs(60), "three members: available after {took:?}");
        assert_eq!(cluster.members().await?.len(), 3);
        cluster.kvctl(&["put", "greeting", "hello"]).await?;
        assert_eq!(cluster.kvctl(&["get", "greeting"]).await?.trim_end(), "hello");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn one_three_five_three_one_under_load() {
    scene("scale", async |namespace| {
        let cluster = KvCluster::running(namespace, 1, 120).await?;
        for (step, replicas) in [1, 3, 5, 3, 1].into_iter().enumerate() {
            let what = format!("load-{step}");
            let load = cluster.under_load(&what).await?;
            let begun = Instant::now();
            cluster.scale(replicas).await?;
            // The wait must not return before the change is done.
            cluster.wait_available(300).await?;
            let (took, object) = (begun.elapsed(), cluster.get().await?);
            assert_eq!(object["status"]["voters"], replicas, "to {replicas}");
            assert_eq!(cluster.members().await?.len(), replicas as usize, "to {replicas}");
            load.more(300).await?;
            let report = load.stop().await?;
            assert_undisturbed(&format!("to {replicas} within {:.1} s", took.as_secs_f64()), &report);
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn the_pod_of_the_leader_is_killed() {
    scene("leader", async |namespace| {
        let cluster = KvCluster::running(namespace, 3, 120).await?;
        let members = cluster.members().await?;
        let load = cluster.under_load("load").await?;
        let leader = cluster.leader().await?;
        let pod = cluster.pod(leader);
        cluster.kill(leader).await?;
        load.more(300).await?;
        namespace.wait(&format!("pod/{pod}"), "create", 60).await?;
        namespace.wait(&format!("pod/{pod}"), "condition=Ready", 120).await?;
        let report = load.stop().await?;
        assert_correct("the leader's pod is killed", &report);
        assert_eq!(report.failed + report.unknown, 0, "{report:?}");
        assert!(report.longest_gap_millis <= 6_000, "{report:?}");
        assert_eq!(cluster.members().await?, members, "a lost pod is no lost member");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn bad_specs_are_refused() {
    scene("bad-specs", async |namespace| {
        let refused = async |name: &str, replicas, more: &str, why: &str| {
            let error = KvCluster::apply(namespace, name, replicas, more).await.err();
            let message = error.unwrap_or_else(|| panic!("{name} with {more:?} is accepted")).to_string();
            assert!(message.contains(why), "{name} with {more:?}: {message}");
        };
        refused("kv", 0, "", "spec.replicas").await;
        refused("kv", 3, "tls: {}", "tls").await;
        refused("kv", 3, "readMode: Sometimes", "spec.readMode").await;
        refused("kv", 3, "raft: {heartbeat: often}", "spec.raft.heartbeat").await;
        refused(&"k".repeat(41), 3, "", "40").await;
        let cluster = KvCluster::apply(namespace, "kv", 1, "").await?;
        let shrink = cluster.patch(r#"{"spec": {"storage": {"size": "128Mi"}}}"#).await;
        assert!(shrink.is_err(), "a volume cannot shrink");
        Ok(())
    })
    .await;
}
