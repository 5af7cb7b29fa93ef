//! Workflow files in folders.

use std::path::{Path, PathBuf};

/// How deep folders are searched: deeper is a mistake, or a loop.
const DEEPEST_FOLDER: usize = 16;

/// Largest file that is looked at as a workflow, in bytes. The parser has its own, smaller limit, and says so.
const LARGEST_FILE: u64 = 16 * 1024 * 1024;

/// The workflow files below a folder, sorted: `*.yaml`, `*.yml` and `*.json` that have a `document`. Hidden folders are
/// skipped.
pub(crate) fn below(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    search(folder, DEEPEST_FOLDER, &mut found)?;
    found.sort();
    Ok(found)
}

/// The workflow files beside a file, without itself and without folders below, sorted.
pub(crate) fn beside(file: &Path) -> std::io::Result<Vec<PathBuf>> {
    let folder = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut found = Vec::new();
    search(folder, 0, &mut found)?;
    found.retain(|other| other.file_name() != file.file_name());
    found.sort();
    // As the user would write it.
    Ok(found.into_iter().map(|path| path.strip_prefix(".").map(Path::to_owned).unwrap_or(path)).collect())
}

fn search(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        // Follows symbolic links to files (mounted configuration is made of them), not to folders.
        if entry.file_type()?.is_dir() {
            if depth > 0 && !hidden {
                search(&path, depth - 1, found)?;
            }
        } else if !hidden && is_workflow(&path) {
            found.push(path);
        }
    }
    Ok(())
}

/// Whether a file of a folder is meant as a workflow: folders hold inputs and settings too. A file that somebody names
/// is taken as it is.
pub(crate) fn is_workflow(path: &Path) -> bool {
    let suffix = path.extension().and_then(|suffix| suffix.to_str());
    let readable = path.metadata().is_ok_and(|file| file.is_file() && file.len() <= LARGEST_FILE);
    if !matches!(suffix, Some("yaml" | "yml" | "json")) || !readable {
        return false;
    }
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    // A text search, because a file that does not parse is still meant as one.
    text.lines().any(|line| line.starts_with("document:") || line.contains("\"document\""))
}

#[cfg(test)]
mod tests {
    use super::{below, beside};

    #[test]
    fn folders_are_searched_for_workflows_only() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("deep/.git")).unwrap();
        for (file, text) in [
            ("a.yaml", "document:\n  dsl: 1.0.3\n"),
            ("broken.yml", "document: [\n"),
            ("input.json", "{\"order\": 1}"),
            ("notes.md", "document:\n"),
            ("deep/b.json", "{\n  \"document\": {}}"),
            ("deep/.git/c.yaml", "document:\n"),
        ] {
            std::fs::write(root.join(file), text).unwrap();
        }
        assert_eq!(below(root).unwrap(), [root.join("a.yaml"), root.join("broken.yml"), root.join("deep/b.json")]);
        assert_eq!(beside(&root.join("a.yaml")).unwrap(), [root.join("broken.yml")]);
    }
}
