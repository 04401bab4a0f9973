//! Archives as `PackWriter` writes them, and broken ones, made by hand.

use std::fs;

use super::*;

/// A ZIP archive by the definition of the format (APPNOTE.TXT), without checks: what an attacker could write.
#[derive(Clone)]
struct Raw {
    name: &'static str,
    method: u16,
    flags: u16,
    mode: u32,
    content: Vec<u8>,
    /// As claimed, where that differs.
    crc: Option<u32>,
    bytes: Option<u32>,
    /// The offset of another entry's header.
    header_at: Option<u32>,
    local_name: Option<&'static str>,
}

fn raw(name: &'static str, content: &[u8]) -> Raw {
    Raw {
        name,
        method: 0,
        flags: 0,
        mode: 0o100_644,
        content: content.to_vec(),
        crc: None,
        bytes: None,
        header_at: None,
        local_name: None,
    }
}

fn archive(entries: &[Raw]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for entry in entries {
        let at = entry.header_at.unwrap_or(out.len() as u32);
        let crc = entry.crc.unwrap_or_else(|| crc32fast::hash(&entry.content));
        let (packed, bytes) = (entry.content.len() as u32, entry.bytes.unwrap_or(entry.content.len() as u32));
        let mut common = Vec::new();
        common.extend(20u16.to_le_bytes());
        common.extend(entry.flags.to_le_bytes());
        common.extend(entry.method.to_le_bytes());
        common.extend([0; 4]);
        for number in [crc, packed, bytes] {
            common.extend(number.to_le_bytes());
        }
        let local = entry.local_name.unwrap_or(entry.name);
        out.extend(b"PK\x03\x04");
        out.extend(&common);
        out.extend((local.len() as u16).to_le_bytes());
        out.extend([0; 2]);
        out.extend(local.as_bytes());
        out.extend(&entry.content);
        directory.extend(b"PK\x01\x02");
        directory.extend((3u16 << 8 | 20).to_le_bytes());
        directory.extend(&common);
        directory.extend((entry.name.len() as u16).to_le_bytes());
        directory.extend([0; 8]);
        directory.extend((entry.mode << 16).to_le_bytes());
        directory.extend(at.to_le_bytes());
        directory.extend(entry.name.as_bytes());
    }
    let start = out.len() as u32;
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend((entries.len() as u16).to_le_bytes());
    out.extend((entries.len() as u16).to_le_bytes());
    out.extend((directory.len() as u32).to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend([0; 2]);
    out
}

fn opened(bytes: &[u8]) -> Result<Arc<Pack>, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.perfwatch");
    fs::write(&path, bytes).unwrap();
    match Pack::open(&path) {
        Ok(pack) => Ok(pack.unwrap()),
        Err(error) => Err(error.to_string()),
    }
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn content(pack: &Pack, name: &str) -> Result<Vec<u8>, String> {
    let entry = pack.entry(name).unwrap();
    pack.content(name, entry).map(|bytes| bytes.to_vec()).map_err(|error| error.to_string())
}

#[test]
fn what_is_written_is_read() {
    let large: Vec<u8> = (0..3_000_000u32).flat_map(u32::to_le_bytes).collect();
    let read = |at: u64| {
        let from = &large[at as usize..];
        Ok(Bytes::copy_from_slice(&from[..from.len().min(1 << 20)]))
    };
    let write = || {
        let mut out = Vec::new();
        let mut writer = PackWriter::new(&mut out);
        writer.add("_recording.json", &Content::Small(&[b'x'; 5000])).unwrap();
        writer.add("cpu/a.parquet", &Content::Large { bytes: large.len() as u64, read: &read }).unwrap();
        writer.add("cpu/b.parquet", &Content::Small(b"")).unwrap();
        writer.add("größe=1/cpu/b.parquet", &Content::Small(b"b")).unwrap();
        assert_eq!(writer.finish().unwrap(), out.len() as u64);
        out
    };
    let bytes = write();
    assert_eq!(bytes, write(), "the same bytes each time");
    let pack = opened(&bytes).unwrap();
    assert_eq!(content(&pack, "_recording.json").unwrap(), [b'x'; 5000]);
    assert_eq!(content(&pack, "größe=1/cpu/b.parquet").unwrap(), b"b");
    let entry = *pack.entry("cpu/a.parquet").unwrap();
    let start = pack.place("cpu/a.parquet", &entry).unwrap().unwrap();
    assert_eq!(pack.read_at(start + 400, 8).unwrap(), large[400..408]);
    pack.check("cpu/a.parquet", &entry).unwrap();
    let names = |folder: &str| -> Vec<(String, bool)> {
        pack.list(folder).unwrap_or_default().into_iter().map(|listed| (listed.name, listed.is_folder)).collect()
    };
    assert_eq!(names(""), [("_recording.json".into(), false), ("cpu".into(), true), ("größe=1".into(), true)]);
    assert_eq!(names("cpu"), [("a.parquet".into(), false), ("b.parquet".into(), false)]);
    assert!(pack.list("cp").is_none() && pack.has_folder("größe=1/cpu") && !pack.has_folder("größe"));
}

/// More files than the old format can count.
#[test]
fn many_files() {
    let mut out = Vec::new();
    let mut writer = PackWriter::new(&mut out);
    for n in 0..70_000 {
        writer.add(&format!("cpu/{n:05}"), &Content::Small(b"")).unwrap();
    }
    writer.finish().unwrap();
    let pack = opened(&out).unwrap();
    assert_eq!(pack.size("cpu"), (70_000, 0));
}

#[test]
fn archives_of_other_programs_are_read() {
    let text = b"a text that is long enough to become shorter, shorter, shorter, shorter, shorter";
    let entries = [
        raw("run/", b""),
        raw("run/stored", text),
        Raw {
            method: 8,
            bytes: Some(text.len() as u32),
            crc: Some(crc32fast::hash(text)),
            ..raw("run/deflated", &deflated(text))
        },
    ];
    let pack = opened(&archive(&entries)).unwrap();
    assert_eq!(content(&pack, "run/stored").unwrap(), text);
    assert_eq!(content(&pack, "run/deflated").unwrap(), text);
    // With a comment at the end.
    let mut commented = archive(&entries);
    let at = commented.len() - 2;
    commented[at..].copy_from_slice(&5u16.to_le_bytes());
    commented.extend(b"hello");
    assert!(opened(&commented).is_ok());
}

#[test]
fn names_that_lead_out_are_refused() {
    for name in ["/etc/passwd", "../x", "a/../../x", "a//b", "./a", "a/.", "a\\b", "", "a/\0"] {
        let said = opened(&archive(&[raw(name, b"x")])).unwrap_err();
        assert!(said.contains("is refused"), "{name:?}: {said}");
    }
    let deep: &'static str = Box::leak("a/".repeat(40).into_boxed_str());
    assert!(opened(&archive(&[raw(deep, b"")])).is_err());
}

#[test]
fn what_contradicts_itself_is_refused() {
    let good = raw("a", b"content");
    for (what, entries) in [
        ("twice", vec![good.clone(), good.clone()]),
        ("also a file", vec![good.clone(), raw("a/b", b"x")]),
        ("share bytes", vec![good.clone(), Raw { header_at: Some(0), ..raw("b", b"content") }]),
        ("encrypted", vec![Raw { flags: 1, ..good.clone() }]),
        ("method 14", vec![Raw { method: 14, ..good.clone() }]),
        ("a link", vec![Raw { mode: 0o120_777, ..good.clone() }]),
        ("a link or a device", vec![Raw { mode: 0o010_644, ..good.clone() }]),
        ("claims to have", vec![Raw { bytes: Some(8), ..good.clone() }]),
    ] {
        let said = opened(&archive(&entries)).unwrap_err();
        assert!(said.contains(what), "{what}: {said}");
    }
    let pack = opened(&archive(&[Raw { local_name: Some("b"), ..good.clone() }])).unwrap();
    assert!(content(&pack, "a").unwrap_err().contains("contradicts"));
    let pack = opened(&archive(&[Raw { crc: Some(7), ..good }])).unwrap();
    assert!(content(&pack, "a").unwrap_err().contains("checksum"));
}

/// A few bytes that become many.
#[test]
fn bombs_are_refused() {
    let zeros = deflated(&vec![0; 10 << 20]);
    // More than it claims: it is not inflated beyond that.
    let less = Raw { method: 8, bytes: Some(1000), ..raw("a", &zeros) };
    let pack = opened(&archive(&[less])).unwrap();
    assert!(content(&pack, "a").unwrap_err().contains("checksum"));
    // More than a file that is inflated may have, and more than deflate can make of its bytes.
    for bytes in [65 << 20, 2_000_000_000] {
        let more = Raw { method: 8, bytes: Some(bytes), ..raw("a", &zeros) };
        assert!(opened(&archive(&[more])).unwrap_err().contains("claims to have"), "{bytes}");
    }
    let said = opened(&archive(&[Raw { method: 8, bytes: Some(20_000), ..raw("a", b"123456789") }])).unwrap_err();
    assert!(said.contains("claims to have"), "{said}");
}

#[test]
fn cut_archives_are_refused() {
    let whole = archive(&[raw("a", b"content"), raw("b", b"more")]);
    for length in 0..whole.len() {
        assert!(opened(&whole[..length]).is_err(), "{length} bytes");
    }
    // Bytes before or after it.
    assert!(opened(&[&whole[..], b"x"].concat()).is_err());
    assert!(opened(&[b"x", &whole[..]].concat()).is_err());
}

#[test]
fn other_files_are_not_packs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cpu.parquet");
    fs::write(&path, b"PAR1").unwrap();
    assert!(Pack::open(&path).unwrap().is_none());
    assert!(Inside::find(&path.join("x")).unwrap().is_none());
    assert!(Inside::find(folder.path()).unwrap().is_none());
    fs::write(&path, archive(&[raw("run/a", b"x")])).unwrap();
    let inside = Inside::find(&path.join("run/a")).unwrap().unwrap();
    assert_eq!((inside.folder.as_str(), inside.name(Path::new("b"))), ("run/a", Some("run/a/b".into())));
    assert_eq!(inside.name(Path::new("../x")), None);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(500))]

    /// Any damage gives an error, or the same content.
    #[test]
    fn no_damage_gives_other_content(at: proptest::sample::Index, byte: u8) {
        let text = b"content content content content content content content content";
        let packed = deflated(text);
        let entry = Raw { method: 8, bytes: Some(text.len() as u32), crc: Some(crc32fast::hash(text)), ..raw("a", &packed) };
        let mut bytes = archive(&[entry, raw("b", text)]);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(pack) = opened(&bytes) {
            for name in ["a", "b"] {
                if let Some(entry) = pack.entry(name) && let Ok(content) = pack.content(name, entry) {
                    proptest::prop_assert_eq!(&content[..], text);
                }
            }
        }
    }
}
