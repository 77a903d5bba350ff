//! What must hold in every state. A step of one node is judged by itself where that is enough; what takes
//! several nodes, or the past, is judged on the whole state.

use raft::{Body, Entry, Payload, RoleKind};

use super::local::{Mark, Summary, marks};
use super::replica::{Effects, Input, Letter, Replica};

/// Judges a step of one node.
pub(super) fn check_step(
    before: &Replica,
    after: &Replica,
    input: &Input,
    effects: &Effects,
) -> Result<(), String> {
    let (was, is) = (before.raft.status(raft::Time::ZERO), after.raft.status(raft::Time::ZERO));
    let restarted = matches!(input, Input::Crash(_));
    let (old, new) = (&before.disk.hard_state, &after.disk.hard_state);
    if new.term < old.term || new.term == old.term && old.vote.is_some() && new.vote != old.vote {
        return Err(format!("a durable vote is taken back: {old:?}, then {new:?}"));
    }
    if is.commit < was.commit && !restarted {
        return Err(format!("the commit index falls from {} to {}", was.commit, is.commit));
    }
    let takes_office = is.role == RoleKind::Leader && was.role != RoleKind::Leader;
    if takes_office && (new.term != is.term || new.vote != Some(is.node)) {
        return Err(format!("takes office in term {} while the disk holds {new:?}", is.term));
    }
    let log = after.log();
    check_configuration(&is, &log)?;
    check_applied(after, &effects.applied)?;
    for letter in &effects.sent {
        check_durable(after, &log, letter)?;
    }
    match effects.reads.iter().find(|(must_see, saw)| saw.0 < *must_see) {
        Some((must_see, saw)) => {
            Err(format!("a read sees {saw} entries although {must_see} were committed when it was asked for"))
        }
        None => Ok(()),
    }
}

/// The configuration in force is the latest in the log; a leader has one uncommitted change at most.
fn check_configuration(status: &raft::Status, log: &[Entry]) -> Result<(), String> {
    let all = log.iter().filter_map(|entry| match &entry.payload {
        Payload::Configuration(configuration) => Some((entry.position(), configuration)),
        Payload::Noop | Payload::Command(_) => None,
    });
    let all: Vec<_> = all.collect();
    if all.last() != Some(&(status.configuration_at, &status.configuration)) {
        return Err(format!("the configuration of {} is in force, not the latest", status.configuration_at));
    }
    let own = |at: &raft::LogPosition| at.term == status.term && at.index > status.commit;
    let open = all.iter().filter(|(at, _)| own(at)).count();
    if status.role == RoleKind::Leader && open > 1 {
        return Err(format!("{open} changes are uncommitted at a time"));
    }
    Ok(())
}

/// What is applied is durable here.
fn check_applied(after: &Replica, applied: &[Entry]) -> Result<(), String> {
    match applied.iter().find(|entry| !after.disk.log.contains(entry)) {
        Some(entry) => Err(format!("{} is applied and not durable here", entry.position())),
        None => Ok(()),
    }
}

/// What a reply says is durable.
fn check_durable(after: &Replica, log: &[Entry], letter: &Letter) -> Result<(), String> {
    let (disk, term) = (&after.disk.hard_state, letter.message.term);
    let holds_term = disk.term >= term;
    let wrong = match &letter.message.body {
        Body::VoteReply(reply) if reply.granted => {
            disk.term != term || disk.vote != Some(letter.header.to.node)
        }
        Body::AppendAck(ack) => {
            let matched = usize::try_from(ack.matched.0).unwrap_or(usize::MAX);
            let durable = after.disk.log.get(..matched);
            !holds_term || durable.is_none() || durable != log.get(..matched)
        }
        Body::VoteReply(_) | Body::AppendReject(_) | Body::HeartbeatAck(_) => !holds_term,
        _ => false,
    };
    if wrong {
        return Err(format!("says {:?} in term {term} before it is durable", letter.message.body));
    }
    Ok(())
}

/// What all nodes together have committed so far: each entry, and the term in which that happened.
pub(super) type Committed = Vec<(Mark, u8)>;

/// Judges a state after a step of `moved`, which was in state `before`. Adds what it committed.
pub(super) fn check_state(
    nodes: &[&Summary],
    before: &Summary,
    moved: &Summary,
    committed: &mut Committed,
) -> Result<(), String> {
    let agreed = moved.commit.min(committed.len());
    let Some(prefix) = moved.log.get(..moved.commit) else {
        return Err(format!("commits up to {} with a log of {}", moved.commit, moved.log.len()));
    };
    if let Some(at) = (0..agreed).find(|at| prefix[*at] != committed[*at].0) {
        return Err(format!("commits another entry {} than was committed before", at + 1));
    }
    if moved.commit > committed.len() {
        if before.role != RoleKind::Leader && moved.role != RoleKind::Leader {
            return Err(format!("commits up to {}, a leader only up to {agreed}", moved.commit));
        }
        check_quorum(nodes, moved, prefix)?;
        committed.extend(prefix[agreed..].iter().map(|mark| (*mark, moved.term)));
    }
    nodes.iter().try_for_each(|node| check_complete(node, committed))?;
    nodes.iter().filter(|node| node.node != moved.node).try_for_each(|node| check_matching(moved, node))
}

