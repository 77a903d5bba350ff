//! Brings requests of clients to the leader: once, one hop, on one stream for each leader.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::stream;
use proto::peer::v1::forward_client::ForwardClient;
use proto::v1::batch_item::Request;
use proto::v1::batch_result::Result as Outcome;
use proto::v1::error_detail::Kind;
use proto::v1::{
    BatchItem, BatchRequest, BatchResult, Busy, DeadlineExceeded, ErrorDetail, NoLeader, OutcomeUnknown,
};
use raft::NodeId;
use tokio::sync::Notify;
use tokio::time::{Instant, interval, timeout};

use super::{AddressBook, MESSAGE_BYTES, channel};

/// Requests under way to one leader.
const MOST_UNDER_WAY: usize = 8_192;
/// A request of a batch is closed when it is so long.
const BATCH_BYTES: usize = 4 << 20;
/// A leader that cannot be reached so soon is of no use to a client.
const CONNECT: Duration = Duration::from_millis(500);
/// Between two looks at deadlines.
const LOOK: Duration = Duration::from_millis(100);
/// Nothing was forwarded for so long: the stream is closed.
const IDLE: Duration = Duration::from_secs(60);
/// When to try again after a refusal, in milliseconds.
const RETRY_MILLIS: u64 = 50;

/// What is done with an answer.
type Then = Box<dyn FnOnce(BatchResult) + Send>;

/// Forwards requests; cheap to clone. Its answers come on the runtime that asks.
#[derive(Clone)]
pub struct Forwarder {
    book: AddressBook,
    default_deadline: Duration,
    links: Arc<Mutex<HashMap<NodeId, Arc<Link>>>>,
}

/// The stream to one leader.
#[derive(Default)]
struct Link {
    state: Mutex<State>,
    filled: Notify,
}

#[derive(Default)]
struct State {
    /// Not sent yet.
    queue: Vec<BatchItem>,
    waiting: HashMap<u64, Waiting>,
    last: u64,
    closed: bool,
}

struct Waiting {
    /// The number that the asker gave it.
    id: u64,
    then: Then,
    deadline: Instant,
    /// It may have been executed.
    sent: bool,
    /// It changes something.
    changes: bool,
}

impl Waiting {
    fn end(self, kind: Kind, message: &str) {
        let error = ErrorDetail { message: message.into(), kind: Some(kind) };
        (self.then)(BatchResult { id: self.id, result: Some(Outcome::Error(error)) });
    }

    /// There will be no answer.
    fn lose(self) {
        if self.sent && self.changes {
            let message = "the leader was lost while it had the write: it may still take effect, ask again in the \
                           same session";
            self.end(Kind::OutcomeUnknown(OutcomeUnknown {}), message);
        } else {
            self.end(Kind::NoLeader(NoLeader {}), "the leader cannot be reached: try again");
        }
    }
}

impl Forwarder {
    /// Finds leaders by `book`. A request without a deadline has the default one.
    #[must_use]
    pub fn new(book: AddressBook, default_deadline: Duration) -> Self {
        Self { book, default_deadline, links: Arc::default() }
    }

    /// Brings `item` to `leader`, never twice; `then` gets the answer, with the id of the item. To be called on the
    /// runtime that asks.
    pub fn forward(&self, leader: NodeId, item: BatchItem, then: impl FnOnce(BatchResult) + Send + 'static) {
        let changes = !matches!(item.request, Some(Request::Get(_) | Request::Scan(_)));
        let patience = match item.deadline_millis {
            0 => self.default_deadline,
            millis => Duration::from_millis(millis.into()),
        };
        let deadline = Instant::now() + patience;
        let waiting = Waiting { id: item.id, then: Box::new(then), deadline, sent: false, changes };
        let link = self.link(leader);
        if let Err(waiting) = link.push(item, waiting) {
            let busy = Busy { retry_after_millis: RETRY_MILLIS };
            waiting.end(Kind::Busy(busy), "too many requests are on their way to the leader");
        }
    }

