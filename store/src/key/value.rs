//! The values of versions. Their first byte says of what kind they are.

use bytes::Bytes;

use super::DecodeError;

const VALUE: u8 = 0x01;
const TOMBSTONE: u8 = 0x02;

/// What is stored for a version; none is a tombstone.
#[must_use]
pub fn encode_value(value: Option<&[u8]>) -> Bytes {
    match value {
        Some(value) => {
            let mut out = Vec::with_capacity(1 + value.len());
            out.push(VALUE);
            out.extend(value);
            out.into()
        }
        None => Bytes::from_static(&[TOMBSTONE]),
    }
}

/// The value of a version, a part of `stored`; none is a tombstone.
///
/// # Errors
/// It is not exactly what [`encode_value`] makes.
pub fn decode_value(stored: &[u8]) -> Result<Option<&[u8]>, DecodeError> {
    match stored.split_first() {
        Some((&VALUE, value)) => Ok(Some(value)),
        Some((&TOMBSTONE, [])) => Ok(None),
        Some((&TOMBSTONE, rest)) => Err(DecodeError::Trailing { bytes: rest.len() }),
        Some((kind, _)) => Err(DecodeError::UnknownValue { kind: *kind }),
        None => Err(DecodeError::Truncated),
    }
}
