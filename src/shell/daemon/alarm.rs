//! The loop's one deadline, kept by the kernel.
//!
//! The runtime's own timers wake an idle process up to three times for one deadline: its wheel has levels of 64 ms and 4 s, and a
//! timer goes from one to the next. The kernel's wakes it once (timerfd_create(2)).

use rustix::io::read;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;
use tokio::io::unix::AsyncFd;

/// One deadline on the monotonic clock at a time.
#[derive(Debug)]
pub(super) struct Alarm {
    timer: AsyncFd<OwnedFd>,
}

impl Alarm {
    /// Returns an alarm that is not set. Needs a runtime.
    #[expect(
        deprecated,
        reason = "its successor is unsafe code, for the sake of those whose descriptor is not their own"
    )]
    pub(super) fn new() -> io::Result<Self> {
        let timer = timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )?;
        Ok(Self {
            timer: AsyncFd::new(timer)?,
        })
    }

    /// Sets the alarm and returns at `deadline` or later; without one never. The earlier deadline
    /// is forgotten.
    pub(super) async fn rings(&self, deadline: Option<Duration>) -> io::Result<()> {
        // Zero would unset it.
        let deadline = deadline.map(|deadline| deadline.max(Duration::from_nanos(1)));
        let nothing = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let value = deadline
            .map_or(Ok(nothing), Timespec::try_from)
            .map_err(io::Error::other)?;
        let once = Itimerspec {
            it_interval: nothing,
            it_value: value,
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &once)?;
        loop {
            let mut ready = self.timer.readable().await?;
            // The readiness may be that of a deadline that was forgotten since: then there is
            // nothing to read.
            if let Ok(rung) = ready.try_io(|timer| Ok(read(timer, &mut [0; 8])?)) {
                return rung.map(drop);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::time::{ClockId, clock_gettime};
    use tokio::time::timeout;

    fn now() -> Duration {
        clock_gettime(ClockId::Monotonic).try_into().unwrap()
    }

    #[tokio::test]
    async fn it_rings_at_its_time_and_at_once_if_that_has_passed() {
        let alarm = Alarm::new().unwrap();
        let deadline = now() + Duration::from_millis(20);
        alarm.rings(Some(deadline)).await.unwrap();
        assert!(now() >= deadline);
        for passed in [deadline, Duration::ZERO] {
            alarm.rings(Some(passed)).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_time_that_was_forgotten_does_not_ring() {
        let alarm = Alarm::new().unwrap();
        let soon = now() + Duration::from_millis(5);
        // It has expired, and the expiry was not read.
        assert!(
            timeout(Duration::ZERO, alarm.rings(Some(soon)))
                .await
                .is_err()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
        for never in [None, Some(now() + Duration::from_secs(600))] {
            assert!(
                timeout(Duration::from_millis(50), alarm.rings(never))
                    .await
                    .is_err()
            );
        }
    }
}
