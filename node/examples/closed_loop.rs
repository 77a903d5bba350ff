//! How many puts a node takes that is a cluster of its own, from clients that each wait for their answer before they
//! ask again: `cargo run --release -p node --example closed_loop -- [clients] [seconds] [value bytes]`.

use std::cell::Cell;
use std::error::Error;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use node::rocks::{EngineSettings, LogSettings};
use node::store_loop::{Asker, InboxLimits, Outbound, Parts, now, start};
use raft::{ClusterId, NodeId};
use rustix::time::{ClockId, clock_gettime};
use store::carrier;
use store::replica::{Request, Settings};
use store::request::{Operation, Write};
use store::snapshot::ChunkRequest;
use store::store::{AdminRequest, NodeEnvelope};
use tokio::task::{LocalSet, spawn_local};

struct Nowhere;

impl Outbound for Nowhere {
    fn send(&mut self, _: Vec<NodeEnvelope>) {}
    fn fetch(&mut self, _: NodeId, _: ChunkRequest) {}
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default| arguments.next().map_or(Ok(default), |argument| argument.parse::<u64>());
    let (clients, seconds, bytes) = (number(64)?, number(5)?, number(256)?);
    let value = Bytes::from(vec![b'v'; usize::try_from(bytes)?]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, measure(clients, Duration::from_secs(seconds), value))
}

async fn measure(clients: u64, time: Duration, value: Bytes) -> Result<(), Box<dyn Error>> {
    let data = tempfile::tempdir()?;
    let (handle, running) = start(Parts {
        data: data.path().to_owned(),
        engine: EngineSettings::default(),
        log: LogSettings::default(),
        settings: Settings::default(),
        carrier: carrier::Settings::default(),
        inbox: InboxLimits::default(),
        outbound: Box::new(Nowhere),
    })?;
    let (asker, answers) = handle.asker();
    spawn_local(answers);
    let disk = handle.summary().borrow().identity.disk;
    let voters = vec![(NodeId(1), disk)];
    handle.admin(AdminRequest::Bootstrap { cluster: ClusterId(1), voters }).await?;
    handle.summary().wait_for(|summary| summary.serves_writes).await?;

    let counters = handle.counters();
    let count = || [counters.log_syncs.get(), counters.log_sync_times.nanos(), counters.turns.get()];
    let (before, begun, used) = (count(), now().time, cpu_micros()?);
    let (puts, on) = (Rc::new(Cell::new(0_u64)), Rc::new(Cell::new(true)));
    let tasks: Vec<_> = (0..clients)
        .map(|client| {
            let state = (asker.clone(), value.clone(), Rc::clone(&puts), Rc::clone(&on));
            spawn_local(ask(client, state))
        })
        .collect();
    tokio::time::sleep(time).await;
    on.set(false);
    for task in tasks {
        task.await??;
    }
    let elapsed = now().time.since(begun).as_secs_f64();
    let (after, used) = (count(), cpu_micros()? - used);
    let [syncs, sync_nanos, turns] = [0, 1, 2].map(|place| (after[place] - before[place]) as f64);
    let puts = puts.get() as f64;
    println!("{clients} clients, {} bytes: {:.0} puts/s", value.len(), puts / elapsed);
    println!("  {:.2} puts a sync, {:.0} us a sync", puts / syncs, sync_nanos / syncs / 1e3);
    println!("  {:.2} turns a put, {:.1} us CPU a put", turns / puts, used / puts);
    running.stop()?;
    Ok(())
}

async fn ask(
    client: u64,
    (asker, value, puts, on): (Asker, Bytes, Rc<Cell<u64>>, Rc<Cell<bool>>),
) -> Result<(), store::request::RequestError> {
    let mut number = 0_u64;
    while on.get() {
        number += 1;
        // Spread over the keys, and not in order.
        let key = (client << 32 | number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let operation =
            Operation::Put { key: Bytes::copy_from_slice(&key.to_be_bytes()), value: value.clone() };
        asker.ask(Request::Write(Write { operations: vec![operation], ..Write::default() })).await?;
        puts.set(puts.get() + 1);
    }
    Ok(())
}

/// User and system time of this process so far.
fn cpu_micros() -> Result<f64, Box<dyn Error>> {
    let used = Duration::try_from(clock_gettime(ClockId::ProcessCPUTime))?;
    Ok(used.as_secs_f64() * 1e6)
}
