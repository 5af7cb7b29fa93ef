//! jq's values as the evaluator sees them: JSON, with the bytes they hold counted.
//!
//! The evaluator is generic over its values. These follow jq 1.7 where the evaluator's own differ: what an index answers, how
//! values are ordered and added, what an error says. They also make fuel exact: every text, array and object counts its bytes
//! while it lives, and its height, so that no walk over a value can recurse too deep.

mod arithmetic;
mod index;
mod order;
mod standard;
mod text;

use std::{borrow::Borrow, fmt, ops::Deref, rc::Rc};

use indexmap::IndexMap;
use jaq_core::{
    ValR, ValX,
    box_iter::{BoxIter, box_once},
    path::Opt,
    val::Range,
};

use super::fuel::{self, COMPARE, Exhausted, Held};

pub(super) use arithmetic::split;
pub(super) use index::{bounds, occurrences, position};
pub(super) use order::merge_sort;
pub(super) use text::brief;

/// What a filter raises.
pub(super) type Error = jaq_core::Error<Val>;

/// A value of jq.
#[derive(Clone, Default, Debug)]
pub(super) enum Val {
    #[default]
    Null,
    Bool(bool),
    /// An integer of at most 64 bits, signed or unsigned: exact, where jq has only a double.
    Int(i128),
    /// Any other number. An integral one in the range of `Int` is an `Int`.
    Float(f64),
    Str(Text),
    Arr(Rc<List>),
    Obj(Rc<Table>),
}

/// A shared text.
#[derive(Clone, Debug)]
pub(super) struct Text(Rc<Chars>);

#[derive(Debug)]
struct Chars {
    text: Box<str>,
    /// Known once, so that a part of the text is found without counting its characters.
    ascii: bool,
    _held: Held,
}

/// An array.
#[derive(Debug)]
pub(super) struct List {
    items: Vec<Val>,
    height: u32,
    held: Held,
}

/// An object, in the order in which its keys came.
#[derive(Debug)]
pub(super) struct Table {
    entries: Entries,
    height: u32,
    held: Held,
}

pub(super) type Entries = IndexMap<Text, Val>;

impl Text {
    pub(super) fn new(text: impl Into<Box<str>>) -> Self {
        let text = text.into();
        let held = Held::new(text.len() + OVERHEAD);
        // The caller asked for room, which pays for the copy; not for this.
        fuel::spend((text.len() / 16) as u64);
        let ascii = text.is_ascii();
        Self(Rc::new(Chars { text, ascii, _held: held }))
    }

    pub(super) fn is_plain(&self) -> bool {
        self.0.ascii
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0.text
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self
    }
}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    /// By code points, which for UTF-8 is by bytes.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        fuel::spend(COMPARE + (self.len().min(other.len()) / 8) as u64);
        self.deref().cmp(other)
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        if self.len() == other.len() {
            fuel::spend(COMPARE + (self.len() / 8) as u64);
        }
        self.deref() == other.deref()
    }
}

impl Eq for Text {}

impl std::hash::Hash for Text {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        fuel::spend(COMPARE + 10 + self.len() as u64);
        self.deref().hash(state);
    }
}

/// Bytes that a text, array or object takes besides its contents: counts, lengths and the allocator's share.
const OVERHEAD: usize = 64;
/// Bytes of an object's entry: key, value, hash and its place in the index.
const ENTRY: usize = 72;

/// Asks for room for a copy of so many values, each of which counts its owners.
pub(super) fn copied_items(items: usize) -> Result<(), Exhausted> {
    fuel::spend(items as u64 * 16);
    fuel::room(items * size_of::<Val>())
}

/// Asks for room for a copy of so many entries.
pub(super) fn copied_entries(entries: usize) -> Result<(), Exhausted> {
    fuel::spend(entries as u64 * 30);
    fuel::room(entries * ENTRY)
}

