//! The Lease that elects the one operator that acts. Kubernetes has it in client-go; kube has not.

mod claim;
mod elector;

use std::pin::pin;
use std::time::Instant;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, ObjectMeta, PostParams};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

pub use claim::{Claim, NotHeld};
pub use elector::{Decision, Elector, Timing};

use crate::error::Error;

/// The name of the Lease, in the namespace of the operator.
pub const NAME: &str = "kvcluster-operator";

/// Takes part in the election.
pub struct Election {
    leases: Api<Lease>,
    elector: Elector,
    timing: Timing,
    held_until: watch::Sender<Option<Instant>>,
    /// The lease as the server has it, as far as this process knows.
    lease: Option<Lease>,
}

/// Why the election ended.
#[derive(thiserror::Error, Clone, PartialEq, Eq, Debug)]
pub enum Lost {
    /// Another process holds the lease.
    #[error("{holder} holds the lease now")]
    Taken {
        /// Its name.
        holder: String,
    },
    /// Another process may hold the lease.
    #[error("the lease was not renewed in time")]
    NotRenewed,
}

impl Election {
    /// Of this candidate.
    #[must_use]
    pub fn new(
        client: kube::Client,
        namespace: &str,
        identity: String,
        timing: Timing,
        held_until: watch::Sender<Option<Instant>>,
    ) -> Self {
        let elector = Elector::new(identity, timing);
        Self { leases: Api::namespaced(client, namespace), elector, timing, held_until, lease: None }
    }

    /// Takes the lease when it can be had and renews it, until `stop`; then it is free at once.
    ///
    /// # Errors
    /// It is lost: this process must end, without another change.
    pub async fn run(mut self, stop: impl Future<Output = ()>) -> Result<(), Lost> {
        let mut stop = pin!(stop);
        loop {
            let began = Instant::now();
            match timeout(self.timing.attempt, self.attempt()).await {
                Ok(Ok(true)) => self.extend(began),
                Ok(Ok(false)) => {}
                Ok(Err(error)) => {
                    self.lease = None;
                    tracing::warn!(%error, "the lease cannot be read or written");
                }
                Err(_) => {
                    self.lease = None;
                    tracing::warn!("the lease is not read or written in time");
                }
            }
            if let Some(lost) = self.lost() {
                // What is under way is given up: the lease may have been taken long before it would have ended.
                self.held_until.send_replace(None);
                return Err(lost);
            }
            tokio::select! {
                () = sleep(self.timing.retry) => {}
                () = &mut stop => {
                    self.release().await;
                    return Ok(());
                }
            }
        }
    }

    fn extend(&mut self, began: Instant) {
        if self.held_until.borrow().is_none() {
            tracing::info!("the lease is held: this operator acts");
        }
        self.held_until.send_replace(Some(began + self.timing.renew_deadline));
    }

    fn lost(&self) -> Option<Lost> {
        let until = (*self.held_until.borrow())?;
        let spec = self.lease.as_ref().and_then(|lease| lease.spec.as_ref());
        match spec {
            Some(spec) if !self.elector.holds(spec) => {
                let holder = spec.holder_identity.clone().unwrap_or_else(|| "nobody".to_owned());
                Some(Lost::Taken { holder })
            }
            _ => (Instant::now() >= until).then_some(Lost::NotRenewed),
        }
    }

    /// Reads the lease if it is not known, and writes it if it may. True: this process holds it.
    async fn attempt(&mut self) -> Result<bool, Error> {
        let mine = |lease: &&Lease| lease.spec.as_ref().is_some_and(|spec| self.elector.holds(spec));
        // The holder knows what it wrote last; if somebody else wrote since, the server says so.
        let current = match self.lease.as_ref().filter(mine) {
            Some(lease) => Some(lease.clone()),
            None => self.leases.get_opt(NAME).await.map_err(|error| Error::api("get Lease", error))?,
        };
        let is_held = self.held_until.borrow().is_some();
        let spec = current.as_ref().map(|lease| lease.spec.clone().unwrap_or_default());
        if is_held && !spec.as_ref().is_some_and(|spec| self.elector.holds(spec)) {
            // A process that lost it never comes back: its caches and its plans are of another time.
            self.lease = Some(current.unwrap_or_default());
            return Ok(false);
        }
        match self.elector.decide(spec.as_ref(), Instant::now(), Timestamp::now()) {
            Decision::Wait => {
                self.lease = current;
                Ok(false)
            }
            Decision::Write(spec) => {
                let mut lease = current.unwrap_or_else(|| Lease {
                    metadata: ObjectMeta { name: Some(NAME.to_owned()), ..ObjectMeta::default() },
                    ..Lease::default()
                });
                lease.spec = Some(spec);
                self.write(lease).await
            }
        }
    }

    /// Writes the lease unless somebody else has written since it was read. False: somebody has.
    async fn write(&mut self, lease: Lease) -> Result<bool, Error> {
        let parameters = PostParams::default();
        let written = if lease.metadata.resource_version.is_some() {
            self.leases.replace(NAME, &parameters, &lease).await
        } else {
            self.leases.create(&parameters, &lease).await
        };
        match written {
            Ok(lease) => {
                self.lease = Some(lease);
                Ok(true)
            }
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => {
                self.lease = None;
                Ok(false)
            }
            Err(error) => Err(Error::api("write Lease", error)),
        }
    }

    /// Lets another process take the lease at once. Only after everything that changes something has ended.
    async fn release(mut self) {
        self.held_until.send_replace(None);
        let Some(mut lease) = self.lease.take() else { return };
        let Some(spec) = lease.spec.take().filter(|spec| self.elector.holds(spec)) else { return };
        lease.spec = Some(self.elector.released(&spec));
        match timeout(self.timing.attempt, self.write(lease)).await {
            Ok(Ok(_)) => tracing::info!("the lease is released"),
            Ok(Err(error)) => tracing::warn!(%error, "the lease is not released: it ends by itself"),
            Err(_) => tracing::warn!("the lease is not released in time: it ends by itself"),
        }
    }
}
