//! Places at a stack's socket: the connections that are served at the same time.
//!
//! A connection has a place from the time at which its caller may ask until it is answered. Root
//! has its own places, which no member can take. The members share theirs: each unit and each user
//! has a maximum, and if all are taken a unit that has fewer gets one of the unit that has most. So
//! no caller has to wait for another to finish before it is heard.
//!
//! Invariants: at most [`MOST`] connections have a place; a caller without one is answered at once;
//! a unit keeps its place unless it has at least two more than the one that gets it.

use super::reception::CallerId;
use std::collections::BTreeMap;

/// Number of places of root's callers that are no members. One unit or session of root's may have
/// them all while no other needs one.
const ROOT: usize = 256;

/// Number of places of all members together.
const MEMBERS: usize = 256;

/// Number of places of one member: programs have threads and children that fail together.
const UNIT: usize = 32;

/// Number of places of the members that run as one user.
const USER: usize = 64;

/// Total number of places. Each costs a descriptor, of which a service has 1024.
pub const MOST: usize = ROOT + MEMBERS;

/// The pool from which a caller takes a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pool {
    /// The places of root.
    Root,
    /// The places of the stack's own processes, for any user.
    Members,
}

/// A caller with the data by which its place is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The pool that it takes a place from.
    pub pool: Pool,
    /// Its unit, from its control group; empty if it has none.
    pub unit: String,
    /// Its user id.
    pub user: u32,
}

impl Holder {
    /// Returns true if both take their places from one pool.
    fn shares_pool(&self, other: &Self) -> bool {
        self.pool == other.pool
    }

    /// Returns true if both take their places from one pool and are of one user.
    fn shares_user(&self, other: &Self) -> bool {
        self.shares_pool(other) && self.user == other.user
    }
}

/// Decision on a caller's place.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It has a free place.
    Taken,
    /// It has the place of this caller, which must be answered at once.
    TakenFrom(CallerId),
    /// There is no place for it.
    Refused,
}

/// The places that are taken.
#[derive(Debug, Default)]
pub struct Places {
    taken: BTreeMap<CallerId, Holder>,
}

impl Places {
    /// Gives a caller a place, if there is one for it. Callers' numbers grow in the order of
    /// arrival.
    pub fn take(&mut self, caller: CallerId, holder: Holder) -> Verdict {
        let own = self.count(|other| other.shares_pool(&holder) && other.unit == holder.unit);
        let (all, most_of_unit, most_of_user) = match holder.pool {
            Pool::Root => (ROOT, ROOT, ROOT),
            Pool::Members => (MEMBERS, UNIT, USER),
        };
        if own >= most_of_unit {
            return Verdict::Refused;
        }
        let loser = if self.count(|other| other.shares_user(&holder)) >= most_of_user {
            Some(self.newest_of_greediest(|other| other.shares_user(&holder), own))
        } else if self.count(|other| other.shares_pool(&holder)) >= all {
            Some(self.newest_of_greediest(|other| other.shares_pool(&holder), own))
        } else {
            None
        };
        let verdict = match loser {
            None => Verdict::Taken,
            Some(None) => return Verdict::Refused,
            Some(Some(loser)) => Verdict::TakenFrom(loser),
        };
        if let Verdict::TakenFrom(loser) = verdict {
            self.taken.remove(&loser);
        }
        self.taken.insert(caller, holder);
        verdict
    }

    /// Releases a caller's place, if it has one.
    pub fn leave(&mut self, caller: CallerId) {
        self.taken.remove(&caller);
    }

    fn count(&self, counts: impl Fn(&Holder) -> bool) -> usize {
        self.taken.values().filter(|holder| counts(holder)).count()
    }

