//! What the operator of KvCluster does next, as a pure function of what it observed.
//!
//! [`plan`] names at most one action. The operator performs it, observes again and plans again, so that a crash between
//! any two calls is harmless: the next plan starts from what is there. What to believe, in this order: the member list of
//! the leader, a live read of the API server, a cache, the status that the operator wrote itself.

mod action;
pub mod canary;
mod conditions;
mod grow;
mod ids;
mod members;
mod observed;
mod plan;
mod pods;
mod repair;
mod retire;
mod roll;
mod shrink;
mod start;

pub use action::{Action, Change};
pub use conditions::{Condition, Kind, Truth};
pub use ids::{ClusterId, DiskId, NodeId, Position, Template, Uid};
pub use members::{MOST_VOTERS, voters_of};
pub use observed::{
    Claim, LeaderView, MemberObjects, MemberView, Observed, Pod, Recorded, Remembered, Report, ReportedState,
    RetainedVolumes, Retention, Role, Set, Spec,
};
pub use plan::{Plan, plan};
