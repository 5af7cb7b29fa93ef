//! Which deployed workflow a user means.

use sagabus_core::id::WorkflowName;
use sagabus_ports::{Deployment, Filter};

use crate::exit::Refused;

/// How many names an error lists before it says that there are more.
const NAMES_LISTED: usize = 20;

/// A workflow as users name it: `name`, `namespace/name` or `namespace/name:version`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Wanted {
    namespace: Option<String>,
    name: String,
    version: Option<String>,
}

impl Wanted {
    /// Reads it.
    pub(crate) fn parse(text: &str) -> Result<Self, Refused> {
        let (path, version) = match text.split_once(':') {
            Some((path, version)) => (path, Some(version)),
            None => (text, None),
        };
        let (namespace, name) = match path.split_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, path),
        };
        let empty = name.is_empty() || namespace.is_some_and(str::is_empty) || version.is_some_and(str::is_empty);
        if empty || name.contains('/') {
            let forms = "`name`, `namespace/name` or `namespace/name:version`";
            return Err(Refused::wrong(format!("`{text}` names no workflow: write {forms}")));
        }
        Ok(Self { namespace: namespace.map(Into::into), name: name.into(), version: version.map(Into::into) })
    }

    /// The one deployed workflow that is meant: its namespace and name, and its version if one was asked for.
    pub(crate) fn among(&self, deployed: &[Deployment]) -> Result<WorkflowMeant, Refused> {
        let fits = |name: &WorkflowName| {
            self.name == name.name
                && self.namespace.as_ref().is_none_or(|wanted| *wanted == name.namespace)
                && self.version.as_ref().is_none_or(|wanted| *wanted == name.version)
        };
        let mut namespaces: Vec<&str> =
            deployed.iter().filter(|one| fits(&one.name)).map(|one| one.name.namespace.as_str()).collect();
        namespaces.sort_unstable();
        namespaces.dedup();
        match namespaces[..] {
            [namespace] => Ok(WorkflowMeant {
                namespace: namespace.to_owned(),
                name: self.name.clone(),
                version: self.version.clone(),
            }),
            [] => Err(Refused::wrong(format!("no workflow `{self}` is deployed; {}", what_is(deployed)))),
            _ => Err(Refused::wrong(format!(
                "`{self}` is deployed in several namespaces ({}): write `namespace/{}`",
                namespaces.join(", "),
                self.name
            ))),
        }
    }

    /// The filter for a list of this workflow's instances.
    pub(crate) fn filter(self) -> Result<Filter, Refused> {
        if let Some(version) = self.version {
            return Err(Refused::wrong(format!("instances are listed for all versions: leave out `:{version}`")));
        }
        Ok(Filter { namespace: self.namespace, name: Some(self.name), ..Filter::default() })
    }
}

impl std::fmt::Display for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(&self.name)?;
        self.version.as_ref().map_or(Ok(()), |version| write!(f, ":{version}"))
    }
}

/// A workflow that is deployed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct WorkflowMeant {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) version: Option<String>,
}

fn what_is(deployed: &[Deployment]) -> String {
    if deployed.is_empty() {
        return "nothing is: `sagabus serve --workflows DIR` deploys a folder".to_owned();
    }
    let mut names: Vec<String> = deployed.iter().map(|one| one.name.to_string()).collect();
    names.sort();
    let more = names.len().saturating_sub(NAMES_LISTED);
    names.truncate(NAMES_LISTED);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("there is {}{rest}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use sagabus_core::{
        id::{Digest, WorkflowName},
        time::Timestamp,
    };
    use sagabus_ports::Deployment;

    use super::Wanted;

    fn deployed(names: &[(&str, &str, &str)]) -> Vec<Deployment> {
        let one = |(namespace, name, version): &(&str, &str, &str)| Deployment {
            name: WorkflowName { namespace: (*namespace).into(), name: (*name).into(), version: (*version).into() },
            digest: Digest::of(b""),
            source: String::new(),
            deployed_at: Timestamp::default(),
        };
        names.iter().map(one).collect()
    }

    #[test]
    fn a_name_finds_its_namespace() {
        let all = deployed(&[("shop", "order", "1.0.0"), ("shop", "order", "1.1.0"), ("hr", "leave", "1.0.0")]);
        let meant = Wanted::parse("order").unwrap().among(&all).unwrap();
        assert_eq!((meant.namespace.as_str(), meant.version), ("shop", None));
        let meant = Wanted::parse("shop/order:1.0.0").unwrap().among(&all).unwrap();
        assert_eq!(meant.version.as_deref(), Some("1.0.0"));
    }

    #[test]
    fn what_cannot_be_found_is_told_with_what_can() {
        let all = deployed(&[("shop", "order", "1.0.0"), ("test", "order", "1.0.0")]);
        let missing = Wanted::parse("ordr").unwrap().among(&all).unwrap_err().text;
        assert!(missing.contains("`ordr`") && missing.contains("shop/order:1.0.0"), "{missing}");
        let twice = Wanted::parse("order").unwrap().among(&all).unwrap_err().text;
        assert!(twice.contains("shop, test"), "{twice}");
        assert!(Wanted::parse("a/b/c").is_err() && Wanted::parse("order:").is_err());
    }
}
