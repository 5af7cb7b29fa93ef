//! Starts the binary in a folder of its own and waits for what it says. Nothing here waits for a time: every wait is
//! for a state, and [`PATIENCE`] is when a test gives up.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::Once,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader},
    process::{Child, Command},
    sync::mpsc,
    time::timeout,
};

/// When a test gives up. Far longer than anything takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A folder in which the binary runs.
pub(crate) struct Place {
    folder: TempDir,
}

/// A process that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file, its folders included.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("the folder is created");
        std::fs::write(&path, text).expect("the file is written");
        path
    }

    /// Lets `call: http` of workflows that `serve` runs reach this machine, which it may not by itself.
    pub(crate) fn allow_this_machine(&self) {
        self.file("sagabus.toml", "[adapters.http]\nallow = [\"127.0.0.1\"]\n");
    }

    /// Runs the binary to its end.
    pub(crate) async fn sagabus(&self, arguments: &[&str]) -> Ended {
        let output = timeout(PATIENCE, self.command(arguments).output()).await.expect("it ends").expect("it starts");
        Ended {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("stdout is text"),
            stderr: String::from_utf8(output.stderr).expect("stderr is text"),
        }
    }

    /// Starts the binary and listens to it.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        let mut child = self.command(arguments).spawn().expect("it starts");
        let (say, lines) = mpsc::unbounded_channel();
        listen(child.stdout.take().expect("stdout is piped"), say.clone());
        listen(child.stderr.take().expect("stderr is piped"), say);
        Running { child, lines, seen: Vec::new() }
    }

    /// Starts `serve` on a free port and waits until it listens.
    pub(crate) async fn serve(&self, arguments: &[&str]) -> Server {
        let arguments: Vec<&str> = ["serve", "--listen", "127.0.0.1:0"].iter().chain(arguments).copied().collect();
        let mut running = self.start(&arguments);
        let line = running.line("listening on http://").await;
        let address = line.rsplit(' ').next().expect("the line ends in an address").to_owned();
        Server { running, address, client: client() }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sagabus"));
        command.current_dir(self.path()).args(arguments).kill_on_drop(true);
        // What the developer's shell says is nothing to the test.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SAGABUS_")) {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

fn listen(stream: impl AsyncRead + Unpin + Send + 'static, say: mpsc::UnboundedSender<String>) {
    tokio::spawn(async move {
        let mut lines = BufReader::new(stream).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if say.send(line).is_err() {
                return;
            }
        }
    });
}

/// A running process.
pub(crate) struct Running {
    child: Child,
    lines: mpsc::UnboundedReceiver<String>,
    /// Everything that it has said so far.
    pub(crate) seen: Vec<String>,
}

impl Running {
    /// Waits for the next line that contains this text.
    pub(crate) async fn line(&mut self, text: &str) -> String {
        let wait = async {
            while let Some(line) = self.lines.recv().await {
                self.seen.push(line);
                if let Some(line) = self.seen.last().filter(|line| line.contains(text)) {
                    return Some(line.clone());
                }
            }
            None
        };
        match timeout(PATIENCE, wait).await {
            Ok(Some(line)) => line,
            _ => panic!("it never said `{text}`, but:\n{}", self.seen.join("\n")),
        }
    }

    /// Sends a signal: `INT`, `TERM` or `KILL`.
    pub(crate) async fn signal(&self, name: &str) {
        let id = self.child.id().expect("it runs").to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().await.expect("kill is there");
        assert!(sent.success(), "kill -s {name} {id}");
    }

    /// Waits for its end; gives its exit code, which a signal leaves absent.
    pub(crate) async fn end(&mut self) -> Option<i32> {
        let status = timeout(PATIENCE, self.child.wait()).await.expect("it ends").expect("it can be waited for");
        while let Some(line) = self.lines.recv().await {
            self.seen.push(line);
        }
        status.code()
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }
}

/// A running `serve`.
pub(crate) struct Server {
    pub(crate) running: Running,
    /// `http://127.0.0.1:PORT`.
    pub(crate) address: String,
    pub(crate) client: reqwest::Client,
}

impl Server {
    /// GETs JSON.
    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        let request = self.client.get(format!("{}{path}", self.address));
        answer(request).await
    }

    /// POSTs JSON.
    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> (u16, Value) {
        let mut request = self.client.post(format!("{}{path}", self.address)).json(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(request).await
    }

    /// Starts an instance; gives its id.
    pub(crate) async fn begin(&self, workflow: &str, input: &Value) -> String {
        let (status, told) = self.post(&format!("/api/v1/workflows/{workflow}/instances"), &[], input).await;
        assert_eq!(status, 202, "{told}");
        told["id"].as_str().expect("an id").to_owned()
    }

    /// Waits for the end of an instance; gives its report.
    pub(crate) async fn ended(&self, id: &str) -> Value {
        let wait = async {
            loop {
                let request = self.client.get(format!("{}/api/v1/instances/{id}", self.address));
                let (status, report) = answer(request.header("prefer", "wait=30")).await;
                assert_eq!(status, 200, "{report}");
                if !report["endedAt"].is_null() {
                    return report;
                }
            }
        };
        timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("instance {id} never ended"))
    }

    /// Stops it in order.
    pub(crate) async fn stop(mut self) -> Vec<String> {
        self.running.signal("TERM").await;
        assert_eq!(self.running.end().await, Some(0), "{:?}", self.running.seen);
        self.running.seen
    }
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = timeout(PATIENCE, request.send()).await.expect("an answer comes").expect("an answer");
    let status = response.status().as_u16();
    let text = response.text().await.expect("a body");
    let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).expect("JSON") };
    (status, body)
}

/// An HTTP client.
pub(crate) fn client() -> reqwest::Client {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Another test of this process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    reqwest::Client::new()
}

/// A workflow of this name with these tasks (YAML, not indented).
pub(crate) fn workflow(name: &str, version: &str, tasks: &str) -> String {
    format!("document: {{ dsl: '1.0.3', namespace: test, name: {name}, version: '{version}' }}\n{tasks}\n")
}

/// Reads JSON that the binary printed.
pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Asks until there is an answer.
pub(crate) async fn until<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        // Each question is a process or a request of its own: that is pause enough.
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
        }
    };
    timeout(PATIENCE, asking).await.expect("the state is reached")
}
