//! Keeps the moment of an export readable for as long as it takes.

use std::time::{Duration, Instant};

use client::{Client, Error};

/// What an export that was killed leaves behind ends by itself after this.
const DURATION: Duration = Duration::from_secs(3_600);
/// Less than the retention of the servers, so that a short export needs no hold.
const BEFORE_FIRST: Duration = Duration::from_secs(20);

pub struct Hold {
    client: Client,
    /// None: there is no hold yet.
    id: Option<u64>,
    renew: Instant,
}

impl Hold {
    pub fn new(client: Client) -> Self {
        Self { client, id: None, renew: Instant::now() + BEFORE_FIRST }
    }

    /// Called again and again, always with the timestamp of the export.
    pub async fn keep(&mut self, timestamp: u64) -> Result<(), Error> {
        let now = Instant::now();
        if now < self.renew {
            return Ok(());
        }
        let next = self.client.hold(timestamp, DURATION).await?.hold;
        self.renew = now + DURATION / 2;
        // The next one begins before the last one ends.
        self.release().await;
        self.id = Some(next);
        Ok(())
    }

    pub async fn end(mut self) {
        self.release().await;
    }

    /// If this fails, it ends by itself.
    async fn release(&mut self) {
        if let Some(id) = self.id.take()
            && let Err(error) = self.client.release_hold(id).await
        {
            eprintln!("kvctl: hold {id} is not released, it ends within an hour: {error}");
        }
    }
}
