//! The connection to one node: one batch stream, over which all calls travel.

mod shared;
mod slab;
mod task;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use proto::v1::batch_item::Request;
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};

use crate::backoff::Backoff;
use crate::error::Error;
use crate::lock;
use crate::verdict::End;
use shared::Shared;

/// What all links have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Most items under way on a stream.
    pub under_way: usize,
    /// For connecting.
    pub connect_timeout: Duration,
    /// Between attempts to connect.
    pub backoff: Backoff,
}

/// Received bytes that the node need not be told to have been taken: of a stream, and of a connection.
const WINDOWS: (u32, u32) = (4 << 20, 16 << 20);
/// A connection on which nothing was heard for so long is tested, and given so long for the answer.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(2));

/// A node, and the stream to it, which is opened when it is first needed.
#[derive(Debug)]
pub(crate) struct Link {
    shared: Arc<Shared>,
    channel: Channel,
    task: JoinHandle<()>,
    /// How long the node took to answer the last question for the members.
    distance: Mutex<Option<Duration>>,
}

impl Link {
    /// To a node at `host:port`.
    ///
    /// # Errors
    /// Not an address.
    pub(crate) fn new(address: &str, settings: Settings) -> Result<Self, Error> {
        let invalid = |message| Error::Invalid { message };
        if !is_address(address) {
            return Err(invalid(format!(
                "{address:?} is not an address: give host:port, such as 127.0.0.1:7400"
            )));
        }
        let channel = Endpoint::from_shared(format!("http://{address}"))
            .map_err(|error| invalid(format!("{address:?} is not an address: {error}")))?
            .connect_timeout(settings.connect_timeout)
            .tcp_nodelay(true)
            .initial_stream_window_size(WINDOWS.0)
            .initial_connection_window_size(WINDOWS.1)
            .http2_keep_alive_interval(KEEP_ALIVE.0)
            .keep_alive_timeout(KEEP_ALIVE.1)
            .connect_lazy();
        let shared = Arc::new(Shared::new(address.to_owned(), settings.under_way));
        let task = tokio::spawn(task::run(shared.clone(), channel.clone(), settings.backoff));
        Ok(Self { shared, channel, task, distance: Mutex::default() })
    }

    /// `host:port`
    pub(crate) fn address(&self) -> &str {
        &self.shared.address
    }

    /// For calls that do not travel on the stream.
    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// Whether it is worth trying: connecting did not just fail.
    pub(crate) fn usable(&self, now: Instant) -> bool {
        self.shared.usable(now)
    }

    /// How long the node takes to answer; none: not known, or it did not answer.
    pub(crate) fn distance(&self) -> Option<Duration> {
        *lock(&self.distance)
    }

    /// The node took so long to answer, or did not.
    pub(crate) fn measured(&self, distance: Option<Duration>) {
        *lock(&self.distance) = distance;
    }

    /// One attempt, which ends at `until`, to within the rhythm of a clock that all attempts share.
    pub(crate) async fn attempt(&self, request: Request, now: Instant, until: Instant) -> End {
        let permit = match self.shared.room.try_acquire() {
            Ok(permit) => Ok(permit),
            Err(_) => match tokio::time::timeout_at(until.into(), self.shared.room.acquire()).await {
                Ok(Ok(permit)) => Ok(permit),
                _ => Err(Error::Busy { retry_after: Duration::ZERO }),
            },
        };
        let sent = permit.and_then(|permit| {
            let receiver = self.shared.push(request, now, until)?;
            // It comes back with the answer, also if nobody waits for that any more.
            permit.forget();
            Ok(receiver)
        });
        match sent {
            Ok(receiver) => receiver.await.unwrap_or_else(|_| End::Lost(self.closed())),
            Err(error) => End::NotSent(error),
        }
    }

    fn closed(&self) -> Error {
        let message = "the client was closed".to_owned();
        Error::Unavailable { address: self.address().to_owned(), message }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn is_address(address: &str) -> bool {
    address
        .rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok())
}