    /// Returns the newest caller of the unit with most places among these, if it has at least two
    /// more than `own`.
    fn newest_of_greediest(
        &self,
        counts: impl Fn(&Holder) -> bool,
        own: usize,
    ) -> Option<CallerId> {
        let mut units: BTreeMap<&str, (usize, CallerId)> = BTreeMap::new();
        for (caller, holder) in self.taken.iter().filter(|(_, holder)| counts(holder)) {
            let (count, newest) = units.entry(&holder.unit).or_insert((0, *caller));
            (*count, *newest) = (*count + 1, *caller);
        }
        let (count, newest) = units.into_values().max()?;
        (count > own + 1).then_some(newest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Places, and callers that arrive one after the other.
    #[derive(Default)]
    struct Socket {
        places: Places,
        last: u64,
    }

    impl Socket {
        fn comes(&mut self, holder: &Holder) -> Verdict {
            self.last += 1;
            self.places.take(CallerId(self.last), holder.clone())
        }

        /// Returns the number of callers, out of `count`, that got a place.
        fn come(&mut self, count: usize, holder: &Holder) -> usize {
            (0..count)
                .filter(|_| self.comes(holder) != Verdict::Refused)
                .count()
        }

        fn of(&self, holder: &Holder) -> usize {
            self.places.count(|other| other == holder)
        }
    }

    fn root(unit: &str) -> Holder {
        Holder {
            pool: Pool::Root,
            unit: unit.into(),
            user: 0,
        }
    }

    fn member(unit: &str, user: u32) -> Holder {
        Holder {
            pool: Pool::Members,
            unit: unit.into(),
            user,
        }
    }

    #[test]
    fn each_has_so_many_places_and_no_more() {
        for (holders, expect) in [
            (vec![root("session-1.scope")], ROOT),
            (vec![member("web.service", 7)], UNIT),
            (vec![member("web.service", 0)], UNIT),
            (
                vec![member("web.service", 7), member("db.service", 7)],
                USER,
            ),
            // A dynamic user, or one that becomes others.
            (
                (0..9).map(|user| member("web.service", user)).collect(),
                UNIT,
            ),
        ] {
            let mut socket = Socket::default();
            for holder in &holders {
                let _ = socket.come(MOST, holder);
            }
            assert_eq!(socket.places.taken.len(), expect, "{holders:?}");
        }
    }

    #[test]
    fn no_member_takes_a_place_of_roots() {
        let mut socket = Socket::default();
        for number in 0..40 {
            // A member that is root's counts as the member it is.
            let _ = socket.come(UNIT, &member(&format!("m{number}.service"), number % 9));
        }
        assert_eq!(socket.places.taken.len(), MEMBERS);
        assert_eq!(socket.come(ROOT, &root("session-1.scope")), ROOT);
        assert_eq!(socket.places.taken.len(), MOST);
        assert!(
            matches!(
                socket.comes(&root("session-2.scope")),
                Verdict::TakenFrom(_)
            ),
            "nor one of root's from the others"
        );
        assert_eq!(socket.places.taken.len(), MOST);
    }

    #[test]
    fn the_newest_of_the_greediest_gives_way_to_one_that_has_fewer() {
        let mut socket = Socket::default();
        let greedy: Vec<_> = (0..8)
            .map(|number| member(&format!("m{number}.service"), number))
            .collect();
        for holder in &greedy {
            assert_eq!(socket.come(UNIT, holder), UNIT);
        }
        let newcomer = member("quiet.service", 99);
        assert_eq!(
            socket.comes(&newcomer),
            Verdict::TakenFrom(CallerId(8 * 32))
        );
        assert_eq!((socket.of(&greedy[7]), socket.of(&newcomer)), (UNIT - 1, 1));
        assert_eq!(
            socket.comes(&greedy[7]),
            Verdict::Refused,
            "it is not asked for twice"
        );
        // It gets its share, and not more than that.
        let _ = socket.come(MOST, &newcomer);
        let shares: Vec<_> = greedy
            .iter()
            .chain([&newcomer])
            .map(|holder| socket.of(holder))
            .collect();
        assert_eq!(shares.iter().sum::<usize>(), MEMBERS);
        assert!(
            shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1,
            "{shares:?}"
        );
    }

    #[test]
    fn members_of_one_user_share_its_places() {
        let mut socket = Socket::default();
        let (greedy, other, quiet) = (
            member("a.service", 7),
            member("b.service", 7),
            member("c.service", 7),
        );
        assert_eq!(
            (socket.come(99, &greedy), socket.come(99, &other)),
            (UNIT, UNIT)
        );
        assert_eq!(socket.comes(&quiet), Verdict::TakenFrom(CallerId(99 + 32)));
        assert_eq!(
            socket.comes(&member("c.service", 8)),
            Verdict::Taken,
            "another user's is none of theirs"
        );
    }

    #[test]
    fn a_place_is_free_when_its_caller_leaves() {
        let mut socket = Socket::default();
        let web = member("web.service", 7);
        assert_eq!(socket.come(UNIT + 1, &web), UNIT);
        socket.places.leave(CallerId(3));
        socket.places.leave(CallerId(3));
        socket.places.leave(CallerId(999));
        assert_eq!(socket.come(2, &web), 1);
    }

    #[test]
    fn who_holds_and_refills_all_its_places_keeps_nobody_out() {
        let mut socket = Socket::default();
        let greedy = member("greedy.service", 7);
        for round in 0..1_000 {
            let _ = socket.come(64, &greedy);
            assert_eq!(
                socket.comes(&root("session-1.scope")),
                Verdict::Taken,
                "{round}"
            );
            socket.places.leave(CallerId(socket.last));
            assert_eq!(
                socket.comes(&member("other.service", 7)),
                Verdict::Taken,
                "{round}"
            );
            socket.places.leave(CallerId(socket.last));
        }
    }
}
