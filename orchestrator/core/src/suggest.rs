//! "Did you mean": the known word that a misspelt one was most likely meant to be.

/// The candidate nearest to `word`, if one is near enough to be worth naming.
///
/// Near is an edit distance (insert, delete, replace, or swap two neighbours) of at most a third of the longer word's
/// length, at least one and at most three; a candidate that differs in case only is always near. Of equally near
/// candidates the first wins. A candidate that equals `word` is never an answer.
#[must_use]
pub fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let letters: Vec<char> = word.chars().collect();
    let mut best: Option<(usize, &'a str)> = None;
    for candidate in candidates {
        if candidate == word {
            continue;
        }
        let other: Vec<char> = candidate.chars().collect();
        let allowed = (letters.len().max(other.len()) / 3).clamp(1, MAXIMUM_DISTANCE);
        let distance = if candidate.eq_ignore_ascii_case(word) {
            0
        } else if letters.len().abs_diff(other.len()) > allowed {
            continue;
        } else {
            distance(&letters, &other)
        };
        // A word of one letter is at distance one of every other: that is no likeness.
        let alike = distance < letters.len().max(other.len()).max(2) && (distance == 0 || letters.len() > 1);
        if alike && distance <= allowed && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Beyond three edits a suggestion puzzles more often than it helps.
const MAXIMUM_DISTANCE: usize = 3;

/// Optimal string alignment: Levenshtein's distance with swaps of neighbours.
fn distance(left: &[char], right: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for (row, a) in left.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, b) in right.iter().enumerate() {
            let replaced = above[column] + usize::from(a != b);
            let mut least = replaced.min(above[column + 1] + 1).min(current[column] + 1);
            let swapped = row > 0 && column > 0 && left[row - 1] == *b && right[column - 1] == *a;
            if swapped {
                least = least.min(before[column - 1] + 1);
            }
            current.push(least);
        }
        before = std::mem::replace(&mut above, current);
    }
    above[right.len()]
}

#[cfg(test)]
mod tests {
    use super::closest;

    #[test]
    fn names_the_nearest_word() {
        let words = ["input", "output", "context", "workflow", "task"];
        assert_eq!(closest("inptu", words), Some("input"));
        assert_eq!(closest("otput", words), Some("output"));
        assert_eq!(closest("Task", words), Some("task"));
        assert_eq!(closest("contxt", words), Some("context"));
        assert_eq!(closest("to_entires", ["to_entries", "from_entries"]), Some("to_entries"));
    }

    #[test]
    fn is_silent_when_nothing_is_near() {
        assert_eq!(closest("frobnicate", ["input", "output"]), None);
        assert_eq!(closest("x", ["y", "z"]), None);
        assert_eq!(closest("", ["a"]), None);
        assert_eq!(closest("input", ["input"]), None, "a word is no suggestion for itself");
    }

    #[test]
    fn the_first_of_equals_wins() {
        assert_eq!(closest("bat", ["cat", "hat"]), Some("cat"));
    }
}
