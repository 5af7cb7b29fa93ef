//! jq's order of values: null, false, true, numbers, texts, arrays, objects.

use std::cmp::Ordering;

use super::{Entries, Val};
use crate::expression::fuel;

impl Ord for Val {
    /// The order in which `sort` puts values. NaN is below every number and equal to itself, so that the order is total, as long
    /// as there is fuel: then all is equal, which `merge_sort` bears and the standard library's sorts need not.
    fn cmp(&self, other: &Self) -> Ordering {
        // Values that share their parts are small to hold and endless to compare.
        if fuel::compared().is_err() {
            return Ordering::Equal;
        }
        match (self, other) {
            (Self::Int(left), Self::Int(right)) => left.cmp(right),
            (Self::Int(_) | Self::Float(_), Self::Int(_) | Self::Float(_)) => {
                let (left, right) = (self.number().unwrap_or(f64::NAN), other.number().unwrap_or(f64::NAN));
                left.partial_cmp(&right).unwrap_or_else(|| right.is_nan().cmp(&left.is_nan()))
            }
            (Self::Str(left), Self::Str(right)) => left.cmp(right),
            (Self::Arr(left), Self::Arr(right)) => left.items.cmp(&right.items),
            (Self::Obj(left), Self::Obj(right)) => compare_entries(&left.entries, &right.entries),
            _ => rank(self).cmp(&rank(other)),
        }
    }
}

#[expect(clippy::non_canonical_partial_ord_impl, reason = "jq sorts NaN by one order and compares it by another")]
impl PartialOrd for Val {
    /// The order of `<` and its kin, in which NaN is below everything, itself included.
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Float(left), Self::Int(_) | Self::Float(_)) if left.is_nan() => Some(Ordering::Less),
            _ => Some(self.cmp(other)),
        }
    }
}

impl PartialEq for Val {
    fn eq(&self, other: &Self) -> bool {
        if fuel::compared().is_err() {
            return false;
        }
        match (self, other) {
            (Self::Float(left), Self::Float(right)) => left == right,
            (Self::Str(left), Self::Str(right)) => left == right,
            (Self::Obj(left), Self::Obj(right)) => left.entries == right.entries,
            (Self::Arr(left), Self::Arr(right)) => left.items == right.items,
            _ => rank(self) == rank(other) && self.cmp(other).is_eq(),
        }
    }
}

impl Eq for Val {}

fn rank(value: &Val) -> u8 {
    match value {
        Val::Null => 0,
        Val::Bool(false) => 1,
        Val::Bool(true) => 2,
        Val::Int(_) | Val::Float(_) => 3,
        Val::Str(_) => 4,
        Val::Arr(_) => 5,
        Val::Obj(_) => 6,
    }
}

/// First by the sets of keys, then by the values, key by key.
fn compare_entries(left: &Entries, right: &Entries) -> Ordering {
    let (left, right) = (sorted(left), sorted(right));
    let keys = left.iter().map(|(key, _)| *key).cmp(right.iter().map(|(key, _)| *key));
    keys.then_with(|| left.iter().map(|(_, value)| *value).cmp(right.iter().map(|(_, value)| *value)))
}

/// An object's entries in the order of their keys.
fn sorted(entries: &Entries) -> Vec<(&str, &Val)> {
    fuel::spend(100 + entries.len() as u64 * 100);
    let mut sorted: Vec<_> = entries.iter().map(|(key, value)| (&**key, value)).collect();
    sorted.sort_unstable_by_key(|(key, _)| *key);
    sorted
}

/// Sorts, keeping what is equal in its order. Comparing may run out of fuel halfway, and the order is then none.
pub(in super::super) fn merge_sort<T: Clone>(items: &mut Vec<T>, compare: impl Fn(&T, &T) -> Ordering) {
    let mut run = 1;
    while run < items.len() && fuel::check().is_ok() {
        let mut merged = Vec::with_capacity(items.len());
        for pair in items.chunks(2 * run) {
            let (mut left, mut right) = pair.split_at(run.min(pair.len()));
            while let (Some(first), Some(second)) = (left.first(), right.first()) {
                if compare(first, second).is_gt() {
                    merged.push(second.clone());
                    right = &right[1..];
                } else {
                    merged.push(first.clone());
                    left = &left[1..];
                }
            }
            merged.extend_from_slice(left);
            merged.extend_from_slice(right);
        }
        *items = merged;
        run *= 2;
    }
}
