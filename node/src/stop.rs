//! A graceful stop: no traffic, then no leadership, then no requests under way, then no threads.

use std::time::Duration;

use raft::{NodeId, RoleKind};
use store::store::{AdminRequest, FIRST_RANGE};
use tokio::time::{Instant, timeout, timeout_at};

use crate::admin::most_caught_up;
use crate::handle::Handle;
use crate::health::Readiness;
use crate::node::{Node, State};
use crate::termination::Termination;

/// A hand-over that did not come about is tried again after so long.
const AGAIN: Duration = Duration::from_millis(200);

impl Node {
    /// Stops in order; the data are closed when this returns. To be called on a runtime that is not this node's.
    ///
    /// # Errors
    /// The store failed, before or during the stop.
    pub async fn stop(self) -> Result<(), Termination> {
        let id = self.id();
        tracing::info!(node = id.map(|id| id.0), "kv-node stops");
        self.readiness.send_replace(Readiness::stopping());
        let Self { config, state, peers, clients, lock, .. } = self;
        let State::Running { handle, running, serving } = state else { return Ok(()) };
        if timeout(config.transfer_timeout, hand_over(&handle)).await.is_err() {
            tracing::warn!("leadership was not handed over in time: the others elect");
        }
        serving.drain(config.drain_timeout).await;
        drop(handle);
        let stopped = tokio::task::spawn_blocking(move || {
            // The runtimes first, so that nothing new reaches the store.
            drop((clients, peers));
            let stopped = running.stop();
            drop(lock);
            stopped
        });
        let node = id.map(|id| id.0);
        match stopped.await {
            Ok(Ok(())) => {
                tracing::info!(node, "kv-node has stopped");
                Ok(())
            }
            Ok(Err(fault)) => Err(Termination::of(&fault, node)),
            Err(panicked) => Err(Termination::new(store::replica::ExitCode::Corruption, panicked, node)),
        }
    }
}

/// Hands leadership to the most caught-up voter; returns when it has left, or nobody could take it.
async fn hand_over(handle: &Handle) {
    let mut summary = handle.summary();
    let leads = |role: Option<RoleKind>| role == Some(RoleKind::Leader);
    while leads(summary.borrow_and_update().role) {
        let Some(status) = handle.status().await else { return };
        let Some(replica) = status.replicas.iter().find(|replica| replica.range == FIRST_RANGE) else {
            return;
        };
        if replica.raft.configuration.voters().count() <= 1 {
            return;
        }
        let Some(to): Option<NodeId> = most_caught_up(replica) else {
            tokio::time::sleep(AGAIN).await;
            continue;
        };
        match handle.admin(AdminRequest::Transfer { range: FIRST_RANGE, to }).await {
            Ok(_) => tracing::info!(to = to.0, "leadership is being handed over"),
            Err(error) => tracing::warn!(to = to.0, %error, "leadership cannot be handed over yet"),
        }
        let until = Instant::now() + AGAIN;
        let left = summary.wait_for(|summary| !leads(summary.role));
        if timeout_at(until, left).await.is_ok() {
            return;
        }
    }
}
