//! Starting a process, feeding it, and making sure that nothing of it is left.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io,
    os::unix::process::ExitStatusExt as _,
    path::PathBuf,
    process::{ExitStatus, Stdio},
};

use process_wrap::tokio::{ChildWrapper, CommandWrap, KillOnDrop, ProcessGroup};
use sagabus_adapter_sdk::{Call, Failure, Standard};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};

/// The most that a process may write to an output that is given back, in bytes; more than fits into an envelope anyway.
pub(crate) const LARGEST_OUTPUT: usize = 1024 * 1024;

/// How much of the end of its error output is told when it fails.
const TAIL_SHOWN_BYTES: usize = 2048;

/// A process to be.
pub(crate) struct Command {
    /// An absolute path, or a name that is looked up in `PATH`.
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) input: Vec<u8>,
    /// `None` = the worker's own.
    pub(crate) directory: Option<PathBuf>,
    /// Which of its outputs are given back. Of the others only the end is kept, however much it writes.
    pub(crate) wanted: Wanted,
}

/// Which outputs of a process are given back.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) output: bool,
    pub(crate) errors: bool,
}

/// A process that was.
pub(crate) struct Finished {
    /// Its exit code; 128 and the signal's number if a signal ended it, as shells tell it.
    pub(crate) code: i32,
    pub(crate) output: Vec<u8>,
    pub(crate) errors: Vec<u8>,
}

impl Finished {
    /// The end of its error output, as ` : text`, or nothing.
    pub(crate) fn tail(&self) -> String {
        let start = self.errors.len().saturating_sub(TAIL_SHOWN_BYTES);
        let text = String::from_utf8_lossy(&self.errors[start..]);
        let text = text.trim();
        if text.is_empty() { String::new() } else { format!(": {text}") }
    }
}

/// The environment of a process: `PATH`, then what these maps add, then what we tell it about its call. That comes last: a
/// workflow cannot make a process believe in another key.
pub(crate) fn environment(added: &[&BTreeMap<String, String>], call: &Call) -> BTreeMap<String, String> {
    let mut environment = BTreeMap::new();
    if let Ok(path) = std::env::var("PATH") {
        environment.insert("PATH".to_owned(), path);
    }
    for added in added {
        environment.extend((*added).clone());
    }
    environment.insert("SAGABUS_IDEMPOTENCY_KEY".to_owned(), call.key.clone());
    environment.insert("SAGABUS_ATTEMPT".to_owned(), call.attempt.to_string());
    environment.insert("SAGABUS_BUDGET_MS".to_owned(), call.budget.as_millis().to_string());
    if let Some(deadline) = call.deadline {
        environment.insert("SAGABUS_DEADLINE".to_owned(), deadline.to_string());
    }
    environment
}

/// Runs a process to its end. If this is dropped, the process and all of its group are killed.
///
/// # Errors
/// It could not be started (without effect), or it wrote too much or got lost (effect unknown).
pub(crate) async fn execute(command: Command) -> Result<Finished, Failure> {
    let name = command.program.display().to_string();
    let mut group = start(&command).map_err(|error| {
        Failure::without_effect(Standard::Configuration, format!("`{name}` cannot be started: {error}"))
    })?;
    let (stdin, stdout, stderr) = (group.0.stdin().take(), group.0.stdout().take(), group.0.stderr().take());
    let feed = async {
        if let Some(mut stdin) = stdin {
            // A program that does not read all of its input closes it: its own business.
            let _ = stdin.write_all(&command.input).await;
        }
        Ok(())
    };
    let ended = async {
        let status = group.0.wait().await;
        // What it left behind in its group would hold the pipes open.
        group.kill();
        status
    };
    let ((), status, output, errors) =
        tokio::try_join!(feed, ended, read(stdout, command.wanted.output), read(stderr, command.wanted.errors))
            .map_err(|error| Failure::unknown(Standard::Runtime, format!("`{name}`: {error}")))?;
    Ok(Finished { code: code(status), output, errors })
}

/// A process group, killed when dropped.
struct Group(Box<dyn ChildWrapper>);

impl Group {
    fn kill(&mut self) {
        // An error says that there is nobody left.
        let _ = self.0.start_kill();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

fn start(command: &Command) -> io::Result<Group> {
    let mut wrapped = CommandWrap::with_new(&command.program, |process| {
        process
            .args(&command.arguments)
            .env_clear()
            .envs(&command.environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(directory) = &command.directory {
            process.current_dir(directory);
        }
    });
    Ok(Group(wrapped.wrap(ProcessGroup::leader()).wrap(KillOnDrop).spawn()?))
}

/// All that comes through a pipe, or the end of it.
async fn read(pipe: Option<impl AsyncRead + Unpin>, wanted: bool) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let Some(mut pipe) = pipe else { return Ok(bytes) };
    if !wanted {
        while pipe.read_buf(&mut bytes).await? > 0 {
            bytes.drain(..bytes.len().saturating_sub(TAIL_SHOWN_BYTES));
        }
    } else {
        pipe.take(LARGEST_OUTPUT as u64 + 1).read_to_end(&mut bytes).await?;
    }
    if bytes.len() > LARGEST_OUTPUT {
        return Err(io::Error::other(format!("it wrote more than {LARGEST_OUTPUT} bytes, and was killed")));
    }
    Ok(bytes)
}

fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}
