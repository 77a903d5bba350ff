//! Single rules on states that chance reaches seldom.

#![expect(clippy::unwrap_used, reason = "clippy takes only the test functions themselves for tests")]

#[allow(dead_code, unused_imports, reason = "much of it is for the random test")]
mod world;

use planner::{Action, Kind, NodeId, Observed, Plan, Position, Retention, Role, Template, Truth, plan};
use world::World;

const STEPS: usize = 500;

fn at_rest(replicas: u32) -> World {
    let mut world = World::new(replicas);
    assert!(comes_to_rest(&mut world), "a new cluster comes to rest");
    world
}

fn comes_to_rest(world: &mut World) -> bool {
    comes_to_rest_by(world, |_| ())
}

/// By plans of which each is looked at.
fn comes_to_rest_by(world: &mut World, mut look: impl FnMut(&Plan)) -> bool {
    for _ in 0..STEPS {
        world.goes_on();
        let looked_at = world.observe();
        world.note(&looked_at);
        let planned = plan(&looked_at);
        look(&planned);
        if planned.settled {
            return true;
        }
        if planned.action.is_some_and(|action| world.perform(&action).is_err()) {
            return false;
        }
    }
    false
}

#[test]
fn a_cluster_that_starts_for_the_first_time_is_not_degraded() {
    let rests = comes_to_rest_by(&mut World::new(3), |planned| {
        let degraded = planned.conditions.iter().find(|condition| condition.kind == Kind::Degraded).unwrap();
        assert_eq!(degraded.status, Truth::False, "{} while {:?}", degraded.message, planned.doing);
    });
    assert!(rests, "it does not come to rest");
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

fn condition(observed: &Observed, kind: Kind) -> Option<(Truth, &'static str)> {
    let conditions = plan(observed).conditions;
    let condition = conditions.into_iter().find(|condition| condition.kind == kind)?;
    Some((condition.status, condition.reason))
}

#[test]
fn a_cluster_that_is_left_alone_is_not_told_to_be_as_the_spec_wants_it() {
    let world = at_rest(3);
    let mut observed = world.observe();
    assert!(plan(&observed).settled);
    observed.spec.paused = true;
    assert!(!plan(&observed).settled, "paused");
    (observed.spec.paused, observed.spec.deleting) = (false, true);
    assert!(!plan(&observed).settled, "deleting");
}

#[test]
fn nothing_is_settled_on_a_list_that_is_not_committed_or_that_no_majority_stands_behind() {
    let world = at_rest(3);
    let mut observed = world.observe();
    observed.leader.as_mut().unwrap().committed = false;
    assert!(!plan(&observed).settled, "not committed");
    let mut observed = world.observe();
    let leader = observed.leader.as_mut().unwrap();
    leader.members.iter_mut().for_each(|member| member.answers = member.node == leader.leader);
    assert!(!plan(&observed).settled, "no majority");
}

#[test]
fn a_member_whose_claim_is_being_deleted_is_not_restarted_but_replaced() {
    for replicas in [1, 3] {
        let mut world = at_rest(replicas);
        world.doom(NodeId(1));
        world.spec.template = Template("other".to_owned());
        for _ in 0..STEPS {
            let action = plan(&world.observe()).action;
            assert!(!matches!(action, Some(Action::DeletePod { node: NodeId(1), .. })), "{action:?}");
            action.into_iter().for_each(|action| world.perform(&action).unwrap());
            world.goes_on();
        }
        assert!(comes_to_rest(&mut world), "{replicas} members");
        assert!(world.members().iter().all(|(node, _)| *node != NodeId(1)), "{replicas} members");
    }
}

#[test]
fn fewer_members_are_those_that_are_not_to_be_replaced() {
    let mut world = at_rest(5);
    [2, 3, 4].into_iter().for_each(|node| world.ask_to_replace(NodeId(node)));
    world.spec.replicas = 3;
    assert!(comes_to_rest(&mut world));
    let members: Vec<NodeId> = world.members().into_iter().map(|(node, _)| node).collect();
    assert_eq!(members, [1, 5, 6].map(NodeId), "two stay, and one comes");
}

#[test]
fn a_volume_that_may_not_be_deleted_is_kept_and_holds_nothing_up() {
    let mut world = at_rest(3);
    world.may_delete_claims = false;
    world.spec.retention = Retention::Delete;
    world.spec.replicas = 1;
    assert!(comes_to_rest(&mut world));
    world.spec.replicas = 3;
    assert!(comes_to_rest(&mut world));
    assert_eq!(condition(&world.observe(), Kind::RetainedVolumes), Some((Truth::True, "Kept")));
}

/// Growing from one to two: the second has a pod, and is not a member yet.
fn with_a_pod_of_a_second_member() -> World {
    let mut world = at_rest(1);
    world.spec.replicas = 2;
    while world.object(NodeId(2)).is_none_or(|objects| objects.pod.is_none()) {
        let action = plan(&world.observe()).action.unwrap();
        world.perform(&action).unwrap();
        world.goes_on();
    }
    world
}

#[test]
fn a_reservation_that_is_dropped_is_abandoned_and_leaves_nothing() {
    let mut world = with_a_pod_of_a_second_member();
    world.spec.replicas = 1;
    assert!(comes_to_rest(&mut world));
    world.goes_on();
    assert!(world.object(NodeId(2)).is_none(), "{:?}", world.object(NodeId(2)));
    world.spec.replicas = 2;
    assert!(comes_to_rest(&mut world));
    assert_eq!(world.members().into_iter().map(|(node, _)| node).collect::<Vec<_>>(), [1, 3].map(NodeId));
}

#[test]
fn a_new_member_whose_machine_is_lost_before_it_was_added_gets_another_id() {
    let mut world = with_a_pod_of_a_second_member();
    world.lose_machine(NodeId(2));
    assert!(comes_to_rest(&mut world), "{:?}", plan(&world.observe()).doing);
}

#[test]
fn a_member_that_a_lost_leader_added_is_added_again() {
    let mut world = at_rest(1);
    world.spec.replicas = 3;
    assert!(comes_to_rest(&mut world));
    let mut observed = world.observe();
    let view = observed.leader.as_mut().unwrap();
    view.members.retain(|member| member.node != NodeId(3));
    view.reserved = Some(NodeId(3));
    let action = plan(&observed).action;
    assert!(matches!(action, Some(Action::AddLearner { node: NodeId(3), .. })), "{action:?}");
}

#[test]
fn what_lasts_longer_than_its_deadline_is_told() {
    let mut world = at_rest(3);
    world.kill_pod(NodeId(2));
    let mut observed = world.observe();
    assert_eq!(condition(&observed, Kind::Progressing), Some((Truth::True, "Working")));
    observed.remembered.doing = plan(&observed).doing;
    observed.remembered.doing_millis = 599_999;
    assert_eq!(condition(&observed, Kind::Progressing), Some((Truth::True, "Working")));
    observed.remembered.doing_millis = 600_000;
    assert_eq!(condition(&observed, Kind::Progressing), Some((Truth::True, "DeadlineExceeded")));
    observed.remembered.doing.push("something else".to_owned());
    assert_eq!(condition(&observed, Kind::Progressing), Some((Truth::True, "Working")));
}

#[test]
fn without_a_leader_only_those_that_are_down_get_another_template() {
    let world = at_rest(5);
    let mut observed = world.observe();
    observed.leader = None;
    observed.recorded.voters.truncate(3);
    observed.spec.template = Template("other".to_owned());
    assert_eq!(plan(&observed).action, None);
}
