//! Somebody who drives the world from outside, and changes the members in place of the operator.

use store::store::{AdminError, AdminReply};

use crate::fault::KubeFault;

/// What passes between the two.
#[derive(Debug, Default)]
pub struct Outside {
    /// Answers of stores to administrators, by the number of the request.
    pub answers: Vec<(u64, Result<AdminReply, AdminError>)>,
    /// Faults of the schedule that are for the outside.
    pub faults: Vec<(KubeFault, u32)>,
    /// Members are being changed: no disk is destroyed meanwhile.
    pub is_busy: bool,
    /// What is not as it should be when clients have stopped.
    pub trouble: Option<String>,
}
