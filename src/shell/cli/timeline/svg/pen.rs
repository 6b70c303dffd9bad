//! Elements of SVG. The text is valid XML, whatever names contain: characters that XML cannot
//! represent, and invisible ones, are replaced.

use super::labels::Spot;
use crate::core::visible::visible;
use crate::shell::cli::timeline::chart::Kind;
use quick_xml::Writer;
use quick_xml::events::{BytesEnd, BytesStart, BytesText, Event};

/// Style of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    Title,
    Bold,
    Plain,
    Small,
    Tick,
    /// For a text on a dark bar.
    Light,
    /// For a text on a background that makes it hard to read.
    Outlined,
}

/// Style sheet of the texts.
const STYLE: &str = "text{font-family:sans-serif;font-size:12px;fill:#000}\
.title{font-size:18px;font-weight:bold}.bold{font-weight:bold}.small,.light,.outlined,.tick{font-size:11px}\
.outlined,.tick{paint-order:stroke;stroke:#fff;stroke-width:3px}.tick{fill:#444}.light{fill:#fff}";

/// A place in the picture, in pixels from its upper left corner.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
}

impl Point {
    pub(super) const fn new(x: f64, y: f64) -> Self {
        Self { x, y }
    }
}

/// Position of a text relative to a place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Anchor {
    pub(super) at: Point,
    pub(super) spot: Spot,
}

/// Style of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stroke {
    pub(super) colour: &'static str,
    /// Lengths of dashes and gaps; empty: the line is solid.
    pub(super) dashes: &'static str,
}

/// A rectangle, by its upper left corner and its size in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Area {
    pub(super) at: Point,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// A picture being drawn.
pub(super) struct Pen(Writer<Vec<u8>>);

impl Pen {
    /// Begins a picture of this size, in pixels.
    pub(super) fn begin(width: f64, height: f64, title: &str) -> Self {
        let mut pen = Self(Writer::new_with_indent(Vec::new(), b' ', 1));
        let (width, height) = (number(width), number(height));
        let view = format!("0 0 {width} {height}");
        let root = [
            ("xmlns", "http://www.w3.org/2000/svg"),
            ("width", &width),
            ("height", &height),
            ("viewBox", &view),
        ];
        pen.event(Event::Start(BytesStart::new("svg").with_attributes(root)));
        pen.element("title", &[], title);
        pen.element("style", &[], STYLE);
        pen.open("defs", &[]);
        pen.hatch("failed", "#d55e00", "M0,8 L8,0 M-2,2 L2,-2 M6,10 L10,6");
        pen.hatch("cross", "#d55e00", "M0,0 L8,8 M0,8 L8,0");
        pen.hatch("waiting", "#888888", "M4,0 L4,8");
        pen.close("defs");
        pen.empty(
            "rect",
            &[("width", &width), ("height", &height), ("fill", "#ffffff")],
        );
        pen
    }

    /// Returns the picture as SVG.
    pub(super) fn end(mut self) -> String {
        self.close("svg");
        let mut text = String::from_utf8(self.0.into_inner()).expect("only strings were written");
        text.push('\n');
        text
    }

    /// Draws a line of text that begins at this place.
    pub(super) fn text(&mut self, at: Point, text: &str, ink: Ink) {
        let spot = Spot::After;
        self.anchored(Anchor { at, spot }, text, ink);
    }

    /// Draws a line of text before, around or after a place.
    pub(super) fn anchored(&mut self, anchor: Anchor, text: &str, ink: Ink) {
        let class = match ink {
            Ink::Title => "title",
            Ink::Bold => "bold",
            Ink::Plain => "plain",
            Ink::Small => "small",
            Ink::Tick => "tick",
            Ink::Light => "light",
            Ink::Outlined => "outlined",
        };
        let side = match anchor.spot {
            Spot::Before => "end",
            Spot::Middle => "middle",
            Spot::After => "start",
        };
        let (x, y) = (number(anchor.at.x), number(anchor.at.y));
        self.element(
            "text",
            &[
                ("x", &x),
                ("y", &y),
                ("class", class),
                ("text-anchor", side),
            ],
            text,
        );
    }

