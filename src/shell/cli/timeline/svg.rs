//! The picture, similar to `systemd-analyze plot`: no script, no embedded font, readable on paper
//! and without colours, since bars also differ by pattern and are labelled.

mod labels;
mod pen;

use super::chart::{Bar, Chart, Clock, Kind, Lane, Moment, Rank, span};
use super::scale::Ms;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use labels::Spot;
use pen::{Anchor, Area, Ink, Pen, Point, Stroke};

/// Width of the picture, in pixels.
const WIDTH: f64 = 1160.0;
/// Left end of the lanes, right of their labels, in pixels.
const LEFT: f64 = 400.0;
/// Right end of the lanes, in pixels.
const RIGHT: f64 = 1060.0;
const MARGIN: f64 = 20.0;
/// Distance from one lane to the next, in pixels.
const LANE: f64 = 24.0;
/// Height of a bar, in pixels.
const BAR: f64 = 16.0;
/// Minimum width of a bar, in pixels.
const NARROWEST: f64 = 3.0;
/// Minimum distance of two ticks, as a share of the axis.
const TICK_GAP: f64 = 0.09;

/// Line at a tick.
const GRID: Stroke = Stroke {
    colour: "#d0d0d0",
    dashes: "",
};
/// Line of the axis.
const AXIS: Stroke = Stroke {
    colour: "#666666",
    dashes: "",
};
/// Line at a moment.
const MOMENT: Stroke = Stroke {
    colour: "#000000",
    dashes: "4 3",
};

/// Returns the picture of a drawing.
pub(super) fn svg(chart: &Chart, zone: &TimeZone) -> String {
    let heads = heads(&chart.moments, chart);
    let rows = heads.iter().map(|head| head.row + 1).max().unwrap_or(0);
    let notes = 62.0 + 16.0 * count(chart.notes.len());
    let axis = notes + 14.0 + 15.0 * count(rows) + 16.0;
    let bottom = axis + LANE * count(chart.lanes.len()) + 6.0;
    let legend = legend(chart);
    let height =
        bottom + 34.0 + 20.0 * count(legend.iter().map(|entry| entry.row + 1).max().unwrap_or(0));
    let mut pen = Pen::begin(WIDTH, height, &chart.title);
    pen.text(
        Point::new(MARGIN, 30.0),
        &labels::cut(&chart.title, WIDTH - 2.0 * MARGIN, labels::TITLE),
        Ink::Title,
    );
    pen.text(Point::new(MARGIN, 50.0), &chart.summary, Ink::Plain);
    let stretched =
        "The time axis is stretched where much happens: read times from its ticks and the bars.";
    for (number, note) in chart.notes.iter().enumerate() {
        let at = Point::new(MARGIN, 68.0 + 16.0 * count(number));
        pen.text(at, note, Ink::Small);
    }
    let ticks = ticks(chart, zone);
    for (at, _) in &ticks {
        let x = place(chart, *at);
        pen.line(Point::new(x, axis), Point::new(x, bottom), GRID);
    }
    pen.line(Point::new(LEFT, axis), Point::new(RIGHT, axis), AXIS);
    for head in &heads {
        let x = place(chart, head.at);
        let y = notes + 12.0 + 15.0 * count(head.row);
        pen.line(Point::new(x, y + 3.0), Point::new(x, bottom), MOMENT);
        let anchor = Anchor {
            at: Point::new(head.x, y),
            spot: head.spot,
        };
        pen.anchored(anchor, &head.label, Ink::Outlined);
    }
    for (at, label) in &ticks {
        let anchor = Anchor {
            at: Point::new(place(chart, *at), axis - 4.0),
            spot: Spot::Middle,
        };
        pen.anchored(anchor, label, Ink::Tick);
    }
    for (number, lane) in chart.lanes.iter().enumerate() {
        draw_lane(&mut pen, chart, lane, axis + LANE * count(number) + 6.0);
    }
    if chart.scale.is_stretched() {
        pen.text(Point::new(MARGIN, bottom + 20.0), stretched, Ink::Small);
    }
    draw_legend(&mut pen, &legend, bottom + 30.0);
    pen.end()
}

/// Converts a small number.
#[allow(clippy::cast_precision_loss, reason = "a picture has few rows")]
fn count(number: usize) -> f64 {
    number as f64
}

fn place(chart: &Chart, at: Ms) -> f64 {
    LEFT + (RIGHT - LEFT) * chart.scale.place(at)
}

/// Returns the ticks of the axis, with their labels.
fn ticks(chart: &Chart, zone: &TimeZone) -> Vec<(Ms, String)> {
    let zero = match chart.clock {
        Clock::Since => 0,
        Clock::OfDay => -offset(chart.lanes.first(), zone),
    };
    let ticks = chart.scale.ticks(TICK_GAP, zero);
    // Ticks a day or more apart are labelled with dates only.
    let days = ticks.windows(2).all(|pair| pair[1] - pair[0] >= 86_400_000) && ticks.len() > 1;
    let form = if days { "%F" } else { "%T%.f" };
    ticks
        .into_iter()
        .map(|at| match chart.clock {
            Clock::Since => (at, span(at)),
            Clock::OfDay => (at, of_day(at, zone, form)),
        })
        .collect()
}

