//! The calls and deadlines of the operations not done yet, as a list in the order of time.

use super::resolve::Problem;

/// An element of the list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Event {
    /// From here on this operation may be done.
    Call(usize),
    /// Before this, this operation must be done.
    Deadline(usize),
    /// Nothing more.
    End,
}

/// Before the first event and after the last.
const END: usize = 0;

/// The list. Places in it stay what they are when operations leave and come back.
#[derive(Debug)]
pub(super) struct Timeline {
    events: Vec<Event>,
    next: Vec<usize>,
    previous: Vec<usize>,
    /// By operation: its call, and its deadline if it has one.
    places: Vec<(usize, Option<usize>)>,
}

impl Timeline {
    /// All operations of `problem`. Of events at the same instant calls come first: the operations overlap.
    pub fn new(problem: &Problem) -> Self {
        let mut timed = Vec::with_capacity(2 * problem.ops.len());
        for (at, op) in problem.ops.iter().enumerate() {
            timed.push((op.invoked, false, at));
            timed.extend(op.deadline.map(|deadline| (deadline, true, at)));
        }
        timed.sort_unstable();
        let mut places = vec![(END, None); problem.ops.len()];
        let mut events = vec![Event::End];
        for (_, is_deadline, op) in timed {
            if is_deadline {
                places[op].1 = Some(events.len());
                events.push(Event::Deadline(op));
            } else {
                places[op].0 = events.len();
                events.push(Event::Call(op));
            }
        }
        let count = events.len();
        let next = (0..count).map(|at| (at + 1) % count).collect();
        let previous = (0..count).map(|at| (at + count - 1) % count).collect();
        Self { events, next, previous, places }
    }

    /// The first place.
    pub fn first(&self) -> usize {
        self.next[END]
    }

    /// The place after `at`, also if `at` was lifted just now.
    pub fn after(&self, at: usize) -> usize {
        self.next[at]
    }

    /// What is at a place.
    pub fn event(&self, at: usize) -> Event {
        self.events[at]
    }

    /// Takes an operation out.
    pub fn lift(&mut self, op: usize) {
        let (call, deadline) = self.places[op];
        // The call last, so that what follows it is right even if that was the deadline.
        for at in deadline.into_iter().chain([call]) {
            let (next, previous) = (self.next[at], self.previous[at]);
            self.next[previous] = next;
            self.previous[next] = previous;
        }
    }

    /// Puts back the operation that was lifted last of those not put back.
    pub fn put_back(&mut self, op: usize) {
        let (call, deadline) = self.places[op];
        for at in [call].into_iter().chain(deadline) {
            let (next, previous) = (self.next[at], self.previous[at]);
            self.next[previous] = at;
            self.previous[next] = at;
        }
    }
}
