//! A stream of batches: many requests at once, answered in any order, as many as are there in one message.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use std::vec;

use futures_util::task::AtomicWaker;
use futures_util::{Stream, StreamExt};
use proto::v1::{BatchItem, BatchRequest, BatchResponse, BatchResult};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};
use tonic::{Status, Streaming};

use super::errors;
use super::executor::{Executor, refusal};
use super::outgoing::Outgoing;

/// Requests of one stream that are executed at a time; the stream is not read while there are so many.
const MOST_UNDER_WAY: usize = 10_000;
/// Between two looks at deadlines.
const LOOK: Duration = Duration::from_millis(100);

/// The answers to a stream of batches. The stream of requests is read as it is polled: a client that does not read
/// its answers is not read either.
pub struct Batches {
    executor: Executor,
    /// None: it has ended.
    requests: Option<Streaming<BatchRequest>>,
    /// Of the message that was read last; they wait for room.
    items: vec::IntoIter<BatchItem>,
    shared: Arc<Shared>,
    look: Interval,
}

/// What is shared with the answers under way.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    waker: AtomicWaker,
}

#[derive(Default)]
struct State {
    outgoing: Outgoing,
    /// By our own number: the client's id, and until when it waits.
    under_way: HashMap<u64, (u64, Instant)>,
    last: u64,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An answer came; nobody wants it if its time was over, or the client is gone.
    fn answered(&self, number: u64, result: BatchResult) {
        let mut state = self.state();
        if state.under_way.remove(&number).is_some() {
            state.outgoing.push(result);
            drop(state);
            self.waker.wake();
        }
    }

    fn has_room(&self) -> bool {
        let state = self.state();
        state.under_way.len() < MOST_UNDER_WAY && !state.outgoing.is_full()
    }
}

impl Batches {
    pub(super) fn new(executor: Executor, requests: Streaming<BatchRequest>) -> Self {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let items = Vec::new().into_iter();
        Self { executor, requests: Some(requests), items, shared: Arc::default(), look }
    }

    fn execute(&self, item: BatchItem) {
        let patience = match item.deadline_millis {
            0 => self.executor.default_deadline(),
            millis => Duration::from_millis(millis.into()),
        };
        let number = {
            let mut state = self.shared.state();
            state.last += 1;
            let number = state.last;
            state.under_way.insert(number, (item.id, Instant::now() + patience));
            number
        };
        let shared = Arc::clone(&self.shared);
        self.executor.execute(item, move |result| shared.answered(number, result));
    }

    /// Reads what has arrived, as far as there is room. An error: the client broke off.
    fn read(&mut self, context: &mut Context<'_>) -> Result<(), Status> {
        while self.shared.has_room() {
            if let Some(item) = self.items.next() {
                self.execute(item);
                continue;
            }
            let Some(requests) = &mut self.requests else { return Ok(()) };
            match requests.poll_next_unpin(context) {
                Poll::Ready(Some(Ok(batch))) => self.items = batch.items.into_iter(),
                Poll::Ready(Some(Err(status))) => return Err(status),
                Poll::Ready(None) => self.requests = None,
                Poll::Pending => return Ok(()),
            }
        }
        Ok(())
    }

    /// Ends what waited too long.
    fn expire(&self) {
        let now = Instant::now();
        let mut state = self.shared.state();
        let State { under_way, outgoing, .. } = &mut *state;
        let late = under_way.extract_if(|_, (_, deadline)| *deadline <= now);
        late.for_each(|(_, (id, _))| outgoing.push(refusal(id, errors::deadline())));
    }

    fn has_ended(&self) -> bool {
        self.requests.is_none() && self.items.len() == 0 && self.shared.state().under_way.is_empty()
    }
}

impl Stream for Batches {
    type Item = Result<BatchResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // Before anything is looked at: no wake-up is missed.
        self.shared.waker.register(context.waker());
        if let Err(status) = self.read(context) {
            return Poll::Ready(Some(Err(status)));
        }
        let waits = !self.shared.state().under_way.is_empty();
        while waits && self.look.poll_tick(context).is_ready() {
            self.expire();
        }
        let response = self.shared.state().outgoing.pop();
        match response {
            Some(response) => Poll::Ready(Some(Ok(response))),
            None if self.has_ended() => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

impl Drop for Batches {
    /// The client is gone: answers find nobody.
    fn drop(&mut self) {
        *self.shared.state() = State::default();
    }
}
