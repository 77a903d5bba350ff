//! What a replica has only while it leads, and goes with the leadership.

use raft::{Configuration, LogIndex, RoleKind, Term, Time};

use super::Replica;
use super::error::SHORT_MILLIS;
use super::host::{Gathered, Host};
use crate::canary::{Canary, planted};
use crate::range::Overlay;
use crate::request::RequestError;
use crate::timestamp::MedianClock;

/// One leadership.
#[derive(Debug)]
pub(super) struct Leadership {
    pub(super) term: Term,
    /// None before the first entry of the term is applied: nothing is evaluated before.
    pub(super) overlay: Option<Overlay>,
    pub(super) clock: MedianClock,
    /// When the clock was last set.
    clock_at: Option<Time>,
}

impl Replica {
    /// Takes notice of a change of role: a leadership begins or ends, and with it all that belongs to it.
    pub(super) fn follow_role<L, E>(&mut self, host: &Host<'_, L, E>, out: &mut Gathered) {
        if !std::mem::take(&mut self.role_may_differ) {
            return;
        }
        let status = self.raft.status(host.now.time);
        self.leader = status.leader;
        self.lost_disk = status.role == RoleKind::LostDisk;
        self.configuration = status.configuration;
        let leads = (status.role == RoleKind::Leader).then_some(status.term);
        if self.leadership.as_ref().map(|leadership| leadership.term) == leads {
            return;
        }
        if leads.is_none() && planted(Canary::OverlaySurvives) {
            return;
        }
        let before = self.leadership.take();
        if before.is_some() {
            self.awaited.lost(host.now.time);
            self.abandon_reads(out);
            self.transfers.lost();
        }
        self.leadership = leads.map(|term| Leadership {
            term,
            overlay: match before.and_then(|before| before.overlay) {
                Some(overlay) if planted(Canary::OverlaySurvives) => Some(overlay.survive(term)),
                _ => Overlay::begin(term, &self.state),
            },
            clock: MedianClock::default(),
            clock_at: None,
        });
    }

    /// Entries up to `index` are applied.
    pub(super) fn overlay_applied(&mut self, index: LogIndex) {
        let Some(leadership) = &mut self.leadership else { return };
        match &mut leadership.overlay {
            Some(overlay) => overlay.applied(index),
            None => leadership.overlay = Overlay::begin(leadership.term, &self.state),
        }
    }

    /// Why this replica cannot evaluate requests.
    pub(super) fn not_ready(&self) -> RequestError {
        let leader = self.leader;
        if self.leadership.is_some() {
            let what = "this new leader still applies the log of the one before";
            RequestError::Busy { what, delay_millis: SHORT_MILLIS }
        } else if leader.is_none() && !self.lost_disk {
            RequestError::NoLeader
        } else {
            RequestError::NotLeader { leader }
        }
    }
}

/// What a leader evaluates with, its clock set; none if it cannot yet, or does not lead.
pub(super) fn ready<'a, L, E>(
    leadership: Option<&'a mut Leadership>,
    host: &Host<'_, L, E>,
    configuration: &Configuration,
) -> Option<(&'a Overlay, &'a mut MedianClock)> {
    let Leadership { overlay, clock, clock_at, .. } = leadership?;
    let overlay = overlay.as_ref()?;
    if *clock_at != Some(host.now.time) {
        *clock_at = Some(host.now.time);
        let clocks = host.peers.clocks(host.now, configuration);
        let mut millis: Vec<_> = clocks.into_iter().map(|(_, millis)| millis).collect();
        clock.observe(&mut millis);
    }
    Some((overlay, clock))
}
