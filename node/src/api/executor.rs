//! One request: checked, and brought to where it is executed.

use std::time::Duration;

use proto::v1::batch_item::Request as Asked;
use proto::v1::batch_result::Result as Told;
use proto::v1::{BatchItem, BatchResult, ErrorDetail};
use raft::NodeId;
use tokio::sync::watch;

use super::{convert, errors};
use crate::handle::Handle;
use crate::store_loop::{Answer, Asker, Summary};
use crate::transport::{AddressBook, Forwarder};

/// Executes requests for one runtime; cheap to clone.
#[derive(Clone)]
pub struct Executor {
    asker: Asker,
    summary: watch::Receiver<Summary>,
    book: AddressBook,
    /// None: what arrives was forwarded already.
    forwarder: Option<Forwarder>,
    /// A request without a deadline has this one.
    pub(super) default_deadline: Duration,
    session_expiry: Duration,
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
        default_deadline: Duration,
        session_expiry: Duration,
    ) -> Self {
        Self { asker, summary: handle.summary(), book, forwarder, default_deadline, session_expiry }
    }

    /// Executes a request; `then` gets the answer, on the runtime of the services, maybe at once.
    pub(super) fn execute(&self, item: BatchItem, then: impl FnOnce(BatchResult) + Send + 'static) {
        let id = item.id;
        let Some(asked) = &item.request else {
            let error = errors::invalid("the item has no request, or one that this version does not know");
            return then(refusal(id, error));
        };
        if let Some(forwarder) = &self.forwarder
            && convert::is_for_leader(asked)
            && let Some(leader) = self.other_leader()
        {
            return forwarder.forward(leader, item, then);
        }
        let Some(asked) = item.request else { return };
        self.here(id, asked, then);
    }

    fn here(&self, id: u64, asked: Asked, then: impl FnOnce(BatchResult) + Send + 'static) {
        let (request, form) = match convert::request(asked) {
            Ok(converted) => converted,
            Err(error) => return then(refusal(id, error)),
        };
        let (book, session_expiry) = (self.book.clone(), self.session_expiry);
        self.asker.submit_anyway(request, move |answer: Answer| {
            let result = match answer {
                Ok(reply) => convert::told(form, reply, session_expiry)
                    .unwrap_or_else(|| Told::Error(errors::invalid("the answer has another kind: a bug"))),
                Err(error) => Told::Error(errors::detail(&error, |node| book.client(node))),
            };
            then(BatchResult { id, result: Some(result) });
        });
    }

    /// The leader, if it is known and another node.
    fn other_leader(&self) -> Option<NodeId> {
        let summary = self.summary.borrow();
        let (_, me) = summary.identity.member?;
        summary.leader.filter(|leader| *leader != me)
    }
}

pub(super) fn refusal(id: u64, error: ErrorDetail) -> BatchResult {
    BatchResult { id, result: Some(Told::Error(error)) }
}
