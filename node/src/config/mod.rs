//! The configuration: flags over the environment (`KV_NODE_*`) over the file over the defaults; one name for a
//! setting everywhere, and nothing unknown is taken.

mod check;
mod convert;
mod error;
mod layers;
mod reference;
mod settings;
mod value;

pub use error::ConfigError;
pub use layers::{Effective, Origin, file};
pub use reference::reference;
pub use settings::{Config, SETTINGS, Setting};
pub use value::{LogFormat, Size, Value};
