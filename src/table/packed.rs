//! Declarations as a short text for headers and footers: JSON, compressed with zstd, in base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Small inputs: a higher level saves bytes and costs microseconds.
const LEVEL: i32 = 9;
/// No build declares more, but a file may be crafted to decompress to more.
const MAX_BYTES: usize = 16 << 20;

/// None if it cannot be packed, which does not happen for declarations.
pub fn pack(value: &impl Serialize) -> Option<String> {
    let json = serde_json::to_vec(value).ok()?;
    Some(BASE64.encode(zstd::bulk::compress(&json, LEVEL).ok()?))
}

/// None if the text is not packed, or is something else.
pub fn unpack<T: DeserializeOwned>(text: &str) -> Option<T> {
    let bytes = BASE64.decode(text).ok()?;
    let json = zstd::bulk::Decompressor::upper_bound(&bytes).filter(|bound| *bound <= MAX_BYTES);
    serde_json::from_slice(&zstd::bulk::decompress(&bytes, json?).ok()?).ok()
}