/// Returns the offset of the zone from UTC, in milliseconds.
fn offset(first: Option<&Lane>, zone: &TimeZone) -> i64 {
    let at = first
        .and_then(|lane| lane.bars.first())
        .map_or(0, |bar| bar.from);
    let stamp = i64::try_from(at)
        .ok()
        .and_then(|at| Timestamp::from_millisecond(at).ok());
    stamp.map_or(0, |stamp| {
        i64::from(zone.to_offset(stamp).seconds()) * 1_000
    })
}

fn of_day(at: Ms, zone: &TimeZone, form: &str) -> String {
    let stamp = i64::try_from(at)
        .ok()
        .and_then(|at| Timestamp::from_millisecond(at).ok());
    stamp.map_or_else(String::new, |stamp| {
        stamp.to_zoned(zone.clone()).strftime(form).to_string()
    })
}

fn draw_lane(pen: &mut Pen, chart: &Chart, lane: &Lane, y: f64) {
    let (indent, ink) = match lane.rank {
        Rank::Unit => (0.0, Ink::Bold),
        Rank::Part => (14.0, Ink::Plain),
        Rank::Step => (28.0, Ink::Plain),
    };
    let room = LEFT - MARGIN - indent - 12.0;
    pen.text(
        Point::new(MARGIN + indent, y + 12.0),
        &labels::cut_inside(&lane.label, room, labels::PLAIN),
        ink,
    );
    let mut drawn = Vec::new();
    for bar in &lane.bars {
        let (from, to) = (place(chart, bar.from), place(chart, bar.to));
        let width = (to - from).max(NARROWEST);
        let from = from.min(RIGHT - width);
        let area = Area {
            at: Point::new(from, y),
            width,
            height: BAR,
        };
        pen.bar(area, bar.kind, &told(lane, bar));
        drawn.push((from, from + width));
    }
    if chart.clock == Clock::Since {
        for label in labels::beside(lane, &drawn, LEFT, WIDTH - MARGIN) {
            let ink = match label.on {
                Some(Kind::Done) => Ink::Light,
                Some(Kind::Down | Kind::Starting | Kind::Dependant | Kind::Running) => Ink::Small,
                Some(Kind::Recovered | Kind::GivenUp | Kind::FullRestart) => Ink::Small,
                Some(Kind::Backoff | Kind::StartFailed | Kind::Failed | Kind::Untimed) | None => {
                    Ink::Outlined
                }
            };
            let anchor = Anchor {
                at: Point::new(label.x, y + 12.0),
                spot: label.spot,
            };
            pen.anchored(anchor, &label.text, ink);
        }
    }
}

/// Returns the tooltip of a bar.
fn told(lane: &Lane, bar: &Bar) -> String {
    format!(
        "{}: {}, {}",
        lane.label,
        bar.kind.words(),
        span(bar.to.saturating_sub(bar.from))
    )
}

/// Label of a moment, and its row.
struct Head {
    at: Ms,
    x: f64,
    row: usize,
    spot: Spot,
    label: String,
}

/// Places the labels of moments, in as many rows as keep them apart.
fn heads(moments: &[Moment], chart: &Chart) -> Vec<Head> {
    let mut ends: Vec<f64> = Vec::new();
    let mut heads = Vec::new();
    for moment in moments {
        let label = match moment.at {
            0 => moment.label.clone(),
            at => format!("{}, {}", moment.label, span(at)),
        };
        let (x, width) = (
            place(chart, moment.at),
            labels::width(&label, labels::SMALL),
        );
        let spot = if x + width > WIDTH - MARGIN {
            Spot::Before
        } else {
            Spot::After
        };
        let (from, to) = if spot == Spot::After {
            (x, x + width)
        } else {
            (x - width, x)
        };
        let row = ends
            .iter()
            .position(|end| *end + 8.0 < from)
            .unwrap_or(ends.len());
        if row == ends.len() {
            ends.push(to);
        } else {
            ends[row] = to;
        }
        let x = if spot == Spot::After {
            x + 3.0
        } else {
            x - 3.0
        };
        heads.push(Head {
            at: moment.at,
            x,
            row,
            spot,
            label,
        });
    }
    heads
}

/// An entry of the legend.
struct Entry {
    kind: Kind,
    x: f64,
    row: usize,
}

/// Returns the entries of the kinds that are drawn, in rows.
fn legend(chart: &Chart) -> Vec<Entry> {
    let drawn: Vec<Kind> = chart
        .lanes
        .iter()
        .flat_map(|lane| &lane.bars)
        .map(|bar| bar.kind)
        .collect();
    let (mut x, mut row) = (MARGIN, 0);
    let mut entries = Vec::new();
    for kind in Kind::ALL.into_iter().filter(|kind| drawn.contains(kind)) {
        let width = 32.0 + labels::width(kind.words(), labels::SMALL) + 24.0;
        if x + width > WIDTH {
            (x, row) = (MARGIN, row + 1);
        }
        entries.push(Entry { kind, x, row });
        x += width;
    }
    entries
}

fn draw_legend(pen: &mut Pen, legend: &[Entry], top: f64) {
    for entry in legend {
        let y = top + 20.0 * count(entry.row);
        let area = Area {
            at: Point::new(entry.x, y),
            width: 26.0,
            height: 12.0,
        };
        pen.bar(area, entry.kind, entry.kind.words());
        let beside = Point::new(entry.x + 32.0, y + 10.0);
        pen.text(beside, entry.kind.words(), Ink::Small);
    }
}
