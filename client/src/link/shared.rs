//! What callers, the outgoing stream and the task of a link share: what waits to be sent, and what awaits its answer.

use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use prost::Message;
use proto::v1::batch_item::Request;
use proto::v1::{BatchItem, BatchRequest, BatchResponse, BatchResult, batch_result};
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio_stream::Stream;

use super::slab::Slab;
use crate::backoff::Backoff;
use crate::error::Error;
use crate::lock;
use crate::verdict::End;

/// What is queued goes out in messages of about this size: far below what the servers accept.
const MESSAGE_BYTES: usize = 1 << 20;

/// State of one link.
#[derive(Debug)]
pub(super) struct Shared {
    pub address: String,
    /// Permits for items under way.
    pub room: Semaphore,
    /// There is something to send, and no stream or no clock runs.
    pub demand: Notify,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    queue: Vec<BatchItem>,
    queued_bytes: usize,
    awaited: Slab<Awaited>,
    /// The outgoing stream, when it has nothing to send.
    stream: Option<Waker>,
    /// Counts the streams: an old one takes nothing.
    generation: u64,
    /// The task of the link waits for `demand`.
    parked: bool,
    /// How often connecting failed since it last worked, and until when nothing is sent because of that.
    failures: u32,
    down: Option<(Instant, Error)>,
}

#[derive(Debug)]
struct Awaited {
    answer: oneshot::Sender<End>,
    until: Instant,
}

impl Shared {
    pub(super) fn new(address: String, room: usize) -> Self {
        let state = State {
            queue: Vec::new(),
            queued_bytes: 0,
            awaited: Slab::new(),
            stream: None,
            generation: 0,
            parked: true,
            failures: 0,
            down: None,
        };
        Self { address, room: Semaphore::new(room), demand: Notify::new(), state: Mutex::new(state) }
    }

    /// Whether it is worth trying.
    pub(super) fn usable(&self, now: Instant) -> bool {
        lock(&self.state).down.as_ref().is_none_or(|(until, _)| *until <= now)
    }

    /// Queues a request, for which the caller holds a permit; the permit comes back with the end.
    pub(super) fn push(
        &self,
        request: Request,
        now: Instant,
        until: Instant,
    ) -> Result<oneshot::Receiver<End>, Error> {
        let millis = until.saturating_duration_since(now).as_millis();
        let deadline_millis = u32::try_from(millis).unwrap_or(u32::MAX).max(1);
        let mut item = BatchItem { id: 0, deadline_millis, request: Some(request) };
        let bytes = item.encoded_len();
        let (answer, receiver) = oneshot::channel();

        let mut state = lock(&self.state);
        if let Some((until, error)) = &state.down
            && now < *until
        {
            return Err(error.clone());
        }
        item.id = state.awaited.insert(Awaited { answer, until });
        state.queue.push(item);
        state.queued_bytes += bytes;
        let stream = state.stream.take();
        let parked = mem::take(&mut state.parked);
        drop(state);

        if parked {
            self.demand.notify_one();
        }
        if let Some(stream) = stream {
            stream.wake();
        }
        Ok(receiver)
    }

    /// A new stream begins: what it is given belongs to it alone.
    pub(super) fn outbound(self: &Arc<Self>) -> Outbound {
        let mut state = lock(&self.state);
        state.generation += 1;
        Outbound { shared: self.clone(), generation: state.generation }
    }

    /// The node has accepted the stream.
    pub(super) fn opened(&self) {
        let mut state = lock(&self.state);
        state.failures = 0;
        state.down = None;
    }

    /// Brings the answers to those who await them.
    pub(super) fn answer(&self, response: BatchResponse) {
        let mut state = lock(&self.state);
        let ends: Vec<_> = response
            .results
            .into_iter()
            .filter_map(|result| {
                // Others were given up in the meantime.
                let awaited = state.awaited.remove(result.id)?;
                Some((awaited.answer, self.end(result)))
            })
            .collect();
        drop(state);
        self.finish(ends);
    }

