//! An action of a plan is performed: what it touches is read again, and changed only if it is what was planned on.

use planner::{Action, Change, NodeId, Position, Uid};
use raft::{LogIndex, LogPosition, Term};
use store::store::{AdminError, AdminReply, AdminRequest, FIRST_RANGE};

use super::canary::Bug;
use super::coverage::Mark;
use super::event::{Call, Event, Process, Seen, Write};
use super::objects::{Claim, Kind, Set};
use super::world::{CLUSTER, Pending, World};
use crate::world::Violation;

const OUTDATED: &str = "the object has changed";

fn same<T: Clone>(kind: &Kind<T>, node: NodeId, uid: &Uid) -> Option<Seen> {
    let stored = kind.get(node).filter(|stored| stored.uid.to_string() == uid.0);
    stored.map(|stored| (stored.uid, stored.version))
}

fn position(at: Position) -> LogPosition {
    LogPosition::new(LogIndex(at.index), Term(at.term))
}

fn id(node: NodeId) -> raft::NodeId {
    raft::NodeId(node.0)
}

fn disk(id: &planner::DiskId) -> raft::DiskId {
    raft::DiskId(u128::from_str_radix(&id.0, 16).unwrap_or_default())
}

impl World {
    /// It reads again what it is about to change, and asks for the change.
    pub(super) fn act(&mut self, at: usize, action: &Action) {
        self.coverage.hit(mark(action));
        if self.away_until > self.now() && !is_of_members(action) {
            return self.fail(at, "the API server is away");
        }
        if is_of_members(action) {
            return self.ask_for(at, action);
        }
        match self.write_of(at, action) {
            Some(write) => self.send(at, write),
            None if action.name().starts_with("record-") => self.end_pass(at),
            None => {
                self.hit(Mark::Outdated);
                self.fail(at, OUTDATED);
            }
        }
    }

    fn write_of(&self, at: usize, action: &Action) -> Option<Write> {
        let cluster = &self.operators[at].pass()?.cluster().object;
        let template = cluster.spec.template.clone();
        Some(match action {
            Action::CreateClaim { node } => {
                let claim = Claim {
                    cluster_id: cluster.status.recorded.cluster_id.clone(),
                    removed: false,
                    is_on_lost_machine: false,
                    given_up: false,
                };
                self.claims.get(*node).is_none().then_some(Write::CreateClaim(*node, claim))?
            }
            Action::CreateSet { node } => {
                self.sets.get(*node).is_none().then_some(Write::CreateSet(*node, template))?
            }
            Action::ScaleSet { node, uid, replicas } => {
                Write::ApplySet(*node, same(&self.sets, *node, uid)?, *replicas, template)
            }
            Action::UpdateSet { node, uid } => {
                let replicas = self.sets.get(*node)?.object.replicas;
                Write::ApplySet(*node, same(&self.sets, *node, uid)?, replicas, template)
            }
            Action::MarkRemoved { node, uid } => Write::MarkRemoved(*node, same(&self.claims, *node, uid)?),
            Action::DeletePod { node, uid } => Write::DeletePod(*node, same(&self.pods, *node, uid)?),
            Action::DeleteSet { node, uid } => Write::DeleteSet(*node, same(&self.sets, *node, uid)?),
            Action::DeleteClaim { node, uid } => Write::DeleteClaim(*node, same(&self.claims, *node, uid)?),
            _ => return None,
        })
    }

