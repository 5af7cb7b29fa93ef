//! A server that answers with the bytes it is told to, and tells what it was sent.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
};

/// What to do with a connection once its request was read.
#[derive(Clone)]
pub(crate) enum Answer {
    /// Send these bytes, then close.
    Bytes(Vec<u8>),
    /// Close without a word.
    Nothing,
    /// Never answer.
    Silence,
}

pub(crate) struct StandIn {
    pub(crate) base: String,
    requests: UnboundedReceiver<String>,
}

/// A response with a length.
pub(crate) fn response(status: &str, headers: &str, body: &str) -> Answer {
    let length = body.len();
    Answer::Bytes(
        format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}")
            .into_bytes(),
    )
}

pub(crate) fn json(body: &str) -> Answer {
    response("200 OK", "content-type: application/json\r\n", body)
}

impl StandIn {
    /// Gives the answers in turn, the last one for ever.
    pub(crate) async fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (sender, requests) = unbounded_channel();
        tokio::spawn(async move {
            let mut held = Vec::new();
            for turn in 0.. {
                let Ok((mut stream, _)) = listener.accept().await else { return };
                let _ = sender.send(read(&mut stream).await);
                match answers.get(turn).or(answers.last()) {
                    Some(Answer::Bytes(bytes)) => drop(stream.write_all(bytes).await),
                    Some(Answer::Silence) => held.push(stream),
                    Some(Answer::Nothing) | None => {}
                }
            }
        });
        Self { base, requests }
    }

    /// The next request, head in lower case, body as it is.
    pub(crate) async fn request(&mut self) -> String {
        self.requests.recv().await.unwrap()
    }
}

async fn read(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
            if body.len() >= length.unwrap_or_default() {
                return format!("{head}\n\n{body}");
            }
        }
        if stream.read_buf(&mut bytes).await.unwrap_or_default() == 0 {
            return text;
        }
    }
}
