//! The task of one connection, from the first byte to its failure.

use super::super::dialect::Version;
use super::super::failure::Failure;
use super::conversation::{Conversation, Packet};
use super::inbox::Inbox;
use super::stream::{self, Stream};
use super::{
    CONNECT_TIMEOUT, Greeting, KEEP_ALIVE, Outgoing, Progress, WRITE_TIMEOUT, five, three,
};
use bytes::BufMut;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

/// Upper bound of bytes in one read.
const READ: usize = 4 << 10;

/// Publishes all that is outgoing, and sends the progress, until the connection fails or the
/// receiver is gone.
pub(in super::super) async fn run(
    greeting: Greeting,
    version: Version,
    outgoing: mpsc::Receiver<Outgoing>,
    progress: &mpsc::Sender<Progress>,
) {
    let session = Session::open(greeting, version);
    let failure = match timeout(CONNECT_TIMEOUT, session).await {
        Ok(Ok((session, connected))) => match progress.send(connected).await {
            Ok(()) => session.follow(outgoing, progress).await,
            Err(_) => return,
        },
        Ok(Err(failure)) => failure,
        Err(_) => Failure::NoAnswer,
    };
    // The receiver may be gone.
    let _ = progress.send(Progress::Failed(failure)).await;
}

struct Session {
    version: Version,
    stream: Box<dyn Stream>,
    conversation: Conversation,
    inbox: Inbox,
    /// Largest packet that the broker takes, in bytes.
    largest: Option<u32>,
    keep_alive: Duration,
}

enum Event {
    Packet(Packet),
    Outgoing(Outgoing),
    /// The sender of reports is gone.
    Gone,
    Ping,
}

impl Session {
    /// Connects, sends the CONNECT packet, and waits until the broker accepts it.
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
            let packet = session.listen().await?;
            if let Some(progress) = session.hear(packet).await? {
                return Ok((session, progress));
            }
        }
    }

    /// Runs the accepted connection; returns its failure.
    async fn follow(
        mut self,
        mut outgoing: mpsc::Receiver<Outgoing>,
        progress: &mpsc::Sender<Progress>,
    ) -> Failure {
        let mut ping = Instant::now() + self.keep_alive;
        loop {
            let room = self.conversation.has_room();
            // In this order: after a delay of this process the answer to a ping may be there when
            // the next ping is due. The broker's packets are bounded, so the others have their
            // turn.
            let event = tokio::select! {
                biased;
                packet = self.listen() => packet.map(Event::Packet),
                report = outgoing.recv(), if room => Ok(report.map_or(Event::Gone, Event::Outgoing)),
                () = sleep_until(ping) => Ok(Event::Ping),
            };
            let result = match event {
                Ok(Event::Packet(packet)) => self.hear(packet).await,
                Ok(Event::Outgoing(report)) => self.publish(report).await.map(Some),
                Ok(Event::Gone) => Err(Failure::HungUp),
                Ok(Event::Ping) => {
                    ping = Instant::now() + self.keep_alive;
                    self.ping().await.map(|()| None)
                }
                Err(failure) => Err(failure),
            };
            match result {
                Ok(None) => {}
                Ok(Some(news)) => {
                    if progress.send(news).await.is_err() {
                        return Failure::HungUp;
                    }
                }
                Err(failure) => return failure,
            }
        }
    }

    /// Returns the broker's next packet. Is cancel-safe.
    async fn listen(&mut self) -> Result<Packet, Failure> {
        loop {
            if let Some(packet) = self.inbox.next(&self.conversation)? {
                return Ok(packet);
            }
            let buffer = &mut self.inbox.buffer;
            buffer.reserve(READ);
            let read = self.stream.read_buf(&mut buffer.limit(READ)).await;
            if read.map_err(|error| Failure::of_io(&error))? == 0 {
                return Err(Failure::HungUp);
            }
        }
    }

    async fn hear(&mut self, packet: Packet) -> Result<Option<Progress>, Failure> {
        if let Packet::LetIn(terms) = &packet {
            self.largest = terms.largest;
            // A broker may ask for no pings by a time of 0. It is pinged nevertheless, to detect a
            // dead connection.
            let wanted = terms.keep_alive.filter(|time| !time.is_zero());
            self.keep_alive = wanted.map_or(KEEP_ALIVE, |time| time.min(KEEP_ALIVE));
        }
        let id = if let Packet::Message(id) = packet {
            id
        } else {
            None
        };
        let progress = self.conversation.hear(packet, Instant::now())?;
        if let Some(id) = id {
            // Otherwise the broker would keep the message for us.
            let [high, low] = id.to_be_bytes();
            self.write(&[0x40, 2, high, low]).await?;
        }
        Ok(progress)
    }

    async fn publish(&mut self, report: Outgoing) -> Result<Progress, Failure> {
        let number = self.conversation.number();
        let packet = match self.version {
            Version::Five => five::publish(report, number, self.largest)?,
            Version::Three => three::publish(report, number)?,
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use tokio::io::{DuplexStream, duplex};

    /// Longer than the delay of a busy machine between two lines of a test.
    const SOON: Duration = Duration::from_millis(250);

    /// Returns an accepted session, and the broker's end.
    fn session() -> (Session, DuplexStream) {
        let (ours, theirs) = duplex(READ);
        let mut conversation = Conversation::default();
        conversation
            .hear(
                Packet::LetIn(super::super::Terms::default()),
                Instant::now(),
            )
            .unwrap();
        let version = Version::Five;
        let (stream, inbox) = (Box::new(ours), Inbox::new(version));
        (
            Session {
                version,
                stream,
                conversation,
                inbox,
                largest: None,
                keep_alive: SOON,
            },
            theirs,
        )
    }

    #[tokio::test]
    async fn a_pong_that_is_there_counts_although_the_next_ping_is_due() {
        let (session, mut broker) = session();
        let (_reports, outgoing) = mpsc::channel(1);
        let (progress, _received) = mpsc::channel(1);
        let mut follow = pin!(session.follow(outgoing, &progress));
        // Left to chance, one of so many would go wrong.
        for round in 0..8 {
            let mut ping = [0; 2];
            tokio::select! {
                failure = &mut follow => panic!("{failure}, in round {round}"),
                read = broker.read_exact(&mut ping) => drop(read.unwrap()),
            }
            assert_eq!(ping, [0xc0, 0]);
            broker.write_all(&[0xd0, 0]).await.unwrap();
            // The session is not polled meanwhile, as if this process were delayed.
            tokio::time::sleep(2 * SOON).await;
        }
    }

    #[tokio::test]
    async fn messages_are_acknowledged_where_the_broker_wants_it_and_dropped() {
        let (session, mut broker) = session();
        let (_reports, outgoing) = mpsc::channel(1);
        let (progress, mut received) = mpsc::channel(1);
        let follow = session.follow(outgoing, &progress);
        let talk = async {
            broker
                .write_all(&[
                    0x30, 5, 0, 1, b'a', 0, b'x', 0x32, 7, 0, 1, b'a', 1, 2, 0, b'x',
                ])
                .await
                .unwrap();
            let mut answer = [0; 6];
            broker.read_exact(&mut answer).await.unwrap();
            // The acknowledgement, and then nothing until a ping is due.
            assert_eq!(answer, [0x40, 2, 1, 2, 0xc0, 0]);
        };
        tokio::select! {
            failure = follow => panic!("{failure}"),
            () = talk => {}
        }
        assert!(received.try_recv().is_err());
    }
}
