//! JSON pointers (RFC 6901) of places in the tree.

use std::cmp::Reverse;

use crate::tree::{Content, Node};

/// Finds the pointer of the innermost member that starts at or before an offset.
pub(crate) struct Pointers<'t> {
    members: Vec<Member<'t>>,
    /// Indexes of the members by place; of those at the same place the outermost first.
    order: Vec<usize>,
}

struct Member<'t> {
    start: usize,
    depth: usize,
    /// Index of the member around it, and the name in it; the root has none.
    within: Option<(usize, Segment<'t>)>,
}

#[derive(Clone, Copy)]
enum Segment<'t> {
    Name(&'t str),
    Index(usize),
}

impl<'t> Pointers<'t> {
    pub(crate) fn new(root: &'t Node) -> Self {
        let mut members = vec![Member { start: 0, depth: 0, within: None }];
        collect(root, 0, &mut members);
        let mut order: Vec<usize> = (0..members.len()).collect();
        // What an alias repeats stands where it is defined: the definition comes last, and so is found.
        order.sort_by_key(|index| (members[*index].start, members[*index].depth, Reverse(*index)));
        Self { members, order }
    }

    pub(crate) fn at(&self, offset: usize) -> String {
        let after = self.order.partition_point(|index| self.members[*index].start <= offset);
        let mut segments = Vec::new();
        let mut member = after.checked_sub(1).map_or(0, |last| self.order[last]);
        while let Some((parent, segment)) = self.members[member].within {
            segments.push(segment);
            member = parent;
        }
        let mut pointer = String::new();
        for segment in segments.into_iter().rev() {
            match segment {
                Segment::Name(name) => push_segment(&mut pointer, name),
                Segment::Index(index) => push_segment(&mut pointer, &index.to_string()),
            }
        }
        pointer
    }
}

fn collect<'t>(node: &'t Node, parent: usize, members: &mut Vec<Member<'t>>) {
    let mut add = |child: &'t Node, segment| {
        let start = child.key.map_or(child.span.start, |key| key.start);
        let depth = members[parent].depth + 1;
        members.push(Member { start, depth, within: Some((parent, segment)) });
        collect(child, members.len() - 1, members);
    };
    match &node.content {
        Content::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| add(item, Segment::Index(index)));
        }
        Content::Object(entries) => {
            entries.iter().for_each(|(key, value)| add(value, Segment::Name(&key.name)));
        }
        _ => {}
    }
}

/// Appends a segment to a JSON pointer, escaped.
pub(crate) fn push_segment(pointer: &mut String, segment: &str) {
    pointer.push('/');
    for character in segment.chars() {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            other => pointer.push(other),
        }
    }
}
