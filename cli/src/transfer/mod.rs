//! Everything to a folder, and back.

mod files;
mod hold;
mod manifest;

use std::collections::VecDeque;
use std::path::Path;
use std::process::ExitCode;

use client::{Client, Scan, Write};
use indicatif::{ProgressBar, ProgressStyle};

use crate::args::Connection;
use crate::data::connect;
use crate::failure::Failure;
use files::{Reader, Writer};
use hold::Hold;
use manifest::Manifest;

/// Of one write of an import; far below the limits of the servers.
const BATCH: (usize, usize) = (500, 256 << 10);
/// Writes of an import that are under way at a time.
const UNDER_WAY: usize = 8;

pub async fn export(connection: &Connection, folder: &Path) -> Result<ExitCode, Failure> {
    let client = connect(connection).await?;
    let cluster_id = client.cluster().await?.cluster_id;
    let mut writer = Writer::create(folder)?;
    let progress = progress("exported");
    let mut hold = Hold::new(client.clone());
    let mut pages = client.pages(Scan::all());
    let mut timestamp = 0;
    while let Some(page) = pages.next().await? {
        timestamp = page.timestamp;
        hold.keep(timestamp).await?;
        for row in &page.rows {
            writer.add(&row.key, &row.value)?;
        }
        progress.set_position(writer.rows());
    }
    hold.end().await;
    let manifest = Manifest::new(cluster_id, timestamp, writer.finish()?);
    manifest.write(folder)?;
    progress.finish_and_clear();
    eprintln!("kvctl: {} keys as of timestamp {timestamp} are in {}", manifest.rows(), folder.display());
    Ok(ExitCode::SUCCESS)
}

pub async fn import(connection: &Connection, folder: &Path) -> Result<ExitCode, Failure> {
    let manifest = Manifest::read(folder)?;
    manifest.verify(folder)?;
    let client = connect(connection).await?;
    if !client.scan(&Scan::all().keys_only().limit(1)).await?.rows.is_empty() {
        let what = "the cluster is not empty: import only writes into an empty one. After an interrupted import, \
                    remove what it wrote with `kvctl del-range --all --paged`";
        return Err(Failure::Usage(what.to_owned()));
    }
    let progress = progress("imported").with_finish(indicatif::ProgressFinish::AndClear);
    progress.set_length(manifest.rows());
    let mut under_way = VecDeque::new();
    for file in &manifest.files {
        let mut reader = Reader::open(folder, file)?;
        loop {
            let (write, rows) = batch(&mut reader)?;
            if rows == 0 {
                break;
            }
            under_way.push_back((tokio::spawn(send(client.clone(), write)), rows));
            if under_way.len() == UNDER_WAY {
                written(under_way.pop_front(), &progress).await?;
            }
        }
    }
    while !under_way.is_empty() {
        written(under_way.pop_front(), &progress).await?;
    }
    progress.finish_and_clear();
    eprintln!("kvctl: {} keys are imported", manifest.rows());
    Ok(ExitCode::SUCCESS)
}

async fn send(client: Client, write: Write) -> Result<(), client::Error> {
    client.write(write).await.map(drop)
}

type Sent = (tokio::task::JoinHandle<Result<(), client::Error>>, u64);

async fn written(sent: Option<Sent>, progress: &ProgressBar) -> Result<(), Failure> {
    let Some((task, rows)) = sent else { return Ok(()) };
    task.await.map_err(|error| Failure::local("importing", error))??;
    progress.inc(rows);
    Ok(())
}

/// The next rows of a file as one write.
fn batch(reader: &mut Reader) -> Result<(Write, u64), Failure> {
    let (mut write, mut rows, mut bytes) = (Write::new(), 0, 0);
    while rows < BATCH.0 && bytes < BATCH.1 {
        let Some((key, value)) = reader.next()? else { break };
        bytes += key.len() + value.len();
        rows += 1;
        write = write.put(key, value);
    }
    Ok((write, rows as u64))
}

/// On standard error, if that is a terminal.
fn progress(what: &'static str) -> ProgressBar {
    let progress = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {human_pos} keys {msg}, {per_sec}, {elapsed}")
    {
        progress.set_style(style);
    }
    progress.set_message(what);
    progress
}
