//! JSON for people that is not longer than it needs to be: what fits on a line is on one line.

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// The longest line.
const WIDTH: usize = 100;

/// A value as JSON, in which objects and lists are spread over several lines only if they do not fit on one; lines are
/// then filled with what is neither of them. The keys keep their order.
///
/// # Errors
/// As serde_json.
pub fn compact_lines(value: &impl Serialize) -> serde_json::Result<String> {
    let mut text = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut text, OnOneLine))?;
    let text = String::from_utf8_lossy(&text);
    let (mut out, mut rest) = (String::with_capacity(text.len() * 5 / 4), text.as_ref());
    write(&mut rest, 0, 0, &mut out);
    out.push('\n');
    Ok(out)
}

/// Writes the value at the beginning of `rest`, and removes it there. `before`: characters on its line before it.
fn write(rest: &mut &str, indent: usize, before: usize, out: &mut String) {
    let whole = length(rest);
    let (value, behind) = rest.split_at_checked(whole).unwrap_or((rest, ""));
    // A comma may follow.
    if !value.starts_with(['{', '[']) || before + value.chars().count() < WIDTH {
        out.push_str(value);
        *rest = behind;
        return;
    }
    let (open, close) = if value.starts_with('{') { ('{', '}') } else { ('[', ']') };
    let mut inside = value.get(1..value.len() - 1).unwrap_or_default();
    let inner = indent + 2;
    out.push(open);
    // The place on the line, if it may go on.
    let mut at = None;
    loop {
        let key = if open == '{' { length(inside) + 2 } else { 0 };
        let (name, behind) = inside.split_at_checked(key).unwrap_or((inside, ""));
        let is_scalar = !behind.starts_with(['{', '[']);
        let needed = name.chars().count() + behind.get(..length(behind)).map_or(0, |value| value.chars().count());
        let begin = match at.filter(|at| is_scalar && at + 1 + needed < WIDTH) {
            Some(at) => {
                out.push(' ');
                at + 1
            }
            None => {
                out.push('\n');
                out.extend(std::iter::repeat_n(' ', inner));
                inner
            }
        };
        out.push_str(name);
        inside = behind;
        write(&mut inside, inner, begin + name.chars().count(), out);
        // A comma follows.
        at = is_scalar.then_some(begin + needed + 1);
        match inside.strip_prefix(", ") {
            Some(more) => inside = more,
            None => break,
        }
        out.push(',');
    }
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', indent));
    out.push(close);
    *rest = behind;
}

/// How long the value, or the key, at the beginning of the text is. Bytes.
fn length(text: &str) -> usize {
    let (mut depth, mut in_string, mut is_escaped) = (0, false, false);
    for (at, byte) in text.bytes().enumerate() {
        let after = at + 1;
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => {
                in_string = !in_string;
                if !in_string && depth == 0 {
                    return after;
                }
            }
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 0 => return at,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return after;
                }
            }
            b',' if depth == 0 => return at,
            _ => {}
        }
    }
    text.len()
}

/// Everything on one line, with blanks behind commas and colons.
struct OnOneLine;

impl Formatter for OnOneLine {
    fn begin_array_value<W: ?Sized + std::io::Write>(&mut self, out: &mut W, is_first: bool) -> std::io::Result<()> {
        if is_first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + std::io::Write>(&mut self, out: &mut W, is_first: bool) -> std::io::Result<()> {
        if is_first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + std::io::Write>(&mut self, out: &mut W) -> std::io::Result<()> {
        out.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_fits_is_on_one_line() {
        let long = "x".repeat(60);
        let value = json!({ "a": { "b": 1, "c": [2, 3] }, "d": [long, { "e": long, "f": [] }], "g": {}, "h": "a, {\"b\": [", "i": 1, "j": null });
        let expected = format!(
            "{{\n  \"a\": {{\"b\": 1, \"c\": [2, 3]}},\n  \"d\": [\n    \"{long}\",\n    {{\"e\": \"{long}\", \"f\": []}}\n  ],\n  \
             \"g\": {{}},\n  \"h\": \"a, {{\\\"b\\\": [\", \"i\": 1, \"j\": null\n}}\n"
        );
        assert_eq!(compact_lines(&value).unwrap(), expected);
        assert_eq!(compact_lines(&json!("x".repeat(300))).unwrap().lines().count(), 1);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[\\PC\\\\\"{}\\[\\],: ]{0,40}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                proptest::collection::btree_map("[a-z\"\\\\,{ä]{0,12}", inner, 0..8)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_means_the_same(value in any_json()) {
            let text = compact_lines(&value).unwrap();
            prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        }
    }
}
