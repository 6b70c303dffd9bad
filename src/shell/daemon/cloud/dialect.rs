//! The choice of the version of MQTT for a broker.
//!
//! MQTT 5 comes first: only it can mark a report with its id. A broker without 5 may say so, or
//! close the connection, or not answer, and a network that is just coming up looks like the latter
//! two. So if 3.1.1 is accepted after a mere silence, 5 is tried once more before the version is
//! settled. A settled version stands until the broker changes, refuses it, or does not answer
//! several times in a row.

use super::failure::Failure;
use std::fmt;

/// Number of connections without an answer in a row after which a settled version is dropped.
const MUTE: u8 = 3;

/// A version of MQTT.
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

/// The version to use with a broker, and the stage of its choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    version: Version,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The broker has accepted no version yet; its answer to MQTT 5.
    Seeking(Word),
    /// The broker has accepted 3.1.1, and 5 is tried once more.
    Checking,
    /// The version is settled; number of connections in a row without an answer since then.
    Settled(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Nothing,
    No,
}

/// The consequence of an accepted connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// The connection may be used.
    Stay,
    /// The connection is to be dropped for a try with the other version, at once.
    TryOther,
}

/// The time of the next try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retry {
    /// At once: only the version was wrong.
    AtOnce,
    /// After a rest.
    Later,
}

impl Default for Dialect {
    fn default() -> Self {
        Self {
            version: Version::Five,
            stage: Stage::Seeking(Word::Nothing),
        }
    }
}

impl Dialect {
    /// Returns the version of the next try.
    pub(super) const fn version(self) -> Version {
        self.version
    }

    /// Notes that the broker has accepted the connection.
    pub(super) fn let_in(&mut self) -> Entry {
        if (self.version, self.stage) == (Version::Three, Stage::Seeking(Word::Nothing)) {
            *self = Self {
                version: Version::Five,
                stage: Stage::Checking,
            };
            return Entry::TryOther;
        }
        self.stage = Stage::Settled(0);
        Entry::Stay
    }

    /// Notes that the broker has not accepted the connection.
    pub(super) fn not_let_in(&mut self, failure: &Failure) -> Retry {
        let said_no = *failure == Failure::Version;
        let mute = matches!(
            failure,
            Failure::Mute(_) | Failure::NoAnswer | Failure::Garbage(_)
        );
        let (version, stage, retry) = match (self.stage, self.version) {
            (Stage::Checking, _) if said_no || mute => {
                (Version::Three, Stage::Settled(0), Retry::AtOnce)
            }
            (Stage::Checking, _) => (Version::Five, Stage::Seeking(Word::Nothing), Retry::Later),
            (Stage::Seeking(_), Version::Five) if said_no => {
                (Version::Three, Stage::Seeking(Word::No), Retry::AtOnce)
            }
            (Stage::Seeking(_), Version::Five) if mute => {
                (Version::Three, Stage::Seeking(Word::Nothing), Retry::Later)
            }
            (Stage::Seeking(_), Version::Three) if said_no || mute => {
                (Version::Five, Stage::Seeking(Word::Nothing), Retry::Later)
            }
            (Stage::Settled(_), Version::Five) if said_no => {
                (Version::Three, Stage::Seeking(Word::No), Retry::AtOnce)
            }
            (Stage::Settled(_), Version::Three) if said_no => {
                (Version::Five, Stage::Seeking(Word::Nothing), Retry::AtOnce)
            }
            (Stage::Settled(times), version) if mute && times + 1 < MUTE => {
                (version, Stage::Settled(times + 1), Retry::Later)
            }
            (Stage::Settled(_), _) if mute => {
                (Version::Five, Stage::Seeking(Word::Nothing), Retry::Later)
            }
            (stage @ (Stage::Seeking(_) | Stage::Settled(_)), version) => {
                (version, stage, Retry::Later)
            }
        };
        *self = Self { version, stage };
        retry
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::config::settings::Security;

    /// Checks the versions used for these results of tries: `+` accepted, `n` no such version, `m`
    /// no answer, `o` another failure. In `expect` a `!` follows the version of a try after which
    /// the next one was made at once.
    fn check(happens: &str, expect: &str) {
        let mut dialect = Dialect::default();
        let mut spoken = String::new();
        for what in happens.chars() {
            spoken.push(if dialect.version() == Version::Five {
                '5'
            } else {
                '3'
            });
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
