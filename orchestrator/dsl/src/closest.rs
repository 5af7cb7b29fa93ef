//! Which of some names was probably meant.

/// The name nearest to `name` by edits (insert, delete, replace, swap of neighbours), if it is near enough to be a slip:
/// at most a third of the letters differ, or only their case.
pub(crate) fn closest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (name.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|other| (distance(&name.to_lowercase(), &other.to_lowercase()), other))
        .filter(|(edits, other)| *edits <= allowed && *edits < other.chars().count())
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, other)| other)
}

/// Edits between two words, with swaps of neighbours counted once (optimal string alignment).
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().collect();
    let right: Vec<char> = right.chars().collect();
    // A longer word than this is no slip of another one, and the table below would be large.
    const LETTERS_MAX: usize = 64;
    if left.len().max(right.len()) > LETTERS_MAX {
        return usize::MAX;
    }
    let mut table = vec![vec![0usize; right.len() + 1]; left.len() + 1];
    for (row, cells) in table.iter_mut().enumerate() {
        cells[0] = row;
    }
    table[0] = (0..=right.len()).collect();
    for row in 1..=left.len() {
        for column in 1..=right.len() {
            let replace = table[row - 1][column - 1] + usize::from(left[row - 1] != right[column - 1]);
            let mut edits = replace.min(table[row - 1][column] + 1).min(table[row][column - 1] + 1);
            let swapped =
                row > 1 && column > 1 && left[row - 1] == right[column - 2] && left[row - 2] == right[column - 1];
            if swapped {
                edits = edits.min(table[row - 2][column - 2] + 1);
            }
            table[row][column] = edits;
        }
    }
    table[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::closest;

    #[test]
    fn slips_are_found_and_other_words_are_not() {
        assert_eq!(closest("compnsate", ["call", "compensate"]), Some("compensate"));
        assert_eq!(closest("exceptwhen", ["when", "exceptWhen"]), Some("exceptWhen"));
        assert_eq!(closest("fi", ["if", "do"]), Some("if"));
        assert_eq!(closest("retries", ["secrets", "timeouts"]), None);
        assert_eq!(closest("x", ["y"]), None);
    }
}
