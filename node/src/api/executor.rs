//! One request: checked, and brought to where it is executed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::v1::batch_result::Result as Told;
use proto::v1::{BatchItem, BatchResult, ErrorDetail};
use raft::{ClusterId, NodeId};
use store::request::RequestError;
use tokio::sync::watch;

use super::times::{Method, RequestTimes};
use super::{convert, errors};
use crate::handle::Handle;
use crate::store_loop::{Answer, Asker, Summary};
use crate::transport::{AddressBook, Forwarder};

/// What of the configuration counts for requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ApiSettings {
    /// A request without a deadline has this one.
    pub deadline: Duration,
    /// Told to those who open a session.
    pub session_expiry: Duration,
    /// Most operations of one write; as many conditions again.
    pub batch_operations: usize,
}

/// Executes requests for one runtime; cheap to clone.
#[derive(Clone)]
pub struct Executor(Arc<Inner>);

struct Inner {
    asker: Asker,
    summary: watch::Receiver<Summary>,
    book: AddressBook,
    /// None: what arrives was forwarded already.
    forwarder: Option<Forwarder>,
    settings: ApiSettings,
    times: Arc<RequestTimes>,
}

impl Executor {
    /// Executes on the node of `handle`; `asker` is of the runtime on which the services are. Without a forwarder,
    /// what is not led here is refused.
    #[must_use]
    pub fn new(
        handle: &Handle,
        asker: Asker,
        book: AddressBook,
        forwarder: Option<Forwarder>,
        settings: ApiSettings,
        times: Arc<RequestTimes>,
    ) -> Self {
        Self(Arc::new(Inner { asker, summary: handle.summary(), book, forwarder, settings, times }))
    }

    /// A request without a deadline has this one.
    pub(super) fn default_deadline(&self) -> Duration {
        self.0.settings.deadline
    }

    /// Executes a request; `then` gets the answer, on the runtime of the services, maybe at once.
    pub(super) fn execute(&self, item: BatchItem, then: impl FnOnce(BatchResult) + Send + 'static) {
        let BatchItem { id, deadline_millis, request } = item;
        let Some(asked) = request else {
            let error = errors::invalid("the item has no request, or one that this version does not know");
            return then(refusal(id, error));
        };
        let (times, method, begun) = (Arc::clone(&self.0.times), Method::of(&asked), Instant::now());
        let then = move |result| {
            times.add(method, begun.elapsed());
            then(result);
        };
        if let Err(error) = convert::check_counts(&asked, self.0.settings.batch_operations) {
            return then(refusal(id, self.detail(&error)));
        }
        let forwarder = self.0.forwarder.as_ref().filter(|_| convert::is_for_leader(&asked));
        if let Some(forwarder) = forwarder
            && let Some(leader) = self.other_leader()
        {
            return forwarder.forward(leader, BatchItem { id, deadline_millis, request: Some(asked) }, then);
        }
        // Shares keys and values; needed if leadership has just moved.
        let again = forwarder.is_some().then(|| asked.clone());
        let (request, form) = match convert::request(asked) {
            Ok(converted) => converted,
            Err(error) => return then(refusal(id, error)),
        };
        let executor = self.clone();
        self.0.asker.submit_anyway(request, move |answer: Answer| {
            let error = match answer {
                Ok(reply) => {
                    let told =
                        convert::told(form, reply, executor.0.settings.session_expiry).unwrap_or_else(|| {
                            Told::Error(errors::invalid("the answer has another kind: a bug"))
                        });
                    return then(BatchResult { id, result: Some(told) });
                }
                Err(error) => error,
            };
            match (&error, &executor.0.forwarder, again) {
                // Nothing was done here.
                (RequestError::NotLeader { leader: Some(leader) }, Some(forwarder), Some(asked))
                    if Some(*leader) != executor.me() =>
                {
                    let item = BatchItem { id, deadline_millis, request: Some(asked) };
                    forwarder.forward(*leader, item, then);
                }
                _ => then(refusal(id, executor.detail(&error))),
            }
        });
    }

    fn detail(&self, error: &RequestError) -> ErrorDetail {
        errors::detail(error, |node| self.0.book.client(node))
    }

    fn me(&self) -> Option<NodeId> {
        self.0.summary.borrow().identity.member.map(|(_, me)| me)
    }

    /// Who this node is, once it is a member.
    pub(super) fn member(&self) -> Option<(ClusterId, NodeId)> {
        self.0.summary.borrow().identity.member
    }

    /// The leader, if it is known and another node.
    fn other_leader(&self) -> Option<NodeId> {
        let summary = self.0.summary.borrow();
        let (_, me) = summary.identity.member?;
        summary.leader.filter(|leader| *leader != me)
    }
}

pub(super) fn refusal(id: u64, error: ErrorDetail) -> BatchResult {
    BatchResult { id, result: Some(Told::Error(error)) }
}
