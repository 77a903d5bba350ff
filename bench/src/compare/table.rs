//! One table of ratios.

use super::{Results, RowResult, Side};
use crate::link::Protocol;
use crate::measure::{Measured, Spread};

const HEAD: [&str; 13] = [
    "row",
    "side",
    "op/s (min-max)",
    "x etcd (min-max)",
    "p50 ms",
    "p99 ms",
    "p99.9 ms",
    "CPU client",
    "leader",
    "others",
    "bytes/op",
    "RSS/anon MiB",
    "errors",
];

/// How a side is called.
#[must_use]
pub fn label(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Etcd => "etcd",
        Protocol::Unary => "ours",
        Protocol::Batch => "stream",
    }
}

/// The table, in Markdown: medians of the runs; CPU in microseconds per operation and process.
#[must_use]
pub fn render(results: &Results) -> String {
    let lines: Vec<_> =
        results.rows.iter().flat_map(|row| row.sides.iter().map(|side| line(row, side))).collect();
    let widths: Vec<usize> = (0..HEAD.len())
        .map(|column| {
            lines.iter().map(|line| line[column].len()).chain([HEAD[column].len()]).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    let mut write = |cells: &[String]| {
        let padded: Vec<_> = cells
            .iter()
            .enumerate()
            .map(|(column, cell)| match column {
                0 | 1 => format!("{cell:<width$}", width = widths[column]),
                _ => format!("{cell:>width$}", width = widths[column]),
            })
            .collect();
        text += &format!("| {} |\n", padded.join(" | "));
    };
    write(&HEAD.map(str::to_owned));
    write(&widths.iter().map(|width| "-".repeat(*width)).collect::<Vec<_>>());
    lines.iter().for_each(|line| write(line));
    text
}

fn line(row: &RowResult, side: &Side) -> [String; HEAD.len()] {
    let spread = |figure: &dyn Fn(&Measured) -> f64| Spread::of(side.runs.iter().map(figure));
    let rate = spread(&|run| run.operations_per_second);
    let millis = |figure: &dyn Fn(&Measured) -> u64| {
        format!("{:.2}", spread(&|run| figure(run) as f64).median / 1000.0)
    };
    let others = |run: &Measured| run.server_cpu_micros.iter().skip(1).sum::<f64>();
    let mebibytes =
        |figure: &dyn Fn(&Measured) -> u64| spread(&|run| figure(run) as f64).median / f64::from(1 << 20);
    let ratio = match side.protocol {
        Protocol::Etcd => String::new(),
        _ => format!("{:.2} ({:.2}-{:.2})", side.ratio.median, side.ratio.least, side.ratio.most),
    };
    [
        row.name.clone(),
        label(side.protocol).to_owned(),
        format!("{:.0} ({:.0}-{:.0})", rate.median, rate.least, rate.most),
        ratio,
        millis(&|run| run.p50_micros),
        millis(&|run| run.p99_micros),
        millis(&|run| run.p999_micros),
        format!("{:.1}", spread(&|run| run.client_cpu_micros).median),
        format!("{:.1}", spread(&|run| run.server_cpu_micros.first().copied().unwrap_or(0.0)).median),
        format!("{:.1}", spread(&others).median),
        format!("{:.0}", spread(&|run| run.written_bytes).median),
        format!("{:.0}/{:.0}", mebibytes(&|run| run.rss_bytes), mebibytes(&|run| run.rss_anon_bytes)),
        side.runs.iter().map(Measured::errors).sum::<u64>().to_string(),
    ]
}
