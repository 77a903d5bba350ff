//! A gRPC server on a port and a thread of its own, which can be cut off as if its process had died.

use std::net::{SocketAddr, TcpListener};
use std::thread::{JoinHandle, spawn};

use tokio::sync::oneshot;
use tonic::service::Routes;
use tonic::transport::server::TcpIncoming;

/// Dropped, it closes its port and all its connections without a word.
pub struct Server {
    pub address: SocketAddr,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start(routes: Routes) -> Self {
        Self::start_on(listen(), routes)
    }

    pub fn start_on(listener: TcpListener, routes: Routes) -> Self {
        let address = listener.local_addr().unwrap();
        let (end, ended) = oneshot::channel();
        let thread = spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                listener.set_nonblocking(true).unwrap();
                let incoming = TcpIncoming::from(tokio::net::TcpListener::from_std(listener).unwrap());
                let serving =
                    tonic::transport::Server::builder().add_routes(routes).serve_with_incoming(incoming);
                tokio::select! {
                    served = serving => served.unwrap(),
                    _ = ended => {}
                }
            });
        });
        Self { address, end: Some(end), thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

pub fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}
