//! Explores everything and prints it: a row for each model, a row for each planted bug, and the way to
//! whatever is wrong.

use std::io::{self, Write};

use raft::RestoreError;

use super::model::Model;
use super::replica::Input;
use super::search::{End, Search, Step};

/// No model has so many states; memory stays below two gigabytes.
const MOST_STATES: usize = 20_000_000;

/// Explores every model to its end, then looks for the planted bugs, and prints what it found. `clock` gives
/// seconds since any moment. False if a model breaks a property or has too many states, or if a planted bug
/// is not found.
///
/// # Errors
/// `out` cannot be written to.
pub fn run_all(out: &mut impl Write, clock: &dyn Fn() -> f64) -> io::Result<bool> {
    let models = Model::all();
    let mut good = true;
    writeln!(out, "{:<15} {:>9} {:>11} {:>6} {:>8}  ", "model", "states", "transitions", "depth", "seconds")?;
    for model in &models {
        let begun = clock();
        let mut search = Search::new(model, None);
        let end = search.run(MOST_STATES, |_, _| {});
        let (states, transitions, depth) = (search.states(), search.transitions(), search.depth());
        let (name, about, seconds) = (model.name, model.about, clock() - begun);
        writeln!(out, "{name:<15} {states:>9} {transitions:>11} {depth:>6} {seconds:>8.1}  {about}")?;
        good &= print_end(out, &search, &end)?;
    }
    writeln!(out, "{:<24} {:<15} {:>9} {:>6}  ", "planted bug", "model", "states", "steps")?;
    for (canary, name) in Model::CANARIES {
        let Some(model) = models.iter().find(|model| model.name == *name) else {
            writeln!(out, "{:<24} {name:<15} NO SUCH MODEL", canary.name())?;
            good = false;
            continue;
        };
        let mut search = Search::new(model, Some(*canary));
        let end = search.run(MOST_STATES, |_, _| {});
        let found = match &end {
            Ok(End::Violated(steps, wrong)) => format!("{:>6}  {wrong}", steps.len()),
            Ok(End::Exhausted | End::GivenUp) | Err(_) => "NOT FOUND".into(),
        };
        good &= matches!(end, Ok(End::Violated(..)));
        writeln!(out, "{:<24} {name:<15} {:>9} {found}", canary.name(), search.states())?;
    }
    Ok(good)
}

/// Prints what went wrong with a model, if anything did.
fn print_end(out: &mut impl Write, search: &Search<'_>, end: &Result<End, RestoreError>) -> io::Result<bool> {
    match end {
        Ok(End::Exhausted) => return Ok(true),
        Ok(End::GivenUp) => writeln!(out, "GIVEN UP: more than {MOST_STATES} states")?,
        Ok(End::Violated(steps, wrong)) => {
            writeln!(out, "VIOLATED: {wrong}")?;
            for step in steps {
                writeln!(out, "  {}", in_words(*step, &search.input(*step)))?;
            }
        }
        Err(error) => writeln!(out, "BROKEN: a node does not start: {error}")?,
    }
    Ok(false)
}

/// A step as a line to read.
fn in_words(step: Step, input: &Input) -> String {
    let what = match input {
        Input::WriteDone => "its oldest write is durable".into(),
        Input::Campaign => "campaigns".into(),
        Input::Heartbeat => "its heartbeat is due".into(),
        Input::Silence => "an election timeout passes in silence".into(),
        Input::Crash(kept) => format!("crashes, keeps {kept} of its writes under way, and restarts"),
        Input::Propose(number) => format!("proposes command {number}"),
        Input::Change(change) => format!("proposes the change {change:?}"),
        Input::Transfer(to) => format!("hands leadership to {to}"),
        Input::Read(must_see) => format!("is asked for a read, with {must_see} entries committed"),
        Input::Deliver(letter) => {
            let (from, message) = (letter.header.from, &letter.message);
            let (node, boot, term) = (from.node, from.boot.counter, message.term);
            format!("receives from {node}, boot {boot}, term {term}: {:?}", message.body)
        }
    };
    format!("node {}: {what}", step.node)
}
