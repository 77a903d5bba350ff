//! How requests of one runtime reach the loop, and its answers that runtime: all answers of a turn in one
//! hand-over with one wake-up.

use std::sync::{Arc, Mutex};

use store::replica::{Reply, Request};
use store::request::RequestError;
use tokio::sync::{Notify, oneshot};

use super::clock;
use super::inbox::{Inbox, Question};
use super::queue::lock;
use super::size;

/// An answer to a client.
pub type Answer = Result<Reply, RequestError>;

/// What is done with an answer.
pub(super) type Then = Box<dyn FnOnce(Answer) + Send>;

/// Brings requests of one runtime to the store; cheap to clone.
#[derive(Clone)]
pub struct Asker {
    pub(crate) inbox: Arc<Inbox>,
    /// Its mailbox, as the loop counts them.
    pub(crate) number: usize,
}

impl Asker {
    /// Asks the range. `then` runs on the runtime of this asker. When the process stops it gets
    /// [`RequestError::NoLeader`] if surely nothing was done, else [`RequestError::OutcomeUnknown`]; if a thread
    /// panics, it is dropped.
    ///
    /// # Errors
    /// [`RequestError::Busy`] if too much waits, [`RequestError::NoLeader`] if the process stops: nothing was done,
    /// and `then` never runs.
    pub fn submit(
        &self,
        request: Request,
        then: impl FnOnce(Answer) + Send + 'static,
    ) -> Result<(), RequestError> {
        self.inbox.ask(self.question(request, Box::new(then))).map_err(|(_, error)| error)
    }

    /// As [`Asker::submit`], but `then` gets a refusal at the door too, at once.
    pub fn submit_anyway(&self, request: Request, then: impl FnOnce(Answer) + Send + 'static) {
        if let Err((then, error)) = self.inbox.ask(self.question(request, Box::new(then))) {
            then(Err(error));
        }
    }

    fn question(&self, request: Request, then: Then) -> Question {
        let asked = (!matches!(request, Request::Read(_))).then(clock::monotonic);
        Question { asker: self.number, bytes: size::of_request(&request), request, asked, then }
    }

    /// Asks the range, and waits for the answer.
    ///
    /// # Errors
    /// As the store answers, and those of [`Asker::submit`].
    pub async fn ask(&self, request: Request) -> Answer {
        let (answered, answer) = oneshot::channel();
        self.submit(request, |answer| {
            // Whoever asked may have given up.
            let _ = answered.send(answer);
        })?;
        answer.await.unwrap_or(Err(RequestError::OutcomeUnknown))
    }
}

/// Answers on their way to one runtime.
#[derive(Default)]
pub(crate) struct Mailbox {
    content: Mutex<Content>,
    filled: Notify,
}

#[derive(Default)]
struct Content {
    answers: Vec<(Then, Answer)>,
    /// The loop has ended.
    closed: bool,
    /// The runtime has ended.
    abandoned: bool,
}

impl Mailbox {
    /// Hands answers over; `answers` is empty afterwards.
    pub(super) fn deliver(&self, answers: &mut Vec<(Then, Answer)>) {
        let mut content = lock(&self.content);
        if content.abandoned {
            drop(content);
            answers.clear();
            return;
        }
        if content.answers.is_empty() {
            std::mem::swap(&mut content.answers, answers);
        } else {
            content.answers.append(answers);
        }
        drop(content);
        self.filled.notify_one();
    }

    /// Nothing more comes.
    pub(super) fn close(&self) {
        lock(&self.content).closed = true;
        self.filled.notify_one();
    }
}

/// Gives the answers of a mailbox to those who wait, until the loop ends.
pub(crate) async fn distribute(mailbox: Arc<Mailbox>) {
    let receiver = Receiver(mailbox);
    let mut answers = Vec::new();
    loop {
        receiver.0.filled.notified().await;
        let closed = {
            let mut content = lock(&receiver.0.content);
            std::mem::swap(&mut content.answers, &mut answers);
            content.closed
        };
        for (then, answer) in answers.drain(..) {
            then(answer);
        }
        if closed {
            return;
        }
    }
}

/// Marks the mailbox when nobody reads it any more: it would grow for ever.
struct Receiver(Arc<Mailbox>);

impl Drop for Receiver {
    fn drop(&mut self) {
        let mut content = lock(&self.0.content);
        content.abandoned = true;
        let left = std::mem::take(&mut content.answers);
        drop(content);
        drop(left);
    }
}
