//! Fetching a replica into the processor's cache ahead of its use.

use std::hint::black_box;

use crate::raft::{Raft, Role};

impl Raft {
    /// Reads what the next heartbeat or tick will use, and does nothing with it. With ten thousand idle groups
    /// no replica is in the processor's cache when its heartbeat comes, and most of what the heartbeat costs is
    /// waiting for memory, one piece after the other. A caller that has a batch of messages or ticks calls this
    /// for some ten replicas before it goes through them, so that their waits overlap.
    pub fn warm(&self) {
        let mut read = self.me.range.0 ^ self.me.replica.0 ^ self.now.as_nanos() ^ self.applied.0;
        read ^= self.confirmed_reads.len() as u64
            ^ self.hard_state.term.0
            ^ u64::from(self.hard_state.promise.subsec_nanos());
        read ^= self.log.warm() ^ self.durability.warm() ^ self.promises.warm();
        match &self.role {
            Role::Follower(follower) => {
                if let Some(leader) = follower.leader {
                    read ^= leader.replica.0 ^ self.peers.warm(leader.target.node);
                }
            }
            Role::Leader(leader) => {
                read ^= leader.warm();
                for progress in &leader.progress {
                    read ^= progress.warm() ^ self.peers.warm(progress.node);
                }
            }
            Role::PreCandidate(_) | Role::Candidate(_) | Role::LostDisk => {}
        }
        black_box(read);
    }
}
