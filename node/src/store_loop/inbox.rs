//! What waits for the store loop, in three lanes: peers and administration, which are never refused but may have to
//! wait; clients, who are refused at the door; and snapshots.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use raft::{Header, NodeId};
use store::replica::Request;
use store::request::RequestError;
use store::snapshot::ChunkRequest;
use store::store::{AdminReply, AdminRequest, BatchSeq, NodeEnvelope, NodeStatus, StoreCall};
use tokio::sync::{Notify, oneshot};

use super::asker::{Mailbox, Then};
use super::clock;
use super::counters::Counters;
use super::door::{Door, WriteAnswers};
use super::queue::lock;
use super::size;
use crate::handle::AdminCallError;

/// The bounds of the lanes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InboxLimits {
    /// Requests of clients that wait.
    pub foreground_requests: usize,
    /// Their bytes.
    pub foreground_bytes: usize,
    /// Bytes of envelopes that wait; one fits always.
    pub system_bytes: usize,
    /// A write is refused that would wait longer for its answer.
    pub write_wait: Duration,
}

impl Default for InboxLimits {
    fn default() -> Self {
        let write_wait = Duration::from_millis(500);
        Self { foreground_requests: 16_384, foreground_bytes: 32 << 20, system_bytes: 32 << 20, write_wait }
    }
}

/// When a client that was refused may try again.
const BUSY_MILLIS: u64 = 50;

/// For the system lane.
pub(crate) enum Input {
    Envelope(NodeEnvelope),
    Connected(Header),
    Admin(AdminRequest, oneshot::Sender<Result<AdminReply, AdminCallError>>),
    Status(oneshot::Sender<NodeStatus>),
    /// A runtime begins to ask; its number is its place among these.
    Asker(Arc<Mailbox>),
    FreeBytes(u64),
    Flushed,
}

/// For the elastic lane.
pub(super) enum Errand {
    /// The carrier wants something of the store.
    Call(StoreCall),
    /// The carrier wants a piece of a snapshot of a peer.
    Fetch(NodeId, ChunkRequest),
}

/// For the foreground lane.
pub(super) struct Question {
    /// The number of its runtime.
    pub(super) asker: usize,
    pub(super) request: Request,
    /// Of the request.
    pub(super) bytes: usize,
    /// When it was asked, by the monotonic clock; for writes only.
    pub(super) asked: Option<Duration>,
    pub(super) then: Then,
}

/// What the loop takes at once.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) system: Vec<Input>,
    /// Those that were not looked at stay for the next turn.
    pub(super) foreground: VecDeque<Question>,
    pub(super) elastic: Vec<Errand>,
    /// The log batches up to this one are durable.
    pub(super) persisted: Option<BatchSeq>,
    /// Requests, and their bytes, that were looked at since the last time.
    pub(super) done: Load,
    /// Writes that were answered since the last time.
    pub(super) answered: WriteAnswers,
}

impl Taken {
    pub(super) fn is_empty(&self) -> bool {
        let Self { system, foreground, elastic, persisted, .. } = self;
        system.is_empty() && foreground.is_empty() && elastic.is_empty() && persisted.is_none()
    }
}

/// How much there is of something.
#[derive(Clone, Copy, Default)]
pub(super) struct Load {
    pub(super) count: usize,
    pub(super) bytes: usize,
}

struct Lanes {
    system: Vec<Input>,
    system_bytes: usize,
    /// Somebody waits for room in it.
    crowded: bool,
    foreground: VecDeque<Question>,
    /// With those that the loop has taken and not looked at.
    foreground_load: Load,
    door: Door,
    /// Few: a carrier has a bounded number of requests under way.
    elastic: Vec<Errand>,
    persisted: Option<BatchSeq>,
    askers: usize,
    closed: bool,
    /// The loop sleeps, and nobody has woken it yet.
    sleeps: bool,
}

/// To the store loop.
pub(crate) struct Inbox {
    lanes: Mutex<Lanes>,
    filled: Condvar,
    room: Notify,
    limits: InboxLimits,
    counters: Arc<Counters>,
}

/// What became of an input.
enum Pushed {
    In,
    /// Here it is again: there is no room.
    Full(Input),
    Closed,
}

impl Inbox {
    pub(super) fn new(limits: InboxLimits, counters: Arc<Counters>) -> Self {
        let lanes = Mutex::new(Lanes::new(limits.write_wait));
        let (filled, room) = (Condvar::new(), Notify::new());
        Self { lanes, filled, room, limits, counters }
    }

    /// Puts an input into the system lane; waits while that holds too much. False: the loop has ended.
    pub(crate) async fn send(&self, mut input: Input) -> bool {
        let bytes = size::of_input(&input);
        loop {
            let room = self.room.notified();
            tokio::pin!(room);
            // From here on no notice is missed.
            room.as_mut().enable();
            match self.try_send(input, bytes, self.limits.system_bytes) {
                Pushed::In => return true,
                Pushed::Closed => return false,
                Pushed::Full(again) => input = again,
            }
            room.await;
        }
    }

