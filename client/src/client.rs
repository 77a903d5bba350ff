//! The calls.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use proto::v1::batch_item::Request;
use proto::v1::batch_result::Result as Answer;
use proto::v1::{
    ConditionalPutRequest, ConditionalPutResponse, DeleteRangeRequest, DeleteRangeResponse, DeleteRequest,
    DeleteResponse, GetClusterResponse, GetRequest, GetResponse, HoldRequest, HoldResponse, PutRequest,
    PutResponse, ReleaseHoldRequest, ScanResponse, WriteRequest, WriteResponse,
};

use crate::builder::Builder;
use crate::call::{Core, mismatch};
use crate::discover::members;
use crate::error::{Error, status_message};
use crate::query::{Consistency, ReadFrom, Scan, Test, Write};
use crate::scan::Pages;

/// A client of one cluster. Cheap to clone: clones share everything but the options that `with_…` sets.
///
/// A call that is dropped before it ends, as by a `select!`, may have been done.
#[derive(Clone, Debug)]
pub struct Client {
    core: Arc<Core>,
    deadline: Duration,
    consistency: Consistency,
    read_from: ReadFrom,
}

/// Answers with the value of one variant.
macro_rules! answer {
    ($call:expr, $variant:ident) => {
        match $call.await? {
            Answer::$variant(answer) => Ok(answer),
            other => Err(mismatch(&other)),
        }
    };
}

impl Client {
    /// Connects to a cluster by some of its nodes, each `host:port`; the others are found. To be called in a tokio
    /// runtime, on which the client lives.
    ///
    /// # Errors
    /// An endpoint is not `host:port`, or no node answers within 5 s.
    pub async fn connect<E: Into<String>>(endpoints: impl IntoIterator<Item = E>) -> Result<Self, Error> {
        Self::builder(endpoints).connect().await
    }

    /// As [`Client::connect`], with other settings.
    pub fn builder<E: Into<String>>(endpoints: impl IntoIterator<Item = E>) -> Builder {
        Builder::new(endpoints.into_iter().map(Into::into).collect())
    }

    pub(crate) fn new(core: Arc<Core>, deadline: Duration) -> Self {
        Self { core, deadline, consistency: Consistency::default(), read_from: ReadFrom::default() }
    }

    /// A client whose calls may take so long.
    #[must_use]
    pub fn with_deadline(&self, deadline: Duration) -> Self {
        Self { deadline, ..self.clone() }
    }

    /// A client whose reads are so fresh.
    #[must_use]
    pub fn with_consistency(&self, consistency: Consistency) -> Self {
        Self { consistency, ..self.clone() }
    }

    /// A client whose reads are served there.
    #[must_use]
    pub fn with_reads_from(&self, read_from: ReadFrom) -> Self {
        Self { read_from, ..self.clone() }
    }

