//! How a client is set up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::backoff::Backoff;
use crate::budget::Budget;
use crate::call::Core;
use crate::client::Client;
use crate::error::Error;
use crate::link::Settings;
use crate::router::Router;
use crate::session::Sessions;

/// The settings of a client; all have defaults.
///
/// ```no_run
/// # async fn example() -> Result<(), client::Error> {
/// use std::time::Duration;
///
/// let client = client::Client::builder(["10.0.0.1:7400", "10.0.0.2:7400"])
///     .deadline(Duration::from_secs(2))
///     .connect()
///     .await?;
/// # drop(client);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Builder {
    endpoints: Vec<String>,
    deadline: Duration,
    attempt_timeout: Duration,
    backoff: Backoff,
    retry_share: f64,
    under_way: usize,
}

impl Builder {
    pub(crate) fn new(endpoints: Vec<String>) -> Self {
        Self {
            endpoints,
            deadline: Duration::from_secs(5),
            attempt_timeout: Duration::from_secs(1),
            backoff: Backoff { first: Duration::from_millis(10), most: Duration::from_secs(1) },
            retry_share: 0.1,
            under_way: 4_096,
        }
    }

    /// How long a call may take with all its attempts; 5 s. See also [`Client::with_deadline`].
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How long one attempt may take, to within 20 ms; 1 s. More in a cluster that spans continents.
    #[must_use]
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout;
        self
    }

    /// The pause between attempts: at random up to `first`, doubled with each attempt, up to `most`; 10 ms and 1 s.
    #[must_use]
    pub fn backoff(mut self, first: Duration, most: Duration) -> Self {
        self.backoff = Backoff { first, most };
        self
    }

    /// Attempts that are repeated because the cluster was busy or slow, for each call; 0.1. A thousand are saved up
    /// and ten a second are always allowed; beyond that, such a call fails at once.
    #[must_use]
    pub fn retry_share(mut self, share: f64) -> Self {
        self.retry_share = share;
        self
    }

    /// Most attempts that wait for a node's answer at a time; 4,096. Further ones wait for their turn.
    #[must_use]
    pub fn under_way(mut self, attempts: usize) -> Self {
        self.under_way = attempts;
        self
    }

    /// Connects: returns when a node has answered.
    ///
    /// # Errors
    /// An endpoint is not `host:port`, or no node answers within the deadline.
    pub async fn connect(self) -> Result<Client, Error> {
        let Self { endpoints, deadline, attempt_timeout, backoff, retry_share, under_way } = self;
        let settings = Settings { under_way: under_way.max(1), connect_timeout: attempt_timeout, backoff };
        let router = Arc::new(Router::new(endpoints, settings)?);
        let learned = router.learned.notified();
        tokio::pin!(learned);
        // From here on no answer is missed.
        learned.as_mut().enable();
        let core = Core {
            discovery: tokio::spawn(crate::discover::run(router.clone())),
            router: router.clone(),
            sessions: Sessions::new(),
            budget: Budget::new(retry_share, Instant::now()),
            attempt_timeout,
            backoff,
        };
        let client = Client::new(Arc::new(core), deadline);
        let until = Instant::now() + deadline;
        loop {
            let patience = backoff.most.min(until.saturating_duration_since(Instant::now()));
            if patience.is_zero() {
                return Err(client.unreachable().await);
            }
            router.doubt.notify_one();
            if tokio::time::timeout(patience, learned.as_mut()).await.is_ok() {
                return Ok(client);
            }
        }
    }
}
