//! `helm test`: makes a small cluster, writes, loses a member's pod, reads what was written, and removes the cluster.

mod failure;
mod keys;
mod kubernetes;
mod options;
mod wait;

use tokio::time::Instant;

pub use failure::Failure;
pub use options::HelmTestOptions;

use keys::Keys;
use kubernetes::Kubernetes;

/// Runs the test, and says on standard output what it does.
///
/// # Errors
/// It failed. The cluster is removed all the same.
pub async fn run(options: HelmTestOptions) -> Result<(), Failure> {
    let until = Instant::now() + options.timeout;
    let kubernetes = Kubernetes::connect(&options, until).await?;
    kubernetes.remove().await?;
    let result = use_cluster(&options, &kubernetes, until).await;
    if result.is_err() {
        say(format_args!("the status of the cluster: {}", kubernetes.status().await));
    }
    // The first failure is the one to look into.
    result.and(kubernetes.remove().await)
}

async fn use_cluster(
    options: &HelmTestOptions,
    kubernetes: &Kubernetes,
    until: Instant,
) -> Result<(), Failure> {
    let created = Instant::now();
    kubernetes.create(options).await?;
    kubernetes.wait_until_available().await?;
    say(format_args!("it is available after {} s", created.elapsed().as_secs()));
    let keys = Keys::connect(options, until).await?;
    keys.write("before").await?;
    keys.read("before").await?;
    let lost = kubernetes.delete_pod().await?;
    let deleted = Instant::now();
    keys.read("before").await?;
    keys.write("after").await?;
    say(format_args!("it reads and writes, {} s after that", deleted.elapsed().as_secs()));
    kubernetes.wait_for_successor(&lost).await?;
    kubernetes.wait_until_available().await?;
    keys.read("before").await?;
    keys.read("after").await?;
    say(format_args!("it has healed, and all keys are there"));
    Ok(())
}

fn say(what: std::fmt::Arguments<'_>) {
    println!("helm-test: {what}");
}
