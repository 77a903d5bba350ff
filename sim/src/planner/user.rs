//! What the user wants, and what happens to objects, volumes and operators.

use planner::{NodeId, Retention};

use super::coverage::Mark;
use super::event::Event;
use super::operator::Operator;
use super::world::World;
use crate::fault::KubeFault;
use crate::world::Violation;

/// So many election timeouts after a disk is gone all peers have noticed, and every plan that was made before is
/// carried out or dropped: nobody makes the group smaller, not knowing.
const DOUBT: u64 = 8;

impl World {
    /// A fault of the schedule that is not for the nodes.
    pub(super) fn strike(&mut self, fault: KubeFault, pick: u32) -> Result<(), Violation> {
        let pick = pick as usize >> 8;
        let spec = self.cluster().spec;
        let mark = match fault {
            KubeFault::Scale { replicas } => {
                self.edit_spec(|spec| spec.replicas = replicas);
                Some(Mark::Scaled)
            }
            KubeFault::Pause { paused } if paused == spec.paused => None,
            KubeFault::Pause { paused } => {
                self.edit_spec(|spec| spec.paused = paused);
                paused.then_some(Mark::Paused)
            }
            KubeFault::Template { bad_for } => {
                self.new_template(bad_for.is_some());
                if let Some(length) = bad_for {
                    self.later(length, 1, Event::Correct);
                }
                Some(if bad_for.is_some() { Mark::BadTemplate } else { Mark::Rolled })
            }
            KubeFault::Retention => {
                let other = match spec.retention {
                    Retention::Retain => Retention::Delete,
                    Retention::Delete => Retention::Retain,
                };
                self.edit_spec(|spec| spec.retention = other);
                Some(Mark::Policy)
            }
            KubeFault::ReplaceAfter { millis } => {
                self.edit_spec(|spec| spec.replace_after_millis = millis);
                Some(Mark::Policy)
            }
            KubeFault::Outage { length } => {
                self.away_until = self.now() + length;
                Some(Mark::Outage)
            }
            KubeFault::KillOperator => self.acting().map(|operator| {
                self.crash(operator);
                Mark::OperatorKilled
            }),
            KubeFault::StopOperator { length } => self.acting().map(|operator| {
                self.operators[operator].stops(self.nodes.now + length);
                Mark::OperatorStopped
            }),
            KubeFault::Replace
            | KubeFault::DeletePod
            | KubeFault::DeleteSet
            | KubeFault::DeleteClaim
            | KubeFault::WipeVolume
            | KubeFault::LoseMachine => {
                let pods = self.pods.list();
                let node = pods.keys().nth(pick % pods.len().max(1)).copied();
                match node {
                    Some(node) => self.strike_member(fault, node)?,
                    None => None,
                }
            }
        };
        if let Some(mark) = mark {
            self.hit(mark);
            self.nodes.injected += 1;
        }
        self.note([5, pick as u64, u64::from(mark.is_some())], || format!("{fault:?}: {mark:?}"));
        Ok(())
    }

    fn strike_member(&mut self, fault: KubeFault, node: NodeId) -> Result<Option<Mark>, Violation> {
        match fault {
            KubeFault::Replace => {
                return Ok(self.sets.edit(node, |set| set.replace = true).then_some(Mark::Replace));
            }
            KubeFault::DeletePod => {
                self.pods.edit(node, |pod| pod.deleting = true);
                self.reconcile_soon(node);
                return Ok(Some(Mark::PodDeleted));
            }
            KubeFault::DeleteSet => {
                self.sets.delete(node);
                self.reconcile_soon(node);
                return Ok(Some(Mark::SetDeleted));
            }
            _ => {}
        }
        let Some(host) = self.volumes.get(&node).copied().filter(|host| self.may_destroy(*host)) else {
            return Ok(None);
        };
        self.doubt();
        if fault == KubeFault::WipeVolume {
            self.nodes.replace_disk(host)?;
            self.nodes.boot(host)?;
            return Ok(Some(Mark::VolumeWiped));
        }
        self.destroy(node)?;
        self.pods.delete(node);
        self.reconcile_soon(node);
        if fault == KubeFault::LoseMachine {
            self.claims.edit(node, |claim| claim.is_on_lost_machine = true);
            return Ok(Some(Mark::MachineLost));
        }
        self.claims.delete(node);
        Ok(Some(Mark::ClaimDeleted))
    }

    /// Whether a disk may go now: a minority, and none that is all there is.
    fn may_destroy(&self, host: usize) -> bool {
        let began = self.cluster().status.recorded.bootstrapped;
        began && self.nodes.watch.is_none() && self.nodes.leader().is_some() && self.nodes.may_destroy(host)
    }

    /// A disk has gone, or is about to.
    pub(super) fn doubt(&mut self) {
        self.in_doubt_until = self.now() + self.election() * DOUBT;
    }

    fn acting(&self) -> Option<usize> {
        self.operators.iter().position(Operator::leads)
    }
}
