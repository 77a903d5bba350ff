//! Runs every scenario under `tests/scenarios`; its `README.md` says how to read and write them.

mod scenarios_runner;

#[test]
fn every_scenario_goes_as_written() {
    if let Err(failures) = scenarios_runner::run_all() {
        panic!("{failures}");
    }
}

#[test]
fn bad_scenarios_are_refused_with_their_line() {
    for (text, error) in scenarios_runner::REFUSED {
        assert_eq!(scenarios_runner::refusal(text).as_deref(), Some(error), "of:\n{text}");
    }
}
