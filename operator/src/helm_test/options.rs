//! What the test makes.

use std::time::Duration;

use clap::Args;

/// What `helm test` does, and with what.
#[derive(Args, Clone, Debug)]
pub struct HelmTestOptions {
    /// The name of the cluster that is made, and removed in the end.
    #[arg(long)]
    pub cluster: String,
    /// Its namespace.
    #[arg(long)]
    pub namespace: String,
    /// The image of its members.
    #[arg(long)]
    pub image: String,
    /// The size of its volumes.
    #[arg(long)]
    pub storage: String,
    /// The class of its volumes; none: the default class.
    #[arg(long)]
    pub storage_class: Option<String>,
    /// After so long the test has failed, as `90s` or `5m`.
    #[arg(long, default_value = "5m", value_parser = duration)]
    pub timeout: Duration,
}

fn duration(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    Duration::try_from(span).map_err(|_| "a time is not negative".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_the_chart_writes_them() {
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1h"), Ok(Duration::from_secs(3600)));
        assert!(duration("5").is_err());
        assert!(duration("-5m").is_err());
    }
}
