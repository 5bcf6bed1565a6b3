//! Slowing down those who guess passwords, without locking out those who know them.
//!
//! | what | limit |
//! |---|---|
//! | one typed name, from one address | after 3 failures in a row wait 1 s, 2 s, 4 s, ... up to 15 min |
//! | one typed name, from all other addresses | 20 failures a minute |
//! | one address, all names | 60 failures a minute |
//! | one typed name, at the same time | 8 tries: many at once would all be looked at before the first has failed |
//!
//! A name is what was typed, whether it exists or not: that an unknown one is throttled too keeps the two
//! from being told apart. An address that signed in as a name before is not held up by what other addresses
//! do to that name, so a flood from elsewhere does not lock anybody out; and every limit is over at most
//! 15 minutes after the guessing stops, for root as well.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;

use parking_lot::Mutex;

use super::Refusal;
use crate::base::time::Timestamp;

const FREE: u32 = 3;
const MICROS: u64 = 1_000_000;
const LONGEST: u64 = 900;
const NAME_A_MINUTE: u32 = 20;
const ADDRESS_A_MINUTE: u32 = 60;
/// Tries at one name that are looked at at once.
const AT_ONCE: u32 = 8;
/// What is remembered of each kind; beyond it all that is over is dropped, then everything.
const MOST: usize = 50_000;
/// How long an address stays known, in seconds.
const KNOWN: u64 = 30 * 86_400;

type Name = [u8; 32];

/// Failures in a row, and when the last was, in microseconds: a pause of one second is a whole one.
#[derive(Clone, Copy)]
struct Row {
    failures: u32,
    last: u64,
}

impl Row {
    /// From when on the next try is looked at.
    fn free_at(self) -> u64 {
        match self.failures.checked_sub(FREE) {
            None => self.last,
            Some(over) => {
                let pause = LONGEST.min(1_u64.checked_shl(over).unwrap_or(LONGEST));
                self.last + pause * MICROS
            }
        }
    }
}

/// Failures of one minute.
#[derive(Clone, Copy)]
struct Minute {
    minute: u64,
    failures: u32,
}

#[derive(Default)]
struct Memory {
    pairs: HashMap<(Name, Option<IpAddr>), Row>,
    names: HashMap<Name, Minute>,
    addresses: HashMap<Option<IpAddr>, Minute>,
    known: HashMap<(Name, Option<IpAddr>), u64>,
    /// Tries that are being looked at.
    trying: HashMap<Name, u32>,
}

/// A try that was admitted, while it is looked at.
pub struct Trying<'a> {
    throttle: &'a Throttle,
    name: Name,
}

impl Drop for Trying<'_> {
    fn drop(&mut self) {
        let mut memory = self.throttle.0.lock();
        if let Some(count) = memory.trying.get_mut(&self.name) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                memory.trying.remove(&self.name);
            }
        }
    }
}

/// See the module.
#[derive(Default)]
pub struct Throttle(Mutex<Memory>);

/// IPv6 gives everybody a whole /64.
fn network(address: Option<IpAddr>) -> Option<IpAddr> {
    match address {
        Some(IpAddr::V6(address)) => {
            let bits = u128::from(address) & (u128::MAX << 64);
            Some(IpAddr::V6(bits.into()))
        }
        other => other,
    }
}

impl Throttle {
    /// Admits a try to be looked at now, for as long as what it returns is kept.
    pub fn admit(
        &self,
        name: &Name,
        address: Option<IpAddr>,
        at: Timestamp,
    ) -> Result<Trying<'_>, Refusal> {
        let (address, now) = (network(address), at.seconds());
        let mut memory = self.0.lock();
        let until_minute = |limit: u32, minute: Option<&Minute>| match minute {
            Some(one) if one.minute == now / 60 && one.failures >= limit => 60 - now % 60,
            _ => 0,
        };
        let pair = (*name, address);
        let row = memory
            .pairs
            .get(&pair)
            .map_or(0, |row| row.free_at().saturating_sub(at.micros()).div_ceil(MICROS));
        let of_name = match memory.known.get(&pair) {
            Some(at) if at + KNOWN > now => 0,
            _ => until_minute(NAME_A_MINUTE, memory.names.get(name)),
        };
        let of_address = until_minute(ADDRESS_A_MINUTE, memory.addresses.get(&address));
        match row.max(of_name).max(of_address) {
            0 => {}
            wait => return Err(Refusal::Wait(wait)),
        }
        let count = memory.trying.entry(*name).or_default();
        if *count >= AT_ONCE {
            return Err(Refusal::Wait(1));
        }
        *count += 1;
        Ok(Trying { throttle: self, name: *name })
    }

    /// Counts a failure.
    pub fn failed(&self, name: &Name, address: Option<IpAddr>, at: Timestamp) {
        let (address, now) = (network(address), at.seconds());
        let mut memory = self.0.lock();
        let Memory { pairs, names, addresses, known, .. } = &mut *memory;
        bound(pairs, |row| row.last + LONGEST * MICROS > at.micros());
        bound(names, |one| one.minute == now / 60);
        bound(addresses, |one| one.minute == now / 60);
        bound(known, |at| at + KNOWN > now);
        let row = pairs.entry((*name, address)).or_insert(Row { failures: 0, last: at.micros() });
        if row.last + LONGEST * MICROS < at.micros() {
            row.failures = 0;
        }
        *row = Row { failures: row.failures.saturating_add(1), last: at.micros() };
        count(names, *name, now);
        count(addresses, address, now);
    }

    /// Forgets the failures of whoever signed in, and knows the address from now on.
    pub fn succeeded(&self, name: &Name, address: Option<IpAddr>, at: Timestamp) {
        let pair = (*name, network(address));
        let mut memory = self.0.lock();
        memory.pairs.remove(&pair);
        bound(&mut memory.known, |known| known + KNOWN > at.seconds());
        memory.known.insert(pair, at.seconds());
    }
}

