//! Breadth first over all states: the first violation found has the shortest trace.

use std::collections::BTreeMap;

use raft::canary::Canary;
use raft::{NodeId, RestoreError, RoleKind};

use super::forget::is_spent;
use super::local::{Locals, Summary, small};
use super::model::{Cost, Model};
use super::properties::{Committed, check_state, committed_at_start};
use super::replica::Input;
use super::state::{MAX_NODES, State};
use super::table::{Table, print_of_words};

/// What a step was: the node, and the code of its input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) node: u8,
    pub(super) code: u32,
}

/// Where a state was first reached from.
#[derive(Clone, Copy, Debug)]
struct Origin {
    state: u32,
    step: Step,
}

/// A step of `node` that costs, with the number that tells it from others of its kind.
fn paid(node: u8, cost: Cost, argument: usize) -> Step {
    Step { node, code: (cost as u32 + 1) * ARGUMENTS + u32::from(small(argument as u64)) }
}

/// So many arguments has each kind of input; a bounded world has no more.
const ARGUMENTS: u32 = 16;
/// The code of the completion of a write.
const WRITE_DONE: u32 = 0;
/// Codes from here on are deliveries.
const DELIVER: u32 = 256;

impl Step {
    fn deliver(node: u8, letter: u32) -> Self {
        Self { node, code: DELIVER + letter }
    }

    /// The message that it delivers.
    fn letter(self) -> Option<u32> {
        self.code.checked_sub(DELIVER)
    }

    /// What the step costs, and its argument.
    fn cost(self) -> Option<(Cost, u32)> {
        let kind = (self.code < DELIVER).then_some(self.code / ARGUMENTS)?.checked_sub(1)?;
        Some((*Cost::ALL.get(kind as usize)?, self.code % ARGUMENTS))
    }

    /// The input behind the code.
    fn input(self, model: &Model, locals: &Locals<'_>) -> Input {
        if let Some(letter) = self.letter() {
            return Input::Deliver(locals.letter(letter).clone());
        }
        match self.cost() {
            None => Input::WriteDone,
            Some((Cost::Campaign, _)) => Input::Campaign,
            Some((Cost::Proposal, number)) => Input::Propose(small(number.into())),
            Some((Cost::Change, which)) => Input::Change(model.changes[which as usize]),
            Some((Cost::Crash, surviving)) => Input::Crash(surviving as usize),
            Some((Cost::Heartbeat, _)) => Input::Heartbeat,
            Some((Cost::Silence, _)) => Input::Silence,
            Some((Cost::Transfer, to)) => Input::Transfer(NodeId(to.into())),
            Some((Cost::Read, must_see)) => Input::Read(must_see.into()),
        }
    }
}

pub(super) struct Search<'a> {
    model: &'a Model,
    locals: Locals<'a>,
    /// Equivalent states and schedules are visited once: see [`super::forget`] and
    /// [`Model::is_symmetric`].
    reduced: bool,
    histories: Vec<Committed>,
    history_numbers: BTreeMap<Committed, u32>,
    visited: Table,
    origins: Vec<Origin>,
    /// States of the next level: length, then words.
    next_level: Vec<u32>,
    words: Vec<u32>,
    transitions: u64,
    depth: u32,
}

/// How a search ended.
#[derive(Debug)]
pub(super) enum End {
    /// Every state that the bounds allow was visited.
    Exhausted,
    /// Too many states.
    GivenUp,
    /// A property does not hold after these steps.
    Violated(Vec<Step>, String),
}

impl<'a> Search<'a> {
    pub(super) fn new(model: &'a Model, canary: Option<Canary>) -> Self {
        Self {
            model,
            locals: Locals::new(model, canary),
            reduced: true,
            histories: Vec::new(),
            history_numbers: BTreeMap::new(),
            visited: Table::new(),
            origins: Vec::new(),
            next_level: Vec::new(),
            words: Vec::new(),
            transitions: 0,
            depth: 0,
        }
    }

