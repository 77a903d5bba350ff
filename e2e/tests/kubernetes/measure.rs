//! Measures, printed as rows of tables. Programs are built as they are shipped; the machine should do nothing else.

use std::time::{Duration, Instant};

use e2e::kube::{KvCluster, LocalKube, Operator, Usage, scene};
use e2e::load::Report;
use tokio::time::sleep;

use crate::{Ended, assert_correct, assert_undisturbed};

const MIB: u64 = 1 << 20;

#[tokio::test]
async fn from_apply_to_available() {
    println!("| members | seconds from apply to Available |\n|---|---|");
    for replicas in [1, 3, 5] {
        scene("apply", async |namespace| {
            let begun = Instant::now();
            KvCluster::running(namespace, replicas, 300).await?;
            println!("| {replicas} | {:.1} |", begun.elapsed().as_secs_f64());
            Ok(())
        })
        .await;
    }
}

#[tokio::test]
async fn planned_steps() {
    scene("steps", async |namespace| {
        let cluster = KvCluster::running(namespace, 3, 120).await?;
        println!("| during | s | writes | failed | p50 ms | p99 ms | most ms | longest gap ms |");
        println!("|---|---|---|---|---|---|---|---|");
        step(&cluster, "nothing", async || {
            sleep(Duration::from_secs(60)).await;
            Ok(())
        })
        .await?;
        for replicas in [5, 3] {
            let what = format!("scale to {replicas}");
            step(&cluster, &what, async || {
                cluster.scale(replicas).await?;
                Ok(cluster.wait_available(300).await?)
            })
            .await?;
        }
        step(&cluster, "roll of three", async || {
            cluster.patch(r#"{"spec": {"podAnnotations": {"rolled": "yes"}}}"#).await?;
            Ok(cluster.wait_available(300).await?)
        })
        .await?;
        step(&cluster, "operator restarted", async || {
            Operator::kubectl(&["rollout", "restart", "deployment/kvcluster"]).await?;
            Ok(Operator::kubectl(&["rollout", "status", "deployment/kvcluster"]).await.map(drop)?)
        })
        .await?;
        step(&cluster, "a follower's pod deleted", async || {
            let leader = cluster.leader().await?;
            let follower = cluster.members().await?.into_iter().find(|node| *node != leader).unwrap();
            let pod = format!("pod/{}", cluster.pod(follower));
            namespace.kubectl(&["delete", &pod]).await?;
            namespace.wait(&pod, "create", 60).await?;
            Ok(namespace.wait(&pod, "condition=Ready", 120).await?)
        })
        .await
    })
    .await;
}

async fn step(cluster: &KvCluster<'_>, what: &str, change: impl AsyncFnOnce() -> Ended) -> Ended {
    let load = cluster.under_load(&format!("load-{}", what.replace([' ', '\''], "-"))).await?;
    let begun = Instant::now();
    change().await?;
    let seconds = begun.elapsed().as_secs_f64();
    load.more(300).await?;
    let report = load.stop().await?;
    row(what, seconds, &report);
    assert_undisturbed(what, &report);
    Ok(())
}

fn row(what: &str, seconds: f64, report: &Report) {
    println!(
        "| {what} | {seconds:.1} | {} | {} | {} | {} | {} | {} |",
        report.written,
        report.failed + report.unknown,
        report.write_p50_millis,
        report.write_p99_millis,
        report.write_most_millis,
        report.longest_gap_millis
    );
}

#[tokio::test]
async fn the_leader_is_killed() {
    scene("kills", async |namespace| {
        let cluster = KvCluster::running(namespace, 3, 120).await?;
        println!("| kill | writes that failed | longest gap ms |\n|---|---|---|");
        for kill in 1..=5 {
            let load = cluster.under_load(&format!("load-{kill}")).await?;
            let leader = cluster.leader().await?;
            cluster.kill(leader).await?;
            load.more(300).await?;
            let report = load.stop().await?;
            println!("| {kill} | {} | {} |", report.failed + report.unknown, report.longest_gap_millis);
            assert_correct("the leader is killed", &report);
            assert!(report.longest_gap_millis <= 6_000, "{report:?}");
            let pod = format!("pod/{}", cluster.pod(leader));
            namespace.wait(&pod, "create", 60).await?;
            namespace.wait(&pod, "condition=Ready", 120).await?;
            cluster.wait_at_rest(120).await?;
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn from_three_to_five_with_a_gibibyte() {
    scene("gibibyte", async |namespace| {
        let cluster = KvCluster::running(namespace, 3, 120).await?;
        let load = cluster.under_load("load").await?;
        load.fill(&cluster.endpoint(), 16_384, MIB / 16).await?;
        let before = Operator::actions().await?.len();
        let begun = Instant::now();
        cluster.scale(5).await?;
        cluster.wait_available(900).await?;
        let seconds = begun.elapsed().as_secs_f64();
        let report = load.stop().await?;
        println!("| at | the operator acts | why |\n|---|---|---|");
        for action in &Operator::actions().await?[before..] {
            let text = |field: &str| action[field].as_str().unwrap_or_default().to_owned();
            println!("| {} | {} | {} |", text("timestamp"), text("action"), text("why"));
        }
        println!("\n| during | s | writes | failed | p50 ms | p99 ms | most ms | longest gap ms |");
        println!("|---|---|---|---|---|---|---|---|");
        row("filling, and 3 to 5 with 1 GiB", seconds, &report);
        assert_correct("from three to five with a gibibyte", &report);
        assert_eq!(report.failed + report.unknown, 0, "{report:?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn the_operator_with_twenty_clusters() {
    const IDLE: Duration = Duration::from_secs(300);
    scene("twenty", async |namespace| {
        let mut clusters = Vec::new();
        for number in 1..=20 {
            clusters.push(KvCluster::apply(namespace, &format!("kv-{number}"), 1, "").await?);
        }
        for cluster in &clusters {
            cluster.wait_available(300).await?;
        }
        // Their last statuses may be on their way.
        sleep(Duration::from_secs(30)).await;
        let kube = LocalKube::find()?;
        let (log, operator) = (kube.audit_log()?, kube.process(&Operator::holder().await?, "kv-operator")?);
        let before = Usage::of(operator)?;
        sleep(IDLE).await;
        let after = Usage::of(operator)?;
        let millicores = (after.cpu - before.cpu).as_secs_f64() * 1_000.0 / IDLE.as_secs_f64();
        let mib = |bytes: u64| bytes as f64 / MIB as f64;
        println!("| operator with 20 KvClusters of one member | over five idle minutes |\n|---|---|");
        println!("| millicores | {millicores:.1} |");
        println!("| MiB, without the cache of files | {:.1} |", mib(after.memory));
        println!("| MiB at most since its start, with the cache of files | {:.1} |", mib(after.most_memory));
        println!(
            "| changes by the operator, except of its Lease | {} |",
            log.changes_by(Operator::USER)?.len()
        );
        assert!(millicores < 10.0, "{millicores} millicores");
        assert!(after.memory < 64 * MIB, "{after:?}");
        Ok(())
    })
    .await;
}
