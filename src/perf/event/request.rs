//! The list of events that was asked for.

use super::name::parts;

/// Cuts an event list at its commas, but not at those inside `pmu/a=1,b=2/` and `{a,b}`; an event named twice counts once.
pub fn split_list(list: &str) -> Vec<String> {
    let (mut found, mut start, mut braces, mut in_terms) = (Vec::<String>::new(), 0, 0usize, false);
    let mut add = |event: &str| {
        let event = event.trim();
        if !event.is_empty() && !found.iter().any(|f| f == event) {
            found.push(event.to_string());
        }
    };
    for (at, c) in list.char_indices() {
        match c {
            '/' => in_terms = !in_terms,
            '{' if !in_terms => braces += 1,
            '}' if !in_terms => braces = braces.saturating_sub(1),
            ',' if !in_terms && braces == 0 => {
                add(&list[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    add(&list[start..]);
    found
}

/// The events of all requests, the members of groups by themselves, each once.
pub fn events_of(requests: &[Request]) -> Vec<Request> {
    let mut events: Vec<Request> = Vec::new();
    for member in requests.iter().flat_map(Request::members).map(Request::new) {
        if !events.contains(&member) {
            events.push(member);
        }
    }
    events
}

/// What is wrong with the writing of an element of the list, if anything is.
pub fn mistake_in(text: &str) -> Option<&'static str> {
    if text.chars().any(char::is_control) {
        return Some("there is a control character in it");
    }
    if text.ends_with(':') {
        return Some("there is nothing behind the colon");
    }
    let outside: String = text.split('/').step_by(2).collect();
    match (outside.matches('{').count(), outside.matches('}').count()) {
        (0, 0) => None,
        (1, 1) if text.starts_with('{') => {
            let is_empty = Request::new(text).members().is_empty();
            is_empty.then_some("there is nothing between the braces")
        }
        _ => Some("a group is written {a,b}, without another one in it"),
    }
}

/// One element of the event list as it was asked for, which is also how it stands on perf's command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub text: String,
}

impl Request {
    pub fn new(text: impl Into<String>) -> Self {
        Request { text: text.into() }
    }

    /// `{a,b}`: events that are on their counters at the same time, or not at all.
    pub fn is_group(&self) -> bool {
        self.text.starts_with('{')
    }

    /// The group with these of its members alone.
    pub fn only(&self, kept: &[usize]) -> String {
        let Some((inner, after)) = self.text.strip_prefix('{').and_then(|t| t.rsplit_once('}')) else {
            return self.text.clone();
        };
        let members = split_list(inner);
        let kept: Vec<&str> = kept.iter().filter_map(|n| members.get(*n)).map(String::as_str).collect();
        format!("{{{}}}{after}", kept.join(","))
    }

    /// `{a,b}:W`: where there is no room for all at once, each may count by itself.
    pub fn is_weak(&self) -> bool {
        self.text.rsplit_once('}').is_some_and(|(_, letters)| letters.contains('W'))
    }

    /// The events of a group, each with the modifiers that stand behind the brace; of any other request the request itself.
    pub fn members(&self) -> Vec<String> {
        let Some(group) = self.text.strip_prefix('{') else { return vec![self.text.clone()] };
        let (inner, after) = group.rsplit_once('}').unwrap_or((group, ""));
        let with_letters = |(n, member): (usize, String)| {
            // `S` and `W` are about the group, `D` and `e` about its leader.
            let wanted = |c: &char| !"SW".contains(*c) && (n == 0 || !"De".contains(*c));
            let letters: String = after.trim_start_matches(':').chars().filter(wanted).collect();
            let parts = parts(&member);
            match (letters.as_str(), parts.modifiers, parts.pmu) {
                ("", ..) => member,
                (letters, Some(_), _) => member + letters,
                (letters, None, Some(_)) if member.ends_with('/') => member + letters,
                _ => format!("{member}:{letters}"),
            }
        };
        split_list(inner).into_iter().enumerate().map(with_letters).collect()
    }

    /// Were only counts of user mode asked for?
    pub fn is_user_only(&self) -> bool {
        parts(&self.text).modifiers.is_some_and(|m| m.contains('u') && !m.contains('k') && !m.contains('h'))
    }

    /// `cpu/event=0x3c,name=mine/`: perf prints the name that it was given in the place of everything.
    fn given_name(&self) -> Option<&str> {
        let (_, terms) = self.text.split_once('/')?;
        let (terms, _) = terms.rsplit_once('/')?;
        let name = terms.split(',').find_map(|term| term.trim().strip_prefix("name="))?;
        Some(name.trim_matches(['\'', '"']))
    }

    /// Is a row of this printed name an answer to this request? perf adds modifiers and PMUs of its own, so the base
    /// decides, and whatever else was asked for must be there.
    pub fn is_answered_by(&self, printed: &str) -> bool {
        if self.is_group() {
            // perf prints the members of `{cs,faults}:u` without the letters that stand behind the brace.
            let bare = |member: &str| parts(printed).modifiers.is_none() && parts(member).base == parts(printed).base;
            let members = self.members();
            return members.iter().any(|m| bare(m) || Request::new(m.as_str()).is_answered_by(printed));
        }
        if self.text == printed || self.given_name().is_some_and(|name| name == printed) {
            return true;
        }
        let (asked, got) = (parts(&self.text), parts(printed));
        let letters = |m: Option<&str>| -> Vec<u8> { m.unwrap_or_default().bytes().collect() };
        (asked.base == got.base || matches_pattern(asked.base, got.base))
            && (asked.pmu.is_none_or(|pmu| got.pmu.is_some_and(|got| pmu == got || matches_pattern(pmu, got))))
            && letters(asked.modifiers).iter().all(|l| letters(got.modifiers).contains(l))
    }
}

/// Does a pattern with `*` and `?` fit? What is none fits nothing.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    fn fits(pattern: &[u8], text: &[u8]) -> bool {
        match pattern {
            [] => text.is_empty(),
            [b'*', rest @ ..] => (0..=text.len()).any(|n| fits(rest, &text[n..])),
            [b'?', rest @ ..] => !text.is_empty() && fits(rest, &text[1..]),
            [first, rest @ ..] => text.first() == Some(first) && fits(rest, &text[1..]),
        }
    }
    // A user's few stars; many would take for ever.
    (1..=4).contains(&pattern.matches('*').count()) && fits(pattern.as_bytes(), text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_cut_outside_braces_and_terms() {
        assert_eq!(split_list("cycles, cs ,,cycles"), ["cycles", "cs"]);
        assert_eq!(
            split_list("cpu/event=0x3c,umask=0x0/u,{cycles,instructions}:S,cpu_core/cycles/"),
            ["cpu/event=0x3c,umask=0x0/u", "{cycles,instructions}:S", "cpu_core/cycles/"]
        );
        assert_eq!(split_list(" , "), Vec::<String>::new());
        assert_eq!(Request::new("{a,b/x=1,y/,c}:u").only(&[0, 1]), "{a,b/x=1,y/}:u");
        assert_eq!(Request::new("a").only(&[0]), "a");
        let events = events_of(&["cs", "{cs,faults}:u", "{cs,faults}"].map(Request::new));
        assert_eq!(events.iter().map(|e| &*e.text).collect::<Vec<_>>(), ["cs", "cs:u", "faults:u", "faults"]);
    }

    #[test]
    fn slips_in_the_writing() {
        for right in ["cs", "cs:u", "{a,b}", "{a,b}:u", "cpu/a={x}/", "mem:0x10:rw", "{cpu/a,b/,c}"] {
            assert_eq!(mistake_in(right), None, "{right}");
        }
        for wrong in ["{", "{}", "{a", "a}", "{a,{b}}", "{{a}}", "cs:", "a\nb", "a{b}"] {
            assert!(mistake_in(wrong).is_some(), "{wrong}");
        }
    }

    #[test]
    fn rows_find_their_request() {
        let answers = |asked: &str, printed: &str| Request::new(asked).is_answered_by(printed);
        assert!(answers("cycles", "cycles"));
        assert!(answers("cycles", "cycles:u"), "perf retries with exclude_kernel");
        assert!(answers("cycles", "cpu_atom/cycles/"), "one row for each PMU of a hybrid CPU");
        assert!(answers("cpu_core/cycles/", "cpu_core/cycles/H"));
        assert!(!answers("cpu_core/cycles/", "cpu_atom/cycles/"));
        assert!(!answers("cycles:k", "cycles:u"));
        assert!(!answers("cycles", "ref-cycles"));
        assert!(answers("{cycles,instructions}:S", "instructions"));
        assert!(answers("{cycles,instructions}:u", "instructions") && !answers("{cycles}:u", "cycles:k"));
        assert!(!answers("{cycles,instructions}:S", "branches"));
        assert!(answers("sched:sched_switch", "sched:sched_switch"));
        assert!(answers("msr/tsc,name=mine/", "mine") && answers("cpu/name='a b',event=1/u", "a b"));
        assert!(answers("task:*", "task:task_newtask") && answers("uncore_imc_*/reads/", "uncore_imc_0/reads/"));
        assert!(!answers("task:*", "sched:sched_switch") && !answers("*/*/*/*/*", "x"));
    }
}
