//! Plays scenario files: parse, run each stanza in a world of its file, compare or rewrite.

mod commands;
mod diff;
mod disk;
mod invariants;
mod network;
mod node;
mod script;
mod show;
mod snapshots;
mod text;
mod world;

use std::fmt::Write as _;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use script::{Paragraph, Script};
use world::World;

/// Regenerates the expected text instead of comparing it.
const REWRITE: &str = "REWRITE_SCENARIOS";

/// What is wrong with a scenario text, and how that is reported.
pub(crate) const REFUSED: [(&str, &str); 6] = [
    ("nodes 3\n----\nok\n\nfly 1\n----\nok\n", "bad.txt:5: there is no command \"fly\""),
    ("nodes 3\n", "bad.txt:1: a stanza without a line \"----\""),
    ("# only prose\n----\nok\n", "bad.txt:1: a stanza without a command"),
    ("nodes 3\n----\n----\nok\n", "bad.txt:3: a second line \"----\" in one stanza"),
    ("nodes three\n----\nok\n", "bad.txt:1: \"three\" is not a number"),
    ("nodes 3\ndeliver 1>2\n----\nok\n", "bad.txt:2: no such message is under way"),
];

/// How many of what ran.
#[derive(Default)]
struct Count {
    scenarios: usize,
    stanzas: usize,
}

/// Runs or rewrites every scenario.
pub(crate) fn run_all() -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let rewrite = env::var_os(REWRITE).is_some();
    let mut count = Count::default();
    let mut failures = String::new();
    for path in scenario_files(&root)? {
        let name = path.strip_prefix(&root).unwrap_or(&path).display().to_string();
        if let Err(failure) = run_file(&path, &name, rewrite, &mut count) {
            let _ = writeln!(failures, "{failure}");
        }
    }
    // Not `println`: the test harness keeps what passing tests print. On a line of its own, after its dots.
    let _ = writeln!(io::stdout(), "\nscenarios: {} run, {} stanzas", count.scenarios, count.stanzas);
    if count.scenarios == 0 {
        return Err(format!("no scenario in {}", root.display()));
    }
    if failures.is_empty() { Ok(()) } else { Err(format!("{failures}\n(to regenerate: {REWRITE}=1)")) }
}

/// How a scenario with this text is refused, if it is.
pub(crate) fn refusal(text: &str) -> Option<String> {
    let played = Script::parse("bad.txt", text).and_then(|script| play(&script, &mut Count::default()));
    played.err()
}

fn scenario_files(root: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let unreadable = |error: io::Error| format!("{}: {error}", folder.display());
        for entry in fs::read_dir(&folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "txt") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn run_file(path: &Path, name: &str, rewrite: bool, count: &mut Count) -> Result<(), String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
    let mut script = Script::parse(name, &text)?;
    let results = play(&script, count)?;
    count.scenarios += 1;
    if rewrite {
        script.expect(results);
        return fs::write(path, script.to_text()).map_err(|error| format!("{name}: {error}"));
    }
    let mut failure = String::new();
    for (stanza, actual) in script.stanzas().zip(&results) {
        if stanza.expected != *actual {
            let _ = writeln!(failure, "{name}:{}: {}", stanza.line, stanza.last_command());
            failure.push_str(&diff::unified(&stanza.expected, actual));
        }
    }
    if failure.is_empty() { Ok(()) } else { Err(failure) }
}

/// Plays the stanzas one after another; gives what each showed.
fn play(script: &Script, count: &mut Count) -> Result<Vec<Vec<String>>, String> {
    let mut world = World::new();
    let mut results = Vec::new();
    for paragraph in &script.paragraphs {
        let Paragraph::Stanza(stanza) = paragraph else { continue };
        let mut shown = Vec::new();
        for (line, command) in stanza.commands() {
            // The core asserts its own invariants: say which line broke one.
            let outcome = catch_unwind(AssertUnwindSafe(|| commands::run(&mut world, command)))
                .unwrap_or_else(|_| Err("the core panicked".to_owned()));
            let lines = outcome.map_err(|error| format!("{}:{line}: {error}", script.name))?;
            shown.extend(lines.iter().map(|line| line.trim_end().to_owned()));
        }
        if shown.is_empty() {
            shown.push("ok".to_owned());
        }
        results.push(shown);
        count.stanzas += 1;
    }
    Ok(results)
}
