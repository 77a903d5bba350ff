//! How a call is made: attempts, one after another, until it is answered, refused or out of time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::v1::batch_item::Request;
use proto::v1::batch_result::Result as Answer;
use proto::v1::{Attempt, OpenSessionRequest};
use tokio::task::JoinHandle;

use crate::backoff::Backoff;
use crate::budget::Budget;
use crate::error::Error;
use crate::link::Link;
use crate::query::ReadFrom;
use crate::router::Router;
use crate::session::{Full, Sessions, Ticket};
use crate::verdict::{End, Kind, Step, Trial};

/// What all clones of a client share.
#[derive(Debug)]
pub(crate) struct Core {
    pub discovery: JoinHandle<()>,
    pub router: Arc<Router>,
    pub sessions: Sessions,
    pub budget: Budget,
    pub attempt_timeout: Duration,
    pub backoff: Backoff,
}

impl Drop for Core {
    fn drop(&mut self) {
        self.discovery.abort();
    }
}

impl Core {
    /// Makes a call that may be done any number of times.
    pub(crate) async fn harmless(
        &self,
        request: Request,
        to: ReadFrom,
        deadline: Instant,
    ) -> Result<Answer, Error> {
        self.budget.call();
        let mut attempts = Attempts::new(Kind::Harmless, to, deadline);
        loop {
            if let Next::Done(answer) = attempts.next(self, request.clone()).await? {
                return Ok(answer);
            }
        }
    }

    /// Makes a call that is done once.
    pub(crate) async fn write(&self, mut request: Request, deadline: Instant) -> Result<Answer, Error> {
        self.budget.call();
        let mut attempts = Attempts::new(Kind::Write, ReadFrom::Leader, deadline);
        let mut ticket = self.ticket(deadline).await?;
        loop {
            set_attempt(&mut request, ticket.attempt(attempts.trial.unknown()));
            match attempts.next(self, request.clone()).await? {
                Next::Done(answer) => return Ok(answer),
                Next::Again => {}
                Next::NewSession => {
                    self.sessions.expired(ticket.session());
                    ticket = self.ticket(deadline).await?;
                }
            }
        }
    }

    /// A number for a write, of a session with room, which is opened if there is none.
    async fn ticket(&self, deadline: Instant) -> Result<Ticket<'_>, Error> {
        loop {
            match self.sessions.take(Instant::now()) {
                Ok(ticket) => return Ok(ticket),
                Err(Full::Open) => {
                    let opening = self.sessions.opening.acquire();
                    let _one = tokio::time::timeout_at(deadline.into(), opening)
                        .await
                        .map_err(|_| Error::DeadlineExceeded)?;
                    // Another one may have opened it in the meantime.
                    match self.sessions.take(Instant::now()) {
                        Ok(ticket) => return Ok(ticket),
                        Err(Full::Open) => self.open_session(deadline).await?,
                        Err(Full::Wait) => {}
                    }
                }
                Err(Full::Wait) => {
                    tokio::time::timeout_at(deadline.into(), self.sessions.room.notified())
                        .await
                        .map_err(|_| Error::Busy { retry_after: Duration::ZERO })?;
                    // There may be room for more than one of those who wait.
                    if let Ok(ticket) = self.sessions.take(Instant::now()) {
                        self.sessions.room.notify_one();
                        return Ok(ticket);
                    }
                }
            }
        }
    }

    async fn open_session(&self, deadline: Instant) -> Result<(), Error> {
        let request = Request::OpenSession(OpenSessionRequest::default());
        match self.harmless(request, ReadFrom::Leader, deadline).await? {
            Answer::OpenSession(opened) => {
                let expires_after = Duration::from_millis(opened.expires_after_millis);
                self.sessions.opened(opened.session, expires_after, Instant::now());
                Ok(())
            }
            other => Err(mismatch(&other)),
        }
    }
}

/// The attempts of one call.
struct Attempts {
    trial: Trial,
    to: ReadFrom,
    deadline: Instant,
    failures: u32,
    /// It just failed there.
    avoid: Option<Arc<Link>>,
}

enum Next {
    Done(Answer),
    Again,
    NewSession,
}

impl Attempts {
    fn new(kind: Kind, to: ReadFrom, deadline: Instant) -> Self {
        Self { trial: Trial::new(kind), to, deadline, failures: 0, avoid: None }
    }

    /// One attempt, and the pause behind it if there is to be another.
    async fn next(&mut self, core: &Core, request: Request) -> Result<Next, Error> {
        let now = Instant::now();
        if now >= self.deadline {
            return Err(self.trial.failure(Error::DeadlineExceeded));
        }
        let link = core.router.route(self.to, self.avoid.as_ref(), now);
        let end = link.attempt(request, now, self.deadline.min(now + core.attempt_timeout)).await;
        let overloaded = matches!(end, End::Refused(Error::Busy { .. }));
        if let End::Refused(Error::NotLeader { address, .. }) = &end
            && !address.is_empty()
        {
            core.router.redirected(address);
        }
        let again = match self.trial.judge(end) {
            Step::Done(answer) => return Ok(Next::Done(answer)),
            Step::Fail(error) => return Err(error),
            Step::NewSession => return Ok(Next::NewSession),
            Step::Again(again) => again,
        };
        self.failures += 1;
        // A busy node is the right one.
        self.avoid = (!overloaded).then_some(link);
        if !overloaded {
            core.router.doubt.notify_one();
        }
        let now = Instant::now();
        let pause = core.backoff.pause(self.failures).max(again.after);
        if now + pause >= self.deadline || again.costly && !core.budget.repeat(now) {
            return Err(again.error);
        }
        tokio::time::sleep(pause).await;
        Ok(Next::Again)
    }
}

fn set_attempt(request: &mut Request, attempt: Attempt) {
    let place = match request {
        Request::Put(put) => &mut put.attempt,
        Request::ConditionalPut(put) => &mut put.attempt,
        Request::Delete(delete) => &mut delete.attempt,
        Request::DeleteRange(delete) => &mut delete.attempt,
        Request::Write(write) => &mut write.attempt,
        Request::Get(_)
        | Request::Scan(_)
        | Request::OpenSession(_)
        | Request::Hold(_)
        | Request::ReleaseHold(_) => return,
    };
    *place = Some(attempt);
}

/// The node answered another question.
pub(crate) fn mismatch(answer: &Answer) -> Error {
    let name = format!("{answer:?}");
    let name = name.split('(').next().unwrap_or_default();
    Error::OutcomeUnknown { message: format!("the node answered with {name}, which was not asked") }
}
