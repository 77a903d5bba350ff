//! Conditions as Kubernetes has them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use planner::{Kind, Truth};

/// Characters of a message.
const MOST_MESSAGE: usize = 1_000;

/// As the status has it.
pub(super) fn word(truth: Truth) -> &'static str {
    match truth {
        Truth::True => "True",
        Truth::False => "False",
        Truth::Unknown => "Unknown",
    }
}

/// As a metric has it.
#[must_use]
pub fn value(truth: Truth) -> i64 {
    match truth {
        Truth::True => 1,
        Truth::False => 0,
        Truth::Unknown => -1,
    }
}

/// Some of it comes from nodes and from Kubernetes: of any length.
pub(super) fn shortened(message: &str) -> String {
    match message.char_indices().nth(MOST_MESSAGE) {
        Some((end, _)) => format!("{}...", &message[..end]),
        None => message.to_owned(),
    }
}

/// The conditions of a plan, after those of the status until now. A condition keeps its time as long as its status stays.
///
/// `kubectl wait` takes a condition only if it carries the generation of the spec. `Available` carries it from when the
/// spec is fulfilled, so that `kubectl wait --for=condition=Available` after a change returns when the change is complete.
pub(super) fn merged(
    before: &[Condition],
    plan: &[planner::Condition],
    generation: i64,
    settled: bool,
    now: Timestamp,
) -> Vec<Condition> {
    let merged = plan.iter().map(|condition| {
        let old = before.iter().find(|old| old.type_ == condition.kind.name());
        let is_early = condition.kind == Kind::Available && condition.status == Truth::True && !settled;
        let observed = if is_early {
            old.and_then(|old| old.observed_generation).unwrap_or_default().min(generation)
        } else {
            generation
        };
        let status = word(condition.status);
        let kept = old.filter(|old| old.status == status).map(|old| old.last_transition_time.clone());
        Condition {
            type_: condition.kind.name().to_owned(),
            status: status.to_owned(),
            reason: condition.reason.to_owned(),
            message: shortened(&condition.message),
            observed_generation: Some(observed),
            last_transition_time: kept.unwrap_or(Time(now)),
        }
    });
    merged.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn condition(kind: Kind, status: Truth) -> planner::Condition {
        planner::Condition { kind, status, reason: "Because", message: String::new() }
    }

    #[test]
    fn a_message_is_cut_between_characters() {
        assert_eq!(shortened("ä"), "ä");
        assert_eq!(shortened(&"ä".repeat(5_000)).chars().count(), MOST_MESSAGE + 3);
    }

    #[test]
    fn the_time_changes_with_the_status_only() {
        let first = merged(&[], &[condition(Kind::Degraded, Truth::False)], 1, true, at(1));
        let same = merged(&first, &[condition(Kind::Degraded, Truth::False)], 2, true, at(2));
        assert_eq!(same[0].last_transition_time.0, at(1));
        assert_eq!(same[0].observed_generation, Some(2));
        let other = merged(&same, &[condition(Kind::Degraded, Truth::True)], 2, true, at(3));
        assert_eq!(other[0].last_transition_time.0, at(3));
    }

    #[test]
    fn available_carries_a_generation_once_it_is_fulfilled() {
        let available = [condition(Kind::Available, Truth::True)];
        let early = merged(&[], &available, 1, false, at(1));
        assert_eq!(early[0].observed_generation, Some(0));
        let done = merged(&early, &available, 1, true, at(2));
        assert_eq!(done[0].observed_generation, Some(1));
        let scaled = merged(&done, &available, 2, false, at(3));
        assert_eq!((scaled[0].observed_generation, scaled[0].status.as_str()), (Some(1), "True"));
        // A node that is lost later takes nothing back: the spec was fulfilled.
        let disturbed = merged(&done, &available, 1, false, at(3));
        assert_eq!(disturbed[0].observed_generation, Some(1));
    }

    #[test]
    fn not_available_is_said_of_the_latest_spec_at_once() {
        let done = merged(&[], &[condition(Kind::Available, Truth::True)], 1, true, at(1));
        let lost = merged(&done, &[condition(Kind::Available, Truth::False)], 2, false, at(2));
        assert_eq!((lost[0].observed_generation, lost[0].status.as_str()), (Some(2), "False"));
    }
}
