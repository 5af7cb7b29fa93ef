//! `sagabus.toml`: the same settings as flags and environment name, which win over it; and the adapters' configuration,
//! which has no other place.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{exit::Refused, input};

/// Name of the settings file.
const FILE_NAME: &str = "sagabus.toml";

/// Where the database is if nobody says.
pub(crate) const DEFAULT_DATABASE: &str = "sqlite:sagabus.db";
/// Which bus if nobody says.
pub(crate) const DEFAULT_BUS: &str = "embedded:";
/// Where the HTTP API listens if nobody says.
pub(crate) const DEFAULT_LISTEN: &str = "127.0.0.1:7300";

/// What a settings file says.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// `db`: URL of the database.
    pub(crate) db: Option<String>,
    /// `bus`: URL of the bus.
    pub(crate) bus: Option<String>,
    /// `listen`: address of the HTTP API.
    pub(crate) listen: Option<String>,
    /// `workflows`: the folder of workflows, relative to the settings file.
    pub(crate) workflows: Option<PathBuf>,
    /// `secrets`: the file of secrets, relative to the settings file.
    pub(crate) secrets: Option<PathBuf>,
    /// `[adapters.NAME]`: what each adapter is and may do.
    #[serde(default)]
    pub(crate) adapters: Map<String, Value>,
    /// The folder of the file: what its paths are relative to.
    #[serde(skip)]
    pub(crate) folder: PathBuf,
}

impl Settings {
    /// Reads the settings file: the one that was named, else `sagabus.toml` beside the workflow file, else in the working
    /// directory. None is fine.
    pub(crate) fn read(named: Option<&Path>, workflow: Option<&Path>) -> Result<Self, Refused> {
        let beside = workflow.and_then(Path::parent).map(|folder| folder.join(FILE_NAME));
        let file = match named {
            Some(named) => Some(named.to_owned()),
            None => beside.into_iter().chain([PathBuf::from(FILE_NAME)]).find(|file| file.is_file()),
        };
        file.map_or_else(|| Ok(Self::default()), |file| Self::from_file(&file))
    }

    fn from_file(file: &Path) -> Result<Self, Refused> {
        let text = input::text_of(file)?;
        let mut settings: Self = toml::from_str(&text)
            .map_err(|error| Refused::wrong(format!("{} is no valid settings file: {error}", file.display())))?;
        let folder = file.parent().unwrap_or(Path::new(""));
        settings.workflows = settings.workflows.map(|path| folder.join(path));
        settings.secrets = settings.secrets.map(|path| folder.join(path));
        settings.folder = folder.to_owned();
        Ok(settings)
    }

    /// The database: the flag (or its environment variable), else the file, else the default.
    pub(crate) fn database(&self, flag: Option<&str>) -> String {
        flag.or(self.db.as_deref()).unwrap_or(DEFAULT_DATABASE).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::Settings;

    #[test]
    fn a_flag_wins_over_the_file_and_paths_are_relative_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sagabus.toml");
        std::fs::write(&file, "db = \"sqlite:of-the-file.db\"\nworkflows = \"flows\"\n").unwrap();
        let settings = Settings::read(None, Some(&folder.path().join("order.yaml"))).unwrap();
        assert_eq!(settings.database(None), "sqlite:of-the-file.db");
        assert_eq!(settings.database(Some("sqlite:of-the-flag.db")), "sqlite:of-the-flag.db");
        assert_eq!(settings.workflows, Some(folder.path().join("flows")));
    }

    #[test]
    fn an_unknown_setting_is_refused_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sagabus.toml");
        std::fs::write(&file, "\ndatabase = \"x\"\n").unwrap();
        let text = Settings::read(Some(&file), None).unwrap_err().text;
        assert!(text.contains("sagabus.toml") && text.contains("line 2") && text.contains("database"), "{text}");
    }
}
