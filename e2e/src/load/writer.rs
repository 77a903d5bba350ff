//! Several clients that write and read at a bounded rate.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use client::{Client, Error, Scan};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::history::{Done, Found, Outcome, Request};
use super::report::Report;

/// Keys that all clients write.
const SHARED: u32 = 8;
/// How long a client tries a request.
const DEADLINE: Duration = Duration::from_secs(15);
/// How often kv-load says how far it is.
const PROGRESS: Duration = Duration::from_secs(1);

/// How much load.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where nodes are, as host:port.
    pub endpoints: Vec<String>,
    /// Clients that ask at the same time, each one request after the other.
    pub clients: u32,
    /// Requests of all clients in a second, at most.
    pub rate: u32,
    /// At most so many requests, so that the history stays in memory.
    pub most: u64,
    /// All keys begin with this. They must not be there yet.
    pub prefix: String,
}

/// Asks until `stop` turns true, then reads all keys and checks everything.
///
/// # Errors
/// The cluster cannot be reached at the start, or not be read at the end.
pub async fn run(options: Options, stop: watch::Receiver<bool>) -> Result<Report, Error> {
    let client = Client::builder(options.endpoints.clone()).deadline(DEADLINE).connect().await?;
    let begun = Instant::now();
    let left = Arc::new(AtomicU64::new(options.most));
    let written = Arc::new(AtomicU64::new(0));
    let mut writers = JoinSet::new();
    for name in 0..options.clients {
        let writer = Writer {
            client: client.clone(),
            name,
            begun,
            pause: Duration::from_secs(1) * options.clients / options.rate.max(1),
            prefix: options.prefix.clone(),
            left: Arc::clone(&left),
            written: Arc::clone(&written),
            random: StdRng::from_os_rng(),
            count: 0,
        };
        writers.spawn(writer.run(stop.clone()));
    }
    let progress = tokio::spawn(say_progress(written));
    let mut history: Vec<Done> = writers.join_all().await.into_iter().flatten().collect();
    progress.abort();
    let report = Report::of(&history);
    let last = read_all(&client, &options.prefix, &history, begun).await?;
    history.extend(last);
    Ok(report.checked(&history))
}

async fn say_progress(written: Arc<AtomicU64>) {
    let mut ticks = interval(PROGRESS);
    let mut before = 0;
    loop {
        ticks.tick().await;
        let now = written.load(Ordering::Relaxed);
        println!("{now} writes acknowledged, {} in the last second", now - before);
        before = now;
    }
}

struct Writer {
    client: Client,
    name: u32,
    begun: Instant,
    pause: Duration,
    prefix: String,
    left: Arc<AtomicU64>,
    written: Arc<AtomicU64>,
    random: StdRng,
    count: u64,
}

impl Writer {
    async fn run(mut self, mut stop: watch::Receiver<bool>) -> Vec<Done> {
        let mut history = Vec::new();
        let mut ticks = interval(self.pause);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                // An error: nobody is left who could tell to stop.
                _ = stop.wait_for(|stop| *stop) => return history,
            }
            let taken =
                self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
            if taken.is_err() {
                return history;
            }
            let (key, request) = self.choose();
            let invoked = self.begun.elapsed();
            let outcome = self.ask(&key, &request).await;
            history.push(Done { key, request, invoked, returned: self.begun.elapsed(), outcome });
        }
    }

    /// Half of the writes make keys that nothing overwrites, so that a lost one is seen at the end.
    fn choose(&mut self) -> (String, Request) {
        let (prefix, name) = (&self.prefix, self.name);
        let shared = format!("{prefix}shared/{}", self.random.random_range(0..SHARED));
        if self.random.random_ratio(1, 3) {
            return (shared, Request::Get);
        }
        self.count += 1;
        let count = self.count;
        let key = if self.random.random() { shared } else { format!("{prefix}own/{name}/{count}") };
        (key, Request::Put(format!("{name}-{count}")))
    }

    async fn ask(&self, key: &str, request: &Request) -> Outcome {
        let answer = match request {
            Request::Put(value) => {
                let answer = self.client.put(key.to_owned(), value.clone()).await;
                answer.map(|put| Outcome::Answered { timestamp: put.timestamp, found: None })
            }
            Request::Get => self.client.get(key.to_owned()).await.map(|got| {
                let found = got.value.map(|value| found(value.version, &value.value));
                Outcome::Answered { timestamp: got.timestamp, found }
            }),
        };
        match answer {
            Ok(answered) => {
                if matches!(request, Request::Put(_)) {
                    self.written.fetch_add(1, Ordering::Relaxed);
                }
                answered
            }
            Err(error) => {
                println!("{request:?} of {key}: {error}");
                if error.outcome_unknown() { Outcome::Unknown } else { Outcome::Failed }
            }
        }
    }
}

fn found(version: u64, value: &[u8]) -> Found {
    Found { version, value: String::from_utf8_lossy(value).into_owned() }
}

/// Reads every key that was written, and whatever else is there, as of one moment.
async fn read_all(
    client: &Client,
    prefix: &str,
    history: &[Done],
    begun: Instant,
) -> Result<Vec<Done>, Error> {
    let invoked = begun.elapsed();
    let mut pages = client.pages(Scan::prefix(prefix.to_owned()));
    let (mut rows, mut timestamp) = (BTreeMap::new(), 0);
    while let Some(page) = pages.next().await? {
        timestamp = page.timestamp;
        let page = page.rows.into_iter();
        rows.extend(page.map(|row| {
            (String::from_utf8_lossy(&row.key).into_owned(), Some(found(row.version, &row.value)))
        }));
    }
    for done in history {
        rows.entry(done.key.clone()).or_insert(None);
    }
    let returned = begun.elapsed();
    let read = |(key, found)| Done {
        key,
        request: Request::Get,
        invoked,
        returned,
        outcome: Outcome::Answered { timestamp, found },
    };
    Ok(rows.into_iter().map(read).collect())
}
