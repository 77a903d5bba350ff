//! Random things happen to a cluster while the operator plans, with views that are late or of a deposed leader, lists of
//! objects of different age, and calls that repeat.

mod event;
mod rules;

use std::collections::VecDeque;

use planner::{Action, Observed, Plan, Template, plan, voters_of};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::world::{BAD, Caches, Held, World, hold};
use event::{Event, Leader, event};

/// Plans that a failure shows.
const HISTORY: usize = 8;
/// Rest comes within so many steps.
const STEPS: usize = 1_000;

/// A cluster to begin with, and what happens.
#[derive(Clone, Debug)]
pub struct Case {
    replicas: u32,
    begun: bool,
    events: Vec<Event>,
}

pub fn case() -> impl Strategy<Value = Case> {
    (1..8_u32, any::<bool>(), vec(event(), 0..120)).prop_map(|(replicas, begun, events)| Case {
        replicas,
        begun,
        events,
    })
}

/// What takes something away is planned once more when the look is late: what was seen counts for a moment only.
fn takes_away(action: &Action) -> bool {
    matches!(
        action,
        Action::ChangeMembers { .. }
            | Action::ScaleSet { .. }
            | Action::DeletePod { .. }
            | Action::DeleteSet { .. }
            | Action::DeleteClaim { .. }
            | Action::MarkRemoved { .. }
    )
}

/// A cluster and its operator.
struct Run {
    world: World,
    caches: Caches,
    /// All as it was at the last plan.
    earlier: Observed,
}

impl Run {
    fn new(replicas: u32) -> Self {
        let world = World::new(replicas);
        Self { caches: Caches::default(), earlier: world.observe(), world }
    }

    /// One pass of the operator.
    fn pass(&mut self, looked_at: &Observed, performed_twice: bool) -> Result<Plan, String> {
        let planned = plan(looked_at);
        rules::of_plan(looked_at, &planned)?;
        self.world.note(looked_at);
        let Some(action) = &planned.action else { return Ok(planned) };
        if let Action::ChangeMembers { changes, .. } = action
            && !self.world.confirms_volumes(looked_at, changes)
        {
            return Ok(planned);
        }
        rules::of_action(&self.world, looked_at, action)?;
        self.world.perform(action)?;
        if performed_twice {
            self.world.perform(action)?;
        }
        Ok(planned)
    }

    /// A pass that sees all as it is.
    fn pass_now(&mut self, performed_twice: bool) -> Result<Plan, String> {
        let now = self.world.observe();
        let planned = plan(&now);
        rules::of_truth(&self.world, &planned)?;
        self.pass(&now, performed_twice)
    }

    fn pass_late(&mut self, performed_twice: bool) -> Held {
        let now = self.world.observe();
        // The spec and the status are read from the API server, live.
        let late =
            Observed { spec: now.spec.clone(), recorded: now.recorded.clone(), ..self.earlier.clone() };
        let action = plan(&late).action;
        if action
            .as_ref()
            .is_none_or(|action| !takes_away(action) || plan(&now).action.as_ref() == Some(action))
        {
            self.pass(&late, performed_twice)?;
        }
        self.earlier = now;
        Ok(())
    }

    fn pass_through_caches(&mut self, fresh: [bool; 3], leader: Leader, performed_twice: bool) -> Held {
        self.world.refresh(&mut self.caches, fresh);
        let mut looked_at = self.world.observe_through(&self.caches);
        match leader {
            Leader::Now => {}
            Leader::Deposed => looked_at.leader = self.world.deposed_view(),
            Leader::Unseen => looked_at.leader = None,
        }
        self.pass(&looked_at, performed_twice).map(drop)
    }

    fn happen(&mut self, event: Event) -> Held {
        match event {
            Event::Plan { performed_twice } => {
                self.earlier = self.world.observe();
                self.pass_now(performed_twice)?;
            }
            Event::PlanLate { performed_twice } => self.pass_late(performed_twice)?,
            Event::PlanThroughCaches { fresh, leader, performed_twice } => {
                self.pass_through_caches(fresh, leader, performed_twice)?;
            }
            Event::Recreate => {
                self.world.recreate();
                self.world.refresh(&mut self.caches, [true; 3]);
                self.earlier = self.world.observe();
            }
            other => event::happen(&mut self.world, other),
        }
        Ok(())
    }

    /// Nothing happens any more from outside, and whoever is asked decides.
    fn calm(&mut self) {
        let world = &mut self.world;
        if world.spec.template.0 == BAD {
            world.spec.template = Template("corrected".to_owned());
        }
        world.spec.paused = false;
        world.group.is_slow = false;
    }

    fn come_to_rest(&mut self) -> Held {
        self.calm();
        let mut last = VecDeque::new();
        for _ in 0..STEPS {
            self.world.goes_on();
            let planned = self.pass_now(false)?;
            if planned.settled {
                return Ok(());
            }
            if planned.action.is_none() && self.world.recorded.cluster_id.is_none() {
                self.world.decide(true);
            }
            last.push_back(format!("{:?} {:?}", planned.action, planned.doing));
            while last.len() > HISTORY {
                last.pop_front();
            }
        }
        Err(format!("never at rest: {last:#?}"))
    }
}

/// Everything is as the spec wants it.
pub fn fulfilled(world: &World) -> Held {
    let replicas = world.spec.replicas;
    hold(world.members().len() == replicas as usize, || "the number of members".to_owned())?;
    hold(world.voters().len() == voters_of(replicas), || "the number of voters".to_owned())?;
    for (node, _) in world.members() {
        hold(world.lives(node), || format!("member {node} does not run"))?;
        let template = world.template_of(node);
        hold(template == Some(&world.spec.template), || format!("the template of member {node}"))?;
    }
    let cluster = world.recorded.cluster_id.as_ref();
    for (node, claim) in world.claims().filter(|(_, claim)| claim.cluster_id.as_ref() == cluster) {
        let member = world.members().iter().any(|(other, _)| other == node);
        hold(member != claim.removed || claim.deleting, || format!("the volume of {node}"))?;
    }
    Ok(())
}

/// Whatever happens, nothing is put at risk, and calm brings rest.
pub fn run(case: &Case) -> Held {
    let mut run = Run::new(case.replicas);
    if case.begun {
        run.come_to_rest()?;
    }
    for event in &case.events {
        run.happen(*event)?;
    }
    run.come_to_rest()?;
    fulfilled(&run.world)?;
    let idle = plan(&run.world.observe());
    hold(idle.action.is_none() && idle.doing.is_empty(), || format!("at rest {:?}", idle.doing))
}
