//! The life of one connection, from the first byte to the failure it ends with.

use super::super::dialect::Version;
use super::super::failure::Failure;
use super::conversation::{Conversation, Heard};
use super::inbox::Inbox;
use super::stream::{self, Stream};
use super::{CONNECT_TIMEOUT, Greeting, KEEP_ALIVE, Posted, Progress, WRITE_TIMEOUT, five, three};
use bytes::BufMut;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

/// Bytes that are read at once.
const READ: usize = 4 << 10;

/// Publishes all that is posted, and tells of what comes of it, until the connection fails or nobody listens any more.
pub(in super::super) async fn run(
    greeting: Greeting,
    version: Version,
    posted: mpsc::Receiver<Posted>,
    told: &mpsc::Sender<Progress>,
) {
    let session = Session::open(greeting, version);
    let failure = match timeout(CONNECT_TIMEOUT, session).await {
        Ok(Ok((session, progress))) => match told.send(progress).await {
            Ok(()) => session.follow(posted, told).await,
            Err(_) => return,
        },
        Ok(Err(failure)) => failure,
        Err(_) => Failure::NoAnswer,
    };
    // The other half may have been dropped meanwhile, and then nobody needs to know.
    let _ = told.send(Progress::Failed(failure)).await;
}

struct Session {
    version: Version,
    stream: Box<dyn Stream>,
    conversation: Conversation,
    inbox: Inbox,
    /// The largest packet that the broker takes, bytes.
    largest: Option<u32>,
    keep_alive: Duration,
}

enum Happening {
    Heard(Heard),
    Posted(Posted),
    Gone,
    Ping,
}

impl Session {
    /// Greets the broker, and waits until it lets us in.
    async fn open(greeting: Greeting, version: Version) -> Result<(Self, Progress), Failure> {
        let stream = stream::connect(&greeting).await?;
        let mut session = Self {
            version,
            stream,
            conversation: Conversation::default(),
            inbox: Inbox::new(version),
            largest: None,
            keep_alive: KEEP_ALIVE,
        };
        let hello = match version {
            Version::Five => five::connect(greeting)?,
            Version::Three => three::connect(greeting)?,
        };
        session.write(&hello).await?;
        loop {
            let heard = session.listen().await?;
            if let Some(progress) = session.hear(heard)? {
                return Ok((session, progress));
            }
        }
    }

    /// Gives what the connection has failed of.
    async fn follow(mut self, mut posted: mpsc::Receiver<Posted>, told: &mpsc::Sender<Progress>) -> Failure {
        let mut ping = Instant::now() + self.keep_alive;
        loop {
            let room = self.conversation.has_room();
            let happening = tokio::select! {
                heard = self.listen() => heard.map(Happening::Heard),
                post = posted.recv(), if room => Ok(post.map_or(Happening::Gone, Happening::Posted)),
                () = sleep_until(ping) => Ok(Happening::Ping),
            };
            let progress = match happening {
                Ok(Happening::Heard(heard)) => self.hear(heard),
                Ok(Happening::Posted(post)) => self.publish(post).await.map(Some),
                Ok(Happening::Gone) => Err(Failure::HungUp),
                Ok(Happening::Ping) => {
                    ping = Instant::now() + self.keep_alive;
                    self.ping().await.map(|()| None)
                }
                Err(failure) => Err(failure),
            };
            match progress {
                Ok(None) => {}
                Ok(Some(progress)) => {
                    if told.send(progress).await.is_err() {
                        return Failure::HungUp;
                    }
                }
                Err(failure) => return failure,
            }
        }
    }

    /// The next thing that the broker says. May be dropped half-way.
    async fn listen(&mut self) -> Result<Heard, Failure> {
        loop {
            if let Some(heard) = self.inbox.next(&self.conversation)? {
                return Ok(heard);
            }
            let buffer = &mut self.inbox.buffer;
            buffer.reserve(READ);
            let read = self.stream.read_buf(&mut buffer.limit(READ)).await;
            if read.map_err(|error| Failure::of_io(&error))? == 0 {
                return Err(Failure::HungUp);
            }
        }
    }

    fn hear(&mut self, heard: Heard) -> Result<Option<Progress>, Failure> {
        if let Heard::LetIn(terms) = &heard {
            self.largest = terms.largest;
            // A broker may say that it wants no pings by a time of 0. It is pinged nevertheless, since we want to know.
            let wanted = terms.keep_alive.filter(|time| !time.is_zero());
            self.keep_alive = wanted.map_or(KEEP_ALIVE, |time| time.min(KEEP_ALIVE));
        }
        self.conversation.hear(heard)
    }

    async fn publish(&mut self, post: Posted) -> Result<Progress, Failure> {
        let number = self.conversation.number();
        let packet = match self.version {
            Version::Five => five::publish(post, number, self.largest)?,
            Version::Three => three::publish(post, number)?,
        };
        self.write(&packet).await?;
        Ok(Progress::Numbered(number))
    }

    async fn ping(&mut self) -> Result<(), Failure> {
        self.conversation.ping()?;
        self.write(&[0xc0, 0]).await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let write = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        match timeout(WRITE_TIMEOUT, write).await {
            Ok(written) => written.map_err(|error| Failure::of_io(&error)),
            Err(_) => Err(Failure::NoAnswer),
        }
    }
}
