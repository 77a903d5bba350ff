//! Takes values off a buffer, and refuses what no writer makes.

use bytes::Bytes;

use super::error::Malformed;
use crate::timestamp::Timestamp;

/// What is left of a buffer.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    whole: &'a Bytes,
}

impl<'a> Reader<'a> {
    /// Of `rest`, which is a part of `whole`.
    pub(crate) fn new(rest: &'a [u8], whole: &'a Bytes) -> Self {
        Self { rest, whole }
    }

    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn end(&self) -> Result<(), Malformed> {
        match self.rest.len() {
            0 => Ok(()),
            bytes => Err(Malformed::Trailing { bytes }),
        }
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Malformed> {
        let (byte, rest) = self.rest.split_first().ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(*byte)
    }

    pub(crate) fn flag(&mut self) -> Result<bool, Malformed> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            found => Err(Malformed::UnknownFlag { found }),
        }
    }

    pub(crate) fn number(&mut self) -> Result<u64, Malformed> {
        let mut value = 0;
        for at in 0.. {
            let byte = self.byte()?;
            // The tenth byte holds the one bit that is left.
            if at == 9 && byte > 1 {
                return Err(Malformed::TooLarge { bits: 64 });
            }
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte < 0x80 {
                if byte == 0 && at > 0 {
                    return Err(Malformed::NotCanonical { what: "a number in more bytes than it needs" });
                }
                break;
            }
        }
        Ok(value)
    }

    pub(crate) fn small_number(&mut self) -> Result<u32, Malformed> {
        u32::try_from(self.number()?).map_err(|_| Malformed::TooLarge { bits: 32 })
    }

    pub(crate) fn timestamp(&mut self) -> Result<Timestamp, Malformed> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(Timestamp(u64::from_le_bytes(*array)))
    }

    /// The number of elements that follow, of at least `least_bytes` each.
    pub(crate) fn count(&mut self, least_bytes: usize) -> Result<usize, Malformed> {
        let count = usize::try_from(self.number()?).map_err(|_| Malformed::Truncated)?;
        if count > self.rest.len() / least_bytes { Err(Malformed::Truncated) } else { Ok(count) }
    }

    /// The next bytes, in the memory of the whole.
    fn shared(&mut self, length: u64) -> Result<Bytes, Malformed> {
        let length = usize::try_from(length).map_err(|_| Malformed::Truncated)?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(self.whole.slice_ref(bytes))
    }

    /// A length and as many bytes.
    pub(crate) fn sized(&mut self) -> Result<Bytes, Malformed> {
        let length = self.number()?;
        self.shared(length)
    }

    /// A length plus one and as many bytes, or 0.
    pub(crate) fn optional(&mut self) -> Result<Option<Bytes>, Malformed> {
        match self.number()?.checked_sub(1) {
            Some(length) => Ok(Some(self.shared(length)?)),
            None => Ok(None),
        }
    }
}
