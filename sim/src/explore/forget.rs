//! Messages that can do nothing any more are taken out of the network, so that states which differ only in
//! them are one.
//!
//! No schedule is lost: of each message that is forgotten it is shown that its delivery, now or at any later
//! time, leaves the receiver as it is, or makes it send only a reply that is spent itself. The proofs rest on
//! this:
//!
//! 1. Within one boot the term never falls, and over all boots it never falls below the durable term.
//! 2. A reply names the boot that it answers, and every other boot drops it. So a reply that says nothing to a
//!    boot from now on says nothing for good.
//! 3. Within one boot, a replica that follows in a term leads or stands for office in a later one at the
//!    earliest, and each campaign has its own number.
//! 4. A message that is dropped may still tell the receiver of a new boot of the sender. A receiver then
//!    drops messages of earlier boots, which a lossy network may do anyway; a leader also starts to doubt what
//!    the earlier boot acknowledged, but of a first boot there is none.

use raft::RoleKind;

use super::local::{Kind, LetterSummary, Summary};

/// Whether a message can do nothing any more. `last_term` is the highest that the bounds allow.
pub(super) fn is_spent(letter: LetterSummary, sender: &Summary, receiver: &Summary, last_term: u8) -> bool {
    let is_late = letter.term < receiver.term;
    match letter.kind {
        // In a later term it is refused without a look at the candidate's log.
        Kind::PreVote => {
            letter.term <= receiver.durable_term
                && is_unanswerable(letter, sender, last_term)
                && is_of_first_boot(letter)
        }
        // A refusal of a higher term is that of a follower. Else it counts only in the campaign.
        Kind::PreVoteReply { to_boot, campaign, granted } => {
            let counts = asks_for_pre_votes(receiver, campaign) || !granted && letter.term > receiver.term;
            to_boot != receiver.boot || !counts && is_of_first_boot(letter)
        }
        Kind::Request => letter.term < receiver.durable_term && is_unanswerable(letter, sender, last_term),
        Kind::VoteReply { to_boot } => {
            let counts = letter.term > receiver.term || receiver.role == RoleKind::Candidate;
            let is_news = receiver.role == RoleKind::Leader && !is_of_first_boot(letter);
            to_boot != receiver.boot || is_late || !counts && !is_news
        }
        // In the receiver's term it is for a leader; a candidate may yet become one.
        Kind::ReplyToLeader { to_boot } => {
            to_boot != receiver.boot || is_late || letter.term == receiver.term && is_idle(receiver)
        }
        Kind::ReadReply { to_boot } => to_boot != receiver.boot || is_late,
        Kind::Notice => letter.term < receiver.durable_term,
    }
}

/// A request that changes nothing but asks for an answer. No answer reaches a boot that did not ask; and one
/// that follows in the last term can be taught no higher one, and will not lead.
fn is_unanswerable(letter: LetterSummary, sender: &Summary, last_term: u8) -> bool {
    sender.boot != letter.from_boot || sender.term >= last_term && sender.role == RoleKind::Follower
}

/// Neither leads nor stands for office, and will not in this term.
fn is_idle(node: &Summary) -> bool {
    matches!(node.role, RoleKind::Follower | RoleKind::PreCandidate)
}

fn asks_for_pre_votes(node: &Summary, campaign: u64) -> bool {
    node.role == RoleKind::PreCandidate && node.campaign == campaign
}

fn is_of_first_boot(letter: LetterSummary) -> bool {
    letter.from_boot == 1
}
