//! The first steps. Usage: cargo run -p client --example quickstart [host:port]

use client::{Client, Consistency, Error, Scan, Test, Write};
use futures_util::{TryStreamExt, pin_mut};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let endpoint = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7400".to_owned());
    let client = Client::connect([endpoint]).await?;

    // Every answer names its moment; that of a write is the version of the key.
    let written = client.put("fruit/apple", "1").await?;
    println!("written at version {}", written.timestamp);

    // Compare and set: only if nobody has changed it in the meantime.
    let set = client.put_if("fruit/apple", "2", Test::VersionIs(written.timestamp)).await?;
    println!("set: {}", set.failure.is_none());

    // Several operations at one moment, if all conditions hold at that moment.
    let batch = Write::new().when("fruit/pear", Test::Absent).put("fruit/pear", "3").put("fruit/plum", "4");
    match client.write(batch).await?.failure {
        None => println!("a pear and a plum were added"),
        Some(failure) => println!("condition {} does not hold", failure.index),
    }

    // A span, page by page, all of one moment.
    let rows = client.pages(Scan::prefix("fruit/")).rows();
    pin_mut!(rows);
    while let Some(row) = rows.try_next().await? {
        println!("{} = {}", String::from_utf8_lossy(&row.key), String::from_utf8_lossy(&row.value));
    }

    // As it was before.
    let before = client.with_consistency(Consistency::Snapshot(written.timestamp));
    println!("before: {:?}", before.get("fruit/apple").await?.value.map(|found| found.value));

    let removed = client.delete_range("fruit/", "fruit0").await?;
    println!("{} keys removed", removed.deleted);
    Ok(())
}
