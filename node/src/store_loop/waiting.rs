//! Whom the store owes an answer, and the way there.

use std::sync::Arc;
use std::time::Duration;

use store::replica::{Request, Token};
use store::request::RequestError;
use store::store::{AdminError, AdminReply};
use tokio::sync::oneshot;

use super::asker::{Answer, Mailbox, Then};
use super::door::WriteAnswers;
use super::pending::Pending;
use crate::handle::AdminCallError;

/// Where the answer to an administrator goes.
pub(super) type Answered = oneshot::Sender<Result<AdminReply, AdminCallError>>;

/// Clients and administrators that wait.
pub(super) struct Waiting {
    clients: Pending<Client>,
    administrators: Pending<Answered>,
    /// The runtimes that ask, by number.
    runtimes: Vec<Runtime>,
    answered: WriteAnswers,
}

struct Client {
    runtime: usize,
    then: Then,
    /// What it is told if there will be no answer.
    unanswered: RequestError,
    /// When it was asked, by the monotonic clock; for writes only.
    asked: Option<Duration>,
}

struct Runtime {
    mailbox: Arc<Mailbox>,
    /// For the next hand-over.
    answers: Vec<(Then, Answer)>,
}

impl Waiting {
    pub(super) fn new() -> Self {
        Self {
            clients: Pending::new(),
            administrators: Pending::new(),
            runtimes: Vec::new(),
            answered: WriteAnswers::default(),
        }
    }

    /// A runtime begins to ask. They come in the order of their numbers, each before its first request.
    pub(super) fn add_runtime(&mut self, mailbox: Arc<Mailbox>) {
        self.runtimes.push(Runtime { mailbox, answers: Vec::new() });
    }

    /// `asked`: when, if it is a write.
    pub(super) fn add_client(
        &mut self,
        runtime: usize,
        request: &Request,
        asked: Option<Duration>,
        then: Then,
    ) -> Token {
        let unanswered = match request {
            Request::Read(_) => RequestError::NoLeader,
            _ => RequestError::OutcomeUnknown,
        };
        self.clients.insert(Client { runtime, then, unanswered, asked })
    }

    pub(super) fn add_administrator(&mut self, answered: Answered) -> Token {
        self.administrators.insert(answered)
    }

    /// The answer for a client; on its way with the next [`Waiting::deliver`].
    pub(super) fn answer(&mut self, token: Token, answer: Answer, now: Duration) {
        if let Some(Client { runtime, then, asked, .. }) = self.clients.remove(token) {
            if let Some(asked) = asked {
                self.answered.count += 1;
                if answer.is_ok() {
                    self.answered.executed += 1;
                    self.answered.waited += now.saturating_sub(asked);
                }
            }
            self.hand_over(runtime, then, answer);
        }
    }

    /// The writes that were answered since the last call.
    pub(super) fn take_answered(&mut self) -> WriteAnswers {
        std::mem::take(&mut self.answered)
    }

    pub(super) fn answer_administrator(&mut self, token: Token, answer: Result<AdminReply, AdminError>) {
        if let Some(answered) = self.administrators.remove(token) {
            // Whoever asked may have given up.
            let _ = answered.send(answer.map_err(AdminCallError::Refused));
        }
    }

    fn hand_over(&mut self, runtime: usize, then: Then, answer: Answer) {
        if let Some(runtime) = self.runtimes.get_mut(runtime) {
            runtime.answers.push((then, answer));
        }
    }

    /// One hand-over for each runtime that has answers.
    pub(super) fn deliver(&mut self) {
        for Runtime { mailbox, answers } in &mut self.runtimes {
            if !answers.is_empty() {
                mailbox.deliver(answers);
            }
        }
    }

    /// There will be no more answers. `unseen` are requests, each with its runtime, that the store was not given.
    pub(super) fn end(mut self, unseen: Vec<(usize, Then)>) {
        for (runtime, then) in unseen {
            self.hand_over(runtime, then, Err(RequestError::NoLeader));
        }
        let clients: Vec<Client> = self.clients.drain().collect();
        for Client { runtime, then, unanswered, .. } in clients {
            self.hand_over(runtime, then, Err(unanswered));
        }
        self.deliver();
        self.runtimes.iter().for_each(|runtime| runtime.mailbox.close());
    }
}
