//! The command line: each setting is a flag of the same name.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::LazyLock;

use clap::error::ErrorKind;
use clap::{Arg, ArgMatches, Command, value_parser};

use crate::config::{ConfigError, Effective, SETTINGS};

/// What `kv-node` was asked to do.
#[derive(Clone, PartialEq, Debug)]
pub enum Asked {
    /// Be a node.
    Run(Effective),
    /// Be three nodes, to try things out.
    Dev {
        /// Where their data are.
        data: PathBuf,
        /// What they have in common.
        common: Effective,
    },
    /// Write the configuration that would count.
    PrintConfig(Effective),
    /// Write the table of all settings.
    Reference,
}

/// Why nothing was begun.
#[derive(Debug)]
pub enum Refused {
    /// Help or the version was asked for; or the command line is wrong.
    CommandLine(clap::Error),
    /// The configuration is wrong.
    Configuration {
        /// What is wrong.
        error: Box<ConfigError>,
        /// Where the end of the process is to be written, as far as that can be said.
        termination_log: Option<PathBuf>,
    },
}

impl Refused {
    /// Nothing is wrong: help or the version was asked for.
    #[must_use]
    pub fn is_help(&self) -> bool {
        let Refused::CommandLine(error) = self else { return false };
        matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion)
    }
}

/// Settings of one node, which three cannot share.
const OF_ONE_NODE: [&str; 8] = [
    "data_dir",
    "client_listen",
    "peer_listen",
    "http_listen",
    "client_advertise",
    "peer_advertise",
    "peer_addresses",
    "peer_address_template",
];

/// The flags of all settings, without the dashes in front.
static FLAGS: LazyLock<Vec<String>> =
    LazyLock::new(|| SETTINGS.iter().map(|setting| setting.name.replace('_', "-")).collect());

fn is_common(name: &str) -> bool {
    !OF_ONE_NODE.contains(&name)
}

fn settings(command: Command, wanted: impl Fn(&str) -> bool) -> Command {
    let config = Arg::new("config")
        .long("config")
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help("A YAML file of settings; the environment and flags win over it");
    let flags = SETTINGS.iter().zip(&*FLAGS).filter(|(setting, _)| wanted(setting.name));
    let flags = flags.map(|(setting, flag)| {
        Arg::new(setting.name)
            .long(flag.as_str())
            .value_name("VALUE")
            .help(setting.about.trim())
            .hide_possible_values(true)
    });
    command.arg(config).args(flags)
}

fn command() -> Command {
    let data = Arg::new("data")
        .long("data")
        .value_name("DIR")
        .default_value("kv-dev")
        .value_parser(value_parser!(PathBuf))
        .help("Where the data of the three nodes are kept");
    let print =
        Command::new("print").about("Write the configuration that counts, and where each value is from");
    let reference = Command::new("reference").about("Write the table of all settings");
    Command::new("kv-node")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A node of KvCluster. Trusted networks only: there is no TLS yet")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(settings(Command::new("run").about("Run a node"), |_| true))
        .subcommand(settings(
            Command::new("dev").about("Run three nodes in one process, to try things out").arg(data),
            is_common,
        ))
        .subcommand(
            Command::new("config")
                .about("Show the configuration")
                .subcommand_required(true)
                .subcommand(settings(print, |_| true))
                .subcommand(reference),
        )
}

/// Reads the command line, the environment and the file.
///
/// # Errors
/// Something is wrong with them, or only help was asked for.
pub fn read(
    arguments: impl IntoIterator<Item = OsString>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Asked, Refused> {
    let matches = command().try_get_matches_from(arguments).map_err(Refused::CommandLine)?;
    match matches.subcommand() {
        Some(("dev", dev)) => {
            let data = dev.get_one::<PathBuf>("data").cloned().unwrap_or_default();
            Ok(Asked::Dev { data, common: effective(dev, environment, is_common)? })
        }
        Some(("config", config)) => match config.subcommand() {
            Some(("print", print)) => Ok(Asked::PrintConfig(effective(print, environment, |_| true)?)),
            _ => Ok(Asked::Reference),
        },
        Some((_, run)) => Ok(Asked::Run(effective(run, environment, |_| true)?)),
        // Clap asks for a subcommand.
        None => Ok(Asked::Reference),
    }
}

fn effective(
    matches: &ArgMatches,
    environment: impl IntoIterator<Item = (String, String)>,
    wanted: impl Fn(&str) -> bool,
) -> Result<Effective, Refused> {
    let flags = SETTINGS.iter().filter(|setting| wanted(setting.name)).filter_map(|setting| {
        let value = matches.get_one::<String>(setting.name)?;
        Some((setting.name.to_owned(), value.clone()))
    });
    let flags: Vec<_> = flags.collect();
    let environment: Vec<_> = environment.into_iter().collect();
    let path = matches.get_one::<PathBuf>("config");
    let loaded = Effective::load(path.map(PathBuf::as_path), environment.clone(), flags.clone());
    loaded.map_err(|error| {
        let said = flags.into_iter().find(|(name, _)| name == "termination_log");
        let said = said.or(environment.into_iter().find(|(name, _)| name == "KV_NODE_TERMINATION_LOG"));
        Refused::Configuration { error: Box::new(error), termination_log: said.map(|(_, path)| path.into()) }
    })
}
