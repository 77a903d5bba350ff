//! The Rust client of KvCluster.
//!
//! ```no_run
//! # async fn example() -> Result<(), client::Error> {
//! use client::{Client, Test};
//!
//! let client = Client::connect(["127.0.0.1:7400"]).await?;
//! client.put("greeting", "hello").await?;
//! if let Some(found) = client.get("greeting").await?.value {
//!     println!("{:?}, version {}", found.value, found.version);
//! }
//! let taken = client.put_if("greeting", "hi", Test::Absent).await?;
//! assert!(taken.failure.is_some());
//! # Ok(())
//! # }
//! ```
//!
//! A [`Client`] is cheap to clone; all clones share one connection to each node, over which any number of calls
//! travel at once. It finds the leader, tries again after failures until the deadline of a call, and gives every
//! write a number, so that a write that is tried several times is done once. A write that could not be finished
//! either was surely not done, or its error says [that this is not known](Error::outcome_unknown).
//!
//! To read it: [`client`](Client) are the calls, `call` is how one is tried again, `verdict` decides what an
//! attempt's end means, `session` numbers the writes, `link` is the connection to one node, `router` knows the
//! nodes, `discover` asks for them.

mod backoff;
mod budget;
mod builder;
mod call;
mod client;
mod discover;
mod error;
mod link;
mod query;
mod router;
mod scan;
mod session;
mod verdict;

pub use builder::Builder;
pub use client::Client;
pub use error::{Error, status_detail, status_message};
pub use proto::v1::{
    ClusterMember, ConditionFailure, ConditionalPutResponse, DeleteRangeResponse, DeleteResponse,
    GetClusterResponse, GetResponse, PutResponse, Row, ScanResponse, VersionedValue, WriteResponse,
};
pub use query::{Consistency, ReadFrom, Scan, Test, Write};
pub use scan::Pages;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a mutex guards here is whole after every statement: a panic elsewhere does not make it unusable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
