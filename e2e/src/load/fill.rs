//! Data that lie there, so that a new member has something to copy.

use client::{Client, Error};
use futures_util::{StreamExt, TryStreamExt, stream};
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};

/// Writes at the same time.
const AT_ONCE: usize = 8;

/// Writes so many values of so many bytes, which cannot be compressed, each under a key of its own.
///
/// # Errors
/// The cluster cannot be reached, or refuses one.
pub async fn fill(endpoints: Vec<String>, prefix: &str, values: u64, bytes: usize) -> Result<(), Error> {
    let client = Client::connect(endpoints).await?;
    let writes = stream::iter(0..values).map(|number| {
        let mut value = vec![0; bytes];
        StdRng::seed_from_u64(number).fill_bytes(&mut value);
        client.put(format!("{prefix}{number}"), value)
    });
    writes.buffer_unordered(AT_ONCE).try_for_each(async |_| Ok(())).await
}
