//! Time axis: the position of moments and of ticks.
//!
//! A recovery may have a wait of 30 s beside a step of 40 ms. If a bar is too narrow to see, the
//! axis is stretched: each span between two moments gets a width that grows more slowly than the
//! span. The order is kept, and the ticks show the times.

/// Milliseconds.
pub(super) type Ms = u64;

/// A bar that is narrower than this share of the axis is not visible.
const NARROW: f64 = 0.02;
/// Exponent of the growth of widths if the axis is stretched.
const POWER: f64 = 0.4;

/// Distances of ticks, in milliseconds: round numbers of the clock.
const STEPS: [Ms; 34] = [
    1,
    2,
    5,
    10,
    20,
    50,
    100,
    200,
    500,
    1_000,
    2_000,
    5_000,
    10_000,
    15_000,
    30_000,
    60_000,
    120_000,
    300_000,
    600_000,
    900_000,
    1_800_000,
    3_600_000,
    7_200_000,
    10_800_000,
    21_600_000,
    43_200_000,
    86_400_000,
    2 * 86_400_000,
    7 * 86_400_000,
    14 * 86_400_000,
    30 * 86_400_000,
    90 * 86_400_000,
    180 * 86_400_000,
    360 * 86_400_000,
];

/// An axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scale {
    /// Moments in chronological order, each with its position from 0 to 1.
    points: Vec<(Ms, f64)>,
    stretched: bool,
}

impl Scale {
    /// Makes an axis without stretching.
    pub(super) fn even(from: Ms, to: Ms) -> Self {
        Self {
            points: vec![(from, 0.0), (to.max(from + 1), 1.0)],
            stretched: false,
        }
    }

    /// Makes an axis from `from` to `to` on which bars between these moments are visible.
    pub(super) fn around(from: Ms, to: Ms, bars: &[(Ms, Ms)]) -> Self {
        let whole = to.saturating_sub(from).max(1);
        let shortest = bars
            .iter()
            .map(|(begin, end)| end.saturating_sub(*begin))
            .filter(|span| *span > 0)
            .min();
        if shortest.is_none_or(|shortest| part(shortest, whole) >= NARROW) {
            return Self::even(from, to);
        }
        let mut moments: Vec<Ms> = bars
            .iter()
            .flat_map(|(begin, end)| [*begin, *end])
            .chain([from, to])
            .collect();
        moments.retain(|at| (from..=to).contains(at));
        moments.sort_unstable();
        moments.dedup();
        let widths: Vec<f64> = moments
            .windows(2)
            .map(|pair| part(pair[1] - pair[0], 1).powf(POWER))
            .collect();
        let sum: f64 = widths.iter().sum();
        let mut points = vec![(from, 0.0)];
        let mut at = 0.0;
        for (width, moment) in widths.into_iter().zip(moments.into_iter().skip(1)) {
            at += width / sum;
            points.push((moment, at));
        }
        Self {
            points,
            stretched: true,
        }
    }

    /// Returns true if equal times are drawn with unequal widths.
    pub(super) fn is_stretched(&self) -> bool {
        self.stretched
    }

    /// Returns the position of a moment, from 0 to 1.
    pub(super) fn place(&self, at: Ms) -> f64 {
        let after = self.points.partition_point(|(moment, _)| *moment < at);
        match (
            after
                .checked_sub(1)
                .and_then(|before| self.points.get(before)),
            self.points.get(after),
        ) {
            (None, _) => 0.0,
            (Some((_, place)), None) => *place,
            (Some((begin, from)), Some((end, to))) => {
                from + (to - from) * part(at - begin, end - begin)
            }
        }
    }

    /// Returns ticks that are at least `gap` apart; they count from `zero`, which may lie before
    /// the axis.
    pub(super) fn ticks(&self, gap: f64, zero: i64) -> Vec<Ms> {
        let mut ticks: Vec<(Ms, f64)> = Vec::new();
        for step in STEPS.into_iter().rev() {
            let Some(multiples) = self.multiples(step, zero) else {
                break;
            };
            let new = multiples.into_iter().map(|at| (at, self.place(at)));
            if self.stretched {
                for (at, place) in new {
                    if ticks.iter().all(|(_, other)| (place - other).abs() >= gap) {
                        ticks.push((at, place));
                    }
                }
            } else {
                // The ticks of one distance are used all or not at all, so that they are evenly
                // spaced.
                let new: Vec<_> = new.collect();
                if new.windows(2).any(|pair| pair[1].1 - pair[0].1 < gap) {
                    break;
                }
                ticks = new;
            }
        }
        let mut ticks: Vec<Ms> = ticks.into_iter().map(|(at, _)| at).collect();
        ticks.sort_unstable();
        ticks
    }

