//! Placement of labels. The width of a letter depends on the viewer's font; these are the widths of
//! a wide one.

use crate::shell::cli::timeline::chart::{Bar, Kind, Lane, span};

/// Width of a letter in a title, in pixels.
pub(super) const TITLE: f64 = 10.2;
/// Width of a letter in a lane's label, in pixels.
pub(super) const PLAIN: f64 = 7.0;
/// Width of a letter beside a bar, in pixels.
pub(super) const SMALL: f64 = 6.3;

/// Position of a label relative to its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spot {
    Before,
    Middle,
    After,
}

/// A label of a lane's bars.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Label {
    pub(super) x: f64,
    pub(super) spot: Spot,
    pub(super) text: String,
    /// Kind of the bar on which it stands, if any.
    pub(super) on: Option<Kind>,
}

/// Returns an upper bound of the width of a text, in pixels.
pub(super) fn width(text: &str, letter: f64) -> f64 {
    // Letters of East Asia are twice as wide.
    let letters: u32 = text
        .chars()
        .map(|c| if c > '\u{2e80}' { 2 } else { 1 })
        .sum();
    f64::from(letters) * letter
}

/// Returns the text, shortened at its end if there is no room.
pub(super) fn cut(text: &str, room: f64, letter: f64) -> String {
    if width(text, letter) <= room {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars() {
        if width(&kept, letter) + 3.0 * letter > room {
            break;
        }
        kept.push(c);
    }
    kept.trim_end().to_owned() + "\u{2026}"
}

/// Returns the text, shortened in its middle if there is no room: commands differ in their last
/// words.
pub(super) fn cut_inside(text: &str, room: f64, letter: f64) -> String {
    if width(text, letter) <= room {
        return text.to_owned();
    }
    let begin = cut(text, room * 0.6, letter);
    let mut end: Vec<char> = Vec::new();
    for c in text.chars().rev() {
        if width(&begin, letter) + width(&end.iter().collect::<String>(), letter) + 2.0 * letter
            > room
        {
            break;
        }
        end.push(c);
    }
    begin + end.into_iter().rev().collect::<String>().trim_start()
}

/// Returns the labels of a lane whose bars are at `drawn`. A label stands in its bar if that has
/// room. The others are joined and stand beside all bars: to the left those of bars before the
/// first with room, to the right the rest; on the other side if there is no room, and nowhere if
/// neither side has room.
pub(super) fn beside(lane: &Lane, drawn: &[(f64, f64)], left: f64, right: f64) -> Vec<Label> {
    let mut labels = Vec::new();
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for (bar, (from, to)) in lane.bars.iter().zip(drawn) {
        let text = text(bar);
        if width(&text, SMALL) + 6.0 <= to - from {
            labels.push(Label {
                x: (from + to) / 2.0,
                spot: Spot::Middle,
                text,
                on: Some(bar.kind),
            });
        } else if bar.kind != Kind::Running {
            if labels.is_empty() {
                &mut before
            } else {
                &mut after
            }
            .push(text);
        }
    }
    if labels.is_empty() {
        after = std::mem::take(&mut before);
    }
    let (Some((first, _)), Some((_, last))) = (drawn.first(), drawn.last()) else {
        return labels;
    };
    let (mut is_free_before, mut is_free_after) = (true, true);
    for (texts, prefers) in [(before, Spot::Before), (after, Spot::After)] {
        let text = texts.join(", ");
        let room = width(&text, SMALL) + 6.0;
        let fits_before = is_free_before && first - room >= left;
        let fits_after = is_free_after && last + room <= right;
        if text.is_empty() || !(fits_before || fits_after) {
            continue;
        }
        if fits_before && (prefers == Spot::Before || !fits_after) {
            is_free_before = false;
            labels.push(Label {
                x: first - 5.0,
                spot: Spot::Before,
                text,
                on: None,
            });
        } else {
            is_free_after = false;
            labels.push(Label {
                x: last + 5.0,
                spot: Spot::After,
                text,
                on: None,
            });
        }
    }
    labels
}

/// Returns the text of a bar: its label and its length. What runs has no end yet.
fn text(bar: &Bar) -> String {
    let length = span(bar.to.saturating_sub(bar.from));
    match bar.label.as_str() {
        label if bar.kind == Kind::Running => label.to_owned(),
        "" => length,
        label => format!("{label} {length}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::cli::timeline::chart::Rank;

    fn lane(bars: &[(u64, u64)]) -> Lane {
        let bar = |&(from, to): &(u64, u64)| Bar {
            from,
            to,
            kind: Kind::Done,
            label: String::new(),
        };
        Lane {
            label: "x".into(),
            rank: Rank::Part,
            bars: bars.iter().map(bar).collect(),
        }
    }

    fn check(drawn: &[(f64, f64)], expect: &[(&str, Spot)]) {
        let bars: Vec<_> = drawn.iter().map(|_| (0, 4_312)).collect();
        let told = beside(&lane(&bars), drawn, 300.0, 1_000.0);
        assert_eq!(
            told.iter()
                .map(|label| (label.text.as_str(), label.spot))
                .collect::<Vec<_>>(),
            expect
        );
    }

    #[test]
    fn a_label_stands_where_there_is_room() {
        check(&[(400.0, 500.0)], &[("4.312s", Spot::Middle)]);
        check(&[(400.0, 410.0)], &[("4.312s", Spot::After)]);
        check(&[(985.0, 999.0)], &[("4.312s", Spot::Before)]);
        check(
            &[(400.0, 404.0), (404.0, 990.0)],
            &[("4.312s", Spot::Middle), ("4.312s", Spot::Before)],
        );
        let both = [("4.312s", Spot::Middle), ("4.312s", Spot::Before)];
        check(&[(400.0, 404.0), (404.0, 800.0)], &both);
        check(
            &[(301.0, 304.0), (304.0, 800.0)],
            &[("4.312s", Spot::Middle), ("4.312s", Spot::After)],
        );
        check(
            &[(301.0, 304.0), (304.0, 990.0)],
            &[("4.312s", Spot::Middle)],
        );
    }

    #[test]
    fn what_has_no_room_is_shortened() {
        assert_eq!(cut("abcdef", 60.0, 10.0), "abcdef");
        assert_eq!(cut("abcdefg", 60.0, 10.0), "abcd\u{2026}");
        assert_eq!(
            cut_inside("abcdefghijklmnopqrst", 100.0, 10.0),
            "abcd\u{2026}qrst"
        );
        assert_eq!(cut_inside("abcdef", 60.0, 10.0), "abcdef");
    }
}
