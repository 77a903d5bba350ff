//! Objects as the API server keeps them: in versions, of which a list may show earlier ones.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use planner::{ClusterId, Condition, NodeId, Recorded, Spec, Template};

/// So many states of a list are kept.
const KEPT: usize = 40;
/// Pods of such templates cannot run.
const BAD: &str = "bad";

/// An object, and what the server knows it by.
#[derive(Clone, Debug)]
pub struct Stored<T> {
    /// This incarnation.
    pub uid: u64,
    /// Another one after every change.
    pub version: u64,
    /// What it says.
    pub object: T,
}

/// All objects of a kind, by the member that they are of.
pub type List<T> = BTreeMap<NodeId, Stored<T>>;

/// A kind of objects.
#[derive(Debug)]
pub struct Kind<T> {
    states: VecDeque<Rc<List<T>>>,
    dropped: u64,
    counter: u64,
}

impl<T: Clone> Kind<T> {
    /// No objects.
    pub fn new() -> Self {
        Self { states: VecDeque::from([Rc::default()]), dropped: 0, counter: 0 }
    }

    /// As it is now.
    pub fn list(&self) -> &List<T> {
        &self.states[self.states.len() - 1]
    }

    /// An object as it is now.
    pub fn get(&self, node: NodeId) -> Option<&Stored<T>> {
        self.list().get(&node)
    }

    /// The number of the present state.
    pub fn last(&self) -> u64 {
        self.dropped + self.states.len() as u64 - 1
    }

    /// A state by its number, or the earliest that is kept.
    pub fn as_of(&self, state: u64) -> Rc<List<T>> {
        let at = state.saturating_sub(self.dropped) as usize;
        Rc::clone(&self.states[at.min(self.states.len() - 1)])
    }

    fn next(&mut self, change: impl FnOnce(&mut List<T>, u64)) {
        self.counter += 1;
        let mut list = self.list().clone();
        change(&mut list, self.counter);
        self.states.push_back(Rc::new(list));
        if self.states.len() > KEPT {
            self.states.pop_front();
            self.dropped += 1;
        }
    }

    /// Makes an object where there is none.
    pub fn create(&mut self, node: NodeId, object: T) -> bool {
        let free = self.get(node).is_none();
        if free {
            self.next(|list, counter| {
                list.insert(node, Stored { uid: counter, version: counter, object });
            });
        }
        free
    }

    /// Changes an object, whatever it is.
    pub fn edit(&mut self, node: NodeId, change: impl FnOnce(&mut T)) -> bool {
        let there = self.get(node).is_some();
        if there {
            self.next(|list, counter| {
                if let Some(stored) = list.get_mut(&node) {
                    stored.version = counter;
                    change(&mut stored.object);
                }
            });
        }
        there
    }

    /// Whether it is still in the version that somebody saw.
    pub fn is(&self, node: NodeId, (uid, version): (u64, u64)) -> bool {
        self.get(node).is_some_and(|stored| (stored.uid, stored.version) == (uid, version))
    }

    /// Takes an object away.
    pub fn delete(&mut self, node: NodeId) {
        if self.get(node).is_some() {
            self.next(|list, _| {
                list.remove(&node);
            });
        }
    }
}

/// A volume claim.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The cluster that it was made for.
    pub cluster_id: Option<ClusterId>,
    /// It carries the mark of a removed member.
    pub removed: bool,
    /// Its machine is gone.
    pub is_on_lost_machine: bool,
    /// Its member was removed, and nothing runs on it: nothing may ever again.
    pub given_up: bool,
}

/// A StatefulSet.
#[derive(Clone, Debug)]
pub struct Set {
    /// Wanted pods.
    pub replicas: u32,
    /// For the next pod.
    pub template: Template,
    /// The user wants another member.
    pub replace: bool,
}

/// A pod.
#[derive(Clone, Debug)]
pub struct Pod {
    /// It was made from this.
    pub template: Template,
    /// As the kubelet found it last.
    pub ready: bool,
    /// It is to end.
    pub deleting: bool,
    /// Its process was started; whether it runs is another matter.
    pub started: bool,
}

impl Pod {
    /// Why it will not run.
    pub fn stuck(&self, claim: Option<&Claim>) -> Option<String> {
        if is_bad(&self.template) {
            return Some("ImagePullBackOff".to_owned());
        }
        let unschedulable = !self.started && claim.is_none_or(|claim| claim.is_on_lost_machine);
        unschedulable.then(|| "Unschedulable".to_owned())
    }
}

/// Whether pods of a template cannot run.
pub fn is_bad(template: &Template) -> bool {
    template.0.starts_with(BAD)
}

/// A template that was never there before.
pub fn template(number: u64, bad: bool) -> Template {
    Template(format!("{}{number}", if bad { BAD } else { "" }))
}

/// A KvCluster.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// What the user wants.
    pub spec: Spec,
    /// Counts changes of the spec.
    pub generation: u64,
    /// What the operators wrote.
    pub status: Status,
}

/// The status of a KvCluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// For the next plans.
    pub recorded: Recorded,
    /// As planned last.
    pub conditions: Vec<Condition>,
    /// The generation for which everything was as it should be.
    pub settled: u64,
}
