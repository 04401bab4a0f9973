//! The encoding of protocol buffers, and the messages of Perfetto's traces: `protos/perfetto/trace/trace_packet.proto` and
//! those that it imports. The numbers are those of the fields.

use std::io::{self, Write};

/// A message being written.
#[derive(Clone, Debug, Default)]
pub struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    #[must_use]
    pub fn uint(mut self, field: u32, value: u64) -> Message {
        self.varint(u64::from(field) << 3);
        self.varint(value);
        self
    }

    /// A signed number, in two's complement.
    #[must_use]
    pub fn int(self, field: u32, value: i64) -> Message {
        self.uint(field, value as u64)
    }

    #[must_use]
    pub fn double(mut self, field: u32, value: f64) -> Message {
        self.varint(u64::from(field) << 3 | 1);
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    #[must_use]
    pub fn bytes(mut self, field: u32, bytes: &[u8]) -> Message {
        self.varint(u64::from(field) << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    #[must_use]
    pub fn text(self, field: u32, text: &str) -> Message {
        self.bytes(field, text.as_bytes())
    }

    #[must_use]
    pub fn message(self, field: u32, message: &Message) -> Message {
        self.bytes(field, &message.0)
    }

    /// Writes it as a packet of a trace.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        // Trace.packet
        out.write_all(&Message::default().message(1, self).0)
    }
}

/// All packets are of one sequence.
const SEQUENCE: u64 = 1;

fn packet() -> Message {
    // trusted_packet_sequence_id
    Message::default().uint(10, SEQUENCE)
}

/// The first packet. Times in a trace are of the clock BOOTTIME; this says that it is the same as REALTIME (UTC), so that
/// readers show dates.
pub fn start(ts_ns: u64) -> Message {
    const REALTIME: u64 = 1;
    const BOOTTIME: u64 = 6;
    let clock = |id: u64| Message::default().uint(1, id).uint(2, ts_ns);
    let clocks = Message::default().message(1, &clock(BOOTTIME)).message(1, &clock(REALTIME)).uint(2, BOOTTIME);
    // sequence_flags: no state of earlier packets; clock_snapshot
    packet().uint(13, 1).message(6, &clocks)
}

/// The numbers of a track and of the one that it is shown under.
#[derive(Clone, Copy, Debug)]
pub struct Ids {
    pub track: u64,
    pub parent: Option<u64>,
}

/// Declares a track. `unit`: of a counter.
pub fn track(ids: Ids, name: &str, unit: Option<&str>) -> Message {
    let descriptor = Message::default().uint(1, ids.track).text(2, name);
    let descriptor = match ids.parent {
        Some(parent) => descriptor.uint(5, parent),
        None => descriptor,
    };
    let descriptor = match unit {
        None => descriptor,
        Some(unit) => {
            let counter = match unit {
                "ns" => Message::default().uint(3, 1),
                "count" => Message::default().uint(3, 2),
                "bytes" => Message::default().uint(3, 3),
                "" => Message::default(),
                // unit_name
                other => Message::default().text(6, other),
            };
            descriptor.message(8, &counter)
        }
    };
    packet().message(60, &descriptor)
}

/// What an event does on its track.
pub enum Event<'a> {
    Begin(&'a str),
    End,
    /// With texts by name.
    Instant(&'a str, &'a [(String, String)]),
    Count(i64),
    Measure(f64),
}

pub fn event(ts_ns: u64, track: u64, event: &Event<'_>) -> Message {
    // track_uuid
    let of_track = Message::default().uint(11, track);
    let body = match event {
        // type, and name or value
        Event::Begin(name) => of_track.uint(9, 1).text(23, name),
        Event::End => of_track.uint(9, 2),
        Event::Instant(name, tags) => {
            let annotated = |message: Message, (key, value): &(String, String)| {
                message.message(4, &Message::default().text(10, key).text(6, value))
            };
            tags.iter().fold(of_track.uint(9, 3).text(23, name), annotated)
        }
        Event::Count(value) => of_track.uint(9, 4).int(30, *value),
        Event::Measure(value) => of_track.uint(9, 4).double(44, *value),
    };
    packet().uint(8, ts_ns).message(11, &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of "Encoding" in the documentation of protocol buffers.
    #[test]
    fn as_the_documentation_shows_it() {
        assert_eq!(Message::default().uint(1, 150).0, [0x08, 0x96, 0x01]);
        assert_eq!(Message::default().text(2, "testing").0, b"\x12\x07testing");
        let inner = Message::default().uint(1, 150);
        assert_eq!(Message::default().message(3, &inner).0, [0x1a, 0x03, 0x08, 0x96, 0x01]);
        let minus_two = Message::default().int(1, -2).0;
        assert_eq!(minus_two, [8, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]);
    }
}
