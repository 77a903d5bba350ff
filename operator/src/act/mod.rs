//! Performing an action of a plan.

mod members;
mod objects;

use planner::Action;

use crate::error::Error;
use crate::live::Live;
use crate::observe::Seen;

/// What an action is performed with, and on.
#[derive(Clone, Copy, Debug)]
pub struct Act<'a> {
    /// The cluster as it was read right before, and its objects.
    pub live: Live<'a>,
    /// What was seen of its members.
    pub seen: &'a Seen,
}

impl Act<'_> {
    /// Performs an action that is not written into the status. Whatever it touches is read again before, and is changed
    /// only if it is what the plan was made on.
    ///
    /// # Errors
    /// It is not, or the lease is not held, or somebody refuses or cannot be reached.
    pub async fn perform(self, action: &Action) -> Result<(), Error> {
        match action {
            Action::RecordClusterId
            | Action::RecordAdoption { .. }
            | Action::RecordFirst { .. }
            | Action::RecordBootstrapped
            | Action::RecordAvailable => Ok(()),
            Action::Bootstrap { cluster_id, node, disk } => self.bootstrap(cluster_id, *node, disk).await,
            Action::Reserve { planned_on, abandon } => self.reserve(*planned_on, *abandon).await,
            Action::AddLearner { planned_on, node, disk, boot } => {
                self.add_learner(*planned_on, *node, disk, *boot).await
            }
            Action::ChangeMembers { planned_on, changes } => self.change_members(*planned_on, changes).await,
            Action::Transfer { to } => self.transfer(*to).await,
            Action::CreateClaim { node } => self.create_claim(*node).await,
            Action::CreateSet { node } => self.create_set(*node).await,
            Action::MarkRemoved { node, uid } => self.mark_removed(*node, uid).await,
            Action::ScaleSet { node, uid, replicas } => self.scale_set(*node, uid, *replicas).await,
            Action::UpdateSet { node, uid } => self.update_set(*node, uid).await,
            Action::DeletePod { node, uid } => self.delete_pod(*node, uid).await,
            Action::DeleteSet { node, uid } => self.delete_set(*node, uid).await,
            Action::DeleteClaim { node, uid } => self.delete_claim(*node, uid).await,
        }
    }
}
