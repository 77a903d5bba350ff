//! The one place where sockets are opened. TLS will begin here; until then everything is plain text.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::time::Duration;

use futures_util::{Stream, stream};
use store::replica::ExitCode;
use tokio::net::{TcpListener, TcpStream};

use crate::termination::Termination;

/// After a failed accept.
const PAUSE: Duration = Duration::from_millis(100);

/// A socket that accepts already; connections wait until it is served.
#[derive(Debug)]
pub struct Listener {
    socket: StdListener,
    address: SocketAddr,
}

impl Listener {
    /// Opens it. `name` is the setting that the address comes from.
    ///
    /// # Errors
    /// The address is not of this machine, or taken: a wrong configuration.
    pub fn open(name: &str, address: SocketAddr) -> Result<Self, Termination> {
        let opened = StdListener::bind(address).and_then(|socket| {
            socket.set_nonblocking(true)?;
            Ok(Self { address: socket.local_addr()?, socket })
        });
        opened.map_err(|error| {
            let what =
                format!("{name} is {address}: {error}; choose a free port and an address of this machine");
            Termination::new(ExitCode::Configuration, what, None)
        })
    }

    /// Where it is, with the port that the system chose if none was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// For the runtime that calls it.
    ///
    /// # Errors
    /// There is no runtime here.
    pub fn accept(self) -> io::Result<TcpListener> {
        TcpListener::from_std(self.socket)
    }

    /// The connections, for gRPC, on the runtime that calls it. A failed accept never ends the stream: it is of one
    /// connection, or passes when others are closed.
    ///
    /// # Errors
    /// There is no runtime here.
    pub fn incoming(self) -> io::Result<impl Stream<Item = io::Result<TcpStream>>> {
        Ok(stream::unfold(self.accept()?, async |listener| {
            loop {
                match listener.accept().await {
                    // Answers are small and must not wait for more to come.
                    Ok((connection, _)) if connection.set_nodelay(true).is_ok() => {
                        return Some((Ok(connection), listener));
                    }
                    Ok(_) => {}
                    // Out of file descriptors, for one: the same error would come at once.
                    Err(_) => tokio::time::sleep(PAUSE).await,
                }
            }
        }))
    }
}
