//! Which version of MQTT is spoken with a broker.
//!
//! MQTT 5 comes first: only it can mark a report with its id. A broker that has no 5 may say so, or hang up, or say nothing
//! at all, and a network that is just coming up looks like the latter two. So where 3.1.1 is let in after a mere silence,
//! 5 is tried once more before anything is settled. What is settled stands until the broker is another, or until it has been
//! mute several times in a row.

use super::failure::Failure;
use std::fmt;

/// A broker that was settled upon and is mute so many times in a row may have become another.
const MUTE: u8 = 3;

/// The versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// MQTT 5.
    Five,
    /// MQTT 3.1.1.
    Three,
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Five => "MQTT 5",
            Self::Three => "MQTT 3.1.1",
        })
    }
}

/// What is known of a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    version: Version,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It has not let us in yet, and to MQTT 5 it has said this.
    Seeking(Word),
    /// It has let us in with 3.1.1, and 5 is tried once more.
    Checking,
    /// It has let us in, and then was mute so many times in a row.
    Settled(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Nothing,
    No,
}

/// What follows from being let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// The connection may be used.
    Stay,
    /// It is to be given up for a try with the other version, at once.
    TryOther,
}

/// When to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retry {
    /// At once: it was only the wrong version.
    AtOnce,
    /// After a rest.
    Later,
}

impl Default for Dialect {
    fn default() -> Self {
        Self { version: Version::Five, stage: Stage::Seeking(Word::Nothing) }
    }
}

impl Dialect {
    /// The version to speak next.
    pub(super) const fn version(self) -> Version {
        self.version
    }

    /// The broker has let us in.
    pub(super) fn let_in(&mut self) -> Entry {
        if (self.version, self.stage) == (Version::Three, Stage::Seeking(Word::Nothing)) {
            *self = Self { version: Version::Five, stage: Stage::Checking };
            return Entry::TryOther;
        }
        self.stage = Stage::Settled(0);
        Entry::Stay
    }

    /// The broker has not let us in.
    pub(super) fn not_let_in(&mut self, failure: &Failure) -> Retry {
        let said_no = *failure == Failure::Version;
        let mute = matches!(failure, Failure::Mute(_) | Failure::NoAnswer | Failure::Garbage(_));
        let (version, stage, retry) = match (self.stage, self.version) {
            (Stage::Checking, _) if said_no || mute => (Version::Three, Stage::Settled(0), Retry::AtOnce),
            (Stage::Checking, _) => (Version::Five, Stage::Seeking(Word::Nothing), Retry::Later),
            (Stage::Seeking(_), Version::Five) if said_no => (Version::Three, Stage::Seeking(Word::No), Retry::AtOnce),
            (Stage::Seeking(_), Version::Five) if mute => (Version::Three, Stage::Seeking(Word::Nothing), Retry::Later),
            (Stage::Seeking(_), Version::Three) if said_no || mute => {
                (Version::Five, Stage::Seeking(Word::Nothing), Retry::Later)
            }
            (Stage::Settled(_), Version::Five) if said_no => (Version::Three, Stage::Seeking(Word::No), Retry::AtOnce),
            (Stage::Settled(_), Version::Three) if said_no => {
                (Version::Five, Stage::Seeking(Word::Nothing), Retry::AtOnce)
            }
            (Stage::Settled(times), version) if mute && times + 1 < MUTE => {
                (version, Stage::Settled(times + 1), Retry::Later)
            }
            (Stage::Settled(_), _) if mute => (Version::Five, Stage::Seeking(Word::Nothing), Retry::Later),
            (stage @ (Stage::Seeking(_) | Stage::Settled(_)), version) => (version, stage, Retry::Later),
        };
        *self = Self { version, stage };
        retry
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::config::settings::Security;

    /// Each letter is what happens at the next try: `+` let in, `n` no such version, `m` mute, `o` another failure. Gives the
    /// versions that were spoken, with `!` after a try that was made at once.
    fn check(happens: &str, expect: &str) {
        let mut dialect = Dialect::default();
        let mut spoken = String::new();
        for what in happens.chars() {
            spoken.push(if dialect.version() == Version::Five { '5' } else { '3' });
            let failure = match what {
                '+' => {
                    if dialect.let_in() == Entry::TryOther {
                        spoken.push('!');
                    }
                    continue;
                }
                'n' => Failure::Version,
                'm' => Failure::Mute(Security::Plain),
                _ => Failure::NoListener,
            };
            if dialect.not_let_in(&failure) == Retry::AtOnce {
                spoken.push('!');
            }
        }
        assert_eq!(spoken, expect, "{happens}");
    }

    #[test]
    fn five_is_preferred_and_what_worked_is_kept() {
        check("+++", "555");
        check("oo+o+", "55555");
        check("n+o+", "5!333");
        check("m+m+om+", "53!5!3333");
    }

    #[test]
    fn a_network_that_comes_up_late_costs_no_version() {
        check("m+++", "53!55");
        check("mmm+++", "5353!55");
        check("m+o+", "53!55");
    }

    #[test]
    fn a_broker_that_has_become_another_is_met_anew() {
        check("+mmmm+mm+", "555553!5!33");
        check("n+n+", "5!33!5");
        check("+n+", "55!3");
        check("n+mmm+", "5!33335");
    }

    #[test]
    fn two_refusals_by_version_are_followed_by_a_rest() {
        check("nnnn", "5!35!3");
    }
}