/// Asks for room for so many entries that are put into an object one by one.
pub(super) fn added_entries(entries: usize) -> Result<(), Exhausted> {
    fuel::spend(entries as u64 * 60);
    fuel::room(entries * ENTRY)
}

impl List {
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    fn new(items: Vec<Val>) -> Self {
        let height = 1 + items.iter().map(Val::height).max().unwrap_or(0);
        let held = Held::new(OVERHEAD + items.capacity() * size_of::<Val>());
        Self { items, height, held }
    }
}

impl Table {
    fn new(entries: Entries) -> Self {
        let height = 1 + entries.values().map(Val::height).max().unwrap_or(0);
        let held = Held::new(OVERHEAD + entries.capacity() * ENTRY);
        Self { entries, height, held }
    }
}

impl Clone for List {
    fn clone(&self) -> Self {
        Self {
            items: self.items.clone(),
            height: self.height,
            held: Held::new(OVERHEAD + self.items.len() * size_of::<Val>()),
        }
    }
}

impl Clone for Table {
    fn clone(&self) -> Self {
        Self {
            entries: self.entries.clone(),
            height: self.height,
            held: Held::new(OVERHEAD + self.entries.len() * ENTRY),
        }
    }
}

impl Val {
    pub(super) fn str(text: impl Into<Box<str>>) -> Self {
        Self::Str(Text::new(text))
    }

    /// An array. One that is nested too deep runs the evaluation out of fuel and is not built.
    pub(super) fn arr(items: Vec<Self>) -> Self {
        let list = List::new(items);
        match fuel::height(list.height) {
            Err(Exhausted::Height) => Self::Null,
            _ => Self::Arr(Rc::new(list)),
        }
    }

    /// An object, like `arr`.
    pub(super) fn obj(entries: Entries) -> Self {
        let table = Table::new(entries);
        match fuel::height(table.height) {
            Err(Exhausted::Height) => Self::Null,
            _ => Self::Obj(Rc::new(table)),
        }
    }

    /// An object of the entries `(name, value)`.
    pub(super) fn record<const N: usize>(entries: [(&str, Self); N]) -> Self {
        Self::obj(entries.into_iter().map(|(name, value)| (Text::new(name), value)).collect())
    }

    /// A number of jq's own kind, a double.
    pub(super) fn float(number: f64) -> Self {
        // Minus zero stays a double, as jq prints it.
        let integral = number.fract() == 0.0 && number.abs() < EXACT && !(number == 0.0 && number.is_sign_negative());
        #[expect(clippy::cast_possible_truncation, reason = "integral and within 64 bits")]
        if integral { Self::Int(number as i128) } else { Self::Float(number) }
    }

    /// An integer, as a double if it needs more than 64 bits.
    pub(super) fn int(number: i128) -> Self {
        if (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&number) {
            Self::Int(number)
        } else {
            #[expect(clippy::cast_precision_loss, reason = "what jq does with every number")]
            Self::Float(number as f64)
        }
    }

    pub(super) fn count(number: usize) -> Self {
        Self::Int(number as i128)
    }