    /// A call to a node.
    fn ask_for(&mut self, at: usize, action: &Action) {
        let Some(pass) = self.operators[at].pass() else { return };
        let leader = pass.leader;
        let change = |planned_on: Position, changes| AdminRequest::Change {
            range: FIRST_RANGE,
            planned_on: position(planned_on),
            changes,
        };
        let (node, request) = match action {
            Action::Bootstrap { cluster_id, node, disk: first } => {
                let cluster = raft::ClusterId(u128::from_str_radix(&cluster_id.0, 16).unwrap_or_default());
                let request = AdminRequest::Bootstrap { cluster, voters: vec![(id(*node), disk(first))] };
                (Some(*node), request)
            }
            Action::Reserve { planned_on, abandon } => {
                let reserve = raft::Change::Reserve { abandon: abandon.map(id) };
                (leader, change(*planned_on, vec![reserve]))
            }
            Action::AddLearner { planned_on, node, disk: of, boot } => {
                let add = raft::Change::AddLearner { node: id(*node), disk: disk(of), boot: *boot };
                (leader, change(*planned_on, vec![add]))
            }
            Action::ChangeMembers { planned_on, changes } => {
                let removed = changes.iter().filter_map(|change| match change {
                    Change::Remove(node) => Some(*node),
                    Change::Promote(_) | Change::Demote(_) => None,
                });
                for node in removed {
                    // A volume that is missing in the list only is no reason to remove its member.
                    let listed = pass.claims.get(&node).map(|claim| claim.uid);
                    if self.away_until > self.now() || listed != self.claims.get(node).map(|claim| claim.uid)
                    {
                        return self.fail(at, OUTDATED);
                    }
                    if self.bug() == Some(Bug::StopsBeforeRemoval)
                        && let Some(set) = self.sets.get(node).filter(|set| set.object.replicas > 0)
                    {
                        let (seen, template) = ((set.uid, set.version), set.object.template.clone());
                        return self.send(at, Write::ApplySet(node, seen, 0, template));
                    }
                }
                (leader, change(*planned_on, changes.iter().map(|change| raft_change(*change)).collect()))
            }
            Action::Transfer { to } => (leader, AdminRequest::Transfer { range: FIRST_RANGE, to: id(*to) }),
            _ => return,
        };
        let pod = node.and_then(|node| pass.pods.get(&node)).map(|pod| pod.uid);
        match (node, pod) {
            (Some(node), Some(pod)) => {
                self.issue(at, |process, number| Event::Call(process, number, Call { node, pod, request }));
            }
            _ => self.fail(at, OUTDATED),
        }
    }

    /// A write arrives at the API server.
    pub(super) fn write(&mut self, process: Process, number: u64, write: Write) -> Result<(), Violation> {
        let now = self.now();
        if self.away_until > now || !self.heals() && self.rng.per_mille(self.draw.refused) {
            self.hit(Mark::CallRefused);
            self.tell(process, number, Err("refused"));
            return Ok(());
        }
        let done = self.take_effect(&write)?;
        self.note([14, process.operator as u64, u64::from(done)], || {
            format!("operator {} writes {write:?}: {done}", process.operator)
        });
        if !self.heals() && self.rng.per_mille(self.draw.unanswered) {
            self.hit(Mark::AnswerLost);
            self.tell(process, number, Err("no answer"));
            return Ok(());
        }
        self.coverage.hit_if(!done, Mark::Conflict);
        let version = self.clusters.list()[&CLUSTER].version;
        self.tell(process, number, if done { Ok(version) } else { Err("conflict") });
        Ok(())
    }

    /// True if it was done, and not refused.
    fn take_effect(&mut self, write: &Write) -> Result<bool, Violation> {
        let done = match write {
            Write::Status(over, status) => {
                let done = over.is_none_or(|over| self.clusters.is(CLUSTER, over));
                if done {
                    self.check_status(status)?;
                    self.clusters.edit(CLUSTER, |cluster| cluster.status = (**status).clone());
                }
                return Ok(done);
            }
            Write::CreateClaim(node, claim) => self.claims.create(*node, claim.clone()),
            Write::CreateSet(node, template) => {
                let set = Set { replicas: 1, template: template.clone(), replace: false };
                self.sets.create(*node, set)
            }
            Write::ApplySet(node, seen, replicas, template) => {
                let done = self.sets.is(*node, *seen);
                if done && *replicas == 0 {
                    self.check_teardown(*node, "its pod is stopped")?;
                }
                done && self.sets.edit(*node, |set| {
                    (set.replicas, set.template) = (*replicas, template.clone());
                })
            }
            Write::MarkRemoved(node, seen) => {
                let done = self.claims.is(*node, *seen);
                if done {
                    self.check_teardown(*node, "its volume is marked as removed")?;
                    if self.bug() != Some(Bug::ForgetsRemoved) {
                        self.claims.edit(*node, |claim| claim.removed = true);
                    }
                }
                done
            }
            Write::DeletePod(node, seen) => {
                let done = self.pods.is(*node, *seen);
                if done {
                    self.check_restart(*node)?;
                    self.pods.edit(*node, |pod| pod.deleting = true);
                }
                done
            }
            Write::DeleteSet(node, seen) => {
                let done = self.sets.is(*node, *seen);
                if done {
                    self.check_teardown(*node, "its StatefulSet is deleted")?;
                    self.sets.delete(*node);
                }
                done
            }
            Write::DeleteClaim(node, seen) => {
                let done = self.claims.is(*node, *seen);
                if done {
                    self.check_teardown(*node, "its volume is deleted")?;
                    self.stop(*node)?;
                    self.destroy(*node)?;
                    self.claims.delete(*node);
                }
                done
            }
        };
        self.check_rest(write)?;
        self.check_pause(write)?;
        let (Write::CreateClaim(node, _)
        | Write::CreateSet(node, _)
        | Write::ApplySet(node, ..)
        | Write::MarkRemoved(node, _)
        | Write::DeletePod(node, _)
        | Write::DeleteSet(node, _)
        | Write::DeleteClaim(node, _)) = write
        else {
            return Ok(done);
        };
        self.reconcile_soon(*node);
        Ok(done)
    }