    /// How many different states were visited.
    pub(super) fn states(&self) -> usize {
        self.origins.len()
    }

    /// How many steps changed something.
    pub(super) fn transitions(&self) -> u64 {
        self.transitions
    }

    /// How many steps lead to the state that is farthest from the start.
    pub(super) fn depth(&self) -> u32 {
        self.depth
    }

    /// The input of a step of this search.
    pub(super) fn input(&self, step: Step) -> Input {
        step.input(self.model, &self.locals)
    }

    /// The state in which the model starts.
    fn start(&mut self) -> Result<State, RestoreError> {
        let mut nodes = [0; MAX_NODES];
        for (n, node) in (1..).zip(nodes.iter_mut().take(self.model.nodes())) {
            *node = self.locals.start(n)?;
        }
        let mut state = State::new(nodes);
        let (_, first) = raft::bootstrap(self.model.configuration());
        state.committed = self.number_history(committed_at_start(&first));
        Ok(state)
    }

    fn number_history(&mut self, history: Committed) -> u32 {
        if let Some(known) = self.history_numbers.get(&history) {
            return *known;
        }
        let number = u32::try_from(self.histories.len()).unwrap_or(u32::MAX);
        self.histories.push(history.clone());
        self.history_numbers.insert(history, number);
        number
    }

    /// Visits every state, `most` at most, and shows each to `witness`.
    pub(super) fn run(
        &mut self,
        most: usize,
        mut witness: impl FnMut(&State, &Committed),
    ) -> Result<End, RestoreError> {
        let start = self.start()?;
        let nobody = Origin { state: 0, step: Step { node: 0, code: 0 } };
        self.visit(&start, nobody);
        let mut first_of_level = 0;
        while !self.next_level.is_empty() {
            let level = std::mem::take(&mut self.next_level);
            let (mut at, mut number) = (0, first_of_level);
            first_of_level = u32::try_from(self.origins.len()).unwrap_or(u32::MAX);
            while at < level.len() {
                let words = &level[at + 1..=at + level[at] as usize];
                at += words.len() + 1;
                let state = State::unpack(words);
                witness(&state, &self.histories[state.committed as usize]);
                if let Err((step, wrong)) = self.expand(&state, number) {
                    let mut steps = self.path(number);
                    steps.push(step);
                    return Ok(End::Violated(steps, wrong));
                }
                number += 1;
                if self.origins.len() >= most {
                    return Ok(End::GivenUp);
                }
            }
            self.depth += u32::from(!self.next_level.is_empty());
        }
        Ok(End::Exhausted)
    }

    /// Remembers a state; queues it if it is new.
    fn visit(&mut self, state: &State, origin: Origin) {
        self.words.clear();
        state.pack(&mut self.words);
        let number = u32::try_from(self.origins.len()).unwrap_or(u32::MAX);
        if self.visited.insert(print_of_words(&self.words), number) {
            self.origins.push(origin);
            self.next_level.push(u32::try_from(self.words.len()).unwrap_or(u32::MAX));
            self.next_level.extend(&self.words);
        }
    }

    fn path(&self, mut number: u32) -> Vec<Step> {
        let mut steps = Vec::new();
        while number != 0 {
            let origin = self.origins[number as usize];
            steps.push(origin.step);
            number = origin.state;
        }
        steps.reverse();
        steps
    }

    /// Takes every step that is possible in `state`.
    fn expand(&mut self, state: &State, number: u32) -> Result<(), (Step, String)> {
        for step in self.steps(state) {
            match self.after(state, step) {
                Ok(Some(next)) => {
                    self.transitions += 1;
                    self.visit(&next, Origin { state: number, step });
                }
                Ok(None) => {}
                Err(wrong) => return Err((step, wrong)),
            }
        }
        Ok(())
    }

