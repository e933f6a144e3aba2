//! A drawing of the load over the time.

use std::ops::Range;
use std::path::Path;

use indicatif::HumanCount;
use plotters::coord::Shift;
use plotters::prelude::{
    ChartBuilder, DrawingArea, IntoDrawingArea, IntoFont, LineSeries, PathElement, RGBColor,
    SVGBackend, SeriesLabelPosition, TextStyle, WHITE,
};
use plotters::style::Color;

use super::SimulateError;
use super::figures::{Figures, Second};
use super::plan::Plan;

const WIDTH: u32 = 1000;
const PANEL: u32 = 260;

/// Seconds that are shown of what was before the storm.
const BEFORE: f64 = 20.0;

/// One for each run.
const COLOURS: [RGBColor; 2] = [RGBColor(31, 119, 180), RGBColor(230, 120, 20)];
const INK: RGBColor = RGBColor(50, 50, 50);
const FAINT: RGBColor = RGBColor(225, 225, 225);
const MARK: RGBColor = RGBColor(190, 30, 45);

/// One quantity over the time.
struct Panel {
    title: &'static str,
    of: fn(&Second) -> f64,
    percent: bool,
    legend: SeriesLabelPosition,
}

const MESSAGES: Panel = Panel {
    title: "messages a second that the server handles",
    of: |second| second.messages.into(),
    percent: false,
    legend: SeriesLabelPosition::UpperRight,
};

const STORM: [Panel; 4] = [
    Panel {
        title: "clients at work",
        of: |second| second.at_work.into(),
        percent: false,
        legend: SeriesLabelPosition::LowerRight,
    },
    MESSAGES,
    Panel {
        title: "messages in front of the server",
        of: |second| second.queue as f64,
        percent: false,
        legend: SeriesLabelPosition::UpperRight,
    },
    Panel {
        title: "load of the server's core",
        of: |second| second.busy as f64 / 10_000.0,
        percent: true,
        legend: SeriesLabelPosition::UpperRight,
    },
];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Draws the load of one run, or of two beside each other, into a file.
pub(super) fn draw(path: &Path, plan: &Plan, runs: &[Figures]) -> Result<(), SimulateError> {
    let failed = |reason: String| SimulateError::Plot {
        path: path.to_owned(),
        reason,
    };
    let panels: &[Panel] = match plan.storm {
        Some(_) => &STORM,
        None => &[MESSAGES],
    };
    let mut svg = String::new();
    let size = (WIDTH, PANEL * panels.len() as u32);
    let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
    let drawn = draw_all(&root, panels, runs).and_then(|()| Ok(root.present()?));
    drop(root);
    drawn.map_err(|error| failed(error.to_string()))?;
    std::fs::write(path, svg).map_err(|error| failed(error.to_string()))
}

fn draw_all(
    root: &Area<'_>,
    panels: &[Panel],
    runs: &[Figures],
) -> Result<(), Box<dyn std::error::Error>> {
    root.fill(&WHITE)?;
    let lost_at = runs.iter().find_map(|run| run.storm.as_ref());
    let lost_at = lost_at.map(|storm| f64::from(storm.lost_at) / 1000.0);
    let begin = lost_at.map_or(0.0, |at| (at - BEFORE).max(0.0));
    let end = runs
        .iter()
        .map(|run| run.ended_at)
        .max()
        .unwrap_or_default();
    let time = begin..f64::from(end) / 1000.0;
    for (panel, area) in panels.iter().zip(root.split_evenly((panels.len(), 1))) {
        draw_panel(&area, panel, runs, &time, lost_at)?;
    }
    Ok(())
}

fn draw_panel(
    area: &Area<'_>,
    panel: &Panel,
    runs: &[Figures],
    time: &Range<f64>,
    lost_at: Option<f64>,
) -> Result<(), Box<dyn std::error::Error>> {
    let lines: Vec<Vec<(f64, f64)>> = runs
        .iter()
        .map(|run| {
            // The last second may not be whole.
            let seconds = run.ended_at / 1000;
            let points = (0..seconds).zip(&run.series);
            let points = points.map(|(second, it)| (f64::from(second), (panel.of)(it)));
            points.filter(|(at, _)| time.contains(at)).collect()
        })
        .collect();
    let highest = lines.iter().flatten().map(|(_, y)| *y).fold(1.0, f64::max);
    let text = |size: i32| TextStyle::from(("sans-serif", size).into_font()).color(&INK);
    let mut chart = ChartBuilder::on(area)
        .caption(panel.title, text(18))
        .margin(12)
        .margin_right(24)
        .x_label_area_size(42)
        .y_label_area_size(72)
        .build_cartesian_2d(time.clone(), 0.0..highest * 1.08)?;
    let label = |y: &f64| match panel.percent {
        true => format!("{y:.0} %"),
        false => HumanCount(*y as u64).to_string(),
    };
    chart
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(FAINT)
        .light_line_style(WHITE)
        .axis_style(INK)
        .y_labels(6)
        .x_labels(12)
        .label_style(text(13))
        .axis_desc_style(text(14))
        .x_desc("simulated time in seconds")
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&label)
        .draw()?;
    if let Some(at) = lost_at {
        let line = vec![(at, 0.0), (at, highest * 1.08)];
        chart
            .draw_series([PathElement::new(line, MARK.stroke_width(1))])?
            .label("the server is lost")
            .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], MARK.stroke_width(1)));
    }
    let names = ["with jitter", "without jitter"];
    for ((line, colour), name) in lines.into_iter().zip(COLOURS).zip(names) {
        let drawn = chart.draw_series(LineSeries::new(line, colour.stroke_width(2)))?;
        if runs.len() > 1 {
            drawn.label(name).legend(move |(x, y)| {
                PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2))
            });
        }
    }
    if runs.len() > 1 {
        chart
            .configure_series_labels()
            .position(panel.legend.clone())
            .margin(10)
            .label_font(text(14))
            .background_style(WHITE.mix(0.85))
            .border_style(FAINT)
            .draw()?;
    }
    Ok(())
}
