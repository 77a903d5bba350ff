//! Messages: a head byte that names the kind, addresses, and the body.

use bytes::Bytes;

use super::error::DecodeError;
use super::reader::Reader;
use super::writer::Writer;
use crate::identity::Boot;
use crate::message::{
    Append, AppendAck, AppendReject, Body, BootStart, Commit, Heartbeat, HeartbeatAck, LostDisk, Message,
    ReadReply, ReadRequest, SnapshotOffer, SnapshotReply, TimeoutNow, VoteReply, VoteRequest,
};
use crate::types::{CampaignId, RangeId, ReadId, Round, SnapshotId};

/// In the kind: the message answers a boot.
const REPLY: u8 = 0x10;
/// In the head: the body's only flag, or its only optional part.
const FLAG: u8 = 0x20;
/// In the head of a reply: it answers the same boot as the reply before it in the envelope.
const SAME_BOOT: u8 = 0x40;
/// In the head of a heartbeat: the receiver is behind.
const BEHIND: u8 = SAME_BOOT;

/// Head, range, both replicas and term.
pub(super) const LEAST_MESSAGE: usize = 5;

/// The numbers are the format: never change one.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    PreVote = 0x01,
    Vote = 0x02,
    Append = 0x03,
    Heartbeat = 0x04,
    Commit = 0x05,
    TimeoutNow = 0x06,
    SnapshotOffer = 0x07,
    ReadRequest = 0x08,
    LostDisk = 0x09,
    PreVoteReply = REPLY | 0x01,
    VoteReply = REPLY | 0x02,
    AppendAck = REPLY | 0x03,
    HeartbeatAck = REPLY | 0x04,
    AppendReject = REPLY | 0x05,
    SnapshotReply = REPLY | 0x07,
    ReadReply = REPLY | 0x08,
}

impl Kind {
    /// The kind and the flag of a body.
    #[inline]
    fn of(body: &Body) -> (Kind, bool) {
        match body {
            Body::PreVote(request) => (Kind::PreVote, request.forced),
            Body::PreVoteReply(reply) => (Kind::PreVoteReply, reply.granted),
            Body::Vote(request) => (Kind::Vote, request.forced),
            Body::VoteReply(reply) => (Kind::VoteReply, reply.granted),
            Body::Append(_) => (Kind::Append, false),
            Body::AppendAck(_) => (Kind::AppendAck, false),
            Body::AppendReject(_) => (Kind::AppendReject, false),
            Body::Heartbeat(heartbeat) => (Kind::Heartbeat, heartbeat.ask_start),
            Body::HeartbeatAck(ack) => (Kind::HeartbeatAck, ack.start.is_some()),
            Body::Commit(_) => (Kind::Commit, false),
            Body::TimeoutNow(_) => (Kind::TimeoutNow, false),
            Body::SnapshotOffer(_) => (Kind::SnapshotOffer, false),
            Body::SnapshotReply(reply) => (Kind::SnapshotReply, reply.installed),
            Body::ReadRequest(_) => (Kind::ReadRequest, false),
            Body::ReadReply(reply) => (Kind::ReadReply, reply.index.is_some()),
            Body::LostDisk(_) => (Kind::LostDisk, false),
        }
    }

    /// The kind that `head` names, if its other bits are possible with it.
    #[inline]
    fn of_head(head: u8) -> Option<Kind> {
        let kind = match head & !(FLAG | SAME_BOOT) {
            0x01 => Kind::PreVote,
            0x02 => Kind::Vote,
            0x03 => Kind::Append,
            0x04 => Kind::Heartbeat,
            0x05 => Kind::Commit,
            0x06 => Kind::TimeoutNow,
            0x07 => Kind::SnapshotOffer,
            0x08 => Kind::ReadRequest,
            0x09 => Kind::LostDisk,
            0x11 => Kind::PreVoteReply,
            0x12 => Kind::VoteReply,
            0x13 => Kind::AppendAck,
            0x14 => Kind::HeartbeatAck,
            0x15 => Kind::AppendReject,
            0x17 => Kind::SnapshotReply,
            0x18 => Kind::ReadReply,
            _ => return None,
        };
        let flag_fits = head & FLAG == 0 || kind.has_flag();
        let boot_fits = head & SAME_BOOT == 0 || kind.is_reply() || kind == Kind::Heartbeat;
        (flag_fits && boot_fits).then_some(kind)
    }

