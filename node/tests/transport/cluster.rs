//! Three nodes that reach each other only through this transport.

use raft::NodeId;
use tempfile::TempDir;

use crate::member::Member;
use crate::store_rig::{block_on, found, get, put};

struct Cluster {
    data: Vec<TempDir>,
    members: Vec<Option<Member>>,
}

impl Cluster {
    /// Only the first node is told where the others are.
    async fn start() -> Self {
        let data: Vec<TempDir> = (0..3).map(|_| TempDir::new().unwrap()).collect();
        let members: Vec<Member> = data.iter().map(|data| Member::start(data.path())).collect();
        for (place, member) in members.iter().enumerate().skip(1) {
            members[0].book.learn(id(place), Some(member.server.address.to_string()), None);
        }
        let voters: Vec<_> =
            members.iter().enumerate().map(|(place, member)| (id(place), member.node.disk())).collect();
        for member in &members {
            member.node.bootstrap(voters.clone()).await;
        }
        Self { data, members: members.into_iter().map(Some).collect() }
    }

    fn running(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().flatten()
    }

    /// Puts at whoever leads, however often that changes.
    async fn put(&self, key: &str, value: &str) {
        loop {
            for member in self.running() {
                if member.node.handle.summary().borrow().serves_writes
                    && member.node.asker.ask(put(key, value)).await.is_ok()
                {
                    return;
                }
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    async fn get(&self, place: usize, key: &str) -> Option<String> {
        let member = self.members[place].as_ref().unwrap();
        loop {
            let answer = member.node.asker.ask(get(key)).await;
            if answer.is_ok() {
                return found(answer);
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    fn stop(self) {
        self.members.into_iter().flatten().for_each(Member::stop);
    }
}

fn id(place: usize) -> NodeId {
    NodeId(place as u64 + 1)
}

#[test]
fn nodes_that_know_nobody_learn_from_who_speaks_to_them() {
    block_on(async {
        let cluster = Cluster::start().await;
        cluster.put("a", "1").await;
        for place in 0..3 {
            assert_eq!(cluster.get(place, "a").await.as_deref(), Some("1"), "at {place}");
        }
        for (place, member) in cluster.running().enumerate().skip(1) {
            let others = (0..3).filter(|other| *other != place);
            assert!(others.into_iter().all(|other| member.book.peer(id(other)).is_some()), "at {place}");
            let first = &cluster.members[0].as_ref().unwrap().server.address;
            assert_eq!(member.book.client(id(0)), Some(format!("client-of-{first}")));
        }
        for (place, of) in cluster.running().enumerate() {
            for member in cluster.running().filter(|member| member.server.address != of.server.address) {
                member.knows_client(id(place), &of.server.address.to_string()).await;
            }
        }
        cluster.stop();
    });
}

#[test]
fn a_node_that_moved_is_followed_and_fetches_a_snapshot() {
    block_on(async {
        let mut cluster = Cluster::start().await;
        cluster.put("first", "1").await;
        assert_eq!(cluster.get(2, "first").await.as_deref(), Some("1"));
        let away = cluster.members[2].take().unwrap();
        let old = away.server.address.to_string();
        away.stop();
        let mut number = 0;
        let mut logs_are_cut = false;
        while !logs_are_cut {
            number += 1;
            cluster.put(&format!("key {number}"), "2").await;
            logs_are_cut = true;
            for member in cluster.running() {
                let status = member.node.handle.status().await.unwrap();
                logs_are_cut &= status.replicas[0].raft.base.index.0 > 50;
            }
        }
        // On another port. It remembers where the others are, and tells them where it is now.
        let again = Member::start(cluster.data[2].path());
        let new = again.server.address.to_string();
        assert_ne!(new, old);
        let mut snapshots = again.node.handle.snapshots();
        cluster.members[2] = Some(again);
        snapshots.wait_for(|snapshots| snapshots.counters.installed == 1).await.unwrap();
        for (key, value) in [("first", "1"), (&format!("key {number}"), "2")] {
            assert_eq!(cluster.get(2, key).await.as_deref(), Some(value));
        }
        let leader = cluster.running().find(|member| member.node.handle.summary().borrow().serves_writes);
        assert_eq!(leader.unwrap().book.peer(id(2)), Some(new.clone()));
        // A follower hears of it though nobody who moved speaks to it.
        for member in cluster.running() {
            member.knows_client(id(2), &new).await;
        }
        cluster.stop();
    });
}
