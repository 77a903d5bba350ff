//! What the operator sees: objects in caches of different age, and what a leader says, or one that was deposed.

use std::collections::BTreeMap;

use planner::{
    Claim, DiskId, LeaderView, MemberObjects, MemberView, NodeId, Observed, Pod, Report, ReportedState, Role,
    Set,
};

use super::{BAD, World};

/// The operator's caches, each as old as it is.
#[derive(Clone, Debug, Default)]
pub struct Caches {
    claims: BTreeMap<NodeId, Claim>,
    sets: BTreeMap<NodeId, Set>,
    pods: BTreeMap<NodeId, Pod>,
}

impl World {
    /// All as it is.
    pub fn observe(&self) -> Observed {
        let mut caches = Caches::default();
        self.refresh(&mut caches, [true; 3]);
        self.observe_through(&caches)
    }

    /// Claims, StatefulSets and pods come anew into the caches, or stay as they were.
    pub fn refresh(&self, caches: &mut Caches, [claims, sets, pods]: [bool; 3]) {
        let objects = || self.objects.iter();
        if claims {
            caches.claims = objects().filter_map(|(node, all)| Some((*node, all.claim.clone()?))).collect();
        }
        if sets {
            caches.sets = objects().filter_map(|(node, all)| Some((*node, all.set.clone()?))).collect();
        }
        if pods {
            let look =
                |(node, all): (&NodeId, &MemberObjects)| Some((*node, self.pod(*node, all.pod.clone()?)));
            caches.pods = objects().filter_map(look).collect();
        }
    }

    /// The objects as the caches have them; the spec, the status and the nodes as they are.
    pub fn observe_through(&self, caches: &Caches) -> Observed {
        let mut objects: BTreeMap<NodeId, MemberObjects> = BTreeMap::new();
        for (node, claim) in &caches.claims {
            objects.entry(*node).or_default().claim = Some(claim.clone());
        }
        for (node, set) in &caches.sets {
            objects.entry(*node).or_default().set = Some(set.clone());
        }
        for (node, pod) in &caches.pods {
            let member = objects.entry(*node).or_default();
            let live = self.object(*node).and_then(|objects| objects.pod.as_ref());
            let is_there = live.is_some_and(|live| live.uid == pod.uid);
            member.report = is_there.then(|| self.report(*node)).flatten();
            member.pod = Some(pod.clone());
        }
        Observed {
            spec: self.spec.clone(),
            recorded: self.recorded.clone(),
            remembered: self.remembered.clone(),
            leader: self.view().filter(|_| self.is_of_cluster()),
            leaderless_millis: 0,
            objects,
        }
    }

    /// Who leads another cluster is not asked.
    fn is_of_cluster(&self) -> bool {
        self.group.cluster == self.recorded.cluster_id
    }

    fn pod(&self, node: NodeId, pod: Pod) -> Pod {
        let stuck = if pod.template.0 == BAD {
            Some("ImagePullBackOff".to_owned())
        } else {
            (!self.runs(node)).then(|| "Unschedulable".to_owned())
        };
        Pod { ready: self.is_caught_up(node) && self.group.leader.is_some(), stuck, ..pod }
    }

    fn report(&self, node: NodeId) -> Option<Report> {
        let disk = self.disks.get(&node).filter(|_| self.runs(node))?;
        let state = match &disk.holds {
            _ if disk.damaged => ReportedState::LostDisk,
            Some(_) => ReportedState::Member,
            None => ReportedState::Waiting,
        };
        Some(Report {
            cluster_id: disk.holds.as_ref().map(|(cluster, _)| cluster.clone()),
            node: disk.holds.as_ref().map(|(_, node)| *node),
            disk: Some(disk.id.clone()),
            boot: 1,
            state,
            fault: String::new(),
            below_reserve: false,
        })
    }

    /// What the leader says.
    pub(super) fn view(&self) -> Option<LeaderView> {
        let leader = self.group.leader?;
        let members = self.group.members.iter();
        Some(LeaderView {
            leader,
            members: members.map(|(node, (disk, role))| self.member(*node, disk, *role)).collect(),
            configuration_at: self.group.position,
            committed: self.group.uncommitted.is_none(),
            reserved: self.group.reserved,
            catch_up_stalled: Vec::new(),
            short_of_space: Vec::new(),
            skewed_clocks: Vec::new(),
        })
    }

    fn member(&self, node: NodeId, disk: &DiskId, role: Role) -> MemberView {
        let answers = self.lives(node);
        let since = if answers { None } else { self.silent_since.get(&node) };
        let silent_millis = since.map_or(0, |since| self.now - since);
        let caught_up = self.is_caught_up(node);
        MemberView { node, disk: disk.clone(), role, matched: 0, silent_millis, answers, caught_up }
    }

    /// What a leader says that does not know yet that it was followed by another. It may still believe that it is heard,
    /// but not when its list is the latest that was seen: then another one was elected without its members.
    pub fn deposed_view(&self) -> Option<LeaderView> {
        let (mut view, said_by) = self.group.deposed.clone().filter(|_| self.is_of_cluster())?;
        let pod = self.object(view.leader).and_then(|objects| objects.pod.as_ref());
        if pod.is_none_or(|pod| pod.uid != said_by) || self.group.leader == Some(view.leader) {
            return None;
        }
        let is_old = view.configuration_at < self.recorded.configuration_at;
        for member in &mut view.members {
            member.answers = member.node == view.leader || (is_old && self.lives(member.node));
        }
        Some(view)
    }
}
