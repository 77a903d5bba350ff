//! Ids of clusters and disks, as 32 hexadecimal digits.

use std::fmt;

use tonic::Status;

use super::errors;
use crate::transport;

/// Writes an id.
pub fn write(id: impl fmt::LowerHex) -> String {
    format!("{id:032x}")
}

/// Reads an id.
///
/// # Errors
/// It is none; `name` says which.
pub fn read(name: &str, text: &str) -> Result<u128, Status> {
    transport::id(text).filter(|id| *id > 0).ok_or_else(|| {
        errors::invalid(format!("{name} is {text:?}: write 32 hexadecimal digits, not all zero"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_32_digits() {
        assert_eq!(write(0xabc_u128), "00000000000000000000000000000abc");
        assert_eq!(read("x", &write(u128::MAX)).unwrap(), u128::MAX);
        for text in ["", "abc", "0".repeat(32).as_str(), &format!("+{}", "1".repeat(31)), &"g".repeat(32)] {
            assert!(read("x", text).unwrap_err().message().contains("32 hexadecimal"), "{text}");
        }
    }
}
