//! The CI job, from a few variables that CI systems are known to set. The rest of the environment may contain secrets,
//! and is not read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::systems::{COMMON, SYSTEMS, System};

/// A CI system, and its variables for the job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ci {
    /// "GitHub Actions", "GitLab CI", …; "unknown" if only `CI` is set.
    pub system: String,
    /// By the names of the environment variables, without empty ones.
    pub variables: BTreeMap<String, String>,
}

/// Maximum length of a value in characters; the rest is cut off.
const LONGEST: usize = 500;

impl Ci {
    /// Reads the variables by name; `None` if there is no sign of a CI system.
    pub fn detect(get: impl Fn(&str) -> Option<String>) -> Option<Ci> {
        // `GITLAB_CI=false` is a way to turn it off.
        let is_set = |name: &str| get(name).is_some_and(|v| !v.is_empty() && v != "false" && v != "0");
        let shows = |system: &&System| match system.sign {
            (name, None) => is_set(name),
            (name, Some(value)) => get(name).as_deref() == Some(value),
        };
        let (system, variables) = match SYSTEMS.iter().find(shows) {
            Some(system) => (system.name, system.variables),
            None if is_set("CI") => ("unknown", COMMON),
            None => return None,
        };
        let value = |name: &str| get(name).filter(|v| !v.is_empty()).map(|v| harmless(&v));
        let variables = variables.iter().filter_map(|name| Some(((*name).to_string(), value(name)?))).collect();
        Some(Ci { system: system.to_string(), variables })
    }
}

/// The value, cut to a sensible length, without users and passwords in URLs and without secret parameters.
pub(super) fn harmless(value: &str) -> String {
    let mut kept = String::new();
    let mut rest = value;
    // `user:password@host:path`, a form that git accepts.
    if let Some(at) = rest.find('@').filter(|at| rest[..*at].contains(':') && !rest[..*at].contains(['/', ' '])) {
        rest = &rest[at + 1..];
    }
    while let Some((before, after)) = rest.split_once("//") {
        kept.push_str(before);
        kept.push_str("//");
        let authority = after.find(|c: char| matches!(c, '/' | '?' | '#' | ',') || c.is_whitespace());
        let end = authority.unwrap_or(after.len());
        let host = after[..end].rfind('@').map_or(0, |at| at + 1);
        kept.push_str(&after[host..end]);
        rest = &after[end..];
    }
    kept.push_str(rest);
    let kept = without_secrets(&kept);
    match kept.char_indices().nth(LONGEST) {
        Some((at, _)) => kept[..at].to_string() + "…",
        None => kept,
    }
}

/// `?job=7&token=abc` becomes `?job=7&token=…`.
fn without_secrets(value: &str) -> String {
    const SECRET: [&str; 8] = ["token", "secret", "pass", "pwd", "key", "auth", "sig", "credential"];
    let mut out = String::new();
    for part in value.split_inclusive(['?', '&', ';', '#', ' ']) {
        let separator = part.chars().next_back().filter(|c| "?&;# ".contains(*c));
        let pair = separator.map_or(part, |c| &part[..part.len() - c.len_utf8()]);
        match pair.split_once('=') {
            Some((name, _)) if SECRET.iter().any(|word| name.to_lowercase().contains(word)) => {
                out.push_str(name);
                out.push_str("=…");
            }
            _ => out.push_str(pair),
        }
        out.extend(separator);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(environment: &[(&str, &str)]) -> Option<Ci> {
        Ci::detect(|name| environment.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_string()))
    }

    #[test]
    fn a_job_and_no_secrets() {
        let ci = detect(&[
            ("CI", "true"),
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_TOKEN", "ghs_secret"),
            ("ACTIONS_RUNTIME_TOKEN", "secret"),
            ("GITHUB_RUN_ID", "1658821493"),
            ("GITHUB_REPOSITORY", "octocat/Hello-World"),
            ("GITHUB_HEAD_REF", ""),
            ("HOME", "/home/runner"),
        ])
        .unwrap();
        assert_eq!(ci.system, "GitHub Actions");
        let variables: Vec<_> = ci.variables.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(variables, ["GITHUB_REPOSITORY=octocat/Hello-World", "GITHUB_RUN_ID=1658821493"]);
    }

    #[test]
    fn signs() {
        let system = |environment: &[(&str, &str)]| detect(environment).map(|ci| ci.system);
        assert_eq!(system(&[("CI", "woodpecker")]).as_deref(), Some("Woodpecker"));
        assert_eq!(system(&[("CI", "true"), ("TF_BUILD", "True")]).as_deref(), Some("Azure Pipelines"));
        assert_eq!(system(&[("GITHUB_ACTIONS", "true"), ("GITEA_ACTIONS", "true")]).as_deref(), Some("Gitea Actions"));
        assert_eq!(system(&[("CI", "1")]).as_deref(), Some("unknown"));
        for nothing in [&[][..], &[("CI", "")], &[("CI", "false")], &[("BUILD_NUMBER", "4")], &[("GITLAB_CI", "0")]] {
            assert_eq!(system(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn the_list_contains_no_names_of_secrets() {
        let names = SYSTEMS.iter().flat_map(|s| s.variables).chain(COMMON);
        for name in names {
            let upper = name.to_uppercase();
            for word in ["TOKEN", "SECRET", "PASS", "KEY_", "CREDENTIAL", "AUTH", "COOKIE", "PRIVATE", "EMAIL"] {
                assert!(!upper.contains(word), "{name}");
            }
        }
    }

    #[test]
    fn passwords_in_urls() {
        for (value, kept) in [
            ("https://user:token@example.org/a.git", "https://example.org/a.git"),
            ("https://x-access-token:p@ss@example.org:8443", "https://example.org:8443"),
            ("https://example.org/@scope?mail=a@b", "https://example.org/@scope?mail=a@b"),
            ("https://a:b@one/,ssh://c@two/", "https://one/,ssh://two/"),
            ("git@example.org:a/b.git", "git@example.org:a/b.git"),
            ("//user:secret@example.org/a", "//example.org/a"),
            ("user:secret@example.org:a/b.git", "example.org:a/b.git"),
            ("https://ci/job/1/?token=abc&n=2", "https://ci/job/1/?token=…&n=2"),
            ("https://ci/job/1/?n=2&API_KEY=abc#top", "https://ci/job/1/?n=2&API_KEY=…#top"),
            ("a 1:2@3", "a 1:2@3"),
            ("://", "://"),
            ("main", "main"),
        ] {
            assert_eq!(harmless(value), kept);
        }
        assert_eq!(harmless(&"ä".repeat(600)), "ä".repeat(500) + "…");
    }
}
