//! Random things happen to a cluster while the operator plans.

mod chance;
#[allow(dead_code, reason = "some of it is for the tests of single rules")]
mod world;

use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_nothing_is_put_at_risk_and_calm_brings_rest(case in chance::case()) {
        chance::run(&case).map_err(TestCaseError::fail)?;
    }
}
