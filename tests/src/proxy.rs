//! Connections between nodes that can be cut, also in one direction.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use testing::Cluster;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Between all nodes of a cluster. What a node sends while a connection is cut arrives when it is mended, late, as
/// with TCP; its peer may have closed the connection meanwhile.
pub struct Proxies {
    /// Whether what goes from a node to another one is held.
    cuts: BTreeMap<(u64, u64), watch::Sender<bool>>,
    _listeners: JoinSet<()>,
}

impl Proxies {
    /// Puts proxies between the nodes of a cluster, which are restarted.
    pub async fn between(cluster: &mut Cluster) -> Self {
        let peers: Vec<_> = (1..).zip(cluster.nodes.iter().map(testing::NodeProcess::peer_address)).collect();
        let pairs = || peers.iter().flat_map(|from| peers.iter().map(move |to| (from.0, *to)));
        let cuts: BTreeMap<_, _> =
            pairs().map(|(from, (to, _))| ((from, to), watch::Sender::new(false))).collect();
        let mut listeners = JoinSet::new();
        let mut flags: BTreeMap<u64, Vec<String>> = BTreeMap::new();
        for (from, (to, address)) in pairs().filter(|(from, (to, _))| from != to) {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let flag = format!("{to}={}", listener.local_addr().unwrap());
            flags.entry(from).or_default().push(flag);
            let (there, back) = (cuts[&(from, to)].subscribe(), cuts[&(to, from)].subscribe());
            listeners.spawn(listen(listener, address, there, back));
        }
        for (node, peers) in (1..).zip(&mut cluster.nodes) {
            peers.kill();
            peers.options.flags.extend(["--peer-addresses".to_owned(), flags[&node].join(",")]);
            peers.start();
        }
        cluster.leader().await;
        Self { cuts, _listeners: listeners }
    }

    /// Cuts, or mends, what goes from a node to the others.
    pub fn cut_from(&self, node: u64, cut: bool) {
        for (_, direction) in self.cuts.iter().filter(|((from, _), _)| *from == node) {
            direction.send_replace(cut);
        }
    }

    /// Cuts, or mends, what goes to a node from the others.
    pub fn cut_to(&self, node: u64, cut: bool) {
        for (_, direction) in self.cuts.iter().filter(|((_, to), _)| *to == node) {
            direction.send_replace(cut);
        }
    }
}

async fn listen(
    listener: TcpListener,
    to: SocketAddr,
    there: watch::Receiver<bool>,
    back: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        connections.spawn(connect(client, to, there.clone(), back.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn connect(
    client: TcpStream,
    to: SocketAddr,
    mut there: watch::Receiver<bool>,
    mut back: watch::Receiver<bool>,
) {
    // To connect takes both directions.
    if mended(&mut there).await.is_none() || mended(&mut back).await.is_none() {
        return;
    }
    let Ok(server) = TcpStream::connect(to).await else { return };
    // As the nodes have it; nothing to do where it cannot be set.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = pass(from_client, to_server, there) => {}
        () = pass(from_server, to_client, back) => {}
    }
}

/// Passes on what is sent in one direction, until an end closes.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut cut: watch::Receiver<bool>) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if mended(&mut cut).await.is_none() || to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

async fn mended(cut: &mut watch::Receiver<bool>) -> Option<()> {
    cut.wait_for(|cut| !cut).await.ok().map(drop)
}
