//! What people and scripts read: data on stdout, everything else on stderr; tables where stdout is a terminal, plain
//! tab-separated lines elsewhere, JSON where it was asked for.

use std::io::{IsTerminal as _, Write as _};

use sagabus_core::{problem::Problem, report::Report};
use serde::Serialize;

/// Longest cell of a table in characters: what is longer is for `--json`.
const WIDEST_CELL: usize = 60;

/// Writes data to stdout. A reader that went away (`| head`) is no error of ours.
pub(crate) fn data(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
}

/// Writes a line for people to stderr.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Writes text for people to stderr as it stands.
pub(crate) fn raw_note(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = write!(stderr, "{text}").and_then(|()| stderr.flush());
}

/// Writes a value to stdout as JSON: indented for people, on one line for programs.
pub(crate) fn json(value: &impl Serialize) {
    let text = if std::io::stdout().is_terminal() {
        serde_json::to_string_pretty(value)
    } else {
        serde_json::to_string(value)
    };
    // Only maps whose keys are no text fail, and none of ours has them.
    data(&text.unwrap_or_default());
}

/// Whether stderr shows colours: a terminal whose user did not say `NO_COLOR`.
pub(crate) fn errors_in_colour() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Writes rows to stdout: a table with a header for people, tab-separated lines without one for programs.
pub(crate) fn rows(header: &[&str], rows: &[Vec<String>]) {
    let text = if std::io::stdout().is_terminal() { table(header, rows) } else { plain(rows) };
    if !text.is_empty() {
        data(&text);
    }
}

fn plain(rows: &[Vec<String>]) -> String {
    let line = |row: &Vec<String>| row.iter().map(|cell| printable(cell)).collect::<Vec<_>>().join("\t");
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let cells: Vec<Vec<String>> = std::iter::once(header.iter().map(|name| (*name).to_owned()).collect())
        .chain(rows.iter().map(|row| row.iter().map(|cell| shortened(cell)).collect()))
        .collect();
    let width = |column: usize| cells.iter().map(|row: &Vec<String>| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let padded: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    cells.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn shortened(cell: &str) -> String {
    let cell = printable(cell);
    if cell.chars().count() <= WIDEST_CELL {
        return cell;
    }
    cell.chars().take(WIDEST_CELL - 1).chain(['…']).collect()
}

/// The text without what could break a line or command a terminal: a row is a line, whatever a third party says.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

/// Prints how an instance ended, as `run` does: the output alone (or, with `json`, the report) on stdout; an error on
/// stderr.
pub(crate) fn end(report: &Report, json_wanted: bool) {
    if json_wanted {
        json(report);
    } else if let Some(output) = &report.output {
        json(output);
    }
    if let Some(error) = &report.error {
        note(&format!("{}: {}", report.status, problem(error)));
    } else if report.output.is_none() {
        note(&report.status);
    }
}

/// A problem in a line: `Communication error (503) at /do/1/charge: the detail`.
pub(crate) fn problem(problem: &Problem) -> String {
    let mut text = problem.title.clone().unwrap_or_else(|| problem.kind.clone());
    text.push_str(&format!(" ({})", problem.status));
    if let Some(place) = problem.instance.as_ref().filter(|place| !place.is_empty()) {
        text.push_str(&format!(" at {place}"));
    }
    if let Some(detail) = &problem.detail {
        text.push_str(&format!(": {detail}"));
    }
    printable(&text)
}

#[cfg(test)]
mod tests {
    use super::{plain, table};

    #[test]
    fn a_table_aligns_and_shortens_and_plain_lines_do_not() {
        let rows = vec![vec!["a".to_owned(), "x".repeat(80)], vec!["long".to_owned(), "line\nbreak".to_owned()]];
        let drawn = table(&["one", "two"], &rows);
        let lines: Vec<&str> = drawn.lines().collect();
        assert_eq!(lines[0], "one   two");
        assert_eq!(lines[1], format!("a     {}…", "x".repeat(59)));
        assert_eq!(lines[2], "long  line break");
        assert_eq!(plain(&rows), format!("a\t{}\nlong\tline break", "x".repeat(80)));
    }
}
