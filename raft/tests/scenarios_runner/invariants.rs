//! Checked after every step of every node, whatever the scenario expects (figure 3 of the paper).

use std::collections::BTreeMap;

use raft::{Boot, Entry, LogIndex, NodeId, RoleKind, Status, Term};

use super::text;

/// What was seen so far.
#[derive(Default)]
pub(super) struct Invariants {
    leaders: BTreeMap<Term, (NodeId, Boot)>,
    applied: BTreeMap<LogIndex, Entry>,
    commits: BTreeMap<(NodeId, Boot), LogIndex>,
}

impl Invariants {
    /// Election safety, and a commit index that never goes back.
    pub(super) fn observe(&mut self, status: &Status, boot: Boot) -> Result<(), String> {
        let me = (status.node, boot);
        if status.role == RoleKind::Leader {
            let leader = *self.leaders.entry(status.term).or_insert(me);
            if leader != me {
                return Err(format!(
                    "term {} has two leaders: n{} and n{}",
                    status.term, leader.0, status.node
                ));
            }
        }
        let commit = self.commits.entry(me).or_default();
        if status.commit < *commit {
            return Err(format!(
                "the commit index of n{} went from {commit} back to {}",
                status.node, status.commit
            ));
        }
        *commit = status.commit;
        Ok(())
    }

    /// State machine safety.
    pub(super) fn applied(&mut self, node: NodeId, entry: &Entry) -> Result<(), String> {
        let first = self.applied.entry(entry.index).or_insert_with(|| entry.clone());
        if first == entry {
            return Ok(());
        }
        Err(format!("n{node} applies {} where {} was applied", text::entry(entry), text::entry(first)))
    }
}

/// At most one leader may serve reads by its lease.
pub(super) fn one_lease<'a>(all: impl Iterator<Item = &'a Status>) -> Result<(), String> {
    let holders: Vec<String> =
        all.filter(|status| status.lease).map(|status| format!("n{}", status.node)).collect();
    if holders.len() > 1 {
        return Err(format!("{} hold a lease at the same time", holders.join(" and ")));
    }
    Ok(())
}
