//! The adapter `process`: the functions `shell` and `script`, with the meaning of the DSL's `run`.

use std::{collections::BTreeMap, ffi::OsString, io, path::PathBuf, time::Duration};

use sagabus_adapter_sdk::{Adapter, Call, Failure, Function, Idempotency, Manifest, Standard, Unknown, async_trait};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::execute::{Command, Finished, Wanted, environment, execute};

/// `run: shell` and `run: script`.
pub struct ProcessAdapter {
    settings: ProcessSettings,
}

/// What the adapter `process` may do. By default: nothing.
#[derive(Clone, Debug)]
pub struct ProcessSettings {
    /// Whether `shell` runs commands: whoever writes a workflow then commands this machine.
    pub shell: bool,
    /// Whether `script` runs JavaScript and Python: no less.
    pub script: bool,
    /// Variables that every process has, beside `PATH` and those of its call.
    pub environment: BTreeMap<String, String>,
    /// Where processes begin; `None` = where the worker did.
    pub directory: Option<PathBuf>,
    /// Longest time a process may take; a task's own timeout may be shorter.
    pub timeout: Duration,
    /// Processes at once; `None` = the worker's default.
    pub concurrency: Option<usize>,
}

impl Default for ProcessSettings {
    fn default() -> Self {
        Self {
            shell: false,
            script: false,
            environment: BTreeMap::new(),
            directory: None,
            // Programs take their time more often than services do.
            timeout: Duration::from_secs(15 * 60),
            concurrency: None,
        }
    }
}

#[derive(Deserialize)]
struct Shell {
    command: String,
    #[serde(flatten)]
    common: Common,
}

#[derive(Deserialize)]
struct Script {
    language: Language,
    code: String,
    #[serde(flatten)]
    common: Common,
}

#[derive(Deserialize)]
struct Common {
    #[serde(default)]
    arguments: Arguments,
    #[serde(default)]
    environment: Option<Map<String, Value>>,
    #[serde(default)]
    stdin: Value,
    #[serde(default, rename = "return")]
    gives: Option<Gives>,
}

/// A list is the process's argument vector; a map becomes variables.
#[derive(Deserialize)]
#[serde(untagged)]
enum Arguments {
    Listed(Vec<Value>),
    Named(Map<String, Value>),
    Absent(()),
}

impl Default for Arguments {
    fn default() -> Self {
        Self::Absent(())
    }
}

#[derive(Clone, Copy, Deserialize)]
enum Language {
    #[serde(rename = "js", alias = "javascript")]
    JavaScript,
    #[serde(rename = "python")]
    Python,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Gives {
    #[default]
    Stdout,
    Stderr,
    Code,
    All,
    None,
}

impl Gives {
    fn wanted(self) -> Wanted {
        let all = self == Self::All;
        Wanted { output: all || self == Self::Stdout, errors: all || self == Self::Stderr }
    }
}

impl ProcessAdapter {
    /// An adapter that may do what its settings say.
    #[must_use]
    pub fn new(settings: ProcessSettings) -> Self {
        Self { settings }
    }

    fn check_open(&self, function: &str) -> Result<(), Failure> {
        let open = match function {
            "shell" => self.settings.shell,
            _ => self.settings.script,
        };
        if open {
            return Ok(());
        }
        Err(Failure::without_effect(
            Standard::Authorization,
            format!(
                "this worker runs no {function} commands; whoever operates it can allow them with `{function} = true` \
                 in `[adapters.process]`, or declare the program as an adapter of its own with `type = \"program\"`"
            ),
        ))
    }

    fn command(
        &self,
        program: &str,
        arguments: Vec<OsString>,
        common: &Common,
        call: &Call,
    ) -> Result<Command, Failure> {
        let mut own = BTreeMap::new();
        if let (Arguments::Named(variables), "shell") = (&common.arguments, call.function.as_str()) {
            own.extend(variables.iter().map(|(name, value)| (name.clone(), text(value))));
        }
        let variables = common.environment.iter().flatten().filter(|(_, value)| !value.is_null());
        own.extend(variables.map(|(name, value)| (name.clone(), text(value))));
        if let Some(name) = own.keys().find(|name| name.is_empty() || name.contains(['=', '\0'])) {
            return Err(invalid(format!("`{name}` cannot be the name of an environment variable")));
        }
        Ok(Command {
            program: PathBuf::from(program),
            arguments,
            environment: environment(&[&self.settings.environment, &own], call),
            input: input(&common.stdin),
            directory: self.settings.directory.clone(),
            wanted: common.gives.unwrap_or_default().wanted(),
        })
    }

    async fn shell(&self, call: Call) -> Result<Value, Failure> {
        let Shell { command, common } = read(&call)?;
        // `sh -c command name arguments…`: the shell parses the command and nothing else.
        let mut arguments: Vec<OsString> = vec!["-c".into(), command.into(), "sh".into()];
        arguments.extend(listed(&common.arguments));
        finish(execute(self.command("/bin/sh", arguments, &common, &call)?).await?, common.gives.unwrap_or_default())
    }