fn count<K: Hash + Eq>(minutes: &mut HashMap<K, Minute>, key: K, now: u64) {
    let minute = now / 60;
    let one = minutes.entry(key).or_insert(Minute { minute, failures: 0 });
    if one.minute != minute {
        *one = Minute { minute, failures: 0 };
    }
    one.failures = one.failures.saturating_add(1);
}

fn bound<K: Hash + Eq, V>(map: &mut HashMap<K, V>, is_needed: impl Fn(&V) -> bool) {
    if map.len() >= MOST {
        map.retain(|_, value| is_needed(value));
    }
    if map.len() >= MOST {
        map.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn from(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    fn wait(throttle: &Throttle, name: u8, address: &str, now: u64) -> u64 {
        match throttle.admit(&[name; 32], from(address), at(now)) {
            Err(Refusal::Wait(seconds)) => seconds,
            _ => 0,
        }
    }

    #[test]
    fn failures_in_a_row_wait_longer_and_longer_but_not_for_ever() {
        let throttle = Throttle::default();
        let mut waits = Vec::new();
        let mut now = 6_000;
        for _ in 0..16 {
            throttle.failed(&[1; 32], from("10.0.0.1"), at(now));
            let seconds = wait(&throttle, 1, "10.0.0.1", now);
            waits.push(seconds);
            now += seconds;
        }
        assert_eq!(waits[..6], [0, 0, 1, 2, 4, 8]);
        assert_eq!(waits.last(), Some(&900));
        assert_eq!(wait(&throttle, 1, "10.0.0.1", now), 0);
        throttle.succeeded(&[1; 32], from("10.0.0.1"), at(now));
        throttle.failed(&[1; 32], from("10.0.0.1"), at(now));
        assert_eq!(wait(&throttle, 1, "10.0.0.1", now), 0);
    }

    #[test]
    fn a_flood_from_elsewhere_does_not_lock_out_who_signed_in_before() {
        let throttle = Throttle::default();
        let now = 6_000;
        throttle.succeeded(&[1; 32], from("10.0.0.1"), at(now));
        for n in 0..40 {
            throttle.failed(&[1; 32], from(&format!("10.1.0.{n}")), at(now));
        }
        assert_eq!(wait(&throttle, 1, "10.0.0.1", now), 0);
        assert_eq!(wait(&throttle, 1, "10.0.0.2", now), 60);
        assert_eq!(wait(&throttle, 2, "10.0.0.2", now), 0);
        assert_eq!(wait(&throttle, 1, "10.0.0.2", now + 60), 0);
    }

    #[test]
    fn a_pause_of_a_second_is_a_whole_one() {
        let throttle = Throttle::default();
        let late = Timestamp::from_micros(6_000_999_999);
        for _ in 0..3 {
            throttle.failed(&[1; 32], None, late);
        }
        let admit = |micros| throttle.admit(&[1; 32], None, Timestamp::from_micros(micros)).is_ok();
        assert!(!admit(6_001_000_001) && !admit(6_001_999_998) && admit(6_001_999_999));
    }

    #[test]
    fn many_tries_at_once_are_not_all_looked_at() {
        let throttle = Throttle::default();
        let admit = |name: u8| throttle.admit(&[name; 32], None, at(6_000));
        let mut begun: Vec<_> = (0..AT_ONCE).map(|_| admit(1).ok().unwrap()).collect();
        assert!(matches!(admit(1), Err(Refusal::Wait(1))));
        assert!(admit(2).is_ok(), "another name");
        begun.pop();
        let again = admit(1);
        assert!(again.is_ok() && admit(1).is_err());
        drop((begun, again));
        assert!(throttle.0.lock().trying.is_empty());
    }

    #[test]
    fn one_address_tries_only_so_many_names() {
        let throttle = Throttle::default();
        for name in 0..60 {
            throttle.failed(&[name; 32], from("2001:db8::1"), at(6_000));
        }
        assert_eq!(wait(&throttle, 99, "2001:db8::ffff", 6_000), 60);
        assert_eq!(wait(&throttle, 99, "2001:db8:0:1::1", 6_000), 0);
    }

    #[test]
    fn memory_is_bounded() {
        let mut map: HashMap<usize, u64> = (0..MOST).map(|n| (n, 0)).collect();
        map.insert(MOST, 5);
        bound(&mut map, |at| *at > 3);
        assert_eq!(map.len(), 1);
    }
}