    /// The stream to a leader; it is opened if need be.
    fn link(&self, leader: NodeId) -> Arc<Link> {
        let mut links = lock(&self.links);
        links.retain(|_, link| !lock(&link.state).closed);
        let link = links.entry(leader).or_insert_with(|| {
            let link = Arc::new(Link::default());
            tokio::spawn(run(Arc::clone(&link), self.book.clone(), leader));
            link
        });
        Arc::clone(link)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Link {
    fn push(&self, mut item: BatchItem, waiting: Waiting) -> Result<(), Waiting> {
        let mut state = lock(&self.state);
        if state.waiting.len() >= MOST_UNDER_WAY || state.closed {
            return Err(waiting);
        }
        state.last += 1;
        item.id = state.last;
        let id = state.last;
        state.waiting.insert(id, waiting);
        state.queue.push(item);
        let wake = state.queue.len() == 1;
        drop(state);
        if wake {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// What is to be sent; waits until there is something. From here on it may be executed.
    async fn take(&self) -> BatchRequest {
        loop {
            {
                let mut state = lock(&self.state);
                if !state.queue.is_empty() {
                    let items = split(&mut state.queue);
                    for item in &items {
                        if let Some(waiting) = state.waiting.get_mut(&item.id) {
                            waiting.sent = true;
                        }
                    }
                    return BatchRequest { items };
                }
            }
            self.filled.notified().await;
        }
    }

    fn answered(&self, mut result: BatchResult) {
        let waiting = lock(&self.state).waiting.remove(&result.id);
        // One whose deadline is over is not waited for any more.
        if let Some(waiting) = waiting {
            result.id = waiting.id;
            (waiting.then)(result);
        }
    }

    /// Ends what waited too long; says whether something waits.
    fn expire(&self) -> bool {
        let now = Instant::now();
        let (late, left): (Vec<Waiting>, bool) = {
            let mut state = lock(&self.state);
            let late = state.waiting.extract_if(|_, waiting| waiting.deadline <= now);
            let late = late.map(|(_, waiting)| waiting).collect();
            (late, !state.waiting.is_empty())
        };
        for waiting in late {
            let message = "the time for this request is over; a write may still take effect";
            waiting.end(Kind::DeadlineExceeded(DeadlineExceeded {}), message);
        }
        left
    }

    /// Nothing more goes out or comes in.
    fn close(&self) {
        let waiting = {
            let mut state = lock(&self.state);
            state.closed = true;
            state.queue.clear();
            std::mem::take(&mut state.waiting)
        };
        waiting.into_values().for_each(Waiting::lose);
    }
}

/// As many items as a message takes, one at least.
fn split(queue: &mut Vec<BatchItem>) -> Vec<BatchItem> {
    let mut bytes = 0;
    let fits = |item: &BatchItem| {
        bytes += prost::Message::encoded_len(item);
        bytes <= BATCH_BYTES
    };
    let count = queue
        .iter()
        .map_while({
            let mut fits = fits;
            move |item| fits(item).then_some(())
        })
        .count();
    if count >= queue.len() {
        return std::mem::take(queue);
    }
    let rest = queue.split_off(count.max(1));
    std::mem::replace(queue, rest)
}

/// Closes the link whatever ends its task.
struct Closing(Arc<Link>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

async fn run(link: Arc<Link>, book: AddressBook, leader: NodeId) {
    let link = Closing(link);
    let Some(address) = book.peer(leader) else { return };
    let Ok(Ok(channel)) = timeout(CONNECT, channel::connect(&address)).await else { return };
    let requests = stream::unfold(Arc::clone(&link.0), async |link| {
        let batch = link.take().await;
        Some((batch, link))
    });
    let mut client = ForwardClient::new(channel)
        .max_decoding_message_size(MESSAGE_BYTES)
        .max_encoding_message_size(MESSAGE_BYTES);
    let mut look = interval(LOOK);
    let opening = client.batch(requests);
    tokio::pin!(opening);
    let mut responses = loop {
        tokio::select! {
            biased;
            opened = &mut opening => match opened {
                Ok(opened) => break opened.into_inner(),
                Err(_) => return,
            },
            _ = look.tick() => { link.0.expire(); }
        }
    };
    let mut used = Instant::now();
    loop {
        tokio::select! {
            biased;
            response = responses.message() => match response {
                Ok(Some(response)) => response.results.into_iter().for_each(|result| link.0.answered(result)),
                Ok(None) | Err(_) => return,
            },
            _ = look.tick() => {
                if link.0.expire() {
                    used = Instant::now();
                } else if used.elapsed() > IDLE {
                    return;
                }
            }
        }
    }
}
