//! `--parameter-list NAME=VALUE,...`

/// The values that a parameter takes in turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterList {
    pub name: String,
    /// At least one; none twice.
    pub values: Vec<String>,
}

/// Parses `threads=1,2,4`. A backslash before a comma makes it a part of the value.
///
/// # Errors
/// When there is no name or no value, or a value is given twice.
pub fn parameter_list(text: &str) -> Result<ParameterList, String> {
    const EXAMPLE: &str = "NAME=VALUE,VALUE is needed, such as threads=1,2,4";
    let (name, list) = text.split_once('=').ok_or(EXAMPLE)?;
    let is_name_char = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || !name.chars().all(is_name_char) {
        return Err(format!("`{name}`: a name has only letters, digits, `_` and `-`; {EXAMPLE}"));
    }
    let mut values = vec![String::new()];
    let mut chars = list.chars().peekable();
    while let Some(c) = chars.next() {
        let value = match c {
            '\\' if chars.peek() == Some(&',') => chars.next(),
            ',' => None,
            c => Some(c),
        };
        match (value, values.last_mut()) {
            (Some(c), Some(last)) => last.push(c),
            _ => values.push(String::new()),
        }
    }
    if values == [""] {
        return Err(format!("{name} has no value; {EXAMPLE}"));
    }
    if let Some(twice) = values.iter().enumerate().find(|(n, value)| values[..*n].contains(value)) {
        return Err(format!("{name}: the value `{}` is given twice", twice.1));
    }
    Ok(ParameterList { name: name.into(), values })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        let values = |text: &str| parameter_list(text).map(|list| list.values);
        assert_eq!(values("threads=1,2,4").unwrap(), ["1", "2", "4"]);
        // An empty value may be meant: without an option and with it. The first `=` separates.
        assert_eq!(values("o=,-O2=x").unwrap(), ["", "-O2=x"]);
        assert_eq!(values(r"o=a\,b,c\d").unwrap(), ["a,b", r"c\d"]);
        for (text, why) in
            [("threads", "NAME=VALUE"), ("=1", "a name has"), ("a b=1", "a name has"), ("a=", "no value")]
        {
            assert!(values(text).unwrap_err().contains(why), "{text}");
        }
        assert!(values("a=1,2,1").unwrap_err().contains("`1` is given twice"));
    }
}
