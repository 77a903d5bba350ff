//! The API server as the operator uses it: no call waits for ever, none is repeated in silence, and nothing is changed
//! without the lease.

use std::fmt;
use std::time::Duration;

use kube::{Client, Config};
use tokio::time::timeout;

use crate::error::Error;
use crate::lease::Claim;

/// After so long a call is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// A client for the cluster that this process runs in, or that `KUBECONFIG` names.
///
/// # Errors
/// There is no such configuration, or it is wrong.
pub async fn connect() -> Result<Client, Error> {
    let mut config = Config::infer().await.map_err(|error| infer("find the API server", error))?;
    // Each caller has its own back-off; kube would repeat every verb up to 15 times over many minutes.
    config.default_retry = false;
    config.connect_timeout = Some(Duration::from_secs(5));
    Client::try_from(config).map_err(|error| Error::api("configure the client", error))
}

fn infer(call: &'static str, error: kube::config::InferConfigError) -> Error {
    Error::api(call, kube::Error::InferConfig(error))
}

/// The API server, for one that may change things only while it holds a claim.
#[derive(Clone)]
pub struct Kube {
    client: Client,
    claim: Claim,
}

impl fmt::Debug for Kube {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kube").field("claim", &self.claim).finish_non_exhaustive()
    }
}

impl Kube {
    /// With this client, under this claim.
    #[must_use]
    pub fn new(client: Client, claim: Claim) -> Self {
        Self { client, claim }
    }

    /// To make requests of. They are to be awaited in [`Kube::read`] or [`Kube::change`].
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The claim, for changes that go elsewhere than to the API server.
    #[must_use]
    pub fn claim(&self) -> &Claim {
        &self.claim
    }

    /// Awaits a request that changes nothing.
    ///
    /// # Errors
    /// It failed, or took too long.
    pub async fn read<T>(
        &self,
        call: &'static str,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, Error> {
        within(call, request).await
    }

    /// Awaits a request that changes something, if and as long as the lease is held.
    ///
    /// # Errors
    /// The lease is not held, or not any more, or the request failed or took too long.
    pub async fn change<T>(
        &self,
        call: &'static str,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, Error> {
        self.claim.during(within(call, request)).await?
    }
}

async fn within<T>(call: &'static str, request: impl Future<Output = kube::Result<T>>) -> Result<T, Error> {
    match timeout(PATIENCE, request).await {
        Ok(result) => result.map_err(|error| Error::api(call, error)),
        Err(_) => Err(Error::Timeout { call, after: PATIENCE }),
    }
}
