//! A stream of batches: many requests at once, answered in any order, as many as are there in one message.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use futures_util::{Stream, StreamExt};
use prost::Message;
use proto::v1::{BatchItem, BatchRequest, BatchResponse, BatchResult};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};
use tonic::{Status, Streaming};

use super::errors;
use super::executor::{Executor, refusal};

/// Requests of one stream that are executed at a time; the stream is not read while there are so many.
const MOST_UNDER_WAY: usize = 10_000;
/// A response is closed when it is so long.
const RESPONSE_BYTES: usize = 4 << 20;
/// Between two looks at deadlines.
const LOOK: Duration = Duration::from_millis(100);

/// The answers to a stream of batches. The stream of requests is read as it is polled: a client that does not read
/// its answers is not read either.
pub struct Batches {
    executor: Executor,
    /// None: it has ended.
    requests: Option<Streaming<BatchRequest>>,
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
    results: Vec<BatchResult>,
    /// By our own number: the client's id, and until when it waits.
    under_way: HashMap<u64, (u64, Instant)>,
    last: u64,
    /// The client is gone.
    abandoned: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An answer came; nobody wants it if its time was over.
    fn answered(&self, number: u64, result: BatchResult) {
        let mut state = self.state();
        if state.under_way.remove(&number).is_some() && !state.abandoned {
            state.results.push(result);
            drop(state);
            self.waker.wake();
        }
    }
}

impl Batches {
    pub(super) fn new(executor: Executor, requests: Streaming<BatchRequest>) -> Self {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { executor, requests: Some(requests), shared: Arc::default(), look }
    }

    fn execute(&self, item: BatchItem) {
        let patience = match item.deadline_millis {
            0 => self.executor.default_deadline,
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

    /// Reads what has arrived. An error: the client broke off.
    fn read(&mut self, context: &mut Context<'_>) -> Result<(), Status> {
        while self.shared.state().under_way.len() < MOST_UNDER_WAY {
            let Some(requests) = &mut self.requests else { return Ok(()) };
            match requests.poll_next_unpin(context) {
                Poll::Ready(Some(Ok(batch))) => batch.items.into_iter().for_each(|item| self.execute(item)),
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
        let State { under_way, results, .. } = &mut *state;
        let late = under_way.extract_if(|_, (_, deadline)| *deadline <= now);
        results.extend(late.map(|(_, (id, _))| refusal(id, errors::deadline())));
    }

    /// Answers for one message.
    fn next_response(&self) -> Option<BatchResponse> {
        let mut state = self.shared.state();
        if state.results.is_empty() {
            return None;
        }
        let mut bytes = 0;
        let fits = |result: &&BatchResult| {
            bytes += result.encoded_len();
            bytes <= RESPONSE_BYTES
        };
        let count = state.results.iter().take_while(fits).count().max(1);
        let rest = state.results.split_off(count);
        let results = std::mem::replace(&mut state.results, rest);
        Some(BatchResponse { results })
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
        match self.next_response() {
            Some(response) => Poll::Ready(Some(Ok(response))),
            None if self.requests.is_none() && self.shared.state().under_way.is_empty() => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.abandoned = true;
        state.results.clear();
    }
}
