//! The list of requested events.

use super::modifier::counts_nothing_in_user_mode;
use super::name::parts;
use super::{terms, tracepoint};

/// Splits an event list at its commas, but not at those inside `pmu/a=1,name='b,c'/` and `{a,b}`. An event that is
/// named twice counts once.
pub fn split_list(list: &str) -> Vec<String> {
    let (mut found, mut start, mut braces) = (Vec::<String>::new(), 0, 0usize);
    let mut add = |event: &str| {
        let event = event.trim();
        if !event.is_empty() && !found.iter().any(|f| f == event) {
            found.push(event.to_string());
        }
    };
    for (at, c) in terms::outside(list) {
        match c {
            '{' => braces += 1,
            '}' => braces = braces.saturating_sub(1),
            ',' if braces == 0 => {
                add(&list[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    add(&list[start..]);
    found
}

/// The events of all requests, including the members of groups, each once.
pub fn events_of(requests: &[Request]) -> Vec<Request> {
    let mut events: Vec<Request> = Vec::new();
    for member in requests.iter().flat_map(Request::members).map(Request::new) {
        if !events.contains(&member) {
            events.push(member);
        }
    }
    events
}

/// What is wrong with the syntax of an element of the list, if anything.
pub fn mistake_in(text: &str) -> Option<&'static str> {
    if text.chars().any(char::is_control) {
        return Some("it contains a control character");
    }
    if text.ends_with(':') {
        return Some("there is nothing after the colon");
    }
    if Request::new(text).members().iter().any(|member| terms::has_open_quote(member)) {
        return Some("a quote is not closed");
    }
    let outside: String = terms::outside(text).map(|(_, c)| c).collect();
    match (outside.matches('{').count(), outside.matches('}').count()) {
        (0, 0) => None,
        (1, 1) if text.starts_with('{') => {
            let is_empty = Request::new(text).members().is_empty();
            is_empty.then_some("there is nothing between the braces")
        }
        _ => Some("a group is written {a,b}, without another group inside"),
    }
}

/// One element of the event list as requested, which is also its form on perf's command line.
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

    /// The group with only these of its members.
    pub fn only(&self, kept: &[usize]) -> String {
        let Some((inner, after)) = self.text.strip_prefix('{').and_then(|t| t.rsplit_once('}')) else {
            return self.text.clone();
        };
        let members = split_list(inner);
        let kept: Vec<&str> = kept.iter().filter_map(|n| members.get(*n)).map(String::as_str).collect();
        format!("{{{}}}{after}", kept.join(","))
    }

    /// `{a,b}:W`: if they do not fit together, each may count on its own.
    pub fn is_weak(&self) -> bool {
        self.text.rsplit_once('}').is_some_and(|(_, letters)| letters.contains('W'))
    }

    /// The events of a group, each with the modifiers that follow the brace; for any other request the request itself.
    pub fn members(&self) -> Vec<String> {
        let Some(group) = self.text.strip_prefix('{') else { return vec![self.text.clone()] };
        let (inner, after) = group.rsplit_once('}').unwrap_or((group, ""));
        let with_letters = |(n, member): (usize, String)| {
            // `S` and `W` concern the group, `D` and `e` its leader.
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

    /// Whether only counts of user mode were requested.
    pub fn is_user_only(&self) -> bool {
        parts(&self.text).modifiers.is_some_and(|m| m.contains('u') && !m.contains('k') && !m.contains('h'))
    }

    /// `cpu/event=0x3c,name=mine/`: perf prints the given name instead of everything else.
    pub fn given_name(&self) -> Option<&str> {
        if self.is_group() { None } else { terms::given_name(terms::of(&self.text)?) }
    }

    /// Whether this is the given name, with the suffix that perf adds if it leaves out the kernel or guests: `mine:u`,
    /// `a:bu`.
    fn is_given_name(&self, printed: &str) -> bool {
        let added = self.given_name().and_then(|name| printed.strip_prefix(name));
        added.is_some_and(|added| added.trim_start_matches(':').bytes().all(|letter| b"uHkhG".contains(&letter)))
    }

    /// Whether a row with this printed name answers this request. perf adds its own modifiers and PMUs, so the base
    /// decides, and everything else that was requested must be present.
    pub fn is_answered_by(&self, printed: &str) -> bool {
        if self.is_group() {
            // perf prints the members of `{cs,faults}:u` without the letters after the brace.
            let bare = |member: &str| parts(printed).modifiers.is_none() && parts(member).base == parts(printed).base;
            let members = self.members();
            return members.iter().any(|m| bare(m) || Request::new(m.as_str()).is_answered_by(printed));
        }
        if self.text == printed || self.is_given_name(printed) {
            return true;
        }
        let (asked, got) = (parts(&self.text), parts(printed));
        // perf prints a tracepoint without its modifiers.
        let is_bare = got.modifiers.is_none() && tracepoint::split(asked.base).is_some();
        let asked_letters = asked.modifiers.filter(|_| !is_bare);
        let letters = |m: Option<&str>| -> Vec<u8> { m.unwrap_or_default().bytes().collect() };
        (asked.base == got.base || matches_pattern(asked.base, got.base))
            && (asked.pmu.is_none_or(|pmu| got.pmu.is_some_and(|got| pmu == got || matches_pattern(pmu, got))))
            && letters(asked_letters).iter().all(|l| letters(got.modifiers).contains(l))
    }

    /// Whether a row with this printed name always stays at zero, because only user mode was requested.
    pub fn counts_nothing_as(&self, printed: &str) -> bool {
        let members = self.members();
        let mut answered = members.iter().filter(|m| Request::new(m.as_str()).is_answered_by(printed)).peekable();
        counts_nothing_in_user_mode(printed)
            || answered.peek().is_some() && answered.all(|member| counts_nothing_in_user_mode(member))
    }
}

/// Whether a pattern with `*` and `?` matches. A text that is not a pattern matches nothing.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    fn fits(pattern: &[u8], text: &[u8]) -> bool {
        match pattern {
            [] => text.is_empty(),
            [b'*', rest @ ..] => (0..=text.len()).any(|n| fits(rest, &text[n..])),
            [b'?', rest @ ..] => !text.is_empty() && fits(rest, &text[1..]),
            [first, rest @ ..] => text.first() == Some(first) && fits(rest, &text[1..]),
        }
    }
    // A user types only a few stars; many would take too long.
    (1..=4).contains(&pattern.matches('*').count()) && fits(pattern.as_bytes(), text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lists_are_split_outside_braces_and_terms() {
        assert_eq!(split_list("cycles, cs ,,cycles"), ["cycles", "cs"]);
        assert_eq!(
            split_list("cpu/event=0x3c,umask=0x0/u,{cycles,instructions}:S,cpu_core/cycles/"),
            ["cpu/event=0x3c,umask=0x0/u", "{cycles,instructions}:S", "cpu_core/cycles/"]
        );
        assert_eq!(split_list(" , "), Vec::<String>::new());
        assert_eq!(
            split_list("msr/tsc,name='a,b'/,{cpu/event=1,name=\"c,d\"/u,cs},page-faults"),
            ["msr/tsc,name='a,b'/", "{cpu/event=1,name=\"c,d\"/u,cs}", "page-faults"]
        );
        assert_eq!(Request::new("{msr/tsc,name='a,b'/,cs}:u").members(), ["msr/tsc,name='a,b'/u", "cs:u"]);
        assert_eq!(Request::new("{a,b/x=1,y/,c}:u").only(&[0, 1]), "{a,b/x=1,y/}:u");
        assert_eq!(Request::new("a").only(&[0]), "a");
        let events = events_of(&["cs", "{cs,faults}:u", "{cs,faults}"].map(Request::new));
        assert_eq!(events.iter().map(|e| &*e.text).collect::<Vec<_>>(), ["cs", "cs:u", "faults:u", "faults"]);
    }

    #[test]
    fn syntax_errors() {
        for right in
            ["cs", "cs:u", "{a,b}", "{a,b}:u", "cpu/a={x}/", "mem:0x10:rw", "{cpu/a,b/,c}", "msr/tsc,name='a,b'/"]
        {
            assert_eq!(mistake_in(right), None, "{right}");
        }
        for wrong in ["{", "{}", "{a", "a}", "{a,{b}}", "{{a}}", "cs:", "a\nb", "a{b}", "msr/tsc,name='a/"] {
            assert!(mistake_in(wrong).is_some(), "{wrong}");
        }
    }

    #[test]
    fn rows_find_their_request() {
        let answers = |asked: &str, printed: &str| Request::new(asked).is_answered_by(printed);
        assert!(answers("cycles", "cycles"));
        assert!(answers("cycles", "cycles:u"), "perf retries with exclude_kernel");
        assert!(answers("cycles", "cpu_atom/cycles/"), "one row per PMU of a hybrid CPU");
        assert!(answers("cpu_core/cycles/", "cpu_core/cycles/H"));
        assert!(!answers("cpu_core/cycles/", "cpu_atom/cycles/"));
        assert!(!answers("cycles:k", "cycles:u"));
        assert!(!answers("cycles", "ref-cycles"));
        assert!(answers("{cycles,instructions}:S", "instructions"));
        assert!(answers("{cycles,instructions}:u", "instructions") && !answers("{cycles}:u", "cycles:k"));
        assert!(!answers("{cycles,instructions}:S", "branches"));
        assert!(answers("sched:sched_switch", "sched:sched_switch"));
        assert!(answers("sched:sched_switch:u", "sched:sched_switch"), "perf 6.1 prints it without its modifiers");
        assert!(!answers("sched:sched_switch:u", "sched:sched_wakeup") && !answers("cs:u", "cs"));
        let never = |asked: &str, printed: &str| Request::new(asked).counts_nothing_as(printed);
        assert!(
            never("sched:sched_switch:u", "sched:sched_switch")
                && never("cs", "cs:u")
                && never("{cs,faults}:u", "cs:u")
        );
        assert!(
            !never("sched:sched_switch", "sched:sched_switch") && !never("cs", "cs") && !never("faults:u", "faults:u")
        );
        assert!(answers("msr/tsc,name=mine/", "mine") && answers("cpu/name='a b',event=1/u", "a b"));
        // perf prints a given name in quotes without modifiers, whatever else it contains.
        for name in ["a,b", "a:u", "a=b", "a.b-c", "a;b", "[0]"] {
            assert!(answers(&format!("msr/tsc,name='{name}'/"), name), "{name}");
            assert!(answers(&format!("msr/name='{name}',tsc/u"), name), "{name}");
            assert!(answers(&format!("{{msr/tsc,name='{name}'/,cs}}"), name), "{name}");
            assert!(!answers(&format!("msr/tsc,name='{name}'/"), "tsc2"), "{name}");
        }
        assert!(answers("msr/tsc,name='a,b'/", "a,b:u") && answers("msr/tsc,name='a:b'/", "a:bu"), "kernel left out");
        assert!(!answers("msr/tsc,name='a,b'/", "a") && !answers("msr/tsc,name='a,b'/", "b"));
        assert!(!answers("msr/tsc,name=a/", "ab") && !answers("msr/tsc,metric-id=a/", "a"));
        assert!(answers("task:*", "task:task_newtask") && answers("uncore_imc_*/reads/", "uncore_imc_0/reads/"));
        assert!(!answers("task:*", "sched:sched_switch") && !answers("*/*/*/*/*", "x"));
    }

    /// An event in perf's grammar.
    fn event() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-z][a-z0-9_.-]{0,10}(:[ukH])?",
            "[a-z]{1,6}:[a-z_]{1,8}",
            "[a-z]{1,6}/[a-z]{1,4}=0x[0-9a-f]{1,4},[a-z]{1,4}/[ukH]?",
            "[a-z]{1,6}/name='[a-z0-9_*?.:=,-]{1,8}',[a-z]{1,4}=1/[ukH]?",
            "[a-z]{1,6}/[a-z]{1,4},name=\"[a-z0-9_.:=,-]{1,8}\"/",
        ]
    }

    proptest! {
        #[test]
        fn a_list_is_split_into_its_elements(
            events in prop::collection::vec(event(), 1..8),
            group in prop::collection::vec(event(), 1..4),
        ) {
            let mut all: Vec<String> = events;
            all.push(format!("{{{}}}", group.join(",")));
            let mut expected = Vec::new();
            all.iter().for_each(|e| if !expected.contains(e) { expected.push(e.clone()) });
            let found = split_list(&all.join(","));
            prop_assert_eq!(&found, &expected);
            for text in &found {
                prop_assert_eq!(mistake_in(text), None, "{}", text);
                let request = Request::new(text.as_str());
                for member in request.members() {
                    let member = Request::new(member);
                    prop_assert!(request.is_answered_by(&member.text), "{} {}", text, member.text);
                    if let Some(name) = member.given_name() {
                        prop_assert!(request.is_answered_by(name) && !name.contains(['\'', '"']), "{} {}", text, name);
                    }
                }
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in "[a-c,:/={}'\"uSW*? \u{e4}]{0,40}", printed in "[a-c:/='\"u, ]{0,12}") {
            for event in split_list(&text) {
                let request = Request::new(event.as_str());
                let _ = (mistake_in(&event), request.is_answered_by(&printed), request.counts_nothing_as(&printed));
                let _ = (request.only(&[0, 2]), request.is_weak(), request.is_user_only(), request.members());
            }
        }
    }
}