    async fn script(&self, call: Call) -> Result<Value, Failure> {
        let Script { language, code, common } = read(&call)?;
        let unwritable = |error: io::Error| {
            Failure::without_effect(
                Standard::Runtime,
                format!("the script could not be written to a temporary file: {error}"),
            )
        };
        let folder = tempfile::Builder::new().prefix("sagabus-script-").tempdir().map_err(unwritable)?;
        let (program, mut arguments) = lay_out(&folder, language, &code, &common.arguments).map_err(unwritable)?;
        arguments.extend(listed(&common.arguments));
        let finished = execute(self.command(program, arguments, &common, &call)?).await;
        drop(folder);
        finish(finished?, common.gives.unwrap_or_default())
    }
}

#[async_trait]
impl Adapter for ProcessAdapter {
    fn manifest(&self) -> Manifest {
        let function = |name: &str, description: &str, properties: Value, required: Value| {
            let mut function = Function::new(name, description);
            function.input = input_schema(properties, required);
            function.timeout = self.settings.timeout;
            // A process is told the key; whether it heeds it is its own business.
            function.idempotency = Idempotency::None;
            function.unknown = Unknown::ByKey;
            function
        };
        let shell =
            function("shell", "Runs a shell command.", json!({ "command": { "type": "string" } }), json!(["command"]));
        let script = function(
            "script",
            "Runs a script in JavaScript or Python.",
            json!({ "language": { "enum": ["js", "javascript", "python"] }, "code": { "type": "string" } }),
            json!(["language", "code"]),
        );
        Manifest {
            name: "process".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            functions: vec![shell, script],
            concurrency: self.settings.concurrency,
        }
    }

    async fn call(&self, call: Call) -> Result<Value, Failure> {
        self.check_open(&call.function)?;
        match call.function.as_str() {
            "shell" => self.shell(call).await,
            "script" => self.script(call).await,
            other => Err(Failure::without_effect(
                Standard::Configuration,
                format!("adapter `process` has no function `{other}`; it has `shell` and `script`"),
            )),
        }
    }
}

/// Writes script and variables to files; gives the interpreter and its first arguments. The author's code stands alone in
/// its file, so that the line numbers of its errors are right.
fn lay_out(
    folder: &TempDir,
    language: Language,
    code: &str,
    arguments: &Arguments,
) -> io::Result<(&'static str, Vec<OsString>)> {
    let write = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).map(|()| path.into_os_string())
    };
    let variables = match arguments {
        Arguments::Named(variables) => Some(write("variables.json", &Value::Object(variables.clone()).to_string())?),
        _ => None,
    };
    Ok(match (language, variables) {
        (Language::JavaScript, None) => ("node", vec![write("script.js", code)?]),
        (Language::JavaScript, Some(_)) => {
            let before = write("variables.js", "Object.assign(globalThis, require('./variables.json'));\n")?;
            ("node", vec!["--require".into(), before, write("script.js", code)?])
        }
        (Language::Python, None) => ("python3", vec![write("script.py", code)?]),
        (Language::Python, Some(variables)) => {
            let runner = "import json, runpy, sys\n\
                          with open(sys.argv[1]) as file:\n    variables = json.load(file)\n\
                          sys.argv = sys.argv[2:]\n\
                          runpy.run_path(sys.argv[0], init_globals=variables, run_name='__main__')\n";
            ("python3", vec![write("run.py", runner)?, variables, write("script.py", code)?])
        }
    })
}

fn finish(finished: Finished, gives: Gives) -> Result<Value, Failure> {
    let Finished { code, output, errors } = &finished;
    if *code != 0 && !matches!(gives, Gives::Code | Gives::All) {
        let tail = finished.tail();
        return Err(Failure::unknown(Standard::Runtime, format!("the process ended with exit code {code}{tail}")));
    }
    Ok(match gives {
        Gives::Stdout => lossy(output),
        Gives::Stderr => lossy(errors),
        Gives::Code => json!(code),
        Gives::All => json!({ "code": code, "stdout": lossy(output), "stderr": lossy(errors) }),
        Gives::None => Value::Null,
    })
}

/// What a process writes is text to the DSL, trailing newline and all; bytes that are no UTF-8 become U+FFFD.
fn lossy(bytes: &[u8]) -> Value {
    Value::String(String::from_utf8_lossy(bytes).into_owned())
}

fn listed(arguments: &Arguments) -> Vec<OsString> {
    match arguments {
        Arguments::Listed(values) => values.iter().map(|value| text(value).into()).collect(),
        Arguments::Named(_) | Arguments::Absent(()) => Vec::new(),
    }
}

/// Text as it is, null as nothing, everything else as JSON.
fn input(stdin: &Value) -> Vec<u8> {
    if stdin.is_null() { Vec::new() } else { text(stdin).into_bytes() }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn read<T: serde::de::DeserializeOwned>(call: &Call) -> Result<T, Failure> {
    serde_json::from_value(call.arguments.clone())
        .map_err(|error| invalid(format!("the arguments of `{}` do not fit: {error}", call.function)))
}

fn invalid(detail: String) -> Failure {
    Failure::without_effect(Standard::Validation, detail)
}

fn input_schema(own: Value, required: Value) -> Value {
    let mut properties = json!({
        "arguments": { "type": ["array", "object", "null"] },
        "environment": { "type": ["object", "null"], "additionalProperties": { "type": ["string", "number", "boolean", "null"] } },
        "stdin": true,
        "return": { "enum": ["stdout", "stderr", "code", "all", "none", null] },
    });
    if let (Value::Object(properties), Value::Object(own)) = (&mut properties, own) {
        properties.extend(own);
    }
    json!({ "type": "object", "required": required, "additionalProperties": false, "properties": properties })
}
