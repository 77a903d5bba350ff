//! Who is a member, and the changes of one server at a time (dissertation §4.1).

use std::collections::BTreeMap;

use crate::error::ChangeError;
use crate::identity::DiskId;
use crate::types::{MAX_NUMBER, NodeId, ReplicaId};

/// The most members that a configuration may have, learners included.
pub const MAX_MEMBERS: usize = 64;

/// Counts in quorums, or only receives the log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum MemberRole {
    /// Counts.
    Voter,
    /// Does not (§4.2.1).
    Learner,
}

/// A member of the group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Member {
    /// Its replica of this range.
    pub replica: ReplicaId,
    /// Its only disk.
    pub disk: DiskId,
    /// The boot counter that it had when it was added: a lower one is a disk rolled back.
    pub boot: u64,
    /// Whether it counts.
    pub role: MemberRole,
}

/// The members of a group, and the counters from which ids are minted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Configuration {
    /// By node.
    pub members: BTreeMap<NodeId, Member>,
    /// The next node id to reserve.
    pub next_node: NodeId,
    /// The next replica id to give out.
    pub next_replica: ReplicaId,
    /// The one id that is reserved and not yet added.
    pub reserved: Option<NodeId>,
}

impl Default for Configuration {
    fn default() -> Self {
        Self { members: BTreeMap::new(), next_node: NodeId(1), next_replica: ReplicaId(1), reserved: None }
    }
}

/// A change of one server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// Mint a node id, or say again the one that is reserved; `abandon` names a reservation to give up.
    Reserve {
        /// Never to be added.
        abandon: Option<NodeId>,
    },
    /// Add the reserved node as a learner.
    AddLearner {
        /// The reserved id.
        node: NodeId,
        /// The disk that it reported.
        disk: DiskId,
        /// The boot counter that it reported.
        boot: u64,
    },
    /// Make a learner a voter.
    Promote {
        /// The learner.
        node: NodeId,
    },
    /// Make a voter a learner.
    Demote {
        /// The voter.
        node: NodeId,
    },
    /// Remove a member.
    Remove {
        /// The member.
        node: NodeId,
    },
}

impl Configuration {
    /// The first configuration of a group: these voters, with replica ids in their order.
    #[must_use]
    pub fn bootstrap(voters: impl IntoIterator<Item = (NodeId, DiskId)>) -> Self {
        let mut first = Self::default();
        for (node, disk) in voters {
            let member = Member { replica: first.next_replica, disk, boot: 0, role: MemberRole::Voter };
            first.next_replica = ReplicaId(first.next_replica.0 + 1);
            first.next_node = first.next_node.max(NodeId(node.0 + 1));
            first.members.insert(node, member);
        }
        first
    }

    /// Whether `node` counts in quorums.
    #[must_use]
    pub fn is_voter(&self, node: NodeId) -> bool {
        self.members.get(&node).is_some_and(|m| m.role == MemberRole::Voter)
    }

    /// The voters, in order of their ids.
    pub fn voters(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.members.iter().filter(|(_, m)| m.role == MemberRole::Voter).map(|(id, _)| *id)
    }

    /// Whether a remote configuration keeps the bounds that a leader keeps.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.next_node.0 < MAX_NUMBER
            && self.next_replica.0 < MAX_NUMBER
            && self.members.len() <= MAX_MEMBERS
            && self.voters().next().is_some()
            && self.members.keys().all(|id| *id < self.next_node)
            && self.members.values().all(|m| m.replica < self.next_replica)
            && self.reserved.is_none_or(|id| id < self.next_node && !self.members.contains_key(&id))
    }

    /// The configuration after `change`, or `None` where the result already holds.
    ///
    /// # Errors
    /// What is wrong with the change in itself; quorums and progress are the leader's to judge.
    pub fn after(&self, change: Change) -> Result<Option<Self>, ChangeError> {
        let mut next = self.clone();
        match change {
            Change::Reserve { abandon } => {
                if self.reserved.is_some() && self.reserved != abandon {
                    return Ok(None);
                }
                next.reserved = Some(self.next_node);
                next.next_node = NodeId(self.next_node.0 + 1);
            }
            Change::AddLearner { node, disk, boot } => {
                if let Some(member) = self.members.get(&node) {
                    return if member.disk == disk { Ok(None) } else { Err(ChangeError::OtherDisk { node }) };
                }
                if self.reserved != Some(node) {
                    return Err(ChangeError::NotReserved { node, reserved: self.reserved });
                }
                if let Some((other, _)) = self.members.iter().find(|(_, member)| member.disk == disk) {
                    return Err(ChangeError::DiskInUse { node: *other });
                }
                if self.members.len() >= MAX_MEMBERS {
                    return Err(ChangeError::TooManyMembers { limit: MAX_MEMBERS });
                }
                let role = MemberRole::Learner;
                next.members.insert(node, Member { replica: self.next_replica, disk, boot, role });
                next.next_replica = ReplicaId(self.next_replica.0 + 1);
                next.reserved = None;
            }
            Change::Promote { node } => return self.with_role(next, node, MemberRole::Voter),
            Change::Demote { node } => return self.with_role(next, node, MemberRole::Learner),
            Change::Remove { node } => {
                if next.members.remove(&node).is_none() {
                    return Ok(None);
                }
                if self.is_voter(node) && next.voters().next().is_none() {
                    return Err(ChangeError::LastVoter { node });
                }
            }
        }
        Ok(Some(next))
    }

    fn with_role(&self, mut next: Self, node: NodeId, role: MemberRole) -> Result<Option<Self>, ChangeError> {
        let member = next.members.get_mut(&node).ok_or(ChangeError::NotMember { node })?;
        if member.role == role {
            return Ok(None);
        }
        member.role = role;
        if next.voters().next().is_none() {
            return Err(ChangeError::LastVoter { node });
        }
        Ok(Some(next))
    }
}