    /// Returns the multiples of a step on the axis; `None`: there are more than 5,000.
    fn multiples(&self, step: Ms, zero: i64) -> Option<Vec<Ms>> {
        const MOST: Ms = 5_000;
        let (from, to) = (self.points.first()?.0, self.points.last()?.0);
        if (to - from) / step > MOST {
            return None;
        }
        let offset = i64::try_from(from)
            .ok()?
            .checked_sub(zero)?
            .rem_euclid(i64::try_from(step).ok()?);
        let first = if offset == 0 {
            from
        } else {
            from + step - u64::try_from(offset).ok()?
        };
        Some(
            (0..=MOST)
                .map(|n| first + n * step)
                .take_while(|at| *at <= to)
                .collect(),
        )
    }
}

/// Returns a quotient of times. They are far below 2^53.
#[allow(
    clippy::cast_precision_loss,
    reason = "a picture has fewer points than a float has digits"
)]
fn part(span: Ms, whole: Ms) -> f64 {
    span as f64 / whole.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_even_axis_has_even_ticks() {
        for (to, gap, expect) in [
            (1_000, 0.1, vec![0, 200, 400, 600, 800, 1_000]),
            (
                4_312,
                0.1,
                vec![0, 500, 1_000, 1_500, 2_000, 2_500, 3_000, 3_500, 4_000],
            ),
            (95_000, 0.2, vec![0, 30_000, 60_000, 90_000]),
            (1, 0.1, vec![0, 1]),
        ] {
            assert_eq!(Scale::even(0, to).ticks(gap, 0), expect, "{to}");
        }
    }

    #[test]
    fn ticks_of_the_clock_stand_at_its_round_times() {
        // From 7:43 on, in a zone two hours ahead.
        let from = (5 * 60 + 43) * 60_000;
        let ticks = Scale::even(from, from + 3_600_000).ticks(0.2, -2 * 3_600_000);
        let shown: Vec<_> = ticks
            .iter()
            .map(|at| at / 60_000 + 120)
            .map(|at| (at / 60, at % 60))
            .collect();
        assert_eq!(shown, [(7, 45), (8, 0), (8, 15), (8, 30)]);
    }

    #[test]
    fn a_short_bar_beside_a_long_wait_is_seen() {
        let bars = [(0, 100), (100, 30_100), (30_100, 30_141)];
        let scale = Scale::around(0, 30_141, &bars);
        assert!(scale.is_stretched());
        assert!(
            bars.iter()
                .all(|(begin, end)| scale.place(*end) - scale.place(*begin) >= NARROW),
            "{scale:?}"
        );
        assert!((scale.place(30_141) - 1.0).abs() < 1e-9 && scale.place(0) == 0.0);
    }

    #[test]
    fn later_is_never_further_left_and_ticks_keep_their_distance() {
        let bars = [
            (0, 1),
            (3, 40),
            (40, 90_000),
            (90_000, 90_007),
            (95_000, 200_000),
        ];
        for scale in [Scale::around(0, 200_000, &bars), Scale::even(0, 200_000)] {
            let places: Vec<_> = (0..=200_000).step_by(7).map(|at| scale.place(at)).collect();
            assert!(places.is_sorted());
            let ticks: Vec<_> = scale
                .ticks(0.08, 0)
                .into_iter()
                .map(|at| scale.place(at))
                .collect();
            assert!(
                ticks.len() >= 3 && ticks.windows(2).all(|pair| pair[1] - pair[0] >= 0.08),
                "{ticks:?}"
            );
        }
    }

    #[test]
    fn what_lies_beyond_the_axis_is_at_its_end() {
        let scale = Scale::even(10, 20);
        assert_eq!((scale.place(0), scale.place(99)), (0.0, 1.0));
        assert_eq!(Scale::around(5, 5, &[]).place(5), 0.0);
    }
}
