//! `+ - * / %` and unary minus, as jq has them for each pair of types.

use std::{
    ops::{Add, Div, Mul, Neg, Rem, Sub},
    rc::Rc,
};

use jaq_core::ValR;

use super::{Table, Val, added_entries, brief, copied_items, exhausted, fail, merge_sort};
use crate::expression::fuel;

/// Integers stay exact as long as they need no more than 64 bits; then, and for all else, doubles.
fn numbers(left: &Val, right: &Val, ints: fn(i128, i128) -> Option<i128>, floats: fn(f64, f64) -> f64) -> Option<Val> {
    fuel::spend(50);
    if let (Val::Int(left), Val::Int(right)) = (left, right)
        && let Some(exact) = ints(*left, *right)
    {
        return Some(Val::int(exact));
    }
    Some(Val::float(floats(left.number()?, right.number()?)))
}

fn refuse(left: &Val, right: &Val, what: &str) -> ValR<Val> {
    let (left_brief, right_brief) = (brief(left), brief(right));
    fail(format!("{} ({left_brief}) and {} ({right_brief}) cannot be {what}", left.kind(), right.kind()))
}

impl Add for Val {
    type Output = ValR<Self>;

    fn add(self, other: Self) -> ValR<Self> {
        match (self, other) {
            (Self::Null, value) | (value, Self::Null) => Ok(value),
            (Self::Str(left), Self::Str(right)) => {
                fuel::room(left.len() + right.len()).map_err(exhausted)?;
                Ok(Self::str([&*left, &*right].concat()))
            }
            (Self::Arr(mut left), Self::Arr(right)) => {
                copied_items(right.items.len()).map_err(exhausted)?;
                let height = right.height;
                Self::change_items(&mut left, |items| items.extend(right.items.iter().cloned()))?;
                Rc::make_mut(&mut left).height = left.height.max(height);
                Ok(Self::Arr(left))
            }
            (Self::Obj(mut left), Self::Obj(right)) => {
                added_entries(right.entries.len()).map_err(exhausted)?;
                let height = right.height;
                let added = right.entries.iter().map(|(key, value)| (key.clone(), value.clone()));
                Self::change_entries(&mut left, |entries| entries.extend(added))?;
                Rc::make_mut(&mut left).height = left.height.max(height);
                Ok(Self::Obj(left))
            }
            (left, right) => match numbers(&left, &right, i128::checked_add, |left, right| left + right) {
                Some(sum) => Ok(sum),
                None => refuse(&left, &right, "added"),
            },
        }
    }
}

impl Sub for Val {
    type Output = ValR<Self>;

    fn sub(self, other: Self) -> ValR<Self> {
        match (self, other) {
            (Self::Arr(left), Self::Arr(right)) => {
                copied_items(left.items.len()).map_err(exhausted)?;
                copied_items(right.items.len()).map_err(exhausted)?;
                let mut without = right.items.clone();
                merge_sort(&mut without, Val::cmp);
                let kept = left.items.iter().filter(|item| without.binary_search(item).is_err());
                Ok(kept.cloned().collect())
            }
            (left, right) => match numbers(&left, &right, i128::checked_sub, |left, right| left - right) {
                Some(difference) => Ok(difference),
                None => refuse(&left, &right, "subtracted"),
            },
        }
    }
}

impl Mul for Val {
    type Output = ValR<Self>;

    fn mul(self, other: Self) -> ValR<Self> {
        match (self, other) {
            (Self::Obj(left), Self::Obj(right)) => merge(left, &right),
            (Self::Str(text), number @ (Self::Int(_) | Self::Float(_)))
            | (number @ (Self::Int(_) | Self::Float(_)), Self::Str(text)) => {
                repeat(&text, number.number().unwrap_or(0.0))
            }
            (left, right) => match numbers(&left, &right, i128::checked_mul, |left, right| left * right) {
                Some(product) => Ok(product),
                None => refuse(&left, &right, "multiplied"),
            },
        }
    }
}

/// A text so many times.
fn repeat(text: &str, times: f64) -> ValR<Val> {
    if times.is_nan() || times < 0.0 {
        return Ok(Val::Null);
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive, and saturates")]
    let times = times.floor() as usize;
    fuel::room(text.len().saturating_mul(times)).map_err(exhausted)?;
    Ok(Val::str(text.repeat(times)))
}

/// `*` of two objects: the right one wins, and what is an object on both sides is merged in the same way.
fn merge(mut left: Rc<Table>, right: &Table) -> ValR<Val> {
    added_entries(right.entries.len()).map_err(exhausted)?;
    fuel::step().map_err(exhausted)?;
    for (key, value) in &right.entries {
        let merged = match (left.entries.get(key), value) {
            (Some(Val::Obj(old)), Val::Obj(new)) => merge(Rc::clone(old), new)?,
            _ => value.clone(),
        };
        let height = merged.height() + 1;
        Val::change_entries(&mut left, |entries| entries.insert(key.clone(), merged))?;
        Rc::make_mut(&mut left).height = left.height.max(height);
    }
    Ok(Val::Obj(left))
}

impl Div for Val {
    type Output = ValR<Self>;

    fn div(self, other: Self) -> ValR<Self> {
        if let (Self::Str(left), Self::Str(right)) = (&self, &other) {
            return split(left, right);
        }
        match (self.number(), other.number()) {
            (Some(_), Some(0.0)) => refuse(&self, &other, "divided because the divisor is zero"),
            (Some(_), Some(_)) => {
                let exact = |left: i128, right: i128| (left % right == 0).then_some(left / right);
                Ok(numbers(&self, &other, exact, |left, right| left / right).unwrap_or(Self::Null))
            }
            _ => refuse(&self, &other, "divided"),
        }
    }
}

/// The parts of a text between separators; its characters if the separator is empty.
pub(in super::super) fn split(text: &str, separator: &str) -> ValR<Val> {
    fuel::look(text.len() * 2).map_err(exhausted)?;
    if text.is_empty() {
        return Ok(Val::arr(Vec::new()));
    }
    if separator.is_empty() {
        return Ok(text.chars().map(|char| Val::str(char.to_string())).collect());
    }
    Ok(text.split(separator).map(Val::str).collect())
}

impl Rem for Val {
    type Output = ValR<Self>;

    /// The remainder of the integral parts, with the sign of the dividend.
    fn rem(self, other: Self) -> ValR<Self> {
        let (Some(left), Some(right)) = (self.number(), other.number()) else {
            return refuse(&self, &other, "divided");
        };
        if left.is_nan() || right.is_nan() {
            return Ok(Self::Float(f64::NAN));
        }
        let divisor = integral(&other, right);
        if divisor == 0 {
            return refuse(&self, &other, "divided (remainder) because the divisor is zero");
        }
        Ok(Self::int(integral(&self, left) % divisor.abs()))
    }
}

/// A number cut to an integer of 64 bits, as C does it, saturating.
fn integral(value: &Val, number: f64) -> i128 {
    match value {
        Val::Int(int) => *int,
        #[expect(clippy::cast_possible_truncation, reason = "saturates")]
        _ => i128::from(number as i64),
    }
}

impl Neg for Val {
    type Output = ValR<Self>;

    fn neg(self) -> ValR<Self> {
        match self {
            Self::Int(0) => Ok(Self::Float(-0.0)),
            Self::Int(int) => Ok(Self::int(-int)),
            Self::Float(number) => Ok(Self::float(-number)),
            other => fail(format!("{} ({}) cannot be negated", other.kind(), brief(&other))),
        }
    }
}
