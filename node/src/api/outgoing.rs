//! Answers that wait until the client reads them, in as few messages as possible.

use std::collections::VecDeque;

use prost::Message;
use proto::v1::batch_result::Result as Told;
use proto::v1::{BatchResponse, BatchResult};

use super::errors;
use super::executor::refusal;

/// A message is closed when it is so long. With one more answer, which may be a page of a scan, it is below the
/// 4 MiB that gRPC clients take by default.
const MESSAGE_BYTES: usize = 2 << 20;
/// No more requests are read while so much waits.
const FULL_BYTES: usize = 8 << 20;
/// What was read is not kept beyond this: its requests are refused as busy.
const MOST_BYTES: usize = 32 << 20;
/// Around each answer in a message: its tag and its length.
const AROUND: usize = 6;

#[derive(Default)]
pub(super) struct Outgoing {
    /// With their sizes in bytes.
    messages: VecDeque<(usize, BatchResponse)>,
    /// Of all messages.
    bytes: usize,
}

impl Outgoing {
    pub(super) fn push(&mut self, mut result: BatchResult) {
        let mut size = result.encoded_len() + AROUND;
        let was_read = matches!(result.result, Some(Told::Get(_) | Told::Scan(_)));
        if was_read && self.bytes + size > MOST_BYTES {
            result = refusal(result.id, errors::unread_answers());
            size = result.encoded_len() + AROUND;
        }
        self.bytes += size;
        match self.messages.back_mut() {
            Some((bytes, message)) if *bytes + size <= MESSAGE_BYTES => {
                *bytes += size;
                message.results.push(result);
            }
            _ => self.messages.push_back((size, BatchResponse { results: vec![result] })),
        }
    }

    pub(super) fn pop(&mut self) -> Option<BatchResponse> {
        let (bytes, message) = self.messages.pop_front()?;
        self.bytes -= bytes;
        Some(message)
    }

    /// Whether so much waits that no more should be asked.
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= FULL_BYTES
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proto::v1::error_detail::Kind;
    use proto::v1::{GetResponse, PutResponse, VersionedValue};

    use super::*;

    fn found(id: u64, bytes: usize) -> BatchResult {
        let value = Some(VersionedValue { value: Bytes::from(vec![7; bytes]), version: 1 });
        BatchResult { id, result: Some(Told::Get(GetResponse { value, timestamp: 1 })) }
    }

    fn written(id: u64) -> BatchResult {
        BatchResult { id, result: Some(Told::Put(PutResponse { timestamp: 1 })) }
    }

    #[test]
    fn what_is_there_goes_in_one_message() {
        let mut outgoing = Outgoing::default();
        (0..10_000).for_each(|id| outgoing.push(written(id)));
        let message = outgoing.pop().unwrap();
        assert!(message.results.iter().map(|result| result.id).eq(0..10_000));
        assert_eq!((outgoing.pop(), outgoing.bytes), (None, 0));
    }

    #[test]
    fn large_answers_are_split_and_the_last_ones_are_busy() {
        let mut outgoing = Outgoing::default();
        (0..40).for_each(|id| outgoing.push(found(id, 1 << 20)));
        assert!(outgoing.is_full());
        outgoing.push(written(40));
        let (mut ids, mut busy) = (Vec::new(), 0);
        while let Some(message) = outgoing.pop() {
            assert!(message.encoded_len() <= MESSAGE_BYTES, "{}", message.encoded_len());
            for result in message.results {
                ids.push(result.id);
                match result.result {
                    Some(Told::Error(error)) => {
                        assert!(matches!(error.kind, Some(Kind::Busy(_))), "{error:?}");
                        busy += 1;
                    }
                    told => assert!(told.is_some()),
                }
            }
        }
        assert!(ids.into_iter().eq(0..=40));
        // 31 of a MiB and what is around them fit.
        assert_eq!(busy, 9);
        assert!(!outgoing.is_full());
    }
}
