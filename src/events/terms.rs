//! The terms between the slashes of an event: `msr/tsc,name='a,b'/`.
//!
//! perf allows quotes around a value, which may then contain commas. perf itself only accepts single quotes; users who
//! are used to a shell write double quotes as well.

use std::borrow::Cow;

/// The characters of an event list outside of terms and of quotes in them, each with its position. Includes the
/// slashes.
pub fn outside(list: &str) -> impl Iterator<Item = (usize, char)> {
    let mut scan = Scan::new(list);
    let mut was_in_terms = false;
    std::iter::from_fn(move || {
        loop {
            let (at, c, _) = scan.next()?;
            let is_outside = !was_in_terms || !scan.in_terms;
            was_in_terms = scan.in_terms;
            if is_outside {
                return Some((at, c));
            }
        }
    })
}

/// The list with a blank after each comma between two events.
pub fn spaced(list: &str) -> String {
    let mut out = list.to_string();
    let commas: Vec<usize> = outside(list).filter(|(_, c)| *c == ',').map(|(at, _)| at + 1).collect();
    commas.into_iter().rev().filter(|at| !list[*at..].starts_with(' ')).for_each(|at| out.insert(at, ' '));
    out
}

/// The text between the first slash and the last one: `tsc,name='a,b'`; `None` for an event without terms.
pub fn of(event: &str) -> Option<&str> {
    let (_, rest) = event.split_once('/')?;
    rest.rsplit_once('/').map(|(terms, _)| terms)
}

/// The single terms, in their order, without surrounding blanks; empty ones are left out.
pub fn split(terms: &str) -> impl Iterator<Item = &str> {
    let mut scan = Scan { in_terms: true, ..Scan::new(terms) };
    let mut rest = Some(0);
    let each = std::iter::from_fn(move || {
        let from = rest?;
        loop {
            match scan.next() {
                Some((at, ',', false)) => {
                    rest = Some(at + 1);
                    return terms.get(from..at);
                }
                Some(_) => {}
                None => {
                    rest = None;
                    return terms.get(from..);
                }
            }
        }
    });
    each.map(str::trim).filter(|term| !term.is_empty())
}

/// The value of a term `name=`, as printed by perf: without its quotes.
pub fn given_name(terms: &str) -> Option<&str> {
    // As with every term, the last one counts.
    let name = split(terms).filter_map(|term| term.split_once('=').filter(|(word, _)| word.trim() == "name")).last()?.1;
    Some(unquoted(name.trim())).filter(|name| !name.is_empty())
}

/// A value without the quotes around it.
pub fn unquoted(value: &str) -> &str {
    let within = |quote: char| value.strip_prefix(quote).and_then(|v| v.strip_suffix(quote));
    within('\'').or_else(|| within('"')).unwrap_or(value)
}

/// An event in the form that perf accepts: double quotes are replaced by single quotes.
pub fn for_perf(event: &str) -> Cow<'_, str> {
    match of(event) {
        Some(terms) if terms.contains('"') && !terms.contains('\'') => event.replace('"', "'").into(),
        _ => event.into(),
    }
}

/// Whether a quote in the terms is opened and not closed.
pub fn has_open_quote(event: &str) -> bool {
    of(event).is_some_and(|terms| split(terms).any(|term| term.matches(['\'', '"']).count() == 1))
}

/// Iterates over a list and tracks what is inside slashes, and inside quotes there.
struct Scan<'l> {
    text: &'l str,
    at: usize,
    in_terms: bool,
    quote: Option<char>,
}

impl<'l> Scan<'l> {
    fn new(text: &'l str) -> Scan<'l> {
        Scan { text, at: 0, in_terms: false, quote: None }
    }

    /// The next character, its position, and whether it is quoted or a quote.
    fn next(&mut self) -> Option<(usize, char, bool)> {
        let at = self.at;
        let c = self.text.get(at..)?.chars().next()?;
        self.at += c.len_utf8();
        let mut is_quoted = self.quote.is_some();
        match (c, self.quote) {
            (c, Some(quote)) if c == quote => self.quote = None,
            (_, Some(_)) => {}
            // A quote that is never closed is an ordinary character.
            ('\'' | '"', None) if self.in_terms && self.text[self.at..].contains(c) => {
                self.quote = Some(c);
                is_quoted = true;
            }
            ('/', None) => self.in_terms = !self.in_terms,
            _ => {}
        }
        Some((at, c, is_quoted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quotes_may_contain_commas_and_slashes() {
        let all = |terms| split(terms).collect::<Vec<_>>();
        assert_eq!(all("tsc,name='a,b'"), ["tsc", "name='a,b'"]);
        assert_eq!(all(r#"event=0x3c , name="a,b=c" ,umask=1,"#), ["event=0x3c", r#"name="a,b=c""#, "umask=1"]);
        assert_eq!(all(r#"name='say "a,b"',tsc"#), [r#"name='say "a,b"'"#, "tsc"], "one kind inside the other");
        assert_eq!(all("name=it's,tsc"), ["name=it's", "tsc"], "a quote that is never closed");
        assert_eq!(all(""), [""; 0]);
        assert_eq!(given_name("tsc,name='a,b'"), Some("a,b"));
        assert_eq!(given_name(r#"name="a b",tsc"#), Some("a b"));
        assert_eq!((given_name("name=plain"), given_name("tsc"), given_name("name=")), (Some("plain"), None, None));
        assert_eq!(given_name("metric-name=x"), None);
        assert_eq!(of("msr/tsc,name='a/b'/u"), Some("tsc,name='a/b'"));
        assert_eq!((of("cycles:u"), of("a/")), (None, None));
        let outside = |list| outside(list).map(|(_, c)| c).collect::<String>();
        assert_eq!(outside("a/x,'b/,c'/u,{d,e/y/}"), "a//u,{d,e//}");
        assert_eq!(spaced("cs,msr/tsc,name='a,b'/u,faults"), "cs, msr/tsc,name='a,b'/u, faults");
        assert_eq!((spaced("cs, faults").as_str(), spaced("ä,").as_str()), ("cs, faults", "ä, "));
        assert_eq!(for_perf(r#"{msr/tsc,name="a,b"/u,cs}"#), "{msr/tsc,name='a,b'/u,cs}");
        assert_eq!(for_perf("msr/tsc,name='a\"b'/"), "msr/tsc,name='a\"b'/");
        assert!(has_open_quote("msr/tsc,name='a/") && !has_open_quote("msr/tsc,name='a'/") && !has_open_quote("it's"));
    }

    proptest! {
        #[test]
        fn no_text_is_lost(text in "[a-c,/='\"{} ä]{0,24}") {
            let joined: String = split(&text).collect();
            let kept = |text: &str| text.chars().filter(|c| !",\u{20}".contains(*c)).collect::<String>();
            prop_assert_eq!(kept(&joined), kept(&text));
            for (at, c) in outside(&text) {
                prop_assert!(text[at..].starts_with(c));
            }
            let _ = (given_name(&text), of(&text), has_open_quote(&text));
        }
    }
}
