//! How often the status is written. Each write wakes all that watch the cluster, the operator first.

use std::time::Duration;

use crate::api::{KvClusterStatus, MemberStatus};

/// Between two writes that tell nothing but figures, which move all the time while clients write.
const FIGURES: Duration = Duration::from_secs(30);
/// Between two writes of anything else that is only told. What an action records is written at once.
const NEWS: Duration = Duration::from_secs(1);

/// How long after the write of `told` this may be written in its place.
#[must_use]
pub fn pause(told: &KvClusterStatus, wanted: &KvClusterStatus) -> Duration {
    let figures = |member: &MemberStatus| {
        let old = told.members.iter().find(|old| old.node == member.node);
        let (lag, free_bytes) = old.map_or((member.lag, member.free_bytes), |old| (old.lag, old.free_bytes));
        MemberStatus { lag, free_bytes, ..member.clone() }
    };
    let members = wanted.members.iter().map(figures).collect();
    let with_old_figures = KvClusterStatus { members, ..wanted.clone() };
    if with_old_figures == *told { FIGURES } else { NEWS }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(lag: u64, ready: bool) -> KvClusterStatus {
        let members =
            json!([{ "node": 1, "ready": true }, { "node": 2, "ready": ready, "lag": lag, "freeBytes": 9 }]);
        serde_json::from_value(json!({ "leader": 1, "members": members })).unwrap()
    }

    #[test]
    fn figures_alone_wait_longer_than_news() {
        let told = status(5_000, true);
        assert_eq!(pause(&told, &status(7_000, true)), FIGURES);
        assert_eq!(pause(&told, &status(7_000, false)), NEWS);
        assert_eq!(pause(&told, &KvClusterStatus { leader: Some(2), ..told.clone() }), NEWS);
        let mut grown = told.clone();
        grown.members[1].node = 3;
        assert_eq!(pause(&told, &grown), NEWS);
    }
}
