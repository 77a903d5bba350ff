//! The arguments, and the help.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args as ClapArgs, Parser, Subcommand, ValueEnum};

use crate::admin::AdminArgs;
use crate::failure::EXIT_CODES;

const EXAMPLES: &str = "\
Examples:
  kvctl put greeting hello              set a key
  kvctl get greeting                    print its value
  kvctl cas greeting hi --if-value hello   set it only if its value is `hello`
  kvctl scan --prefix user/ -o json     list keys, one JSON object a line
  kvctl put photo --file photo.jpg      a value from a file; `--file -` is standard input
  kvctl status                          is the cluster well?

All nodes accept all calls, so one reachable endpoint is enough; the others are found.";

/// Reads, writes and administers a KvCluster.
#[derive(Parser, Debug)]
#[command(name = "kvctl", version, after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub struct Args {
    #[command(flatten)]
    pub connection: Connection,
    /// How results are printed
    #[arg(short, long, global = true, value_enum, default_value_t = Output::Text)]
    pub output: Output,
    /// Keys and values are given and printed as hexadecimal digits, so that any bytes can be used
    #[arg(long, global = true)]
    pub hex: bool,
    #[command(subcommand)]
    pub command: Command,
}

/// Which cluster, and how patiently.
#[derive(ClapArgs, Debug)]
pub struct Connection {
    /// Nodes, each host:port (port 7400 of a node), separated by commas
    #[arg(
        short,
        long = "endpoints",
        global = true,
        env = "KVCTL_ENDPOINTS",
        value_delimiter = ',',
        default_value = "127.0.0.1:7400"
    )]
    pub endpoints: Vec<String>,
    /// Give up after this time, such as 5s or 500ms
    #[arg(long, global = true, env = "KVCTL_TIMEOUT", value_parser = duration, default_value = "5s")]
    pub timeout: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Output {
    /// For people
    Text,
    /// For programs: one JSON object a line
    Json,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Print the value of a key
    Get(Get),
    /// Set a key
    Put(Put),
    /// Set a key if a condition on it holds (compare and set)
    Cas(Cas),
    /// Remove a key
    Del {
        /// The key
        key: String,
    },
    /// Remove a span of keys
    DelRange(DelRange),
    /// List keys in order
    Scan(Scan),
    /// Do several operations at one moment, if conditions hold
    #[command(after_help = crate::batch::SYNTAX)]
    Write {
        /// Where the operations are written down; `-` is standard input
        #[arg(default_value = "-")]
        file: PathBuf,
    },
    /// Show how every member is
    Status,
    /// Show who is a member and who leads
    Members,
    /// Administer members, through port 7401 of a node
    Admin(AdminArgs),
    /// Write all keys and values, as of one moment, to a new folder
    #[command(
        after_help = "The folder then holds manifest.json with the checksums of all files. Versions and sessions \
        are not exported. The servers keep the moment readable for as long as the export runs."
    )]
    Export {
        /// The folder; it must not exist, or be empty
        folder: PathBuf,
    },
    /// Write what was exported into an empty cluster
    #[command(
        after_help = "All checksums are verified before the first write. An import that was interrupted cannot be \
        resumed: remove what it wrote with `kvctl del-range --all --paged`, then import again."
    )]
    Import {
        /// The folder that `kvctl export` has written
        folder: PathBuf,
    },
    /// Print a script that completes commands in your shell
    #[command(
        after_help = "Example: kvctl completions bash > ~/.local/share/bash-completion/completions/kvctl"
    )]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(ClapArgs, Debug)]
pub struct Get {
    /// The key
    pub key: String,
    #[command(flatten)]
    pub freshness: Freshness,
    /// Write the value to this file, byte for byte
    #[arg(long)]
    pub file: Option<PathBuf>,
}

/// How fresh a read is.
#[derive(ClapArgs, Debug)]
pub struct Freshness {
    /// Read what was there at this timestamp
    #[arg(long, conflicts_with = "stale")]
    pub at: Option<u64>,
    /// Let the nearest node answer, if it is at most so far behind, such as 2s
    #[arg(long, value_parser = duration)]
    pub stale: Option<Duration>,
}

