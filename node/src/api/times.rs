//! How long requests take, by their method.

use std::time::Duration;

use proto::v1::batch_item::Request as Asked;

use crate::store_loop::Times;

/// The methods, in the order of their places.
const METHODS: [&str; 10] = [
    "get",
    "put",
    "conditional_put",
    "delete",
    "delete_range",
    "scan",
    "write",
    "open_session",
    "hold",
    "release_hold",
];

/// Times from the arrival of a request to its answer, whatever that is.
#[derive(Debug, Default)]
pub struct RequestTimes([Times; METHODS.len()]);

/// The place of a method.
#[derive(Clone, Copy)]
pub(super) struct Method(usize);

impl Method {
    pub(super) fn of(request: &Asked) -> Self {
        Self(match request {
            Asked::Get(_) => 0,
            Asked::Put(_) => 1,
            Asked::ConditionalPut(_) => 2,
            Asked::Delete(_) => 3,
            Asked::DeleteRange(_) => 4,
            Asked::Scan(_) => 5,
            Asked::Write(_) => 6,
            Asked::OpenSession(_) => 7,
            Asked::Hold(_) => 8,
            Asked::ReleaseHold(_) => 9,
        })
    }
}

impl RequestTimes {
    pub(super) fn add(&self, Method(place): Method, time: Duration) {
        self.0[place].add(time);
    }

    /// All methods.
    pub fn methods(&self) -> impl Iterator<Item = (&'static str, &Times)> {
        METHODS.into_iter().zip(&self.0)
    }
}