    fn end(&self, result: BatchResult) -> End {
        match result.result {
            Some(batch_result::Result::Error(detail)) => {
                End::Refused(Error::from_detail(detail, &self.address))
            }
            Some(answer) => End::Answered(answer),
            None => {
                let (address, message) = (self.address.clone(), "a result without a kind".to_owned());
                End::Refused(Error::Unexpected { address, message })
            }
        }
    }

    /// Gives up what had no answer in time.
    pub(super) fn sweep(&self, now: Instant) {
        let mut state = lock(&self.state);
        let late = state.awaited.ids(|awaited| awaited.until <= now);
        if late.is_empty() {
            return;
        }
        let unsent: Vec<BatchItem> = state.queue.extract_if(.., |item| late.contains(&item.id)).collect();
        state.queued_bytes = state.queue.iter().map(Message::encoded_len).sum();
        let mut ends = Vec::with_capacity(late.len());
        for id in late {
            let Some(awaited) = state.awaited.remove(id) else { continue };
            let end = match unsent.iter().any(|item| item.id == id) {
                true => End::NotSent(self.unavailable("it does not take requests".into())),
                false => End::TimedOut,
            };
            ends.push((awaited.answer, end));
        }
        drop(state);
        self.finish(ends);
    }

    /// Ends the use of the clock when nothing is awaited; `push` asks for it again by `demand`.
    pub(super) fn park(&self) -> bool {
        let mut state = lock(&self.state);
        state.parked = state.awaited.is_empty();
        state.parked
    }

    /// The stream is broken, or there was none: nothing is answered any more, and for a while nothing is tried.
    pub(super) fn broken(&self, message: String, now: Instant, backoff: Backoff) {
        let error = self.unavailable(message);
        let mut state = lock(&self.state);
        state.generation += 1;
        state.stream = None;
        state.failures = state.failures.saturating_add(1);
        state.down = Some((now + backoff.pause(state.failures), error.clone()));
        state.queued_bytes = 0;
        let mut ends = Vec::new();
        for item in mem::take(&mut state.queue) {
            if let Some(awaited) = state.awaited.remove(item.id) {
                ends.push((awaited.answer, End::NotSent(error.clone())));
            }
        }
        for id in state.awaited.ids(|_| true) {
            if let Some(awaited) = state.awaited.remove(id) {
                ends.push((awaited.answer, End::Lost(error.clone())));
            }
        }
        state.parked = true;
        drop(state);
        self.finish(ends);
    }

    fn unavailable(&self, message: String) -> Error {
        Error::Unavailable { address: self.address.clone(), message }
    }

    fn finish(&self, ends: Vec<(oneshot::Sender<End>, End)>) {
        self.room.add_permits(ends.len());
        for (answer, end) in ends {
            // Who does not wait any more needs no answer.
            answer.send(end).ok();
        }
    }
}

/// The outgoing half of a stream: whatever is queued goes out in one message.
#[derive(Debug)]
pub(super) struct Outbound {
    shared: Arc<Shared>,
    generation: u64,
}

impl Stream for Outbound {
    type Item = BatchRequest;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<BatchRequest>> {
        let mut state = lock(&self.shared.state);
        if state.generation != self.generation {
            return Poll::Ready(None);
        }
        if state.queue.is_empty() {
            state.stream = Some(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Some(BatchRequest { items: state.take() }))
    }
}

impl State {
    /// The oldest that is queued, as much as a message takes, and one at least.
    fn take(&mut self) -> Vec<BatchItem> {
        if self.queued_bytes <= MESSAGE_BYTES {
            self.queued_bytes = 0;
            return mem::take(&mut self.queue);
        }
        let mut bytes = 0;
        let taken = self.queue.iter().take_while(|item| {
            let fits = bytes == 0 || bytes + item.encoded_len() <= MESSAGE_BYTES;
            bytes += item.encoded_len();
            fits
        });
        let count = taken.count();
        let rest = self.queue.split_off(count);
        self.queued_bytes = rest.iter().map(Message::encoded_len).sum();
        mem::replace(&mut self.queue, rest)
    }
}