    /// The state after a step; none if the step changes nothing. What is paid for nothing, or comes to
    /// nothing, leads to no schedule that is not there without it.
    fn after(&mut self, state: &State, step: Step) -> Result<Option<State>, String> {
        let at = usize::from(step.node - 1);
        let before = state.nodes[at];
        let model = self.model;
        let outcome = self.locals.try_input(before, step.code, |locals| step.input(model, locals));
        let outcome = self.locals.outcome(outcome);
        if let Some(wrong) = &outcome.wrong {
            return Err(wrong.clone());
        }
        let news = outcome.sent.iter().any(|letter| state.letters.binary_search(letter).is_err());
        if outcome.next == before && !news {
            return Ok(None);
        }
        let mut next = state.clone();
        next.nodes[at] = outcome.next;
        // Every read request that arrives begins a round. It arrives once at most, or there would be no end.
        if let Some(letter) = step.letter().filter(|letter| self.locals.is_read_request(*letter)) {
            next.letters.retain(|other| *other != letter);
        }
        next.send(&outcome.sent);
        if let Some((cost, _)) = step.cost() {
            next.spend(cost);
        }
        self.judge(&mut next, before, at)?;
        if self.reduced {
            self.forget(&mut next);
        }
        Ok(Some(next))
    }

    /// Takes out of the network what can do nothing any more.
    fn forget(&self, state: &mut State) {
        let last_term = self.model.last_term();
        let (nodes, locals) = (state.nodes, &self.locals);
        let at = |node: u8| locals.summary(nodes[usize::from(node - 1)]);
        state.letters.retain(|letter| {
            let letter = locals.letter_summary(*letter);
            !is_spent(letter, at(letter.from), at(letter.to), last_term)
        });
    }

    /// Checks what the whole state must hold after a step of the node `at`.
    fn judge(&mut self, next: &mut State, before: u32, at: usize) -> Result<(), String> {
        let nodes: Vec<&Summary> =
            next.nodes[..self.model.nodes()].iter().map(|local| self.locals.summary(*local)).collect();
        let (before, moved) = (self.locals.summary(before), nodes[at]);
        if moved.role == RoleKind::Leader && !next.note_leader(moved.term, moved.node, moved.boot) {
            return Err(format!("a second leader in term {}", moved.term));
        }
        let history = &self.histories[next.committed as usize];
        let mut committed = history.clone();
        check_state(&nodes, before, moved, &mut committed)?;
        if committed.len() > history.len() {
            next.committed = self.number_history(committed);
        }
        Ok(())
    }