#[derive(ClapArgs, Debug)]
#[command(group(ArgGroup::new("given").required(true).args(["value", "file"])))]
pub struct Put {
    /// The key
    pub key: String,
    /// The value
    pub value: Option<String>,
    /// Take the value from this file, byte for byte; `-` is standard input
    #[arg(long)]
    pub file: Option<PathBuf>,
}

#[derive(ClapArgs, Debug)]
#[command(group(ArgGroup::new("test").required(true).args(["if_absent", "if_exists", "if_value", "if_version"])))]
pub struct Cas {
    #[command(flatten)]
    pub put: Put,
    /// Only if the key has no value
    #[arg(long)]
    pub if_absent: bool,
    /// Only if the key has a value
    #[arg(long)]
    pub if_exists: bool,
    /// Only if its value is this
    #[arg(long, value_name = "VALUE")]
    pub if_value: Option<String>,
    /// Only if its version is this
    #[arg(long, value_name = "VERSION")]
    pub if_version: Option<u64>,
}

#[derive(ClapArgs, Debug)]
pub struct DelRange {
    #[command(flatten)]
    pub span: Span,
    /// Remove any number of keys, page by page: each page at one moment, but not all of them at the same
    #[arg(long)]
    pub paged: bool,
}

/// Some or all keys.
#[derive(ClapArgs, Debug)]
#[command(group(ArgGroup::new("some").required(true).multiple(true).args(["start", "end", "prefix", "all"])))]
pub struct Span {
    /// The first key
    pub start: Option<String>,
    /// Behind the last key; left out: to the end of all keys
    #[arg(requires = "start")]
    pub end: Option<String>,
    /// The keys that begin with this
    #[arg(long, conflicts_with_all = ["start", "end", "all"])]
    pub prefix: Option<String>,
    /// All keys
    #[arg(long, conflicts_with_all = ["start", "end"])]
    pub all: bool,
}

#[derive(ClapArgs, Debug)]
pub struct Scan {
    #[command(flatten)]
    pub span: Span,
    /// From the last key on down
    #[arg(long)]
    pub reverse: bool,
    /// So many keys at most; 0: all
    #[arg(long, default_value_t = 0)]
    pub limit: u64,
    /// Without values
    #[arg(long)]
    pub keys_only: bool,
    #[command(flatten)]
    pub freshness: Freshness,
}

/// A whole number with a unit: `ms`, `s` or `m`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a duration: give a number and a unit, such as 500ms, 5s or 1m");
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
    let millis = match &text[digits..] {
        "ms" => number,
        "s" => number.saturating_mul(1_000),
        "m" => number.saturating_mul(60_000),
        _ => return Err(wrong()),
    };
    Ok(Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn durations_have_units() {
        let parsed = ["500ms", "5s", "2m"].map(|text| duration(text).unwrap().as_millis());
        assert_eq!(parsed, [500, 5_000, 120_000]);
        for wrong in ["5", "s", "5h", "", "-1s", "1.5s"] {
            assert!(duration(wrong).unwrap_err().contains("500ms"), "{wrong}");
        }
    }

    #[test]
    fn what_is_ambiguous_is_refused() {
        let refused = |line: &str| Args::try_parse_from(line.split(' ')).is_err();
        for line in [
            "kvctl put k",
            "kvctl put k v --file f",
            "kvctl cas k v",
            "kvctl cas k v --if-absent --if-exists",
            "kvctl scan",
            "kvctl scan a --prefix b",
            "kvctl scan --all --prefix b",
            "kvctl get k --at 1 --stale 1s",
        ] {
            assert!(refused(line), "{line}");
        }
        for line in [
            "kvctl put k v",
            "kvctl put k --file -",
            "kvctl cas k v --if-version 0",
            "kvctl scan a b",
            "kvctl scan a",
            "kvctl scan --all --reverse",
            "kvctl get k --stale 1s -o json --endpoints a:1,b:2",
        ] {
            assert!(!refused(line), "{line}");
        }
    }
}
