//! Worker that notes deaths in the place of their units' lines, where PID 1 could run none.
//!
//! It asks PID 1, writes records and, where the death limit is reached, has the unit stopped or its
//! stack restarted, which may take seconds. So it is a thread of its own, with one beside it for
//! each limit that was reached, and the main loop only hands over. Wards take turns, so that one
//! whose unit dies again and again does not hold up the limit of another; the deaths of one are
//! noted in the order they come. A full channel, or too many deaths of one ward, means a death that
//! does not count.

use super::event::Witness;
use super::records;
use crate::edge::step::stand_in::{self, Consequence, Unnoted};
use std::collections::VecDeque;
use tokio::sync::mpsc;
use tracing::warn;

/// Upper bound of deaths that wait: hundreds of units that fail at once.
const DEATHS: usize = 1_024;
/// Those of one ward, or of all instances of a template, among them.
const OF_A_WARD: usize = 64;
/// Answers that may wait for the main loop; the thread pauses when there are more.
const NOTED: usize = 64;

/// The main loop's side of the channels.
pub(super) struct Notes {
    pub(super) deaths: mpsc::Sender<Unnoted>,
    /// Contents of the records once the deaths are noted.
    pub(super) noted: mpsc::Receiver<Witness>,
}

/// Starts the thread; it ends when the returned value is dropped.
///
/// # Errors
/// The thread cannot be started.
pub(super) fn note_deaths() -> std::io::Result<Notes> {
    let (deaths, waiting) = mpsc::channel(DEATHS);
    let (answers, noted) = mpsc::channel(NOTED);
    std::thread::Builder::new()
        .name("unnoted".to_owned())
        .spawn(move || note_all(waiting, &answers))?;
    Ok(Notes { deaths, noted })
}

/// Notes deaths, each in its ward's turn, until the channel is closed.
fn note_all(mut waiting: mpsc::Receiver<Unnoted>, answers: &mpsc::Sender<Witness>) {
    let mut turns = Turns::default();
    while let Some(death) = turns.next().or_else(|| waiting.blocking_recv()) {
        note(death, answers);
        while let Ok(death) = waiting.try_recv() {
            turns.queue(death);
        }
    }
}

/// Deaths that wait, ward by ward.
#[derive(Default)]
struct Turns {
    /// The ward whose turn is next comes first.
    wards: VecDeque<VecDeque<Unnoted>>,
}

impl Turns {
    fn queue(&mut self, death: Unnoted) {
        let of_its_ward = self.wards.iter_mut().find(|waiting| {
            waiting
                .front()
                .is_some_and(|first| family(&first.ward) == family(&death.ward))
        });
        match of_its_ward {
            Some(waiting) if waiting.len() >= OF_A_WARD => {}
            Some(waiting) => waiting.push_back(death),
            None => self.wards.push_back(VecDeque::from([death])),
        }
    }
}

/// The part of a ward's name that it shares with the other instances of its template.
fn family(ward: &str) -> &str {
    ward.split_inclusive('@').next().unwrap_or(ward)
}

impl Iterator for Turns {
    type Item = Unnoted;

    fn next(&mut self) -> Option<Unnoted> {
        let mut waiting = self.wards.pop_front()?;
        let death = waiting.pop_front();
        if !waiting.is_empty() {
            self.wards.push_back(waiting);
        }
        death
    }
}

/// Notes a death. The demands of the death limit are met beside the deaths of others, each of which
/// is one more restart.
fn note(death: Unnoted, answers: &mpsc::Sender<Witness>) {
    let consequence = match stand_in::note(&death) {
        Ok(None) => return,
        Ok(Some(consequence)) => consequence,
        Err(error) => return failed(&death, &error),
    };
    if !consequence.takes_long() {
        return carry_out(consequence, &death, answers);
    }
    let answers = answers.clone();
    let spawned = std::thread::Builder::new()
        .name("limit".to_owned())
        .spawn(move || carry_out(consequence, &death, &answers));
    if let Err(error) = spawned {
        warn!("Failed to start a thread for what a death limit demands: {error}");
    }
}

/// Does what follows from a noted death, then sends the contents of its record.
fn carry_out(consequence: Consequence, death: &Unnoted, answers: &mpsc::Sender<Witness>) {
    if let Err(error) = consequence.carry_out() {
        failed(death, &error);
    }
    if let Ok(witness) = records::read(death.unit.clone(), &death.ward, &death.invocation, None) {
        // Without a main loop the daemon is about to end.
        let _ = answers.blocking_send(witness);
    }
}

fn failed(death: &Unnoted, error: &std::io::Error) {
    warn!(
        UNITWARD_WARD = death.ward,
        "Failed to note the death of {}: {error}", death.unit
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::crash::observation::InvocationId;
    use crate::core::recovery::series::LastEnd;

    fn death(ward: &str, at: u64) -> Unnoted {
        Unnoted {
            ward: ward.into(),
            unit: format!("{ward}.service"),
            invocation: InvocationId::parse(&"ab".repeat(16)).unwrap(),
            restarts: 0,
            begun: 0,
            kind: LastEnd::AbnormalDeath,
            result: "exit-code".into(),
            process: None,
            pid: None,
            at,
        }
    }

    #[test]
    fn wards_take_turns_and_none_has_more_than_its_share() {
        let mut turns = Turns::default();
        for at in 0..100 {
            turns.queue(death("loud", at));
        }
        turns.queue(death("quiet", 7));
        let order: Vec<_> = turns.map(|death| (death.ward, death.at)).collect();
        assert_eq!(
            order[..3],
            [
                ("loud".to_owned(), 0),
                ("quiet".to_owned(), 7),
                ("loud".to_owned(), 1)
            ]
        );
        assert_eq!(order.len(), OF_A_WARD + 1);
    }

    #[test]
    fn instances_of_a_template_share_one_turn() {
        let mut turns = Turns::default();
        for at in 0..100 {
            turns.queue(death(&format!("loud@{at}"), at));
        }
        turns.queue(death("quiet", 7));
        assert_eq!(turns.nth(1).map(|death| death.ward), Some("quiet".into()));
    }
}
