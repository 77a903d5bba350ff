//! A runtime on a thread of its own.

use std::thread::JoinHandle;

use store::replica::ExitCode;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::termination::Termination;

/// A current-thread runtime. It ends, with everything that runs on it, when this is dropped.
#[derive(Debug)]
pub struct RuntimeThread {
    runtime: Handle,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl RuntimeThread {
    /// Starts it.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(name: &str) -> Result<Self, Termination> {
        let refused = |error: std::io::Error| {
            let what =
                format!("the thread {name:?} cannot be started: {error}; raise the limit of processes");
            Termination::new(ExitCode::Configuration, what, None)
        };
        let runtime = Builder::new_current_thread().enable_all().build().map_err(refused)?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        let body = move || {
            // Ends by a message or because the sender is gone.
            let _ = runtime.block_on(ended);
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(body).map_err(refused)?;
        Ok(Self { runtime: handle, end: Some(end), thread: Some(thread) })
    }

    /// To spawn what shall run there.
    #[must_use]
    pub fn runtime(&self) -> &Handle {
        &self.runtime
    }
}

impl Drop for RuntimeThread {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // A task that panicked is no reason to panic here.
            let _ = thread.join();
        }
    }
}
