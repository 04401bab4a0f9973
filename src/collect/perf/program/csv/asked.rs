//! Which requested event a printed name belongs to.

use crate::collect::perf::program::line::LineLayout;
use crate::events::generic::usual_name;
use crate::events::name::parts;
use crate::events::request::Request;

/// Whether perf prints this name for an event that was typed like this.
pub fn is_named(typed: &str, printed: &str) -> bool {
    typed == printed || typed.contains("name=") && Request::new(typed).given_name() == Some(printed)
}

/// Whether this is one of the requested events, under any name and with any suffix added by perf.
pub fn is_asked(event: &str, layout: &LineLayout) -> bool {
    let base = |name: &str| usual_name(parts(name).base);
    let is_member =
        |member: &String| Request::new(member.as_str()).is_answered_by(event) || base(member) == base(event);
    layout.events.is_empty()
        || layout.events.iter().any(|e| e == event || Request::new(e.as_str()).members().iter().any(is_member))
}

/// The cgroup follows the event. Both may contain the separator, but the requested events are known.
pub fn with_cgroup<'l>(text: &'l str, separator: char, layout: &LineLayout) -> (&'l str, Option<&'l str>) {
    let names = layout.events.iter().map(|e| Request::new(e.as_str()));
    let asked = names.into_iter().find_map(|e| {
        let behind = |name: &str| text.strip_prefix(name)?.strip_prefix(separator);
        behind(&e.text).or_else(|| behind(e.given_name()?))
    });
    let (event, cgroup) = match asked {
        Some(cgroup) => (&text[..text.len() - cgroup.len() - separator.len_utf8()], cgroup),
        None => match text.rsplit_once(separator) {
            Some(both) => both,
            None => return (text, None),
        },
    };
    (event.trim(), Some(cgroup.trim()).filter(|c| !c.is_empty()))
}
