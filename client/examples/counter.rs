//! Many tasks count together, by compare and set. Usage: cargo run -p client --example counter [host:port]

use client::{Client, Error, Test};

const TASKS: u64 = 10;
const EACH: u64 = 20;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let endpoint = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7400".to_owned());
    let client = Client::connect([endpoint]).await?;
    client.put("counter", "0").await?;

    // Clones share one connection.
    let tasks: Vec<_> = (0..TASKS).map(|_| tokio::spawn(count(client.clone()))).collect();
    for task in tasks {
        task.await.map_err(|error| Error::Invalid { message: error.to_string() })??;
    }
    println!("counted to {}", read(&client).await?.0);
    Ok(())
}

async fn count(client: Client) -> Result<(), Error> {
    for _ in 0..EACH {
        loop {
            let (count, version) = read(&client).await?;
            let next = (count + 1).to_string();
            // A repeated attempt after a failure counts once: the client numbers its writes.
            if client.put_if("counter", next, Test::VersionIs(version)).await?.failure.is_none() {
                break;
            }
        }
    }
    Ok(())
}

async fn read(client: &Client) -> Result<(u64, u64), Error> {
    let found = client.get("counter").await?.value.unwrap_or_default();
    Ok((String::from_utf8_lossy(&found.value).parse().unwrap_or(0), found.version))
}
