//! `sim explore`.

use std::io::stdout;

use super::pool::now;

/// True if every model was explored to its end, without a violation, and every planted bug was found.
pub fn explore() -> bool {
    let began = now();
    sim::explore::run_all(&mut stdout(), &|| began.elapsed().as_secs_f64()).unwrap_or_else(|error| {
        eprintln!("cannot print what is explored: {error}");
        false
    })
}