    fn is_reply(self) -> bool {
        self as u8 & REPLY != 0
    }

    fn has_flag(self) -> bool {
        match self {
            Kind::PreVote
            | Kind::PreVoteReply
            | Kind::Vote
            | Kind::VoteReply
            | Kind::Heartbeat
            | Kind::HeartbeatAck
            | Kind::SnapshotReply
            | Kind::ReadReply => true,
            Kind::Append
            | Kind::AppendAck
            | Kind::AppendReject
            | Kind::Commit
            | Kind::TimeoutNow
            | Kind::SnapshotOffer
            | Kind::ReadRequest
            | Kind::LostDisk => false,
        }
    }
}

impl Writer<'_> {
    #[inline]
    pub(super) fn message(&mut self, message: &Message) {
        let (kind, flag) = Kind::of(&message.body);
        let to_boot = message.body.to_boot();
        let same_boot = to_boot == Some(self.last_boot);
        let flag_bit = if flag { FLAG } else { 0 };
        let boot_bit = if same_boot { SAME_BOOT } else { 0 };
        let behind = matches!(&message.body, Body::Heartbeat(heartbeat) if heartbeat.behind);
        let behind_bit = if behind { BEHIND } else { 0 };
        self.byte(kind as u8 | flag_bit | boot_bit | behind_bit);
        self.number(message.range.0);
        self.number(message.from.0);
        self.number(message.to.0);
        self.number(message.term.0);
        if let Some(boot) = to_boot.filter(|_| !same_boot) {
            self.boot(boot);
            self.last_boot = boot;
        }
        self.body(&message.body);
    }

    #[inline]
    fn body(&mut self, body: &Body) {
        match body {
            Body::PreVote(request) | Body::Vote(request) => {
                self.number(request.campaign.0);
                self.position(request.last);
            }
            Body::PreVoteReply(reply) | Body::VoteReply(reply) => self.number(reply.campaign.0),
            Body::Append(append) => {
                self.position(append.prev);
                self.number(append.commit.0);
                self.entries(append.prev, &append.entries);
            }
            Body::AppendAck(ack) => self.number(ack.matched.0),
            Body::AppendReject(reject) => {
                self.number(reject.rejected.0);
                self.position(reject.hint);
            }
            Body::Heartbeat(heartbeat) => {
                self.number(heartbeat.round.0);
                self.number(heartbeat.commit.0);
                self.duration(heartbeat.promise);
            }
            Body::HeartbeatAck(ack) => {
                self.number(ack.round.0);
                self.duration(ack.promised);
                if let Some(start) = ack.start {
                    self.number(start.term.0);
                    self.position(start.last);
                }
            }
            Body::Commit(commit) => self.number(commit.commit.0),
            Body::TimeoutNow(TimeoutNow) => {}
            Body::SnapshotOffer(offer) => {
                self.number(offer.id.0);
                self.snapshot_meta(&offer.meta);
            }
            Body::SnapshotReply(reply) => {
                self.number(reply.id.0);
                self.number(reply.index.0);
            }
            Body::ReadRequest(request) => self.number(request.id.0),
            Body::ReadReply(reply) => {
                self.number(reply.id.0);
                if let Some(index) = reply.index {
                    self.number(index.0);
                }
            }
            Body::LostDisk(lost) => {
                self.disk(lost.disk);
                self.boot(lost.boot);
            }
        }
    }
}

