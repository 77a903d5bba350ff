//! Keys and values.

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use bytes::Bytes;
use client::{Client, ConditionFailure, Consistency, Error, ReadFrom, Row, Test};

use crate::args::{Cas, Connection, DelRange, Freshness, Get, Put, Scan, Span};
use crate::bytes::{line, parse};
use crate::failure::{Failure, NO};
use crate::output::{Format, Object, print, raw};

pub async fn connect(connection: &Connection) -> Result<Client, Failure> {
    Ok(Client::builder(connection.endpoints.clone()).deadline(connection.timeout).connect().await?)
}

fn fresh(client: &Client, freshness: &Freshness) -> Client {
    match (freshness.at, freshness.stale) {
        (Some(timestamp), _) => client.with_consistency(Consistency::Snapshot(timestamp)),
        (None, Some(within)) => {
            client.with_consistency(Consistency::Stale(within)).with_reads_from(ReadFrom::Nearest)
        }
        (None, None) => client.clone(),
    }
}

pub async fn get(connection: &Connection, format: Format, get: Get) -> Result<ExitCode, Failure> {
    let key = parse(&get.key, format.hex)?;
    let client = fresh(&connect(connection).await?, &get.freshness);
    let answer = client.get(key.clone()).await?;
    let Some(found) = answer.value else {
        if format.json {
            print(format, Object::default().bytes("key", &key, format).with("found", false), String::new)?;
        } else {
            eprintln!("kvctl: {} has no value", line(&key, format.hex));
        }
        return Ok(ExitCode::from(NO));
    };
    if let Some(file) = &get.file {
        std::fs::write(file, &found.value)
            .map_err(|error| Failure::local(format!("writing {}", file.display()), error))?;
    }
    let object =
        Object::default().bytes("key", &key, format).with("found", true).with("version", found.version);
    let object = object.with("timestamp", answer.timestamp);
    match (format.json, &get.file) {
        (true, None) => print(format, object.bytes("value", &found.value, format), String::new)?,
        (true, Some(_)) => print(format, object, String::new)?,
        (false, None) if format.hex => print(format, object, || line(&found.value, true))?,
        (false, None) => raw(&found.value)?,
        (false, Some(_)) => {}
    }
    Ok(ExitCode::SUCCESS)
}

pub async fn put(connection: &Connection, format: Format, put: Put) -> Result<ExitCode, Failure> {
    let (key, value) = (parse(&put.key, format.hex)?, value(&put, format)?);
    let written = connect(connection).await?.put(key, value).await?;
    let version = written.timestamp;
    print(format, Object::default().with("version", version), || format!("version {version}"))?;
    Ok(ExitCode::SUCCESS)
}

pub async fn cas(connection: &Connection, format: Format, cas: Cas) -> Result<ExitCode, Failure> {
    let (key, value) = (parse(&cas.put.key, format.hex)?, value(&cas.put, format)?);
    let test = match (&cas.if_value, cas.if_version) {
        (Some(value), _) => Test::ValueIs(parse(value, format.hex)?),
        (None, Some(version)) => Test::VersionIs(version),
        (None, None) if cas.if_absent => Test::Absent,
        (None, None) => Test::Exists,
    };
    let answer = connect(connection).await?.put_if(key, value, test).await?;
    outcome(format, answer.failure, answer.timestamp, Object::default())
}

pub async fn write(
    connection: &Connection,
    format: Format,
    file: std::path::PathBuf,
) -> Result<ExitCode, Failure> {
    let text = String::from_utf8(contents(&file)?)
        .map_err(|_| Failure::Usage(format!("{} is not text: see `kvctl write --help`", file.display())))?;
    let write = crate::batch::read(&text, format.hex)?;
    let answer = connect(connection).await?.write(write).await?;
    outcome(format, answer.failure, answer.timestamp, Object::default().with("deleted", answer.deleted))
}

/// How a conditional write ended.
fn outcome(
    format: Format,
    failure: Option<ConditionFailure>,
    timestamp: u64,
    object: Object,
) -> Result<ExitCode, Failure> {
    let Some(failure) = failure else {
        let object = object.with("done", true).with("version", timestamp);
        print(format, object, || format!("version {timestamp}"))?;
        return Ok(ExitCode::SUCCESS);
    };
    let object =
        Object::default().with("done", false).with("condition", failure.index).with("timestamp", timestamp);
    let (object, holds) = match &failure.current {
        Some(current) => (
            object.bytes("value", &current.value, format).with("version", current.version),
            format!("value {}, version {}", line(&current.value, format.hex), current.version),
        ),
        None => (object, "no value".to_owned()),
    };
    if format.json {
        print(format, object, String::new)?;
    } else {
        eprintln!("kvctl: nothing was done: condition {} does not hold; its key has {holds}", failure.index);
    }
    Ok(ExitCode::from(NO))
}