    /// The same for what is small and seldom, at once.
    pub(crate) fn send_now(&self, input: Input) -> bool {
        matches!(self.try_send(input, 0, usize::MAX), Pushed::In)
    }

    fn try_send(&self, input: Input, bytes: usize, most: usize) -> Pushed {
        let mut lanes = lock(&self.lanes);
        if lanes.closed {
            return Pushed::Closed;
        }
        if lanes.system_bytes > 0 && lanes.system_bytes.saturating_add(bytes) > most {
            lanes.crowded = true;
            return Pushed::Full(input);
        }
        lanes.system.push(input);
        lanes.system_bytes += bytes;
        self.wake(lanes);
        Pushed::In
    }

    /// A runtime begins to ask. Its number.
    pub(crate) fn add_asker(&self, mailbox: &Arc<Mailbox>) -> usize {
        let mut lanes = lock(&self.lanes);
        let number = lanes.askers;
        if lanes.closed {
            mailbox.close();
            return number;
        }
        lanes.askers += 1;
        lanes.system.push(Input::Asker(Arc::clone(mailbox)));
        self.wake(lanes);
        number
    }

    /// Puts a request into the foreground lane; or says why not, and to whom to say it.
    pub(super) fn ask(&self, question: Question) -> Result<(), (Then, RequestError)> {
        let mut lanes = lock(&self.lanes);
        if lanes.closed {
            return Err((question.then, RequestError::NoLeader));
        }
        let Load { count, bytes } = lanes.foreground_load;
        let fits = bytes == 0 || bytes.saturating_add(question.bytes) <= self.limits.foreground_bytes;
        if count >= self.limits.foreground_requests || !fits {
            drop(lanes);
            self.counters.refused_requests.add(1);
            let busy = RequestError::Busy { what: "too many requests wait", delay_millis: BUSY_MILLIS };
            return Err((question.then, busy));
        }
        if question.asked.is_some()
            && let Err(delay) = lanes.door.enter()
        {
            drop(lanes);
            self.counters.refused_requests.add(1);
            let delay_millis = u64::try_from(delay.as_millis()).unwrap_or(BUSY_MILLIS);
            let busy =
                RequestError::Busy { what: "more writes wait than are executed in time", delay_millis };
            return Err((question.then, busy));
        }
        lanes.foreground_load = Load { count: count + 1, bytes: bytes + question.bytes };
        lanes.foreground.push_back(question);
        self.wake(lanes);
        Ok(())
    }

    /// The log batches up to this one are durable.
    pub(super) fn persisted(&self, seq: BatchSeq) {
        let mut lanes = lock(&self.lanes);
        lanes.persisted = lanes.persisted.max(Some(seq));
        self.wake(lanes);
    }

    /// Puts what the carrier wants into the elastic lane.
    pub(super) fn run_errands(&self, errands: Vec<Errand>) {
        let mut lanes = lock(&self.lanes);
        lanes.elastic.extend(errands);
        self.wake(lanes);
    }

    /// Nothing more is taken, and the loop ends.
    pub(super) fn close(&self) {
        let mut lanes = lock(&self.lanes);
        lanes.closed = true;
        self.wake(lanes);
        self.room.notify_waiters();
    }

    fn wake(&self, mut lanes: MutexGuard<'_, Lanes>) {
        let wake = std::mem::take(&mut lanes.sleeps);
        drop(lanes);
        if wake {
            self.filled.notify_one();
        }
    }

    /// Moves what is there into `taken`, requests only if all earlier ones were looked at. If there is nothing, sleeps
    /// until there is, for `patience` at the most. False: the loop is to end.
    pub(super) fn take(&self, taken: &mut Taken, patience: Option<Duration>) -> bool {
        let mut lanes = lock(&self.lanes);
        let Load { count, bytes } = std::mem::take(&mut taken.done);
        lanes.foreground_load.count -= count;
        lanes.foreground_load.bytes -= bytes;
        let answered = std::mem::take(&mut taken.answered);
        if answered.count > 0 {
            lanes.door.answered(answered, clock::monotonic());
        }
        if let Some(patience) = patience
            && taken.foreground.is_empty()
            && lanes.is_empty()
        {
            lanes.sleeps = true;
            // Woken for nothing, the loop looks and sleeps again.
            (lanes, _) = self.filled.wait_timeout(lanes, patience).unwrap_or_else(PoisonError::into_inner);
            lanes.sleeps = false;
        }
        self.count(&lanes);
        std::mem::swap(&mut lanes.system, &mut taken.system);
        lanes.system_bytes = 0;
        let crowded = std::mem::take(&mut lanes.crowded);
        if taken.foreground.is_empty() {
            std::mem::swap(&mut lanes.foreground, &mut taken.foreground);
        }
        std::mem::swap(&mut lanes.elastic, &mut taken.elastic);
        taken.persisted = lanes.persisted.take();
        let open = !lanes.closed;
        drop(lanes);
        if crowded {
            self.room.notify_waiters();
        }
        open
    }

