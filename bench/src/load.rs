//! The generator: the same for every system.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::link::Link;
use crate::process::Usage;
use crate::recorder::{Expected, Recorder};
use crate::workload::{Answer, Keys, Source, Values, Workload};

/// How long a client of a closed loop pauses after a failure: a node that refuses must not be hammered.
const PAUSE: Duration = Duration::from_millis(10);
/// How exactly operations of an open loop begin.
const PACE: Duration = Duration::from_micros(50);

/// What to do, and for how long.
#[derive(Clone, Debug)]
pub struct Load {
    /// The mix.
    pub workload: Workload,
    /// How many operations are under way at most.
    pub clients: usize,
    /// The size of written values.
    pub value_bytes: usize,
    /// Operations a second, each counted from the moment at which it was to begin (open loop); absent: a client
    /// begins the next operation when the last one ended (closed loop).
    pub rate: Option<f64>,
    /// Whether each operation goes to a random connection, not all of a client to one.
    pub scatter: bool,
    /// Not counted.
    pub warm_up: Duration,
    /// Counted.
    pub measure: Duration,
    /// Operations fail that take longer.
    pub deadline: Duration,
    /// Of everything random.
    pub seed: u64,
}

/// What came out.
#[derive(Debug)]
pub struct Outcome {
    /// How long was measured.
    pub elapsed: Duration,
    /// Latencies, failures and the longest gap.
    pub recorder: Recorder,
    /// What each process used, in the order of the `pids`; the generator itself is the last.
    pub usage: Vec<Usage>,
}

impl Outcome {
    /// Successful operations a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.recorder.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }
}

struct Shared {
    load: Load,
    links: Vec<Link>,
    keys: Arc<Keys>,
    recorder: Mutex<Recorder>,
    stop: AtomicBool,
    pace: Option<Pace>,
}

struct Pace {
    start: Instant,
    rate: f64,
    begun: AtomicU64,
    due: Semaphore,
}

impl Pace {
    /// Waits for the next operation to be due, and says since when it is; nothing: the run is over.
    async fn turn(&self) -> Option<Instant> {
        self.due.acquire().await.ok()?.forget();
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        Some(self.start + Duration::from_secs_f64(number as f64 / self.rate))
    }

    /// A thread of its own, since the timers of the runtime are only exact to a millisecond.
    fn drive(&self) {
        let mut given = 0;
        while !self.due.is_closed() {
            // The first one is due at once.
            let due = (self.start.elapsed().as_secs_f64() * self.rate) as u64 + 1;
            let more = usize::try_from(due.saturating_sub(given)).unwrap_or(0);
            if more > 0 {
                self.due.add_permits(more);
                given = due;
            }
            let next = self.start + Duration::from_secs_f64(given as f64 / self.rate);
            std::thread::sleep(next.saturating_duration_since(Instant::now()).max(PACE));
        }
    }
}

/// Puts `load` on the `links`, whose key space is `keys`, and watches the processes `pids` meanwhile. To be
/// called on a current-thread runtime.
pub async fn run(links: Vec<Link>, keys: Arc<Keys>, load: &Load, pids: &[u32]) -> Outcome {
    let pace = load.rate.map(|rate| Pace {
        start: Instant::now(),
        rate,
        begun: AtomicU64::new(0),
        due: Semaphore::new(0),
    });
    let shared = Arc::new(Shared {
        load: load.clone(),
        links,
        keys,
        recorder: Mutex::default(),
        stop: AtomicBool::new(false),
        pace,
    });
    let driver = shared.pace.is_some().then(|| {
        let shared = Arc::clone(&shared);
        std::thread::spawn(move || shared.pace.iter().for_each(Pace::drive))
    });
    let values = Values::new(load.value_bytes, load.seed);
    let mut clients = JoinSet::new();
    for number in 0..load.clients {
        let source = Source::new(load.workload, values.clone(), load.seed.wrapping_add(number as u64));
        clients.spawn(client(Arc::clone(&shared), source, number));
    }

    let pids: Vec<u32> = pids.iter().copied().chain([std::process::id()]).collect();
    let usage = || pids.iter().map(|pid| Usage::of(*pid)).collect::<Vec<_>>();
    tokio::time::sleep(load.warm_up).await;
    let (before, start) = (usage(), Instant::now());
    shared.recorder().open(start);
    tokio::time::sleep(load.measure).await;
    let end = Instant::now();
    shared.recorder().close(end);
    let after = usage();

    shared.stop.store(true, Ordering::Relaxed);
    if let Some(pace) = &shared.pace {
        pace.due.close();
    }
    while clients.join_next().await.is_some() {}
    if let Some(driver) = driver {
        // It ends within a pace; a panic of it would have shown as missing operations.
        let _ = driver.join();
    }
    let recorder = std::mem::take(&mut *shared.recorder());
    let usage = after.into_iter().zip(before).map(|(after, before)| after.since(before)).collect();
    Outcome { elapsed: end - start, recorder, usage }
}