    /// Everything that may happen.
    fn steps(&self, state: &State) -> Vec<Step> {
        let mut steps = Vec::new();
        let committed = self.histories[state.committed as usize].len();
        let can_pay = |cost| state.spent(cost) < self.model.limit(cost);
        let only_node_1 = self.reduced && self.model.is_symmetric() && state.spent(Cost::Campaign) == 0;
        for (node, local) in (1..).zip(&state.nodes[..self.model.nodes()]) {
            let summary = self.locals.summary(*local);
            if summary.writes > 0 {
                steps.push(Step { node, code: WRITE_DONE });
            }
            let leads = summary.role == RoleKind::Leader;
            for cost in Cost::ALL.into_iter().filter(|cost| can_pay(*cost)) {
                let arguments = match cost {
                    Cost::Campaign if !leads && (node == 1 || !only_node_1) => 0..=0,
                    Cost::Proposal if leads => state.spent(cost).into()..=state.spent(cost).into(),
                    Cost::Change if leads => 0..=self.model.changes.len() - 1,
                    Cost::Crash => 0..=summary.writes,
                    Cost::Heartbeat if leads => 0..=0,
                    Cost::Silence => 0..=0,
                    Cost::Transfer if leads => 1..=self.model.nodes(),
                    Cost::Read if leads || self.model.follower_reads => committed..=committed,
                    _ => continue,
                };
                steps.extend(arguments.map(|argument| paid(node, cost, argument)));
            }
        }
        let letters = state.letters.iter();
        steps.extend(letters.map(|letter| Step::deliver(self.locals.letter_summary(*letter).to, *letter)));
        steps
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const MOST: usize = 2_000_000;

    /// Who led each term, and what was committed.
    type Outcome = ([u8; 8], Committed);

    fn small_model(name: &str, limits: &[(Cost, u8)]) -> Model {
        let mut all = Model::all().into_iter();
        let model = all.find(|model| model.name == name).expect("a model of this name");
        Model { limits: limits.to_vec(), ..model }
    }

    fn outcomes(model: &Model, reduced: bool) -> (usize, BTreeSet<Outcome>) {
        let mut search = Search { reduced, ..Search::new(model, None) };
        let mut all = BTreeSet::new();
        let end = search.run(MOST, |state, committed| {
            all.insert((state.leaders(), committed.clone()));
        });
        assert!(matches!(end, Ok(End::Exhausted)), "{}: {end:?}", model.name);
        (search.states(), all)
    }

    /// With every outcome the one in which two mirrored voters are exchanged.
    fn mirrored(model: &Model, mut all: BTreeSet<Outcome>) -> BTreeSet<Outcome> {
        let pairs = || (1..=model.voters).flat_map(|a| (1..a).map(move |b| (a, b)));
        loop {
            let before = all.len();
            for (a, b) in pairs().filter(|_| model.is_symmetric()) {
                let exchanged = |who: u8| match who >> 4 {
                    node if node == a => b << 4 | who & 0xf,
                    node if node == b => a << 4 | who & 0xf,
                    _ => who,
                };
                let more: Vec<_> = all.iter().map(|(led, log)| (led.map(exchanged), log.clone())).collect();
                all.extend(more);
            }
            if all.len() == before {
                return all;
            }
        }
    }

    /// What is left out by the reductions would have led nowhere else.
    #[test]
    fn reductions_lose_no_outcome() {
        use Cost::{Campaign, Crash, Proposal, Silence, Transfer};
        let models = [
            small_model("two-commands", &[(Campaign, 2), (Proposal, 1)]),
            small_model("two-commands", &[(Campaign, 1), (Crash, 1)]),
            Model { writes_under_way: 0, ..small_model("restarts", &[(Campaign, 1), (Proposal, 1)]) },
            Model { pre_vote: true, ..small_model("two-commands", &[(Campaign, 2)]) },
            Model { voters: 2, ..small_model("transfer", &[(Campaign, 1), (Transfer, 1)]) },
            small_model("promotion", &[(Campaign, 1), (Cost::Change, 1), (Silence, 1)]),
            small_model("demotion", &[(Campaign, 1), (Cost::Change, 1)]),
        ];
        for model in models {
            let ((fewer, reduced), (all, full)) = (outcomes(&model, true), outcomes(&model, false));
            assert!(fewer < all, "{}: {fewer} of {all} states", model.name);
            let reduced = mirrored(&model, reduced);
            let (lost, made_up) = (full.difference(&reduced).next(), reduced.difference(&full).next());
            assert_eq!((lost, made_up), (None, None), "{} {:?}", model.name, model.limits);
        }
    }

    /// A planted bug is found with the reductions if, and in as many steps as, it is without.
    #[test]
    fn reductions_hide_no_violation() {
        use Cost::{Campaign, Crash, Proposal};
        let two = small_model("two-nodes", &[(Campaign, 2), (Crash, 1)]);
        let three = small_model("replication", &[(Campaign, 2), (Proposal, 1)]);
        let cases = [
            (&two, Canary::OfficeBeforeDurability),
            (&two, Canary::VoteBeforeSync),
            (&two, Canary::AppendAckBeforeSync),
            (&three, Canary::VoteTwice),
            (&three, Canary::LeaderAckBeforeSync),
        ];
        for (model, canary) in cases {
            let steps = [true, false].map(|reduced| {
                let mut search = Search { reduced, ..Search::new(model, Some(canary)) };
                match search.run(MOST, |_, _| {}) {
                    Ok(End::Violated(steps, _)) => steps.len(),
                    other => panic!("{canary:?}: {other:?}"),
                }
            });
            assert_eq!(steps[0], steps[1], "{canary:?}");
        }
    }
}
