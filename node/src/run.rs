//! One node as a process: until a signal or a fault.

use std::io;
use std::time::{Duration, Instant};

use store::replica::ExitCode;
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::Config;
use crate::node::Node;
use crate::termination::Termination;

/// Ended by a second signal, as a shell reports it.
const INTERRUPTED: i32 = 130;

/// A signal so soon after the first one is the same.
const ECHO: Duration = Duration::from_millis(200);

/// Runs a node until it is told to stop.
///
/// # Errors
/// The end that the process must have; the termination log has it.
pub fn run(config: Config) -> Result<(), Termination> {
    let log = config.termination_log.clone();
    let ended = until_stopped(async || Ok(vec![Node::start(config).await?]), async |_| Ok(()));
    if let Err(termination) = &ended {
        tracing::error!(
            reason = termination.reason,
            exit_code = termination.exit_code,
            message = termination.message,
            "kv-node ends"
        );
        termination.write(log.as_deref());
    }
    ended
}

/// The signals that ask for an end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// A signal that is meant as another one: to a whole group of processes the same signal is sent twice.
    async fn again(&mut self) {
        let first = Instant::now();
        loop {
            self.next().await;
            if first.elapsed() > ECHO {
                return;
            }
        }
    }
}

/// Starts nodes, does something with them, and stops all of them at a signal. After a fault nothing is stopped in
/// order; a second signal ends the process at once.
pub(crate) fn until_stopped(
    start: impl AsyncFnOnce() -> Result<Vec<Node>, Termination>,
    begun: impl AsyncFnOnce(&[Node]) -> Result<(), Termination>,
) -> Result<(), Termination> {
    let refused = |error: io::Error| Termination::new(ExitCode::Configuration, error, None);
    let runtime = Builder::new_current_thread().enable_all().build().map_err(refused)?;
    let ended = runtime.block_on(async {
        // Before the data are opened: a signal meanwhile is not lost.
        let mut signals = Signals::new().map_err(refused)?;
        let nodes = tokio::select! {
            biased;
            // It waits for another process.
            () = signals.next() => return Ok(()),
            nodes = start() => nodes?,
        };
        let faults: Vec<_> = nodes.iter().map(|node| Box::pin(node.fault())).collect();
        let mut fault = futures_util::future::select_all(faults);
        let ended = async {
            begun(&nodes).await?;
            std::future::pending::<Result<(), Termination>>().await
        };
        tokio::select! {
            biased;
            (termination, ..) = &mut fault => return Err(leave(nodes, termination)),
            ended = ended => {
                ended?;
            }
            () = signals.next() => {}
        }
        let mut stop = futures_util::future::join_all(nodes.into_iter().map(Node::stop));
        tokio::select! {
            biased;
            (termination, ..) = &mut fault => Err(leave(stop, termination)),
            stopped = &mut stop => stopped.into_iter().collect(),
            () = signals.again() => {
                tracing::warn!("a second signal: this process ends at once");
                exit(INTERRUPTED)
            }
        }
    });
    // A stop during which the disk failed may never end.
    runtime.shutdown_background();
    ended
}

/// What is open stays open until the process ends: a thread that is stuck would be waited for.
fn leave<T>(open: T, termination: Termination) -> Termination {
    std::mem::forget(open);
    termination
}

/// Ends the process at once, whatever its threads do: they may use what the destructors of libraries would take from
/// them, and the process would abort instead of ending with its code.
pub fn exit(code: i32) -> ! {
    signal_hook::low_level::exit(code)
}
