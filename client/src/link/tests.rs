//! What callers and a stream share, without a network.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use proto::v1::batch_item::Request;
use proto::v1::batch_result::Result as Answer;
use proto::v1::{BatchItem, BatchResponse, BatchResult, PutRequest, PutResponse};
use tokio_stream::Stream;

use super::shared::{Outbound, Shared};
use crate::backoff::Backoff;
use crate::error::Error;
use crate::verdict::End;

const BACKOFF: Backoff = Backoff { first: Duration::from_secs(1), most: Duration::from_secs(1) };

fn shared() -> Arc<Shared> {
    let shared = Arc::new(Shared::new("a:1".into(), 8));
    // As if calls held them.
    shared.room.try_acquire_many(8).unwrap().forget();
    shared
}

fn put(bytes: usize) -> Request {
    Request::Put(PutRequest { key: "k".into(), value: Bytes::from(vec![0; bytes]), ..PutRequest::default() })
}

/// The items of the next message; none: there is nothing to send, or the stream is over.
fn sent(outbound: &mut Outbound) -> Option<Vec<BatchItem>> {
    match pin!(outbound).poll_next(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(request)) => Some(request.items),
        Poll::Ready(None) | Poll::Pending => None,
    }
}

fn done(id: u64) -> BatchResult {
    BatchResult { id, result: Some(Answer::Put(PutResponse { timestamp: id })) }
}

#[test]
fn what_is_queued_goes_out_at_once_up_to_a_size() {
    let (shared, now) = (shared(), Instant::now());
    let mut outbound = shared.outbound();
    assert_eq!(sent(&mut outbound), None);
    let until = now + Duration::from_millis(70);
    let _small: Vec<_> = (0..3).map(|_| shared.push(put(10), now, until).unwrap()).collect();
    let items = sent(&mut outbound).unwrap();
    assert_eq!(items.iter().map(|item| item.deadline_millis).collect::<Vec<_>>(), [70, 70, 70]);
    // One that is larger than a message goes alone.
    let sizes = [400_000, 400_000, 400_000, 2_000_000, 10];
    let _large: Vec<_> = sizes.iter().map(|&size| shared.push(put(size), now, until).unwrap()).collect();
    let counts: Vec<_> = std::iter::from_fn(|| sent(&mut outbound)).map(|items| items.len()).collect();
    assert_eq!(counts, [2, 1, 1, 1]);
}

#[tokio::test]
async fn answers_find_who_awaits_them_and_return_the_permits() {
    let (shared, now) = (shared(), Instant::now());
    let mut outbound = shared.outbound();
    let until = now + Duration::from_secs(1);
    let (first, second) =
        (shared.push(put(1), now, until).unwrap(), shared.push(put(1), now, until).unwrap());
    let ids: Vec<_> = sent(&mut outbound).unwrap().iter().map(|item| item.id).collect();
    // In any order; unknown ones are ignored.
    shared.answer(BatchResponse { results: vec![done(ids[1]), done(99), done(ids[0]), done(ids[0])] });
    for (receiver, id) in [(first, ids[0]), (second, ids[1])] {
        assert_eq!(receiver.await.unwrap(), End::Answered(Answer::Put(PutResponse { timestamp: id })));
    }
    assert_eq!(shared.room.available_permits(), 2);
}

#[tokio::test]
async fn what_never_left_is_told_from_what_did() {
    let (shared, now) = (shared(), Instant::now());
    let mut outbound = shared.outbound();
    let until = now + Duration::from_secs(1);
    let left = shared.push(put(1), now, until).unwrap();
    sent(&mut outbound).unwrap();
    let queued = shared.push(put(1), now, until).unwrap();
    shared.broken("reset".into(), now, BACKOFF);
    let error = Error::Unavailable { address: "a:1".into(), message: "reset".into() };
    assert_eq!(left.await.unwrap(), End::Lost(error.clone()));
    assert_eq!(queued.await.unwrap(), End::NotSent(error.clone()));
    assert_eq!(shared.room.available_permits(), 2);
    // For a while nothing is tried, and then again on a new stream only.
    let refused = |at| shared.push(put(1), at, until).err();
    assert_eq!((shared.usable(now), refused(now)), (false, Some(error)));
    let later = now + Duration::from_secs(1);
    assert_eq!((shared.usable(later), refused(later)), (true, None));
    assert_eq!(sent(&mut outbound), None);
    assert_eq!(sent(&mut shared.outbound()).unwrap().len(), 1);
}

#[tokio::test]
async fn what_has_no_answer_in_time_is_given_up() {
    let (shared, now) = (shared(), Instant::now());
    let mut outbound = shared.outbound();
    let (soon, late) = (now + Duration::from_millis(10), now + Duration::from_secs(9));
    let left = shared.push(put(1), now, soon).unwrap();
    let patient = shared.push(put(1), now, late).unwrap();
    let ids: Vec<_> = sent(&mut outbound).unwrap().iter().map(|item| item.id).collect();
    let queued = shared.push(put(1), now, soon).unwrap();
    shared.sweep(now);
    shared.sweep(soon);
    assert_eq!(left.await.unwrap(), End::TimedOut);
    assert!(matches!(queued.await.unwrap(), End::NotSent(_)));
    assert_eq!(sent(&mut outbound), None);
    // An answer that comes late is nobody's.
    shared.answer(BatchResponse { results: vec![done(ids[0]), done(ids[1])] });
    assert!(matches!(patient.await.unwrap(), End::Answered(_)));
    assert!(shared.park());
}