    /// Draws a straight line.
    pub(super) fn line(&mut self, from: Point, to: Point, stroke: Stroke) {
        let [x1, y1, x2, y2] = [from.x, from.y, to.x, to.y].map(number);
        let mut attributes = vec![
            ("x1", x1.as_str()),
            ("y1", &y1),
            ("x2", &x2),
            ("y2", &y2),
            ("stroke", stroke.colour),
        ];
        if !stroke.dashes.is_empty() {
            attributes.push(("stroke-dasharray", stroke.dashes));
        }
        self.empty("line", &attributes);
    }

    /// Draws a bar with its tooltip.
    pub(super) fn bar(&mut self, area: Area, kind: Kind, told: &str) {
        let [x, y, width, height] = [area.at.x, area.at.y, area.width, area.height].map(number);
        let (fill, stroke) = colours(kind);
        let mut attributes = vec![
            ("x", x.as_str()),
            ("y", &y),
            ("width", &width),
            ("height", &height),
        ];
        attributes.extend([("fill", fill), ("stroke", stroke)]);
        if kind == Kind::Untimed {
            attributes.push(("stroke-dasharray", "3 2"));
        }
        self.open("rect", &attributes);
        self.element("title", &[], told);
        self.close("rect");
    }

    fn hatch(&mut self, id: &str, colour: &str, path: &str) {
        let size = [
            ("id", id),
            ("width", "8"),
            ("height", "8"),
            ("patternUnits", "userSpaceOnUse"),
        ];
        self.open("pattern", &size);
        self.empty(
            "rect",
            &[("width", "8"), ("height", "8"), ("fill", "#ffffff")],
        );
        self.empty(
            "path",
            &[("d", path), ("stroke", colour), ("stroke-width", "1.5")],
        );
        self.close("pattern");
    }

    fn element(&mut self, name: &str, attributes: &[(&str, &str)], text: &str) {
        self.open(name, attributes);
        self.event(Event::Text(BytesText::new(&visible(text))));
        self.close(name);
    }

    fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.event(Event::Empty(
            BytesStart::new(name).with_attributes(attributes.iter().copied()),
        ));
    }

    fn open(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.event(Event::Start(
            BytesStart::new(name).with_attributes(attributes.iter().copied()),
        ));
    }

    fn close(&mut self, name: &str) {
        self.event(Event::End(BytesEnd::new(name)));
    }

    fn event(&mut self, event: Event<'_>) {
        self.0.write_event(event).expect("memory takes everything");
    }
}

/// Returns fill and outline of a bar. Bars that colours alone do not distinguish are hatched. The
/// colours are those of Okabe and Ito, which are distinct also for colour-blind readers.
const fn colours(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Down => ("#d55e00", "#8c3e00"),
        Kind::Backoff => ("url(#waiting)", "#888888"),
        Kind::Starting => ("#d6ebf7", "#0072b2"),
        Kind::StartFailed => ("url(#failed)", "#d55e00"),
        Kind::Done => ("#0072b2", "#004b75"),
        Kind::Failed => ("url(#cross)", "#8c3e00"),
        Kind::Untimed => ("#ffffff", "#0072b2"),
        Kind::Dependant => ("#cc79a7", "#8a3f67"),
        Kind::Running => ("#7fceb8", "#009e73"),
        Kind::Recovered => ("#009e73", "#00664b"),
        Kind::GivenUp => ("#d55e00", "#8c3e00"),
        Kind::FullRestart => ("#d6ebf7", "#0072b2"),
    }
}

/// Formats a number of pixels with at most one decimal.
fn number(pixels: f64) -> String {
    let text = format!("{pixels:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}
