//! One test: its namespace, its clean-up, and what is kept if it fails.

use std::error::Error;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::time::Instant;

use futures_util::FutureExt;

use super::helm::Operator;
use super::namespace::Namespace;

/// How a test ends.
pub type Ended = Result<(), Box<dyn Error>>;

/// Set to keep what a failed test leaves, to look around.
const KEEP: &str = "KVCLUSTER_E2E_KEEP";

/// Runs a test in a namespace of its own beside an installed operator. If it fails, logs, events and objects are
/// written to the folder `KVCLUSTER_E2E_LOGS`. Whatever it did to the operator, the next test finds a new one.
///
/// # Panics
/// The test fails.
pub async fn scene(name: &str, test: impl AsyncFnOnce(&Namespace) -> Ended) {
    let begun = Instant::now();
    let prepared = async {
        Operator::install(&[]).await?;
        Namespace::create(name).await
    };
    let namespace = prepared.await.unwrap_or_else(|error| panic!("{name} cannot begin: {error}"));
    let why = match AssertUnwindSafe(test(&namespace)).catch_unwind().await {
        Ok(Ok(())) => {
            namespace.delete().await.unwrap_or_else(|error| panic!("{name} leaves something: {error}"));
            println!("{name}: passed within {} s", begun.elapsed().as_secs());
            return;
        }
        Ok(Err(error)) => error.to_string(),
        // The hook of the panic has printed it.
        Err(_) => "see above".to_owned(),
    };
    let folder = std::env::var_os("KVCLUSTER_E2E_LOGS").map_or_else(std::env::temp_dir, PathBuf::from);
    let kept = namespace.collect(&folder).await;
    if std::env::var_os(KEEP).is_none() {
        let cleaned = async {
            namespace.delete().await?;
            Operator::uninstall().await?;
            Operator::install(&[]).await
        };
        cleaned.await.unwrap_or_else(|error| eprintln!("{name} leaves something: {error}"));
    }
    panic!("{name}: {why}; logs, events and objects: {}", kept.display());
}