/// What is committed is durable on a majority of the voters in force.
fn check_quorum(nodes: &[&Summary], leader: &Summary, prefix: &[Mark]) -> Result<(), String> {
    let votes = |node: &&&Summary| leader.voters & (1 << node.node) != 0;
    let holds = |node: &&&Summary| node.disk.get(..prefix.len()) == Some(prefix);
    let voters = leader.voters.count_ones() as usize;
    let holders = nodes.iter().filter(votes).filter(holds).count();
    if holders * 2 <= voters {
        return Err(format!("commits up to {}, durable on {holders} of {voters} voters", prefix.len()));
    }
    Ok(())
}

/// A leader holds everything that was committed in its term or before (§3.6.3).
fn check_complete(node: &Summary, committed: &Committed) -> Result<(), String> {
    if node.role != RoleKind::Leader {
        return Ok(());
    }
    let of_the_past = committed.iter().take_while(|(_, term)| *term <= node.term);
    match of_the_past.zip(1_usize..).find(|((mark, _), at)| node.log.get(at - 1) != Some(mark)) {
        Some((_, at)) => {
            Err(format!("node {} leads term {} without the committed entry {at}", node.node, node.term))
        }
        None => Ok(()),
    }
}

/// Two logs with the same term at an index are equal up to there (§3.5).
fn check_matching(a: &Summary, b: &Summary) -> Result<(), String> {
    let both = a.log.iter().zip(&b.log);
    let agree = both.clone().rposition(|(x, y)| x.0 == y.0).map_or(0, |last| last + 1);
    match both.take(agree).position(|(x, y)| x != y) {
        Some(at) => Err(format!(
            "entries {agree} of nodes {} and {} have the same term, entries {} differ",
            a.node,
            b.node,
            at + 1
        )),
        None => Ok(()),
    }
}

/// The committed prefix at the start: the first configuration.
pub(super) fn committed_at_start(first: &Entry) -> Committed {
    marks(std::slice::from_ref(first)).into_iter().map(|mark| (mark, 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERM_2: Mark = (2, 7);

    fn node(node: u8, role: RoleKind, log: &[Mark], commit: usize) -> Summary {
        Summary {
            node,
            boot: 1,
            role,
            term: 3,
            durable_term: 3,
            commit,
            log: log.to_vec(),
            disk: log.to_vec(),
            voters: 0b1110,
            writes: 0,
            campaign: 0,
        }
    }

    /// The verdict on a state in which the first node just moved.
    fn verdict(nodes: &[Summary], committed: &mut Committed) -> Result<(), String> {
        let all: Vec<&Summary> = nodes.iter().collect();
        let before = Summary { commit: 0, ..nodes[0].clone() };
        check_state(&all, &before, &nodes[0], committed)
    }

    fn broken(nodes: &[Summary], committed: &[(Mark, u8)]) -> String {
        verdict(nodes, &mut committed.to_vec()).expect_err("a property is broken")
    }

    #[test]
    fn a_commit_by_a_quorum_is_noted() {
        let leader = node(1, RoleKind::Leader, &[TERM_2, (3, 8)], 2);
        let follower = |n, log| node(n, RoleKind::Follower, log, 0);
        let mut committed = vec![(TERM_2, 2)];
        let nodes = [leader, follower(2, &[TERM_2, (3, 8)]), follower(3, &[])];
        assert_eq!(verdict(&nodes, &mut committed), Ok(()));
        assert_eq!(committed, [(TERM_2, 2), ((3, 8), 3)]);
    }

    #[test]
    fn a_commit_without_a_quorum_is_found() {
        let leader = node(1, RoleKind::Leader, &[TERM_2], 1);
        let others = [2, 3].map(|n| Summary { disk: vec![], ..node(n, RoleKind::Follower, &[TERM_2], 0) });
        let nodes = [leader, others[0].clone(), others[1].clone()];
        assert!(broken(&nodes, &[]).contains("durable on 1 of 3"));
    }

    #[test]
    fn a_follower_that_commits_first_is_found() {
        let nodes = [node(1, RoleKind::Follower, &[TERM_2], 1), node(2, RoleKind::Leader, &[TERM_2], 0)];
        assert!(broken(&nodes, &[]).contains("a leader only up to 0"));
    }

    #[test]
    fn another_commit_at_an_index_is_found() {
        let nodes = [node(1, RoleKind::Follower, &[(3, 8)], 1)];
        assert!(broken(&nodes, &[(TERM_2, 2)]).contains("another entry 1"));
    }

    #[test]
    fn a_commit_beyond_the_log_is_found() {
        assert!(broken(&[node(1, RoleKind::Leader, &[], 1)], &[]).contains("with a log of 0"));
    }

    #[test]
    fn a_leader_without_a_committed_entry_is_found() {
        let nodes = [node(1, RoleKind::Follower, &[], 0), node(2, RoleKind::Leader, &[(3, 8)], 0)];
        assert!(broken(&nodes, &[(TERM_2, 2)]).contains("node 2 leads term 3 without"));
        assert_eq!(verdict(&nodes, &mut vec![(TERM_2, 4)]), Ok(()), "of a later term it need not know");
    }

    #[test]
    fn logs_that_do_not_match_are_found() {
        let logs = [&[TERM_2, (3, 9)][..], &[(1, 1), (3, 9)]];
        let nodes = [node(1, RoleKind::Follower, logs[0], 0), node(2, RoleKind::Follower, logs[1], 0)];
        assert!(broken(&nodes, &[]).contains("entries 1 differ"));
        let other_payload =
            [node(1, RoleKind::Follower, &[TERM_2], 0), node(2, RoleKind::Follower, &[(2, 8)], 0)];
        assert!(broken(&other_payload, &[]).contains("entries 1 differ"));
    }
}
