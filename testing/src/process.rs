//! One node as a process.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use proto::admin::v1::admin_client::AdminClient;
use proto::admin::v1::{NodeStatusRequest, NodeStatusResponse};
use proto::v1::kv_client::KvClient;
use rustix::process::{Pid, Signal, kill_process};
use tonic::transport::{Channel, Endpoint};

/// The longest that a test waits for something that must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where the program is: beside the tests that cargo builds, or where `KV_NODE_BINARY` says.
///
/// # Panics
/// It was not built.
#[must_use]
pub fn kv_node() -> PathBuf {
    if let Some(path) = std::env::var_os("KV_NODE_BINARY") {
        return path.into();
    }
    // <target>/debug/deps/test
    let test = std::env::current_exe().unwrap();
    let path = test.ancestors().nth(2).unwrap().join("kv-node");
    assert!(path.exists(), "there is no {}: run `cargo build -p node` first", path.display());
    path
}

/// What is special about a node.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Further flags, as in `--heartbeat`, `50ms`.
    pub flags: Vec<String>,
    /// Variables of its environment.
    pub environment: Vec<(String, String)>,
}

/// A node. Its folder is kept over restarts, and so are its ports.
#[derive(Debug)]
pub struct NodeProcess {
    folder: PathBuf,
    client: SocketAddr,
    peer: SocketAddr,
    http: SocketAddr,
    /// What is special about it; counts from the next start.
    pub options: Options,
    child: Option<Child>,
}

impl NodeProcess {
    /// Prepares a node with everything in `folder`, which is made; it is not started.
    #[must_use]
    pub fn new(folder: &Path, options: Options) -> Self {
        fs::create_dir_all(folder).unwrap();
        // All are held until the last is chosen.
        let sockets = [0; 3].map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap());
        let [client, peer, http] = sockets.each_ref().map(|socket| socket.local_addr().unwrap());
        Self { folder: folder.to_owned(), client, peer, http, options, child: None }
    }

    /// Starts the process.
    ///
    /// # Panics
    /// It runs already.
    pub fn start(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let log = File::options().create(true).append(true).open(self.log()).unwrap();
        let mut command = Command::new(kv_node());
        // Nothing of the environment of the test counts.
        for (name, _) in
            std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("KV_NODE_"))
        {
            command.env_remove(name);
        }
        command
            .arg("run")
            .args(["--data-dir".as_ref(), self.data().as_os_str()])
            .args(["--client-listen", &self.client.to_string()])
            .args(["--peer-listen", &self.peer.to_string()])
            .args(["--http-listen", &self.http.to_string()])
            .args(["--termination-log".as_ref(), self.termination_log().as_os_str()])
            .args(["--memory-bytes", "256MiB"])
            .args(&self.options.flags)
            .envs(self.options.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        self.child = Some(command.spawn().unwrap());
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// It does not run.
    pub fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("it runs");
        kill_process(Pid::from_child(child), signal).unwrap();
    }

    /// The id of its process.
    ///
    /// # Panics
    /// It does not run.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Tells it to stop, and waits until it has.
    ///
    /// # Panics
    /// It does not stop in time.
    pub async fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait().await
    }

    /// Waits until it ends.
    ///
    /// # Panics
    /// It does not end in time.
    pub async fn wait(&mut self) -> ExitStatus {
        wait_until("the process ends", async || self.ended()).await
    }

    /// How it ended, if it has.
    ///
    /// # Panics
    /// It was not started.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        let ended = self.child.as_mut().expect("it was started").try_wait().unwrap();
        if ended.is_some() {
            self.child = None;
        }
        ended
    }

    /// Waits until it answers, however it is.
    ///
    /// # Panics
    /// It does not answer in time.
    pub async fn wait_live(&mut self) -> NodeStatusResponse {
        wait_until("the node answers", async || self.status().await).await
    }

    /// Its status, if it answers.
    pub async fn status(&self) -> Option<NodeStatusResponse> {
        let status = self.admin().node_status(NodeStatusRequest {}).await;
        status.ok().map(tonic::Response::into_inner)
    }

    /// For administration.
    #[must_use]
    pub fn admin(&self) -> AdminClient<Channel> {
        AdminClient::new(channel(self.peer))
    }

    /// For keys and values.
    #[must_use]
    pub fn kv(&self) -> KvClient<Channel> {
        KvClient::new(channel(self.client))
    }

    /// Where clients are served.
    #[must_use]
    pub fn client_address(&self) -> SocketAddr {
        self.client
    }

    /// Where peers and administrators are served.
    #[must_use]
    pub fn peer_address(&self) -> SocketAddr {
        self.peer
    }

    /// Where health and metrics are served.
    #[must_use]
    pub fn http_address(&self) -> SocketAddr {
        self.http
    }

    /// The folder of its data.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Where it writes why it ended.
    #[must_use]
    pub fn termination_log(&self) -> PathBuf {
        self.folder.join("termination.json")
    }

    /// Its log lines.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.folder.join("log")
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let lines = fs::read_to_string(self.log()).unwrap_or_default();
            let lines: Vec<_> = lines.lines().collect();
            let last = lines.get(lines.len().saturating_sub(100)..).unwrap_or_default();
            eprintln!("---- the last lines of {}\n{}", self.log().display(), last.join("\n"));
        }
    }
}

fn channel(address: SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    endpoint.connect_timeout(Duration::from_secs(2)).timeout(Duration::from_secs(10)).connect_lazy()
}

/// Asks again and again until there is an answer.
///
/// # Panics
/// There is none in time.
pub async fn wait_until<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    wait_within(PATIENCE, what, look).await
}

/// The same for what takes longer.
///
/// # Panics
/// There is none in time.
pub async fn wait_within<T>(patience: Duration, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < patience, "{what}: not within {} s", patience.as_secs());
        // A process tells nobody of its state: it has to be asked.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