    /// Reads a key; `value` of the answer is absent if it has none.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get(&self, key: impl Into<Bytes>) -> Result<GetResponse, Error> {
        let (key, consistency) = (key.into(), self.consistency.to_proto());
        let get = GetRequest { key, consistency, keyspace: String::new() };
        answer!(self.read(Request::Get(get)), Get)
    }

    /// Sets a key.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn put(&self, key: impl Into<Bytes>, value: impl Into<Bytes>) -> Result<PutResponse, Error> {
        let put = PutRequest { key: key.into(), value: value.into(), ..PutRequest::default() };
        answer!(self.change(Request::Put(put)), Put)
    }

    /// Sets a key if this holds of it; if not, `failure` of the answer says what it holds.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn put_if(
        &self,
        key: impl Into<Bytes>,
        value: impl Into<Bytes>,
        test: Test,
    ) -> Result<ConditionalPutResponse, Error> {
        let condition = Some(test.on(Bytes::new()));
        let (key, value) = (key.into(), value.into());
        let put = ConditionalPutRequest { key, value, condition, ..ConditionalPutRequest::default() };
        answer!(self.change(Request::ConditionalPut(put)), ConditionalPut)
    }

    /// Removes a key; the answer says whether it had a value.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn delete(&self, key: impl Into<Bytes>) -> Result<DeleteResponse, Error> {
        let delete = DeleteRequest { key: key.into(), ..DeleteRequest::default() };
        answer!(self.change(Request::Delete(delete)), Delete)
    }

    /// Removes the keys from `start` on, before `end`, at one moment; an empty `end` is behind every key.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if there are more than 10,000 keys: remove them in parts, of which each is one moment.
    /// See [`Error`] for others.
    pub async fn delete_range(
        &self,
        start: impl Into<Bytes>,
        end: impl Into<Bytes>,
    ) -> Result<DeleteRangeResponse, Error> {
        let delete =
            DeleteRangeRequest { start: start.into(), end: end.into(), ..DeleteRangeRequest::default() };
        answer!(self.change(Request::DeleteRange(delete)), DeleteRange)
    }

    /// Does several operations at one moment; if a condition does not hold, `failure` of the answer says which, and
    /// nothing was done.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn write(&self, write: Write) -> Result<WriteResponse, Error> {
        let Write { conditions, operations } = write;
        let write = WriteRequest { conditions, operations, ..WriteRequest::default() };
        answer!(self.change(Request::Write(write)), Write)
    }

    /// Reads one page of a span: at most 1,000 keys or 1 MiB. `resume` of the answer says where the next begins, if
    /// there may be more; [`Client::pages`] follows it.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn scan(&self, scan: &Scan) -> Result<ScanResponse, Error> {
        answer!(self.read(Request::Scan(scan.to_proto(self.consistency))), Scan)
    }

    /// Reads a span page by page, all as of one moment: that of the first page.
    #[must_use]
    pub fn pages(&self, scan: Scan) -> Pages {
        Pages::new(self.clone(), scan)
    }

    /// Keeps everything at and above a timestamp readable for so long, at most a day, unless
    /// [`Client::release_hold`] ends it before. Without a hold it is readable for ten minutes by default.
    ///
    /// # Errors
    /// [`Error::TooOld`] if some of it may be gone already. See [`Error`] for others.
    pub async fn hold(&self, timestamp: u64, duration: Duration) -> Result<HoldResponse, Error> {
        let duration_millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let hold = HoldRequest { timestamp, duration_millis, keyspace: String::new() };
        answer!(self.to_leader(Request::Hold(hold)), Hold)
    }

    /// Ends a hold, if it has not ended.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn release_hold(&self, hold: u64) -> Result<(), Error> {
        let release = ReleaseHoldRequest { hold, keyspace: String::new() };
        answer!(self.to_leader(Request::ReleaseHold(release)), ReleaseHold).map(drop)
    }

    /// Who is a member and who leads, as a node knows it.
    ///
    /// # Errors
    /// No node answers.
    pub async fn cluster(&self) -> Result<GetClusterResponse, Error> {
        let deadline = Instant::now() + self.deadline;
        let mut avoid = None;
        loop {
            let now = Instant::now();
            let link = self.core.router.route(self.read_from, avoid.as_ref(), now);
            let patience = self.core.attempt_timeout.min(deadline.saturating_duration_since(now));
            match members(&link, patience).await {
                Ok(answer) => return Ok(answer),
                Err(status) if Instant::now() + self.core.backoff.most >= deadline => {
                    let (address, message) = (link.address().to_owned(), status_message(&status));
                    return Err(Error::Unavailable { address, message });
                }
                Err(_) => tokio::time::sleep(self.core.backoff.pause(4)).await,
            }
            avoid = Some(link);
        }
    }

    /// Why no node answers, by the example of one.
    pub(crate) async fn unreachable(&self) -> Error {
        let links = self.core.router.links();
        let Some(link) = links.first() else { return Error::DeadlineExceeded };
        match members(link, self.core.attempt_timeout).await {
            Ok(_) => Error::DeadlineExceeded,
            Err(status) => {
                let (address, message) = (link.address().to_owned(), status_message(&status));
                Error::Unavailable { address, message }
            }
        }
    }

    async fn read(&self, request: Request) -> Result<Answer, Error> {
        self.core.harmless(request, self.read_from, Instant::now() + self.deadline).await
    }

    /// A hold that is made twice does no harm: it ends by itself.
    async fn to_leader(&self, request: Request) -> Result<Answer, Error> {
        self.core.harmless(request, ReadFrom::Leader, Instant::now() + self.deadline).await
    }

    async fn change(&self, request: Request) -> Result<Answer, Error> {
        self.core.write(request, Instant::now() + self.deadline).await
    }
}
