//! Single rules on states that chance reaches seldom.

#[allow(dead_code, reason = "what happens from outside is for the random test")]
mod world;

use planner::{Action, Kind, NodeId, Position, Role, Template, Truth, plan};
use world::World;

const STEPS: usize = 500;

fn at_rest(replicas: u32) -> World {
    let mut world = World::new(replicas);
    assert!(comes_to_rest(&mut world), "a new cluster comes to rest");
    world
}

fn comes_to_rest(world: &mut World) -> bool {
    for _ in 0..STEPS {
        world.goes_on();
        world.note();
        let planned = plan(&world.observe());
        if planned.settled {
            return true;
        }
        if let Some(action) = planned.action {
            world.perform(&action);
        }
    }
    false
}

#[test]
fn the_disruption_budget_stays_while_no_leader_is_seen() {
    let world = at_rest(3);
    let mut observed = world.observe();
    assert_eq!(plan(&observed).min_available, Some(2));
    observed.leader = None;
    assert_eq!(plan(&observed).min_available, Some(2));
}

#[test]
fn of_two_voters_none_is_restarted_by_a_roll() {
    let world = at_rest(3);
    let mut observed = world.observe();
    let gone = NodeId(3);
    observed.leader.as_mut().unwrap().members.retain(|member| member.node != gone);
    observed.objects.remove(&gone);
    observed.spec.template = Template("other".to_owned());
    let action = plan(&observed).action;
    assert!(!matches!(action, Some(Action::DeletePod { .. } | Action::UpdateSet { .. })), "{action:?}");
}

#[test]
fn a_removed_member_is_not_run_again_while_no_leader_is_seen() {
    let world = at_rest(3);
    let mut observed = world.observe();
    let removed = NodeId(3);
    observed.recorded.voters.retain(|node| *node != removed);
    observed.objects.get_mut(&removed).unwrap().set.as_mut().unwrap().replicas = 0;
    observed.leader = None;
    assert_eq!(plan(&observed).action, None);
}

#[test]
fn all_members_of_a_cluster_can_be_replaced_at_once() {
    for replicas in [1, 2, 3, 4, 5] {
        let mut world = at_rest(replicas);
        let old: Vec<NodeId> = world.members().into_iter().map(|(node, _)| node).collect();
        old.iter().for_each(|node| world.ask_to_replace(*node));
        assert!(comes_to_rest(&mut world), "{replicas} members: {:?}", plan(&world.observe()).doing);
        assert!(world.members().iter().all(|(node, _)| !old.contains(node)), "{replicas} members");
    }
}

#[test]
fn an_empty_disk_after_the_bootstrap_is_lost_data_before_a_leader_was_noted_too() {
    let world = at_rest(1);
    let mut observed = world.observe();
    observed.recorded.voters.clear();
    observed.recorded.configuration_at = Position::default();
    observed.leader = None;
    observed.objects.get_mut(&NodeId(1)).unwrap().claim = None;
    let planned = plan(&observed);
    let lost = planned.conditions.iter().find(|condition| condition.kind == Kind::DataLost).unwrap();
    assert_eq!(lost.status, Truth::True);
    assert!(!matches!(planned.action, Some(Action::Bootstrap { .. } | Action::CreateClaim { .. })));
}

#[test]
fn five_voters_become_three_and_a_learner_in_one_list() {
    let mut world = at_rest(5);
    world.spec.replicas = 4;
    let action = plan(&world.observe()).action;
    let Some(Action::ChangeMembers { changes, .. }) = action else { panic!("{action:?}") };
    assert_eq!(changes.len(), 2, "{changes:?}");
    assert!(comes_to_rest(&mut world));
    let learners = world.members().iter().filter(|(_, role)| *role == Role::Learner).count();
    assert_eq!((world.voters().len(), learners), (3, 1));
}
