//! Escapes names from outside before they are printed: interfaces, mounts, tags, directories and command lines may
//! contain characters that move the cursor, colour the screen, break a line, or change the direction of the following
//! text. They are printed as `\u{1b}`, `\n`.

use std::borrow::Cow;

/// Would a terminal or page interpret this character instead of showing it?
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Soft hyphen; marks and overrides of direction; zero-width characters; line and paragraph separators.
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Escapes a name, so that it is printed on one line.
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, is_hidden, |c, out| out.extend(c.escape_default()))
}

/// Escapes JSON without changing its values. JSON itself only escapes some characters; hidden characters can only occur
/// in its strings, except the line breaks between values.
pub fn json(text: &str) -> Cow<'_, str> {
    let escape = |c: char, out: &mut String| {
        for unit in c.encode_utf16(&mut [0; 2]) {
            *out += &format!("\\u{unit:04x}");
        }
    };
    escaped(text, |c| is_hidden(c) && c != '\n', escape)
}

fn escaped(text: &str, which: impl Fn(char) -> bool, escape: impl Fn(char, &mut String)) -> Cow<'_, str> {
    if !text.contains(&which) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if which(c) { escape(c, &mut out) } else { out.push(c) }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_line_and_only_shown() {
        assert_eq!(printable("a\u{1b}[31mb\nc\td\u{7} ä日"), "a\\u{1b}[31mb\\nc\\td\\u{7} ä日");
        // A control sequence in one character, an override of direction, and characters without width.
        assert_eq!(printable("\u{9b}31m\u{202e}x\u{200b}\u{7f}"), "\\u{9b}31m\\u{202e}x\\u{200b}\\u{7f}");
        assert!(matches!(printable("eth0 ä"), Cow::Borrowed("eth0 ä")));
    }

    #[test]
    fn json_stays_the_same_value() {
        let value = serde_json::json!({ "a\u{9b}\u{1b}": ["\u{202e}x", "\u{e0041}", "\u{7f}\n"] });
        let text = serde_json::to_string_pretty(&value).unwrap();
        let safe = json(&text);
        assert!(!safe.chars().any(|c| is_hidden(c) && c != '\n'), "{safe}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), value);
    }
}
