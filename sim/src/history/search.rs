//! The search for an order: Wing and Gong's, with Lowe's memory of configurations.
//!
//! Whatever is called before the first deadline of what is not done may come next. A configuration is the set
//! of operations done and the state they left.
//!
//! Three rules keep the search from branching where that cannot matter:
//!
//! 1. *An observer goes at once.* It changes nothing, so an order that has it later may as well have it now.
//! 2. *A value is left only when all its observers are done*, because it never comes back.
//!    Absence does come back, as long as there are deletes to come.
//! 3. *A value that nobody waits for makes the past final.* Let an order of the rest exist before some
//!    choice; drop from it all that our path did instead. Whoever is left finds the value it needs: its
//!    writer is left too, for the path finished with each value it touched. Only absence can be wasted: by
//!    using up a delete, or by leaving absence. So a choice is final unless that happened since, and someone
//!    still waits for absence.

use super::Limits;
use super::cache::Cache;
use super::resolve::{ABSENT, Problem, State};
use super::timeline::{Event, Timeline};

/// What became of a search. Orders name positions in the records that were resolved.
#[derive(Debug)]
pub(super) enum Found {
    /// Every operation has its place.
    Order(Vec<usize>),
    /// There is no order; this is the longest that was found for a part.
    Nothing(Vec<usize>),
    /// Out of steps; this is the longest that was found for a part.
    Exhausted(Vec<usize>),
}

/// An operation that was given its place.
#[derive(Clone, Copy, Debug)]
struct Done {
    op: usize,
    /// The state before.
    before: State,
    /// How many operations were done when absence was last wasted, this one included.
    wasted: usize,
}

/// A configuration with moves not tried yet: those in `Search::moves` from `base` on.
#[derive(Clone, Copy, Debug)]
struct Choice {
    depth: usize,
    base: usize,
}

struct Search<'a> {
    problem: &'a Problem,
    timeline: Timeline,
    state: State,
    /// By state: how many operations that need it are not done.
    waiting: Vec<usize>,
    deletes_left: usize,
    /// Operations not done that must be.
    required: usize,
    /// The operations done, in order.
    order: Vec<Done>,
    /// Those of them that must be done, as a set.
    set: Vec<u64>,
    /// How many deletes were done that need not be. Always the earliest ones.
    spent: usize,
    moves: Vec<usize>,
    choices: Vec<Choice>,
    longest: Vec<usize>,
    steps: u64,
}

/// Searches within `limits`, counting every look at an operation, and adds the steps used to `steps`.
pub(super) fn search(problem: &Problem, limits: &Limits, steps: &mut u64) -> Found {
    let mut search = Search::new(problem);
    let found = search.run(limits);
    *steps += search.steps;
    found
}

impl<'a> Search<'a> {
    fn new(problem: &'a Problem) -> Self {
        let mut waiting = vec![0; problem.states];
        for state in problem.ops.iter().filter_map(|op| op.needs) {
            waiting[state] += 1;
        }
        Self {
            problem,
            timeline: Timeline::new(problem),
            state: ABSENT,
            waiting,
            deletes_left: problem.ops.iter().filter(|op| op.sets == Some(ABSENT)).count(),
            required: problem.ops.iter().filter(|op| op.deadline.is_some()).count(),
            order: Vec::with_capacity(problem.ops.len()),
            set: vec![0; problem.ops.len().div_ceil(64)],
            spent: 0,
            moves: Vec::new(),
            choices: Vec::new(),
            longest: Vec::new(),
            steps: 0,
        }
    }

    fn run(&mut self, limits: &Limits) -> Found {
        let mut cache = Cache::new(self.set.len(), limits.cache_bytes);
        let mut next = Vec::new();
        loop {
            self.observe(&mut next);
            if self.steps > limits.steps {
                self.keep_longest();
                return Found::Exhausted(std::mem::take(&mut self.longest));
            }
            if self.required == 0 {
                return Found::Order(self.names());
            }
            self.make_final();
            self.choose_from(&mut next);
            // A configuration without choices before it cannot be met again.
            let known = !self.choices.is_empty() && !cache.insert(&self.set, self.state, self.spent);
            let op = if known { None } else { next.pop() };
            if let Some(op) = op {
                if !next.is_empty() {
                    self.choices.push(Choice { depth: self.order.len(), base: self.moves.len() });
                    self.moves.append(&mut next);
                }
                self.take(op);
            } else if !self.go_back() {
                return Found::Nothing(std::mem::take(&mut self.longest));
            }
        }
    }

