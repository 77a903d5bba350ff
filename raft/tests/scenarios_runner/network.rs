//! Messages under way. Nothing arrives by itself.

use std::collections::BTreeSet;

use raft::{Header, Message, NodeId};

use super::text;

/// A message under way.
#[derive(Clone)]
pub(super) struct InFlight {
    pub(super) header: Header,
    pub(super) message: Message,
}

impl InFlight {
    pub(super) fn from(&self) -> NodeId {
        self.header.from.node
    }

    pub(super) fn to(&self) -> NodeId {
        self.header.to.node
    }

    pub(super) fn text(&self) -> String {
        format!("n{} > n{}  {}", self.from(), self.to(), text::message(&self.message))
    }
}

/// Which of the messages that fit are meant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pick {
    All,
    First,
    Last,
}

/// Which messages are meant.
pub(super) struct Selector {
    pub(super) from: Option<NodeId>,
    pub(super) to: Option<NodeId>,
    pub(super) kind: Option<String>,
    pub(super) pick: Pick,
}

impl Selector {
    fn fits(&self, flight: &InFlight) -> bool {
        self.from.is_none_or(|node| node == flight.from())
            && self.to.is_none_or(|node| node == flight.to())
            && self.kind.as_deref().is_none_or(|kind| kind == text::kind(&flight.message.body))
    }
}

/// The network, with its links.
#[derive(Default)]
pub(super) struct Network {
    /// In the order in which they were sent.
    pub(super) under_way: Vec<InFlight>,
    /// Put aside until they are let go.
    pub(super) delayed: Vec<InFlight>,
    cut: BTreeSet<(NodeId, NodeId)>,
}

impl Network {
    /// False if the link is cut, so that the message is lost.
    pub(super) fn send(&mut self, flight: InFlight) -> bool {
        let open = !self.cut.contains(&(flight.from(), flight.to()));
        if open {
            self.under_way.push(flight);
        }
        open
    }

    /// Takes the messages that are meant out of those under way.
    pub(super) fn take(&mut self, selector: &Selector) -> Result<Vec<InFlight>, String> {
        take(&mut self.under_way, selector)
    }

    /// Sends copies of the messages that are meant once more.
    pub(super) fn duplicate(&mut self, selector: &Selector) -> Result<(), String> {
        let mut rest = self.under_way.clone();
        self.under_way.extend(take(&mut rest, selector)?);
        Ok(())
    }

    pub(super) fn delay(&mut self, selector: &Selector) -> Result<(), String> {
        let taken = self.take(selector)?;
        self.delayed.extend(taken);
        Ok(())
    }

    /// Lets delayed messages go on.
    pub(super) fn let_go(&mut self, selector: &Selector) -> Result<(), String> {
        let taken = take(&mut self.delayed, selector)?;
        self.under_way.extend(taken);
        Ok(())
    }

    /// Cuts the way from one node to another; what is under way there is lost.
    pub(super) fn cut(&mut self, from: NodeId, to: NodeId) {
        self.cut.insert((from, to));
        self.under_way.retain(|flight| (flight.from(), flight.to()) != (from, to));
    }

    pub(super) fn heal(&mut self, from: NodeId, to: NodeId) {
        self.cut.remove(&(from, to));
    }
}

fn take(messages: &mut Vec<InFlight>, selector: &Selector) -> Result<Vec<InFlight>, String> {
    let mut fitting: Vec<usize> = (0..messages.len()).filter(|at| selector.fits(&messages[*at])).collect();
    match selector.pick {
        Pick::All => {}
        Pick::First => fitting.truncate(1),
        Pick::Last => fitting = fitting.last().copied().into_iter().collect(),
    }
    if fitting.is_empty() {
        return Err("no such message is under way".to_owned());
    }
    let mut taken: Vec<InFlight> = fitting.iter().rev().map(|at| messages.remove(*at)).collect();
    taken.reverse();
    Ok(taken)
}
