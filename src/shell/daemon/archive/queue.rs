//! The orders' way to the archive's thread: bounded, and taking only as much memory as there are orders in it. The bounded
//! channel of the standard library has all of its places from the beginning, which is 0.9 MB for nothing nearly always.

use super::Order;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::time::Duration;

/// Orders that may wait. When there are more, the history loses them; they are sent all the same, and the books know of the
/// deaths.
const CAPACITY: usize = 16_384;

/// The end of those who ask.
#[derive(Debug)]
pub(super) struct Orders {
    sender: Sender<Order>,
    waiting: Arc<AtomicUsize>,
}

/// The end of the thread.
#[derive(Debug)]
pub(super) struct Waiting {
    receiver: Receiver<Order>,
    /// How many orders there are, or a few more: each is counted before it can be taken.
    waiting: Arc<AtomicUsize>,
}

/// A new way.
pub(super) fn queue() -> (Orders, Waiting) {
    let (sender, receiver) = channel();
    let waiting = Arc::<AtomicUsize>::default();
    (Orders { sender, waiting: Arc::clone(&waiting) }, Waiting { receiver, waiting })
}

impl Orders {
    /// Asks; `false`: too many orders wait, and this one is lost.
    pub(super) fn ask(&self, order: Order) -> bool {
        if self.waiting.load(Ordering::Relaxed) >= CAPACITY {
            return false;
        }
        self.hand_back(order)
    }

    /// Takes an order in however many there are: for what the archive itself has sent for, one at a time.
    pub(super) fn hand_back(&self, order: Order) -> bool {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.sender.send(order).is_ok()
    }
}

impl Waiting {
    /// The next order; where there is none it waits for one, with patience for so long only.
    ///
    /// # Errors
    /// None came in time, or none will ever come.
    pub(super) fn next(&self, patience: Option<Duration>) -> Result<Order, RecvTimeoutError> {
        let order = match patience {
            None => self.receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(patience) => self.receiver.recv_timeout(patience),
        };
        self.count_off(order)
    }

    /// The next order, if there is one.
    ///
    /// # Errors
    /// There is none, or none will ever come.
    pub(super) fn try_next(&self) -> Result<Order, TryRecvError> {
        self.count_off(self.receiver.try_recv())
    }

    fn count_off<E>(&self, order: Result<Order, E>) -> Result<Order, E> {
        order.inspect(|_| {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_takes_no_more_until_there_is_room() {
        let (orders, waiting) = queue();
        assert!((0..CAPACITY).all(|_| orders.ask(Order::Recall)));
        assert!(!orders.ask(Order::Recall));
        assert!(waiting.try_next().is_ok() && orders.ask(Order::Recall) && !orders.ask(Order::Recall));
        assert!(orders.hand_back(Order::Recall), "what was sent for comes back in any case");
        assert_eq!(std::iter::from_fn(|| waiting.try_next().ok()).count(), CAPACITY + 1);
        assert!(orders.ask(Order::Recall));
        drop(orders);
        assert!(waiting.next(None).is_ok());
        assert_eq!(waiting.next(None).err(), Some(RecvTimeoutError::Disconnected));
    }
}