pub async fn delete(connection: &Connection, format: Format, key: &str) -> Result<ExitCode, Failure> {
    let key = parse(key, format.hex)?;
    let answer = connect(connection).await?.delete(key.clone()).await?;
    let object = Object::default().with("deleted", answer.deleted).with("timestamp", answer.timestamp);
    if format.json {
        print(format, object, String::new)?;
    } else if !answer.deleted {
        eprintln!("kvctl: {} had no value", line(&key, format.hex));
    }
    Ok(if answer.deleted { ExitCode::SUCCESS } else { ExitCode::from(NO) })
}

pub async fn delete_range(
    connection: &Connection,
    format: Format,
    args: DelRange,
) -> Result<ExitCode, Failure> {
    let span = span(&args.span, format)?;
    let client = connect(connection).await?;
    let deleted =
        if args.paged { delete_pages(&client, span).await? } else { delete_span(&client, span).await? };
    print(format, Object::default().with("deleted", deleted), || format!("{deleted} keys removed"))?;
    Ok(ExitCode::SUCCESS)
}

async fn delete_span(client: &Client, scan: client::Scan) -> Result<u64, Error> {
    let (start, end) = scan.bounds();
    Ok(client.delete_range(start, end).await?.deleted)
}

/// The keys that are there now, page by page.
async fn delete_pages(client: &Client, scan: client::Scan) -> Result<u64, Error> {
    let (_, end) = scan.bounds();
    let mut pages = client.pages(scan.keys_only());
    let mut deleted = 0;
    while let Some(page) = pages.next().await? {
        let Some(first) = page.rows.first() else { continue };
        let behind = page.resume.clone().unwrap_or_else(|| end.clone());
        deleted += client.delete_range(first.key.clone(), behind).await?.deleted;
    }
    Ok(deleted)
}

pub async fn scan(connection: &Connection, format: Format, args: Scan) -> Result<ExitCode, Failure> {
    let mut scan = span(&args.span, format)?.limit(args.limit);
    if args.reverse {
        scan = scan.reverse();
    }
    if args.keys_only {
        scan = scan.keys_only();
    }
    let client = fresh(&connect(connection).await?, &args.freshness);
    let mut pages = client.pages(scan);
    while let Some(page) = pages.next().await? {
        for row in &page.rows {
            print_row(format, row, args.keys_only)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print_row(format: Format, row: &Row, keys_only: bool) -> Result<(), Failure> {
    let object = Object::default().bytes("key", &row.key, format);
    let object = if keys_only { object } else { object.bytes("value", &row.value, format) };
    print(format, object.with("version", row.version), || {
        let key = line(&row.key, format.hex);
        if keys_only { key } else { format!("{key}\t{}", line(&row.value, format.hex)) }
    })?;
    Ok(())
}

fn span(span: &Span, format: Format) -> Result<client::Scan, Failure> {
    let bytes =
        |text: &Option<String>| text.as_deref().map_or(Ok(Bytes::new()), |text| parse(text, format.hex));
    Ok(match &span.prefix {
        Some(prefix) => client::Scan::prefix(parse(prefix, format.hex)?),
        None => client::Scan::range(bytes(&span.start)?, bytes(&span.end)?),
    })
}

fn value(put: &Put, format: Format) -> Result<Bytes, Failure> {
    match (&put.value, &put.file) {
        (Some(value), _) => parse(value, format.hex),
        (None, Some(file)) => Ok(contents(file)?.into()),
        (None, None) => Err(Failure::Usage("give a value, or --file".to_owned())),
    }
}

/// Of a file; `-` is standard input.
fn contents(file: &Path) -> Result<Vec<u8>, Failure> {
    let mut contents = Vec::new();
    let read = if file == Path::new("-") {
        std::io::stdin().lock().read_to_end(&mut contents).map(|_| contents)
    } else {
        std::fs::read(file)
    };
    read.map_err(|error| Failure::local(format!("reading {}", file.display()), error))
}