    /// The number as a double.
    pub(super) fn number(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "what jq does with every number")]
        match self {
            Self::Int(number) => Some(*number as f64),
            Self::Float(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn height(&self) -> u32 {
        match self {
            Self::Arr(list) => list.height,
            Self::Obj(table) => table.height,
            _ => 0,
        }
    }

    pub(super) fn items(&self) -> Option<&[Self]> {
        match self {
            Self::Arr(list) => Some(&list.items),
            _ => None,
        }
    }

    pub(super) fn entries(&self) -> Option<&Entries> {
        match self {
            Self::Obj(table) => Some(&table.entries),
            _ => None,
        }
    }

    pub(super) fn text(&self) -> Option<&Text> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// jq's name of the value's type.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Int(_) | Self::Float(_) => "number",
            Self::Str(_) => "string",
            Self::Arr(_) => "array",
            Self::Obj(_) => "object",
        }
    }

    /// Changes an array's items; the array is copied if it is shared.
    pub(super) fn change_items<T>(list: &mut Rc<List>, change: impl FnOnce(&mut Vec<Self>) -> T) -> Result<T, Error> {
        if Rc::strong_count(list) > 1 {
            copied_items(list.items.len()).map_err(exhausted)?;
        }
        let list = Rc::make_mut(list);
        let answer = change(&mut list.items);
        list.held.set(OVERHEAD + list.items.capacity() * size_of::<Self>());
        Ok(answer)
    }

    /// Changes an object's entries; the object is copied if it is shared.
    pub(super) fn change_entries<T>(table: &mut Rc<Table>, change: impl FnOnce(&mut Entries) -> T) -> Result<T, Error> {
        if Rc::strong_count(table) > 1 {
            copied_entries(table.entries.len()).map_err(exhausted)?;
        }
        let table = Rc::make_mut(table);
        let answer = change(&mut table.entries);
        table.held.set(OVERHEAD + table.entries.capacity() * ENTRY);
        Ok(answer)
    }

    /// Takes the value out of a place of an array or object, leaving null: null if there is none.
    pub(super) fn take(&mut self, place: &Place) -> Result<Self, Error> {
        Ok(match (self, place) {
            (Self::Arr(list), Place::Item(index)) if *index < list.items.len() => {
                Self::change_items(list, |items| std::mem::replace(&mut items[*index], Self::Null))?
            }
            (Self::Obj(table), Place::Entry(key)) if table.entries.contains_key(key) => {
                Self::change_entries(table, |entries| entries.get_mut(key).map(std::mem::take))?.unwrap_or_default()
            }
            _ => Self::Null,
        })
    }

    /// Puts a value into an array or object in place of another, or a null.
    pub(super) fn put(&mut self, place: Place, value: Self) -> Result<(), Error> {
        let height = value.height() + 1;
        fuel::height(height).map_err(exhausted)?;
        match (self, place) {
            (Self::Arr(list), Place::Item(index)) => {
                let missing = (index + 1).saturating_sub(list.items.len());
                fuel::room(missing * size_of::<Self>()).map_err(exhausted)?;
                Self::change_items(list, |items| {
                    items.resize(items.len() + missing, Self::Null);
                    items[index] = value;
                })?;
                Rc::make_mut(list).height = list.height.max(height);
            }
            (Self::Obj(table), Place::Entry(key)) => {
                Self::change_entries(table, |entries| entries.insert(key, value))?;
                Rc::make_mut(table).height = table.height.max(height);
            }
            _ => {}
        }
        Ok(())
    }
}

/// Doubles below this are exact integers of at most 64 bits: 2^63.
const EXACT: f64 = 9_223_372_036_854_775_808.0;

/// A place in an array or object.
pub(super) enum Place {
    Item(usize),
    Entry(Text),
}

/// The error of a filter that ran out. The evaluation ends at the next check, whoever catches this.
pub(super) fn exhausted(what: Exhausted) -> Error {
    Error::new(Val::str(what.text()))
}

pub(super) fn fail<T>(text: impl Into<Box<str>>) -> Result<T, Error> {
    Err(Error::new(Val::str(text)))
}

impl From<bool> for Val {
    fn from(bool: bool) -> Self {
        Self::Bool(bool)
    }
}

impl From<isize> for Val {
    fn from(int: isize) -> Self {
        Self::Int(int as i128)
    }
}

impl From<usize> for Val {
    fn from(count: usize) -> Self {
        Self::count(count)
    }
}

impl From<f64> for Val {
    fn from(number: f64) -> Self {
        Self::float(number)
    }
}

impl From<String> for Val {
    fn from(text: String) -> Self {
        Self::str(text)
    }
}

impl From<Range<Self>> for Val {
    fn from(range: Range<Self>) -> Self {
        Self::record([("start", range.start.unwrap_or(Self::Null)), ("end", range.end.unwrap_or(Self::Null))])
    }
}

