//! What can be typed. Every setting has an environment variable `SAGABUS_…`; a flag wins over it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Ties third-party systems together without losing anything: workflows in the Open Workflow DSL, run durably on SQL.
#[derive(Debug, Parser)]
#[command(name = "sagabus", version, about, max_term_width = 100)]
pub(crate) struct Arguments {
    /// What is logged to stderr: a level, or a filter such as `info,sagabus_engine=debug`
    #[arg(long, global = true, value_name = "FILTER", env = "SAGABUS_LOG")]
    pub(crate) log: Option<String>,

    /// The settings file [default: `sagabus.toml` beside the workflow file, then in the working directory]
    #[arg(long, global = true, value_name = "FILE", env = "SAGABUS_CONFIG")]
    pub(crate) config: Option<PathBuf>,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Shows it all in a few seconds, offline: stand-in systems, an order saga, the journal
    Demo,
    /// Runs one workflow to its end in this process
    Run(Run),
    /// Parses, validates and lints workflow files: every problem at once
    Check(Check),
    /// Serves: engine, HTTP API, adapters, and a folder of workflows that is reloaded as it changes
    Serve(Serve),
    /// Puts a start request into a database, for whoever serves it
    Enqueue(Enqueue),
    /// Puts one persistent, retried call into a database, for whoever serves it
    Call(Call),
    /// Looks at instances
    #[command(subcommand)]
    Instances(Instances),
    /// Looks at calls that wait for their next attempt
    #[command(subcommand)]
    Retries(Retries),
    /// Applies migrations to a database
    Migrate(Migrate),
    /// The demo's courier: a program that books a delivery
    #[command(name = "demo-courier", hide = true)]
    DemoCourier {
        /// What the courier is to do
        function: String,
    },
}

/// Where the database is.
#[derive(Debug, Args)]
pub(crate) struct Database {
    /// The database, `sqlite:PATH` [default: `sqlite:sagabus.db`]
    #[arg(long, value_name = "URL", env = "SAGABUS_DB")]
    pub(crate) db: Option<String>,
}

/// How an instance is to be started.
#[derive(Debug, Args)]
pub(crate) struct Begin {
    /// Starting twice with the same key starts once [default: a random key]
    #[arg(long, value_name = "KEY", env = "SAGABUS_KEY")]
    pub(crate) key: Option<String>,

    /// When it must have ended: an RFC 3339 time, or an ISO 8601 duration from now such as `PT10M`
    #[arg(long, value_name = "TIME", env = "SAGABUS_DEADLINE")]
    pub(crate) deadline: Option<String>,
}

/// What adapters are told.
#[derive(Debug, Args)]
pub(crate) struct Hosting {
    /// Only these adapters, by name [default: the built-in ones and those of the settings file]
    #[arg(long, value_name = "NAMES", value_delimiter = ',', env = "SAGABUS_ADAPTERS")]
    pub(crate) adapters: Option<Vec<String>>,

    /// A file of secrets
    #[arg(long, value_name = "FILE", env = "SAGABUS_SECRETS")]
    pub(crate) secrets: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The workflow; the other workflow files of its folder are there for sub-flows
    pub(crate) file: PathBuf,

    /// Its input: inline JSON, `@FILE` (JSON or YAML), or `-` for stdin
    #[arg(long, value_name = "X", env = "SAGABUS_INPUT", allow_hyphen_values = true)]
    pub(crate) input: Option<String>,

    /// Keeps it in this database, `sqlite:PATH` [default: a temporary one]
    #[arg(long, value_name = "URL", env = "SAGABUS_DB")]
    pub(crate) db: Option<String>,

    /// Prints the whole report as JSON, not the output alone
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) begin: Begin,

    #[command(flatten)]
    pub(crate) hosting: Hosting,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Workflow files, or folders that are searched for them
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,

    /// Prints the problems as a JSON array on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) database: Database,

    /// The bus, `embedded:` [default: `embedded:`, in this process]
    #[arg(long, value_name = "URL", env = "SAGABUS_BUS")]
    pub(crate) bus: Option<String>,

    /// Where the HTTP API listens: a loopback address [default: 127.0.0.1:7300]
    #[arg(long, value_name = "ADDRESS", env = "SAGABUS_LISTEN")]
    pub(crate) listen: Option<String>,

    /// A folder of workflows: deployed at the start and as they change
    #[arg(long, value_name = "DIR", env = "SAGABUS_WORKFLOWS")]
    pub(crate) workflows: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) hosting: Hosting,
}

#[derive(Debug, Args)]
pub(crate) struct Enqueue {
    /// `name`, `namespace/name` or `namespace/name:version` of a deployed workflow
    pub(crate) workflow: String,

    /// Its input: inline JSON, `@FILE` (JSON or YAML), or `-` for stdin
    #[arg(long, value_name = "X", env = "SAGABUS_INPUT", allow_hyphen_values = true)]
    pub(crate) input: Option<String>,

    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Debug, Args)]
pub(crate) struct Call {
    /// `function@adapter`, or `function:version@adapter`
    pub(crate) function: String,

    /// Its arguments, an object: inline JSON, `@FILE` (JSON or YAML), or `-` for stdin
    #[arg(long, value_name = "X", env = "SAGABUS_WITH", allow_hyphen_values = true)]
    pub(crate) with: Option<String>,

    #[command(flatten)]
    pub(crate) sending: Sending,
}

/// What `enqueue` and `call` share.
#[derive(Debug, Args)]
pub(crate) struct Sending {
    #[command(flatten)]
    pub(crate) database: Database,

    #[command(flatten)]
    pub(crate) begin: Begin,

    /// Waits for its end and prints it as `run` does
    #[arg(long)]
    pub(crate) wait: bool,

    /// Prints JSON: the whole report with `--wait`, else the instance's id, key and status
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Instances {
    /// Lists instances, newest first
    List(ListInstances),
    /// Tells one instance's journal
    Show(ShowInstance),
}

#[derive(Debug, Args)]
pub(crate) struct ListInstances {
    #[command(flatten)]
    pub(crate) database: Database,

    /// Only of this workflow: `name` or `namespace/name`
    #[arg(long, value_name = "NAME")]
    pub(crate) workflow: Option<String>,

    /// Only with this status: pending, running, waiting, completed, faulted or cancelled
    #[arg(long)]
    pub(crate) status: Option<String>,

    /// At most so many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,

    /// Those that started before this instance: the last one of the page before
    #[arg(long, value_name = "ID")]
    pub(crate) before: Option<String>,

    /// Prints a JSON array
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ShowInstance {
    /// Id of the instance
    pub(crate) id: String,

    #[command(flatten)]
    pub(crate) database: Database,

    /// Prints the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Retries {
    /// Lists calls that wait for their next attempt, next attempt first
    List(ListRetries),
}

#[derive(Debug, Args)]
pub(crate) struct ListRetries {
    #[command(flatten)]
    pub(crate) database: Database,

    /// At most so many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,

    /// Prints a JSON array
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Migrate {
    #[command(flatten)]
    pub(crate) database: Database,
}
