//! Connections to other nodes.

use std::time::Duration;

use tonic::transport::{Channel, Endpoint};

/// A node that does not answer for so long is tried again later.
const CONNECT: Duration = Duration::from_secs(1);
/// A connection on which nothing comes for so long is asked whether it is alive,
const KEEP_ALIVE: Duration = Duration::from_secs(2);
/// and given up when it does not answer for so long.
const ALIVE: Duration = Duration::from_secs(2);
/// Several appends of the largest size may be under way.
const WINDOW: u32 = 16 << 20;

fn endpoint(address: &str) -> Result<Endpoint, tonic::transport::Error> {
    // TLS will begin here, as in the listener.
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
    Ok(endpoint
        .connect_timeout(CONNECT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(ALIVE)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW))
}

/// Connects to `address`, a host:port.
pub(super) async fn connect(address: &str) -> Result<Channel, tonic::transport::Error> {
    endpoint(address)?.connect().await
}

/// As [`connect`], when it is first used, and again when it broke.
pub(super) fn connect_later(address: &str) -> Result<Channel, tonic::transport::Error> {
    Ok(endpoint(address)?.connect_lazy())
}
