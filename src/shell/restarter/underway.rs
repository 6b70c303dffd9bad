//! The restart under way, as the loop knows it: its begin, its callers, and the messages to it.

use super::course::{self, Control, Order};
use super::runs::Runs;
use super::wish::Wish;
use super::{Restarter, say};
use crate::core::full_restart::places::MOST;
use crate::core::full_restart::reception::{Event, errno};
use crate::core::full_restart::request::Answer;
use crate::edge::full_restart::charge::Charge;
use crate::edge::full_restart::record::RestartRecord;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;

/// A restart under way, or a requested one that may turn out to be inhibited.
pub(super) struct Underway {
    control: Sender<Control>,
    pub(super) charge: Arc<Charge>,
    /// Callers that have asked for it before it was certain, in their order.
    pub(super) callers: Vec<String>,
    /// The runs that it ends, if systemd restarts. Units that a script starts may join for as long
    /// as the script runs.
    pub(super) runs: Runs,
    certain: bool,
}

impl Restarter {
    /// Begins a restart by the present configuration, which may have changed since the request
    /// came.
    pub(super) fn restart(&mut self, wish: &Wish) {
        match self.charge_anew() {
            Some(charge) => {
                let record = wish.record(&charge.stack);
                self.begin(charge, record, course::run);
            }
            None => self.told.tell(Event::Over(self.no_such_stack())),
        }
    }

    /// Returns the answer for a stack that the configuration lacks.
    pub(super) fn no_such_stack(&self) -> Answer {
        Answer {
            errno: errno::NOENT,
            words: format!("there is no stack {} in the configuration", self.stack),
        }
    }

    /// Starts the thread that restarts by this record; `course` is its program.
    pub(super) fn begin(&mut self, charge: Arc<Charge>, record: RestartRecord, course: fn(Order)) {
        let (control, controlled) = channel();
        let callers = vec![record.caller.clone()];
        let script = charge.stack.restart_script.is_some();
        let runs = if script {
            Runs::default()
        } else {
            Runs::ended_by(&record)
        };
        self.course = Some(Underway {
            control,
            charge: charge.clone(),
            callers,
            runs: runs.clone(),
            certain: false,
        });
        let begun = self.told.again().and_then(|told| {
            let order = Order {
                charge,
                record,
                runs,
                control: controlled,
                told,
            };
            thread::Builder::new()
                .name("restart".to_owned())
                .spawn(move || course(order))
        });
        if let Err(error) = begun {
            tracing::error!(
                "Failed to restart {}: no thread could be started: {error}",
                self.stack
            );
            self.told.tell(Event::Over(Answer {
                errno: errno::IO,
                words: format!("no thread could be started: {error}"),
            }));
        }
    }

    /// Sends a message to the restart under way. One that has just ended does not need it.
    pub(super) fn control(&self, control: Control) {
        if let Some(course) = &self.course {
            let _ = course.control.send(control);
        }
    }

    /// Adds a caller to the restart under way. It is not logged before it is certain that the
    /// restart happens.
    pub(super) fn join(&mut self, caller: String) {
        match &mut self.course {
            // Of so many callers only the number matters.
            Some(course) if !course.certain && course.callers.len() < MOST => {
                course.callers.push(caller.clone())
            }
            Some(course) if !course.certain => {}
            _ => say::joined(&self.stack, &caller),
        }
        self.control(Control::Joined(caller));
    }

    /// Notes that the restart happens, and logs the callers that have joined it.
    pub(super) fn is_certain(&mut self) {
        let Some(course) = self.course.as_mut().filter(|course| !course.certain) else {
            return;
        };
        course.certain = true;
        for caller in course.callers.drain(..).skip(1) {
            say::joined(&self.stack, &caller);
        }
    }
}
