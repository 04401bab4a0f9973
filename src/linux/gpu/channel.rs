//! Messages between the recorder and its helper: one line of JSON each.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::linux::clock;
use crate::linux::poll::is_readable;

/// A message has some hundred bytes per card, and seven per process. Longer ones are not ours.
const LONGEST: usize = 4 << 20;

/// One end of the connection.
#[derive(Debug)]
pub struct Channel {
    socket: UnixStream,
    /// The part of a message that has arrived.
    begun: Vec<u8>,
}

impl Channel {
    /// # Errors
    /// If the socket cannot be duplicated.
    pub fn new(socket: &UnixStream) -> io::Result<Channel> {
        let socket = socket.try_clone()?;
        socket.set_nonblocking(true)?;
        Ok(Channel { socket, begun: Vec::new() })
    }

    /// # Errors
    /// If the other side is gone, or does not read.
    pub fn send(&mut self, message: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        self.socket.write_all(&line)
    }

    /// The next message; `None` if none arrives until then. Without a time, it waits without limit.
    ///
    /// # Errors
    /// `UnexpectedEof` if the other side is gone; others if what arrived is not a message.
    pub fn receive<T: DeserializeOwned>(&mut self, until: Option<Instant>) -> io::Result<Option<T>> {
        loop {
            if let Some(end) = self.begun.iter().position(|byte| *byte == b'\n') {
                let rest = self.begun.split_off(end + 1);
                let line = std::mem::replace(&mut self.begun, rest);
                return Ok(Some(serde_json::from_slice(&line)?));
            }
            if self.begun.len() > LONGEST {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let left = until.map(|until| until.saturating_duration_since(clock::instant()));
            match is_readable(&self.socket, left) {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            let mut bytes = [0; 4096];
            match self.socket.read(&mut bytes) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => self.begun.extend_from_slice(bytes.get(..n).unwrap_or_default()),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn messages_arrive_whole_and_in_order() {
        let (left, right) = UnixStream::pair().unwrap();
        let mut receiver = Channel::new(&right).unwrap();
        assert_eq!(receiver.receive::<String>(Some(Instant::now())).unwrap(), None);
        (&left).write_all(b"\"one\"\n\"tw").unwrap();
        let soon = || Some(Instant::now() + Duration::from_millis(1));
        assert_eq!(receiver.receive::<String>(soon()).unwrap().as_deref(), Some("one"));
        assert_eq!(receiver.receive::<String>(soon()).unwrap(), None, "half a message");
        (&left).write_all(b"o\"\n").unwrap();
        assert_eq!(receiver.receive::<String>(None).unwrap().as_deref(), Some("two"));
        (&left).write_all(b"{not ours\n").unwrap();
        assert!(receiver.receive::<String>(None).is_err());
        drop(left);
        let end = receiver.receive::<String>(None).unwrap_err();
        assert_eq!(end.kind(), io::ErrorKind::UnexpectedEof);
    }
}
