//! The list of events that was asked for.

use super::EventId;
use super::generic;
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

/// One element of the event list as it was asked for, which is also how it stands on perf's command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub text: String,
    /// The kernel's number, where the name is a generic one.
    pub id: Option<EventId>,
}

impl Request {
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        let parts = parts(&text);
        let id = if parts.pmu.is_none() { generic::id_of(parts.base) } else { None };
        Request { text, id }
    }

    /// `{a,b}`: events that are on their counters at the same time, or not at all.
    pub fn is_group(&self) -> bool {
        self.text.starts_with('{')
    }

    /// The events of a group, each with the modifiers that stand behind the brace; of any other request the request itself.
    pub fn members(&self) -> Vec<String> {
        let Some(group) = self.text.strip_prefix('{') else { return vec![self.text.clone()] };
        let (inner, after) = group.rsplit_once('}').unwrap_or((group, ""));
        // `S`, `W`, `D` and `e` are about the group and its leader, not about the counting of each.
        let letters: String = after.trim_start_matches(':').chars().filter(|c| !"SWDe".contains(*c)).collect();
        let with_letters = |member: String| {
            let parts = parts(&member);
            match (letters.as_str(), parts.modifiers, parts.pmu) {
                ("", ..) => member,
                (_, Some(_), _) => member + &letters,
                (_, None, Some(_)) if member.ends_with('/') => member + &letters,
                _ => format!("{member}:{letters}"),
            }
        };
        split_list(inner).into_iter().map(with_letters).collect()
    }

    /// A name of perf's own, not one of a tracepoint, a PMU's or a CPU model's, which another machine may well have.
    pub fn is_plain(&self) -> bool {
        !self.text.contains(['/', '.']) && !parts(&self.text).base.contains(':')
    }

    /// Were only counts of user mode asked for?
    pub fn is_user_only(&self) -> bool {
        parts(&self.text).modifiers.is_some_and(|m| m.contains('u') && !m.contains('k') && !m.contains('h'))
    }

    /// Is a row of this printed name an answer to this request? perf adds modifiers and PMUs of its own, so the base
    /// decides, and whatever else was asked for must be there.
    pub fn is_answered_by(&self, printed: &str) -> bool {
        if self.is_group() {
            return self.members().into_iter().any(|member| Request::new(member).is_answered_by(printed));
        }
        if self.text == printed {
            return true;
        }
        let (asked, got) = (parts(&self.text), parts(printed));
        let letters = |m: Option<&str>| -> Vec<u8> { m.unwrap_or_default().bytes().collect() };
        asked.base == got.base
            && (asked.pmu.is_none() || asked.pmu == got.pmu)
            && letters(asked.modifiers).iter().all(|l| letters(got.modifiers).contains(l))
    }
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
        assert!(!answers("{cycles,instructions}:S", "branches"));
        assert!(answers("sched:sched_switch", "sched:sched_switch"));
    }

    #[test]
    fn names_that_perf_must_know() {
        for plain in ["cycels", "cycels:u", "{cycles,instrctions}:S", "nosuch"] {
            assert!(Request::new(plain).is_plain(), "{plain}");
        }
        for of_a_machine in ["sched:nosuch", "cpu_core/cycles/", "mem_load_retired.l1_hit", "{cycles,sched:x}"] {
            assert!(!Request::new(of_a_machine).is_plain(), "{of_a_machine}");
        }
    }
}
