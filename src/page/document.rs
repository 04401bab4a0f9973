//! The document around the content. It asks nothing of the network, and says so to the browser: a policy allows only
//! the style and the script that are in the page, by their hashes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::chart::escape::escape;
use crate::chart::frame::FONT;
use crate::text::sha256::sha256;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// `sha256-…`, as in a `Content-Security-Policy`.
fn hash(text: &str) -> String {
    format!("'sha256-{}'", BASE64.encode(sha256(text.as_bytes())))
}

/// A complete document. `attributes` of `<main>` are for the script.
///
/// Where style sheets are not allowed, `<font>` and the attributes of tables remain.
pub fn document(title: &str, attributes: &str, content: &str) -> String {
    let policy = format!(
        "default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    );
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta name=\"generator\" content=\"perfwatch {}\">\n\
         <title>{}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<font face=\"{FONT}\">\n\
         <main{attributes}>\n{content}</main>\n</font>\n<script>{SCRIPT}</script>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION"),
        escape(title)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_small_and_ends_nowhere_early() {
        assert!(SCRIPT.len() <= 15 * 1024, "{} bytes", SCRIPT.len());
        assert!(!SCRIPT.contains("</") && !STYLE.contains('<'));
    }
}
