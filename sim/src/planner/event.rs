//! What happens next around the nodes.

use planner::{Action, NodeId, Template};
use store::store::AdminRequest;

use super::objects::{Claim, Status};

/// Something that is due outside the nodes.
#[derive(Clone, Debug)]
pub enum Event {
    /// Controllers and the kubelet look at the objects of a member.
    Reconcile(NodeId),
    /// Kubelets probe all pods.
    Probe,
    /// Operators look at the lease.
    Elect,
    /// An operator's process starts.
    Start(usize),
    /// An operator gets on; dies with its process.
    Step(Process, Step),
    /// A write arrives at the API server, whatever became of who sent it.
    Write(Process, u64, Write),
    /// A call arrives at a node, whatever became of who sent it.
    Call(Process, u64, Call),
    /// The user corrects a template.
    Correct,
}

/// A start of one of the operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// Which of them.
    pub operator: usize,
    /// Counts its starts.
    pub start: u64,
}

/// What an operator does next.
#[derive(Clone, Debug)]
pub enum Step {
    /// It begins a pass.
    Look,
    /// It asks the node in a pod.
    Ask(NodeId),
    /// It has heard enough.
    Plan,
    /// It reads the KvCluster again.
    ReadAgain,
    /// It reads again what it is about to change.
    Act(Action),
    /// It hears what became of its call of this number; of a write: the version.
    Told(u64, Result<u64, &'static str>),
    /// It waits no longer for that.
    GiveUp(u64),
}

/// Which version of an object: its incarnation, and its version.
pub type Seen = (u64, u64);

/// A write at the API server.
#[derive(Clone, Debug)]
pub enum Write {
    /// Of the status, over this version; none: over any.
    Status(Option<Seen>, Box<Status>),
    /// A new claim.
    CreateClaim(NodeId, Claim),
    /// A new StatefulSet, of one pod.
    CreateSet(NodeId, Template),
    /// A StatefulSet as it should be.
    ApplySet(NodeId, Seen, u32, Template),
    /// The mark of a removed member.
    MarkRemoved(NodeId, Seen),
    /// A pod is to end.
    DeletePod(NodeId, Seen),
    /// A StatefulSet goes, and its pod with it.
    DeleteSet(NodeId, Seen),
    /// A claim goes.
    DeleteClaim(NodeId, Seen),
}

/// A call to a node.
#[derive(Clone, Debug)]
pub struct Call {
    /// In the pod of this member,
    pub node: NodeId,
    /// in this incarnation.
    pub pod: u64,
    /// What is asked.
    pub request: AdminRequest,
}
