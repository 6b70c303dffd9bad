//! The callers at the socket: their admission, their places and their requests.

use super::Restarter;
use super::connections::News;
use super::wish::Wish;
use crate::core::full_restart::places::{Holder, Pool, Verdict};
use crate::core::full_restart::reception::{CallerId, Event, Standing, errno};
use crate::core::full_restart::request::{Answer, Request};
use crate::edge::full_restart::peer::{Life, Peer};

/// Number of connections that are accepted before those accepted already are read: somebody may
/// connect faster than the answers go out.
const AT_A_TIME: usize = 32;

/// Number of connections that are accepted when a restart is over, because they came before: as
/// many as the kernel keeps in a queue.
const QUEUED: usize = 4096;

impl Restarter {
    /// Accepts all connections in the queue, because they came before the restart was over; but not
    /// those that keep coming.
    pub(super) fn greet_the_queue(&mut self) {
        for _ in 0..QUEUED / AT_A_TIME {
            let count = self.greet();
            self.listen();
            if count == 0 {
                break;
            }
        }
    }

    /// Accepts connections, no more of them than can be read soon, and returns their number.
    pub(super) fn greet(&mut self) -> usize {
        for count in 0..AT_A_TIME {
            let Some((caller, peer)) = self.connections.accept() else {
                return count;
            };
            self.receive(caller, &peer);
        }
        AT_A_TIME
    }

    /// Decides about a caller that has connected: it may ask, or it is refused.
    fn receive(&mut self, caller: CallerId, peer: &Peer) {
        match self.charge() {
            None => {
                let answer = self.no_such_stack();
                self.connections.dismiss(caller, &answer);
            }
            Some(charge) if charge.admits(peer) => {
                let standing = match peer.unit.as_deref().filter(|unit| charge.has(unit)) {
                    Some(unit)
                        if self
                            .course
                            .as_ref()
                            .is_some_and(|course| course.runs.has_renewed(unit)) =>
                    {
                        Standing::NewMember
                    }
                    Some(_) => Standing::Member,
                    None => Standing::Outsider,
                };
                if self.gets_place(caller, peer, standing) {
                    self.step(Event::Arrived(caller, standing));
                }
            }
            // The caller can no longer be identified; it may well be a member that the restart has
            // ended.
            Some(_) if peer.life == Life::Gone => self.connections.drop_silently(caller),
            Some(_) => {
                self.step(Event::Refused);
                self.refusals.refused(&self.stack, peer);
                let words = format!(
                    "only root and members of {} may ask for its restart",
                    self.stack
                );
                self.connections.dismiss(
                    caller,
                    &Answer {
                        errno: errno::ACCES,
                        words,
                    },
                );
            }
        }
    }

    /// Gives a place to a caller that may ask, or answers that there is none. A caller that loses
    /// its place to it is answered too.
    fn gets_place(&mut self, caller: CallerId, peer: &Peer, standing: Standing) -> bool {
        let pool = match standing {
            Standing::Member | Standing::NewMember => Pool::Members,
            Standing::Outsider => Pool::Root,
        };
        let unit = peer.unit.clone().unwrap_or_default();
        let loser = match self.connections.give_place(
            caller,
            Holder {
                pool,
                unit,
                user: peer.uid,
            },
        ) {
            Verdict::Taken => return true,
            Verdict::TakenFrom(loser) => loser,
            Verdict::Refused => caller,
        };
        self.step(Event::Left(loser));
        if self.connections.is_waiting(loser) {
            let words = "it is not known yet how the restart goes, and others wait for their turn"
                .to_owned();
            self.connections.answer(
                loser,
                &Answer {
                    errno: errno::INPROGRESS,
                    words,
                },
            );
        } else {
            let words = "too many requests of the same service or user are open, ask again later"
                .to_owned();
            self.connections.dismiss(
                loser,
                &Answer {
                    errno: errno::BUSY,
                    words,
                },
            );
        }
        loser != caller
    }

    /// Reads from the accepted connections and handles the results.
    pub(super) fn listen(&mut self) {
        for news in self.connections.read() {
            match news {
                News::Said(caller, peer, text) => self.hear(caller, peer, &text),
                News::Left(caller) => {
                    self.step(Event::Left(caller));
                }
                News::BrokeOff(caller) => {
                    self.step(Event::Left(caller));
                    let words = "the request did not come to its end in time".to_owned();
                    self.connections.answer(
                        caller,
                        &Answer {
                            errno: errno::TIMEDOUT,
                            words,
                        },
                    );
                }
            }
        }
    }

    fn hear(&mut self, caller: CallerId, peer: Peer, text: &[u8]) {
        match Request::parse(text) {
            Ok(request) => {
                self.step(Event::Asked(
                    caller,
                    request.answer,
                    Wish::new(request, peer),
                ));
            }
            Err(why) => {
                self.step(Event::Left(caller));
                let words = format!("that is no request: {why}");
                self.connections.answer(
                    caller,
                    &Answer {
                        errno: errno::INVAL,
                        words,
                    },
                );
            }
        }
    }
}
