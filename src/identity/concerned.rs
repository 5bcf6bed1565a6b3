//! Whom and what a change is about: the unique ids that its fields name, and the ARNs of shared policies.

use super::change::{PolicyRef, Sealed, Trust};
use super::id::UniqueId;
use crate::base::time::Timestamp;
use crate::ledger::AccountId;

/// A type of field, which may name ids. A new type of field has to say what it names.
pub trait Concerned {
    /// Hands out each id.
    fn each_id<'a>(&'a self, each: &mut dyn FnMut(&'a str));
}

impl Concerned for UniqueId {
    fn each_id<'a>(&'a self, each: &mut dyn FnMut(&'a str)) {
        each(self.as_str());
    }
}

impl Concerned for PolicyRef {
    fn each_id<'a>(&'a self, each: &mut dyn FnMut(&'a str)) {
        each(&self.0);
    }
}

impl Concerned for Trust {
    fn each_id<'a>(&'a self, each: &mut dyn FnMut(&'a str)) {
        self.principals.each_id(each);
    }
}

impl<T: Concerned> Concerned for Option<T> {
    fn each_id<'a>(&'a self, each: &mut dyn FnMut(&'a str)) {
        self.iter().for_each(|one| one.each_id(each));
    }
}

impl<T: Concerned> Concerned for Vec<T> {
    fn each_id<'a>(&'a self, each: &mut dyn FnMut(&'a str)) {
        self.iter().for_each(|one| one.each_id(each));
    }
}

impl<A: Concerned, B: Concerned> Concerned for (A, B) {
    fn each_id<'a>(&'a self, each: &mut dyn FnMut(&'a str)) {
        self.0.each_id(each);
        self.1.each_id(each);
    }
}

impl<A: Concerned, B: Concerned, C: Concerned> Concerned for (A, B, C) {
    fn each_id<'a>(&'a self, each: &mut dyn FnMut(&'a str)) {
        self.0.each_id(each);
        self.1.each_id(each);
        self.2.each_id(each);
    }
}

macro_rules! name_nobody {
    ($($type:ty),*) => {
        $( impl Concerned for $type {
            fn each_id<'a>(&'a self, _: &mut dyn FnMut(&'a str)) {}
        } )*
    };
}

// Hashes, tags of names and commitments are all 32 bytes, ids of imports 16. Accounts are not principals.
name_nobody!(String, Sealed, [u8; 16], [u8; 32], bool, u32, u64, i32, Timestamp, AccountId);
