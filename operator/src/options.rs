//! The command line of kv-operator.

use std::net::SocketAddr;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::crash::CrashPoint;
use crate::helm_test::HelmTestOptions;

/// Runs KvClusters on Kubernetes.
#[derive(Parser, Debug)]
#[command(name = "kv-operator", version)]
pub struct Options {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What kv-operator does.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Runs the operator until it is told to stop, or loses its lease.
    Run(RunOptions),
    /// Prints the definition of the KvCluster resource as YAML.
    Crd(CrdOptions),
    /// For `helm test`: uses a cluster of its own, loses a pod of it, and removes it again.
    HelmTest(HelmTestOptions),
}

/// What is printed of the definition.
#[derive(Args, Clone, Copy, Debug)]
pub struct CrdOptions {
    /// Prints the reference of its fields, as Markdown, instead.
    #[arg(long)]
    pub reference: bool,
}

/// How the operator runs. An empty value is no value.
#[derive(Args, Clone, Debug)]
pub struct RunOptions {
    /// The namespace to look after; without it all namespaces.
    #[arg(long, env = "KV_OPERATOR_NAMESPACE", default_value = "", hide_default_value = true)]
    pub namespace: String,
    /// The namespace of the Lease that elects the operator that acts.
    #[arg(long, env = "POD_NAMESPACE", default_value = "default")]
    pub lease_namespace: String,
    /// The name of this operator in the Lease: of one process at a time. Without it a random one.
    #[arg(long, env = "POD_NAME", default_value = "", hide_default_value = true)]
    pub identity: String,
    /// Where /metrics, /livez and /readyz are served.
    #[arg(long, env = "KV_OPERATOR_LISTEN", default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,
    /// How many clusters are looked after at the same moment.
    #[arg(long, env = "KV_OPERATOR_CONCURRENCY", default_value_t = 8,
          value_parser = clap::value_parser!(u16).range(1..=100))]
    pub concurrency: u16,
    /// What is logged, as `level` or `target=level,...`.
    #[arg(long, env = "KV_OPERATOR_LOG_LEVEL", default_value = "info")]
    pub log_level: String,
    /// How it is logged.
    #[arg(long, env = "KV_OPERATOR_LOG_FORMAT", default_value = "json")]
    pub log_format: LogFormat,
    /// For tests: ends the process after an action was performed, as `action` or `action:times`.
    #[arg(long, env = "KV_OPERATOR_EXIT_AFTER", hide = true)]
    pub exit_after: Option<CrashPoint>,
}

/// How log lines look.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl RunOptions {
    /// The namespace to look after; none: all.
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        Some(self.namespace.as_str()).filter(|namespace| !namespace.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Options::command().debug_assert();
    }

    #[test]
    fn an_empty_namespace_is_all() {
        let options = |arguments: &[&str]| {
            let line = ["kv-operator", "run"].iter().chain(arguments);
            let Command::Run(options) = Options::parse_from(line).command else { panic!("not run") };
            options
        };
        assert_eq!(options(&["--namespace", ""]).scope(), None);
        assert_eq!(options(&["--namespace", "a"]).scope(), Some("a"));
    }
}
