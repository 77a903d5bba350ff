//! Numbers with units, as Kubernetes writes them.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

const UNITS: [(&str, u128); 13] = [
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("Pi", 1 << 50),
    ("Ei", 1 << 60),
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
    ("P", 1_000_000_000_000_000),
    ("E", 1_000_000_000_000_000_000),
    ("", 1),
];

/// The value of a quantity in thousandths; none: it is none, or is written with an exponent or in parts of a thousandth.
/// The API server writes `1024Mi` as `1Gi`: compare values, not texts.
#[must_use]
pub fn thousandths(quantity: &Quantity) -> Option<u128> {
    parse(&quantity.0)
}

pub(super) fn parse(text: &str) -> Option<u128> {
    if let Some(number) = text.strip_suffix('m') {
        return digits(number);
    }
    let (number, unit) = UNITS.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit)))?;
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let scale = 10_u128.checked_pow(u32::try_from(part.len()).ok()?)?;
    let scaled = digits(&format!("{whole}{part}"))?;
    scaled.checked_mul(unit)?.checked_mul(1_000).map(|value| value.div_ceil(scale))
}

fn digits(text: &str) -> Option<u128> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}