impl Shared {
    fn recorder(&self) -> MutexGuard<'_, Recorder> {
        self.recorder.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn client(shared: Arc<Shared>, mut source: Source, number: usize) {
    let load = &shared.load;
    while !shared.stop.load(Ordering::Relaxed) {
        let intended = match &shared.pace {
            None => Instant::now(),
            Some(pace) => match pace.turn().await {
                Some(intended) => intended,
                None => return,
            },
        };
        let (key, operation) = source.next(&shared.keys);
        let expected = Expected::of(&operation);
        if intended.elapsed() > load.deadline {
            shared.recorder().record(expected, Err("not begun in time"), intended, Instant::now());
            continue;
        }
        let link = if load.scatter { source.below(shared.links.len()) } else { number % shared.links.len() };
        let mut link = shared.links[link].clone();
        let answer = match tokio::time::timeout(load.deadline, link.call(operation)).await {
            Ok(answer) => answer,
            Err(_) => Err("no answer in time"),
        };
        if let Ok(Answer::Written(version) | Answer::Other(version)) = answer {
            shared.keys.saw(key, version);
        }
        shared.recorder().record(expected, answer, intended, Instant::now());
        if answer.is_err() && shared.pace.is_none() {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::{Protocol, connect};
    use crate::stand_in::StandIn;

    fn load(workload: Workload, clients: usize, rate: Option<f64>) -> Load {
        Load {
            workload,
            clients,
            value_bytes: 32,
            rate,
            scatter: false,
            warm_up: Duration::from_millis(100),
            measure: Duration::from_millis(1000),
            deadline: Duration::from_secs(5),
            seed: 1,
        }
    }

    async fn put(server: StandIn, protocol: Protocol, load: &Load) -> Outcome {
        let links = connect(protocol, &[server.serve().await], 2).unwrap();
        run(links, Arc::new(Keys::new(20)), load, &[]).await
    }

    /// A closed loop hides a stall behind the few operations that were under way; an open loop must show it to all
    /// operations that were to begin meanwhile.
    #[tokio::test]
    async fn an_open_loop_shows_a_stall_that_a_closed_loop_hides() {
        let stalled = || StandIn::stalled(Duration::from_millis(400), Duration::from_millis(400));
        let slow = |outcome: &Outcome| {
            let latencies = &outcome.recorder.latencies;
            (latencies.len() - latencies.count_between(0, 200_000), latencies.max())
        };
        let (closed, _) = slow(&put(stalled(), Protocol::Unary, &load(Workload::Put, 2, None)).await);
        let (open, longest) =
            slow(&put(stalled(), Protocol::Unary, &load(Workload::Put, 2, Some(500.0))).await);
        // Twice two, should the machine itself be as slow once.
        assert!(closed <= 4, "{closed} slow operations in a closed loop");
        // 500 a second were to begin in those 200 ms of the stall that are 200 ms before its end.
        assert!(open >= 80, "{open} slow operations in an open loop");
        assert!(longest >= 350_000, "{longest}");
    }

    #[tokio::test]
    async fn an_open_loop_keeps_its_rate() {
        let outcome = put(StandIn::default(), Protocol::Batch, &load(Workload::Put, 50, Some(1000.0))).await;
        assert!((900.0..1100.0).contains(&outcome.rate()), "{}", outcome.rate());
        assert_eq!(outcome.recorder.failures.len(), 0);
    }

    #[tokio::test]
    async fn what_cannot_begin_in_time_is_counted_as_failed() {
        let stalled = StandIn::stalled(Duration::ZERO, Duration::from_secs(60));
        let load = Load { deadline: Duration::from_millis(100), ..load(Workload::Put, 1, Some(200.0)) };
        let outcome = put(stalled, Protocol::Unary, &load).await;
        let failures = &outcome.recorder.failures;
        assert!(failures["no answer in time"] >= 5 && failures["not begun in time"] >= 100, "{failures:?}");
        assert_eq!(outcome.recorder.latencies.len(), 0);
        assert!(outcome.recorder.longest_gap() >= load.measure);
    }

    #[tokio::test]
    async fn versions_seen_make_conditions_hold() {
        for protocol in [Protocol::Unary, Protocol::Batch] {
            let outcome = put(StandIn::default(), protocol, &load(Workload::Cas, 1, None)).await;
            assert!(outcome.recorder.latencies.len() > 100);
            assert_eq!(outcome.recorder.conditions_failed, 0, "{protocol:?}");
        }
    }

    #[tokio::test]
    async fn reads_of_keys_that_are_not_there_are_told() {
        let outcome = put(StandIn::default(), Protocol::Unary, &load(Workload::Get, 4, None)).await;
        assert_eq!(outcome.recorder.missing, outcome.recorder.latencies.len());
        assert_eq!(outcome.usage.len(), 1);
    }
}
