//! Throughput against latency, as an image.

use std::path::Path;

use plotters::prelude::*;

use super::Curve;
use super::table::label;
use crate::error::BenchError;
use crate::link::Protocol;
use crate::workload::Workload;

const SIZE: (u32, u32) = (1100, 480);

/// Draws the curves of writes beside those of reads.
///
/// # Errors
/// The file cannot be written.
pub fn draw(path: &Path, curves: &[Curve]) -> Result<(), BenchError> {
    paint(path, curves).map_err(|error| BenchError::Call {
        what: format!("drawing {}", path.display()),
        reason: error.to_string(),
    })
}

fn paint(path: &Path, curves: &[Curve]) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    for (workload, part) in [Workload::Put, Workload::Get].into_iter().zip(area.split_evenly((1, 2))) {
        let curves: Vec<_> = curves.iter().filter(|curve| curve.workload == workload).collect();
        let points = |curve: &Curve| -> Vec<(f64, f64, f64)> {
            let point = |(_, run): &(usize, crate::measure::Measured)| {
                (run.operations_per_second, run.p50_micros as f64 / 1000.0, run.p99_micros as f64 / 1000.0)
            };
            curve.points.iter().map(point).collect()
        };
        let all: Vec<_> = curves.iter().flat_map(|curve| points(curve)).collect();
        let most = all.iter().map(|point| point.0).fold(1.0, f64::max);
        let slowest = all.iter().map(|point| point.2).fold(1.0, f64::max);
        let fastest = all.iter().map(|point| point.1).fold(1.0, f64::min).max(0.01);
        let title = match workload {
            Workload::Get => "linearizable get",
            _ => "put, 256 B",
        };
        let mut chart = ChartBuilder::on(&part)
            .caption(title, ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(42)
            .y_label_area_size(56)
            .build_cartesian_2d(0.0..most * 1.05, (fastest / 1.5..slowest * 1.5).log_scale())?;
        chart
            .configure_mesh()
            .x_desc("operations a second")
            .y_desc("latency in ms: p50 solid, p99 thin")
            .x_label_formatter(&|value| format!("{:.0}k", value / 1000.0))
            .light_line_style(WHITE)
            .draw()?;
        for curve in curves {
            let color = color(curve.protocol);
            let points = points(curve);
            let half = points.iter().map(|point| (point.0, point.1));
            let tail = points.iter().map(|point| (point.0, point.2));
            chart
                .draw_series(LineSeries::new(half, color.stroke_width(3)).point_size(4))?
                .label(label(curve.protocol))
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(3)));
            chart.draw_series(LineSeries::new(tail, color.mix(0.5).stroke_width(1)).point_size(2))?;
        }
        chart
            .configure_series_labels()
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3))
            .draw()?;
    }
    area.present()?;
    Ok(())
}

fn color(protocol: Protocol) -> RGBColor {
    match protocol {
        Protocol::Etcd => RGBColor(202, 80, 16),
        Protocol::Unary => RGBColor(0, 99, 177),
        Protocol::Batch => RGBColor(16, 124, 65),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Outcome;
    use crate::measure::Measured;

    #[test]
    fn an_image_has_a_line_for_each_curve() {
        let outcome = Outcome {
            elapsed: std::time::Duration::from_secs(1),
            recorder: Default::default(),
            usage: Vec::new(),
        };
        let points = |protocol| {
            let point = |rate: f64| Measured {
                operations_per_second: rate,
                p50_micros: 900,
                p99_micros: 4000,
                ..Measured::of(protocol, &outcome, 0)
            };
            vec![(1, point(1000.0)), (64, point(7000.0))]
        };
        let curves = [Protocol::Etcd, Protocol::Batch].map(|protocol| Curve {
            protocol,
            workload: Workload::Put,
            points: points(protocol),
        });
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("curves.svg");
        draw(&path, &curves).unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        assert!(
            text.contains(">\netcd\n") && text.contains(">\nstream\n") && !text.contains(">\nours\n"),
            "{text}"
        );
        assert!(text.matches("#CA5010").count() >= 2);
    }
}