impl FromIterator<Self> for Val {
    /// Collects an array, and stops when fuel runs out.
    fn from_iter<T: IntoIterator<Item = Self>>(values: T) -> Self {
        let mut items = Vec::new();
        let mut held = Held::new(OVERHEAD);
        for value in values {
            if items.len() == items.capacity() {
                held.set(OVERHEAD + items.len() * 2 * size_of::<Self>());
            }
            if fuel::step().is_err() {
                break;
            }
            items.push(value);
        }
        drop(held);
        Self::arr(items)
    }
}

impl jaq_core::ValT for Val {
    fn from_num(number: &str) -> ValR<Self> {
        if let Ok(int) = number.parse::<i128>() {
            return Ok(Self::int(int));
        }
        number.parse().map(Self::float).or_else(|_| fail(format!("{number} is not a number")))
    }

    fn from_map<I: IntoIterator<Item = (Self, Self)>>(entries: I) -> ValR<Self> {
        let mut map = Entries::default();
        for (key, value) in entries {
            let Self::Str(key) = key else {
                return fail(format!("Cannot use {} ({}) as object key", key.kind(), brief(&key)));
            };
            map.insert(key, value);
        }
        Ok(Self::obj(map))
    }

    fn key_values(self) -> BoxIter<'static, ValR<(Self, Self), Self>> {
        match self {
            Self::Arr(list) => each(list.items.len(), move |i| (Self::count(i), list.items[i].clone())),
            Self::Obj(table) => each(table.entries.len(), move |i| {
                let entry = table.entries.get_index(i);
                entry.map_or((Self::Null, Self::Null), |(key, value)| (Self::Str(key.clone()), value.clone()))
            }),
            other => box_once(Err(cannot_iterate(&other))),
        }
    }

    fn values(self) -> Box<dyn Iterator<Item = ValR<Self>>> {
        match self {
            Self::Arr(list) => each(list.items.len(), move |i| list.items[i].clone()),
            Self::Obj(table) => each(table.entries.len(), move |i| table.entries[i].clone()),
            other => box_once(Err(cannot_iterate(&other))),
        }
    }

    fn index(self, index: &Self) -> ValR<Self> {
        self.at(index)
    }

    fn range(self, range: Range<&Self>) -> ValR<Self> {
        self.slice(range.start, range.end)
    }

    // Assignments are rewritten before they are compiled, so that the evaluator's own updates are never reached.
    fn map_values<'a, I: Iterator<Item = ValX<'a, Self>>>(self, _: Opt, _: impl Fn(Self) -> I) -> ValX<'a, Self> {
        Err(Error::path_expr(self).into())
    }

    fn map_index<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        _: &Self,
        _: Opt,
        _: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        Err(Error::path_expr(self).into())
    }

    fn map_range<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        _: Range<&Self>,
        _: Opt,
        _: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        Err(Error::path_expr(self).into())
    }

    fn as_bool(&self) -> bool {
        !matches!(self, Self::Null | Self::Bool(false))
    }

    fn into_string(self) -> Self {
        match self {
            Self::Str(_) => self,
            other => other.json().map_or(Self::Null, Self::str),
        }
    }
}

/// Yields each of so many places, a step each, and an error in place of one when fuel runs out.
fn each<T: 'static>(length: usize, get: impl Fn(usize) -> T + 'static) -> BoxIter<'static, ValR<T, Val>> {
    let mut ended = false;
    Box::new((0..length).map_while(move |index| {
        if ended {
            return None;
        }
        let stepped = fuel::step();
        ended = stepped.is_err();
        Some(stepped.map(|()| get(index)).map_err(exhausted))
    }))
}

pub(super) fn cannot_iterate(value: &Val) -> Error {
    Error::new(Val::str(format!("Cannot iterate over {} ({})", value.kind(), brief(value))))
}

/// As errors quote it.
impl fmt::Display for Val {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&brief(self))
    }
}
