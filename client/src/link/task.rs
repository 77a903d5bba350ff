//! The task of a link: opens the stream when there is something to send, reads the answers, and lets none be awaited
//! for ever.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::v1::kv_client::KvClient;
use tokio::time::{Interval, MissedTickBehavior};
use tonic::transport::Channel;

use super::shared::Shared;
use crate::backoff::Backoff;
use crate::error::status_message;

/// How precisely attempts end.
const TICK: Duration = Duration::from_millis(20);
/// So many ticks without anything awaited, and the clock stops.
const QUIET: u32 = 50;
/// What a node may answer in one message; it sends far less.
const MESSAGE_BYTES: usize = 16 << 20;

pub(super) async fn run(shared: Arc<Shared>, channel: Channel, backoff: Backoff) {
    let mut clock = tokio::time::interval(TICK);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        shared.demand.notified().await;
        let message = stream(&shared, &channel, &mut clock).await;
        tracing::debug!(address = shared.address, message, "the stream has ended");
        shared.broken(message, Instant::now(), backoff);
    }
}

/// One stream, until it ends; returns why.
async fn stream(shared: &Arc<Shared>, channel: &Channel, clock: &mut Interval) -> String {
    let mut kv = KvClient::new(channel.clone()).max_decoding_message_size(MESSAGE_BYTES);
    let opening = kv.batch(shared.outbound());
    tokio::pin!(opening);
    let mut answers = loop {
        tokio::select! {
            biased;
            opened = &mut opening => match opened {
                Ok(answers) => break answers.into_inner(),
                Err(status) => return status_message(&status),
            },
            _ = clock.tick() => shared.sweep(Instant::now()),
        }
    };
    shared.opened();
    let mut quiet = 0;
    loop {
        tokio::select! {
            biased;
            answer = answers.message() => match answer {
                Ok(Some(answer)) => {
                    quiet = 0;
                    shared.answer(answer);
                }
                Ok(None) => return "the node has closed the connection".to_owned(),
                Err(status) => return status_message(&status),
            },
            _ = clock.tick(), if quiet < QUIET => {
                quiet += 1;
                shared.sweep(Instant::now());
                if quiet == QUIET && !shared.park() {
                    quiet = 0;
                }
            }
            () = shared.demand.notified(), if quiet == QUIET => quiet = 0,
        }
    }
}