    /// A call arrives at a node, if that still runs in that pod.
    pub(super) fn call(&mut self, process: Process, number: u64, call: Call) -> Result<(), Violation> {
        let pod = self.pods.get(call.node).map(|pod| pod.uid);
        let host = self.volumes.get(&call.node).copied().filter(|_| pod == Some(call.pod));
        if host.is_some_and(|host| self.nodes.hosts[host].paused) {
            let soon = self.election() / 4;
            self.later(soon, soon, Event::Call(process, number, call));
            return Ok(());
        }
        self.calls_under_way -= 1;
        let runs = host.filter(|host| self.nodes.hosts[*host].store.is_some());
        let Some(host) = runs.filter(|_| !self.is_in_doubt(&call.request)) else {
            self.tell(process, number, Err("cannot be reached"));
            return Ok(());
        };
        self.check_pause(&call)?;
        let pending = Pending { process, number, host: (host, self.nodes.hosts[host].process) };
        // The answer may come at once.
        self.calls.insert(self.nodes.tokens + 1, pending);
        self.nodes.admin(host, call.request).map(drop)
    }

    /// Nobody changes who counts, not knowing that a disk has just gone: that would be a second failure.
    fn is_in_doubt(&self, request: &AdminRequest) -> bool {
        let AdminRequest::Change { changes, .. } = request else { return false };
        let counts = |change: &raft::Change| {
            !matches!(change, raft::Change::Reserve { .. } | raft::Change::AddLearner { .. })
        };
        self.in_doubt_until > self.now() && changes.iter().any(counts)
    }

    /// A node answers a call.
    pub(super) fn answered(
        &mut self,
        token: u64,
        answer: Result<AdminReply, AdminError>,
    ) -> Result<(), Violation> {
        let Some(Pending { process, number, host }) = self.calls.remove(&token) else { return Ok(()) };
        let result = match answer {
            Ok(AdminReply::Changed(result)) if result.committed == 0 && result.error.is_some() => {
                Err("refused by the leader")
            }
            Ok(AdminReply::Bootstrapped) => {
                self.check_bootstrap(host.0)?;
                Ok(0)
            }
            Ok(_) => Ok(0),
            Err(_) => Err("refused by the node"),
        };
        self.coverage.hit_if(result.is_err(), Mark::ChangeRefused);
        if !self.heals() && self.rng.per_mille(self.draw.unanswered) {
            self.hit(Mark::AnswerLost);
            return Ok(());
        }
        self.tell(process, number, result);
        Ok(())
    }
}

fn is_of_members(action: &Action) -> bool {
    matches!(
        action,
        Action::Bootstrap { .. }
            | Action::Reserve { .. }
            | Action::AddLearner { .. }
            | Action::ChangeMembers { .. }
            | Action::Transfer { .. }
    )
}

fn raft_change(change: Change) -> raft::Change {
    match change {
        Change::Promote(node) => raft::Change::Promote { node: id(node) },
        Change::Demote(node) => raft::Change::Demote { node: id(node) },
        Change::Remove(node) => raft::Change::Remove { node: id(node) },
    }
}

fn mark(action: &Action) -> Mark {
    match action {
        Action::RecordClusterId | Action::RecordAdoption { .. } => Mark::RecordClusterId,
        Action::CreateClaim { .. } => Mark::CreateClaim,
        Action::CreateSet { .. } => Mark::CreateSet,
        Action::RecordFirst { .. } => Mark::RecordFirst,
        Action::Bootstrap { .. } => Mark::Bootstrap,
        Action::RecordBootstrapped => Mark::RecordBootstrapped,
        Action::RecordAvailable => Mark::RecordAvailable,
        Action::Reserve { .. } => Mark::Reserve,
        Action::AddLearner { .. } => Mark::AddLearner,
        Action::ChangeMembers { .. } => Mark::ChangeMembers,
        Action::Transfer { .. } => Mark::Transfer,
        Action::MarkRemoved { .. } => Mark::Marked,
        Action::ScaleSet { .. } => Mark::ScaleSet,
        Action::UpdateSet { .. } => Mark::UpdateSet,
        Action::DeletePod { .. } => Mark::DeletePod,
        Action::DeleteSet { .. } => Mark::DeleteSet,
        Action::DeleteClaim { .. } => Mark::DeleteClaim,
    }
}
