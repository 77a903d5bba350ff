//! `kv-node`: a node of KvCluster, or three of them to try things out.

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

use node::command_line::{self, Asked, Refused};
use node::config::reference;
use node::termination::Termination;
use node::{dev, logging, run};

/// Requests are allocated on one thread and freed on another, which the allocator of the C library is slow at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    match command_line::read(std::env::args_os(), environment) {
        Ok(Asked::Run(effective)) => {
            logging::start(&effective.config);
            end(run::run(effective.config))
        }
        Ok(Asked::Dev { data, common }) => {
            logging::start(&common.config);
            end(dev::run(&data, &common.config))
        }
        Ok(Asked::PrintConfig(effective)) => show(&effective),
        Ok(Asked::Reference) => show(&reference()),
        Err(refused) => refuse(refused),
    }
}

/// There is nobody to tell if standard output is closed.
fn show(text: &impl Display) -> ExitCode {
    let _ = write!(std::io::stdout(), "{text}");
    ExitCode::SUCCESS
}

fn end(ended: Result<(), Termination>) -> ! {
    run::exit(ended.map_or_else(|termination| termination.exit_code.into(), |()| 0))
}

fn refuse(refused: Refused) -> ExitCode {
    if refused.is_help() {
        if let Refused::CommandLine(help) = refused {
            // There is nobody to tell if standard output is closed.
            let _ = help.print();
        }
        return ExitCode::SUCCESS;
    }
    let (message, path) = match refused {
        Refused::CommandLine(error) => (error.to_string(), None),
        Refused::Configuration { error, termination_log } => (error.to_string(), termination_log),
    };
    eprintln!("kv-node: {}", message.trim_end());
    let termination = Termination::new(store::replica::ExitCode::Configuration, message, None);
    termination.write(path.as_deref());
    ExitCode::from(termination.exit_code)
}