    fn count(&self, lanes: &Lanes) {
        self.counters.system_depth.set(lanes.system.len());
        self.counters.system_bytes.set(lanes.system_bytes);
        self.counters.foreground_depth.set(lanes.foreground_load.count);
        self.counters.foreground_bytes.set(lanes.foreground_load.bytes);
        self.counters.writes_under_way.set(lanes.door.under_way());
        self.counters.writes_limit.set(lanes.door.limit());
    }
}

impl Lanes {
    fn new(write_wait: Duration) -> Self {
        Self {
            system: Vec::new(),
            system_bytes: 0,
            crowded: false,
            foreground: VecDeque::new(),
            foreground_load: Load::default(),
            door: Door::new(write_wait),
            elastic: Vec::new(),
            persisted: None,
            askers: 0,
            closed: false,
            sleeps: false,
        }
    }

    fn is_empty(&self) -> bool {
        self.system.is_empty()
            && self.foreground.is_empty()
            && self.elastic.is_empty()
            && self.persisted.is_none()
            && !self.closed
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use raft::{Boot, DiskId, Envelope};
    use store::effects::ClusterVersion;
    use store::log_store::DiskIdentity;
    use tokio::sync::watch;

    use super::*;
    use crate::handle::Handle;
    use crate::store_loop::{Queue, SnapshotSummary, Summary};

    fn envelope() -> Input {
        let envelope = Envelope { header: Header::default(), messages: Vec::new() };
        let supported = ClusterVersion::FIRST;
        Input::Envelope(NodeEnvelope { envelope, clock_millis: 0, spare_bytes: 0, supported })
    }

    fn inbox(limits: InboxLimits) -> Inbox {
        Inbox::new(limits, Arc::default())
    }

    fn question(bytes: usize) -> Question {
        Question { asker: 0, request: Request::OpenSession, bytes, asked: None, then: Box::new(|_| ()) }
    }

    fn handle(inbox: &Arc<Inbox>) -> Handle {
        let identity = DiskIdentity { disk: DiskId(1), member: None };
        let summary = Summary::without_replica(identity, Boot::default());
        Handle {
            inbox: Arc::clone(inbox),
            summary: watch::channel(summary).1,
            counters: Arc::default(),
            upkeep: Arc::new(Queue::new()),
            snapshots: watch::channel(SnapshotSummary::default()).1,
            databases: Arc::new([]),
        }
    }

    /// What a future gives, if it is ready now.
    async fn ready(future: impl Future<Output = bool>) -> Option<bool> {
        tokio::select! {
            biased;
            done = future => Some(done),
            () = std::future::ready(()) => None,
        }
    }

    #[tokio::test]
    async fn peers_wait_for_room_and_get_in_when_the_loop_took_what_was_there() {
        let inbox = inbox(InboxLimits { system_bytes: 1, ..InboxLimits::default() });
        assert!(inbox.send(envelope()).await, "one fits always");
        let mut second = pin!(inbox.send(envelope()));
        assert_eq!(ready(second.as_mut()).await, None);
        let mut taken = Taken::default();
        assert!(inbox.take(&mut taken, None));
        assert_eq!(taken.system.len(), 1);
        assert!(second.await);
        let mut third = pin!(inbox.send(envelope()));
        assert_eq!(ready(third.as_mut()).await, None);
        inbox.close();
        assert!(!third.await, "who waits is told of the end");
    }

    #[tokio::test]
    async fn a_flood_of_greetings_waits_for_room_too() {
        let inbox = Arc::new(inbox(InboxLimits { system_bytes: 1_000, ..InboxLimits::default() }));
        let handle = handle(&inbox);
        let greet = async || {
            handle.connected(Header::default()).await;
            true
        };
        let mut let_in = 0;
        while ready(pin!(greet())).await.is_some() {
            let_in += 1;
            assert!(let_in <= 1_000, "they are bounded");
        }
        assert!(let_in > 0);
    }

    #[test]
    fn requests_that_the_loop_has_not_looked_at_count_at_the_door() {
        let inbox =
            inbox(InboxLimits { foreground_requests: 2, foreground_bytes: 10, ..InboxLimits::default() });
        assert!(inbox.ask(question(20)).is_ok(), "one fits always");
        assert!(inbox.ask(question(1)).is_err());
        let mut taken = Taken::default();
        inbox.take(&mut taken, None);
        assert!(inbox.ask(question(1)).is_err(), "taken, and not looked at");
        taken.foreground.clear();
        taken.done = Load { count: 1, bytes: 20 };
        inbox.take(&mut taken, None);
        assert!(inbox.ask(question(1)).is_ok());
        assert!(inbox.ask(question(1)).is_ok());
        assert!(inbox.ask(question(1)).is_err(), "as many as may be");
    }
}