impl Reader<'_> {
    #[inline]
    pub(super) fn message(&mut self, whole: &Bytes) -> Result<Message, DecodeError> {
        let head = self.byte()?;
        let kind = Kind::of_head(head).ok_or(DecodeError::UnknownKind { head })?;
        let range = RangeId(self.number()?);
        let (from, to, term) = (self.replica()?, self.replica()?, self.term()?);
        if kind.is_reply() && head & SAME_BOOT == 0 {
            let boot = self.boot()?;
            if boot == self.last_boot {
                return Err(DecodeError::NotCanonical { what: "the boot of the reply before, again" });
            }
            self.last_boot = boot;
        }
        let mut body = self.body(kind, head & FLAG != 0, self.last_boot, whole)?;
        if let Body::Heartbeat(heartbeat) = &mut body {
            heartbeat.behind = head & BEHIND != 0;
        }
        Ok(Message { range, from, to, term, body })
    }

    #[inline]
    fn body(&mut self, kind: Kind, flag: bool, to_boot: Boot, whole: &Bytes) -> Result<Body, DecodeError> {
        Ok(match kind {
            Kind::PreVote => Body::PreVote(self.vote_request(flag)?),
            Kind::PreVoteReply => Body::PreVoteReply(self.vote_reply(to_boot, flag)?),
            Kind::Vote => Body::Vote(self.vote_request(flag)?),
            Kind::VoteReply => Body::VoteReply(self.vote_reply(to_boot, flag)?),
            Kind::Append => {
                let (prev, commit) = (self.position()?, self.index()?);
                Body::Append(Append { prev, commit, entries: self.entries(prev, whole)? })
            }
            Kind::AppendAck => Body::AppendAck(AppendAck { to_boot, matched: self.index()? }),
            Kind::AppendReject => {
                let (rejected, hint) = (self.index()?, self.position()?);
                Body::AppendReject(AppendReject { to_boot, rejected, hint })
            }
            Kind::Heartbeat => {
                let (round, commit) = (Round(self.bounded()?), self.index()?);
                let promise = self.duration()?;
                Body::Heartbeat(Heartbeat { round, commit, promise, ask_start: flag, behind: false })
            }
            Kind::HeartbeatAck => {
                let (round, promised) = (Round(self.bounded()?), self.duration()?);
                let start = if flag { Some(self.boot_start()?) } else { None };
                Body::HeartbeatAck(HeartbeatAck { to_boot, round, promised, start })
            }
            Kind::Commit => Body::Commit(Commit { commit: self.index()? }),
            Kind::TimeoutNow => Body::TimeoutNow(TimeoutNow),
            Kind::SnapshotOffer => {
                let id = SnapshotId(self.number()?);
                Body::SnapshotOffer(SnapshotOffer { id, meta: self.snapshot_meta()? })
            }
            Kind::SnapshotReply => {
                let (id, index) = (SnapshotId(self.number()?), self.index()?);
                Body::SnapshotReply(SnapshotReply { to_boot, id, index, installed: flag })
            }
            Kind::ReadRequest => Body::ReadRequest(ReadRequest { id: ReadId(self.number()?) }),
            Kind::ReadReply => {
                let id = ReadId(self.number()?);
                let index = if flag { Some(self.index()?) } else { None };
                Body::ReadReply(ReadReply { to_boot, id, index })
            }
            Kind::LostDisk => Body::LostDisk(LostDisk { disk: self.disk()?, boot: self.boot()? }),
        })
    }

    fn vote_request(&mut self, forced: bool) -> Result<VoteRequest, DecodeError> {
        let campaign = CampaignId(self.number()?);
        Ok(VoteRequest { campaign, last: self.position()?, forced })
    }

    fn vote_reply(&mut self, to_boot: Boot, granted: bool) -> Result<VoteReply, DecodeError> {
        Ok(VoteReply { to_boot, campaign: CampaignId(self.number()?), granted })
    }

    fn boot_start(&mut self) -> Result<BootStart, DecodeError> {
        let term = self.term()?;
        Ok(BootStart { term, last: self.position()? })
    }
}
