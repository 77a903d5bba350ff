//! Bugs that can be planted, to see that the simulation finds them.

/// A bug of the model of the operator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bug {
    /// It believes a list of members that it saw a while ago.
    OldMemberList,
    /// It stops the pod of a member that is to be removed before the removal is committed.
    StopsBeforeRemoval,
    /// It keeps in mind which volumes are of removed members, and does not mark them.
    ForgetsRemoved,
    /// It takes every member for well when it restarts one.
    RestartsSeveral,
    /// It takes an empty disk for that of a cluster that has not begun.
    BeginsAgain,
    /// It writes the status over any version of it.
    WritesBlindly,
    /// It says that all is done when it only waits.
    SettledTooSoon,
    /// It writes the status when nothing has changed.
    WritesAtRest,
    /// A pass that failed is never repeated.
    GivesUp,
}

/// A bug that can be planted: into the model of the operator, or into the planner itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Canary {
    /// Of the operator.
    Operator(Bug),
    /// Of the planner.
    Planner(planner::canary::Canary),
}

/// All of them, with their names on the command line. Of the planner those that break what only a whole cluster shows;
/// its own tests find all.
pub const ALL: [(&str, Canary); 18] = [
    ("old-member-list", Canary::Operator(Bug::OldMemberList)),
    ("stops-before-removal", Canary::Operator(Bug::StopsBeforeRemoval)),
    ("forgets-removed", Canary::Operator(Bug::ForgetsRemoved)),
    ("restarts-several", Canary::Operator(Bug::RestartsSeveral)),
    ("begins-again", Canary::Operator(Bug::BeginsAgain)),
    ("writes-blindly", Canary::Operator(Bug::WritesBlindly)),
    ("settled-too-soon", Canary::Operator(Bug::SettledTooSoon)),
    ("writes-at-rest", Canary::Operator(Bug::WritesAtRest)),
    ("gives-up", Canary::Operator(Bug::GivesUp)),
    ("pause-ignored", Canary::Planner(planner::canary::Canary::PauseIgnored)),
    ("paused-is-settled", Canary::Planner(planner::canary::Canary::PausedIsSettled)),
    ("available-early", Canary::Planner(planner::canary::Canary::AvailableEarly)),
    ("loss-unrepaired", Canary::Planner(planner::canary::Canary::LossUnrepaired)),
    ("objects-before-removal", Canary::Planner(planner::canary::Canary::ObjectsBeforeRemoval)),
    ("reservation-reused", Canary::Planner(planner::canary::Canary::ReservationReused)),
    ("second-voter-restarted", Canary::Planner(planner::canary::Canary::SecondVoterRestarted)),
    ("restarted-unseen", Canary::Planner(planner::canary::Canary::RestartedUnseen)),
    ("older-list-believed", Canary::Planner(planner::canary::Canary::OlderListBelieved)),
];
