//! How the values of settings are written and read: the same in the file, the environment and the flags.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use raft::ReadMode;

/// Something that a setting can hold.
pub trait Value: Sized {
    /// What is written, for the reference.
    const KIND: &'static str;
    /// Reads it.
    ///
    /// # Errors
    /// What would be right.
    fn parse(text: &str) -> Result<Self, String>;
    /// Writes it so that it can be read again.
    fn show(&self) -> String;
}

/// A number of bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Size(pub usize);

/// How lines of the log look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

const SIZES: [(&str, usize); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
const TIMES: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

fn number<T: std::str::FromStr>(text: &str, what: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("write {what}"))
}

impl Value for Size {
    const KIND: &'static str = "bytes, or KiB, MiB, GiB";

    fn parse(text: &str) -> Result<Self, String> {
        let what = "a whole number of bytes, or one followed by KiB, MiB or GiB, as in 64MiB";
        let unit = SIZES.iter().find_map(|(unit, size)| {
            let digits = text.strip_suffix(unit).or_else(|| text.strip_suffix(unit.trim_end_matches('B')));
            Some((digits?.trim_end(), *size))
        });
        let (digits, unit) = unit.unwrap_or((text, 1));
        let count: usize = number(digits, what)?;
        count.checked_mul(unit).map(Size).ok_or_else(|| what.to_owned())
    }

    fn show(&self) -> String {
        match SIZES.iter().find(|(_, size)| self.0 > 0 && self.0.is_multiple_of(*size)) {
            Some((unit, size)) => format!("{}{unit}", self.0 / size),
            None => self.0.to_string(),
        }
    }
}

impl Value for Duration {
    const KIND: &'static str = "time: ms, s, m or h";

    fn parse(text: &str) -> Result<Self, String> {
        let what = "a whole number followed by ms, s, m or h, as in 100ms";
        let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
        let unit = text[digits.len()..].trim();
        let unit = TIMES.iter().find(|(name, _)| *name == unit).ok_or_else(|| format!("write {what}"))?.1;
        let count: u64 = number(digits, what)?;
        count.checked_mul(unit).map(Duration::from_millis).ok_or_else(|| format!("write {what}"))
    }

    fn show(&self) -> String {
        let millis = u64::try_from(self.as_millis()).unwrap_or(u64::MAX);
        let whole = TIMES.iter().find(|(_, unit)| millis > 0 && millis.is_multiple_of(*unit));
        let (unit, size) = whole.unwrap_or(&TIMES[3]);
        format!("{}{unit}", millis / size)
    }
}

macro_rules! plain {
    ($($kind:ty: $name:literal, $what:literal;)+) => {
        $(impl Value for $kind {
            const KIND: &'static str = $name;

            fn parse(text: &str) -> Result<Self, String> {
                number(text, $what)
            }

            fn show(&self) -> String {
                self.to_string()
            }
        })+
    };
}

plain! {
    u32: "number", "a whole number";
    u64: "number", "a whole number";
    usize: "number", "a whole number";
    SocketAddr: "IP:port", "an IP address and a port, as in 0.0.0.0:7400 or [::]:7400";
}

impl Value for String {
    const KIND: &'static str = "text";

    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }

    fn show(&self) -> String {
        self.clone()
    }
}

impl Value for PathBuf {
    const KIND: &'static str = "path";

    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() { Err("write a path".to_owned()) } else { Ok(text.into()) }
    }

    fn show(&self) -> String {
        self.display().to_string()
    }
}

/// Empty: not set.
impl<T: Value> Value for Option<T> {
    const KIND: &'static str = T::KIND;

    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() { Ok(None) } else { T::parse(text).map(Some) }
    }

    fn show(&self) -> String {
        self.as_ref().map_or_else(String::new, Value::show)
    }
}

impl Value for ReadMode {
    const KIND: &'static str = "lease, read_index";

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "lease" => Ok(ReadMode::Lease),
            "read_index" => Ok(ReadMode::ReadIndex),
            _ => Err("write lease or read_index".to_owned()),
        }
    }

    fn show(&self) -> String {
        match self {
            ReadMode::Lease => "lease",
            ReadMode::ReadIndex => "read_index",
        }
        .to_owned()
    }
}

impl Value for LogFormat {
    const KIND: &'static str = "text, json";

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err("write text or json".to_owned()),
        }
    }

    fn show(&self) -> String {
        match self {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        }
        .to_owned()
    }
}

/// Addresses by node id: `1=host:port,2=host:port`; in the file also as a map.
impl Value for BTreeMap<u64, String> {
    const KIND: &'static str = "1=host:port,2=host:port";

    fn parse(text: &str) -> Result<Self, String> {
        let what = "node=host:port, several of them with commas between, as in 1=a:7401,2=b:7401";
        let pair = |pair: &str| {
            let (node, address) = pair.split_once('=')?;
            let node = node.trim().parse().ok().filter(|node| *node > 0)?;
            is_address(address.trim()).then(|| (node, address.trim().to_owned()))
        };
        let pairs = text.split(',').filter(|pair| !pair.trim().is_empty());
        let mut addresses = BTreeMap::new();
        for found in pairs {
            let (node, address) = pair(found).ok_or_else(|| format!("write {what}"))?;
            if addresses.insert(node, address).is_some() {
                return Err(format!("name node {node} once"));
            }
        }
        Ok(addresses)
    }

    fn show(&self) -> String {
        let pairs: Vec<_> = self.iter().map(|(node, address)| format!("{node}={address}")).collect();
        pairs.join(",")
    }
}

/// Whether `text` is host:port.
pub(super) fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let plain = !host.is_empty() && host.chars().all(|letter| !letter.is_whitespace() && letter != '/');
    let bracketed = host.starts_with('[') && host.ends_with(']');
    plain && (bracketed || !host.contains(':')) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same<T: Value + PartialEq + std::fmt::Debug>(text: &str, value: T) {
        assert_eq!(T::parse(text).as_ref(), Ok(&value), "{text}");
        assert_eq!(T::parse(&value.show()), Ok(value), "{text}");
    }

    #[test]
    fn what_is_shown_is_read_again() {
        same("64MiB", Size(64 << 20));
        same("64Mi", Size(64 << 20));
        same("4097", Size(4097));
        same("0", Size(0));
        same("100ms", Duration::from_millis(100));
        same("90s", Duration::from_secs(90));
        same("1h", Duration::from_secs(3600));
        same("0ms", Duration::ZERO);
        same("lease", ReadMode::Lease);
        same("read_index", ReadMode::ReadIndex);
        same("json", LogFormat::Json);
        same("", None::<String>);
        same("1=a:1, 20=[::1]:7401", BTreeMap::from([(1, "a:1".to_owned()), (20, "[::1]:7401".to_owned())]));
    }

    #[test]
    fn what_is_wrong_is_refused_with_what_is_right() {
        for text in ["", "1.5s", "10", "s", "-1s", "99999999999999999999s"] {
            assert!(Duration::parse(text).unwrap_err().contains("as in 100ms"), "{text}");
        }
        for text in ["", "-1", "1TB", "MiB", "99999999999999999999GiB"] {
            assert!(Size::parse(text).unwrap_err().contains("as in 64MiB"), "{text}");
        }
        for text in ["a:1", "0=a:1", "1=a", "1=a:0", "1=http://a:1", "1=::1:80", "1=a:1,1=b:1"] {
            assert!(BTreeMap::<u64, String>::parse(text).is_err(), "{text}");
        }
    }
}