    /// Takes every observer that can go now, and puts all else that may come next into `next`.
    fn observe(&mut self, next: &mut Vec<usize>) {
        next.clear();
        let mut at = self.timeline.first();
        while let Event::Call(op) = self.timeline.event(at) {
            self.steps += 1;
            match (self.problem.ops[op].needs, self.problem.ops[op].sets) {
                (Some(needs), _) if needs != self.state => {}
                (_, Some(_)) => next.push(op),
                (_, None) => self.take(op),
            }
            at = self.timeline.after(at);
        }
    }

    /// Keeps in `next` what rule 2 allows, the most urgent last.
    fn choose_from(&self, next: &mut Vec<usize>) {
        let ops = &self.problem.ops;
        let urgency = |op: &usize| ops[*op].deadline.unwrap_or(u64::MAX);
        // Of two deletes the one with the earlier deadline goes first: they could swap places.
        let is_delete = |op: &usize| ops[*op].sets == Some(ABSENT);
        let delete = next.iter().copied().filter(is_delete).min_by_key(urgency);
        next.retain(|op| {
            if is_delete(op) && (Some(*op) != delete || !self.is_worth_it(*op)) {
                return false;
            }
            let stays = ops[*op].sets == Some(self.state);
            let others = self.waiting[self.state] - usize::from(ops[*op].needs == Some(self.state));
            stays || others == 0 || (self.state == ABSENT && self.deletes_left > 0)
        });
        next.sort_by_key(|op| std::cmp::Reverse(urgency(op)));
    }

    /// An optional delete is, if someone waits for it.
    fn is_worth_it(&self, delete: usize) -> bool {
        self.problem.ops[delete].deadline.is_some() || (self.state != ABSENT && self.waiting[ABSENT] > 0)
    }

    /// Rule 3.
    fn make_final(&mut self) {
        if self.waiting[self.state] > 0 {
            return;
        }
        let wasted =
            if self.waiting[ABSENT] > 0 { self.order.last().map_or(0, |done| done.wasted) } else { 0 };
        while let Some(choice) = self.choices.pop_if(|choice| choice.depth >= wasted) {
            self.moves.truncate(choice.base);
        }
    }

    fn take(&mut self, op: usize) {
        let this = self.problem.ops[op];
        let before = self.state;
        if let Some(needed) = this.needs {
            self.waiting[needed] -= 1;
        }
        if let Some(state) = this.sets {
            self.state = state;
        }
        self.deletes_left -= usize::from(this.sets == Some(ABSENT));
        if this.deadline.is_some() {
            self.required -= 1;
            self.set[op / 64] |= 1 << (op % 64);
        } else {
            self.spent += 1;
        }
        self.timeline.lift(op);
        let wastes = this.sets == Some(ABSENT) || (before == ABSENT && self.state != ABSENT);
        let wasted =
            if wastes { self.order.len() + 1 } else { self.order.last().map_or(0, |done| done.wasted) };
        self.order.push(Done { op, before, wasted });
    }

    fn undo(&mut self) {
        let Some(Done { op, before, .. }) = self.order.pop() else { return };
        let this = self.problem.ops[op];
        if let Some(needed) = this.needs {
            self.waiting[needed] += 1;
        }
        self.state = before;
        self.deletes_left += usize::from(this.sets == Some(ABSENT));
        if this.deadline.is_some() {
            self.required += 1;
            self.set[op / 64] &= !(1 << (op % 64));
        } else {
            self.spent -= 1;
        }
        self.timeline.put_back(op);
    }

    /// Back to the last choice, and on with its next move; false if there is none.
    fn go_back(&mut self) -> bool {
        self.keep_longest();
        let Some(choice) = self.choices.last().copied() else { return false };
        while self.order.len() > choice.depth {
            self.undo();
        }
        let Some(op) = self.moves.pop() else { return false };
        if self.moves.len() == choice.base {
            self.choices.pop();
        }
        self.take(op);
        true
    }

    fn keep_longest(&mut self) {
        if self.order.len() > self.longest.len() {
            self.longest = self.names();
        }
    }

    fn names(&self) -> Vec<usize> {
        self.order.iter().map(|done| self.problem.ops[done.op].record).collect()
    }
}
